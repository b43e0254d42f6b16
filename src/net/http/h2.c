/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames of an HTTP/2 client.
 *
 *	preface | head payload | head payload ...
 *
 * A frame's payload goes one of three ways: DATA and what is of no concern is
 * passed on in the portions that arrive; HEADERS, CONTINUATION, PRIORITY and
 * RST_STREAM, which are short, are kept until they are whole.
 *
 * A violation does not end the work on what arrived together with it: the
 * strictest of all is what counts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "net/http/h2_int.h"

/* Frames of one header block: so many tiny ones are an attack. */
#define MAX_CONTINUATIONS 128u
/* A block and what can be around it in its first frame. */
#define MAX_KEPT (HTTP_MAX_HEAD + 1 + H2_PRIORITY + 255)

_Static_assert(sizeof(((struct secret_found *)0)->method) == H2_METHOD &&
		       sizeof(((struct secret_found *)0)->path) == H2_PATH,
	       "struct h2_request does not match struct secret_found");

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
#define PREFACE_LEN (sizeof(preface) - 1)

struct frame {
	uint8_t head[H2_FRAME_HEAD];
	size_t head_len;
	uint8_t type, flags;
	uint32_t stream;
	size_t left; /* of the payload */
	/* DATA */
	bool wants_pad; /* its length comes next */
	size_t pad;	/* bytes at the end */
};

struct h2 {
	struct request_ctx *ctx;
	size_t preface_len;
	struct frame frame;
	struct buf kept; /* payload of a short frame */
	struct buf block;
	/* of the block under way; stream 0: none */
	uint32_t block_stream;
	uint8_t block_flags;
	uint8_t priority[H2_PRIORITY];
	unsigned continuations;
	struct h2_pack pack;
	struct h2_streams streams;
	struct h2_list decoded, sent;
	struct secret_scan *rest; /* payloads that are neither of the above */
	bool violated;
};

