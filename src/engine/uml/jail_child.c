/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail's child half: from clone to the guest kernel's first instruction.
 * System calls only; see the theory in jail.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/uml/cmdline.h"
#include "engine/uml/jail_int.h"

/* Final descriptors besides those of cmdline.h. Everything else is closed
 * before exec. */
enum { FD_CONTROL = 3, FD_KERNEL = 4 };

/* Missing in older headers. */
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

/* While they are sorted into place they must not collide. */
#define FD_ASIDE 128

/* No descriptor of the runtime is higher; all are closed by exec() anyway. */
#define CLOSE_MAX 1048576
_Static_assert(FD_ASIDE >= UML_DEVICE_FD + JAIL_MAX_DEVICES, "FD_ASIDE");

/* The file system of the kernel: the directory proc, and a file in it. */
#define ROOT_OPTIONS "mode=0700,size=64K,nr_inodes=8"

static void tell(struct jail_child *c, enum jail_event_kind kind,
		 enum jail_layer layer, enum jail_step step, int sys)
{
	struct jail_event e = { kind, layer, step, sys };

	/* a parent that is gone takes this process with it */
	(void)send(c->control, &e, sizeof(e), MSG_NOSIGNAL);
}

MSB_NORETURN static void fail(struct jail_child *c, enum jail_step step,
			      int sys)
{
	tell(c, JAIL_EVENT_FAILED, JAIL_LAYER_COUNT, step, sys);
	_exit(125);
}

/* The host refuses a layer: the end, unless a relaxed jail was asked for. */
static void refused(struct jail_child *c, enum jail_layer layer,
		    enum jail_step step, int sys)
{
	if (c->plan->relaxed) {
		tell(c, JAIL_EVENT_LAYER_OFF, layer, step, sys);
		return;
	}
	tell(c, JAIL_EVENT_REFUSED, layer, step, sys);
	_exit(125);
}

/* The runtime's handlers and ignored signals are not the kernel's. All signals
 * are blocked since before the clone, so no handler of theirs runs here. */
static void reset_signals(void)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &dfl, NULL); /* two cannot be set */
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Returns true when this process has a mount namespace of its own. */
static bool enter_namespaces(struct jail_child *c)
{
	static const struct {
		int flag;
		enum jail_layer layer;
	} ns[] = {
		{ CLONE_NEWNS, JAIL_MOUNT_NS },
		{ CLONE_NEWNET, JAIL_NET_NS },
		{ CLONE_NEWIPC, JAIL_IPC_NS },
		{ CLONE_NEWUTS, JAIL_UTS_NS },
		{ CLONE_NEWCGROUP, JAIL_CGROUP_NS },
	};
	bool own_mounts = true, own_names = true;

	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
		    CLONE_NEWCGROUP) < 0) {
		/* one by one, to know which one it is */
		for (size_t i = 0; i < ARRAY_SIZE(ns); i++) {
			if (unshare(ns[i].flag) == 0)
				continue;
			if (ns[i].layer == JAIL_MOUNT_NS)
				own_mounts = false;
			if (ns[i].layer == JAIL_UTS_NS)
				own_names = false;
			refused(c, ns[i].layer, STEP_UNSHARE, errno);
		}
	}
	/* or the guest would read the host's names */
	if (own_names &&
	    (sethostname("guest", 5) < 0 || setdomainname("", 0) < 0))
		refused(c, JAIL_UTS_NS, STEP_UNSHARE, errno);
	return own_mounts;
}

static void raise_caps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	if (syscall(SYS_capget, &h, d) < 0)
		return;
	d[0].effective = d[0].permitted;
	d[1].effective = d[1].permitted;
	(void)syscall(SYS_capset, &h, d); /* only matters without a user ns */
}

