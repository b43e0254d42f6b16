/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The heads of HTTP/1 messages as far as it takes to see what a connection
 * without TLS is for: where one ends, which host is meant, what a proxy is
 * asked and answers. Whether a request may go on is decided by http/.
 */
#ifndef MSB_NET_TLS_HEAD_H
#define MSB_NET_TLS_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/policy.h"

/* What the first bytes of a client are. */
enum http_first {
	HTTP_UNSURE,  /* more is needed to tell */
	HTTP_NOT,     /* no request, whatever follows */
	HTTP_REQUEST, /* HTTP/1, or the preface of HTTP/2 */
	HTTP_CONNECT, /* a proxy is asked for a tunnel */
};

/*
 * Empty lines in front do not count, as they do not for servers. Clients of
 * other protocols wait meanwhile: they are told apart as early as can be.
 */
enum http_first http_first(const void *data, size_t len);

/* Is it so far the beginning of CONNECT? */
bool http_may_connect(const void *data, size_t len);

/* Bytes of line ends in front of the first line. */
size_t head_blank(const void *data, size_t len);
/*
 * Length of the head that data, which has no blank lines in front, begins
 * with, its empty line included; 0: it has not ended. Nothing ends before
 * from, which is how far an earlier call looked.
 */
size_t head_end(const void *data, size_t len, size_t from);

/* One line with a name; neither is NUL-terminated. */
struct head_field {
	const char *name, *value; /* no white space around either */
	size_t name_len, value_len;
};

/*
 * The next field from *pos on (0: the first one; the first line is left out)
 * of a whole head. false: there is none. Lines without a colon are left out,
 * continuations are lines without a name.
 */
bool head_next(const char *head, size_t len, size_t *pos,
	       struct head_field *ret);
bool head_is(const struct head_field *f, const char *name); /* any case */

/* CONNECT host:port: what the guest asks for. */
struct connect_head {
	char host[NET_NAME_MAX + 1]; /* canonical */
	uint16_t port;
};

/*
 * A whole head. NULL, or a text that says why no proxy is to see it: nobody
 * may read another target in it, or another end, than we do.
 */
const char *connect_parse(const char *head, size_t len,
			  struct connect_head *ret);

/* A proxy's answer. */
struct reply_head {
	unsigned status;
	bool has_length; /* it says how long its content is */
	uint64_t length;
};

/* A whole head; 0 or -EPROTO. */
int reply_parse(const char *head, size_t len, struct reply_head *ret);

/* Whom a request is for, as its head says. */
struct request_target {
	char host[NET_NAME_MAX + 1]; /* canonical; empty: it does not say */
	bool absolute; /* http://host/...: it is meant for a proxy */
};

void request_target(const char *head, size_t len, struct request_target *ret);

#endif
