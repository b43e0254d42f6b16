/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values of secrets on their way to a runtime: from the caller, a file of
 * the sandbox's, the environment or a file of the host's, into a memory file.
 * They are in no configuration and in no catalogue.
 */
#ifndef MSB_API_SECRET_VALUES_H
#define MSB_API_SECRET_VALUES_H

#include "api/api_int.h"
#include "net/config.h"

/* One for each secret of a configuration, in its order. */
struct secret_values {
	struct secret_value {
		void *data; /* owned; NULL: not here, but at its source */
		size_t len;
	} * v; /* owned */
	size_t n;
};

/* Wipes what it frees. */
void secret_values_fini(struct secret_values *v);
/* Add one; data NULL: its source has it. ERR_INVALID for what can be no value:
 * empty, too long, or with NUL, CR or LF. env names it in messages. */
int secret_values_add(struct secret_values *v, const char *env,
		      const void *data, size_t len, struct err *err);

/*
 * Those given with the configuration, kept in the directory of sandbox name for
 * its next starts; without any, an older file is removed.
 */
int secret_values_keep(const struct home *h, const char *name,
		       const struct secrets_config *c,
		       const struct secret_values *given, struct err *err);
/*
 * All values, as secrets_new() reads them, in a memory file: its descriptor, or
 * -1 when there are no secrets, in *ret. given may be NULL: then stored values
 * are read from the directory of sandbox name.
 */
int secret_values_open(const struct home *h, const char *name,
		       const struct secrets_config *c,
		       const struct secret_values *given, int *ret,
		       struct err *err);

#endif
