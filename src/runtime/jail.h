/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's own jail. Once the machine runs, this process keeps only what
 * it needs to serve it: no way to gain privileges, no capability beyond those
 * of a file server, no files but the sandbox's, no system call it does not use.
 * A layer the host does not offer is reported, not fatal: the guest sits in a
 * jail of its own, this is the second wall.
 */
#ifndef MSB_RUNTIME_JAIL_H
#define MSB_RUNTIME_JAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/jail.h"

struct jail_result {
	char no_new_privs[64], capabilities[64], landlock[64], seccomp[64];
};

/*
 * Install the handler through which other threads follow; before any thread is
 * made. Every thread must leave JAIL_SIGNAL unblocked.
 */
int jail_prepare(void);
int jail_signal(void);

/* The thread that serves the network card is known by its name. */
#define JAIL_NETWORK_THREAD "virtio-net"

/*
 * Apply all layers to all threads. Never fails as a whole. The network's thread
 * keeps sockets of the Internet families and connections, and no files; the
 * others keep dirs, and no network. Where there are no pidfds, the process
 * machine can be signalled by its number, unless that is negative.
 */
void jail_apply(const struct jail_dir *dirs, size_t n, pid_t machine,
		struct jail_result *ret);

/* {"no_new_privs":"on",...} */
void jail_describe(const struct jail_result *r, struct buf *json);

/* seccomp.c: make the allow-lists, once; 0 or -errno. */
int jail_seccomp_prepare(pid_t machine);
/* One thread obeys its list from now on, unless it is under a narrower one of
 * its own. Async-signal-safe. 0 or -errno. */
int jail_seccomp_enforce(bool network);

#endif
