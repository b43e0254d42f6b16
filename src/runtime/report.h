/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime tells others: the launcher's pipe and small JSON files. */
#ifndef MSB_RUNTIME_REPORT_H
#define MSB_RUNTIME_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Why a boot failed. stage: mount, build_vm, config, network, image,
 * patch, other. */
struct boot_failure {
	const char *stage;
	int sys; /* errno, 0 = none */
	const char *message;
	const char *kernel_log; /* or NULL */
};

enum exit_reason {
	EXIT_COMPLETED,
	EXIT_FAILED,
	EXIT_IDLE_TIMEOUT,
	EXIT_MAX_DURATION,
	EXIT_SIGNAL,
	EXIT_SHUTDOWN_REQUESTED,
	EXIT_AGENT_UNRESPONSIVE,
	EXIT_INTERNAL_ERROR,
	EXIT_CREATOR_DIED,
	EXIT_REASON_COUNT
};

const char *exit_reason_name(enum exit_reason r);

/* One line to the launcher. A launcher that is gone is no failure of ours. */
void report_ready(int fd);
void report_failure(int fd, const struct boot_failure *f);

/*
 * A JSON file that is made ahead of time under a temporary name, while there is
 * nothing else to do, so that nobody waits for the file system later. fd -1:
 * not made yet.
 */
struct report_file {
	int dirfd; /* borrowed */
	const char *name;
	int fd;
};

#define REPORT_FILE_INIT(dir, file)                                            \
	{                                                                      \
		(dir), (file), -1                                              \
	}

int report_file_prepare(struct report_file *f); /* 0 or -errno */
/* Forget a file that was prepared and not written. */
void report_file_drop(struct report_file *f);

/* logs/boot-error.json, runtime/exit.json, runtime/machine.json; they appear
 * whole or not at all. 0 or -errno. */
int report_boot_error(int logs_fd, const struct boot_failure *b);
/* cause: what is behind the reason, if more is to be said, or NULL. */
int report_exit(struct report_file *f, enum exit_reason r, const char *cause,
		int code, bool graceful);
/* machine: the engine's own description, a JSON object; its members come
 * first. exits and network: JSON objects for members of those names, or NULL;
 * jail: for "runtime_jail". */
int report_machine(struct report_file *f, const char *machine,
		   const char *exits, const char *network, const char *jail,
		   uint64_t boot_ns);

#endif
