/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of commands: the session object and its request. */
#ifndef MSB_API_EXEC_INT_H
#define MSB_API_EXEC_INT_H

#include "api/agent_client.h"
#include "api/api_int.h"

/* One per known resource: rlimits_set() replaces what is there. */
#define EXEC_RLIMITS_MAX 16u

enum exec_state {
	EXEC_RUNNING,  /* also before it has started */
	EXEC_EXITED,   /* exited is its result */
	EXEC_FAILED,   /* did not start, or was lost: told once */
	EXEC_DETACHED, /* not ours any more */
};

struct msb_exec {
	struct agent_client c;
	enum exec_state state;
	uint32_t id;
	bool tty;
	bool stdin_closed;
	struct msg_exited exited;
	char *command; /* argv[0], for messages; NULL after an attach */
	char *sandbox;
};

/* The peer answered with core.error, or with what should have been one. */
int exec_agent_error(msb_exec_t *x, const struct agent_frame *f,
		     struct api_err *e);

/* Append the payload of the exec request; -ENOMEM, -EMSGSIZE. */
int exec_request_encode(const struct sandbox_config *c,
			const msb_exec_options_t *o, struct buf *payload);

/* Connect to the agent of sandbox name; "not running" is ERR_SANDBOX_STATE. */
int sandbox_connect(const msb_t *m, const char *name, uint64_t timeout_ms,
		    struct agent_client *ret, struct err *err);

/*
 * Is path in the guest of this sandbox a directory? 1, 0, or -errno with err
 * set; -ENOENT when there is nothing at path.
 */
int guest_is_dir(const msb_t *m, const char *name, const char *path,
		 struct err *err);

#endif
