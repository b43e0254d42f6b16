/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor` finds out about the home and the host, apart from how it says
 * it. */
#ifndef MSB_API_DOCTOR_HOST_H
#define MSB_API_DOCTOR_HOST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <microsandbox/microsandbox.h>

#include "base/compiler.h"

#define DOCTOR_NO_LIMIT UINT64_MAX

struct doctor_host {
	/* the home */
	const char *home; /* borrowed */
	uid_t euid, home_uid;
	mode_t home_mode;
	int home_errno;	 /* of looking at it */
	int write_errno; /* of writing in it */
	int xattr_errno; /* of an extended attribute there */
	long home_fs;	 /* f_type */
	uint64_t free_mib, free_files;
	bool counts_files; /* free_files means something */
	/* the guest's programs */
	const char *guest_file; /* borrowed; NULL: not found */
	bool guest_noexec;
	/* the host */
	int proc_errno; /* of /proc/self/fd */
	int shm_errno;	/* of /dev/shm */
	uint64_t shm_free_mib;
	uint64_t memory_mib; /* available; 0: unknown */
	uint64_t max_files, max_file_bytes, max_address_bytes;
	bool ipv4, ipv6, ping;
};

/* Who hears of each check, until it has had enough. */
struct doctor_report {
	int (*fn)(void *ctx, const msb_check_t *check);
	void *ctx;
	int stopped; /* what fn returned last */
};

void doctor_say(struct doctor_report *r, msb_check_state_t state,
		const char *name, const char *remedy, const char *fmt, ...)
	MSB_PRINTF(5, 6);

/* home_fd is the home's; home and guest_file are set by the caller. */
void doctor_host_read(int home_fd, struct doctor_host *f);
void doctor_host_home(const struct doctor_host *f, struct doctor_report *r);
void doctor_host_rest(const struct doctor_host *f, struct doctor_report *r);

#endif