static void set_ids(struct jail_child *c)
{
	/* without a user namespace this is where root would lose the right to
	 * build the rest */
	(void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	if (c->clear_groups && syscall(SYS_setgroups, 0, NULL) < 0)
		fail(c, STEP_SET_IDS, errno);
	if (syscall(SYS_setresgid, c->gid, c->gid, c->gid) < 0 ||
	    syscall(SYS_setresuid, c->uid, c->uid, c->uid) < 0)
		fail(c, STEP_SET_IDS, errno);
	raise_caps();
}

/* A change of user forgets this setting, hence after it. */
static void follow_parent_to_death(struct jail_child *c)
{
	char go;

	/* kill(0) reaches a whole process group, also across namespaces, and an
	 * ordinary user's runtime has the same uid: ours must be another */
	if (setsid() < 0)
		fail(c, STEP_DEATH_SIGNAL, errno);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		fail(c, STEP_DEATH_SIGNAL, errno);
	/* and if it died before: its end of the socket is closed */
	if (recv(c->control, &go, 1, MSG_DONTWAIT) == 0)
		_exit(125);
}

/* The parent has written the id maps (or there are none to write). */
static void wait_for_go(struct jail_child *c)
{
	char go;
	ssize_t n;

	do
		n = recv(c->control, &go, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		_exit(125);
}

/*
 * A tmpfs becomes the root of this mount namespace and everything of the host
 * is detached from it. /proc is only a directory sure to exist.
 */
static bool enter_private_root(struct jail_child *c)
{
	static const char at[] = "/proc";

	/* in a new user namespace all mounts are slaves already */
	if (!c->own_user_ns &&
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		refused(c, JAIL_ROOT, STEP_MOUNT_ROOT, errno);
		return false;
	}
	if (mount("guest", at, "tmpfs", MS_NOSUID | MS_NODEV, ROOT_OPTIONS) <
	    0) {
		refused(c, JAIL_ROOT, STEP_MOUNT_ROOT, errno);
		return false;
	}
	if (chdir(at) < 0)
		fail(c, STEP_MOUNT_ROOT, errno);
	if (syscall(SYS_pivot_root, ".", ".") == 0) {
		/* the old root now lies on top of the new one */
		if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
			fail(c, STEP_DETACH_HOST, errno);
		return true;
	}
	/* The initial ramfs cannot be pivoted away. It can be covered; what is
	 * below is out of reach without the right to change root again. */
	if (errno == EINVAL && mount(".", "/", NULL, MS_MOVE, NULL) == 0 &&
	    chroot(".") == 0 && chdir("/") == 0)
		return true;
	refused(c, JAIL_ROOT, STEP_PIVOT_ROOT, errno);
	if (chdir("/") < 0)
		fail(c, STEP_PIVOT_ROOT, errno);
	(void)umount2(at, MNT_DETACH); /* only there to be tidy */
	return false;
}

static void write_file(struct jail_child *c, const char *path, const void *data,
		       size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0400);
	int rc = fd < 0 ? -errno : io_write_full(fd, data, len);

	if (rc)
		fail(c, STEP_WORK_DIR, -rc);
	(void)close(fd);
}

/* What the kernel finds in its file system: the CPU it runs on. */
static void fill_root(struct jail_child *c, bool own_mounts)
{
	if (!own_mounts)
		refused(c, JAIL_ROOT, STEP_MOUNT_ROOT, EPERM);
	if (!own_mounts || !enter_private_root(c))
		return; /* the host's own file system has it, too */
	(void)umask(077);
	if (mkdir("proc", 0700) < 0)
		fail(c, STEP_WORK_DIR, errno);
	write_file(c, "proc/cpuinfo", c->cpuinfo, c->cpuinfo_len);
}

static int aside(struct jail_child *c, int fd)
{
	int moved;

	if (fd < 0)
		return fd;
	moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_ASIDE);
	if (moved < 0)
		fail(c, STEP_DESCRIPTORS, errno);
	return moved;
}

/* Before Linux 5.9 one by one; there is no /proc any more to look them up in.
 */
static void close_from(struct jail_child *c, unsigned first)
{
	struct rlimit open_files;

	if (syscall(SYS_close_range, first, ~0U, 0) == 0)
		return;
	if (errno != ENOSYS || getrlimit(RLIMIT_NOFILE, &open_files) < 0)
		fail(c, STEP_DESCRIPTORS, errno);
	if (open_files.rlim_cur > CLOSE_MAX)
		open_files.rlim_cur = CLOSE_MAX;
	for (unsigned fd = first; fd < open_files.rlim_cur; fd++)
		(void)close((int)fd); /* most are not open */
}

static void sort_descriptors(struct jail_child *c)
{
	const struct jail_plan *p = c->plan;
	int in = aside(c, c->stdin_fd);
	int log = aside(c, p->log_fd);
	int kernel = aside(c, p->kernel_fd);
	int initramfs = aside(c, p->initramfs_fd);
	int sock[JAIL_MAX_DEVICES];
	unsigned end = UML_DEVICE_FD;

	c->control = aside(c, c->control);
	for (size_t i = 0; i < p->nsocks; i++)
		sock[i] = aside(c, p->socks[i]);
	if (dup3(in, 0, 0) < 0 || dup3(log, 1, 0) < 0 || dup3(log, 2, 0) < 0 ||
	    dup3(c->control, FD_CONTROL, O_CLOEXEC) < 0 ||
	    (kernel >= 0 && dup3(kernel, FD_KERNEL, O_CLOEXEC) < 0) ||
	    (initramfs >= 0 && dup3(initramfs, UML_INITRAMFS_FD, 0) < 0))
		fail(c, STEP_DESCRIPTORS, errno);
	c->control = FD_CONTROL;
	for (size_t i = 0; i < p->nsocks; i++, end++)
		if (dup3(sock[i], (int)end, 0) < 0)
			fail(c, STEP_DESCRIPTORS, errno);
	close_from(c, end);
}

