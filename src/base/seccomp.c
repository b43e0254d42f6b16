/* SPDX-License-Identifier: Apache-2.0 */
/* System call filters: the few instructions they are made of. */
#include "base/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#endif

#define ARG_LOW(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define DENY(e) (SECCOMP_RET_ERRNO | (uint32_t)(e))

static void put(struct seccomp_filter *f, uint16_t code, uint8_t jt, uint8_t jf,
		uint32_t k)
{
	if (f->len < SECCOMP_FILTER_MAX)
		f->code[f->len] = (struct sock_filter){ code, jt, jf, k };
	f->len++;
}

static void ret(struct seccomp_filter *f, uint32_t action)
{
	put(f, BPF_RET | BPF_K, 0, 0, action);
}

static void load(struct seccomp_filter *f, size_t offset)
{
	put(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)offset);
}

static void if_equal(struct seccomp_filter *f, uint32_t value,
		     uint8_t skip_if_not)
{
	put(f, BPF_JMP | BPF_JEQ | BPF_K, 0, skip_if_not, value);
}

void seccomp_begin(struct seccomp_filter *f)
{
	f->len = 0;
	load(f, offsetof(struct seccomp_data, arch));
	if_equal(f, THIS_ARCH, 1);
	put(f, BPF_JMP | BPF_JA, 0, 0, 1);
	ret(f, SECCOMP_RET_KILL_PROCESS);
	load(f, offsetof(struct seccomp_data, nr));
}

void seccomp_allow(struct seccomp_filter *f, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if_equal(f, (uint32_t)calls[i], 1);
		ret(f, SECCOMP_RET_ALLOW);
	}
}

void seccomp_check_bits(struct seccomp_filter *f, int nr, unsigned arg,
			uint32_t bits, bool want)
{
	if_equal(f, (uint32_t)nr, 4);
	load(f, ARG_LOW(arg));
	put(f, BPF_JMP | BPF_JSET | BPF_K, want ? 0 : 1, want ? 1 : 0, bits);
	ret(f, SECCOMP_RET_ALLOW);
	ret(f, DENY(EPERM));
}

void seccomp_check_values(struct seccomp_filter *f, int nr, unsigned arg,
			  const uint32_t *values, size_t n, int sys)
{
	if_equal(f, (uint32_t)nr, (uint8_t)(2 * n + 2));
	load(f, ARG_LOW(arg));
	for (size_t i = 0; i < n; i++) {
		if_equal(f, values[i], 1);
		ret(f, SECCOMP_RET_ALLOW);
	}
	ret(f, DENY(sys));
}

int seccomp_end(struct seccomp_filter *f, int sys)
{
	ret(f, DENY(sys));
	return f->len > SECCOMP_FILTER_MAX ? -E2BIG : 0;
}

/*
 * Not for all threads at once (SECCOMP_FILTER_FLAG_TSYNC): the kernel refuses
 * that as soon as one has a filter of its own.
 */
int seccomp_enforce(const struct seccomp_filter *f)
{
	const struct sock_fprog prog = { (unsigned short)f->len,
					 (struct sock_filter *)f->code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0 &&
	    errno != EALREADY)
		return -errno;
	return 0;
}
