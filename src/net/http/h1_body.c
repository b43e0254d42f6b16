/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bodies. A counted one whose placeholders are replaced is held until it is
 * whole, as its length is said in front of it; one in chunks never is: its
 * chunks are made anew, and what may be the beginning of a placeholder waits
 * for more. All others go on as they are. An encoded body (gzip) cannot be
 * changed, and no placeholder of a secret that goes into bodies may be in it:
 * a server that ignores the encoding would get the request it must not get.
 */
#include <errno.h>
#include <string.h>

#include "net/http/h1_int.h"

#define MAX_PIECE (64u << 10)

static void trim(struct buf *b)
{
	buf_reset(b);
	if (b->cap > MAX_PIECE)
		buf_fini(b);
}

static void finish(struct h1 *h)
{
	h->state = H1_HEAD;
	h->open = h->leaves;
	h->word = true;
	h->has_line = false;
	h->line = 0;
	h->ntail = 0;
	buf_reset(&h->text);
	trim(&h->body);
	trim(&h->sent);
}

/* Nothing of the head is needed after it was sent. */
static int send_head(struct h1 *h, uint64_t length, struct buf *out)
{
	int rc = h1_head_emit(h->ctx, &h->head, length, out);

	buf_reset(&h->text);
	return rc;
}

static int begin_counted(struct h1 *h, struct buf *out)
{
	h->left = h->head.length;
	if (!h->inject || !h->left) {
		int rc = send_head(h, H1_SAME_LENGTH, out);

		if (!rc && h->left)
			h->state = H1_BODY;
		else if (!rc)
			finish(h);
		return rc;
	}
	if (h->left > HTTP_MAX_BODY)
		return h1_refuse(h, "its body is too long for secrets in it");
	if (h->left > *h->ctx->room)
		return h1_refuse(h, "too many bodies wait for their secrets");
	*h->ctx->room -= (size_t)h->left;
	h->ctx->taken += (size_t)h->left;
	h->state = H1_HELD;
	return 0;
}

int h1_body_begin(struct h1 *h, struct buf *out)
{
	const bool places = secret_scope_has(h->ctx->scope, SECRET_IN_BODY);
	int rc;

	h->inject = places && !h->head.encoded;
	h->watch = places && h->head.encoded;
	h->leaves = h->head.leaves;
	if (h->head.framing == H1_LENGTH)
		return begin_counted(h, out);
	rc = send_head(h, H1_SAME_LENGTH, out);
	if (rc)
		return rc;
	if (h->head.framing == H1_CHUNKED)
		h->state = H1_CHUNK;
	else
		finish(h);
	return 0;
}

/* tail, and data behind it: is there a placeholder? */
static int watch(struct h1 *h, const uint8_t *data, size_t len)
{
	const size_t carry = secret_scope_carry(h->ctx->scope, SECRET_IN_BODY);
	uint8_t seam[2 * SECRET_MAX_PLACEHOLDER];
	const size_t n = len < carry ? len : carry;
	size_t keep;

	memcpy(seam, h->tail, h->ntail);
	if (n)
		memcpy(seam + h->ntail, data, n);
	if (secret_present(h->ctx->scope, SECRET_IN_BODY, seam, h->ntail + n) ||
	    secret_present(h->ctx->scope, SECRET_IN_BODY, data, len))
		return h1_refuse(h, "a placeholder is in an encoded body");
	if (len >= carry) {
		memcpy(h->tail, data + len - carry, carry);
		h->ntail = carry;
		return 0;
	}
	keep = h->ntail + n < carry ? h->ntail + n : carry;
	memcpy(h->tail, seam + h->ntail + n - keep, keep);
	h->ntail = keep;
	return 0;
}

/* Placeholders become values; what may be the first part of one stays in body
 * unless this is the end. */
static int send_chunk(struct h1 *h, const uint8_t *data, size_t len, bool end,
		      struct buf *out)
{
	size_t used;
	int rc;

	if (buf_append(&h->body, data, len))
		return -ENOMEM;
	rc = secret_substitute_part(h->ctx->scope, SECRET_IN_BODY,
				    buf_data(&h->body), buf_len(&h->body), end,
				    &used, &h->sent);
	if (rc < 0)
		return rc;
	buf_consume(&h->body, used);
	if (buf_len(&h->sent)) {
		buf_printf(out, "%zX\r\n", buf_len(&h->sent));
		buf_append(out, buf_data(&h->sent), buf_len(&h->sent));
		buf_str(out, "\r\n");
	}
	buf_reset(&h->sent);
	return 0;
}

