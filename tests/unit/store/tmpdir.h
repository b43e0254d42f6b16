/* SPDX-License-Identifier: Apache-2.0 */
/* A directory of a test's own, removed at its end. */
#ifndef MSB_TESTS_STORE_TMPDIR_H
#define MSB_TESTS_STORE_TMPDIR_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/io.h"

struct tmpdir {
	char path[64];
};

static inline int tmpdir_make(void **state)
{
	struct tmpdir *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	(void)snprintf(t->path, sizeof(t->path), "/tmp/msb-unit-XXXXXX");
	*state = t;
	return mkdtemp(t->path) ? 0 : -1;
}

static inline int tmpdir_remove(void **state)
{
	struct tmpdir *t = *state;
	int rc = io_remove_tree(AT_FDCWD, t->path);

	free(t);
	return rc;
}

#endif
