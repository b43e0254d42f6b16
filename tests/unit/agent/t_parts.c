/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the agent that are functions of their input alone. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/activity.h"
#include "agent/env.h"
#include "agent/exec.h"
#include "agent/fs.h"
#include "agent/guestfiles.h"
#include "agent/mount_plan.h"
#include "agent/rlimit.h"
#include "agent/session.h"
#include "agent/tcp.h"
#include "agent/usage.h"
#include "agent/user.h"

#define V(text) view_cstr(text)

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "junk\n:x:1:1::/:\nbad:x:nan:1::/:\n"
			     "app:x:1000:100:App:/home/app:/bin/sh\n"
			     "short:x:7:8\n"
			     "nohome:x:9:9:::\n"
			     "last:x:4294967295:5::/l:/bin/sh";

static void usage_is_read_from_proc(void **state)
{
	struct msg_usage u = { 0 };

	(void)state;
	usage_parse_meminfo("MemTotal:         502888 kB\n"
			    "MemFree:          492420 kB\n"
			    "MemAvailable:     489240 kB\nBuffers: 0 kB\n",
			    &u);
	assert_int_equal(u.memory_total_bytes, 502888ull * 1024);
	assert_int_equal(u.memory_used_bytes, (502888ull - 489240) * 1024);
	usage_parse_stat("cpu  10 20 30 1000 2000 3 4 5 600 700\n"
			 "cpu0 1 1 1 1 1 1 1 1 1 1\nintr 9\nctxt 8\n"
			 "btime 7\nprocesses 42\nprocs_running 1\n",
			 100, &u);
	assert_int_equal(u.busy_us, 72 * 10000);
	assert_int_equal(u.forks, 42);
}

/* A guest's root may have put anything there. */
static void usage_that_makes_no_sense(void **state)
{
	static const char *const meminfo[] = {
		"",
		"MemTotal:",
		"MemTotal: 5 kB\nMemAvailable: 6 kB\n",
		"xMemTotal: 5 kB\n",
		"MemTotal: 99999999999999999999 kB\n",
	};
	static const char *const stat[] = { "", "cpu", "cpux 1 2", "intr 1" };
	struct msg_usage u = { 0 };
	const struct msg_usage none = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(meminfo); i++)
		usage_parse_meminfo(meminfo[i], &u);
	for (size_t i = 0; i < ARRAY_SIZE(stat); i++)
		usage_parse_stat(stat[i], 100, &u);
	usage_parse_stat("cpu  1 2 3", 0, &u);
	assert_memory_equal(&u, &none, sizeof(u));
	usage_parse_stat("cpu  99999999999999999999 7", 100, &u);
	assert_int_equal(u.busy_us, 70000);
}

static void passwd_lines_are_found(void **state)
{
	struct passwd_entry e;

	(void)state;
	assert_int_equal(passwd_find(V(passwd), V("app"), 0, &e), 0);
	assert_int_equal(e.uid, 1000);
	assert_int_equal(e.gid, 100);
	assert_true(view_is(e.home, "/home/app"));
	assert_int_equal(passwd_find(V(passwd), V(NULL), 7, &e), 0);
	assert_true(view_is(e.name, "short"));
	assert_int_equal(e.home.len, 0);
	assert_int_equal(passwd_find(V(passwd), V("last"), 0, &e), 0);
	assert_int_equal(e.uid, UINT32_MAX);
	assert_int_equal(passwd_find(V(passwd), V("bad"), 0, &e), -ENOENT);
	assert_int_equal(passwd_find(V(passwd), V("ap"), 0, &e), -ENOENT);
	assert_int_equal(passwd_find(V(""), V("root"), 0, &e), -ENOENT);
	assert_int_equal(passwd_find(V(NULL), V(NULL), 0, &e), -ENOENT);
}

