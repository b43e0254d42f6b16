/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs as /init of the machines that the engine tests boot. What to do comes in
 * the environment, from "msbtest=..." on the kernel command line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* Emergency level, so that "quiet" lets it through to the early console. */
static void say(const char *text)
{
	char line[200];
	int fd = open("/kmsg", O_WRONLY);
	int n = snprintf(line, sizeof(line), "<0>guest: %s\n", text);

	if (fd < 0 || write(fd, line, (size_t)n) != n)
		_exit(1);
	(void)close(fd);
}

static void say_disk(const char *name)
{
	char path[64], text[64] = "", line[128];
	int fd;

	(void)snprintf(path, sizeof(path), "/sys/block/%s/size", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		(void)snprintf(text, sizeof(text), "missing");
	text[strcspn(text, "\n")] = 0;
	(void)snprintf(line, sizeof(line), "%s %s", name, text);
	say(line);
}

/* Forks and threads' worth of host processes, all busy. */
static void crowd(void)
{
	for (int i = 0; i < 3; i++) {
		if (fork() == 0) {
			for (;;)
				;
		}
	}
	say("crowd");
	for (;;)
		pause();
}

static void run_children(void)
{
	for (int i = 0; i < 20; i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0) {
			execl("/init", "init", NULL);
			_exit(1);
		}
		if (pid < 0 || waitpid(pid, &status, 0) != pid ||
		    !WIFEXITED(status) || WEXITSTATUS(status) != 42) {
			say("a child failed");
			return;
		}
	}
	say("children done");
}

int main(void)
{
	const char *what = getenv("msbtest");

	if (getpid() != 1)
		return 42;
	(void)mknod("/kmsg", S_IFCHR | 0600, makedev(1, 11));
	(void)mkdir("/sys", 0755);
	(void)mount("sys", "/sys", "sysfs", 0, NULL);
	if (!what)
		what = "poweroff";
	say(what);
	if (!strcmp(what, "panic"))
		return 3; /* the end of init */
	if (!strcmp(what, "restart"))
		(void)reboot(RB_AUTOBOOT);
	if (!strcmp(what, "crowd"))
		crowd();
	if (!strcmp(what, "idle"))
		for (;;)
			pause();
	if (!strcmp(what, "disks")) {
		say_disk("vda");
		say_disk("vdb");
	}
	if (!strcmp(what, "children"))
		run_children();
	(void)reboot(RB_POWER_OFF);
	return 1;
}
