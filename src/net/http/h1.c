/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's side of a connection: requests, one behind the other. What cannot
 * be one goes on as it is, and is only scanned: as the first bytes (somebody
 * speaks another protocol) and behind a request that leaves HTTP (WebSocket).
 * Whether the server agreed to that is not known here; but bytes that no server
 * reads as a request do no harm if it did not.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/http/h1_int.h"

enum kind {
	KIND_MORE, /* cannot be told yet */
	KIND_REQUEST,
	KIND_OTHER,
};

int h1_new(struct request_ctx *ctx, struct h1 **ret)
{
	struct h1 *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	if (!secret_scope_idle(ctx->scope) &&
	    secret_scan_new(ctx->scope, &h->scan)) {
		free(h);
		return -ENOMEM;
	}
	h->ctx = ctx;
	h->state = H1_HEAD;
	h->open = true;
	h->word = true;
	buf_init(&h->text, HTTP_MAX_HEAD);
	buf_init(&h->body, HTTP_MAX_BODY);
	buf_init_secret(&h->sent, H1_MAX_SENT_BODY);
	*ret = h;
	return 0;
}

struct h1 *h1_free(struct h1 *h)
{
	if (!h)
		return NULL;
	h->scan = secret_scan_free(h->scan);
	buf_fini(&h->text);
	buf_fini(&h->body);
	buf_fini(&h->sent);
	free(h);
	return NULL;
}

size_t h1_held(const struct h1 *h)
{
	return h->state == H1_HELD ? (size_t)h->head.length : 0;
}

bool h1_passes(const struct h1 *h)
{
	return h->state == H1_RAW && !h->scan;
}

int h1_refuse(struct h1 *h, const char *why)
{
	h->ctx->why = why;
	return -EPROTO;
}

int h1_look(struct h1 *h, const void *data, size_t len, const char *location)
{
	if (!h->scan || !secret_scan_push(h->scan, data, len, &h->ctx->found))
		return 0;
	h->ctx->found.location = location;
	return -EPERM;
}

int h1_take_line(struct h1 *h, struct h1_in *in, size_t max)
{
	const size_t room = max - buf_len(&h->text);
	const uint8_t *lf = memchr(in->p, '\n', in->n);
	size_t n = lf ? (size_t)(lf - in->p) + 1 : in->n;

	if (!room)
		return h1_refuse(h, "its head, or a line of a chunk, is too "
				    "long");
	if (n > room) { /* its beginning may tell that it is no HTTP */
		n = room;
		lf = NULL;
	}
	if (buf_append(&h->text, in->p, n))
		return -ENOMEM;
	in->p += n;
	in->n -= n;
	return lf != NULL;
}

/* --- HTTP or not --- */

static bool is_empty_line(const char *p, size_t n)
{
	return n == 1 || (n == 2 && *p == '\r');
}

static bool has_version(const char *p, size_t n)
{
	static const char http[] = "http/";
	const size_t len = sizeof(http) - 1;

	for (size_t i = 0; i + len <= n; i++)
		if (strncasecmp(p + i, http, len) == 0)
			return true;
	return false;
}

/* Requests of HTTP/0.9 have no version. */
static bool has_method(const char *p, size_t n)
{
	static const char *const methods[] = { "GET",	  "HEAD",   "POST",
					       "PUT",	  "DELETE", "CONNECT",
					       "OPTIONS", "TRACE",  "PATCH" };

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		const size_t len = strlen(methods[i]);

		if (n >= len && memcmp(p, methods[i], len) == 0 &&
		    (n == len || p[len] <= ' '))
			return true;
	}
	return false;
}

/* Might some server take this line for a request? */
static bool is_request(const char *p, size_t n)
{
	return has_version(p, n) || has_method(p, n);
}

/*
 * from: where in text the bytes begin that are new. A byte in the first word
 * that is no printable character settles it at once, as with all binary
 * protocols; text is only told by its whole first line.
 */
static enum kind classify(struct h1 *h, size_t from, bool whole)
{
	const char *text = (const char *)buf_data(&h->text);
	const size_t end = buf_len(&h->text);

	for (size_t i = from; h->word && i < end; i++) {
		const uint8_t c = (uint8_t)text[i];

		if (c == ' ' || c == '\t' || c == '\n')
			h->word = false;
		else if ((c < ' ' && c != '\r') || c >= 0x7f)
			return KIND_OTHER;
	}
	if (!whole)
		return KIND_MORE;
	h->word = true;
	if (is_empty_line(text + h->line, end - h->line))
		return KIND_MORE;
	return is_request(text + h->line, end - h->line) ? KIND_REQUEST
							 : KIND_OTHER;
}

