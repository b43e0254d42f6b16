/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may change a sandbox, and whether its process lives.
 *
 * The lifecycle lock, <home>/run/locks/<name>.lock, is held by whoever takes a
 * sandbox through a transition (create, start, stop, remove, mend). The runtime
 * lock, runtime/runtime.lock, is held by the runtime for as long as it lives,
 * so it tells dead from alive without trusting a process id.
 */
#ifndef MSB_STORE_LOCK_H
#define MSB_STORE_LOCK_H

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "store/paths.h"

#define LOCK_WAIT_FOREVER UINT64_MAX

/*
 * Take the lifecycle lock, waiting at most timeout_ms. Returns its descriptor;
 * closing it unlocks. -ETIMEDOUT (ERR_TIMEOUT) when somebody else keeps it.
 */
int lifecycle_lock(const struct home *h, const char *name, uint64_t timeout_ms,
		   struct err *err);
/* Unlock for good: the sandbox no longer exists, so its lock file goes too. */
void lifecycle_lock_retire(const struct home *h, const char *name, int *fd);

/*
 * A fresh runtime lock, already held, in place of an older one. The descriptor
 * is handed to the runtime; the lock lives as long as any copy of it.
 */
int runtime_lock_create(int runtime_dirfd);

/* 1 alive, 0 dead or never started, -errno. */
int runtime_alive(int runtime_dirfd);

/*
 * The same, but a runtime that is on its way out (it has left its exit record,
 * or its process is exiting and only frees memory) is waited for, at most
 * timeout_ms.
 */
int runtime_alive_settled(int runtime_dirfd, uint64_t timeout_ms);

/* A living runtime that can be signalled without hitting a reused pid. */
struct runtime_process {
	pid_t pid;
	int lock_fd; /* an own open file of runtime.lock */
	int pidfd;   /* -1 on hosts without pidfds */
};

/*
 * 0; -ESRCH: it is dead; -EAGAIN: it lives, but has not yet written its pid;
 * -ENXIO: it lives, but not as a process that can be seen from here.
 */
int runtime_process_open(int runtime_dirfd, struct runtime_process *ret);
void runtime_process_close(struct runtime_process *p);
/*
 * Asks a runtime to have its guest flush and power off. SIGTERM does, too; this
 * one says that the sandbox's owner wants it, with the library's means.
 */
#define RUNTIME_STOP_SIGNAL SIGUSR1
/* 0; -ESRCH when it is dead by now. */
int runtime_process_signal(const struct runtime_process *p, int sig);
/*
 * Wait until the runtime has let go of its lock: 0, -ETIMEDOUT. end_fd is -1 or
 * the watchdog's write end: its being told that nobody reads is one more sign,
 * and an earlier one than the end of the process, to look at the lock.
 */
int runtime_process_wait(const struct runtime_process *p, int end_fd,
			 uint64_t timeout_ms);

/* Field 22 of /proc/<pid>/stat: 0 or -errno. */
int process_start_time(pid_t pid, uint64_t *ret);

#endif