int h2_new(struct request_ctx *ctx, struct h2 **ret)
{
	struct h2 *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->ctx = ctx;
	buf_init(&h->kept, MAX_KEPT);
	buf_init(&h->block, HTTP_MAX_HEAD);
	buf_init(&h->decoded.text, HTTP_MAX_HEAD);
	buf_init_secret(&h->sent.text, H2_MAX_SENT);
	h2_streams_init(&h->streams, ctx->scope);
	if (h2_pack_init(&h->pack) ||
	    (h->streams.scanned && secret_scan_new(ctx->scope, &h->rest))) {
		h2_free(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

struct h2 *h2_free(struct h2 *h)
{
	if (!h)
		return NULL;
	secret_scan_free(h->rest);
	h2_streams_fini(&h->streams);
	h2_pack_fini(&h->pack);
	buf_fini(&h->sent.text);
	free(h->sent.v);
	buf_fini(&h->decoded.text);
	free(h->decoded.v);
	buf_fini(&h->block);
	buf_fini(&h->kept);
	free(h);
	return NULL;
}

/* Remember a violation, unless there is a stricter one. */
static void violation(struct h2 *h, const struct secret_found *found)
{
	if (!h->violated || found->action > h->ctx->found.action)
		h->ctx->found = *found;
	h->ctx->found.protocol = "http/2";
	h->violated = true;
}

static void describe(struct h2 *h, const struct h2_request *r,
		     struct secret_found *found)
{
	found->protocol = "http/2";
	found->stream = h->block_stream;
	if (!found->location)
		found->location = "authorization_basic";
	memcpy(found->method, r->method, sizeof(r->method));
	memcpy(found->path, r->path, sizeof(r->path));
	h2_text(found->host, sizeof(found->host),
		h->ctx->host ? h->ctx->host : r->host);
}

static void put_head(struct buf *out, size_t len, uint8_t type, uint8_t flags,
		     uint32_t stream)
{
	uint8_t head[H2_FRAME_HEAD];

	be32_put(head, (uint32_t)len << 8);
	head[3] = type;
	head[4] = flags;
	be32_put(head + 5, stream);
	(void)buf_append(out, head, sizeof(head));
}

/* HEADERS and as many CONTINUATION as it takes. */
static void put_block(const struct h2 *h, struct buf *out)
{
	const uint8_t *data = buf_data(&h->pack.block);
	size_t left = buf_len(&h->pack.block), n, extra;
	uint8_t type = NGHTTP2_HEADERS;
	uint8_t flags = h->block_flags &
			(NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_PRIORITY);

	do {
		extra = flags & NGHTTP2_FLAG_PRIORITY ? H2_PRIORITY : 0;
		n = left < H2_FRAME_MAX - extra ? left : H2_FRAME_MAX - extra;
		if (n == left)
			flags |= NGHTTP2_FLAG_END_HEADERS;
		put_head(out, n + extra, type, flags, h->block_stream);
		(void)buf_append(out, h->priority, extra);
		(void)buf_append(out, data, n);
		data += n;
		left -= n;
		type = NGHTTP2_CONTINUATION;
		flags = 0;
	} while (left);
}

/* Put the secrets in: h->sent. */
static int substitute(struct h2 *h, const struct h2_request *r)
{
	struct secret_found found = { 0 };
	int rc = h2_head_substitute(h->ctx, &h->decoded, &h->sent, &found);

	if (rc != -EPERM)
		return rc;
	describe(h, r, &found);
	violation(h, &found);
	return 0;
}

/* A new request. */
static int request(struct h2 *h)
{
	struct secret_found found = { 0 };
	struct h2_request r;
	int rc;

	rc = h2_stream_open(&h->streams, h->ctx, h->block_stream);
	if (rc)
		return rc;
	h2_head_describe(&h->decoded, &r);
	if (h->streams.scanned && h2_head_scan(h->ctx, &h->decoded, &found)) {
		describe(h, &r, &found);
		violation(h, &found);
	}
	rc = h2_head_check(h->ctx, &h->decoded, &r);
	if (!rc && h->streams.scanned)
		rc = substitute(h, &r);
	if (rc)
		return rc;
	return h2_stream_request(
		&h->streams, h2_stream_find(&h->streams, h->block_stream), &r);
}

static int trailers(struct h2 *h, const struct h2_stream *st)
{
	struct secret_found found = { 0 };
	struct h2_request r = { 0 };

	if (!(h->block_flags & NGHTTP2_FLAG_END_STREAM))
		return h2_refuse(h->ctx, "trailers that are not the end");
	if (h->streams.scanned && h2_head_scan(h->ctx, &h->decoded, &found)) {
		memcpy(r.method, st->method, sizeof(r.method));
		if (st->path)
			h2_text(r.path, sizeof(r.path), st->path);
		if (st->host)
			h2_text(r.host, sizeof(r.host), st->host);
		describe(h, &r, &found);
		violation(h, &found);
	}
	return h2_trailers_check(h->ctx, &h->decoded);
}

/* A header block is whole. */
static int block_end(struct h2 *h, struct buf *out)
{
	struct h2_stream *st = h2_stream_find(&h->streams, h->block_stream);
	/* with nothing to put in it goes on as it is */
	const struct h2_list *list =
		st || !h->streams.scanned ? &h->decoded : &h->sent;
	int rc = h2_pack_decode(&h->pack, h->ctx, buf_data(&h->block),
				buf_len(&h->block), &h->decoded);

	if (!rc)
		rc = st ? trailers(h, st) : request(h);
	if (!rc && !h->violated)
		rc = h2_pack_encode(&h->pack, list);
	if (!rc)
		put_block(h, out);
	if (!rc && (h->block_flags & NGHTTP2_FLAG_END_STREAM))
		rc = h2_stream_end(
			&h->streams, h->ctx,
			h2_stream_find(&h->streams, h->block_stream));
	h2_empty(&h->pack.block);
	h2_empty(&h->sent.text);
	h2_empty(&h->decoded.text);
	h2_empty(&h->block);
	h->sent.n = 0;
	h->decoded.n = 0;
	h->block_stream = 0;
	return rc;
}

static int block_part(struct h2 *h, const uint8_t *data, size_t len,
		      struct buf *out)
{
	if (len > HTTP_MAX_HEAD - buf_len(&h->block))
		return h2_refuse(h->ctx, "the header block is too long");
	if (buf_append(&h->block, data, len))
		return -ENOMEM;
	return h->frame.flags & NGHTTP2_FLAG_END_HEADERS ? block_end(h, out)
							 : 0;
}

static int check_priority(const struct h2 *h, const uint8_t *data)
{
	const uint32_t on = be32_get(data) & 0x7fffffff;

	if (on == h->frame.stream)
		return h2_refuse(h->ctx, "a stream that depends on itself");
	return 0;
}

/* HEADERS, whole: [pad length] [priority] fragment [padding] */
static int headers_end(struct h2 *h, struct buf *out)
{
	const struct frame *f = &h->frame;
	const uint8_t *data = buf_data(&h->kept);
	size_t len = buf_len(&h->kept), pad = 0;

	if (f->flags & NGHTTP2_FLAG_PADDED) {
		if (!len || data[0] >= len)
			return h2_refuse(h->ctx, "bad padding");
		pad = data[0];
		data++;
		len -= 1 + pad;
	}
	if (f->flags & NGHTTP2_FLAG_PRIORITY) {
		if (len < H2_PRIORITY)
			return h2_refuse(h->ctx, "bad priority");
		if (check_priority(h, data))
			return -EPROTO;
		memcpy(h->priority, data, H2_PRIORITY);
		data += H2_PRIORITY;
		len -= H2_PRIORITY;
	}
	h->block_stream = f->stream;
	h->block_flags = f->flags;
	h->continuations = 0;
	return block_part(h, data, len, out);
}

static int kept_end(struct h2 *h, struct buf *out)
{
	const struct frame *f = &h->frame;
	struct h2_stream *st;
	int rc = 0;

	switch (f->type) {
	case NGHTTP2_HEADERS:
		rc = headers_end(h, out);
		break;
	case NGHTTP2_CONTINUATION:
		rc = block_part(h, buf_data(&h->kept), buf_len(&h->kept), out);
		break;
	case NGHTTP2_PRIORITY:
		rc = check_priority(h, buf_data(&h->kept));
		break;
	default: /* NGHTTP2_RST_STREAM */
		st = h2_stream_find(&h->streams, f->stream);
		if (st)
			h2_stream_close(&h->streams, st);
		break;
	}
	if (!rc &&
	    (f->type == NGHTTP2_PRIORITY || f->type == NGHTTP2_RST_STREAM)) {
		put_head(out, buf_len(&h->kept), f->type, f->flags, f->stream);
		(void)buf_append(out, buf_data(&h->kept), buf_len(&h->kept));
	}
	h2_empty(&h->kept);
	return rc;
}

static bool is_kept(const struct frame *f)
{
	return f->type == NGHTTP2_HEADERS || f->type == NGHTTP2_PRIORITY ||
	       f->type == NGHTTP2_RST_STREAM || f->type == NGHTTP2_CONTINUATION;
}

static int data_begin(struct h2 *h)
{
	struct frame *f = &h->frame;

	if (!h2_stream_find(&h->streams, f->stream))
		return h2_refuse(h->ctx, "data on a stream that is not open");
	f->flags &= NGHTTP2_FLAG_END_STREAM | NGHTTP2_FLAG_PADDED;
	f->wants_pad = f->flags & NGHTTP2_FLAG_PADDED;
	if (f->wants_pad && !f->left)
		return h2_refuse(h->ctx, "bad padding");
	return 0;
}

/* The frame's head is whole: may it be there? */
static int frame_begin(struct h2 *h, struct buf *out)
{
	struct frame *f = &h->frame;
	int rc = 0;

	f->left = be32_get(f->head) >> 8;
	f->type = f->head[3];
	f->flags = f->head[4];
	f->stream = be32_get(f->head + 5) & 0x7fffffff;
	f->pad = 0;
	f->wants_pad = false;
	if (h->block_stream ? f->type != NGHTTP2_CONTINUATION ||
				      f->stream != h->block_stream
			    : f->type == NGHTTP2_CONTINUATION)
		return h2_refuse(h->ctx, "a frame within a header block");
	if (f->type == NGHTTP2_CONTINUATION &&
	    ++h->continuations > MAX_CONTINUATIONS)
		return h2_refuse(h->ctx, "a header block of too many frames");
	if (f->type == NGHTTP2_PUSH_PROMISE)
		return h2_refuse(h->ctx, "a push by the client");
	if ((f->type == NGHTTP2_RST_STREAM && f->left != 4) ||
	    (f->type == NGHTTP2_PRIORITY && f->left != H2_PRIORITY))
		return h2_refuse(h->ctx, "bad length of a frame");
	if (f->left > MAX_KEPT && is_kept(f))
		return h2_refuse(h->ctx, "the header block is too long");
	if (!f->stream && (is_kept(f) || f->type == NGHTTP2_DATA))
		return h2_refuse(h->ctx, "a frame without a stream");
	if (f->type == NGHTTP2_DATA)
		rc = data_begin(h);
	if (!rc && !is_kept(f))
		put_head(out, f->left, f->type, f->flags, f->stream);
	return rc;
}

static int frame_end(struct h2 *h, struct buf *out)
{
	struct frame *f = &h->frame;
	struct h2_stream *st;

	f->head_len = 0;
	if (is_kept(f))
		return kept_end(h, out);
	if (f->type != NGHTTP2_DATA || !(f->flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	st = h2_stream_find(&h->streams, f->stream);
	return h2_stream_end(&h->streams, h->ctx, st);
}

static int pad_length(struct h2 *h, const uint8_t *data)
{
	struct frame *f = &h->frame;

	f->wants_pad = false;
	f->pad = *data;
	/* the length's own byte is still counted in left */
	return f->pad < f->left ? 0 : h2_refuse(h->ctx, "bad padding");
}

/* Padding is nothing a server looks at: nothing may hide there. */
static int padding(struct h2 *h, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i])
			return h2_refuse(h->ctx, "bad padding");
	return 0;
}

/* How many bytes of DATA's payload were checked, or -errno. */
static ssize_t data_part(struct h2 *h, const uint8_t *data, size_t len)
{
	struct frame *f = &h->frame;
	struct secret_found found = { 0 };
	int rc;

	if (f->wants_pad) {
		rc = pad_length(h, data);
		return rc ? rc : 1;
	}
	if (f->left == f->pad) {
		f->pad -= len;
		rc = padding(h, data, len);
		return rc ? rc : (ssize_t)len;
	}
	if (len > f->left - f->pad)
		len = f->left - f->pad;
	rc = h2_stream_data(&h->streams, h->ctx,
			    h2_stream_find(&h->streams, f->stream), data, len,
			    &found);
	if (rc == -EPERM) {
		violation(h, &found);
		rc = 0;
	}
	return rc ? rc : (ssize_t)len;
}

/* The same for frames that are of no concern. */
static void rest_part(struct h2 *h, const uint8_t *data, size_t len)
{
	struct secret_found found = { 0 };

	if (!h->rest || !secret_scan_push(h->rest, data, len, &found))
		return;
	found.location = "unknown";
	found.stream = h->frame.stream;
	if (h->ctx->host)
		h2_text(found.host, sizeof(found.host), h->ctx->host);
	violation(h, &found);
}

/* Some of a frame's payload. How many bytes were dealt with, or -errno. */
static ssize_t payload(struct h2 *h, const uint8_t *data, size_t len,
		       struct buf *out)
{
	struct frame *f = &h->frame;
	ssize_t n;

	if (len > f->left)
		len = f->left;
	n = (ssize_t)len;
	if (is_kept(f)) {
		if (buf_append(&h->kept, data, len))
			return -ENOMEM;
	} else {
		if (f->type == NGHTTP2_DATA)
			n = data_part(h, data, len);
		else
			rest_part(h, data, len);
		if (n > 0 && !h->violated)
			(void)buf_append(out, data, (size_t)n);
	}
	if (n > 0)
		f->left -= (size_t)n;
	return n;
}

/* The same for a frame's head. */
static ssize_t frame_head(struct h2 *h, const uint8_t *data, size_t len,
			  struct buf *out)
{
	struct frame *f = &h->frame;
	size_t n = H2_FRAME_HEAD - f->head_len;
	int rc = 0;

	if (n > len)
		n = len;
	memcpy(f->head + f->head_len, data, n);
	f->head_len += n;
	if (f->head_len == H2_FRAME_HEAD)
		rc = frame_begin(h, out);
	return rc ? rc : (ssize_t)n;
}

static ssize_t preface_part(struct h2 *h, const uint8_t *data, size_t len,
			    struct buf *out)
{
	size_t n = PREFACE_LEN - h->preface_len;

	if (n > len)
		n = len;
	if (memcmp(data, preface + h->preface_len, n) != 0)
		return h2_refuse(h->ctx, "bad beginning of HTTP/2");
	h->preface_len += n;
	if (h->preface_len == PREFACE_LEN)
		(void)buf_append(out, preface, PREFACE_LEN);
	return (ssize_t)n;
}

/* The client's end changes nothing: what is no whole frame by then never was
 * sent on, or is DATA that the server finds cut as well. */
size_t h2_held(const struct h2 *h)
{
	return h->streams.n * HTTP_STREAM_ROOM;
}

int h2_push(struct h2 *h, const void *data, size_t len, bool end MSB_UNUSED,
	    struct buf *out)
{
	const struct frame *f = &h->frame;
	const uint8_t *p = data;
	ssize_t n;
	int rc = 0;

	while (len && !rc) {
		if (h->preface_len < PREFACE_LEN)
			n = preface_part(h, p, len, out);
		else if (f->head_len < H2_FRAME_HEAD)
			n = frame_head(h, p, len, out);
		else
			n = payload(h, p, len, out);
		if (n < 0) {
			rc = (int)n;
			break;
		}
		p += n;
		len -= (size_t)n;
		if (f->head_len == H2_FRAME_HEAD && !f->left)
			rc = frame_end(h, out);
	}
	if (h->violated)
		return -EPERM;
	if (!rc && out->failed)
		rc = -ENOMEM;
	return rc;
}
