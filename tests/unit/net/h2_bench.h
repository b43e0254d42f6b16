/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's HTTP/2 going through the filter to a server: both are nghttp2's,
 * or the client's frames are written by hand.
 */
#ifndef MSB_TEST_H2_BENCH_H
#define MSB_TEST_H2_BENCH_H

#include "net/http/h2_int.h"
#include "secret_bench.h"

#define KEY "$MSB_KEY" /* headers, Basic, query; any host */
#define KEY_VALUE "s3cret/value+"
#define BODY "$MSB_BODY" /* headers, body; with BENCH_BODY */
#define BODY_VALUE "body-value"
#define OTHER "$MSB_OTHER"   /* for other hosts: blocked, and told of */
#define WORSE "$MSB_WORSE"   /* the same, ends the sandbox */
#define HUGE_KEY "$MSB_HUGE" /* headers; its value is 60 KiB long */
#define BLANK "$MSB_BLANK"   /* headers, query; a blank begins its value */
#define HOST "site.example"

enum {
	BENCH_BODY = 1,
	BENCH_NO_SECRETS = 2,
	BENCH_ANY_HOST = 4,
};

struct seen { /* by the server */
	int32_t stream;
	struct buf head; /* "name: value\n", " !" behind never-indexed ones */
	struct buf body, trailers;
	bool ended;
};

struct bench {
	struct secret_bench secrets;
	struct secret_scope *scope;
	struct request_ctx ctx;
	size_t room;
	struct h2 *h;
	struct buf out;	 /* what the filter sent on since it was emptied */
	struct buf wire; /* and all of it */
	size_t cut;	 /* bytes per push; 0 = as they come */
	size_t portion;	 /* of a body, per DATA; 0 = as large as can be */
	size_t pad;	 /* of the client's frames */
	int rc;		 /* of the filter, from the failure on */
	nghttp2_session *client, *server;
	const char *body; /* rest of what the client has to say */
	size_t body_left;
	const nghttp2_nv *trailers;
	size_t ntrailers;
	struct seen seen[64];
	unsigned nseen, answered;
	nghttp2_hd_deflater *packer; /* of frames written by hand */
};

void bench_init(struct bench *b, unsigned flags);
void bench_fini(struct bench *b);
/* Through the filter, in portions of cut; out has what came of it. */
int bench_push(struct bench *b, const void *data, size_t len);

/* --- real peers --- */

void bench_connect(struct bench *b, const nghttp2_settings_entry *server,
		   size_t nserver, const nghttp2_option *client);
#define FIELD(name, value)                                                     \
	{                                                                      \
		(uint8_t *)(name), (uint8_t *)(value), strlen(name),           \
			strlen(value), 0                                       \
	}
#define REQUEST(method, path)                                                  \
	FIELD(":method", method), FIELD(":scheme", "https"),                   \
		FIELD(":authority", HOST), FIELD(":path", path)
/* Ask, and let everything arrive that can. The filter's result. */
int bench_ask(struct bench *b, const nghttp2_nv *nv, size_t n, const char *body,
	      size_t len);
int bench_pump(struct bench *b);
const struct seen *bench_last(const struct bench *b);
bool bench_saw(const struct seen *s, const char *line);
/* Does any server's byte have this? What is packed by Huffman's code is not
 * found: look at seen for that. */
bool bench_sent(const struct bench *b, const char *text);

/* --- by hand --- */

void put_frame(struct buf *b, unsigned type, unsigned flags, uint32_t stream,
	       const void *data, size_t len);
void put_preface(struct buf *b); /* with an empty SETTINGS */
/* HEADERS of these fields: "name: value\n"... */
void put_headers(struct bench *b, struct buf *to, unsigned flags,
		 uint32_t stream, const char *fields);
/* The same without a frame around it. */
void pack(struct bench *b, struct buf *to, const char *fields);
#define GET ":method: GET\n:scheme: https\n:authority: " HOST "\n:path: /\n"
#define POST ":method: POST\n:scheme: https\n:authority: " HOST "\n:path: /\n"

#endif
