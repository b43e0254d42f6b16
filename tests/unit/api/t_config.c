/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration builder: what it takes, and the text of every refusal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "world.h"

static struct world *w;
static msb_config_t *c;

static int setup(void **state)
{
	msb_error_t *e = NULL;

	w = world_make(NULL);
	*state = w;
	return msb_config_new(w->m, &c, &e);
}

static int teardown(void **state)
{
	(void)state;
	msb_config_free(c);
	world_free(w);
	return 0;
}

/* The call must fail as an invalid configuration with this in its text. */
#define REFUSED(call, want)                                                    \
	do {                                                                   \
		msb_error_t *e = NULL;                                         \
		assert_true((call) < 0);                                       \
		assert_int_equal(msb_error_kind(e), MSB_ERR_INVALID);          \
		expect_in(msb_error_text(e), "invalid config: ");              \
		expect_in(msb_error_text(e), want);                            \
		msb_error_free(e);                                             \
	} while (0)
#define TAKEN(call)                                                            \
	do {                                                                   \
		msb_error_t *e = NULL;                                         \
		assert_int_equal((call), 0);                                   \
		assert_null(e);                                                \
	} while (0)

static void expect_in(const char *text, const char *want)
{
	if (!strstr(text, want))
		print_error("'%s' lacks '%s'\n", text, want);
	assert_non_null(strstr(text, want));
}

static void names(void **state)
{
	char name[130];

	(void)state;
	REFUSED(msb_config_set_name(c, "", &e), "sandbox name is required");
	REFUSED(msb_config_set_name(c, "../x", &e), "'../x' must be 1 to 128");
	memset(name, 'n', sizeof(name));
	name[129] = 0;
	REFUSED(msb_config_set_name(c, name, &e), "1 to 128");
	name[128] = 0;
	TAKEN(msb_config_set_name(c, name, &e));
	TAKEN(msb_config_set_name(c, "box", &e));
	assert_string_equal(c->c.name, "box");
}

static void images(void **state)
{
	char path[128], shown[256];

	(void)state;
	REFUSED(msb_config_set_image(c, "", &e), "image source is required");
	REFUSED(msb_config_set_image(c, "./no/such", &e),
		"rootfs bind path does not exist: ./no/such");
	(void)snprintf(path, sizeof(path), "%s/file", w->base);
	world_file(path, "x");
	(void)snprintf(shown, sizeof(shown),
		       "rootfs bind path is not a directory: %s", path);
	REFUSED(msb_config_set_image(c, path, &e), shown);
	TAKEN(msb_config_set_image(c, "alpine", &e));
	assert_int_equal(c->c.root.kind, ROOT_OCI);
	assert_string_equal(c->c.root.reference, "alpine");
	REFUSED(msb_config_set_image(c, "Alpine", &e),
		"invalid image reference: ");
	REFUSED(msb_config_set_image(c, ".hidden", &e),
		"rootfs bind path does not exist: .hidden");
	REFUSED(msb_config_set_image(c, "./disk.qcow2", &e),
		"disk image does not exist: ./disk.qcow2");
	(void)snprintf(path, sizeof(path), "%s/disk.qcow2", w->base);
	world_file(path, "x");
	TAKEN(msb_config_set_image(c, path, &e));
	assert_int_equal(c->c.root.kind, ROOT_DISK);
	assert_int_equal(c->c.root.format, DISK_FORMAT_QCOW2);
	assert_string_equal(c->c.root.path, path);
	(void)snprintf(path, sizeof(path), "%s/dir.raw", w->base);
	assert_int_equal(mkdir(path, 0700), 0);
	(void)snprintf(shown, sizeof(shown),
		       "disk image is not a regular file: %s", path);
	REFUSED(msb_config_set_image(c, path, &e), shown);
	/* Kept without links and relative parts. */
	(void)snprintf(path, sizeof(path), "%s/link", w->base);
	assert_int_equal(symlink(w->rootfs, path), 0);
	(void)snprintf(shown, sizeof(shown), "%s/./", path);
	TAKEN(msb_config_set_image(c, shown, &e));
	assert_string_equal(c->c.root.path, w->rootfs);
}

