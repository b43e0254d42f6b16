/* SPDX-License-Identifier: Apache-2.0 */
/* From an exec request to a started child and our ends of its streams. */
#ifndef MSB_AGENT_LAUNCH_H
#define MSB_AGENT_LAUNCH_H

#include "agent/agent.h"
#include "agent/env.h"
#include "agent/spawn.h"

#define LAUNCH_LIMITS_MAX 32

struct launch {
	/* prepared */
	struct {
		char **v; /* owned, NULL-terminated; points into text */
		char *text;
		size_t n, bytes;
	} argv;
	struct env_block env;
	char *cwd; /* owned */
	struct user_creds creds;
	struct rlimit_set limits[LAUNCH_LIMITS_MAX];
	size_t nlimits;
	size_t skip_limits; /* leading entries that do not apply */
	bool tty;
	uint16_t rows, cols;
	enum msg_fail_kind fail_kind; /* when preparing failed */
	/* started; what is still set is closed by launch_fini */
	int ours[3], theirs[3];
	pid_t pid;
	struct spawn_error error; /* when starting failed */
};

/*
 * Resolve everything the request names. On failure fail_kind and err tell
 * what to answer. launch_fini() is due in any case.
 */
int launch_prepare(struct launch *l, struct agent *a,
		   const struct msg_exec_request *r, struct err *err);
/* Open pipes or a terminal and start the program; on failure error is set. */
int launch_start(struct launch *l, struct agent *a);
void launch_fini(struct launch *l);

#endif