/* The next bytes of a body, without any framing. */
static int data(struct h1 *h, struct h1_in *in, struct buf *out)
{
	const uint8_t *p = in->p;
	size_t n = in->n;
	int rc;

	if (h->state == H1_DATA && h->inject && n > MAX_PIECE)
		n = MAX_PIECE;
	if (n > h->left)
		n = (size_t)h->left;
	in->p += n;
	in->n -= n;
	h->left -= n;
	rc = h1_look(h, p, n, "body");
	if (!rc && h->watch)
		rc = watch(h, p, n);
	if (rc)
		return rc;
	if (h->state == H1_HELD)
		return buf_append(&h->body, p, n) ? -ENOMEM : 0;
	if (h->inject)
		return send_chunk(h, p, n, false, out);
	return buf_append(out, p, n) ? -ENOMEM : 0;
}

/* The held body is whole. */
static int send_held(struct h1 *h, struct buf *out)
{
	const size_t was = buf_len(&h->body);
	int rc = secret_substitute(h->ctx->scope, SECRET_IN_BODY,
				   buf_data(&h->body), was, &h->sent);
	const size_t n = buf_len(&h->sent);

	if (h->sent.failed)
		return h1_refuse(h, "its body is too long with its secrets");
	if (rc < 0)
		return rc;
	rc = send_head(h, n == was ? H1_SAME_LENGTH : n, out);
	if (!rc && buf_append(out, buf_data(&h->sent), n))
		rc = -ENOMEM;
	return rc;
}

/* Extensions are only sent on with the chunks they belong to. */
static int on_chunk_line(struct h1 *h, struct buf *out)
{
	const char *text = (const char *)buf_data(&h->text);
	const size_t n = buf_len(&h->text);
	bool ext;
	int rc = h1_chunk_line(text, n, &h->left, &ext, &h->ctx->why);

	if (rc)
		return rc;
	if (ext && h->scan &&
	    secret_scan_text(h->ctx->scope, SECRET_RAW, text, n,
			     &h->ctx->found)) {
		h->ctx->found.location = "body";
		return -EPERM;
	}
	h->state = h->left ? H1_DATA : H1_TRAILERS;
	if (!h->inject) {
		buf_append(out, text, n);
	} else if (!h->left) {
		rc = send_chunk(h, NULL, 0, true, out);
		buf_str(out, "0\r\n");
	}
	buf_reset(&h->text);
	h->line = 0;
	return rc;
}

static int chunk_line(struct h1 *h, struct h1_in *in, struct buf *out)
{
	int rc = h1_take_line(h, in, H1_MAX_CHUNK_LINE);

	return rc <= 0 ? rc : on_chunk_line(h, out);
}

static int data_end(struct h1 *h, struct h1_in *in, struct buf *out)
{
	const char want = h->left == 2 ? '\r' : '\n';

	if (*in->p != (uint8_t)want)
		return h1_refuse(h, "a chunk is not as long as it says");
	in->p++;
	in->n--;
	if (--h->left)
		return 0;
	h->state = H1_CHUNK;
	if (!h->inject)
		buf_str(out, "\r\n");
	return 0;
}

static int trailers(struct h1 *h, struct h1_in *in, struct buf *out)
{
	int rc = h1_take_line(h, in, HTTP_MAX_HEAD);
	const char *text;
	size_t n;

	if (rc <= 0)
		return rc;
	text = (const char *)buf_data(&h->text);
	n = buf_len(&h->text);
	if (n - h->line > 2) { /* not the empty line */
		h->line = n;
		return 0;
	}
	rc = h1_trailers_check(text, n, &h->ctx->why);
	if (!rc)
		rc = h1_look(h, text, n, "header");
	if (rc)
		return rc;
	buf_append(out, text, n);
	finish(h);
	return 0;
}

int h1_body_push(struct h1 *h, struct h1_in *in, struct buf *out)
{
	int rc;

	switch (h->state) {
	case H1_CHUNK:
		return chunk_line(h, in, out);
	case H1_DATA_END:
		return data_end(h, in, out);
	case H1_TRAILERS:
		return trailers(h, in, out);
	case H1_HEAD:
	case H1_BODY:
	case H1_HELD:
	case H1_DATA:
	case H1_RAW:
		break;
	}
	rc = data(h, in, out);
	if (rc || h->left)
		return rc;
	if (h->state == H1_DATA) {
		h->state = H1_DATA_END;
		h->left = 2;
		return 0;
	}
	if (h->state == H1_HELD)
		rc = send_held(h, out);
	if (!rc)
		finish(h);
	return rc;
}
