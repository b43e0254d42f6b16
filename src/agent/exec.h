/* SPDX-License-Identifier: Apache-2.0 */
/* Programs run for clients: pipes or a terminal, signals, exit status. */
#ifndef MSB_AGENT_EXEC_H
#define MSB_AGENT_EXEC_H

#include <sys/types.h>

#include "agent/agent.h"
#include "agent/spawn.h"

/* Answers core.exec.started, or core.exec.failed. The id is not in use. */
void exec_request(struct agent *a, uint32_t id,
		  const struct msg_exec_request *r);
/* A failure that has no errno: core.exec.failed with that text. */
void exec_send_failed(struct agent *a, uint32_t id, enum msg_fail_kind kind,
		      const char *fmt, ...) MSB_PRINTF(4, 5);

/* Messages for a running program; s is of kind SESSION_EXEC. */
void exec_stdin(struct agent *a, struct session *s, struct view data);
/* Stop reading the program's output, or go on. */
void exec_hold(struct session *s, bool hold);
void exec_resize(struct agent *a, struct session *s,
		 const struct msg_resize *r);
void exec_signal(struct agent *a, struct session *s, int32_t sig);

/* A child was reaped; it may be anybody's. */
void exec_reaped(struct agent *a, pid_t pid, int status);
/* Signal every program's process group. */
void exec_signal_all(struct agent *a, int sig);
/* Forget all programs without waiting for them. */
void exec_drop_all(struct agent *a);

/* Pure part: what kind of failure a step's errno is. */
enum msg_fail_kind exec_fail_kind(enum spawn_step step, int sys);
/* 'spawn "<cmd>": <text>', the command quoted and escaped. */
void exec_fail_text(struct buf *out, const char *cmd, int sys);

#endif
