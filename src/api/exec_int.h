/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of commands: the session object and its request. */
#ifndef MSB_API_EXEC_INT_H
#define MSB_API_EXEC_INT_H

#include "api/agent_client.h"
#include "api/api_int.h"
#include "api/cancel.h"

/* One per known resource: rlimits_set() replaces what is there. */
#define EXEC_RLIMITS_MAX 16u
#define EXEC_STDIN_CHUNK 65536u
#define EXEC_STDIN_QUEUE (4 * EXEC_STDIN_CHUNK)

enum exec_state {
	EXEC_RUNNING,	/* also before it has started */
	EXEC_EXITED,	/* exited is its result */
	EXEC_FAILED,	/* did not start, or was lost: told once */
	EXEC_TIMED_OUT, /* killed for its limit of time */
	EXEC_PARTING,	/* being detached */
	EXEC_DETACHED,	/* not ours any more */
};

/*
 * One thread reads events while others send: c.in and what belongs to it are
 * the reader's alone, and need no lock. The lock is never held over a wait.
 */
struct msb_exec {
	struct agent_client c;
	uint32_t id;
	bool tty;
	int epoll_fd; /* readable when msb_exec_next() has something to do */
	struct msg_exited exited; /* the reader's */
	char *command; /* argv[0], for messages; NULL after an attach */
	char *sandbox;
	size_t output_max; /* of what is collected */

	pthread_mutex_t lock; /* of all that follows, and of c.out */
	enum exec_state state;
	bool stdin_closed;
	bool writing; /* epoll_fd also waits for room in the socket */
	/* Input that was given beforehand, as far as it is not on its way. */
	uint8_t *feed;
	size_t feed_len, feed_off;
	bool feeding;
	bool type_end; /* to a terminal: its end of file is a character */
	/* The end of its time, and of that to say what is left after it. */
	uint64_t timeout_ms, deadline_ms; /* 0 = none */
	/* When a SIGKILL must have been read by the relay, 0 = none is sent. */
	uint64_t kill_ms;
	int timer_fd; /* for the first of these */
	bool killed;
};

void exec_lock(msb_exec_t *x);
void exec_unlock(msb_exec_t *x);
/* With the lock held: write what can be written, feed what there is to feed. */
int exec_pump(msb_exec_t *x);
/* With the lock held: keep epoll_fd informed of whether there is something to
 * be written. */
int exec_watch_room(msb_exec_t *x);
/* With the lock held: queue a small frame, write what can be written. */
int exec_send_frame(msb_exec_t *x, enum msg_type type,
		    const struct buf *payload);
int exec_send_signal(msb_exec_t *x, int signal);
/* With the lock held: the deadline is ms from now on; 0 or -errno. */
int exec_deadline_in(msb_exec_t *x, uint64_t ms);
/* With the lock held: one of the two moments has changed. */
int exec_timer_set(msb_exec_t *x);
int exec_send_err(struct err *err, int rc);
/* A new object that has no connection yet; -ENOMEM. */
int exec_new(const char *sandbox, const char *command, msb_exec_t **ret);
/* It has one now: 0, or -errno with err set. */
int exec_connected(msb_exec_t *x, struct err *err);

/* The peer answered with core.error, or with what should have been one. */
int exec_agent_error(msb_exec_t *x, const struct agent_frame *f,
		     struct api_err *e);

/* Append the payload of the exec request; -ENOMEM, -EMSGSIZE. */
int exec_request_encode(const struct sandbox_config *c,
			const msb_exec_options_t *o, struct buf *payload);

/* Connect to the agent of sandbox name; "not running" is ERR_SANDBOX_STATE. */
int sandbox_connect(const msb_t *m, const char *name, uint64_t timeout_ms,
		    struct agent_client *ret, struct err *err);

/* Does the agent answer a question? ERR_TIMEOUT, ERR_AGENT, ... */
int agent_answers(struct agent_client *c, const char *sandbox,
		  uint64_t deadline_ms, struct err *err);

/*
 * Is path in the guest of this sandbox a directory? 1, 0, or -errno with err
 * set; -ENOENT when there is nothing at path.
 */
int guest_is_dir(const msb_t *m, const char *name, const char *path,
		 struct err *err);

#endif
