/* SPDX-License-Identifier: Apache-2.0 */
/* JSON form of a sandbox: golden text, round trip, old and broken records. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "store/sandbox_config.h"

static const char minimal[] =
	"{\"cmd\":null,\"cpus\":1,\"disable_metrics_sample\":false,"
	"\"engine\":\"auto\",\"engine_jail\":"
	"\"strict\",\"engine_mode\":\"auto\",\"entrypoint\":null,\"env\":[],"
	"\"ephemeral\":false,\"hostname\":null,\"image\":null,\"init\":null,"
	"\"labels\":{},\"log_level\":null,\"manifest_digest\":null,\"memory_"
	"mib\":512,"
	"\"metrics_sample_interval_ms\":1000,"
	"\"mounts\":[],\"name\":null,\"network\":null,"
	"\"policy\":{\"idle_timeout_secs\":null,\"max_duration_secs\":null},"
	"\"rlimits\":[],\"scripts\":{},\"shell\":null,\"user\":null,"
	"\"workdir\":null}";

static const char full[] =
	"{\"cmd\":[\"c\"],\"cpus\":2,\"disable_metrics_sample\":true,"
	"\"engine\":\"uml\",\"engine_jail\":"
	"\"relaxed\",\"engine_mode\":\"seccomp\",\"entrypoint\":[\"e\",\"\"],"
	"\"env\":[[\"A\",\"b=c\"],[\"E\",\"\"]],\"ephemeral\":true,"
	"\"hostname\":\"h\",\"image\":{\"Bind\":\"/r\"},\"init\":{\"args\":"
	"[\"-x\"],\"cmd\":\"auto\",\"env\":[[\"I\",\"1\"]]},\"labels\":"
	"{\"a\":\"1\",\"b\":\"\"},\"log_level\":"
	"\"debug\",\"manifest_digest\":null,\"memory_mib\":256,"
	"\"metrics_sample_interval_ms\":250,\"mounts\":[{"
	"\"guest\":\"/t\","
	"\"nodev\":false,\"noexec\":false,\"nosuid\":false,\"readonly\":false,"
	"\"size_mib\":16,\"type\":\"Tmpfs\"},{\"follow_root_symlinks\":true,"
	"\"guest\":\"/t/b\",\"host\":"
	"\"/h\",\"host_permissions\":\"mirror\",\"nodev\":true,\"noexec\":"
	"true,\"nosuid\":true,\"quota_mib\":9,\"readonly\":true,\"stat_"
	"virtualization\":"
	"\"relaxed\",\"type\":\"Bind\"}],\"name\":\"box\",\"network\":"
	"{\"later\":[1],\"policy\":{}},\"policy\":"
	"{\"idle_timeout_secs\":5,\"max_duration_secs\":60},\"rlimits\":"
	"[{\"hard\":null,\"resource\":\"Nofile\",\"soft\":7}],\"scripts\":"
	"{\"s\":\"#!/bin/sh\\n\"},\"shell\":\"bash\",\"user\":\"u:g\","
	"\"workdir\":\"/w\"}";

static void expect_round_trip(const char *text)
{
	struct sandbox_config c;
	char *again;

	assert_int_equal(sandbox_config_from_json(text, &c, NULL), 0);
	again = sandbox_config_to_json(&c);
	assert_non_null(again);
	assert_string_equal(again, text);
	free(again);
	sandbox_config_fini(&c);
}

static void text_is_as_documented(void **state)
{
	(void)state;
	expect_round_trip(minimal);
	expect_round_trip(full);
}

static void values_are_read(void **state)
{
	struct sandbox_config c;

	(void)state;
	assert_int_equal(sandbox_config_from_json(full, &c, NULL), 0);
	assert_string_equal(c.name, "box");
	assert_string_equal(c.root.path, "/r");
	assert_int_equal(c.nmounts, 2);
	assert_int_equal(c.mounts[0].kind, MOUNT_TMPFS);
	assert_int_equal(c.mounts[0].size_mib, 16);
	assert_int_equal(c.mounts[1].flags, MOUNT_READONLY | MOUNT_NOEXEC |
						    MOUNT_NOSUID | MOUNT_NODEV);
	assert_int_equal(c.mounts[1].stat_virt, STAT_VIRT_RELAXED);
	assert_int_equal(c.mounts[1].host_perms, HOST_PERMS_MIRROR);
	assert_string_equal(c.rlimits[0].resource, "nofile");
	assert_true(c.rlimits[0].hard == UINT64_MAX);
	assert_string_equal(c.env.v[0], "A=b=c");
	assert_int_equal(c.max_duration_s, 60);
	assert_int_equal(c.scripts[0].len, 10);
	assert_true(c.ephemeral);
	assert_int_equal(c.metrics_interval_ms, 250);
	assert_int_equal(sandbox_metrics_interval_ms(&c), 0);
	c.metrics_disabled = false;
	assert_int_equal(sandbox_metrics_interval_ms(&c), 250);
	sandbox_config_fini(&c);
}

/* Roots and mounts of the other kinds. */
static const char other_kinds[] =
	"{\"cmd\":null,\"cpus\":1,\"disable_metrics_sample\":false,"
	"\"engine\":\"auto\",\"engine_jail\":"
	"\"strict\",\"engine_mode\":\"auto\",\"entrypoint\":null,\"env\":[],"
	"\"ephemeral\":false,\"hostname\":null,\"image\":%s,\"init\":null,"
	"\"labels\":{},\"log_level\":null,\"manifest_digest\":%s,\"memory_"
	"mib\":512,"
	"\"metrics_sample_interval_ms\":1000,"
	"\"mounts\":[%s],\"name\":null,\"network\":null,\"policy\":"
	"{\"idle_timeout_secs\":null,\"max_duration_secs\":null},\"rlimits\":[]"
	",\"scripts\":{},"
	"\"shell\":null,\"user\":null,\"workdir\":null}";
