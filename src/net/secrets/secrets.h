/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets: the guest holds placeholders, the hosts they are for get the values.
 *
 * secrets.c     all of a sandbox, with their values, which are in memory that
 *               is locked, left out of core dumps, and wiped
 * scope.c       which of them count on one connection, and how
 * substitute.c  placeholders become values
 * scan.c        placeholders where they must not be, in all the forms a server
 *               might decode (decode.c)
 *
 * Nothing here does I/O after secrets_new(), or knows of TLS or HTTP framing.
 */
#ifndef MSB_NET_SECRETS_SECRETS_H
#define MSB_NET_SECRETS_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/addr.h"
#include "net/config.h"
#include "net/names.h"

struct secrets;

/*
 * The values are read from values_fd: for each secret of c, in order, its
 * length (32 bits, big-endian) and its bytes. c lives longer. ERR_INVALID when
 * the file is not that, or a value is empty or too long or has a NUL, CR or LF
 * (it would break out of a header line).
 */
int secrets_new(const struct secrets_config *c, int values_fd,
		struct secrets **ret, struct err *err);
struct secrets *secrets_free(struct secrets *s);

/* --- scope.c: one connection --- */

struct secret_where {
	const char *host; /* canonical: SNI, CONNECT or Host; NULL: not known,
			   * which only * is for */
	const struct net_addr *dest; /* as the guest dialed it */
	bool tls;    /* else: plain HTTP, secrets that require TLS stay out */
	bool tunnel; /* the name is tied to an authority: no pin is needed */
	bool outer;  /* the head of a CONNECT request: none is allowed */
};

struct secret_scope;

int secret_scope_new(const struct secrets *s, const struct names *names,
		     const struct net_addresses *link, uint64_t now_ms,
		     const struct secret_where *w, struct secret_scope **ret);
struct secret_scope *secret_scope_free(struct secret_scope *s);
/* Nothing to put in and nothing to look for. */
bool secret_scope_idle(const struct secret_scope *s);
/* Some secret goes into this place on this connection. */
enum secret_place {
	SECRET_IN_HEADER, /* a header line, name and value */
	SECRET_IN_QUERY,  /* behind the first ? of a request's target */
	SECRET_IN_BASIC,  /* user:password of Basic credentials, decoded */
	SECRET_IN_BODY,
};
bool secret_scope_has(const struct secret_scope *s, enum secret_place place);
/* Bytes a stream must keep back so that no placeholder for this place is cut:
 * the longest one less 1. 0 when there is none. */
size_t secret_scope_carry(const struct secret_scope *s,
			  enum secret_place place);

/* --- substitute.c --- */

/*
 * Append data to out with every placeholder that counts in this place replaced,
 * the longest one where several begin at the same byte; what was put in is not
 * looked at again. Where the longest one is one that does not count, it stays,
 * and so does all that is in it. How many were replaced, or -ENOMEM, also when
 * out has no room: its ceiling bounds what many placeholders may become. out is
 * a buffer of buf_init_secret().
 */
int secret_substitute(const struct secret_scope *s, enum secret_place place,
		      const void *data, size_t len, struct buf *out);
/*
 * The same for a stream: of data only *used bytes are dealt with, the rest may
 * be the beginning of a placeholder and comes again in front of what follows.
 * With end all of it is used.
 */
int secret_substitute_part(const struct secret_scope *s,
			   enum secret_place place, const void *data,
			   size_t len, bool end, size_t *used, struct buf *out);
/* Is a placeholder for this place literally in data? */
bool secret_present(const struct secret_scope *s, enum secret_place place,
		    const void *data, size_t len);

/* --- scan.c: a placeholder sent where its secret may not go --- */

enum secret_form {
	SECRET_RAW,
	SECRET_PERCENT, /* %24MSB_... */
	SECRET_JSON,	/* \u0024MSB_... */
	SECRET_BASIC,	/* base64 behind the word Basic */
};

struct secret_found {
	enum secret_action action; /* the strictest of all that were found */
	const char *env_var, *placeholder;
	enum secret_form form;
	/* not touched here, filled in by those who know: "http/1.1", "http/2"
	 * or NULL; request without its query, empty = not known; "header",
	 * "query", "authorization_basic", "body", "unknown" */
	const char *protocol, *location;
	char host[NET_NAME_MAX + 1], method[16], path[256];
	uint32_t stream; /* of HTTP/2; 0 = none */
};

/*
 * Looks at everything a guest sends on one byte stream, in writes of any
 * length: what is found is found whatever the cuts. A placeholder that is the
 * beginning of another one counts as itself where a write ends before the other
 * one is complete. Bounded memory. A stream may be a connection, or the DATA of
 * an HTTP/2 stream.
 */
struct secret_scan;

int secret_scan_new(const struct secret_scope *s, struct secret_scan **ret);
struct secret_scan *secret_scan_free(struct secret_scan *s);
/* true: found, and *ret says what; nothing of data may be sent on. */
bool secret_scan_push(struct secret_scan *s, const void *data, size_t len,
		      struct secret_found *ret);
/* One piece of text by itself: a header field of HTTP/2 (form: SECRET_RAW; all
 * forms are looked for), or decoded credentials (SECRET_BASIC). */
bool secret_scan_text(const struct secret_scope *s, enum secret_form form,
		      const void *data, size_t len, struct secret_found *ret);

#endif
