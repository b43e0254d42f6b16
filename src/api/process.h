/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a program of ours that gets its work through descriptors. */
#ifndef MSB_API_PROCESS_H
#define MSB_API_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

#define PROGRAM_FIRST_FD 3

/*
 * Start path in a session of its own, with /dev/null as its standard streams,
 * fds[i] as its descriptor 3 + i (-1: not given) and nothing else open, no
 * signal blocked or ignored. fds may be moved to other numbers; they stay the
 * caller's. 0 or -errno.
 */
int program_spawn(const char *path, char *const argv[], char *const env[],
		  int *fds, size_t n, pid_t *ret);

/*
 * Wait for its end and say how it was: "status 1", "signal 9". One that stays
 * is killed after a while.
 */
void program_end(pid_t pid, char *how, size_t len);

#endif