#define NO_FLAGS                                                               \
	"\"nodev\":false,\"noexec\":false,\"nosuid\":false,\"readonly\":"      \
	"false"

static void other_roots_and_mounts(void **state)
{
	static const char volume[] =
		"{\"follow_root_symlinks\":false,\"guest\":\"/"
		"v\",\"host\":null,"
		"\"host_permissions\":\"private\",\"kind\":\"dir\",\"name\":"
		"\"data\"," NO_FLAGS ",\"stat_virtualization\":\"strict\","
		"\"type\":\"Named\"}";
	static const char disks[] =
		"{\"format\":\"Qcow2\",\"fstype\":\"xfs\",\"guest\":\"/d\","
		"\"host\":\"/h/d.img\"," NO_FLAGS ",\"type\":\"DiskImage\"},"
		"{\"format\":\"Raw\",\"fstype\":null,\"guest\":\"/w\","
		"\"host\":\"/h/disk.raw\",\"kind\":\"disk\",\"name\":"
		"\"w\"," NO_FLAGS ",\"type\":\"Named\"}";
	char text[2048], want[512];
	struct sandbox_config c;

	(void)state;
	(void)snprintf(want, sizeof(want), "%.*s\"quota_mib\":null,%s",
		       (int)(strstr(volume, "\"readonly") - volume), volume,
		       strstr(volume, "\"readonly"));
	(void)snprintf(text, sizeof(text), other_kinds,
		       "{\"Oci\":{\"reference\":\"alpine\","
		       "\"upper_size_mib\":64}}",
		       "\"sha256:0\"", want);
	expect_round_trip(text);
	assert_int_equal(sandbox_config_from_json(text, &c, NULL), 0);
	assert_int_equal(c.root.kind, ROOT_OCI);
	assert_string_equal(root_config_text(&c.root), "alpine");
	assert_string_equal(c.root.manifest_digest, "sha256:0");
	assert_int_equal(c.root.upper_size_mib, 64);
	assert_true(mount_is_share(&c.mounts[0]));
	sandbox_config_fini(&c);
	(void)snprintf(text, sizeof(text), other_kinds,
		       "{\"DiskImage\":{\"format\":\"Vmdk\",\"fstype\":null,"
		       "\"path\":\"/h/r\"}}",
		       "null", disks);
	expect_round_trip(text);
	assert_int_equal(sandbox_config_from_json(text, &c, NULL), 0);
	assert_int_equal(c.root.kind, ROOT_DISK);
	assert_int_equal(c.root.format, DISK_FORMAT_VMDK);
	assert_string_equal(c.mounts[0].fstype, "xfs");
	assert_true(mount_is_disk(&c.mounts[0]) && mount_is_disk(&c.mounts[1]));
	sandbox_config_fini(&c);
}

/* Without a format the name tells. */
static void format_is_guessed(void **state)
{
	struct sandbox_config c;

	(void)state;
	assert_int_equal(
		sandbox_config_from_json("{\"image\":{\"DiskImage\":{\"path\":"
					 "\"/a.qcow2\"}},\"mounts\":[{\"type\":"
					 "\"DiskImage\",\"host\":\"/b.img\","
					 "\"guest\":\"/b\"}]}",
					 &c, NULL),
		0);
	assert_int_equal(c.root.format, DISK_FORMAT_QCOW2);
	assert_int_equal(c.mounts[0].format, DISK_FORMAT_RAW);
	sandbox_config_fini(&c);
}

