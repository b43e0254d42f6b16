/* SPDX-License-Identifier: Apache-2.0 */
/* The jail's parent half: clone, id maps, and listening to the child. */
#include "engine/uml/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "engine/uml/jail_int.h"

#define NOBODY 65534

/* Set-up takes milliseconds; a child that hangs in a mount is given up. */
#define SPAWN_TIMEOUT_MS 30000

/* A file of the kernel is as large as the guest's memory, and little more. */
#define FILE_SLACK_MIB 64

uid_t jail_host_id(const struct host_facts *f, uid_t own)
{
	if (own != 0)
		return own;
	/* A root without that id is the root of a user namespace with few
	 * ids, and an ordinary user to the host. */
	return f->nobody_mapped ? NOBODY : own;
}

static void add_limit(struct jail_child *c, int resource, rlim_t value)
{
	struct rlimit now, new = { value, value };

	/* never above what the host allows this user */
	if (getrlimit((__rlimit_resource_t)resource, &now) == 0 &&
	    now.rlim_max < value)
		new.rlim_cur = new.rlim_max = now.rlim_max;
	c->limit[c->nlimits++] = (struct jail_limit){ resource, new };
}

static void set_child_limits(struct jail_child *c, const struct jail_plan *p,
			     const struct host_facts *f)
{
	rlim_t bytes = (rlim_t)(p->memory_mib + FILE_SLACK_MIB) << 20;

	add_limit(c, RLIMIT_FSIZE, bytes);
	/* 1 and not 0: a pipe handler of core dumps ignores 0 but not 1 */
	add_limit(c, RLIMIT_CORE, 1);
	add_limit(c, RLIMIT_MEMLOCK, 0);
	add_limit(c, RLIMIT_MSGQUEUE, 0);
	add_limit(c, RLIMIT_NICE, 0);
	add_limit(c, RLIMIT_RTPRIO, 0);
	/* UML wants 8 MiB, and sets it itself when there is more */
	add_limit(c, RLIMIT_STACK, 8 << 20);
	/* in seccomp mode each guest process holds a descriptor */
	add_limit(c, RLIMIT_NOFILE, 65536);
	/* Guest processes are processes here. More than this do not fit into
	 * the guest's memory. Before Linux 5.14 the count was one for all
	 * processes of the host user, not one for each user namespace. */
	if (host_linux_at_least(f, 5, 14))
		add_limit(c, RLIMIT_NPROC, 256 + (rlim_t)p->memory_mib * 16);
}

static int write_proc(pid_t pid, const char *file, const char *text)
{
	autoclose int fd = -1;
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return io_write_full(fd, text, strlen(text));
}

/*
 * One host id and one group, and nothing else exists in there. The group list
 * is emptied by the child when root may do so, else it can no longer be
 * changed: with an empty root directory it leads to no file.
 */
static int write_id_maps(const struct jail_child *c, pid_t pid, uid_t uid,
			 gid_t gid)
{
	char line[64];
	int rc = 0;

	if (!c->clear_groups)
		rc = write_proc(pid, "setgroups", "deny");
	if (rc == -ENOENT) /* Linux before 3.19 has no such switch */
		rc = 0;
	if (rc)
		return rc;
	(void)snprintf(line, sizeof(line), "%d %u 1\n", JAIL_INSIDE_ID, gid);
	rc = write_proc(pid, "gid_map", line);
	if (rc)
		return rc;
	(void)snprintf(line, sizeof(line), "%d %u 1\n", JAIL_INSIDE_ID, uid);
	return write_proc(pid, "uid_map", line);
}

static void kill_and_reap(struct jailed *j)
{
	siginfo_t si;

	jailed_kill(j);
	(void)jailed_reap(j, &si, 0);
	jailed_close(j);
}

static int refusal_error(enum jail_layer l, enum jail_step step, int sys,
			 struct err *err)
{
	char reason[160], remedy[240];
	struct host_facts f;

	host_facts_read(&f);
	jail_refusal(&f, l, step, sys, reason, sizeof(reason), remedy,
		     sizeof(remedy));
	return err_set(err, ERR_UNSUPPORTED, sys,
		       "jail layer '%s' is not available: %s. To mend it: %s. "
		       "To do without: --engine-jail relaxed",
		       jail_layer_title(l), reason, remedy);
}

