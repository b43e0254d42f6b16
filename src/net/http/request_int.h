/* SPDX-License-Identifier: Apache-2.0 */
/* request.c hands the stream to the protocol it finds. */
#ifndef MSB_NET_HTTP_REQUEST_INT_H
#define MSB_NET_HTTP_REQUEST_INT_H

#include "base/compiler.h"
#include "net/http/request.h"

/* What both protocols work with; owned by struct request_filter. */
struct request_ctx {
	const struct secret_scope *scope;
	const char *host; /* NULL = any */
	struct secret_found found;
	const char *why; /* a constant text */
	size_t *room;	 /* of request_filter_new() */
	size_t taken;	 /* of it, by what is held and what is not sent yet */
};

/* Of the room that was taken, so much is still needed. */
static inline void request_keep(struct request_ctx *ctx, size_t held)
{
	*ctx->room += ctx->taken - held;
	ctx->taken = held;
}

struct h1;
struct h2;

int h1_new(struct request_ctx *ctx, struct h1 **ret); /* 0, -ENOMEM */
struct h1 *h1_free(struct h1 *h);
/* As request_filter_push(). */
int h1_push(struct h1 *h, const void *data, size_t len, bool end,
	    struct buf *out);
size_t h1_held(const struct h1 *h); /* how much of ctx->taken it still needs */
/* The rest is no HTTP, and nothing is looked for. */
bool h1_passes(const struct h1 *h);

/* The client's connection preface (24 bytes) is part of what is pushed. */
int h2_new(struct request_ctx *ctx, struct h2 **ret);
struct h2 *h2_free(struct h2 *h);
size_t h2_held(const struct h2 *h); /* as h1_held() */
int h2_push(struct h2 *h, const void *data, size_t len, bool end,
	    struct buf *out);

/* --- authority.c: shared by both --- */

/* The host in an authority (RFC 3986 3.2: host, or host:port) in canonical
 * form, brackets of IPv6 and a dot at the end removed. 0 or -EINVAL. */
int authority_host(const char *text, size_t len, char ret[NET_NAME_MAX + 1]);

/* --- query.c: shared by both --- */

/* What is behind the first ? of a target, appended as it is to be sent. How
 * many placeholders were replaced, or -ENOMEM. */
int query_value(struct request_ctx *ctx, const void *query, size_t len,
		struct buf *out);

/* --- basic.c: shared by both --- */

/*
 * The value of an Authorization field: Basic credentials get their secrets (or
 * are scanned for placeholders that may not be there: -EPERM), anything else is
 * an ordinary header. Appends the value as it is to be sent. How many were
 * replaced, or -errno.
 */
int authorization_value(struct request_ctx *ctx, const void *value, size_t len,
			struct buf *out);

#endif
