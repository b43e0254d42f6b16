/* SPDX-License-Identifier: Apache-2.0 */
/* What reading and changing registry settings have in common. */
#ifndef MSB_IMAGE_CREDENTIALS_INT_H
#define MSB_IMAGE_CREDENTIALS_INT_H

#include <jansson.h>

#include "image/credentials.h"

#define SETTINGS_FILE "config.json"
#define SETTINGS_MAX (1u << 20)
#define SECRETS_DIR "registries" /* below the directory of secrets */

/* The whole file as an object, empty when there is none. */
int settings_read(int home_fd, json_t **ret, struct err *err);
/*
 * The auth entry of a host in the settings, borrowed, or NULL. The other
 * spellings of a host are tried as well; *ret_key (NULL allowed) is the one
 * that is there.
 */
json_t *settings_auth(const json_t *settings, const char *host,
		      const char **ret_key);
/* Source of an auth entry, as struct registry_entry has it. */
const char *settings_source(const json_t *auth);
/*
 * A host as references name it, malloc'ed: no scheme, no path, docker.io for
 * all its names. ERR_INVALID when it is none.
 */
int registry_host(const char *text, char **ret, struct err *err);

/*
 * Where passwords are: "secrets/registries", or what the settings say, which is
 * absolute. malloc'ed.
 */
int secrets_dir(const json_t *settings, char **ret, struct err *err);
/* A name in there: no path, nothing hidden. */
bool secret_name_valid(const char *name);
int secret_read(int home_fd, const char *dir, const char *name, char **ret,
		struct err *err);

#endif
