/* SPDX-License-Identifier: Apache-2.0 */
/* Value grammars: every form and every error text; detach keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "cli/detach.h"
#include "cli/grammar.h"

static struct err err;

#define WANT(call, text)                                                       \
	do {                                                                   \
		memset(&err, 0, sizeof(err));                                  \
		assert_true((call) < 0);                                       \
		assert_string_equal(err.msg, (text));                          \
	} while (0)

static void sizes(void **state)
{
	static const struct {
		const char *text;
		uint32_t mib;
	} good[] = {
		{ "512", 512 },	   { "512M", 512 },
		{ "512m", 512 },   { "1G", 1024 },
		{ "1.5g", 1536 },  { "0.5G", 512 },
		{ " 64M ", 64 },   { "0", 0 },
		{ "1e1G", 10240 }, { "4194303.5G", 4294966784u },
	};
	uint32_t mib;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(grammar_size(good[i].text, &mib, &err), 0);
		assert_true(mib == good[i].mib);
	}
	WANT(grammar_size("", &mib, &err),
	     "invalid size (expected e.g. 512M, 1G): ");
	WANT(grammar_size("1T", &mib, &err),
	     "invalid size (expected e.g. 512M, 1G): 1T");
	WANT(grammar_size("1.5M", &mib, &err),
	     "invalid size (expected e.g. 512M, 1G): 1.5M");
	WANT(grammar_size("-1", &mib, &err),
	     "invalid size (expected e.g. 512M, 1G): -1");
	WANT(grammar_size("M", &mib, &err),
	     "invalid size (expected e.g. 512M, 1G): M");
	WANT(grammar_size("xG", &mib, &err), "invalid size: xG");
	WANT(grammar_size("G", &mib, &err), "invalid size: G");
	WANT(grammar_size("0x1G", &mib, &err), "invalid size: 0x1G");
	WANT(grammar_size("-1G", &mib, &err),
	     "size must be a finite positive number");
	WANT(grammar_size("nanG", &mib, &err),
	     "size must be a finite positive number");
	WANT(grammar_size("infG", &mib, &err),
	     "size must be a finite positive number");
	WANT(grammar_size("4294967296", &mib, &err),
	     "size too large: 4294967296");
	WANT(grammar_size("4194304G", &mib, &err), "size too large: 4194304G");
	WANT(grammar_size("99999999999999999999", &mib, &err),
	     "size too large: 99999999999999999999");
}

static void durations(void **state)
{
	uint64_t v;

	(void)state;
	assert_int_equal(grammar_duration("--t", "90", &v, &err), 0);
	assert_int_equal(v, 90);
	assert_int_equal(grammar_duration("--t", "30s", &v, &err), 0);
	assert_int_equal(v, 30);
	assert_int_equal(grammar_duration("--t", "5 m", &v, &err), 0);
	assert_int_equal(v, 300);
	assert_int_equal(grammar_duration("--t", "2h", &v, &err), 0);
	assert_int_equal(v, 7200);
	WANT(grammar_duration("--t", "0", &v, &err),
	     "--t: must be greater than zero");
	WANT(grammar_duration("--t", "1h30m", &v, &err),
	     "--t: invalid duration '1h30m' (expected e.g. 30s, 5m, 1h)");
	WANT(grammar_duration("--t", "1.5s", &v, &err),
	     "--t: invalid duration '1.5s' (expected e.g. 30s, 5m, 1h)");
	WANT(grammar_duration("--t", "500ms", &v, &err),
	     "--t: invalid duration '500ms' (expected e.g. 30s, 5m, 1h)");
	WANT(grammar_duration("--t", "1d", &v, &err),
	     "--t: invalid duration '1d' (expected e.g. 30s, 5m, 1h)");
	WANT(grammar_duration("--t", "", &v, &err),
	     "--t: invalid duration '' (expected e.g. 30s, 5m, 1h)");
	WANT(grammar_duration("--t", "s", &v, &err),
	     "--t: invalid duration 's' (expected e.g. 30s, 5m, 1h)");
	WANT(grammar_duration("--t", "18446744073709551615h", &v, &err),
	     "--t: duration too long: 18446744073709551615h");
	assert_int_equal(grammar_grace("--g", "0", &v, &err), 0);
	assert_int_equal(v, 0);
	assert_int_equal(grammar_grace("--g", "500ms", &v, &err), 0);
	assert_int_equal(v, 500);
	assert_int_equal(grammar_grace("--g", "2m", &v, &err), 0);
	assert_int_equal(v, 120000);
	WANT(grammar_grace("--g", "x", &v, &err),
	     "--g: invalid duration 'x' (expected e.g. 500ms, 30s, 5m, 1h)");
}

static char host_value[] = "from host";

static char *lookup(const char *key)
{
	static char broken[] = "\xff";

	if (!strcmp(key, "BROKEN"))
		return broken;
	return !strcmp(key, "KEY") ? host_value : NULL;
}

static void expect_env(const char *text, const char *key, const char *value)
{
	const char *v;
	char *k;

	assert_int_equal(grammar_env(text, lookup, &k, &v, &err), 0);
	assert_string_equal(k, key);
	assert_string_equal(v, value);
	free(k);
}

static void environment(void **state)
{
	const char *v;
	char *k;

	(void)state;
	expect_env("A=1", "A", "1");
	expect_env("A=", "A", "");
	expect_env("A=b=c", "A", "b=c");
	expect_env("KEY", "KEY", "from host");
	WANT(grammar_env("NONE", lookup, &k, &v, &err),
	     "environment variable 'NONE' not set");
	WANT(grammar_env("BROKEN", lookup, &k, &v, &err),
	     "environment variable 'BROKEN' not set");
	WANT(grammar_env("MSB_USER=x", lookup, &k, &v, &err),
	     "environment variable 'MSB_USER' is reserved: names beginning "
	     "with MSB_ belong to msb");
}

static void expect_volume(const char *text, const char *source,
			  const char *guest, bool ro, int stat_virt,
			  int host_perms)
{
	struct mount_arg m;

	assert_int_equal(grammar_mount(MOUNT_ARG_VOLUME, text, &m, &err), 0);
	assert_string_equal(m.source, source);
	assert_string_equal(m.guest, guest);
	assert_true(m.readonly == ro);
	assert_int_equal(m.stat_virt, stat_virt);
	assert_int_equal(m.host_perms, host_perms);
	assert_true(m.named == (source[0] != '.' && source[0] != '/'));
	mount_arg_fini(&m);
}

#define VOLUME(text) grammar_mount(MOUNT_ARG_VOLUME, text, &m, &err)
#define NAMED(text) grammar_mount(MOUNT_ARG_NAMED, text, &m, &err)
#define DISK(text) grammar_mount(MOUNT_ARG_DISK, text, &m, &err)

static void volumes(void **state)
{
	struct mount_arg m;

	(void)state;
	expect_volume("./a:/b", "./a", "/b", false, 0, 0);
	expect_volume(".:/b", ".", "/b", false, 0, 0);
	expect_volume("..:/b", "..", "/b", false, 0, 0);
	expect_volume("/a:/b,ro", "/a", "/b", true, 0, 0);
	expect_volume("/a:/b:ro", "/a", "/b", true, 0, 0);
	expect_volume("/a:/b,rw", "/a", "/b", false, 0, 0);
	expect_volume("/a:/b,ro,stat-virt=relaxed,host-perms=mirror", "/a",
		      "/b", true, 1, 1);
	expect_volume("/a:/b:stat-virt=off, ro ,,", "/a", "/b", true, 2, 0);
	expect_volume("./a:b:/c", "./a:b", "/c", false, 0, 0);
	expect_volume("./a:c", "./a", "c", false, 0, 0);
	expect_volume("data:/c", "data", "/c", false, 0, 0);
	expect_volume("data:/c:ro,host-perms=mirror", "data", "/c", true, 0, 1);
	expect_volume("~/x:/c", "~/x", "/c", false, 0, 0);
	assert_int_equal(VOLUME("/a:/b:noexec,nosuid,nodev"), 0);
	assert_true(m.noexec && m.nosuid && m.nodev && !m.readonly);
	assert_false(m.has_quota);
	mount_arg_fini(&m);
	assert_int_equal(VOLUME("/a:/b:quota=1G,follow-root-symlinks"), 0);
	assert_true(m.has_quota && m.follow_symlinks);
	assert_int_equal(m.quota_mib, 1024);
	mount_arg_fini(&m);
	assert_int_equal(VOLUME("v:/b,quota=0"), 0);
	assert_true(m.has_quota && m.named);
	assert_int_equal(m.quota_mib, 0);
	mount_arg_fini(&m);
}

static void wrong_volumes(void **state)
{
	struct mount_arg m;

	(void)state;
	WANT(VOLUME("/a"), "volume must be in format source:guest");
	WANT(VOLUME(":/a"), "volume must be in format source:guest");
	WANT(VOLUME("/a:/b,ro,rw"),
	     "volume option `ro`/`rw` specified more than once");
	WANT(VOLUME("/a:/b,ro,ro"),
	     "volume option `ro`/`rw` specified more than once");
	WANT(VOLUME("/a:/b,stat-virt=off,stat-virt=off"),
	     "volume option `stat-virt` specified more than once");
	WANT(VOLUME("/a:/b,host-perms=mirror,host-perms=mirror"),
	     "volume option `host-perms` specified more than once");
	WANT(VOLUME("/a:/b,stat-virt=x"),
	     "invalid stat-virt \"x\" (expected strict|relaxed|off)");
	WANT(VOLUME("/a:/b,host-perms="),
	     "invalid host-perms \"\" (expected private|mirror)");
	WANT(VOLUME("/a:/b,frob"), "volume option \"frob\" must be key=value");
	WANT(VOLUME("/a:/b,quota"),
	     "volume option \"quota\" must be key=value");
	WANT(VOLUME("/a:/b,frob=1"), "unknown volume option \"frob=1\"");
	WANT(VOLUME("/a:/b,ro=1"), "unknown volume option \"ro=1\"");
	WANT(VOLUME("/a:/b:exec"),
	     "unsupported mount option `exec`: it is the default");
	WANT(VOLUME("/a:/b:size=1"), "volume option `size` is not valid here");
	WANT(VOLUME("v:/b:follow-root-symlinks"),
	     "volume option `follow-root-symlinks` is not valid here");
	WANT(VOLUME("/a:/b,stat-virt=off,host-perms=mirror"),
	     "stat-virt=off and host-perms=mirror cannot be combined");
}

static void explicit_mounts(void **state)
{
	struct mount_arg m;

	(void)state;
	assert_int_equal(NAMED("v:/b:kind=disk,size=10G,ro"), 0);
	assert_true(m.named && m.disk && m.readonly);
	assert_int_equal(m.size_mib, 10240);
	mount_arg_fini(&m);
	assert_int_equal(NAMED("v:/b,kind=directory,quota=5"), 0);
	assert_false(m.disk);
	mount_arg_fini(&m);
	WANT(NAMED("./v:/b"), "--mount-named takes the name of a volume, not a "
			      "path: ./v");
	WANT(NAMED("v:/b:kind=disk"), "kind=disk and size= belong together");
	WANT(NAMED("v:/b:size=1"), "kind=disk and size= belong together");
	WANT(NAMED("v:/b:kind=disk,size=0"), "size must be more than zero");
	WANT(NAMED("v:/b:kind=disk,size=1,quota=1"),
	     "kind=disk has neither a quota nor stat-virt and host-perms");
	WANT(NAMED("v:/b:kind=disk,size=1,stat-virt=off"),
	     "kind=disk has neither a quota nor stat-virt and host-perms");
	WANT(NAMED("v:/b:kind=tape"),
	     "invalid kind \"tape\" (expected dir|directory|disk)");
	assert_int_equal(DISK("d.img:/b:format=qcow2,fstype=xfs"), 0);
	assert_false(m.named);
	assert_int_equal(m.format, 1);
	assert_string_equal(m.fstype, "xfs");
	mount_arg_fini(&m);
	WANT(DISK("d:/b:fstype=a:b"), "invalid fstype \"a:b\"");
	WANT(DISK("d:/b:quota=1"), "mount option `quota` is not valid here");
	WANT(DISK("d:/b:fstype=ext4,fstype=ext4"),
	     "mount option `fstype` specified more than once");
	assert_int_equal(grammar_mount(MOUNT_ARG_FILE, "f:/b:ro", &m, &err), 0);
	assert_false(m.named);
	assert_string_equal(m.source, "f");
	mount_arg_fini(&m);
	WANT(grammar_mount(MOUNT_ARG_FILE, "f:/b:quota=1", &m, &err),
	     "mount option `quota` is not valid here");
	WANT(grammar_mount(MOUNT_ARG_DIR, "f", &m, &err),
	     "mount must be in format source:guest");
}

static void expect_tmpfs(const char *text, uint32_t mib, bool ro)
{
	struct mount_arg m;

	assert_int_equal(grammar_tmpfs(text, &m, &err), 0);
	assert_string_equal(m.guest, "/t");
	assert_null(m.source);
	assert_int_equal(m.size_mib, mib);
	assert_true(m.readonly == ro);
	mount_arg_fini(&m);
}

static void tmpfs(void **state)
{
	struct mount_arg m;

	(void)state;
	expect_tmpfs("/t", 0, false);
	expect_tmpfs("/t:64", 64, false);
	expect_tmpfs("/t:64M", 64, false);
	expect_tmpfs("/t:1.5G", 1536, false);
	expect_tmpfs("/t:64:ro", 64, true);
	expect_tmpfs("/t:ro", 0, true);
	expect_tmpfs("/t:size=8,ro", 8, true);
	expect_tmpfs("/t:size=8", 8, false);
	expect_tmpfs("/t:noexec,nosuid", 0, false);
	WANT(grammar_tmpfs("/t:x", &m, &err),
	     "invalid size (expected e.g. 512M, 1G): x");
	WANT(grammar_tmpfs("", &m, &err), "tmpfs path must not be empty");
	WANT(grammar_tmpfs(":1G", &m, &err), "tmpfs path must not be empty");
	WANT(grammar_tmpfs("/t::ro", &m, &err),
	     "tmpfs must be in format PATH[:SIZE][:OPTIONS]");
	WANT(grammar_tmpfs("/t:8:size=8", &m, &err),
	     "mount option `size` specified more than once");
	WANT(grammar_tmpfs("/t:exec", &m, &err),
	     "unsupported mount option `exec`: it is the default");
	WANT(grammar_tmpfs("/t:stat-virt=off", &m, &err),
	     "mount option `stat-virt` is not valid here");
	WANT(grammar_tmpfs("/t:0", &m, &err), "size must be more than zero");
}

static void copies(void **state)
{
	struct copy_arg c;

	(void)state;
	assert_int_equal(grammar_copy("box:/a:b", &c, &err), 0);
	assert_string_equal(c.sandbox, "box");
	assert_string_equal(c.path, "/a:b");
	copy_arg_fini(&c);
	for (size_t i = 0; i < 6; i++) {
		static const char *const host[] = { "a",     "./a:b", "../a:/b",
						    "/a:/b", ".",     ".." };

		assert_int_equal(grammar_copy(host[i], &c, &err), 0);
		assert_null(c.sandbox);
		assert_string_equal(c.path, host[i]);
		copy_arg_fini(&c);
	}
	WANT(grammar_copy("", &c, &err), "path to copy must not be empty");
	WANT(grammar_copy("box:a", &c, &err),
	     "ambiguous copy endpoint: box:a (NAME:/path is in a sandbox, "
	     "./path is here)");
	WANT(grammar_copy(":/a", &c, &err),
	     "ambiguous copy endpoint: :/a (NAME:/path is in a sandbox, "
	     "./path is here)");
}

static void rlimits(void **state)
{
	struct rlimit_arg r;

	(void)state;
	assert_int_equal(grammar_rlimit("nofile=1024", &r, &err), 0);
	assert_string_equal(r.resource, "nofile");
	assert_int_equal(r.soft, 1024);
	assert_int_equal(r.hard, 1024);
	assert_int_equal(grammar_rlimit("NoFile=1024:4096", &r, &err), 0);
	assert_string_equal(r.resource, "nofile");
	assert_int_equal(r.hard, 4096);
	assert_int_equal(grammar_rlimit("as=18446744073709551615", &r, &err),
			 0);
	assert_true(r.soft == UINT64_MAX);
	WANT(grammar_rlimit("nofile", &r, &err),
	     "rlimit must be in format RESOURCE=LIMIT");
	WANT(grammar_rlimit("nofile=1:2:3", &r, &err),
	     "too many ':' separators in rlimit: nofile=1:2:3");
	WANT(grammar_rlimit("nofile=5:4", &r, &err),
	     "soft limit cannot exceed hard limit: nofile=5:4");
	WANT(grammar_rlimit("bogus=1", &r, &err),
	     "unknown rlimit resource: bogus");
	WANT(grammar_rlimit("=1", &r, &err), "unknown rlimit resource: ");
	WANT(grammar_rlimit("nofile=x", &r, &err),
	     "invalid soft limit in rlimit: nofile=x");
	WANT(grammar_rlimit("nofile=1:unlimited", &r, &err),
	     "invalid hard limit in rlimit: nofile=1:unlimited");
}

static void pull_policies(void **state)
{
	int policy = -1;

	(void)state;
	assert_int_equal(grammar_pull("if-missing", &policy, &err), 0);
	assert_int_equal(policy, 0);
	assert_int_equal(grammar_pull("always", &policy, &err), 0);
	assert_int_equal(policy, 1);
	assert_int_equal(grammar_pull("never", &policy, &err), 0);
	assert_int_equal(policy, 2);
	WANT(grammar_pull("sometimes", &policy, &err),
	     "invalid pull policy: sometimes (expected: always, if-missing, "
	     "never)");
	assert_int_equal(policy, 2);
}

static void words(void **state)
{
	(void)state;
	assert_int_equal(grammar_shell("bash", &err), 0);
	assert_int_equal(grammar_shell("/bin/ash", &err), 0);
	WANT(grammar_shell("", &err), "--shell must not be empty");
	WANT(grammar_shell("a b", &err),
	     "--shell must not contain white space: a b");
	WANT(grammar_shell("/", &err), "--shell must name a program, got: /");
	assert_int_equal(grammar_init("auto", &err), 0);
	assert_int_equal(grammar_init("/sbin/init", &err), 0);
	WANT(grammar_init("init", &err),
	     "--init must be an absolute path or `auto`, got: init");
	assert_int_equal(grammar_log_level("trace", &err), 0);
	WANT(grammar_log_level("loud", &err),
	     "invalid log level: loud (expected: error, warn, info, debug, "
	     "trace)");
}

static void expect_script(enum script_kind kind, const char *text,
			  const char *shell, const char *body)
{
	struct script s = { 0 };

	assert_int_equal(grammar_script(kind, text, shell, &s, &err), 0);
	assert_string_equal(s.name, "n");
	assert_string_equal(s.body, body);
	assert_int_equal(s.len, strlen(body));
	script_fini(&s);
}

static void scripts(void **state)
{
	struct script s;

	(void)state;
	expect_script(SCRIPT_SNIPPET, "n=a\\nb", NULL, "#!/bin/sh\na\nb\n");
	expect_script(SCRIPT_SNIPPET, "n=\\t\\r\\\\\\\"\\'\\q\\", NULL,
		      "#!/bin/sh\n\t\r\\\"'\\q\\\n");
	expect_script(SCRIPT_SNIPPET, "n=x\\n", "bash",
		      "#!/usr/bin/env bash\nx\n");
	expect_script(SCRIPT_SNIPPET, "n=", "/bin/ash", "#!/bin/ash\n");
	expect_script(SCRIPT_SNIPPET, "n=a=b", NULL, "#!/bin/sh\na=b\n");
	expect_script(SCRIPT_RAW, "n=a\\nb", NULL, "a\\nb");
	expect_script(SCRIPT_PATH, "n:/a:b", NULL, "/a:b");
	WANT(grammar_script(SCRIPT_SNIPPET, "x", NULL, &s, &err),
	     "script must be in format NAME=BODY");
	WANT(grammar_script(SCRIPT_RAW, "x", NULL, &s, &err),
	     "script-raw must be in format NAME=BODY");
	WANT(grammar_script(SCRIPT_PATH, "x", NULL, &s, &err),
	     "script-path must be in format NAME:PATH");
	WANT(grammar_script(SCRIPT_SNIPPET, "=x", NULL, &s, &err),
	     "script name must not be empty (NAME=BODY)");
	WANT(grammar_script(SCRIPT_PATH, ":x", NULL, &s, &err),
	     "script name must not be empty (NAME:PATH)");
	WANT(grammar_script(SCRIPT_RAW, "a/b=x", NULL, &s, &err),
	     "invalid script name: a/b");
	WANT(grammar_script(SCRIPT_RAW, "..=x", NULL, &s, &err),
	     "invalid script name: ..");
}

static void expect_keys(const char *text, const char *bytes, size_t n)
{
	uint8_t keys[DETACH_MAX_KEYS];
	size_t len;

	assert_int_equal(grammar_detach_keys(text, keys, &len, &err), 0);
	assert_int_equal(len, n);
	assert_memory_equal(keys, bytes, n);
}

static void detach_keys(void **state)
{
	uint8_t keys[DETACH_MAX_KEYS];
	size_t n;

	(void)state;
	expect_keys("ctrl-a", "\x01", 1);
	expect_keys("ctrl-Z", "\x1a", 1);
	expect_keys("ctrl-p,ctrl-q", "\x10\x11", 2);
	expect_keys("q", "q", 1);
	expect_keys("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_",
		    "\0\x1b\x1c\x1d\x1e\x1f", 6);
	WANT(grammar_detach_keys("ctrl-", keys, &n, &err),
	     "invalid detach key: ctrl-");
	WANT(grammar_detach_keys("ctrl-ab", keys, &n, &err),
	     "invalid detach key: ctrl-ab");
	WANT(grammar_detach_keys("ctrl-1", keys, &n, &err),
	     "invalid detach key: ctrl-1");
	WANT(grammar_detach_keys("", keys, &n, &err), "invalid detach key: ");
	WANT(grammar_detach_keys("a,", keys, &n, &err), "invalid detach key: ");
	WANT(grammar_detach_keys("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", keys, &n,
				 &err),
	     "too many detach keys: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a");
}

/* Feed the pieces one after the other; what goes on must be out. */
static void feed(const char *keys, const char *const *pieces, size_t n,
		 const char *out, bool detached)
{
	struct detach d = { .n = strlen(keys) };
	uint8_t got[256 + DETACH_MAX_KEYS];
	bool found = false;
	size_t len = 0;

	memcpy(d.keys, keys, d.n);
	for (size_t i = 0; i < n && !found; i++) {
		size_t part;

		found = detach_feed(&d, (const uint8_t *)pieces[i],
				    strlen(pieces[i]), got + len, &part);
		len += part;
	}
	assert_true(found == detached);
	assert_int_equal(len, strlen(out));
	assert_memory_equal(got, out, len);
}
#define FEED(keys, out, detached, ...)                                         \
	do {                                                                   \
		static const char *const pieces[] = { __VA_ARGS__ };           \
		feed(keys, pieces, ARRAY_SIZE(pieces), out, detached);         \
	} while (0)

static void matching_detach_keys(void **state)
{
	(void)state;
	FEED("q", "ab", true, "abqcd");
	FEED("xy", "a", true, "axyb");
	FEED("xy", "a", true, "ax", "yb");
	FEED("xy", "axb", false, "ax", "b");
	FEED("xy", "a", false, "ax"); /* held back */
	FEED("xy", "xx", true, "xx", "xy");
	FEED("xxy", "x", true, "xx", "xy");
	FEED("abab", "", true, "ab", "ab", "ab");
	FEED("abac", "ab", true, "ab", "ab", "ac");
	FEED("aab", "a", true, "a", "a", "a", "b");
	FEED("aab", "aac", false, "aaca", "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations),
		cmocka_unit_test(environment),
		cmocka_unit_test(volumes),
		cmocka_unit_test(wrong_volumes),
		cmocka_unit_test(explicit_mounts),
		cmocka_unit_test(tmpfs),
		cmocka_unit_test(copies),
		cmocka_unit_test(rlimits),
		cmocka_unit_test(pull_policies),
		cmocka_unit_test(words),
		cmocka_unit_test(scripts),
		cmocka_unit_test(detach_keys),
		cmocka_unit_test(matching_detach_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
