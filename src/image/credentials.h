/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registry settings of config.json ("registries") and stored passwords, which
 * are files of mode 0600 below secrets/registries. Nothing here needs a
 * network.
 */
#ifndef MSB_IMAGE_CREDENTIALS_H
#define MSB_IMAGE_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define CREDENTIAL_MAX (64u << 10) /* bytes of a password or token */

/* Both owned; either may be NULL in a struct that holds nothing. */
struct credential {
	char *username, *password;
};
void credential_fini(struct credential *c); /* wipes the password */

/*
 * home_fd is the directory of config.json. host is a registry as references
 * name it: "docker.io", "ghcr.io", "localhost:5000"; other spellings of
 * docker.io are taken for it.
 *
 * Login stores the password in secrets/registries/<name>, mode 0600, and
 * {"username", "secret_name"} in config.json; both or neither.
 */
int registry_login(int home_fd, const char *host, const char *username,
		   const char *password, struct err *err);
/* *ret_found: false when nothing was stored, which is success. */
int registry_logout(int home_fd, const char *host, bool *ret_found,
		    struct err *err);

struct registry_entry {
	char *host, *username; /* username "" when there is none */
	/* "keyring", "password_env", "secret_name", "multiple", "unset" */
	const char *source;
};
/* Hosts with an auth entry, sorted. *ret is malloc'ed. */
int registry_list(int home_fd, struct registry_entry **ret, size_t *ret_n,
		  struct err *err);
void registry_list_free(struct registry_entry *list, size_t n);

/* What config.json says of one registry. */
struct registry_config {
	char *ca_certs; /* absolute path, or NULL */
	bool insecure;
	struct credential auth; /* NULLs when it has none */
};
/*
 * An auth entry that cannot be used (two sources, a variable that is not set, a
 * missing secret, the keyring) is an error that says so.
 */
int registry_config_load(int home_fd, const char *host,
			 struct registry_config *ret, struct err *err);
void registry_config_fini(struct registry_config *c);

#endif