static void older_and_later_records_load(void **state)
{
	struct sandbox_config c;

	(void)state;
	assert_int_equal(sandbox_config_from_json(
				 "{\"name\":\"x\",\"from_the_future\":[1],"
				 "\"mounts\":[{\"type\":\"Bind\",\"host\":"
				 "\"/a\",\"guest\":\"/b\"}]}",
				 &c, NULL),
			 0);
	assert_int_equal(c.memory_mib, 512);
	assert_string_equal(c.engine, "auto");
	assert_int_equal(c.mounts[0].stat_virt, STAT_VIRT_STRICT);
	assert_int_equal(c.mounts[0].flags, 0);
	sandbox_config_fini(&c);
}

static void broken_records_are_refused(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "stored configuration: " },
		{ "[]", "stored configuration: not a JSON object" },
		{ "{\"cpus\":\"x\"}", "'cpus' is not a number in range" },
		{ "{\"cpus\":-1}", "'cpus' is not a number in range" },
		{ "{\"memory_mib\":4294967296}", "'memory_mib' is not" },
		{ "{\"name\":5}", "'name' is not a string" },
		{ "{\"network\":[]}", "'network' is not an object" },
		{ "{\"labels\":[]}", "'labels' is not an object" },
		{ "{\"labels\":{\"a\":1}}", "label 'a' is no text" },
		{ "{\"env\":{}}", "'env' is not a list" },
		{ "{\"env\":[[\"a\"]]}", "'env' holds what is not [key" },
		{ "{\"cmd\":[1]}", "'cmd' holds what is not text" },
		{ "{\"scripts\":[]}", "'scripts' is not an object" },
		{ "{\"scripts\":{\"a\":1}}", "'scripts' holds what is not" },
		{ "{\"rlimits\":[{\"resource\":\"x\"}]}", "'rlimits' holds" },
		{ "{\"mounts\":[{}]}", "'mounts' holds one without a type" },
		{ "{\"mounts\":[{\"type\":\"Nfs\"}]}", "'type' has a value" },
		{ "{\"mounts\":[{\"type\":\"Named\",\"guest\":\"/x\"}]}",
		  "'mounts' holds a volume without name" },
		{ "{\"mounts\":[{\"type\":\"DiskImage\",\"guest\":\"/x\"}]}",
		  "'mounts' holds one without a path" },
		{ "{\"mounts\":[{\"type\":\"DiskImage\",\"guest\":\"/x\","
		  "\"host\":\"/y\",\"format\":\"Vhd\"}]}",
		  "'format' has a value" },
		{ "{\"mounts\":[{\"type\":\"Bind\",\"guest\":\"/x\","
		  "\"host\":\"/y\",\"follow_root_symlinks\":1}]}",
		  "'follow_root_symlinks' is neither true nor false" },
		{ "{\"mounts\":[{\"type\":\"Bind\",\"guest\":\"/x\"}]}",
		  "'mounts' holds one without a path" },
		{ "{\"mounts\":[{\"type\":\"Bind\",\"guest\":\"/x\","
		  "\"host\":\"/y\",\"stat_virtualization\":\"?\"}]}",
		  "'stat_virtualization' has a value" },
		{ "{\"init\":{}}", "'init' has no cmd" },
		{ "{\"image\":{\"Tape\":{}}}", "the image is of a kind" },
		{ "{\"image\":{\"Oci\":{}}}", "'image' has no reference" },
		{ "{\"image\":{\"DiskImage\":{}}}", "'image' has no path" },
		{ "{\"image\":{\"Bind\":7}}", "'Bind' is not a string" },
		{ "{\"policy\":{\"idle_timeout_secs\":-1}}",
		  "'idle_timeout_secs' is not a number" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		struct sandbox_config c;

		assert_true(sandbox_config_from_json(cases[i].text, &c, &err) <
			    0);
		assert_non_null(strstr(err.msg, cases[i].want));
	}
}

/* Values above INT64_MAX cannot be JSON integers: they are "unlimited". */
static void unlimited_is_null(void **state)
{
	struct rlimit_config r = { .resource = "core",
				   .soft = (uint64_t)INT64_MAX,
				   .hard = (uint64_t)INT64_MAX + 1 };
	struct sandbox_config c;
	char *text;

	(void)state;
	assert_int_equal(sandbox_config_init(&c), 0);
	c.rlimits = malloc(sizeof(r));
	assert_non_null(c.rlimits);
	c.rlimits[0] = r;
	c.nrlimits = 1;
	text = sandbox_config_to_json(&c);
	assert_non_null(strstr(text, "{\"hard\":null,\"resource\":\"Core\","
				     "\"soft\":9223372036854775807}"));
	free(text);
	sandbox_config_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_as_documented),
		cmocka_unit_test(values_are_read),
		cmocka_unit_test(other_roots_and_mounts),
		cmocka_unit_test(format_is_guessed),
		cmocka_unit_test(older_and_later_records_load),
		cmocka_unit_test(broken_records_are_refused),
		cmocka_unit_test(unlimited_is_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
