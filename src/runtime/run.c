/* SPDX-License-Identifier: Apache-2.0 */
/*
 * msb-runtime NAME, msb-runtime-tls NAME: the process of one sandbox. It is
 * started by the library with its specification on descriptor 3; see sandbox.h
 * for the others.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "runtime/run.h"
#include "runtime/sandbox.h"

#define NOFILE_MAX 1048576u
/* Descriptors there is room for from the start. */
#define NOFILE_START 4096

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

/* Nothing inherited reaches the guest's kernel. */
static void guard_descriptors(void)
{
	for (int fd = SPEC_FD; fd <= METRICS_FD; fd++)
		(void)io_set_cloexec(fd, true); /* some may be closed */
}

/*
 * When the table of descriptors is full, the host's kernel makes it twice as
 * large, and with several threads waits for a grace period first: some 10 ms
 * in which the file server stands still, as early as at descriptor 64. Now
 * there is one thread, and the table only ever grows.
 */
static void widen_descriptor_table(void)
{
	int fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, NOFILE_START - 1);

	if (fd >= 0) /* else the limit is lower than that */
		(void)close(fd);
}

static int set_up_process(void)
{
	struct rlimit files;
	sigset_t set;

	/* one heap is enough for the few threads there are */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)umask(077);
	/* all times are UTC: spares the C library a search for its zone */
	(void)setenv("TZ", "UTC0", 1);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
	    files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max < NOFILE_MAX ? files.rlim_max
							     : NOFILE_MAX;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	widen_descriptor_table();
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	/* all others are blocked, in every thread, or read from a signalfd */
	sigfillset(&set);
	sigdelset(&set, jail_signal());
	/* blocked, a fault would end the process past every handler */
	sigdelset(&set, SIGBUS);
	sigdelset(&set, SIGSEGV);
	sigdelset(&set, SIGILL);
	sigdelset(&set, SIGFPE);
	sigdelset(&set, SIGABRT);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0)
		return -errno;
	return jail_prepare();
}

/* Field 22 of /proc/self/stat, behind the command's closing parenthesis. */
static unsigned long long start_time(void)
{
	unsigned long long value = 0;
	struct buf b;
	char *p;

	buf_init(&b, 4096);
	(void)io_read_file_at(AT_FDCWD, "/proc/self/stat", &b);
	p = b.data && buf_cstr(&b) ? strrchr((char *)b.data, ')') : NULL;
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		if (p)
			p++;
	}
	if (p)
		value = strtoull(p, NULL, 10);
	buf_fini(&b);
	return value;
}

/* "<pid> <start time>": who holds the lock that LOCK_FD stands for. */
static void write_identity(void)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%d %llu\n", (int)getpid(),
			 start_time());

	/* its reader copes with an empty file */
	if (is_open(LOCK_FD) && ftruncate(LOCK_FD, 0) == 0 &&
	    lseek(LOCK_FD, 0, SEEK_SET) == 0)
		(void)io_write_full(LOCK_FD, text, (size_t)n);
}

static int usage(void)
{
	(void)fprintf(stderr, "msb-runtime is started by msb\n");
	return 2;
}

static void run(struct sandbox *s)
{
	int rc = loop_new(&s->loop);

	if (rc) {
		sandbox_fail_boot(s, "other", -rc, "event loop: %s",
				  strerror(-rc));
		return;
	}
	if (sandbox_boot(s)) {
		s->reason = EXIT_INTERNAL_ERROR;
		return;
	}
	rc = loop_run(s->loop);
	if (rc && s->state != DOWN) { /* epoll failed: nothing can be served */
		s->killed = true;
		s->reason = EXIT_INTERNAL_ERROR;
		if (s->state == BOOTING)
			sandbox_fail_boot(s, "other", -rc, "event loop: %s",
					  strerror(-rc));
	}
}

int runtime_main(int argc, char **argv, const struct runtime_tls *tls)
{
	static struct sandbox s = { .dir_fd = -1,
				    .runtime_fd = -1,
				    .logs_fd = -1,
				    .listen_fd = -1,
				    .signal_fd = -1,
				    .clock_fd = -1,
				    .report_fd = REPORT_FD,
				    .values_fd = -1,
				    .sampler = SAMPLER_INIT };
	struct err err = { 0 };
	int rc;

	(void)argv;
	if (argc != 2 || !is_open(SPEC_FD) || !is_open(REPORT_FD))
		return usage();
	s.started_ns = clock_mono_ns();
	s.tls_lib = tls;
	if (is_open(VALUES_FD)) /* later the number may be anything's */
		s.values_fd = VALUES_FD;
	guard_descriptors();
	write_identity();
	rc = set_up_process();
	if (rc)
		sandbox_fail_boot(&s, "other", -rc, "set up the process: %s",
				  strerror(-rc));
	else if (spec_read(SPEC_FD, &s.spec, &err))
		sandbox_fail_boot(&s, "config", err.sys, "%s", err.msg);
	else
		s.attached = s.spec.attached && is_open(WATCHDOG_FD);
	(void)close(SPEC_FD);
	if (!s.failure.stage)
		run(&s);
	else
		s.reason = EXIT_INTERNAL_ERROR;
	return sandbox_end(&s);
}
