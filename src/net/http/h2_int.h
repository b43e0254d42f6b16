/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/2 (RFC 9113): what the client's frames need.
 *
 * h2.c         frames: which of them are let through, and what becomes of them
 * h2_stream.c  streams the client may still send on, and the DATA of each
 * h2_head.c    a header list: scanned, checked, with the secrets put in
 * h2_pack.c    header blocks to lists and back (HPACK, RFC 7541)
 *
 * The server's frames are never seen. What its SETTINGS change for the client
 * is learned from what the client then does: the size of the header table from
 * the updates at the beginning of header blocks. Other limits are the server's
 * to watch. Frames of headers are made anew, no longer than any server takes;
 * the others keep their length, so that flow control fits on both sides.
 */
#ifndef MSB_NET_HTTP_H2_INT_H
#define MSB_NET_HTTP_H2_INT_H

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "net/http/request_int.h"

#define H2_FRAME_HEAD 9u
#define H2_FRAME_MAX 16384u /* payload that every server takes */
#define H2_PRIORITY 5u	    /* bytes in HEADERS and PRIORITY */
/* The largest table a client may be told of by its server. */
#define H2_MAX_TABLE (64u << 10)
/* Header lists with the secrets in them; they may be longer. */
#define H2_MAX_SENT (2 * HTTP_MAX_HEAD)
#define H2_KEEP (16u << 10) /* of a buffer, between two uses */
#define H2_METHOD 16u
#define H2_PATH 256u

/* Report that no such request is let through. */
static inline int h2_refuse(struct request_ctx *ctx, const char *why)
{
	ctx->why = why;
	return -EPROTO;
}

/* Cut to what there is room for. */
static inline void h2_text(char *to, size_t size, const char *text)
{
	(void)snprintf(to, size, "%s", text);
}

/* Empty a buffer that is used again, and do not keep much memory. */
static inline void h2_empty(struct buf *b)
{
	if (b->cap > H2_KEEP)
		buf_fini(b);
	else
		buf_reset(b);
}

/* --- h2_pack.c --- */

/* A field within the text of a list, as "name: value". */
struct h2_field {
	size_t name, name_len, value, value_len; /* places, lengths */
	bool never_indexed;
};

struct h2_list {
	struct buf text;
	struct h2_field *v; /* owned */
	size_t n, cap;
};

struct h2_pack {
	nghttp2_hd_inflater *inflater;
	nghttp2_hd_deflater *deflater;
	nghttp2_nv *nv; /* owned; scratch of encoding */
	size_t nv_cap;
	struct buf block; /* what encoding made */
};

int h2_pack_init(struct h2_pack *p); /* 0, -ENOMEM */
void h2_pack_fini(struct h2_pack *p);
/* A whole header block to an empty list. 0, -EPROTO, -ENOMEM. */
int h2_pack_decode(struct h2_pack *p, struct request_ctx *ctx,
		   const uint8_t *data, size_t len, struct h2_list *ret);
/* A list to p->block, which the caller empties. 0, -ENOMEM. */
int h2_pack_encode(struct h2_pack *p, const struct h2_list *l);
/* Append a field of which name and value are in the text. 0, -ENOMEM. */
int h2_list_add(struct h2_list *l, const struct h2_field *f);

static inline const char *h2_name(const struct h2_list *l,
				  const struct h2_field *f)
{
	return (const char *)buf_data(&l->text) + f->name;
}

static inline const char *h2_value(const struct h2_list *l,
				   const struct h2_field *f)
{
	return (const char *)buf_data(&l->text) + f->value;
}

/* --- h2_head.c --- */

/* What a request's list told that its stream has to know. */
struct h2_request {
	char method[H2_METHOD], path[H2_PATH]; /* cut; no query */
	char host[NET_NAME_MAX + 1];	       /* empty: none */
	bool has_length;
	uint64_t length; /* of the body */
};

/* Describe the request for a record of a violation, as far as it can be told
 * of a list nobody has checked. */
void h2_head_describe(const struct h2_list *l, struct h2_request *ret);
/* Look for what may not be there; true: found, *ret has the strictest. */
bool h2_head_scan(struct request_ctx *ctx, const struct h2_list *l,
		  struct secret_found *ret);
/* Is it a request (or its trailers) that the connection allows? 0, -EPROTO. */
int h2_head_check(struct request_ctx *ctx, const struct h2_list *l,
		  struct h2_request *ret);
int h2_trailers_check(struct request_ctx *ctx, const struct h2_list *l);
/* The list as it is to be sent, into an empty one. 0; -EPROTO; -ENOMEM; -EPERM:
 * Basic credentials had what may not be there, *found is filled. */
int h2_head_substitute(struct request_ctx *ctx, const struct h2_list *l,
		       struct h2_list *ret, struct secret_found *found);

/* --- h2_stream.c --- */

struct h2_stream {
	uint32_t id;
	bool has_length;
	uint64_t left;		  /* of the announced length */
	struct secret_scan *scan; /* owned; NULL: no data yet */
	uint8_t *tail;		  /* owned; last bytes of the data */
	size_t tail_len;
	char *path; /* owned; NULL: empty */
	char method[H2_METHOD];
	char *host; /* owned; NULL: empty */
};

struct h2_streams {
	struct h2_stream *v; /* owned; by rising id */
	size_t n, cap;
	uint32_t last;	/* highest id that was opened */
	uint8_t *joint; /* owned; scratch: what lies across two frames */
	size_t carry;
	bool scanned, body; /* DATA is looked at for these reasons */
};

void h2_streams_init(struct h2_streams *s, const struct secret_scope *scope);
void h2_streams_fini(struct h2_streams *s);
/* NULL: the client cannot send on it. */
struct h2_stream *h2_stream_find(struct h2_streams *s, uint32_t id);
/* 0, -EPROTO, -ENOMEM. */
int h2_stream_open(struct h2_streams *s, struct request_ctx *ctx, uint32_t id);
int h2_stream_request(struct h2_streams *s, struct h2_stream *st,
		      const struct h2_request *r);
/* The client ends its side: is all there that was announced? */
int h2_stream_end(struct h2_streams *s, struct request_ctx *ctx,
		  struct h2_stream *st);
void h2_stream_close(struct h2_streams *s, struct h2_stream *st);
/* Payload of DATA, in portions of any size. 0; -EPROTO; -ENOMEM; -EPERM with
 * *found. */
int h2_stream_data(struct h2_streams *s, struct request_ctx *ctx,
		   struct h2_stream *st, const uint8_t *data, size_t len,
		   struct secret_found *found);

#endif
