/* SPDX-License-Identifier: Apache-2.0 */
/* The orderly end of the machine. */
#include "agent/shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"

#define REAP_MS 300
/*
 * Below the time the host gives an orderly end. Writing back what programs
 * left in the page cache takes as long as it takes; cutting it short would
 * lose data that was written before the machine was asked to stop.
 */
#define TOTAL_S 6
#define INIT_GRACE_S 5
/* What systemd takes for "power off": SIGRTMIN+4, counted from 34. Libraries
 * disagree about SIGRTMIN, so by number. */
#define SIG_POWEROFF 38
#define MOUNTS_MAX (1u << 20)

void shutdown_now(void)
{
	(void)reboot(RB_POWER_OFF);
	(void)reboot(RB_AUTOBOOT); /* a kernel without the former */
	_exit(0);
}

/* A file system that hangs must not keep the machine. */
static void *watchdog(void *arg)
{
	const struct timespec limit = { .tv_sec = TOTAL_S };

	(void)arg;
	(void)nanosleep(&limit, NULL); /* all signals are blocked */
	shutdown_now();
}

static void start_watchdog(void)
{
	pthread_t thread;
	sigset_t all;

	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	if (pthread_create(&thread, NULL, watchdog, NULL) == 0)
		(void)pthread_detach(thread);
}

/* Wait for what kill(-1) hit, but not for what cannot die. */
static void reap_all(void)
{
	uint64_t end = clock_mono_ms() + REAP_MS;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (;;) {
		struct timespec left = { 0 };
		pid_t pid = waitpid(-1, NULL, WNOHANG);
		uint64_t now;

		if (pid < 0)
			return;
		if (pid > 0)
			continue;
		now = clock_mono_ms();
		if (now >= end)
			return;
		left.tv_nsec = (long)((end - now) * NSEC_PER_MSEC);
		(void)sigtimedwait(&child, NULL, &left); /* then look again */
	}
}

/*
 * Nothing to write back, and mostly not to be unmounted. A virtio-fs is in this
 * list as it has no state of its own to bring in order: sync() wrote its dirty
 * pages, and emptying its caches now would only send the host a flood of
 * messages that the machine does not live to see answered.
 */
static bool is_stateless(const char *type)
{
	static const char *const types[] = {
		"virtiofs", "rootfs", "proc",	    "sysfs",   "devtmpfs",
		"devpts",   "tmpfs",  "ramfs",	    "cgroup",  "cgroup2",
		"mqueue",   "bpf",    "securityfs", "debugfs", "tracefs",
		"configfs", "nsfs",   "hugetlbfs",  "pstore",  "binfmt_misc",
		"fusectl",  "autofs",
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

/* "\040" and the like, as /proc/self/mounts writes white space. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' &&
		    p[2] <= '7' && p[3] >= '0' && p[3] <= '7') {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 |
				       (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = 0;
}

/* By mount point, or with an empty path by descriptor. */
static void make_readonly(int fd, const char *path)
{
	autoclose int fs = fspick(
		fd, path, FSPICK_CLOEXEC | (*path ? 0 : FSPICK_EMPTY_PATH));

	/* best effort: what is left is said by the journal of that disk */
	if (fs >= 0 && fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) == 0)
		(void)fsconfig(fs, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0);
}

static void release_mount(char *line)
{
	char *rest = line;
	char *path;
	const char *type;

	(void)strsep(&rest, " "); /* the device */
	path = strsep(&rest, " ");
	type = strsep(&rest, " ");
	if (!path || !type || is_stateless(type))
		return;
	unescape(path);
	if (!strcmp(path, "/") || umount2(path, UMOUNT_NOFOLLOW) < 0)
		make_readonly(AT_FDCWD, path);
}

/* Later mounts sit on earlier ones: from the last line to the first. */
static void release_mounts(void)
{
	MSB_CLEANUP(buf_fini) struct buf list = { .max = MOUNTS_MAX };
	char *text, *end;

	if (io_read_file_at(AT_FDCWD, "/proc/self/mounts", &list) ||
	    !(text = (char *)(uintptr_t)buf_cstr(&list))) {
		make_readonly(AT_FDCWD, "/");
		return;
	}
	end = text + strlen(text);
	while (end > text) {
		end[-1] = 0; /* the newline */
		while (end - 1 > text && end[-2] != '\n')
			end--;
		release_mount(end - 1);
		end--;
	}
}

void shutdown_machine(int upper_fd)
{
	start_watchdog();
	sync();
	(void)kill(-1, SIGKILL);
	reap_all();
	release_mounts();
	/*
	 * A read-only overlay does not stop the journal of the file system its
	 * writable layer is on.
	 */
	if (upper_fd >= 0)
		make_readonly(upper_fd, "");
	sync();
	shutdown_now();
}

/* One of the few that goes by another signal. */
static bool init_is_busybox(void)
{
	char path[256];
	ssize_t n = readlink("/proc/1/exe", path, sizeof(path) - 1);

	if (n < 0)
		return false;
	path[n] = 0;
	return str_ends(path, "/busybox");
}

void shutdown_by_init(int upper_fd)
{
	const struct timespec grace = { .tv_sec = INIT_GRACE_S };

	sync();
	(void)kill(1, init_is_busybox() ? SIGUSR2 : SIG_POWEROFF);
	(void)nanosleep(&grace, NULL); /* it ends earlier with the machine */
	shutdown_machine(upper_fd);
}
