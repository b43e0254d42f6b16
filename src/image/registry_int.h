/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to a registry, below what is asked for. */
#ifndef MSB_IMAGE_REGISTRY_INT_H
#define MSB_IMAGE_REGISTRY_INT_H

#include <pthread.h>

#include "image/registry.h"

struct registry {
	const struct registry_options *o;
	struct http *http;
	char *base; /* "https://host/v2/repository" */
	struct http_origin origin;
	pthread_mutex_t login; /* held while logging in; of the next two */
	char *authorization;   /* value of the header, or NULL */
	unsigned generation;   /* of authorization */
	pthread_mutex_t sleep;
	pthread_cond_t wake; /* of sleepers between attempts */
};

struct registry_request {
	const char *path; /* "/manifests/latest" */
	const char *accept;
	uint64_t range_from;
	unsigned timeout_s;
	int (*head)(void *ctx, const struct http_response *r);
	int (*body)(void *ctx, const void *data, size_t len);
	void *ctx;
	const atomic_bool *cancel;
};

/*
 * One attempt, with redirects and a login where they are asked for. 0 for a
 * 2xx; -EAGAIN and -ECONNREFUSED as http_get(), the first also for statuses
 * that pass; -ERANGE for a 416; else there is no use in trying again.
 * *ret_wait_s: what the server asks to wait for.
 */
int registry_ask(struct registry *r, const struct registry_request *q,
		 uint64_t *ret_wait_s, struct err *err);

/*
 * After a 401: take up what it asks for. seen is the generation the refused
 * request was made with; somebody else may have logged in since.
 */
int registry_login_again(struct registry *r, const struct strv *challenges,
			 unsigned seen, struct err *err);

/* A copy of what to send, NULL for nothing yet, and its generation. */
int registry_authorization(struct registry *r, char **ret, unsigned *ret_seen);
/* Fills *err: the registry does not let us in. */
int registry_refused(const struct registry *r, struct err *err);

/* Attempts at one thing. */
struct registry_patience {
	unsigned failures; /* in a row */
	unsigned total;
};
/*
 * After a failed attempt: 0 when it is time for the next one, rc when there is
 * none to be made, -ECANCELED.
 */
int registry_wait(struct registry *r, struct registry_patience *p, int rc,
		  uint64_t wait_s, const atomic_bool *cancel, struct err *err);

/* The text without what a terminal would obey; malloc'ed, never long. */
char *registry_printable(const char *text);

#endif
