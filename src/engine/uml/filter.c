/* SPDX-License-Identifier: Apache-2.0 */
/* Seccomp program generated from a table of permitted calls. */
#include "engine/uml/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "base/compiler.h"

#ifndef __x86_64__
#error "the uml engine runs on x86_64 only"
#endif

#define CLONE_ANY_NS                                                           \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |         \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME)

/* Conditions look at the low half of an argument: all of these are 32-bit
 * values to the kernel, or have no meaning above. */
enum cond { ANY, ONE_OF, NONE_OF, NO_BIT_OF };

#define MAX_VALUES 20

struct permit {
	uint16_t nr;
	uint8_t cond;
	uint8_t arg;
	uint8_t n;
	uint32_t value[MAX_VALUES];
};

#define P(name)                                                                \
	{                                                                      \
		.nr = SYS_##name                                               \
	}

static const struct permit permits[] = {
	/* memory */
	P(mmap),
	P(munmap),
	P(mprotect),
	P(mremap),
	P(madvise),
	P(brk),
	P(memfd_create),
	/* files: the root holds nothing but a description of the CPU */
	P(read),
	P(write),
	P(readv),
	P(writev),
	P(pread64),
	P(pwrite64),
	P(lseek),
	P(close),
	P(close_range),
	P(dup),
	P(dup2),
	P(dup3),
	P(fcntl),
	P(open),
	P(openat),
	P(access),
	P(faccessat),
	P(stat),
	P(fstat),
	P(newfstatat),
	P(statfs),
	P(fstatfs),
	P(readlink),
	P(getdents64),
	P(unlink),
	P(unlinkat),
	P(mkdir),
	P(rmdir),
	P(ftruncate),
	P(fallocate),
	P(fchmod),
	P(pipe),
	P(pipe2),
	P(getcwd),
	/* waiting and waking */
	P(poll),
	P(ppoll),
	P(epoll_create),
	P(epoll_create1),
	P(epoll_ctl),
	P(epoll_wait),
	P(epoll_pwait),
	P(eventfd),
	P(eventfd2),
	P(signalfd4),
	P(futex),
	P(sched_yield),
	P(sched_getaffinity),
	/* signals and processes of its own process namespace */
	P(rt_sigaction),
	P(rt_sigprocmask),
	P(rt_sigreturn),
	P(rt_sigpending),
	P(rt_sigqueueinfo),
	P(rt_tgsigqueueinfo),
	P(rt_sigsuspend),
	P(rt_sigtimedwait),
	P(sigaltstack),
	P(tkill),
	P(tgkill),
	P(wait4),
	P(waitid),
	P(fork),
	P(vfork),
	P(exit),
	P(exit_group),
	P(getpid),
	P(getppid),
	P(gettid),
	P(getpgrp),
	P(getpgid),
	P(setsid),
	P(setpgid),
	P(getuid),
	P(geteuid),
	P(getgid),
	P(getegid),
	P(set_tid_address),
	P(set_robust_list),
	P(rseq),
	P(arch_prctl),
	P(seccomp),
	P(restart_syscall),
	P(getrlimit),
	P(getrusage),
	/* time and facts */
	P(clock_gettime),
	P(clock_getres),
	P(clock_nanosleep),
	P(nanosleep),
	P(gettimeofday),
	P(time),
	P(timer_create),
	P(timer_settime),
	P(timer_gettime),
	P(timer_getoverrun),
	P(timer_delete),
	P(uname),
	P(sysinfo),
	P(getrandom),
	/* its devices */
	P(sendmsg),
	P(recvmsg),
	P(sendto),
	P(recvfrom),
	P(shutdown),
	P(getsockopt),
	{ SYS_socketpair, ONE_OF, 0, 1, { AF_UNIX } },
	/* stdio asks whether its output is a terminal */
	{ SYS_ioctl, ONE_OF, 1, 1, { 0x5401 /* TCGETS */ } },
	/* itself at start, and the stubs of guest processes, from descriptors;
	 * with this a guest that asks its kernel to restart ends it instead */
	{ SYS_execveat, ONE_OF, 4, 1, { AT_EMPTY_PATH } },
	{ SYS_clone, NO_BIT_OF, 0, 1, { CLONE_ANY_NS } },
	/*
	 * The kernel is init of its namespace, where an abort by signal is
	 * ignored, and UML's abort repeats it for ever unless it fails: then
	 * it exits with status 127. So a guest panic ends the machine at once.
	 */
	{ SYS_kill, NONE_OF, 1, 1, { 6 /* SIGABRT */ } },
	{ SYS_prctl,
	  ONE_OF,
	  0,
	  4,
	  { PR_SET_PDEATHSIG, PR_SET_NAME, PR_GET_NAME, PR_SET_NO_NEW_PRIVS } },
	{ SYS_personality, ONE_OF, 0, 2, { ADDR_NO_RANDOMIZE, 0xffffffff } },
	{ SYS_prlimit64, ONE_OF, 0, 1, { 0 } },
	{ SYS_ptrace,
	  ONE_OF,
	  0,
	  17,
	  { PTRACE_TRACEME, PTRACE_PEEKUSER, PTRACE_POKEUSER, PTRACE_CONT,
	    PTRACE_KILL, PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_GETFPREGS,
	    PTRACE_SETFPREGS, PTRACE_SYSCALL, PTRACE_SETOPTIONS,
	    PTRACE_GETSIGINFO, PTRACE_GETREGSET, PTRACE_SETREGSET,
	    31 /* PTRACE_SYSEMU */, 32 /* PTRACE_SYSEMU_SINGLESTEP */,
	    30 /* PTRACE_ARCH_PRCTL */ } },
};