static void sizes(void **state)
{
	(void)state;
	REFUSED(msb_config_set_cpus(c, 0, &e), "cpus must be at least 1");
	REFUSED(msb_config_set_cpus(c, 100000, &e), "cpus must be at most ");
	REFUSED(msb_config_set_memory_mib(c, 0, &e),
		"memory must be at least 32 MiB; got 0");
	REFUSED(msb_config_set_memory_mib(c, UINT32_MAX, &e),
		"memory must be at most ");
	TAKEN(msb_config_set_cpus(c, 8, &e));
	TAKEN(msb_config_set_memory_mib(c, 32, &e));
	REFUSED(msb_config_set_max_duration_s(c, UINT64_MAX, &e),
		"max duration must be at most");
	REFUSED(msb_config_set_idle_timeout_s(c, UINT64_MAX, &e),
		"idle timeout must be at most");
	TAKEN(msb_config_set_idle_timeout_s(c, 0, &e));
}

static void texts(void **state)
{
	(void)state;
	REFUSED(msb_config_set_workdir(c, "tmp", &e),
		"workdir must be an absolute path, got: tmp");
	REFUSED(msb_config_set_workdir(c, "/\xff", &e), "not valid UTF-8");
	REFUSED(msb_config_set_shell(c, "", &e), "shell must not be empty");
	REFUSED(msb_config_set_shell(c, "a b", &e),
		"shell must not be a text with spaces");
	REFUSED(msb_config_set_shell(c, "/", &e), "shell must not be '/'");
	REFUSED(msb_config_set_hostname(c, "", &e), "1 to 64 bytes, got 0");
	REFUSED(msb_config_set_hostname(c, "a b", &e), "'a b' must be of");
	REFUSED(msb_config_set_hostname(c, "a\n1.2.3.4 b", &e), "must be of");
	REFUSED(msb_config_set_user(c, "", &e), "empty user part");
	REFUSED(msb_config_set_user(c, ":g", &e), "empty user part");
	REFUSED(msb_config_set_user(c, "u:", &e), "empty group part");
	REFUSED(msb_config_set_log_level(c, "loud", &e),
		"invalid log level: loud (expected: error, warn, info, debug, "
		"trace)");
	REFUSED(msb_config_set_engine(c, "vmware", &e),
		"invalid engine: vmware (expected: auto, kvm, uml)");
	REFUSED(msb_config_set_engine_mode(c, "x", &e), "invalid engine mode");
	REFUSED(msb_config_set_engine_jail(c, "x", &e),
		"(expected: strict, relaxed)");
	REFUSED(msb_config_set_init(c, "init", &e),
		"init must be an absolute path or `auto`, got: init");
	REFUSED(msb_config_add_init_arg(c, "a\x1f", &e), "0x1f");
	TAKEN(msb_config_set_init(c, "auto", &e));
	TAKEN(msb_config_set_shell(c, "bash", &e));
	TAKEN(msb_config_set_user(c, "1000:www", &e));
}

static void environment(void **state)
{
	(void)state;
	REFUSED(msb_config_add_env(c, "", "x", &e), "name '' must not be");
	REFUSED(msb_config_add_env(c, "A=B", "x", &e), "name 'A=B' must not");
	REFUSED(msb_config_add_env(c, "MSB_USER", "x", &e),
		"'MSB_USER': names that begin with MSB_ are reserved");
	REFUSED(msb_config_add_env(c, "A", "\xff", &e), "not valid UTF-8");
	REFUSED(msb_config_add_init_env(c, "MSB_X", "1", &e), "reserved");
	TAKEN(msb_config_add_env(c, "A", "1", &e));
	TAKEN(msb_config_add_env(c, "B", "", &e));
	TAKEN(msb_config_add_env(c, "A", "2=3", &e));
	assert_int_equal(c->c.env.n, 2);
	assert_string_equal(c->c.env.v[0], "A=2=3");
}

static void limits(void **state)
{
	(void)state;
	REFUSED(msb_config_add_rlimit(c, "bogus", 1, 1, &e),
		"unknown rlimit resource: bogus");
	REFUSED(msb_config_add_rlimit(c, "nofile", 5, 4, &e),
		"soft limit cannot exceed hard limit");
	TAKEN(msb_config_add_rlimit(c, "NoFile", 5, 6, &e));
	TAKEN(msb_config_add_rlimit(c, "nofile", 7, UINT64_MAX, &e));
	assert_int_equal(c->c.nrlimits, 1);
	assert_string_equal(c->c.rlimits[0].resource, "nofile");
	assert_int_equal(c->c.rlimits[0].soft, 7);
}

