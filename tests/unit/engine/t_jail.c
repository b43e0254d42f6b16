/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jail seen from the host: everything /proc tells about a running kernel
 * process and the guest processes below it, and what happens on hosts that
 * forbid a layer.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "base/str.h"
#include "machine_fixture.h"

static void assert_status(pid_t pid, const char *key, const char *want)
{
	char have[256];

	if (!proc_line(pid, "status", key, have, sizeof(have)))
		fail_msg("no %s in status of %d", key, (int)pid);
	if (strcmp(have, want) != 0)
		fail_msg("%s of %d is '%s', not '%s'", key, (int)pid, have,
			 want);
}

static void assert_other_namespace(pid_t pid, const char *name)
{
	char path[64], theirs[64], ours[64];
	ssize_t a, b;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
	a = readlink(path, theirs, sizeof(theirs));
	(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	b = readlink(path, ours, sizeof(ours));
	assert_true(a > 0 && b > 0);
	if (a == b && !memcmp(theirs, ours, (size_t)a))
		fail_msg("namespace %s is the host's", name);
}

/* What holds for the kernel process and for every process of its guest. */
static void assert_confined(pid_t pid)
{
	static const char *const caps[] = { "CapInh:", "CapPrm:", "CapEff:",
					    "CapBnd:", "CapAmb:" };
	static const char *const namespaces[] = { "user", "pid", "mnt",	  "net",
						  "ipc",  "uts", "cgroup" };
	char uid[64], expected[64];
	unsigned id = geteuid() == 0 ? 65534 : geteuid();

	for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
		assert_status(pid, caps[i], "0000000000000000");
	assert_status(pid, "NoNewPrivs:", "1");
	assert_status(pid, "Seccomp:", "2");
	assert_true(proc_line(pid, "status", "\nUid:", uid, sizeof(uid)));
	(void)snprintf(expected, sizeof(expected), "%u\t%u\t%u\t%u", id, id, id,
		       id);
	assert_string_equal(uid, expected);
	for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++)
		assert_other_namespace(pid, namespaces[i]);
}

static void assert_limit(pid_t pid, const char *name, const char *want)
{
	char have[256];

	assert_true(proc_line(pid, "limits", name, have, sizeof(have)));
	if (strncmp(have, want, strlen(want)) != 0)
		fail_msg("limit %s is '%s'", name, have);
}

/* Standard input, output and error, guest memory, and nothing of the host. */
static void assert_descriptors(pid_t pid)
{
	char names[1024], *save = NULL;

	proc_list(pid, "fd", names, sizeof(names));
	for (char *fd = strtok_r(names, " ", &save); fd;
	     fd = strtok_r(NULL, " ", &save)) {
		static const char *const known[] = {
			"pipe:[",      "socket:[",	  "anon_inode:",
			"/memfd:uml-", "/uml-userspace-", "/#",
			"/dev/fd",
		};
		char path[64], link[256];
		bool ok = false;
		ssize_t n;

		(void)snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)pid,
			       fd);
		n = readlink(path, link, sizeof(link) - 1);
		if (n < 0)
			continue; /* closed meanwhile */
		link[n] = 0;
		for (size_t i = 0; i < ARRAY_SIZE(known); i++)
			ok |= str_starts(link, known[i]);
		if (!ok)
			fail_msg("descriptor %s is %s", fd, link);
	}
}

/* All file mappings belong to the kernel's program and the private tmpfs. */
static void assert_mappings(pid_t pid)
{
	char *text = malloc(1 << 20), *save = NULL;
	const char *kernel = strrchr(test_kernel, '/') + 1;

	assert_non_null(text);
	proc_read(pid, "maps", text, 1 << 20);
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *path = strchr(line, '/');

		if (path && !strstr(path, kernel) && !str_starts(path, "/#") &&
		    !str_starts(path, "/memfd:uml-") &&
		    !str_starts(path, "/uml-userspace-") &&
		    !str_starts(path, "/dev/zero"))
			fail_msg("mapping of %s", path);
	}
	free(text);
}

