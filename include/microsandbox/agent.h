/* SPDX-License-Identifier: Apache-2.0 */
/* Frames to and from a guest's agent (docs/protocol.md), for what has no
 * function of its own. */
#ifndef MICROSANDBOX_AGENT_H
#define MICROSANDBOX_AGENT_H

#include "microsandbox/core.h"

MSB_BEGIN_DECLS

/*
 * A client of the relay of a running sandbox. Any number of threads may use it
 * at once: answers go to whom they are for. The handshake checks the range of
 * ids and that what comes first is a complete core.ready. MSB_ERR_TIMEOUT,
 * MSB_ERR_AGENT_BUSY, MSB_ERR_SANDBOX_STATE, MSB_ERR_PROTOCOL.
 */
int msb_agent_connect(msb_t *m, const char *sandbox, uint64_t timeout_ms,
		      msb_agent_t **ret, msb_error_t **ret_err);
/* To a socket, whichever home it belongs to. */
int msb_agent_connect_path(const char *path, uint64_t timeout_ms,
			   msb_agent_t **ret, msb_error_t **ret_err);
/* Hang up; whoever waits gets MSB_ERR_AGENT_CLOSED. May be repeated. */
void msb_agent_close(msb_agent_t *a);
/* Also closes. Its streams are to be freed by themselves, before or after. */
void msb_agent_free(msb_agent_t *a);

/* Ids of this client's own: first to end - 1. */
void msb_agent_id_range(const msb_agent_t *a, uint32_t *first, uint32_t *end);
/* The body of core.ready, as it came; owned by a. */
const void *msb_agent_ready_bytes(const msb_agent_t *a, size_t *ret_len);
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	uint64_t boot_time_ns, init_time_ns, ready_time_ns;
	unsigned generation;	   /* of the protocol */
	const char *agent_version; /* owned by the client; "": not told */
} msb_agent_ready_t;
void msb_agent_ready(const msb_agent_t *a, msb_agent_ready_t *ret);

enum {
	MSB_AGENT_TERMINAL = 1 << 0,
	MSB_AGENT_SESSION_START = 1 << 1,
	MSB_AGENT_SHUTDOWN = 1 << 2,
	MSB_AGENT_RELAY = 1 << 7, /* for the relay itself */
};
#define MSB_AGENT_FRAME_MAX (4u << 20)
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	uint32_t id;
	uint8_t flags;
	void *body; /* a CBOR map {v, t, p} */
	size_t len;
} msb_agent_frame_t;
/* Release what a frame that was received refers to. */
void msb_agent_frame_clear(msb_agent_frame_t *frame);

/*
 * Send a body under a fresh id, and give the first frame that answers.
 * MSB_ERR_TIMEOUT after timeout_ms (-1 waits); MSB_ERR_AGENT when the sandbox
 * has hung up.
 */
int msb_agent_request(msb_agent_t *a, uint8_t flags, const void *body,
		      size_t len, int timeout_ms, msb_agent_frame_t *ret,
		      msb_error_t **ret_err);
/* The same, where more than one frame answers. Sending waits while the sandbox
 * takes nothing. */
int msb_agent_stream_open(msb_agent_t *a, uint8_t flags, const void *body,
			  size_t len, msb_agent_stream_t **ret,
			  msb_error_t **ret_err);
/* Frames that still come are dropped. What was begun in the guest goes on until
 * the client is closed. */
void msb_agent_stream_free(msb_agent_stream_t *st);
uint32_t msb_agent_stream_id(const msb_agent_stream_t *st);
/*
 * 1: *ret is filled, to be cleared; 0: nothing within timeout_ms (-1 waits), or
 * the frame with MSB_AGENT_TERMINAL has been given. Several threads may read
 * one stream. What nobody takes slows down all streams of its client, once
 * MSB_AGENT_QUEUE_MAX bytes wait in them.
 */
#define MSB_AGENT_QUEUE_MAX (16u << 20)
int msb_agent_stream_next(msb_agent_stream_t *st, int timeout_ms,
			  msb_agent_frame_t *ret, msb_error_t **ret_err);
bool msb_agent_stream_ended(const msb_agent_stream_t *st);
/* For a loop of the caller's own: readable while msb_agent_stream_next with a
 * timeout of 0 is worth a call; always once the stream has ended. */
int msb_agent_stream_fd(const msb_agent_stream_t *st);
/* A further frame of a session; or with id 0, MSB_AGENT_SHUTDOWN. An id outside
 * of the client's range is MSB_ERR_INVALID. */
int msb_agent_send(msb_agent_t *a, uint32_t id, uint8_t flags, const void *body,
		   size_t len, msb_error_t **ret_err);

/*
 * Messages instead of bytes. type is a name such as "core.exec.request",
 * payload its CBOR map p. The body that encode gives is to be freed with
 * msb_free(); what decode gives points into body, and is bounded by it. The
 * library checks that the whole is well-formed, and encode that type exists.
 * Strings and maps must be of definite length, or they are MSB_ERR_PROTOCOL.
 */
int msb_agent_encode(const char *type, const void *payload, size_t len,
		     void **ret_body, size_t *ret_len, msb_error_t **ret_err);
typedef struct {
	size_t struct_size; /* set by the caller to sizeof(...) */
	unsigned version;
	const char *type; /* type_len bytes, not terminated */
	size_t type_len;
	const void *payload;
	size_t payload_len;
} msb_agent_message_t;
int msb_agent_decode(const void *body, size_t len, msb_agent_message_t *ret,
		     msb_error_t **ret_err);

MSB_END_DECLS

#endif
