/* SPDX-License-Identifier: Apache-2.0 */
/* Scope-bound release of memory and descriptors, and explicit hand-over. */
#ifndef MSB_BASE_CLEANUP_H
#define MSB_BASE_CLEANUP_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/compiler.h"

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

/* Keeps errno: it runs on error paths whose errno is still to be reported. */
static inline void cleanup_close(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	errno = saved;
}

#define autofree MSB_CLEANUP(cleanup_free)
#define autoclose MSB_CLEANUP(cleanup_close)

/* Give a descriptor away: the variable no longer owns it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Give a pointer away: the variable no longer owns it. */
#define take_ptr(var)                                                          \
	__extension__({                                                        \
		__typeof__(var) taken_ = (var);                                \
		(var) = NULL;                                                  \
		taken_;                                                        \
	})

/* Close *fd if open and set it to -1. */
static inline void close_fd(int *fd)
{
	cleanup_close(fd);
	*fd = -1;
}

#endif
