/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filter of the runtime. What is not listed fails with ENOSYS,
 * which every library has a fallback for; a kill would turn a forgotten call
 * into a lost sandbox and would stop an intruder no better.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"
#include "runtime/jail.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

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
	SYS_mknodat,
	SYS_symlinkat,
	SYS_linkat,
	SYS_fchmod,
	SYS_fchmodat,
	SYS_fchown,
	SYS_fchownat,
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
	SYS_splice,
	SYS_fadvise64,
	SYS_setxattr,
	SYS_lsetxattr,
	SYS_fsetxattr,
	SYS_getxattr,
	SYS_lgetxattr,
	SYS_fgetxattr,
	SYS_listxattr,
	SYS_llistxattr,
	SYS_flistxattr,
	SYS_removexattr,
	SYS_lremovexattr,
	SYS_fremovexattr,
	SYS_umask,
	SYS_getcwd,
	SYS_memfd_create,
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
	SYS_socketpair,
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
	/* signals and children */
	SYS_rt_sigaction,
	SYS_rt_sigprocmask,
	SYS_rt_sigreturn,
	SYS_sigaltstack,
	SYS_pidfd_send_signal,
	SYS_waitid,
	SYS_restart_syscall,
	SYS_exit,
	SYS_exit_group,
#if defined(__x86_64__) /* calls that newer architectures left out */
	SYS_access,
	SYS_epoll_wait,
	SYS_poll,
	SYS_time,
#endif
	SYS_pipe2,
};

static const unsigned long allowed_ioctl[] = {
	FIONREAD,     FIONBIO,	       FICLONE,
	FICLONERANGE, FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR,
};

#define FILTER_MAX 640

struct filter {
	struct sock_filter code[FILTER_MAX];
	size_t len;
};

static void put(struct filter *f, uint16_t code, uint8_t jt, uint8_t jf,
		uint32_t k)
{
	if (f->len < FILTER_MAX)
		f->code[f->len] = (struct sock_filter){ code, jt, jf, k };
	f->len++;
}

static void ret(struct filter *f, uint32_t action)
{
	put(f, BPF_RET | BPF_K, 0, 0, action);
}

static void load(struct filter *f, size_t offset)
{
	put(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void if_equal(struct filter *f, uint32_t value, uint8_t skip_if_not)
{
	put(f, BPF_JMP | BPF_JEQ | BPF_K, 0, skip_if_not, value);
}

#define ARG_LOW(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define DENY(e) (SECCOMP_RET_ERRNO | (e))

/* Allow nr when its argument has none of the bits (or, with want, all). */
static void check_bits(struct filter *f, uint32_t nr, unsigned arg,
		       uint32_t bits, bool want)
{
	if_equal(f, nr, 4);
	load(f, ARG_LOW(arg));
	put(f, BPF_JMP | BPF_JSET | BPF_K, want ? 0 : 1, want ? 1 : 0, bits);
	ret(f, SECCOMP_RET_ALLOW);
	ret(f, DENY(EPERM));
}

static void check_value(struct filter *f, uint32_t nr, unsigned arg,
			uint32_t value)
{
	if_equal(f, nr, 4);
	load(f, ARG_LOW(arg));
	if_equal(f, value, 1);
	ret(f, SECCOMP_RET_ALLOW);
	ret(f, DENY(EPERM));
}

static void build(struct filter *f)
{
	load(f, offsetof(struct seccomp_data, arch));
	if_equal(f, THIS_ARCH, 1);
	put(f, BPF_JMP | BPF_JA, 0, 0, 1);
	ret(f, SECCOMP_RET_KILL_PROCESS);
	load(f, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
		if_equal(f, (uint32_t)allowed[i], 1);
		ret(f, SECCOMP_RET_ALLOW);
	}
	/* no new code, no processes but threads, no network */
	check_bits(f, SYS_mmap, 2, PROT_EXEC, false);
	check_bits(f, SYS_mprotect, 2, PROT_EXEC, false);
	check_bits(f, SYS_clone, 0, CLONE_THREAD, true);
	check_value(f, SYS_socket, 0, AF_UNIX);
	check_value(f, SYS_prctl, 0, PR_SET_NAME);
	check_value(f, SYS_tgkill, 0, (uint32_t)getpid()); /* abort() */
	if_equal(f, SYS_ioctl, (uint8_t)(2 * ARRAY_SIZE(allowed_ioctl) + 2));
	load(f, ARG_LOW(1));
	for (size_t i = 0; i < ARRAY_SIZE(allowed_ioctl); i++) {
		if_equal(f, (uint32_t)allowed_ioctl[i], 1);
		ret(f, SECCOMP_RET_ALLOW);
	}
	ret(f, DENY(ENOTTY));
	ret(f, DENY(ENOSYS));
}

/* Made before any thread needs it, and never changed afterwards. */
static struct filter rules;

int jail_seccomp_prepare(void)
{
	if (JAIL_SANITIZER) /* its runtime makes calls of its own */
		return -ENOTSUP;
	rules.len = 0;
	build(&rules);
	return rules.len > FILTER_MAX ? -E2BIG : 0;
}

/*
 * Not for all threads at once (SECCOMP_FILTER_FLAG_TSYNC): the kernel refuses
 * that as soon as one has a filter of its own. An engine's threads may have
 * one, which allows less than ours and answers with EALREADY.
 */
int jail_seccomp_enforce(void)
{
	const struct sock_fprog prog = { (unsigned short)rules.len,
					 rules.code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 &&
	    errno != EALREADY)
		return -errno;
	return 0;
}