static int step_error(enum jail_step step, int sys, struct err *err)
{
	static const char *const doing[STEP_COUNT] = {
		[STEP_SET_IDS] = "become an unprivileged user",
		[STEP_DEATH_SIGNAL] = "tie the guest kernel to its runtime",
		[STEP_MOUNT_ROOT] = "enter the guest kernel's root directory",
		[STEP_DETACH_HOST] = "detach the host's file systems",
		[STEP_WORK_DIR] = "fill the guest kernel's root directory",
		[STEP_DESCRIPTORS] = "sort descriptors",
		[STEP_PERSONALITY] = "turn off address randomisation",
		[STEP_EXEC] = "run the guest kernel",
	};
	const char *what = doing[step] ? doing[step] : "set up the jail";

	if (step == STEP_EXEC && (sys == EACCES || sys == EPERM))
		return err_sys(err, ERR_BOOT, sys,
			       "%s (its file must be readable and executable "
			       "by every user, and not on a noexec mount)",
			       what);
	return err_sys(err, ERR_BOOT, sys, "%s", what);
}

static void layer_off(struct jail_state *s, enum jail_layer l,
		      enum jail_step step, int sys)
{
	s->layer[l].off = true;
	s->layer[l].step = step;
	s->layer[l].sys = sys;
}

/* 1: the child goes on, 0: it has entered the kernel or ended, or -errno. */
static int hear_child(int control, struct jailed *j, bool *ready,
		      struct err *err)
{
	struct pollfd pfd = { .fd = control, .events = POLLIN };
	struct jail_event e;
	ssize_t n;

	do
		n = poll(&pfd, 1, SPAWN_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(err, ERR_TIMEOUT, ETIMEDOUT,
			       "the jail was not ready within %d s",
			       SPAWN_TIMEOUT_MS / 1000);
	n = io_read(control, &e, sizeof(e));
	if (n == 0)
		return 0;
	if (n != sizeof(e))
		return err_sys(err, ERR_BOOT, n < 0 ? (int)-n : EPROTO,
			       "talk to the jailed process");
	switch (e.kind) {
	case JAIL_EVENT_LAYER_OFF:
		layer_off(&j->state, e.layer, e.step, e.sys);
		return 1;
	case JAIL_EVENT_REFUSED:
		return refusal_error(e.layer, e.step, e.sys, err);
	case JAIL_EVENT_FAILED:
		return step_error(e.step, e.sys, err);
	case JAIL_EVENT_READY:
		*ready = true;
		return 1;
	case JAIL_EVENT_PROBE:
		if (e.step == STEP_PTRACE)
			j->ptrace_errno = e.sys;
		else
			j->exec_map_errno = e.sys;
		return 1;
	}
	return err_set(err, ERR_BOOT, EPROTO, "unknown jail event");
}

/* From the clone until the child has entered the kernel. */
static int attend_child(struct jail_child *c, int control, struct jailed *j,
			struct err *err)
{
	bool ready = false;
	int rc;

	if (io_write(control, "", 1) != 1)
		return err_sys(err, ERR_BOOT, EPIPE,
			       "the jailed process ended early");
	do
		rc = hear_child(control, j, &ready, err);
	while (rc > 0);
	if (!rc && !ready)
		return err_sys(err, ERR_BOOT, ECHILD,
			       "the jailed process ended early");
	if (!rc && c->plan->probe)
		kill_and_reap(j);
	return rc;
}

/*
 * All signals stay blocked in the child until it has reset their handlers:
 * they are the runtime's, and would run on a copy of its memory.
 */
static pid_t clone_child(struct jail_child *c, unsigned long flags,
			 int *ret_pidfd)
{
	sigset_t all, old;
	long pid;

	*ret_pidfd = -1;
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	pid = syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, NULL, ret_pidfd,
		      NULL, 0);
	if (pid == 0)
		jail_child_main(c);
	pid = pid < 0 ? -errno : pid;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	return (pid_t)pid;
}

/*
 * One attempt with the given namespaces at the clone itself. *ret_refused: it
 * is these that the host refuses, so that fewer may do.
 */
