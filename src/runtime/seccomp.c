/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters of the runtime, one for the thread that serves the
 * network card, which handles sockets and no files, and one for all others,
 * which handle files and reach no network. What is not listed fails with
 * ENOSYS, which every library has a fallback for; a kill would turn a forgotten
 * call into a lost sandbox and would stop an intruder no better.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/seccomp.h"
#include "runtime/jail.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

/* What every thread does. */
static const int common[] = {
	SYS_read,
	SYS_write,
	SYS_readv,
	SYS_writev,
	SYS_close,
	SYS_fcntl,
	SYS_fstat,
	SYS_newfstatat,
	SYS_fstatfs,
	/* waiting */
	SYS_epoll_create1,
	SYS_epoll_ctl,
	SYS_epoll_pwait,
	SYS_epoll_pwait2,
	SYS_eventfd2,
	SYS_timerfd_create,
	SYS_timerfd_settime,
	SYS_ppoll,
	SYS_nanosleep,
	SYS_clock_nanosleep,
	/* sockets that exist, or come in over one that does */
	SYS_accept4,
	SYS_recvmsg,
	SYS_recvmmsg,
	SYS_recvfrom,
	SYS_sendmsg,
	SYS_sendmmsg,
	SYS_sendto,
	SYS_shutdown,
	SYS_getsockopt,
	SYS_setsockopt,
	SYS_getsockname,
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
	SYS_epoll_wait,
	SYS_poll,
	SYS_time,
#endif
};

/* What all but the network's thread do. */
static const int files[] = {
	SYS_pread64,	 SYS_pwrite64,	   SYS_preadv,
	SYS_pwritev,	 SYS_preadv2,	   SYS_pwritev2,
	SYS_lseek,	 SYS_close_range,  SYS_dup,
	SYS_dup3,	 SYS_flock,	   SYS_statx,
	SYS_statfs,	 SYS_fstatfs,	   SYS_openat,
	SYS_openat2,	 SYS_readlinkat,   SYS_getdents64,
	SYS_unlinkat,	 SYS_renameat,	   SYS_renameat2,
	SYS_mkdirat,	 SYS_mknodat,	   SYS_symlinkat,
	SYS_linkat,	 SYS_fchmod,	   SYS_fchmodat,
	SYS_fchown,	 SYS_fchownat,	   SYS_ftruncate,
	SYS_fallocate,	 SYS_utimensat,	   SYS_fsync,
	SYS_fdatasync,	 SYS_syncfs,	   SYS_sync_file_range,
	SYS_faccessat,	 SYS_faccessat2,   SYS_copy_file_range,
	SYS_sendfile,	 SYS_splice,	   SYS_fadvise64,
	SYS_setxattr,	 SYS_lsetxattr,	   SYS_fsetxattr,
	SYS_getxattr,	 SYS_lgetxattr,	   SYS_fgetxattr,
	SYS_listxattr,	 SYS_llistxattr,   SYS_flistxattr,
	SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
	SYS_umask,	 SYS_getcwd,	   SYS_memfd_create,
	SYS_pipe2,	 SYS_socketpair,   SYS_pidfd_send_signal,
	SYS_waitid,
#if defined(__x86_64__)
	SYS_access,
#endif
};

/* What only the network's thread does: flows of the guest. What listens was
 * bound before. */
static const int network[] = { SYS_connect };

static const uint32_t allowed_ioctl[] = {
	FIONREAD,     FIONBIO,	       FICLONE,
	FICLONERANGE, FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR,
};

/* Sockets of these families alone. */
static const uint32_t files_families[] = { AF_UNIX };
static const uint32_t network_families[] = { AF_INET, AF_INET6 };

/* What holds for everybody: no new code, no processes but threads. */
static int finish(struct seccomp_filter *f)
{
	static const uint32_t names[] = { PR_SET_NAME };
	const uint32_t self[] = { (uint32_t)getpid() };

	seccomp_allow(f, common, ARRAY_SIZE(common));
	seccomp_check_bits(f, SYS_mmap, 2, PROT_EXEC, false);
	seccomp_check_bits(f, SYS_mprotect, 2, PROT_EXEC, false);
	seccomp_check_bits(f, SYS_clone, 0, CLONE_THREAD, true);
	seccomp_check_values(f, SYS_prctl, 0, names, 1, EPERM);
	seccomp_check_values(f, SYS_tgkill, 0, self, 1, EPERM); /* abort() */
	seccomp_check_values(f, SYS_ioctl, 1, allowed_ioctl,
			     ARRAY_SIZE(allowed_ioctl), ENOTTY);
	return seccomp_end(f, ENOSYS);
}

/* Made before any thread needs them, and never changed afterwards. */
static struct seccomp_filter files_filter, network_filter;

/* Before Linux 5.4: by its number, which stays its own until it is reaped. */
static bool signals_by_number(void)
{
	return syscall(SYS_pidfd_send_signal, -1, 0, NULL, 0) < 0 &&
	       errno == ENOSYS;
}

int jail_seccomp_prepare(pid_t machine)
{
	const uint32_t pid = (uint32_t)machine;
	int rc;

	if (JAIL_SANITIZER) /* its runtime makes calls of its own */
		return -ENOTSUP;
	seccomp_begin(&files_filter);
	seccomp_allow(&files_filter, files, ARRAY_SIZE(files));
	seccomp_check_values(&files_filter, SYS_socket, 0, files_families,
			     ARRAY_SIZE(files_families), EPERM);
	if (machine > 0 && signals_by_number())
		seccomp_check_values(&files_filter, SYS_kill, 0, &pid, 1,
				     EPERM);
	rc = finish(&files_filter);
	if (rc)
		return rc;
	seccomp_begin(&network_filter);
	seccomp_allow(&network_filter, network, ARRAY_SIZE(network));
	seccomp_check_values(&network_filter, SYS_socket, 0, network_families,
			     ARRAY_SIZE(network_families), EPERM);
	return finish(&network_filter);
}

int jail_seccomp_enforce(bool for_network)
{
	return seccomp_enforce(for_network ? &network_filter : &files_filter);
}
