/* SPDX-License-Identifier: Apache-2.0 */
/* Which protocol a client speaks, told by its first bytes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http/request_int.h"

#define PREFACE_LEN (sizeof(preface) - 1)

/* RFC 9113, 3.4 */
static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

struct request_filter {
	struct request_ctx ctx;
	bool passes; /* there is nothing to do, whatever comes */
	size_t seen; /* bytes of the preface, and nothing else yet */
	struct h1 *h1;
	struct h2 *h2; /* owned; at most one of them */
};

int request_filter_new(const struct secret_scope *scope, const char *host,
		       size_t *room, struct request_filter **ret)
{
	struct request_filter *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	f->ctx.scope = scope;
	f->ctx.host = host;
	f->ctx.room = room;
	f->passes = !host && secret_scope_idle(scope);
	*ret = f;
	return 0;
}

struct request_filter *request_filter_free(struct request_filter *f)
{
	if (!f)
		return NULL;
	f->h1 = h1_free(f->h1);
	f->h2 = h2_free(f->h2);
	request_keep(&f->ctx, 0);
	free(f);
	return NULL;
}

/* What was taken for the beginning of the preface is sent on first. */
static int begin_h1(struct request_filter *f, const void *data, size_t len,
		    bool end, struct buf *out)
{
	int rc = h1_new(&f->ctx, &f->h1);

	if (!rc && f->seen)
		rc = h1_push(f->h1, preface, f->seen, false, out);
	return rc ? rc : h1_push(f->h1, data, len, end, out);
}

static int begin_h2(struct request_filter *f, const void *data, size_t len,
		    bool end, struct buf *out)
{
	int rc = h2_new(&f->ctx, &f->h2);

	if (!rc)
		rc = h2_push(f->h2, preface, PREFACE_LEN, false, out);
	return rc ? rc : h2_push(f->h2, data, len, end, out);
}

static int begin(struct request_filter *f, const uint8_t *data, size_t len,
		 bool end, struct buf *out)
{
	const size_t missing = PREFACE_LEN - f->seen;
	size_t n = 0;

	while (n < len && n < missing &&
	       data[n] == (uint8_t)preface[f->seen + n])
		n++;
	if (n == missing)
		return begin_h2(f, data + n, len - n, end, out);
	if (n < len || end)
		return begin_h1(f, data, len, end, out);
	f->seen += n;
	return 0;
}

int request_filter_push(struct request_filter *f, const void *data, size_t len,
			bool end, struct buf *out)
{
	int rc;

	if (f->passes)
		rc = buf_append(out, data, len);
	else if (f->h1)
		rc = h1_push(f->h1, data, len, end, out);
	else if (f->h2)
		rc = h2_push(f->h2, data, len, end, out);
	else
		rc = begin(f, data, len, end, out);
	return !rc && out->failed ? -ENOMEM : rc;
}

void request_filter_sent(struct request_filter *f)
{
	size_t held = 0;

	if (f->h1)
		held = h1_held(f->h1);
	else if (f->h2)
		held = h2_held(f->h2);
	request_keep(&f->ctx, held);
}

const struct secret_found *request_filter_found(const struct request_filter *f)
{
	return &f->ctx.found;
}

const char *request_filter_why(const struct request_filter *f)
{
	return f->ctx.why ? f->ctx.why : "it is no valid request";
}

bool request_filter_passes(const struct request_filter *f)
{
	return f->passes || (f->h1 && h1_passes(f->h1));
}
