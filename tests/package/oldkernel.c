/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program as if the kernel were Linux 4.18: system calls that came later
 * are not there, and later flags of older ones are refused.
 *
 *   oldkernel PROGRAM [ARGUMENT...]
 *
 * Two things cannot be imitated: clone() there ignores CLONE_PIDFD where here
 * it succeeds (waiting for that pidfd fails, as up to 5.3), and structures keep
 * the fields that have been added to them.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FIRST_UNKNOWN 335 /* rseq, 334, is the last one of 4.18 */
#define ARG(i) offsetof(struct seccomp_data, args[i])

/* Calls of 4.18 that refuse an argument with one of the bits. */
static const struct {
	uint32_t nr;
	unsigned arg;
	uint32_t bits, sys;
} bits[] = {
	{ SYS_memfd_create, 1, 0x18, EINVAL },	/* (NO)EXEC: 6.3 */
	{ SYS_seccomp, 1, 0x38, EINVAL },	/* listeners: 5.0 and later */
	{ SYS_unshare, 0, 0x80, EINVAL },	/* CLONE_NEWTIME: 5.6 */
	{ SYS_preadv2, 5, 0xffe0, EOPNOTSUPP }, /* RWF_NOAPPEND and later */
	{ SYS_pwritev2, 5, 0xffe0, EOPNOTSUPP },
	{ SYS_renameat2, 4, 0xfff8, EINVAL },
};

/* Calls of 4.18 that refuse these values of an argument. */
static const struct {
	uint32_t nr;
	unsigned arg;
	uint32_t from, to, sys;
} values[] = {
	{ SYS_waitid, 0, 3, 3, EINVAL },	/* P_PIDFD: 5.4 */
	{ SYS_madvise, 2, 20, 25, EINVAL },	/* COLD: 5.4, POPULATE: 5.14 */
	{ SYS_ptrace, 0, 0x420e, 0x4210, EIO }, /* GET_SYSCALL_INFO: 5.3 */
	{ SYS_prctl, 0, 57, 80, EINVAL },	/* PR_SET_IO_FLUSHER: 5.6 */
	{ SYS_fcntl, 1, 1041, 1100, EINVAL },	/* beyond F_SET_FILE_RW_HINT */
};

static struct sock_filter code[256];
static unsigned short n;

static void add(uint16_t op, uint32_t k, uint8_t yes, uint8_t no)
{
	if (n < sizeof(code) / sizeof(code[0]))
		code[n++] = (struct sock_filter){ op, yes, no, k };
}

static void load(size_t offset)
{
	add(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void build(void)
{
	const uint16_t ret = BPF_RET | BPF_K, eq = BPF_JMP | BPF_JEQ | BPF_K,
		       ge = BPF_JMP | BPF_JGE | BPF_K,
		       gt = BPF_JMP | BPF_JGT | BPF_K,
		       set = BPF_JMP | BPF_JSET | BPF_K;

	load(offsetof(struct seccomp_data, nr));
	add(ge, FIRST_UNKNOWN, 0, 1);
	add(ret, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		add(eq, bits[i].nr, 0, 4);
		load(ARG(bits[i].arg));
		add(set, bits[i].bits, 0, 1);
		add(ret, SECCOMP_RET_ERRNO | bits[i].sys, 0, 0);
		add(ret, SECCOMP_RET_ALLOW, 0, 0);
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		add(eq, values[i].nr, 0, 5);
		load(ARG(values[i].arg));
		add(ge, values[i].from, 0, 2);
		add(gt, values[i].to, 1, 0);
		add(ret, SECCOMP_RET_ERRNO | values[i].sys, 0, 0);
		add(ret, SECCOMP_RET_ALLOW, 0, 0);
	}
	add(ret, SECCOMP_RET_ALLOW, 0, 0);
}

int main(int argc, char **argv)
{
	struct sock_fprog program = { 0, code };

	if (argc < 2) {
		(void)fprintf(stderr, "usage: oldkernel PROGRAM...\n");
		return 2;
	}
	build();
	program.len = n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
		(void)fprintf(stderr, "oldkernel: %s\n", strerror(errno));
		return 125;
	}
	(void)execv(argv[1], argv + 1);
	(void)fprintf(stderr, "oldkernel: %s: %s\n", argv[1], strerror(errno));
	return 127;
}
