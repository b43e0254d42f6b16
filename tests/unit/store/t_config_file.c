/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: defaults, every key, and the message of every mistake. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/config_file.h"
#include "tmpdir.h"

static void nothing_gives_the_defaults(void **state)
{
	static const char *const texts[] = {
		NULL, "{}", "{\"sandbox_defaults\":{}}",
		"{\"home\":null,\"registries\":null,"
		"\"sandbox_defaults\":{\"cpus\":null,\"oci\":null}}"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct config_file c;

		assert_int_equal(config_file_parse(texts[i], "f", &c, NULL), 0);
		assert_null(c.home);
		assert_null(c.log_level);
		assert_int_equal(c.busy_timeout_s, 5);
		assert_int_equal(c.connect_timeout_s, 30);
		assert_int_equal(c.cpus, 1);
		assert_int_equal(c.memory_mib, 512);
		assert_string_equal(c.engine, "auto");
		assert_string_equal(c.engine_jail, "strict");
		assert_int_equal(c.metrics_capacity, 0);
		assert_int_equal(c.metrics_interval_ms, 1000);
		assert_false(c.metrics_disabled);
		config_file_fini(&c);
	}
}

static void every_key_is_taken(void **state)
{
	struct config_file c;

	(void)state;
	assert_int_equal(
		config_file_parse(
			"{\"home\":\"/h\",\"log_level\":\"debug\","
			"\"database\":{\"busy_timeout_secs\":9,"
			"\"connect_timeout_secs\":8,\"max_connections\":1},"
			"\"paths\":{\"runtime\":\"/r\",\"guest\":\"/g\","
			"\"sandboxes\":\"/s\",\"cache\":\"/c\","
			"\"volumes\":\"/v\",\"snapshots\":\"/sn\","
			"\"secrets\":\"/se\",\"msb\":\"/m\"},"
			"\"registries\":{\"ca_certs\":\"/ca\","
			"\"auth\":{\"a.io\":{\"username\":\"u\"}},"
			"\"hosts\":{\"b.io\":{\"insecure\":true,"
			"\"auth\":{\"username\":\"u\",\"store\":null,"
			"\"secret_name\":\"s\",\"password_env\":\"E\"}},"
			"\"c.io\":null,\"d.io\":{\"auth\":null}}},"
			"\"sandbox_defaults\":{\"cpus\":2,\"memory_mib\":64,"
			"\"shell\":\"bash\",\"workdir\":\"/w\","
			"\"engine\":\"uml\",\"engine_mode\":\"ptrace\","
			"\"engine_jail\":\"relaxed\","
			"\"metrics_sample_interval_ms\":50,"
			"\"disable_metrics_sample\":true},"
			"\"metrics\":{\"capacity\":7}}",
			"f", &c, NULL),
		0);
	assert_string_equal(c.home, "/h");
	assert_string_equal(c.log_level, "debug");
	assert_int_equal(c.busy_timeout_s, 9);
	assert_int_equal(c.connect_timeout_s, 8);
	assert_string_equal(c.cache_path, "/c");
	assert_string_equal(c.volumes_path, "/v");
	assert_string_equal(c.snapshots_path, "/sn");
	assert_string_equal(c.msb_path, "/m");
	assert_string_equal(c.runtime_path, "/r");
	assert_string_equal(c.guest_dir, "/g");
	assert_string_equal(c.sandboxes_path, "/s");
	assert_int_equal(c.cpus, 2);
	assert_int_equal(c.memory_mib, 64);
	assert_string_equal(c.shell, "bash");
	assert_string_equal(c.workdir, "/w");
	assert_string_equal(c.engine, "uml");
	assert_string_equal(c.engine_mode, "ptrace");
	assert_string_equal(c.engine_jail, "relaxed");
	assert_int_equal(c.metrics_capacity, 7);
	assert_int_equal(c.metrics_interval_ms, 50);
	assert_true(c.metrics_disabled);
	config_file_fini(&c);
}

