/* SPDX-License-Identifier: Apache-2.0 */
/* The streams a client may still send on, and what it sends on them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http/h2_int.h"

void h2_streams_init(struct h2_streams *s, const struct secret_scope *scope)
{
	memset(s, 0, sizeof(*s));
	s->scanned = !secret_scope_idle(scope);
	s->body = secret_scope_has(scope, SECRET_IN_BODY);
	s->carry = secret_scope_carry(scope, SECRET_IN_BODY);
}

static void release(struct h2_stream *st)
{
	st->scan = secret_scan_free(st->scan);
	free(st->tail);
	free(st->path);
	free(st->host);
}

void h2_streams_fini(struct h2_streams *s)
{
	for (size_t i = 0; i < s->n; i++)
		release(&s->v[i]);
	free(s->v);
	free(s->joint);
	memset(s, 0, sizeof(*s));
}

struct h2_stream *h2_stream_find(struct h2_streams *s, uint32_t id)
{
	size_t from = 0, to = s->n, middle;

	while (from < to) {
		middle = from + (to - from) / 2;
		if (s->v[middle].id == id)
			return &s->v[middle];
		if (s->v[middle].id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return NULL;
}

int h2_stream_open(struct h2_streams *s, struct request_ctx *ctx, uint32_t id)
{
	size_t cap = s->cap ? 2 * s->cap : 16;
	struct h2_stream *v;

	if (!(id & 1) || id <= s->last)
		return h2_refuse(ctx, "headers on a stream that is not open");
	if (s->n == HTTP_MAX_STREAMS)
		return h2_refuse(ctx, "too many open streams");
	if (*ctx->room < HTTP_STREAM_ROOM)
		return h2_refuse(ctx, "too many open streams, of all "
				      "connections");
	if (s->n == s->cap) {
		v = realloc(s->v, cap * sizeof(*v));
		if (!v)
			return -ENOMEM;
		s->v = v;
		s->cap = cap;
	}
	s->v[s->n++] = (struct h2_stream){ .id = id };
	s->last = id;
	*ctx->room -= HTTP_STREAM_ROOM;
	ctx->taken += HTTP_STREAM_ROOM;
	return 0;
}

static int copy_text(const char *text, char **ret)
{
	if (!*text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

int h2_stream_request(struct h2_streams *s, struct h2_stream *st,
		      const struct h2_request *r)
{
	st->has_length = r->has_length;
	st->left = r->length;
	if (!s->scanned)
		return 0;
	memcpy(st->method, r->method, sizeof(st->method));
	if (copy_text(r->path, &st->path) || copy_text(r->host, &st->host))
		return -ENOMEM;
	return 0;
}

int h2_stream_end(struct h2_streams *s, struct request_ctx *ctx,
		  struct h2_stream *st)
{
	const bool missing = st->has_length && st->left;

	h2_stream_close(s, st);
	return missing ? h2_refuse(ctx, "less data than announced") : 0;
}

void h2_stream_close(struct h2_streams *s, struct h2_stream *st)
{
	size_t i = (size_t)(st - s->v);

	release(st);
	s->n--;
	memmove(st, st + 1, (s->n - i) * sizeof(*st));
}

/* Is there a placeholder whose secret goes into bodies? They keep their
 * length here, so it could not be replaced. */
static bool in_body(struct h2_streams *s, const struct request_ctx *ctx,
		    const struct h2_stream *st, const uint8_t *data, size_t len)
{
	size_t more = len < s->carry ? len : s->carry;

	if (st->tail_len) {
		memcpy(s->joint, st->tail, st->tail_len);
		memcpy(s->joint + st->tail_len, data, more);
		if (secret_present(ctx->scope, SECRET_IN_BODY, s->joint,
				   st->tail_len + more))
			return true;
	}
	return secret_present(ctx->scope, SECRET_IN_BODY, data, len);
}

static void keep_tail(const struct h2_streams *s, struct h2_stream *st,
		      const uint8_t *data, size_t len)
{
	size_t old;

	if (len >= s->carry) {
		memcpy(st->tail, data + len - s->carry, s->carry);
		st->tail_len = s->carry;
		return;
	}
	old = st->tail_len < s->carry - len ? st->tail_len : s->carry - len;
	memmove(st->tail, st->tail + st->tail_len - old, old);
	memcpy(st->tail + old, data, len);
	st->tail_len = old + len;
}

static int check_body(struct h2_streams *s, struct request_ctx *ctx,
		      struct h2_stream *st, const uint8_t *data, size_t len)
{
	if (s->carry && !s->joint)
		s->joint = malloc(2 * s->carry);
	if (s->carry && !st->tail)
		st->tail = malloc(s->carry);
	if (s->carry && (!s->joint || !st->tail))
		return -ENOMEM;
	if (in_body(s, ctx, st, data, len))
		return h2_refuse(ctx, "a placeholder in the body of HTTP/2");
	if (s->carry)
		keep_tail(s, st, data, len);
	return 0;
}

static bool scan(const struct request_ctx *ctx, const struct h2_stream *st,
		 const uint8_t *data, size_t len, struct secret_found *found)
{
	const char *path = st->path ? st->path : "",
		   *host = st->host ? st->host : "";

	if (!secret_scan_push(st->scan, data, len, found))
		return false;
	found->location = "body";
	found->protocol = "http/2";
	found->stream = st->id;
	memcpy(found->method, st->method, sizeof(found->method));
	h2_text(found->path, sizeof(found->path), path);
	h2_text(found->host, sizeof(found->host), ctx->host ? ctx->host : host);
	return true;
}

int h2_stream_data(struct h2_streams *s, struct request_ctx *ctx,
		   struct h2_stream *st, const uint8_t *data, size_t len,
		   struct secret_found *found)
{
	if (st->has_length && len > st->left)
		return h2_refuse(ctx, "more data than announced");
	if (st->has_length)
		st->left -= len;
	if (!len || !s->scanned)
		return 0;
	if (!st->scan && secret_scan_new(ctx->scope, &st->scan))
		return -ENOMEM;
	if (scan(ctx, st, data, len, found))
		return -EPERM;
	return s->body ? check_body(s, ctx, st, data, len) : 0;
}
