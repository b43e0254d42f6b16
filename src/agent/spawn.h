/* SPDX-License-Identifier: Apache-2.0 */
/* Starting one program, without copying the agent's address space. */
#ifndef MSB_AGENT_SPAWN_H
#define MSB_AGENT_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "agent/rlimit.h"
#include "agent/user.h"

enum spawn_step {
	SPAWN_CLONE,
	SPAWN_SETSID,
	SPAWN_TTY,
	SPAWN_STDIO,
	SPAWN_CHDIR,
	SPAWN_RLIMIT,
	SPAWN_USER,
	SPAWN_EXEC,
	SPAWN_STEP_COUNT
};
const char *spawn_step_name(enum spawn_step step);

struct spawn_params {
	const char *cmd;   /* with a '/': a path, else searched in path */
	char *const *argv; /* NULL-terminated */
	char *const *envp;
	const char *path; /* colon-separated */
	const char *cwd;
	int stdio[3];
	bool tty; /* stdio[0] becomes the controlling terminal */
	const struct user_creds *creds;
	const struct rlimit_set *limits;
	size_t nlimits;
	/* Bytes of argv and envp; a large block needs a larger stack limit. */
	size_t block_bytes;
};

/* What failed, and why; only meaningful when spawn() failed. */
struct spawn_error {
	enum spawn_step step;
	int sys; /* errno */
};

struct spawner;

int spawner_new(struct spawner **ret); /* 0 or -errno */
struct spawner *spawner_free(struct spawner *s);

/*
 * Start a program in a session of its own. Returns its pid once it runs the
 * program, or a negative errno with *ret_error filled; a child that failed is
 * already reaped then. SIGCHLD must be blocked by the caller.
 */
pid_t spawn(struct spawner *s, const struct spawn_params *p,
	    struct spawn_error *ret_error);

#endif