static void set_limits(struct jail_child *c)
{
	for (size_t i = 0; i < c->nlimits; i++) {
		const struct jail_limit *l = &c->limit[i];

		if (setrlimit((__rlimit_resource_t)l->resource, &l->value) == 0)
			continue;
		refused(c, JAIL_RLIMITS, STEP_LIMIT, errno);
		return;
	}
}

static void drop_caps(struct jail_child *c)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2];

	/* Both need a capability; a process that has none at all, in a relaxed
	 * jail without user namespace, cannot gain any from them either. */
	(void)prctl(
		PR_SET_SECUREBITS,
		SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
			SECBIT_NO_SETUID_FIXUP_LOCKED |
			SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |
			SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
		0, 0, 0);
	for (int cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	memset(none, 0, sizeof(none));
	if (syscall(SYS_capset, &h, none) < 0)
		refused(c, JAIL_CAPS, STEP_DROP_CAPS, errno);
}

static void apply_filter(struct jail_child *c)
{
	/* the program is only read; the type has no const */
	struct sock_fprog prog = {
		.len = c->plan->filter->len,
		.filter =
			(struct sock_filter *)(uintptr_t)c->plan->filter->insn,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		refused(c, JAIL_NO_NEW_PRIVS, STEP_NO_NEW_PRIVS, errno);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		refused(c, JAIL_SECCOMP, STEP_FILTER, errno);
}

/* As UML does for each guest process in ptrace mode. */
static int try_ptrace(void)
{
	pid_t pid = (pid_t)syscall(SYS_fork);
	int status;

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? errno : 0);
	if (waitpid(pid, &status, 0) != pid)
		return errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EPERM;
}

/* The flag exists since Linux 6.3; before, all were executable. */
static int make_exec_memfd(void)
{
	int fd = memfd_create("probe", MFD_CLOEXEC | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create("probe", MFD_CLOEXEC)
					 : fd;
}

/* As UML does for the guest's memory. */
static int try_exec_map(void)
{
	int fd = make_exec_memfd();
	void *p;

	if (fd < 0 || ftruncate(fd, 4096) < 0)
		return errno;
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fd,
		 0);
	return p == MAP_FAILED ? errno : 0;
}

MSB_NORETURN static void finish_probe(struct jail_child *c)
{
	tell(c, JAIL_EVENT_PROBE, JAIL_LAYER_COUNT, STEP_PTRACE, try_ptrace());
	tell(c, JAIL_EVENT_PROBE, JAIL_LAYER_COUNT, STEP_EXEC_MAP,
	     try_exec_map());
	tell(c, JAIL_EVENT_READY, JAIL_LAYER_COUNT, STEP_EXEC, 0);
	_exit(0);
}

static void pin(int cpu)
{
	cpu_set_t one;

	if (cpu < 0)
		return;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	/* only costs speed if the CPU has gone meanwhile */
	(void)sched_setaffinity(0, sizeof(one), &one);
}

MSB_NORETURN void jail_child_main(struct jail_child *c)
{
	char *envp[] = { NULL };
	bool own_mounts;

	/* or it would never hear that the parent has gone */
	(void)close(c->parent_end);
	reset_signals();
	own_mounts = enter_namespaces(c);
	wait_for_go(c);
	set_ids(c);
	follow_parent_to_death(c);
	fill_root(c, own_mounts);
	pin(c->plan->cpu);
	/* UML maps fixed addresses, and would start itself again from /proc */
	if (personality(PER_LINUX | ADDR_NO_RANDOMIZE) < 0)
		fail(c, STEP_PERSONALITY, errno);
	if (!c->plan->probe)
		tell(c, JAIL_EVENT_READY, JAIL_LAYER_COUNT, STEP_EXEC, 0);
	sort_descriptors(c);
	set_limits(c);
	drop_caps(c);
	apply_filter(c);
	if (c->plan->probe)
		finish_probe(c);
	(void)syscall(SYS_execveat, FD_KERNEL, "", c->plan->argv, envp,
		      AT_EMPTY_PATH);
	fail(c, STEP_EXEC, errno);
}