static int spawn_with(struct jail_child *c, unsigned long flags,
		      const struct host_facts *f, struct jailed *j,
		      bool *ret_refused, enum jail_step *ret_step,
		      struct err *err)
{
	autoclose int control = -1;
	int pair[2], rc;
	uid_t uid = jail_host_id(f, f->euid);
	gid_t gid = uid == f->euid ? getegid() : NOBODY;

	c->own_user_ns = flags & CLONE_NEWUSER;
	c->uid = c->own_user_ns ? JAIL_INSIDE_ID : uid;
	c->gid = c->own_user_ns ? JAIL_INSIDE_ID : gid;
	c->clear_groups = uid != f->euid;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(err, ERR_IO, errno, "make a socket pair");
	control = c->parent_end = pair[0];
	c->control = pair[1];
	rc = j->pid = clone_child(c, flags, &j->pidfd);
	(void)close(pair[1]);
	jailed_settle(j);
	if (rc < 0) {
		*ret_refused = true;
		*ret_step = STEP_CLONE;
		return rc;
	}
	rc = c->own_user_ns ? write_id_maps(c, j->pid, uid, gid) : 0;
	if (rc) {
		*ret_refused = true;
		*ret_step = STEP_ID_MAP;
	} else {
		rc = attend_child(c, control, j, err);
	}
	if (rc)
		kill_and_reap(j);
	return rc;
}

/*
 * Which of the two namespaces of the clone was refused cannot be told from the
 * error; the host's limits can tell, otherwise it is the user namespace, which
 * is what hosts forbid.
 */
static int refused_at_clone(enum jail_step step, int sys, struct err *err)
{
	struct host_facts f;
	bool pid_ns;

	host_facts_read(&f);
	pid_ns = f.sysctl[HOST_MAX_USER_NS] != 0 &&
		 f.sysctl[HOST_MAX_PID_NS] == 0;
	return refusal_error(pid_ns ? JAIL_PID_NS : JAIL_USER_NS, step, sys,
			     err);
}

static int spawn(struct jail_child *c, const struct host_facts *f,
		 struct jailed *j, struct err *err)
{
	static const unsigned long attempts[] = {
		CLONE_NEWUSER | CLONE_NEWPID,
		CLONE_NEWUSER,
		CLONE_NEWPID,
		0,
	};
	enum jail_step first_step = STEP_CLONE;
	int rc = 0, first = 0, last = 0;

	for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
		enum jail_step step = STEP_CLONE;
		bool refused = false;

		memset(&j->state, 0, sizeof(j->state));
		if (!(attempts[i] & CLONE_NEWUSER))
			layer_off(&j->state, JAIL_USER_NS, first_step, -first);
		if (!(attempts[i] & CLONE_NEWPID))
			layer_off(&j->state, JAIL_PID_NS, STEP_CLONE, -last);
		rc = spawn_with(c, attempts[i], f, j, &refused, &step, err);
		if (!refused)
			return rc;
		if (!c->plan->relaxed)
			return refused_at_clone(step, -rc, err);
		if (!first) {
			first = rc;
			first_step = step;
		}
		last = rc;
	}
	return err_sys(err, ERR_BOOT, -rc, "start the guest kernel's process");
}

static int prepare_child(struct jail_child *c, const struct jail_plan *plan,
			 const struct host_facts *f, struct err *err)
{
	int ended[2];

	c->plan = plan;
	c->cpuinfo_len = host_cpuinfo(c->cpuinfo, sizeof(c->cpuinfo));
	set_child_limits(c, plan, f);
	/* Its standard input has to be something, as a number below three
	 * would go to another file; and there is no /dev/null. */
	if (pipe2(ended, O_CLOEXEC) < 0)
		return err_sys(err, ERR_IO, errno, "make a pipe");
	(void)close(ended[1]);
	c->stdin_fd = ended[0];
	return 0;
}

int jail_spawn(const struct jail_plan *plan, const struct host_facts *facts,
	       struct jailed *ret, struct err *err)
{
	struct jailed j = { .pid = -1, .pidfd = -1, .signal_fd = -1 };
	struct jail_child *c = calloc(1, sizeof(*c));
	int rc;

	if (!c)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	rc = prepare_child(c, plan, facts, err);
	if (rc) {
		free(c);
		return rc;
	}
	rc = spawn(c, facts, &j, err);
	(void)close(c->stdin_fd);
	free(c);
	if (!rc)
		*ret = j;
	return rc;
}
