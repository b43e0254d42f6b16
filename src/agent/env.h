/* SPDX-License-Identifier: Apache-2.0 */
/* Environment of a process the agent starts. */
#ifndef MSB_AGENT_ENV_H
#define MSB_AGENT_ENV_H

#include <stddef.h>

#include "base/str.h"
#include "protocol/cbor.h"

#define SCRIPTS_DIR "/.msb/scripts"
#define ENV_DEFAULT_PATH                                                       \
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct env_block {
	char **envp; /* owned, NULL-terminated, points into text */
	size_t n;
	char *text;   /* owned */
	size_t bytes; /* of text */
};

/*
 * The sandbox's environment (without MSB_* names), then the request's entries:
 * of several with one name the last wins, entries without a name are ignored.
 * PATH, or the default one, gets SCRIPTS_DIR in front unless it has it
 * already; HOME is home unless one of the two environments says otherwise.
 * 0, -ENOMEM, -EINVAL for an entry with a NUL byte inside.
 */
int env_compose(const struct strv *base, const struct view *request,
		size_t nrequest, const char *home, struct env_block *ret);
void env_block_fini(struct env_block *e);

/* Value of PATH in a composed environment; never NULL. */
const char *env_path(const struct env_block *e);

#endif