static void mistakes_name_the_file_and_the_key(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "{", "f:1:1: string or '}' expected near end of file" },
		{ "[]", "f: must hold one JSON object" },
		{ "{\"hom\":\"/x\"}",
		  "f: 'hom' is not a known setting; did you mean 'home'?" },
		{ "{\"paths\":{\"cachee\":\"/x\"}}",
		  "f: 'paths.cachee' is not a known setting; did you mean "
		  "'paths.cache'?" },
		{ "{\"path\":{\"cache\":\"/x\"}}",
		  "f: 'path' is not a known setting; did you mean 'paths'?" },
		{ "{\"cpus\":1}", "f: 'cpus' is not a known setting; did you "
				  "mean 'sandbox_defaults.cpus'?" },
		{ "{\"sandbox_defaults\":{\"upper_size_mib\":1}}",
		  "f: 'sandbox_defaults.upper_size_mib' is not a known "
		  "setting; did you mean 'sandbox_defaults.oci."
		  "upper_size_mib'?" },
		{ "{\"something\":1}",
		  "f: 'something' is not a known setting" },
		{ "{\"paths\":1}", "f: 'paths' must be an object" },
		{ "{\"registries\":[]}", "f: 'registries' must be an object" },
		{ "{\"metrics\":1}", "f: 'metrics' must be an object" },
		{ "{\"metrics\":{\"capacity\":-1}}",
		  "f: 'metrics.capacity' must be from 0 to 65536" },
		{ "{\"sandbox_defaults\":{\"disable_metrics_sample\":1}}",
		  "f: 'sandbox_defaults.disable_metrics_sample' must be true "
		  "or false" },
		{ "{\"sandbox_defaults\":"
		  "{\"metrics_sample_interval_ms\":3600001}}",
		  "f: 'sandbox_defaults.metrics_sample_interval_ms' must be "
		  "from 0 to 3600000" },
		{ "{\"paths\":{\"logs\":\"/x\"}}",
		  "f: 'paths.logs' cannot be set: the logs of a sandbox lie in "
		  "its own directory, below 'paths.sandboxes'" },
		{ "{\"paths\":{\"libkrunfw\":\"/x\"}}",
		  "f: 'paths.libkrunfw' cannot be set: there is no such "
		  "library; "
		  "'paths.guest' says where the guest's kernel is" },
		{ "{\"database\":{\"url\":\"sqlite:/x\"}}",
		  "f: 'database.url' cannot be set: the catalogue is db/msb.db "
		  "below 'home', so move that" },
		{ "{\"database\":{\"max_connections\":0}}",
		  "f: 'database.max_connections' must be a whole number above "
		  "0" },
		{ "{\"database\":{\"connect_timeout_secs\":0}}",
		  "f: 'database.connect_timeout_secs' must be from 1 to 3600" },
		{ "{\"paths\":{\"secrets\":\"x\"}}",
		  "f: 'paths.secrets' must be an absolute path" },
		{ "{\"paths\":{\"secrets\":7}}",
		  "f: 'paths.secrets' must be a string" },
		{ "{\"registries\":{\"host\":{}}}",
		  "f: 'registries.host' is not a known setting; did you mean "
		  "'hosts'?" },
		{ "{\"registries\":{\"ca_certs\":\"x\"}}",
		  "f: 'registries.ca_certs' must be an absolute path" },
		{ "{\"registries\":{\"hosts\":[]}}",
		  "f: 'registries.hosts' must be an object" },
		{ "{\"registries\":{\"hosts\":{\"a.io\":1}}}",
		  "f: 'registries.hosts.a.io' must be an object" },
		{ "{\"registries\":{\"hosts\":{\"a.io\":{\"insecure\":1}}}}",
		  "f: 'registries.hosts.a.io.insecure' must be true or false" },
		{ "{\"registries\":{\"hosts\":{\"a.io\":{\"auth\":{"
		  "\"usernam\":\"u\"}}}}}",
		  "f: 'registries.hosts.a.io.auth.usernam' is not a known "
		  "setting; did you mean 'username'?" },
		{ "{\"registries\":{\"hosts\":{\"a.io\":{\"auth\":{"
		  "\"username\":1}}}}}",
		  "f: 'registries.hosts.a.io.auth.username' must be a string" },
		{ "{\"registries\":{\"auth\":{\"a.io\":{\"x\":1}}}}",
		  "f: 'registries.auth.a.io.x' is not a known setting" },
		{ "{\"home\":\"x\"}", "f: 'home' must be an absolute path" },
		{ "{\"home\":\"\"}", "f: 'home' must not be empty" },
		{ "{\"home\":1}", "f: 'home' must be a string" },
		{ "{\"log_level\":\"loud\"}",
		  "f: 'log_level' has a value that is not known" },
		{ "{\"sandbox_defaults\":{\"cpus\":\"1\"}}",
		  "f: 'sandbox_defaults.cpus' must be a whole number" },
		{ "{\"sandbox_defaults\":{\"cpus\":0}}",
		  "f: 'sandbox_defaults.cpus' must be from 1 to 1024" },
		{ "{\"sandbox_defaults\":{\"memory_mib\":4294967296}}",
		  "f: 'sandbox_defaults.memory_mib' must be from 1 to "
		  "4294967295" },
		{ "{\"home\":\"/x\",\"home\":\"/y\"}",
		  "f:1:19: duplicate object key near '\"home\"'" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		struct config_file c;

		assert_true(config_file_parse(cases[i].text, "f", &c, &err) <
			    0);
		assert_string_equal(err.msg, cases[i].want);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

static void file_is_read_through_a_link(void **state)
{
	struct tmpdir *t = *state;
	static const char text[] = "{\"log_level\":\"warn\"}";
	struct err err = { 0 };
	struct config_file c;
	int fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(config_file_load(fd, t->path, &c, NULL), 0);
	assert_null(c.log_level);
	config_file_fini(&c);
	assert_int_equal(
		io_write_file_at(fd, "real", text, sizeof(text) - 1, 0600), 0);
	assert_int_equal(symlinkat("real", fd, CONFIG_FILE_NAME), 0);
	assert_int_equal(config_file_load(fd, t->path, &c, NULL), 0);
	assert_string_equal(c.log_level, "warn");
	config_file_fini(&c);
	assert_int_equal(unlinkat(fd, CONFIG_FILE_NAME, 0), 0);
	assert_int_equal(mkdirat(fd, CONFIG_FILE_NAME, 0700), 0);
	assert_int_equal(config_file_load(fd, t->path, &c, &err), -EISDIR);
	assert_non_null(strstr(err.msg, "config.json"));
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_gives_the_defaults),
		cmocka_unit_test(every_key_is_taken),
		cmocka_unit_test(mistakes_name_the_file_and_the_key),
		cmocka_unit_test_setup_teardown(file_is_read_through_a_link,
						tmpdir_make, tmpdir_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
