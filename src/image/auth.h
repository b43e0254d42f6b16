/* SPDX-License-Identifier: Apache-2.0 */
/* How registries ask for credentials, and the answers. */
#ifndef MSB_IMAGE_AUTH_H
#define MSB_IMAGE_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define AUTH_HEADER_MAX (16u << 10)
#define AUTH_TOKEN_MAX (32u << 10)

struct auth_challenge {
	bool basic, bearer;
	char *realm, *service, *scope; /* of bearer; NULL when absent */
};

void auth_challenge_fini(struct auth_challenge *c);
/*
 * Values of WWW-Authenticate lines; schemes nobody knows are passed over. The
 * first Bearer challenge with a realm counts. -EINVAL: no use at all; -ENOMEM.
 */
int auth_challenge_parse(const struct strv *values, struct auth_challenge *ret);

/* The token in a token server's answer: malloc'ed, fit for a header. */
int auth_token_parse(const char *text, size_t len, char **ret, struct err *err);

/* malloc'ed "Basic ...", NULL when out of memory. */
char *auth_basic(const char *username, const char *password);

/*
 * "user:password" in base64, as Docker stores it. -EINVAL, -ENOMEM; nothing to
 * free on failure.
 */
int auth_basic_decode(const char *text, char **ret_username,
		      char **ret_password);

#endif
