/* SPDX-License-Identifier: Apache-2.0 */
/* A running program, as the files of exec see it. */
#ifndef MSB_AGENT_EXEC_INT_H
#define MSB_AGENT_EXEC_INT_H

#include "agent/exec.h"
#include "agent/inflow.h"

struct exec;

/* One direction of output. */
struct exec_output {
	struct exec *x;
	struct watch watch;
	const char *type; /* message it is sent as */
	int fd;		  /* owned; -1: ended, or never was */
};

/*
 * Invariant: the session ends, with core.exec.exited, when both outputs have
 * ended and the child is reaped, in whichever order that happens.
 */
struct exec {
	struct session session;
	struct session by_pid;
	struct agent *a;
	pid_t pid;
	bool tty, reaped;
	bool held;  /* the relay wants no more output for now */
	int status; /* of wait, once reaped */
	struct exec_output out, err;
	struct chan_waiter room; /* outputs paused for lack of it */
	/* input: see exec_stdin.c */
	struct watch in_watch;
	struct inflow in_queue;
	int in_fd; /* owned; -1: closed */
	bool in_eof, in_overrun;
};

void exec_stdin_init(struct exec *x, int fd);
void exec_stdin_close(struct exec *x);

#endif
