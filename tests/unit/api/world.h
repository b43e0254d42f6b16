/* SPDX-License-Identifier: Apache-2.0 */
/* A home directory, a root directory and a stand-in runtime for one test. */
#ifndef MSB_TESTS_API_WORLD_H
#define MSB_TESTS_API_WORLD_H

#include "microsandbox/microsandbox.h"

struct world {
	char base[64];
	char home[80];
	char rootfs[80];
	msb_t *m;
};

/* settings: members of config.json, each with a comma at its end, or NULL. */
struct world *world_make(const char *settings);
void world_free(struct world *w);
/* The same home, opened once more: what another process would see. */
msb_t *world_open(struct world *w);
void world_file(const char *path, const char *text);

/* Create a sandbox of that name over the public interface; may fail. */
int world_create(struct world *w, const char *name, bool ephemeral,
		 msb_sandbox_t **ret, msb_error_t **e);
/* "Running", ..., or "none". */
const char *world_status(struct world *w, const char *name);
/* Does <home>/sandboxes/<name>/<rest> exist? */
bool world_has(struct world *w, const char *name, const char *rest);

#endif