static void assert_root(pid_t pid)
{
	char text[4096], *save = NULL;
	unsigned mounts = 0;

	proc_list(pid, "root", text, sizeof(text));
	assert_string_equal(text, "proc");
	proc_list(pid, "root/proc", text, sizeof(text));
	assert_string_equal(text, "cpuinfo");
	proc_read(pid, "mountinfo", text, sizeof(text));
	for (char *line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		mounts++;
		assert_non_null(strstr(line, " / / rw,nosuid,nodev"));
		assert_non_null(strstr(line, " - tmpfs guest "));
		assert_non_null(strstr(line, "size="));
	}
	assert_int_equal(mounts, 1);
}

static void assert_network(pid_t pid)
{
	char text[4096];

	proc_read(pid, "net/dev", text, sizeof(text));
	assert_non_null(strstr(text, "lo:"));
	/* two lines of heading and one interface */
	assert_non_null(strchr(text, '\n'));
	assert_int_equal(strlen(text),
			 strstr(text, "lo:") +
				 strcspn(strstr(text, "lo:"), "\n") + 1 - text);
}

static void running_machine_is_confined(void **state)
{
	static const enum engine_uml_mode modes[] = { UML_MODE_PTRACE,
						      UML_MODE_SECCOMP };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct err err = { 0 };
		pid_t kernel, guest[16];
		char text[64];
		struct box b;
		size_t n;

		box_init(&b, "crowd");
		b.desc.uml_mode = modes[i];
		assert_int_equal(box_start(&b, &err), 0);
		box_until_processes(&b, 4);
		kernel = machine_pid(b.machine);
		assert_confined(kernel);
		assert_descriptors(kernel);
		assert_mappings(kernel);
		assert_root(kernel);
		assert_network(kernel);
		assert_limit(kernel, "Max core file size", "1 ");
		assert_limit(kernel, "Max locked memory", "0 ");
		assert_limit(kernel, "Max file size", "201326592 ");
		assert_true(proc_line(kernel, "status", "NSpid:", text,
				      sizeof(text)));
		assert_true(str_ends(text, "\t1"));
		assert_true(proc_line(kernel, "status", "Groups:", text,
				      sizeof(text)));
		assert_string_equal(text, "");
		n = guest_processes(&b, guest, ARRAY_SIZE(guest));
		assert_true(n >= 4);
		for (size_t g = 0; g < n; g++) {
			assert_confined(guest[g]);
			assert_descriptors(guest[g]);
		}
		box_fini(&b);
	}
}

/* Runs fn in a process of its own, because it changes what that may do. */
static void in_process(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the process failed with status %x", (unsigned)status);
}

/* In there a failed cmocka assertion would continue the parent's tests. */
#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,     \
				#cond);                                        \
			_exit(1);                                              \
		}                                                              \
	} while (0)

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	CHECK(fd >= 0);
	CHECK(io_write_full(fd, text, strlen(text)) == 0);
	(void)close(fd);
}

/*
 * Become the given user, with all capabilities, in a user namespace that
 * permits no further one.
 */
static void enter_last_user_namespace(unsigned inside)
{
	char line[64];
	unsigned uid = geteuid(), gid = getegid();

	CHECK(unshare(CLONE_NEWUSER) == 0);
	write_text("/proc/self/setgroups", "deny");
	(void)snprintf(line, sizeof(line), "%u %u 1", inside, gid);
	write_text("/proc/self/gid_map", line);
	(void)snprintf(line, sizeof(line), "%u %u 1", inside, uid);
	write_text("/proc/self/uid_map", line);
	write_text("/proc/sys/user/max_user_namespaces", "0");
}

static void drop_all_caps(void)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { 0 };

	CHECK(syscall(SYS_capset, &h, none) == 0);
}

