/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts that check config.json share. */
#ifndef MSB_STORE_CONFIG_FILE_INT_H
#define MSB_STORE_CONFIG_FILE_INT_H

#include <jansson.h>

#include "base/err.h"

#define CONFIG_KEY_TEXT 64u /* more than the longest key of ours */

/* What a message says about the place: the file, and the key in it. */
struct config_place {
	const char *file;
	const char *section; /* "" = top level */
	const char *name;
};

/*
 * The object "registries": are all its members known and of their types? What
 * they mean is looked at by who talks to a registry.
 */
int config_registries_check(const struct config_place *at,
			    const json_t *registries, struct err *err);

#endif
