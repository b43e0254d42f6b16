/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/exit.json: what the runtime leaves behind about its last boot. */
#ifndef MSB_STORE_EXIT_RECORD_H
#define MSB_STORE_EXIT_RECORD_H

#include <stdbool.h>

/* A secret's placeholder was sent where that ends the sandbox. */
#define EXIT_CAUSE_VIOLATION "secret-violation"

struct exit_record {
	char reason[32]; /* "Completed", "IdleTimeout", ... */
	char cause[32];	 /* EXIT_CAUSE_..., or empty */
	int code;
	bool graceful;
};

/* 0, -ENOENT when there is none, -EBADMSG when it cannot be understood. */
int exit_record_load(int runtime_dirfd, struct exit_record *ret);

#endif
