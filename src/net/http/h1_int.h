/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.x requests, one after the other (h1*.c).
 *
 * h1.c        the stream: heads, bodies, and what is no HTTP
 * h1_head.c   a head is checked: nothing that two readers may read differently
 * h1_emit.c   a head is sent on, with its secrets
 * h1_body.c   bodies: counted, held, in chunks
 * h1_chunk.c  the lines between chunks
 *
 * What is not understood is refused, never repaired: the server must see the
 * same requests as we do. Lines end with CR LF and nothing else.
 */
#ifndef MSB_NET_HTTP_H1_INT_H
#define MSB_NET_HTTP_H1_INT_H

#include "net/http/request_int.h"

#define H1_MAX_CHUNK_LINE 4096u
/* With its secrets. */
#define H1_MAX_SENT_HEAD (1u << 20)
#define H1_MAX_SENT_BODY (2 * HTTP_MAX_BODY)

struct h1_text {
	const char *p; /* borrowed */
	size_t n;
};

struct h1_line {
	struct h1_text all; /* without CR LF */
	struct h1_text name, value;
};

enum h1_framing {
	H1_NO_BODY,
	H1_LENGTH,
	H1_CHUNKED,
};

struct h1_head {
	struct h1_text text;	     /* with the empty line at the end */
	struct h1_text request;	     /* the first line, without CR LF */
	struct h1_text fields;	     /* the lines behind it */
	struct h1_text method, path; /* path: the target up to its query */
	struct h1_text query;	     /* behind the first ?; p = NULL: none */
	char host[NET_NAME_MAX + 1]; /* of Host; empty = there is none */
	enum h1_framing framing;
	uint64_t length;
	bool encoded; /* the body, by some Content-Encoding */
	bool leaves;  /* Upgrade or CONNECT: other protocols may follow */
};

/* --- h1_head.c --- */

/* host: who every request must be addressed to, or NULL. 0, or -EPROTO with
 * *why. ret points into text. */
int h1_head_parse(const char *text, size_t len, const char *host,
		  struct h1_head *ret, const char **why);
/* The lines behind the last chunk, with the empty one. 0 or -EPROTO. */
int h1_trailers_check(const char *text, size_t len, const char **why);
/* The next field's line of checked text; false at the empty line. */
bool h1_line_next(struct h1_text *rest, struct h1_line *ret);
bool h1_name_is(const struct h1_line *l, const char *name);

/* --- h1_emit.c --- */

#define H1_SAME_LENGTH UINT64_MAX

/* Append the head as it is to be sent, with another Content-Length unless that
 * is H1_SAME_LENGTH. 0, -EPERM, -EPROTO, -ENOMEM. */
int h1_head_emit(struct request_ctx *ctx, const struct h1_head *head,
		 uint64_t length, struct buf *out);
/* ctx->found was found in this head: where? */
void h1_head_locate(struct request_ctx *ctx, const struct h1_head *head);

/* --- h1_chunk.c --- */

/* One line in front of a chunk, with CR LF. *ext: it has extensions. 0 or
 * -EPROTO. */
int h1_chunk_line(const char *text, size_t len, uint64_t *ret, bool *ext,
		  const char **why);

/* --- the stream --- */

enum h1_state {
	H1_HEAD,     /* a line of a head is next; text has those before */
	H1_BODY,     /* left bytes, sent on as they come */
	H1_HELD,     /* left bytes, into body; text is the head */
	H1_CHUNK,    /* the line of a chunk, in text */
	H1_DATA,     /* left bytes of a chunk */
	H1_DATA_END, /* CR LF behind it, left bytes of it */
	H1_TRAILERS, /* into text */
	H1_RAW,	     /* no HTTP */
};

struct h1 {
	struct request_ctx *ctx;  /* borrowed */
	struct secret_scan *scan; /* owned; NULL: nothing to look for */
	enum h1_state state;
	uint64_t left;
	struct buf text;
	size_t line;   /* where in text the last line begins */
	size_t begin;  /* and the request line, */
	bool has_line; /* if it is there */
	/* Perhaps this is no HTTP: the first bytes, or those after a request
	 * that leaves it. word: in the first word of the line. */
	bool open, word;
	bool leaves;
	struct h1_head head;
	/* who the last request was for, without its query */
	char method[16], path[256];
	/* The body: its placeholders are replaced, or may not be in it (then
	 * tail is its last bytes, which may be a placeholder's first). */
	bool inject, watch;
	struct buf body; /* held, or not sent for it may be a placeholder */
	struct buf sent; /* with secrets; empty between two calls */
	uint8_t tail[SECRET_MAX_PLACEHOLDER];
	size_t ntail;
};

/* Bytes not yet dealt with. */
struct h1_in {
	const uint8_t *p;
	size_t n;
};

int h1_refuse(struct h1 *h, const char *why); /* -EPROTO */
/* Is one of the secrets that must not be sent in this? 0, -EPERM. */
int h1_look(struct h1 *h, const void *data, size_t len, const char *location);
/* Bytes of in up to the end of a line go to text. 1: the line is whole;
 * 0: all of in, or all that may be in text, is used; -EPROTO: there was no room
 * for any; -ENOMEM. */
int h1_take_line(struct h1 *h, struct h1_in *in, size_t max);

/* --- h1_body.c --- */

/* head is whole and checked, and in text: it is sent on, or held. */
int h1_body_begin(struct h1 *h, struct buf *out);
/* In a state of a body. The state is H1_HEAD after its last byte. */
int h1_body_push(struct h1 *h, struct h1_in *in, struct buf *out);

#endif