static void check_refused(struct box *b, const char *layer, const char *remedy)
{
	struct err err = { 0 };

	CHECK(box_start(b, &err) < 0);
	CHECK(err.kind == ERR_UNSUPPORTED);
	if (!strstr(err.msg, layer) || !strstr(err.msg, remedy)) {
		fprintf(stderr, "unexpected: %s\n", err.msg);
		_exit(1);
	}
	CHECK(waitpid(-1, NULL, __WALL | WNOHANG) == -1 && errno == ECHILD);
}

static void check_relaxed(struct box *b, const char *const *off, size_t n)
{
	struct err err = { 0 };
	char text[512];
	struct buf json;

	b->desc.jail_relaxed = true;
	if (box_start(b, &err)) {
		fprintf(stderr, "relaxed: %s\n", err.msg);
		_exit(1);
	}
	buf_init(&json, 8192);
	machine_describe(b->machine, &json);
	for (size_t i = 0; i < n; i++)
		CHECK(strstr(buf_cstr(&json), off[i]));
	CHECK(machine_relaxed(b->machine, text, sizeof(text)) == n);
	box_until_exit(b);
	if (!b->exit.clean || !box_logged(b, "guest: poweroff")) {
		fprintf(stderr, "%s\n%s\n", b->exit.text, buf_cstr(&b->log));
		_exit(1);
	}
	buf_fini(&json);
}

static void without_user_namespace(void)
{
	static const char *const off[] = {
		"\"user_ns\":\"off: user.max_user_namespaces is 0\""
	};
	struct box b;

	enter_last_user_namespace(0);
	box_init(&b, "poweroff");
	check_refused(&b, "'user namespace'",
		      "sysctl -w user.max_user_namespaces=");
	check_relaxed(&b, off, ARRAY_SIZE(off));
	box_fini(&b);
}

/* An ordinary user on a host without user namespaces has none at all. */
static void without_any_namespace(void)
{
	static const char *const off[] = {
		"\"user_ns\":\"off: ",	 "\"pid_ns\":\"off: ",
		"\"mount_ns\":\"off: ",	 "\"net_ns\":\"off: ",
		"\"ipc_ns\":\"off: ",	 "\"uts_ns\":\"off: ",
		"\"cgroup_ns\":\"off: ", "\"root\":\"off: ",
	};
	struct box b;

	enter_last_user_namespace(1000);
	drop_all_caps();
	box_init(&b, "poweroff");
	check_refused(&b, "'user namespace'", "engine-jail relaxed");
	check_relaxed(&b, off, ARRAY_SIZE(off));
	box_fini(&b);
}

/* A host whose own filter refuses one system call with EPERM. */
static void refuse_syscall(unsigned nr, unsigned error)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(insn), insn };

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0);
}

static void without_seccomp(void)
{
	static const char *const off[] = { "\"seccomp\":\"off: " };
	struct box b;

	refuse_syscall(SYS_seccomp, EINVAL);
	box_init(&b, "poweroff");
	check_refused(&b, "'seccomp filter'", "Linux kernel of 5.11");
	check_relaxed(&b, off, ARRAY_SIZE(off));
	box_fini(&b);
}

static void without_mount(void)
{
	static const char *const off[] = { "\"root\":\"off: " };
	struct box b;

	refuse_syscall(SYS_mount, EPERM);
	box_init(&b, "poweroff");
	check_refused(&b, "'empty root directory'",
		      "--security-opt seccomp=unconfined");
	check_relaxed(&b, off, ARRAY_SIZE(off));
	box_fini(&b);
}

static void refused_layers_are_named_and_can_be_left_out(void **state)
{
	(void)state;
	in_process(without_user_namespace);
	in_process(without_any_namespace);
	in_process(without_seccomp);
	in_process(without_mount);
}

int jail_tests(void);
int jail_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(running_machine_is_confined),
		cmocka_unit_test(refused_layers_are_named_and_can_be_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
