/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail around a guest kernel process, in layers.
 *
 * Theory. The process is cloned into new user and process namespaces, and then
 * builds the rest around itself: the other namespaces, a private tmpfs as its
 * whole file system, no capability in any set, no new privileges, a seccomp
 * allow-list, resource limits. Its user is unprivileged on the host whoever
 * started it. It enters the kernel's program from a descriptor and finds all it
 * needs in open descriptors: its log, the initramfs, a socket per device. It is
 * process 1 of its namespace, so its end is the end of every guest process; and
 * it is killed when the thread that created it ends.
 *
 * The child runs between clone and exec in a copy of a process that may have
 * threads, so it takes no lock, allocates nothing and calls no more than system
 * calls: all it needs is in struct jail_child, made before. It tells the parent
 * of every layer that the host refuses. A refused layer ends the start, unless
 * relaxed: then the process goes on without that layer and the state says so.
 */
#ifndef MSB_ENGINE_UML_JAIL_H
#define MSB_ENGINE_UML_JAIL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "engine/host.h"
#include "engine/uml/filter.h"

enum jail_layer {
	JAIL_USER_NS,
	JAIL_PID_NS,
	JAIL_MOUNT_NS,
	JAIL_NET_NS,
	JAIL_IPC_NS,
	JAIL_UTS_NS,
	JAIL_CGROUP_NS,
	JAIL_ROOT, /* the private, otherwise empty root directory */
	JAIL_CAPS,
	JAIL_NO_NEW_PRIVS,
	JAIL_SECCOMP,
	JAIL_RLIMITS,
	JAIL_LAYER_COUNT
};

/* What was being done when something failed. */
enum jail_step {
	STEP_CLONE,
	STEP_ID_MAP,
	STEP_UNSHARE,
	STEP_SET_IDS,
	STEP_DEATH_SIGNAL,
	STEP_MOUNT_ROOT,
	STEP_PIVOT_ROOT,
	STEP_DETACH_HOST,
	STEP_WORK_DIR,
	STEP_DESCRIPTORS,
	STEP_LIMIT,
	STEP_PERSONALITY,
	STEP_DROP_CAPS,
	STEP_NO_NEW_PRIVS,
	STEP_FILTER,
	STEP_EXEC,
	STEP_PTRACE,   /* probe only */
	STEP_EXEC_MAP, /* probe only */
	STEP_COUNT
};

/* State of the layers: zeroed means that all are on. */
struct jail_state {
	struct {
		bool off;
		enum jail_step step; /* where it was refused */
		int sys;	     /* errno of that */
	} layer[JAIL_LAYER_COUNT];
};

/* One interrupt each: the kernel has 64, and 12 of them are taken. */
#define JAIL_MAX_DEVICES 52

struct jail_plan {
	bool relaxed;
	bool probe;	  /* try everything, then exit instead of exec */
	int kernel_fd;	  /* borrowed, as all descriptors here */
	int initramfs_fd; /* inherited as UML_INITRAMFS_FD */
	int log_fd;	  /* becomes standard output and error */
	const int *socks; /* inherited from UML_DEVICE_FD on */
	size_t nsocks;	  /* at most JAIL_MAX_DEVICES */
	unsigned memory_mib;
	int cpu; /* pin to this one, or -1 */
	char **argv;
	const struct uml_filter *filter;
};

struct jailed {
	pid_t pid;
	int pidfd;     /* owned; -1 on hosts without */
	int signal_fd; /* owned; -1 unless there is no pidfd */
	struct jail_state state;
	/* probe only: errno of a traced child and of an executable mapping */
	int ptrace_errno, exec_map_errno;
};

/*
 * Start the process and wait until it has entered the kernel program (or, as a
 * probe, has exited). On failure nothing is left behind. ERR_UNSUPPORTED names
 * a refused layer and its remedy.
 */
int jail_spawn(const struct jail_plan *plan, const struct host_facts *facts,
	       struct jailed *ret, struct err *err);

/*
 * The process from outside. settle: give a pidfd up that cannot be waited for.
 * reap: with waitid()'s flags; si_pid is 0 when it still runs. watch_fd: what
 * is readable when it may have ended, borrowed, or -errno; heard: before each
 * reap then. close: after the last reap.
 */
void jailed_settle(struct jailed *j);
void jailed_kill(const struct jailed *j);
int jailed_reap(const struct jailed *j, siginfo_t *si, int flags);
int jailed_watch_fd(struct jailed *j);
void jailed_heard(const struct jailed *j);
void jailed_close(struct jailed *j);

const char *jail_layer_name(enum jail_layer l);	 /* "user_ns" */
const char *jail_layer_title(enum jail_layer l); /* "user namespace" */

/* Why the host refused a layer, and what its owner can do about it. */
void jail_refusal(const struct host_facts *f, enum jail_layer l,
		  enum jail_step step, int sys, char *reason, size_t reason_len,
		  char *remedy, size_t remedy_len);
/* The same for a layer that is off in a state: one that only follows from the
 * missing user namespace says so, and has no remedy of its own. */
void jail_refusal_in(const struct host_facts *f, const struct jail_state *s,
		     enum jail_layer l, char *reason, size_t reason_len,
		     char *remedy, size_t remedy_len);

/*
 * The host user and group to run as, and how the child's id map says so:
 * whoever starts the machine, never the host's root.
 */
uid_t jail_host_id(const struct host_facts *f, uid_t own);

#endif
