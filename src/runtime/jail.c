/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jail of the runtime process. Capabilities, Landlock rules and filters belong
 * to threads, not to the process, so each thread is interrupted by a signal and
 * applies them to itself, as the C library does for setuid().
 */
#include "runtime/jail.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 256
#define FOLLOW_TIMEOUT_S 1

/* What a file server that runs as root needs, and to end the machine. */
#define KEPT_CAPS                                                              \
	(JAIL_CAP(CAP_CHOWN) | JAIL_CAP(CAP_DAC_OVERRIDE) |                    \
	 JAIL_CAP(CAP_DAC_READ_SEARCH) | JAIL_CAP(CAP_FOWNER) |                \
	 JAIL_CAP(CAP_FSETID) | JAIL_CAP(CAP_KILL))

/* The one place a signal handler can look at; idle unless jail_apply runs. */
static struct {
	int rules_fd;	      /* Landlock, or -1 */
	int network_rules_fd; /* for the network's thread, or -1 */
	sem_t done;	      /* posted once by each thread that has followed */
	bool filter;	      /* there is a system call filter to obey */
	_Atomic int nnp_error, cap_error, landlock_error, filter_error;
	_Atomic bool active;
} shared = { .rules_fd = -1, .network_rules_fd = -1 };

int jail_signal(void)
{
	return SIGRTMIN + 6;
}

/* Async-signal-safe. */
static bool is_network_thread(void)
{
	char name[16] = "";

	return prctl(PR_GET_NAME, name, 0, 0, 0) == 0 &&
	       !strcmp(name, JAIL_NETWORK_THREAD);
}

/* Async-signal-safe. The order matters: Landlock and the filter want
 * no_new_privs, and the filter forbids the rest. */
static void restrict_thread(void)
{
	bool network = is_network_thread();
	int rules = network ? shared.network_rules_fd : shared.rules_fd;
	int rc;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		shared.nnp_error = errno;
	rc = jail_capabilities_keep(KEPT_CAPS);
	if (rc)
		shared.cap_error = -rc;
	if (rules >= 0) {
		rc = jail_landlock_enforce(rules);
		if (rc)
			shared.landlock_error = -rc;
	}
	if (shared.filter) {
		rc = jail_seccomp_enforce(network);
		if (rc)
			shared.filter_error = -rc;
	}
}

static void on_follow(int sig)
{
	int saved = errno;

	(void)sig;
	if (shared.active) { /* else anybody's signal: nothing to do */
		restrict_thread();
		(void)sem_post(&shared.done); /* cannot overflow */
	}
	errno = saved;
}

int jail_prepare(void)
{
	struct sigaction sa = { .sa_handler = on_follow,
				.sa_flags = SA_RESTART };

	if (sem_init(&shared.done, 0, 0) < 0)
		return -errno;
	sigemptyset(&sa.sa_mask);
	return sigaction(jail_signal(), &sa, NULL) < 0 ? -errno : 0;
}

/* Wait until n threads have followed. */
static int await(size_t n)
{
	struct timespec end;

	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += FOLLOW_TIMEOUT_S;
	while (n) {
		if (sem_timedwait(&shared.done, &end) == 0)
			n--;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static bool known(const pid_t *seen, size_t n, pid_t tid)
{
	for (size_t i = 0; i < n; i++)
		if (seen[i] == tid)
			return true;
	return false;
}

/* Signal all threads that are not in seen yet: how many, or -errno. */
static int signal_new(pid_t *seen, size_t *n)
{
	DIR *d = opendir("/proc/self/task");
	const struct dirent *e;
	int count = 0;

	if (!d)
		return -errno;
	while (count >= 0 && (e = readdir(d))) {
		pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);

		if (tid <= 0 || known(seen, *n, tid))
			continue;
		if (*n == MAX_THREADS) {
			count = -E2BIG;
			break;
		}
		seen[(*n)++] = tid;
		if (syscall(SYS_tgkill, getpid(), tid, jail_signal()) == 0)
			count++;
		else if (errno != ESRCH) /* else it has just ended */
			count = -errno;
	}
	(void)closedir(d);
	return count;
}

/* Threads made by a thread that has followed are born restricted, so a pass
 * that finds nobody new is the last. */
static int restrict_others(void)
{
	pid_t seen[MAX_THREADS];
	size_t n = 0;
	int rc;

	seen[n++] = (pid_t)syscall(SYS_gettid);
	do {
		rc = signal_new(seen, &n);
		if (rc > 0) {
			int failed = await((size_t)rc);

			if (failed)
				return failed;
		}
	} while (rc > 0);
	return rc;
}

static void state(char out[64], const char *on, int error)
{
	if (error)
		(void)snprintf(out, 64, "off: %s", strerror(error));
	else
		(void)snprintf(out, 64, "%s", on);
}

void jail_apply(const struct jail_dir *dirs, size_t n, pid_t machine,
		struct jail_result *ret)
{
	int abi = 0, rc;
	int rules = jail_landlock_rules(dirs, n, JAIL_NO_TCP, &abi);
	int network = jail_landlock_rules(NULL, 0, JAIL_CONNECT_TCP, &abi);
	int filter = jail_seccomp_prepare(machine);
	char text[64];

	shared.rules_fd = rules;
	shared.network_rules_fd = network;
	shared.filter = !filter;
	shared.active = true;
	/* the others first: enforcing here would hide /proc from the search */
	rc = restrict_others();
	restrict_thread();
	shared.active = false;
	shared.rules_fd = shared.network_rules_fd = -1;
	state(ret->no_new_privs, "on", rc ? -rc : shared.nnp_error);
	state(ret->capabilities, geteuid() ? "none" : "reduced",
	      rc ? -rc : shared.cap_error);
	(void)snprintf(text, sizeof(text), "on (ABI %d)", abi);
	if (rules < 0 || network < 0)
		state(ret->landlock, text, rules < 0 ? -rules : -network);
	else
		state(ret->landlock, text, rc ? -rc : shared.landlock_error);
	if (rules >= 0)
		(void)close(rules);
	if (network >= 0)
		(void)close(network);
	state(ret->seccomp, "on",
	      filter ? -filter
	      : rc   ? -rc
		     : shared.filter_error);
}

void jail_describe(const struct jail_result *r, struct buf *json)
{
	/* the texts are ours and strerror()'s: nothing to escape */
	(void)buf_printf(json,
			 "{\"no_new_privs\":\"%s\",\"capabilities\":\"%s\","
			 "\"landlock\":\"%s\",\"seccomp\":\"%s\"}",
			 r->no_new_privs, r->capabilities, r->landlock,
			 r->seccomp);
}
