/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay: joins up to 128 clients of agent.sock to the one stream that leads
 * to the guest's agent. It looks at frame headers, follows sessions, copies
 * their output to exec.log, and forwards the original bytes.
 *
 * Everything runs on the loop's thread. Both sides are untrusted: a client can
 * at worst lose its own connection, the guest at worst its machine.
 */
#ifndef MSB_RUNTIME_RELAY_H
#define MSB_RUNTIME_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "logs/logs.h"
#include "loop/loop.h"
#include "protocol/msg.h"

struct relay;

/* How the program that the runtime itself started has ended. */
struct relay_exit {
	bool started; /* false: failed says why */
	int code;     /* -1 when killed by a signal */
	int signal;   /* or 0 */
	enum msg_fail_kind failed;
};

struct relay_config {
	struct loop *loop;
	struct logs *logs; /* borrowed; NULL: no capture */
	void *ctx;	   /* of all callbacks */
	/* Bytes taken towards the guest, 0 when it takes none at the moment;
	 * then relay_guest_writable() follows. */
	size_t (*guest_send)(void *ctx, const void *data, size_t len);
	/* The agent is ready; clients are accepted from now on. */
	void (*on_ready)(void *ctx);
	/* A client asked for a shutdown; the frame is on its way. */
	void (*on_shutdown)(void *ctx);
	/* A client wants another configuration (JSON text, len bytes) to apply
	 * from now on: 0, or -errno with err filled. */
	int (*on_modify)(void *ctx, const void *text, size_t len,
			 struct err *err);
	/* The stream from the guest makes no sense any more. */
	void (*on_guest_broken)(void *ctx, const char *why);
	/* The answer to relay_ask_usage(), or what the guest says unasked;
	 * hostile. NULL: not wanted. */
	void (*on_usage)(void *ctx, const struct msg_usage *u);
	/* The last session has ended (also the first time none is left). */
	void (*on_quiet)(void *ctx);
	/* The program given to relay_exec_start() has ended. */
	void (*on_exit)(void *ctx, const struct relay_exit *e);
};

int relay_new(const struct relay_config *cfg, struct relay **ret);
struct relay *relay_free(struct relay *r);

/* Take connections from a listening socket (borrowed). Call it once ready. */
int relay_listen(struct relay *r, int listen_fd);
/* Serve one connected, non-blocking socket (owned from here on). */
void relay_add_client(struct relay *r, int fd);

/* Bytes from the guest; hostile, any length, frames split anywhere. */
void relay_from_guest(struct relay *r, const void *data, size_t len);
void relay_guest_writable(struct relay *r);
/* The machine is gone: guest_send is not called any more. */
void relay_guest_gone(struct relay *r);

/* Frames of the runtime itself. */
void relay_send_shutdown(struct relay *r);
void relay_send_clock(struct relay *r, uint64_t wall_ns);
void relay_ask_usage(struct relay *r);
/* Run a program that belongs to no client, with standard input at its end.
 * 0 or -errno; on_exit follows a success. */
int relay_exec_start(struct relay *r, const struct msg_exec_params *p);

/* Tell the clients whose commands are running why these will end soon. */
void relay_fail_commands(struct relay *r, const char *kind,
			 const char *message);

/* Sessions somebody has a use for: of connected clients, and detached ones. */
unsigned relay_sessions(const struct relay *r);
/* Monotonic time of the last sign of life from a client or a session. */
uint64_t relay_last_activity_ms(const struct relay *r);

/* Before exit: give clients a moment to take what is queued for them. */
void relay_flush(struct relay *r, unsigned timeout_ms);

#endif
