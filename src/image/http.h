/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP over libcurl, which nothing else here knows of. A thread of its own runs
 * all transfers; http_get() is called from any number of threads and blocks.
 * Redirects are told, not followed: where credentials go is decided elsewhere.
 */
#ifndef MSB_IMAGE_HTTP_H
#define MSB_IMAGE_HTTP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

#define HTTP_URL_MAX (16u << 10)

struct http;

/*
 * ca_pem: all trusted roots, copied; NULL for those of the host. The process
 * has no other thread yet.
 */
int http_new(const char *ca_pem, size_t ca_pem_len, struct http **ret,
	     struct err *err);
/* No call is running any more. NULL is fine. Returns NULL. */
struct http *http_free(struct http *h);

/* Path of the file with the host's roots, also when there is none. */
const char *http_host_roots(void);

/* Whom a URL speaks to. */
struct http_origin {
	char host[256];
	unsigned port;
	bool tls;
};
/* -EINVAL: not an http or https URL, or one with a user name in it. */
int http_origin(const char *url, struct http_origin *ret);
bool http_origin_eq(const struct http_origin *a, const struct http_origin *b);
/* malloc'ed url with a query parameter more; NULL when out of memory. */
char *http_url_add(const char *url, const char *name, const char *value);

#define HTTP_SIZE_UNKNOWN UINT64_MAX

struct http_response {
	int status;
	char *location;		  /* absolute, of a redirect; else NULL */
	struct strv authenticate; /* WWW-Authenticate, each line's value */
	char *content_type, *content_digest;
	uint64_t size;	      /* of the body as announced, or ..._UNKNOWN */
	uint64_t range_start; /* of a 206, or ..._UNKNOWN */
	uint64_t retry_after_s;
	char *refusal; /* what came with another status than 2xx; never NULL */
};
void http_response_fini(struct http_response *r);

struct http_call {
	const char *url;
	const char *const
		*headers;	   /* "Name: value", NULL-terminated, or NULL */
	const char *authorization; /* value of that header, or NULL */
	uint64_t range_from;	   /* ask for the bytes from here on */
	unsigned timeout_s;	   /* of all of it; 0: as long as it moves */
	/*
	 * Called on the transfer thread, for a 2xx only: head once, then body
	 * for each piece. A negative errno ends the transfer and is returned.
	 */
	int (*head)(void *ctx, const struct http_response *r);
	int (*body)(void *ctx, const void *data, size_t len);
	void *ctx;
	const atomic_bool *cancel; /* NULL, or see http_wake() */
};

/*
 * 0 when a whole response is here, whatever its status. -ECANCELED;
 * -EAGAIN: it broke on the way and may work next time; -ECONNREFUSED: no
 * connection came about; any other: there is no use in trying again. *ret is
 * to be released in any case.
 */
int http_get(struct http *h, const struct http_call *call,
	     struct http_response *ret, struct err *err);
/* Have running calls look at their cancel flags. */
void http_wake(struct http *h);

#endif
