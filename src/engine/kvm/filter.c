/* SPDX-License-Identifier: Apache-2.0 */
/* The allow-list of vCPU threads as a BPF program. */
#include "engine/kvm/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/compiler.h"

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

static const int allowed[] = {
	/* waiting for the thread that serves a device */
	SYS_futex,
	SYS_sched_yield,
	SYS_restart_syscall,
	/* signals, the thread's end, abort() */
	SYS_rt_sigreturn,
	SYS_rt_sigprocmask,
	SYS_gettid,
	SYS_getpid,
	SYS_madvise,
	SYS_munmap,
	SYS_exit,
	SYS_exit_group,
	SYS_clock_gettime,
	/* what takes rights away */
	SYS_capget,
	SYS_capset,
	SYS_landlock_restrict_self,
};

static const unsigned long allowed_ioctl[] = {
	KVM_RUN,
	KVM_GET_REGS, /* for the report of a crash */
	KVM_GET_SREGS,
};

static const int allowed_prctl[] = {
	PR_SET_NO_NEW_PRIVS,
	PR_CAPBSET_DROP,
	PR_CAP_AMBIENT,
};

static void put(struct vcpu_filter *f, uint16_t code, uint8_t jt, uint8_t jf,
		uint32_t k)
{
	if (f->len < VCPU_FILTER_MAX)
		f->code[f->len] = (struct sock_filter){ code, jt, jf, k };
	f->len++;
}

static void put_ret(struct vcpu_filter *f, uint32_t action)
{
	put(f, BPF_RET | BPF_K, 0, 0, action);
}

static void put_load(struct vcpu_filter *f, size_t offset)
{
	put(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

/* Allow when the loaded word is value. */
static void put_allow(struct vcpu_filter *f, uint32_t value)
{
	put(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value);
	put_ret(f, SECCOMP_RET_ALLOW);
}

#define ARG_LOW(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define DENY (SECCOMP_RET_ERRNO | ENOSYS)

/* Length of a block is known before: jump over it when nr is another. */
static void put_block(struct vcpu_filter *f, int nr, size_t len)
{
	put(f, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)len, (uint32_t)nr);
}

static void put_write(struct vcpu_filter *f, int console_fd)
{
	put_block(f, SYS_write, 7);
	put_load(f, ARG_LOW(0));
	put_allow(f, (uint32_t)console_fd);
	put_load(f, ARG_LOW(2));
	put_allow(f, sizeof(uint64_t));
	put_ret(f, DENY);
}

void vcpu_filter_build(struct vcpu_filter *f, int console_fd)
{
	f->len = 0;
	put_load(f, offsetof(struct seccomp_data, arch));
	put(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, THIS_ARCH);
	put_ret(f, SECCOMP_RET_KILL_PROCESS);
	put_load(f, offsetof(struct seccomp_data, nr));
	put_block(f, SYS_ioctl, 2 * ARRAY_SIZE(allowed_ioctl) + 2);
	put_load(f, ARG_LOW(1));
	for (size_t i = 0; i < ARRAY_SIZE(allowed_ioctl); i++)
		put_allow(f, (uint32_t)allowed_ioctl[i]);
	put_ret(f, DENY);
	put_write(f, console_fd);
	put_block(f, SYS_prctl, 2 * ARRAY_SIZE(allowed_prctl) + 2);
	put_load(f, ARG_LOW(0));
	for (size_t i = 0; i < ARRAY_SIZE(allowed_prctl); i++)
		put_allow(f, (uint32_t)allowed_prctl[i]);
	put_ret(f, DENY);
	put_block(f, SYS_tgkill, 4); /* abort() */
	put_load(f, ARG_LOW(0));
	put_allow(f, (uint32_t)getpid());
	put_ret(f, DENY);
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		put_allow(f, (uint32_t)allowed[i]);
	put_block(f, SYS_seccomp, 1);
	put_ret(f, SECCOMP_RET_ERRNO | EALREADY);
	put_ret(f, DENY);
}

int vcpu_filter_apply(const struct vcpu_filter *f)
{
	struct sock_fprog prog = {
		.len = (unsigned short)f->len,
		/* the kernel only reads it */
		.filter = (struct sock_filter *)(uintptr_t)f->code,
	};

	if (SANITIZED)
		return -ENOTSUP;
	if (f->len > VCPU_FILTER_MAX)
		return -E2BIG;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0
		       ? -errno
		       : 0;
}
