/* SPDX-License-Identifier: Apache-2.0 */
/* Limits, capabilities, Landlock, and a list of system calls. */
#include "image/worker_jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/jail.h"
#include "base/seccomp.h"

/* More than the largest image needs; less than what makes a host swap. */
#define MAX_DATA (4ull << 30)
#define MAX_FILE (256ull << 30)
#define MAX_ARENAS 4

/* A root user's store may be somebody else's. */
#define KEPT_CAPS (JAIL_CAP(CAP_DAC_OVERRIDE) | JAIL_CAP(CAP_FOWNER))

/* What name resolution, TLS and the C library read while they work. */
static const char *const readable[] = {
	"/usr",
	"/lib",
	"/lib64",
	"/etc/ca-certificates",
	"/etc/gai.conf",
	"/etc/host.conf",
	"/etc/hosts",
	"/etc/ld.so.cache",
	"/etc/localtime",
	"/etc/nsswitch.conf",
	"/etc/pki",
	"/etc/protocols",
	"/etc/resolv.conf",
	"/etc/services",
	"/etc/ssl",
	"/run/NetworkManager",
	"/run/resolvconf",
	"/run/systemd/resolve",
	"/var/lib/ca-certificates",
	"/dev/null",
	"/dev/urandom",
};

static const int allowed[] = {
	/* files */
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_pread64,
	SYS_pwrite64,
	SYS_preadv,
	SYS_pwritev,
	SYS_preadv2,
	SYS_pwritev2,
	SYS_lseek,
	SYS_close,
	SYS_close_range,
	SYS_dup,
	SYS_dup3,
	SYS_fcntl,
	SYS_flock,
	SYS_fstat,
	SYS_newfstatat,
	SYS_statx,
	SYS_statfs,
	SYS_fstatfs,
	SYS_openat,
	SYS_openat2,
	SYS_readlinkat,
	SYS_getdents64,
	SYS_unlinkat,
	SYS_renameat,
	SYS_renameat2,
	SYS_mkdirat,
	SYS_symlinkat,
	SYS_fchmod,
	SYS_ftruncate,
	SYS_fallocate,
	SYS_utimensat,
	SYS_fsync,
	SYS_fdatasync,
	SYS_syncfs,
	SYS_sync_file_range,
	SYS_faccessat,
	SYS_faccessat2,
	SYS_copy_file_range,
	SYS_sendfile,
	SYS_fadvise64,
	SYS_umask,
	SYS_getcwd,
	SYS_memfd_create,
	/* waiting */
	SYS_epoll_create1,
	SYS_epoll_ctl,
	SYS_epoll_pwait,
	SYS_eventfd2,
	SYS_pipe2,
	SYS_ppoll,
	SYS_pselect6,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	/* memory, threads, time */
	SYS_munmap,
	SYS_mremap,
	SYS_madvise,
	SYS_brk,
	SYS_futex,
	SYS_gettid,
	SYS_getpid,
	SYS_getppid,
	SYS_getuid,
	SYS_geteuid,
	SYS_getgid,
	SYS_getegid,
	SYS_set_robust_list,
	SYS_rseq,
	SYS_sched_yield,
	SYS_sched_getaffinity,
	SYS_sched_getparam,
	SYS_sched_getscheduler,
	SYS_set_tid_address,
	SYS_membarrier,
	SYS_clock_gettime,
	SYS_clock_getres,
	SYS_gettimeofday,
	SYS_getrandom,
	SYS_getrusage,
	SYS_uname,
	SYS_sysinfo,
	SYS_prlimit64,
	/* signals */
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_sigaltstack,
	SYS_restart_syscall,
	SYS_exit,
	SYS_exit_group,
#if defined(__x86_64__) /* calls that newer architectures left out */
	SYS_access,
	SYS_epoll_wait,
	SYS_getdents,
	SYS_lstat,
	SYS_mkdir,
	SYS_open,
	SYS_pipe,
	SYS_poll,
	SYS_readlink,
	SYS_rename,
	SYS_select,
	SYS_stat,
	SYS_time,
	SYS_unlink,
#endif
};