static void groups_of_a_user(void **state)
{
	static const char text[] = "root:x:0:\nwheel:x:10:root,app\n"
				   "app:x:100:app\nnope\n"
				   "staff:x:50: app ,other\nx:x:10:app\n"
				   "apples:x:60:apple";
	gid_t list[8];
	uint32_t gid;

	(void)state;
	assert_int_equal(group_find(V(text), V("staff"), &gid), 0);
	assert_int_equal(gid, 50);
	assert_int_equal(group_find(V(text), V("nope"), &gid), -ENOENT);
	assert_int_equal(group_list(V(text), V("app"), 100, list, 8), 3);
	assert_int_equal(list[0], 100);
	assert_int_equal(list[1], 10);
	assert_int_equal(list[2], 50);
	assert_int_equal(group_list(V(text), V("app"), 1, list, 2), 2);
	assert_int_equal(group_list(V(text), V("nobody"), 3, list, 8), 1);
}

static void user_specs(void **state)
{
	struct user_spec s;
	struct err err;

	(void)state;
	assert_int_equal(user_spec_parse(V("app"), &s, &err), 0);
	assert_true(view_is(s.user, "app") && !s.group.p && !s.user_is_id);
	assert_int_equal(user_spec_parse(V(" app : grp "), &s, &err), 0);
	assert_true(view_is(s.user, "app") && view_is(s.group, "grp"));
	assert_int_equal(user_spec_parse(V("1000:5"), &s, &err), 0);
	assert_true(s.user_is_id && s.group_is_id);
	assert_int_equal(s.uid, 1000);
	assert_int_equal(s.gid, 5);
	assert_int_equal(user_spec_parse(V("4294967296"), &s, &err), 0);
	assert_false(s.user_is_id);
	assert_true(user_spec_parse(V("1000:"), &s, &err) < 0);
	assert_string_equal(err.msg, "user spec has empty group");
	assert_true(user_spec_parse(V(":5"), &s, &err) < 0);
	assert_string_equal(err.msg, "user spec has empty user");
	assert_true(user_spec_parse(V(" : "), &s, &err) < 0);
	assert_true(user_spec_is_blank(V(" \t")));
	assert_true(user_spec_is_blank(V(NULL)));
	assert_false(user_spec_is_blank(V("0")));
}

static void compose(const char *const *base, const char *const *request,
		    const char *const *want)
{
	struct strv own = { 0 };
	struct view list[16];
	struct env_block e;
	size_t n = 0, i;

	for (i = 0; base[i]; i++)
		assert_int_equal(strv_add(&own, base[i]), 0);
	for (; request[n]; n++)
		list[n] = V(request[n]);
	assert_int_equal(env_compose(&own, list, n, "/home", &e), 0);
	for (i = 0; want[i]; i++) {
		assert_non_null(e.envp[i]);
		assert_string_equal(e.envp[i], want[i]);
	}
	assert_null(e.envp[i]);
	assert_int_equal(e.n, i);
	env_block_fini(&e);
	strv_fini(&own);
}

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void environments(void **state)
{
	(void)state;
	compose(LIST("A=1", "MSB_USER=x", "PATH=/p", "HOME=/h"),
		LIST("B=2", "A=3", "junk", "=x", "B=4"),
		LIST("A=3", "PATH=/.msb/scripts:/p", "HOME=/h", "B=4"));
	compose(LIST("PATH=/x:/.msb/scripts"), LIST("HOME="),
		LIST("PATH=/x:/.msb/scripts", "HOME="));
	compose(LIST("PATH=/.msb/scripts2"), LIST("PATH="),
		LIST("PATH=/.msb/scripts", "HOME=/home"));
	compose(LIST("AB=1"), LIST("A=2", "ABC=3"),
		LIST("AB=1", "A=2", "ABC=3",
		     "PATH=/.msb/scripts:" ENV_DEFAULT_PATH, "HOME=/home"));
}

static void environment_refuses_nul_bytes(void **state)
{
	struct view list = { (const uint8_t *)"A=\0", 3 };
	struct strv none = { 0 };
	struct env_block e;

	(void)state;
	assert_int_equal(env_compose(&none, &list, 1, "/", &e), -EINVAL);
}

static void mount_paths(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "/a", "/a" },		{ "//a///b/./c/", "/a/b/c" },
		{ "/a/...", "/a/..." }, { "/", NULL },
		{ "/.", NULL },		{ "a", NULL },
		{ "/a/../b", NULL },	{ "/..", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *path = strdup(cases[i].in);

		assert_non_null(path);
		assert_int_equal(mount_path_normalise(path) == 0,
				 cases[i].out != NULL);
		if (cases[i].out)
			assert_string_equal(path, cases[i].out);
		free(path);
	}
}

