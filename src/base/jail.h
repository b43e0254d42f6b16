/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process locks itself in with: files it may still reach, capabilities
 * it keeps. Each layer holds for the calling thread and those it makes later.
 */
#ifndef MSB_BASE_JAIL_H
#define MSB_BASE_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a sanitizer's runtime does, a jail would have to allow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define JAIL_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define JAIL_SANITIZER true
#endif
#endif
#ifndef JAIL_SANITIZER
#define JAIL_SANITIZER false
#endif

enum jail_access {
	JAIL_READ,
	JAIL_WRITE,	  /* everything but execution and device nodes */
	JAIL_READ_FILES,  /* the contents of files, no directories */
	JAIL_WRITE_FILES, /* the same, and change them */
	JAIL_REMOVE,	  /* remove empty directories from it */
};

struct jail_dir {
	int fd; /* of a directory or file, O_PATH will do; borrowed */
	enum jail_access access;
};

enum jail_network { JAIL_NO_TCP, JAIL_CONNECT_TCP };

/* Landlock: descriptor of the rules and the host's ABI, or -errno. */
int jail_landlock_rules(const struct jail_dir *dirs, size_t n,
			enum jail_network network, int *ret_abi);
/* Needs no_new_privs. Async-signal-safe. 0 or -errno. */
int jail_landlock_enforce(int rules_fd);

#define JAIL_CAP(c) (1u << (c))
/* Keep, of capabilities 0 to 31, those that are set. Async-signal-safe. */
int jail_capabilities_keep(uint32_t mask);

#endif