static void emit(struct uml_filter *f, uint16_t code, uint8_t jt, uint8_t jf,
		 uint32_t k)
{
	f->insn[f->len++] = (struct sock_filter){ code, jt, jf, k };
}

static void emit_return(struct uml_filter *f, uint32_t action)
{
	emit(f, BPF_RET | BPF_K, 0, 0, action);
}

#define LD_ABS (BPF_LD | BPF_W | BPF_ABS)
#define JEQ (BPF_JMP | BPF_JEQ | BPF_K)
#define JSET (BPF_JMP | BPF_JSET | BPF_K)
#define DENY (SECCOMP_RET_ERRNO | EPERM)

/*
 * jeq nr, next, skip everything; [load arg; tests; return]; return. Each block
 * ends in a return, so the number need not be loaded again.
 */
static void emit_permit(struct uml_filter *f, const struct permit *p)
{
	uint32_t arg_low =
		(uint32_t)offsetof(struct seccomp_data, args) + 8u * p->arg;
	uint32_t hit = p->cond == ONE_OF ? SECCOMP_RET_ALLOW : DENY;
	uint32_t miss = p->cond == ONE_OF ? DENY : SECCOMP_RET_ALLOW;

	if (p->cond == ANY) {
		emit(f, JEQ, 0, 1, p->nr);
		emit_return(f, SECCOMP_RET_ALLOW);
		return;
	}
	emit(f, JEQ, 0, (uint8_t)(p->n + 3), p->nr);
	emit(f, LD_ABS, 0, 0, arg_low);
	for (unsigned i = 0; i < p->n; i++)
		emit(f, p->cond == NO_BIT_OF ? JSET : JEQ, (uint8_t)(p->n - i),
		     0, p->value[i]);
	emit_return(f, miss);
	emit_return(f, hit);
}

void uml_filter_build(struct uml_filter *f)
{
	_Static_assert(ARRAY_SIZE(permits) * (MAX_VALUES + 4) + 8 <=
			       UML_FILTER_MAX,
		       "UML_FILTER_MAX is too small");

	f->len = 0;
	emit(f, LD_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	emit(f, JEQ, 1, 0, AUDIT_ARCH_X86_64);
	emit_return(f, DENY);
	/* x32 numbers have bit 30 set and so match nothing below */
	emit(f, LD_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(permits); i++)
		emit_permit(f, &permits[i]);
	/* libc tries clone3 first and falls back only on this error */
	emit(f, JEQ, 0, 1, SYS_clone3);
	emit_return(f, SECCOMP_RET_ERRNO | ENOSYS);
	emit_return(f, DENY);
}
