/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client sends to an HTTP server, on its way through: checked, scanned,
 * with placeholders replaced. Bytes in, bytes out; the server's answers are not
 * looked at. HTTP/1.x (RFC 9110, 9112) in h1*.c, HTTP/2 (RFC 9113, 7541) in
 * h2*.c; what is neither goes on as a raw stream that is only scanned.
 */
#ifndef MSB_NET_HTTP_REQUEST_H
#define MSB_NET_HTTP_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "net/secrets/secrets.h"

#define HTTP_MAX_HEAD (64u << 10) /* request line and header lines */
/* A body that must be whole to be changed. */
#define HTTP_MAX_BODY (16u << 20)
/* All of those that one guest has on the way at a time. */
#define HTTP_MAX_HELD (4u * HTTP_MAX_BODY)
#define HTTP_MAX_STREAMS 1024u
/* What an open stream counts as in the same room. */
#define HTTP_STREAM_ROOM 4096u
#define HTTP_MAX_FIELDS 1024u

struct request_filter;

/*
 * host: canonical name every request must be addressed to; NULL: any. scope may
 * be idle. room: bytes that may still be held, shared by all filters of a
 * guest, HTTP_MAX_HELD at first. All live longer than the filter. 0 or -ENOMEM.
 */
int request_filter_new(const struct secret_scope *scope, const char *host,
		       size_t *room, struct request_filter **ret);
struct request_filter *request_filter_free(struct request_filter *f);
/*
 * len bytes of the client arrived, behind all earlier ones: append to out what
 * is to be sent on now. What a decision needs is kept inside, bounded; out
 * grows by no more than about twice len and what was kept. end: the client
 * says no more (len may be 0).
 * 0; -EPERM: a violation, see request_filter_found(); -EPROTO: no such request
 * is let through, see request_filter_why(); -ENOMEM. After a failure nothing
 * may be sent on, out is to be thrown away, and the filter is only freed.
 */
int request_filter_push(struct request_filter *f, const void *data, size_t len,
			bool end, struct buf *out);
/* All that was appended to out is sent, and takes no room any more. */
void request_filter_sent(struct request_filter *f);
const struct secret_found *request_filter_found(const struct request_filter *f);
const char *request_filter_why(const struct request_filter *f);
/* Nothing that follows needs to be looked at: the caller may copy by itself. */
bool request_filter_passes(const struct request_filter *f);

#endif