static int leave(struct h1 *h, struct buf *out)
{
	int rc = h1_look(h, buf_data(&h->text), buf_len(&h->text), "unknown");

	h->state = H1_RAW;
	if (!rc && buf_append(out, buf_data(&h->text), buf_len(&h->text)))
		rc = -ENOMEM;
	buf_fini(&h->text);
	return rc;
}

/* --- heads --- */

static void remember(char *ret, size_t size, struct h1_text t)
{
	(void)snprintf(ret, size, "%.*s", (int)(t.n < size ? t.n : size), t.p);
}

static int on_head(struct h1 *h, struct buf *out)
{
	const char *text = (const char *)buf_data(&h->text) + h->begin;
	const size_t len = buf_len(&h->text) - h->begin;
	int rc = h1_head_parse(text, len, h->ctx->host, &h->head, &h->ctx->why);

	if (rc)
		return rc;
	remember(h->method, sizeof(h->method), h->head.method);
	remember(h->path, sizeof(h->path), h->head.path);
	rc = h1_look(h, text, len, NULL);
	if (rc)
		h1_head_locate(h->ctx, &h->head);
	return rc ? rc : h1_body_begin(h, out);
}

/* Empty lines in front of a request are not sent on. */
static int on_line(struct h1 *h, struct buf *out)
{
	const char *line = (const char *)buf_data(&h->text) + h->line;
	const size_t end = buf_len(&h->text);
	const bool empty = is_empty_line(line, end - h->line);

	if (h->has_line && empty)
		return on_head(h, out);
	if (!h->has_line && !empty) {
		if (!has_version(line, end - h->line)) /* none will follow */
			return h1_refuse(h, "its first line is not valid");
		h->has_line = true;
		h->begin = h->line;
	}
	h->line = end;
	return 0;
}

static int take_head(struct h1 *h, struct h1_in *in, struct buf *out)
{
	const size_t from = buf_len(&h->text);
	int rc = h1_take_line(h, in, HTTP_MAX_HEAD);

	if (rc < 0)
		return rc;
	if (!h->has_line) {
		const enum kind kind = classify(h, from, rc);

		if (kind == KIND_OTHER)
			return h->open ? leave(h, out)
				       : h1_refuse(h, "its first line is not "
						      "valid");
		if (kind == KIND_REQUEST)
			h->open = false;
	}
	return rc ? on_line(h, out) : 0;
}

static int raw(struct h1 *h, struct h1_in *in, struct buf *out)
{
	int rc = h1_look(h, in->p, in->n, "unknown");

	if (!rc && buf_append(out, in->p, in->n))
		rc = -ENOMEM;
	in->p += in->n;
	in->n = 0;
	return rc;
}

/* A request that is not whole is not sent: nobody could answer it. */
static int on_end(struct h1 *h, struct buf *out)
{
	const char *text = (const char *)buf_data(&h->text);
	const size_t n = buf_len(&h->text);

	if (h->state != H1_HEAD || !h->open || !n ||
	    is_request(text + h->line, n - h->line))
		return 0;
	return leave(h, out);
}

/* What is not known where it was found. */
static void describe(const struct h1 *h)
{
	struct secret_found *f = &h->ctx->found;
	const char *host = h->ctx->host ? h->ctx->host : h->head.host;

	if (!f->location)
		f->location = "unknown";
	if (h->state == H1_RAW)
		return;
	f->protocol = "http/1.1";
	(void)snprintf(f->host, sizeof(f->host), "%s", host);
	(void)snprintf(f->method, sizeof(f->method), "%s", h->method);
	(void)snprintf(f->path, sizeof(f->path), "%s", h->path);
}

int h1_push(struct h1 *h, const void *data, size_t len, bool end,
	    struct buf *out)
{
	struct h1_in in = { data, len };
	int rc = 0;

	while (!rc && in.n) {
		if (h->state == H1_HEAD)
			rc = take_head(h, &in, out);
		else if (h->state == H1_RAW)
			rc = raw(h, &in, out);
		else
			rc = h1_body_push(h, &in, out);
	}
	if (!rc && end)
		rc = on_end(h, out);
	if (rc == -EPERM)
		describe(h);
	return !rc && out->failed ? -ENOMEM : rc;
}