static struct boot_mount mount_on(enum boot_mount_kind kind, const char *path)
{
	return (struct boot_mount){ .kind = kind,
				    .tag = strdup("t"),
				    .filename = strdup("f"),
				    .path = strdup(path) };
}

static int plan(struct boot_mount *m, size_t n, struct err *err)
{
	int rc = mount_plan(m, n, err);

	for (size_t i = 0; i < n; i++) {
		free(m[i].tag);
		free(m[i].filename);
		/* paths are for the caller to look at: see below */
	}
	return rc;
}

static void free_paths(struct boot_mount *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(m[i].path);
}

static void mounts_are_sorted_parents_first(void **state)
{
	struct boot_mount m[] = {
		mount_on(BOOT_MOUNT_DIR, "/a/b"),
		mount_on(BOOT_MOUNT_DIR, "/a-b"),
		mount_on(BOOT_MOUNT_DIR, "/a/b/c/"),
		mount_on(BOOT_MOUNT_TMPFS, "/a"),
		mount_on(BOOT_MOUNT_FILE, "/a/b.txt"),
	};
	static const char *const want[] = { "/a", "/a/b", "/a/b/c", "/a/b.txt",
					    "/a-b" };

	(void)state;
	assert_int_equal(plan(m, ARRAY_SIZE(m), NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(m); i++)
		assert_string_equal(m[i].path, want[i]);
	free_paths(m, ARRAY_SIZE(m));
}

static void mounts_that_contradict_are_refused(void **state)
{
	struct boot_mount twice[] = { mount_on(BOOT_MOUNT_DIR, "/a/"),
				      mount_on(BOOT_MOUNT_TMPFS, "//a") };
	struct boot_mount below[] = { mount_on(BOOT_MOUNT_DIR, "/f/x/y"),
				      mount_on(BOOT_MOUNT_FILE, "/f") };
	struct boot_mount beside[] = { mount_on(BOOT_MOUNT_DIR, "/f.d"),
				       mount_on(BOOT_MOUNT_FILE, "/f") };
	struct boot_mount root[] = { mount_on(BOOT_MOUNT_DIR, "/") };
	struct err err = { 0 };

	(void)state;
	assert_true(plan(twice, 2, &err) < 0);
	assert_string_equal(err.msg, "two mounts on /a");
	assert_true(plan(below, 2, NULL) < 0);
	assert_int_equal(plan(beside, 2, NULL), 0);
	assert_true(plan(root, 1, NULL) < 0);
	free_paths(twice, 2);
	free_paths(below, 2);
	free_paths(beside, 2);
	free_paths(root, 1);
}

static void hosts_file(void **state)
{
	struct bootspec spec = { .hostname = (char[]){ "box" } };
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	hosts_render(&b, &spec);
	assert_string_equal(buf_cstr(&b),
			    "127.0.0.1\tlocalhost box\n"
			    "::1\tlocalhost ip6-localhost ip6-loopback box\n"
			    "fe00::\tip6-localnet\n"
			    "ff00::\tip6-mcastprefix\n"
			    "ff02::1\tip6-allnodes\n"
			    "ff02::2\tip6-allrouters\n");
	buf_reset(&b);
	spec.hostname = NULL;
	hosts_render(&b, &spec);
	assert_memory_equal(buf_cstr(&b), "127.0.0.1\tlocalhost\n::1\t", 24);
	buf_reset(&b);
	resolv_render(&b, &spec);
	assert_int_equal(buf_len(&b), 0);
	buf_fini(&b);
}

static void network_files(void **state)
{
	struct bootspec spec = {
		.host_alias = (char[]){ "host.microsandbox.internal" },
		.has_network = true,
		.network = { .ipv4 = { .on = true,
				       .gateway = { 172, 16, 0, 5 },
				       .has_dns = true,
				       .dns = { 172, 16, 0, 5 } },
			     .ipv6 = { .on = true,
				       .gateway = { 0xfd, 0x42, [15] = 1 },
				       .has_dns = true,
				       .dns = { 0xfd, 0x42, [15] = 1 } } },
	};
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	hosts_render(&b, &spec);
	assert_string_equal(buf_cstr(&b),
			    "127.0.0.1\tlocalhost\n"
			    "::1\tlocalhost ip6-localhost ip6-loopback\n"
			    "172.16.0.5\thost.microsandbox.internal\n"
			    "fd42::1\thost.microsandbox.internal\n"
			    "fe00::\tip6-localnet\n"
			    "ff00::\tip6-mcastprefix\n"
			    "ff02::1\tip6-allnodes\n"
			    "ff02::2\tip6-allrouters\n");
	buf_reset(&b);
	resolv_render(&b, &spec);
	assert_string_equal(buf_cstr(&b), "nameserver 172.16.0.5\n"
					  "nameserver fd42::1\n");
	buf_reset(&b);
	spec.network.ipv4.on = false;
	resolv_render(&b, &spec);
	assert_string_equal(buf_cstr(&b), "nameserver fd42::1\n");
	spec.host_alias = NULL;
	buf_reset(&b);
	hosts_render(&b, &spec);
	assert_null(strstr(buf_cstr(&b), "fd42"));
	buf_fini(&b);
}

static void profile_block_is_added_once(void **state)
{
	struct buf once, twice;

	(void)state;
	buf_init(&once, 4096);
	buf_init(&twice, 4096);
	assert_true(profile_render(&once, V("umask 022")));
	assert_memory_equal(buf_cstr(&once), "umask 022\n# >>> micro", 21);
	assert_false(profile_render(&twice, view_buf(&once)));
	assert_int_equal(buf_len(&twice), 0);
	buf_fini(&once);
	buf_fini(&twice);
}

static void open_flags(void **state)
{
	static const struct {
		struct msg_fs_open o;
		int flags;
	} cases[] = {
		{ { .read = true }, O_RDONLY },
		{ { .write = true, .create = true, .truncate = true },
		  O_WRONLY | O_CREAT | O_TRUNC },
		{ { .read = true, .write = true }, O_RDWR },
		{ { .append = true, .create = true },
		  O_WRONLY | O_APPEND | O_CREAT },
		{ { .read = true, .append = true }, O_RDWR | O_APPEND },
		{ { .write = true, .create_new = true, .truncate = true },
		  O_WRONLY | O_CREAT | O_EXCL },
		{ { .append = true, .truncate = true, .create_new = true },
		  O_WRONLY | O_APPEND | O_CREAT | O_EXCL },
		{ { .read = false }, -EINVAL },
		{ { .read = true, .create = true }, -EINVAL },
		{ { .append = true, .truncate = true }, -EINVAL },
		{ { .truncate = true }, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int want = cases[i].flags;

		assert_int_equal(fs_open_flags(&cases[i].o),
				 want < 0 ? want : want | O_CLOEXEC);
	}
}

static void failures_have_kinds(void **state)
{
	(void)state;
	assert_int_equal(exec_fail_kind(SPAWN_EXEC, ENOENT),
			 MSG_FAIL_NOT_FOUND);
	assert_int_equal(exec_fail_kind(SPAWN_EXEC, EACCES),
			 MSG_FAIL_PERMISSION_DENIED);
	assert_int_equal(exec_fail_kind(SPAWN_EXEC, ENOEXEC),
			 MSG_FAIL_NOT_EXECUTABLE);
	assert_int_equal(exec_fail_kind(SPAWN_EXEC, E2BIG), MSG_FAIL_BAD_ARGS);
	assert_int_equal(exec_fail_kind(SPAWN_CHDIR, ENOENT), MSG_FAIL_BAD_CWD);
	assert_int_equal(exec_fail_kind(SPAWN_USER, EPERM),
			 MSG_FAIL_USER_SETUP);
	assert_int_equal(exec_fail_kind(SPAWN_RLIMIT, EPERM),
			 MSG_FAIL_RESOURCE_LIMIT);
	assert_int_equal(exec_fail_kind(SPAWN_TTY, EPERM), MSG_FAIL_PTY_SETUP);
	assert_int_equal(exec_fail_kind(SPAWN_CLONE, ENOMEM),
			 MSG_FAIL_OUT_OF_MEMORY);
	assert_int_equal(exec_fail_kind(SPAWN_STDIO, EMFILE),
			 MSG_FAIL_RESOURCE_LIMIT);
}

static void limits_have_names(void **state)
{
	(void)state;
	assert_int_equal(rlimit_find(V("nofile")), RLIMIT_NOFILE);
	assert_int_equal(rlimit_find(V("rttime")), RLIMIT_RTTIME);
	assert_int_equal(rlimit_find(V("cpu")), 0);
	assert_int_equal(rlimit_find(V("nofiles")), -ENOENT);
}

static void hosts_are_resolved(void **state)
{
	static const char file[] = "# 9.9.9.9 web\n10.0.0.1\tweb  alias # x\n"
				   "::5 web\nnonsense web\n1.2.3.4 other";
	struct tcp_addr a[4];

	(void)state;
	assert_int_equal(tcp_resolve(V("1.2.3.4"), 80, V(""), a, 4), 1);
	assert_int_equal(a[0].sa.ss_family, AF_INET);
	assert_int_equal(tcp_resolve(V("[::1]"), 80, V(""), a, 4), 1);
	assert_int_equal(a[0].sa.ss_family, AF_INET6);
	assert_int_equal(tcp_resolve(V("WEB"), 80, V(file), a, 4), 2);
	assert_int_equal(tcp_resolve(V("alias"), 80, V(file), a, 4), 1);
	assert_int_equal(tcp_resolve(V("other"), 80, V(file), a, 4), 1);
	assert_int_equal(tcp_resolve(V("x"), 80, V(file), a, 4), 0);
	assert_int_equal(tcp_resolve(V("localhost"), 80, V(NULL), a, 4), 2);
	assert_int_equal(tcp_resolve(V(""), 80, V(file), a, 4), 0);
}

static void count(struct session *s, void *ctx)
{
	(void)s;
	++*(int *)ctx;
}

static void sessions_are_found_by_id(void **state)
{
	struct session_table t = { 0 };
	struct session s[600];
	int fs = 0;

	(void)state;
	for (uint32_t i = 0; i < 600; i++)
		session_add(&t, &s[i], i * 33554431u + 1,
			    i % 3 ? SESSION_EXEC : SESSION_FS);
	assert_int_equal(t.count, 600);
	for (uint32_t i = 0; i < 600; i++)
		assert_ptr_equal(session_find(&t, i * 33554431u + 1), &s[i]);
	session_each(&t, SESSION_FS, count, &fs);
	assert_int_equal(fs, 200);
	session_del(&t, &s[5]);
	assert_null(session_find(&t, s[5].id));
	assert_int_equal(t.count, 599);
}

static void heartbeat_text(void **state)
{
	struct activity a = { .heartbeat_seq = 3, .last_ms = 1000, .execs = 2 };
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	activity_render(&a, 1767323045678ull * 1000000, 3000, &b);
	assert_non_null(strstr(buf_cstr(&b), "\"heartbeat_seq\": 3,"));
	assert_non_null(strstr(buf_cstr(&b),
			       "\"timestamp\": \"2026-01-02T03:04:05.678Z\""));
	assert_non_null(
		strstr(buf_cstr(&b),
		       "\"last_activity\": \"2026-01-02T03:04:03.678Z\""));
	assert_non_null(strstr(buf_cstr(&b), "\"active_sessions\": 2,"));
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage_is_read_from_proc),
		cmocka_unit_test(usage_that_makes_no_sense),
		cmocka_unit_test(passwd_lines_are_found),
		cmocka_unit_test(groups_of_a_user),
		cmocka_unit_test(user_specs),
		cmocka_unit_test(environments),
		cmocka_unit_test(environment_refuses_nul_bytes),
		cmocka_unit_test(mount_paths),
		cmocka_unit_test(mounts_are_sorted_parents_first),
		cmocka_unit_test(mounts_that_contradict_are_refused),
		cmocka_unit_test(hosts_file),
		cmocka_unit_test(network_files),
		cmocka_unit_test(profile_block_is_added_once),
		cmocka_unit_test(open_flags),
		cmocka_unit_test(failures_have_kinds),
		cmocka_unit_test(limits_have_names),
		cmocka_unit_test(hosts_are_resolved),
		cmocka_unit_test(sessions_are_found_by_id),
		cmocka_unit_test(heartbeat_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
