/* SPDX-License-Identifier: Apache-2.0 */
/* Says how much CPU time a process had used when it first entered a guest. */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stops at KVM_RUN and at nothing else, so that being watched costs no time. */
static void stop_at_kvm_run(void)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[1])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(insn) / sizeof(insn[0]), insn };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		err(1, "seccomp");
}

/* Microseconds of CPU time of all threads of the process of this thread. */
static unsigned long long cpu_time(pid_t tid)
{
	char path[64];
	unsigned long long sum = 0, ns;
	struct dirent *e;
	DIR *d;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", tid);
	d = opendir(path);
	if (!d)
		err(1, "%s", path);
	while ((e = readdir(d))) {
		char stat[sizeof(path) + sizeof(e->d_name) + 16];

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(stat, sizeof(stat), "%s/%s/schedstat", path,
			       e->d_name);
		f = fopen(stat, "re");
		if (f && fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		if (f)
			(void)fclose(f);
	}
	(void)closedir(d);
	return sum / 1000;
}

int main(int argc, char **argv)
{
	pid_t child, tid;
	int status;

	if (argc < 2)
		errx(1, "usage: %s COMMAND...", argv[0]);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) || raise(SIGSTOP))
			err(1, "ptrace");
		stop_at_kvm_run();
		(void)execvp(argv[1], argv + 1);
		err(1, "%s", argv[1]);
	}
	if (waitpid(child, &status, 0) != child ||
	    ptrace(PTRACE_SETOPTIONS, child, NULL,
		   (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP |
			    PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
			    PTRACE_O_TRACECLONE)) ||
	    ptrace(PTRACE_CONT, child, NULL, NULL))
		err(1, "ptrace");
	while ((tid = waitpid(-1, &status, __WALL)) > 0) {
		int sig = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;

		if (!WIFSTOPPED(status))
			continue;
		if (status >> 8 == (SIGTRAP | PTRACE_EVENT_SECCOMP << 8)) {
			printf("%llu\n", cpu_time(tid));
			return 0;
		}
		if (sig == SIGSTOP ||
		    sig == SIGTRAP) /* a new thread, or an event */
			sig = 0;
		(void)ptrace(PTRACE_CONT, tid, NULL, (void *)(long)sig);
	}
	errx(1, "no guest was entered");
}