static void scripts(void **state)
{
	static char big[9 << 20];

	(void)state;
	memset(big, 'x', sizeof(big));
	REFUSED(msb_config_add_script(c, "", "x", 1, &e),
		"invalid script name");
	REFUSED(msb_config_add_script(c, "a/b", "x", 1, &e), "invalid script");
	REFUSED(msb_config_add_script(c, "..", "x", 1, &e), "invalid script");
	REFUSED(msb_config_add_script(c, "s", "\xff", 1, &e), "UTF-8");
	REFUSED(msb_config_add_script(c, "s", big, sizeof(big), &e), "8 MiB");
	TAKEN(msb_config_add_script(c, "s", "echo\n", 5, &e));
	REFUSED(msb_config_add_script(c, "s", "x", 1, &e),
		"script name 's' specified more than once");
}

static void guest_paths(void **state)
{
	static const struct {
		const char *given, *want;
	} good[] = { { "/a", "/a" },
		     { "//a//b/", "/a/b" },
		     { "/./a/./b/.", "/a/b" },
		     { "/..a/b..", "/..a/b.." } };

	(void)state;
	REFUSED(msb_config_add_tmpfs(c, "data", NULL, &e), "must be absolute");
	REFUSED(msb_config_add_tmpfs(c, "", NULL, &e), "must be absolute");
	REFUSED(msb_config_add_tmpfs(c, "/", NULL, &e), "must not be '/'");
	REFUSED(msb_config_add_tmpfs(c, "/./", NULL, &e), "must not be '/'");
	REFUSED(msb_config_add_tmpfs(c, "/a/../b", NULL, &e), "hold '..'");
	REFUSED(msb_config_add_tmpfs(c, "/a:b", NULL, &e), "':' or ';'");
	REFUSED(msb_config_add_tmpfs(c, "/a;b", NULL, &e), "':' or ';'");
	REFUSED(msb_config_add_tmpfs(c, "/.msb", NULL, &e), "is reserved");
	REFUSED(msb_config_add_tmpfs(c, "/.msb/x", NULL, &e), "is reserved");
	REFUSED(msb_config_add_tmpfs(c, "/proc/", NULL, &e), "guest's system");
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char *path;

		assert_int_equal(guest_path_parse(good[i].given, &path, NULL),
				 0);
		assert_string_equal(path, good[i].want);
		free(path);
	}
}

static void mounts(void **state)
{
	const msb_mount_options_t sized = { .size_mib = 16 };
	msb_mount_options_t o = { .flags = 0 };
	char fifo[128];

	(void)state;
	REFUSED(msb_config_add_bind(c, "/no/such", "/d", NULL, &e),
		"host path does not exist: /no/such");
	REFUSED(msb_config_add_bind(c, "", "/d", NULL, &e),
		"must not be empty");
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", w->base);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	REFUSED(msb_config_add_bind(c, fifo, "/d", NULL, &e),
		"neither a directory nor a regular file");
	o.stat_virt = MSB_STAT_VIRT_OFF;
	o.host_perms = MSB_HOST_PERMS_MIRROR;
	REFUSED(msb_config_add_bind(c, w->base, "/d", &o, &e),
		"cannot be combined");
	o.host_perms = MSB_HOST_PERMS_PRIVATE;
	REFUSED(msb_config_add_tmpfs(c, "/d", &o, &e), "does not take");
	o.flags = 1u << 20;
	REFUSED(msb_config_add_bind(c, w->base, "/d", &o, &e),
		"an option this version does not have");
	o = (msb_mount_options_t){ .flags = MSB_MOUNT_READONLY };
	TAKEN(msb_config_add_bind(c, w->base, "/a/b/c", &o, &e));
	TAKEN(msb_config_add_tmpfs(c, "/ab", NULL, &e));
	TAKEN(msb_config_add_tmpfs(c, "/a", &sized, &e));
	REFUSED(msb_config_add_tmpfs(c, "/a/", NULL, &e),
		"guest path '/a' is mounted more than once");
	/* A parent goes before its children, whatever order they came in. */
	assert_int_equal(c->c.nmounts, 3);
	assert_string_equal(c->c.mounts[0].guest, "/a");
	assert_string_equal(c->c.mounts[1].guest, "/a/b/c");
	assert_string_equal(c->c.mounts[2].guest, "/ab");
	assert_int_equal(c->c.mounts[0].size_mib, 16);
	assert_int_equal(c->c.mounts[1].flags, MOUNT_READONLY);
	assert_int_equal(c->c.mounts[1].quota_mib, MSB_BIND_QUOTA_MIB);
}

