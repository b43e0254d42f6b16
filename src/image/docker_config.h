/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials that Docker keeps: its config.json and credential helpers. */
#ifndef MSB_IMAGE_DOCKER_CONFIG_H
#define MSB_IMAGE_DOCKER_CONFIG_H

#include <stddef.h>

#include "base/err.h"
#include "image/credentials.h"

#define DOCKER_CONFIG_MAX (4u << 20)
#define DOCKER_HELPER_NAME_MAX 64u
#define DOCKER_HELPER_TRIES 8u

/* What the file says of one registry. */
struct docker_entry {
	/* Helpers to ask, best first, and what they know the registry as. */
	struct {
		char *name, *server;
	} helpers[DOCKER_HELPER_TRIES];
	size_t nhelpers;
	struct credential auth; /* kept in the file itself, or NULLs */
};

void docker_entry_fini(struct docker_entry *e);
/*
 * host as references name it. Entries that make no sense, and identity tokens,
 * are passed over. ERR_INVALID when the text is no JSON object.
 */
int docker_config_parse(const char *text, size_t len, const char *host,
			struct docker_entry *ret, struct err *err);

/*
 * 1 with *ret filled, 0 when Docker has nothing for the host. A file or a
 * helper that cannot be used is no failure: *note (kind ERR_NONE otherwise)
 * then tells about it.
 */
int docker_config_find(const char *host, struct credential *ret,
		       struct err *note);

/*
 * Run docker-credential-<name> for a server, with a time limit and without our
 * descriptors. 1 with *ret filled, 0 when it has nothing, -errno.
 */
int docker_helper_get(const char *name, const char *server,
		      struct credential *ret, struct err *err);
/* What a helper wrote: 1, 0 for an identity token or an empty user, -EPROTO. */
int docker_helper_parse(const char *text, size_t len, struct credential *ret);

#endif