static const int allowed_network[] = {
	SYS_bind,    SYS_connect,    SYS_getpeername, SYS_getsockname,
	SYS_recvmsg, SYS_recvmmsg,   SYS_recvfrom,    SYS_sendmsg,
	SYS_sendto,  SYS_sendmmsg,   SYS_shutdown,    SYS_getsockopt,
	SYS_mmap,    SYS_setsockopt, SYS_socketpair,  SYS_mprotect,
};

static const uint32_t allowed_ioctl[] = { FIONREAD, FIONBIO };
/* The last one: which addresses the host has. No Unix sockets: behind them are
 * agents that hold keys, and daemons that start things. Name services do
 * without and ask the servers of resolv.conf themselves. */
static const uint32_t families[] = { AF_INET, AF_INET6, AF_NETLINK };

static int build(struct seccomp_filter *f, bool network)
{
	static const uint32_t names[] = { PR_SET_NAME };
	const uint32_t self[] = { (uint32_t)getpid() };

	seccomp_begin(f);
	seccomp_allow(f, allowed, ARRAY_SIZE(allowed));
	if (network) { /* name services are libraries that come when needed */
		seccomp_allow(f, allowed_network, ARRAY_SIZE(allowed_network));
		seccomp_check_values(f, SYS_socket, 0, families,
				     ARRAY_SIZE(families), EAFNOSUPPORT);
	} else {
		seccomp_check_bits(f, SYS_mmap, 2, PROT_EXEC, false);
		seccomp_check_bits(f, SYS_mprotect, 2, PROT_EXEC, false);
	}
	seccomp_check_bits(f, SYS_clone, 0, CLONE_THREAD, true);
	seccomp_check_values(f, SYS_prctl, 0, names, 1, EPERM);
	seccomp_check_values(f, SYS_tgkill, 0, self, 1, EPERM); /* abort() */
	seccomp_check_values(f, SYS_ioctl, 1, allowed_ioctl,
			     ARRAY_SIZE(allowed_ioctl), ENOTTY);
	return seccomp_end(f, ENOSYS);
}

static void limit(int what, rlim_t most)
{
	struct rlimit r;

	if (getrlimit((__rlimit_resource_t)what, &r) < 0)
		return;
	if (r.rlim_max == RLIM_INFINITY || r.rlim_max > most)
		r.rlim_max = most;
	if (r.rlim_cur == RLIM_INFINITY || r.rlim_cur > r.rlim_max)
		r.rlim_cur = r.rlim_max;
	(void)setrlimit((__rlimit_resource_t)what, &r);
}

static int landlock(int store_fd, int input_fd, bool network)
{
	struct jail_dir dirs[ARRAY_SIZE(readable) + 2];
	size_t n = 0, first;
	autoclose int rules = -1;
	int abi;

	if (store_fd >= 0)
		dirs[n++] = (struct jail_dir){ store_fd, JAIL_WRITE };
	if (input_fd >= 0)
		dirs[n++] = (struct jail_dir){ input_fd, JAIL_READ };
	first = n;
	for (size_t i = 0; network && i < ARRAY_SIZE(readable); i++) {
		int fd = open(readable[i], O_PATH | O_CLOEXEC);

		if (fd >= 0)
			dirs[n++] = (struct jail_dir){ fd, JAIL_READ };
	}
	rules = jail_landlock_rules(
		dirs, n, network ? JAIL_CONNECT_TCP : JAIL_NO_TCP, &abi);
	for (size_t i = first; i < n; i++)
		(void)close(dirs[i].fd);
	return rules < 0 ? rules : jail_landlock_enforce(rules);
}

void worker_jail(int store_fd, int input_fd, bool network)
{
	struct seccomp_filter filter;

	limit(RLIMIT_CORE, 0); /* there are passwords in memory */
	limit(RLIMIT_FSIZE, MAX_FILE);
	(void)signal(SIGXFSZ, SIG_IGN); /* an error will do */
	(void)mallopt(M_ARENA_MAX, MAX_ARENAS);
	if (JAIL_SANITIZER)
		return;
	limit(RLIMIT_DATA, MAX_DATA);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return;
	(void)jail_capabilities_keep(KEPT_CAPS);
	(void)landlock(store_fd, input_fd, network);
	if (!build(&filter, network))
		(void)seccomp_enforce(&filter);
}