static void links_in_host_paths(void **state)
{
	const msb_mount_options_t follow = {
		.flags = MSB_MOUNT_FOLLOW_SYMLINKS
	};
	char path[256], link[256];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/dir", w->base);
	(void)snprintf(link, sizeof(link), "%s/link", w->base);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(symlink("dir", link), 0);
	REFUSED(msb_config_add_bind(c, link, "/d", NULL, &e),
		"follow-root-symlinks");
	TAKEN(msb_config_add_bind(c, link, "/d", &follow, &e));
	assert_string_equal(c->c.mounts[0].host, path);
	assert_true(c->c.mounts[0].follow_root_symlinks);
	(void)snprintf(link, sizeof(link), "%s//./dir/../dir/", w->base);
	TAKEN(msb_config_add_bind(c, link, "/e", NULL, &e));
	assert_string_equal(c->c.mounts[1].host, path);
	/* link/.. is not where it stands */
	(void)snprintf(link, sizeof(link), "%s/dir/out", w->base);
	assert_int_equal(symlink("/", link), 0);
	(void)snprintf(link, sizeof(link), "%s/dir/out/../etc", w->base);
	REFUSED(msb_config_add_bind(c, link, "/f", NULL, &e),
		"symbolic link before a");
	(void)snprintf(path, sizeof(path), "%s/dir/etc", w->base);
	assert_int_equal(mkdir(path, 0700), 0);
	REFUSED(msb_config_add_bind(c, link, "/f", NULL, &e),
		"follow-root-symlinks");
}

static void hostname_is_derived_from_long_names(void **state)
{
	char name[129], out[65], other[65];

	(void)state;
	TAKEN(msb_config_set_name(c, "box", &e));
	hostname_derive(&c->c, out, sizeof(out));
	assert_string_equal(out, "box");
	memset(name, 'n', sizeof(name) - 1);
	name[128] = 0;
	TAKEN(msb_config_set_name(c, name, &e));
	hostname_derive(&c->c, out, sizeof(out));
	assert_int_equal(strlen(out), 63);
	assert_int_equal(strncmp(out, name, 54), 0);
	assert_int_equal(out[54], '-');
	name[127] = 'm';
	TAKEN(msb_config_set_name(c, name, &e));
	hostname_derive(&c->c, other, sizeof(other));
	assert_string_not_equal(out, other);
	TAKEN(msb_config_set_hostname(c, "given", &e));
	hostname_derive(&c->c, out, sizeof(out));
	assert_string_equal(out, "given");
}

static void defaults_come_from_the_file(void **state)
{
	struct world *other = world_make(
		"\"sandbox_defaults\":{\"cpus\":2,\"memory_mib\":64,"
		"\"shell\":\"zsh\",\"workdir\":\"/srv\",\"engine_jail\":"
		"\"relaxed\"},\"log_level\":\"debug\",");
	struct world *bad =
		world_make("\"sandbox_defaults\":{\"memory_mib\":4294967295},");
	msb_config_t *d;

	(void)state;
	TAKEN(msb_config_new(other->m, &d, &e));
	assert_int_equal(d->c.cpus, 2);
	assert_int_equal(d->c.memory_mib, 64);
	assert_string_equal(d->c.shell, "zsh");
	assert_string_equal(d->c.workdir, "/srv");
	assert_string_equal(d->c.log_level, "debug");
	assert_string_equal(d->c.engine_jail, "relaxed");
	msb_config_free(d);
	REFUSED(msb_config_new(bad->m, &d, &e), "memory must be at most");
	world_free(other);
	world_free(bad);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(names),
		TEST(images),
		TEST(sizes),
		TEST(texts),
		TEST(environment),
		TEST(limits),
		TEST(scripts),
		TEST(guest_paths),
		TEST(mounts),
		TEST(links_in_host_paths),
		TEST(hostname_is_derived_from_long_names),
		TEST(defaults_come_from_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
