/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest is told: specification, boot specification, initramfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "runtime/compose.h"
#include "runtime/initramfs.h"
#include "runtime/spec.h"

/* The engine is not linked here; its names are part of the contract. */
const char *engine_kind_name(enum engine_kind kind)
{
	static const char *const names[] = { "auto", "kvm", "uml" };

	return names[kind];
}

static void test_tags(void **state)
{
	struct share s[3] = { 0 };
	char tag[TAG_MAX + 1];

	(void)state;
	share_tag("/a/b", s, 0, s[0].tag);
	share_tag("/a_b", s, 1, s[1].tag);
	share_tag("/a/b", s, 2, s[2].tag); /* even the same path */
	assert_memory_equal(s[0].tag, "a_b_", 4);
	assert_string_not_equal(s[0].tag, s[1].tag);
	assert_string_not_equal(s[0].tag, s[2].tag);
	share_tag("/a very/long/path", s, 3, tag);
	assert_int_equal(strlen(tag), TAG_MAX);
	assert_memory_equal(tag, "a_very_long_", 12);
	share_tag("/", s, 0, tag);
	assert_int_equal(strlen(tag), 9);
}

static void test_hostname(void **state)
{
	char name[129], host[HOSTNAME_MAX + 1], other[HOSTNAME_MAX + 1];

	(void)state;
	hostname_from_name("box", host);
	assert_string_equal(host, "box");
	memset(name, 'x', 128);
	name[128] = 0;
	hostname_from_name(name, host);
	assert_int_equal(strlen(host), HOSTNAME_MAX);
	name[127] = 'y';
	hostname_from_name(name, other);
	assert_string_not_equal(host, other);
}

static const char config[] =
	"{\"name\":\"box\",\"image\":{\"Bind\":\"/img\"},\"cpus\":1,"
	"\"memory_mib\":128,\"workdir\":\"/w\",\"user\":\"app\","
	"\"env\":[[\"A\",\"1\"]],\"scripts\":{\"go\":\"#!/bin/sh\\n\"},"
	"\"mounts\":[{\"type\":\"Bind\",\"host\":\"/h/data\",\"guest\":\"/"
	"data\","
	"\"readonly\":true},{\"type\":\"Tmpfs\",\"guest\":\"/t\","
	"\"size_mib\":5},{\"type\":\"Bind\",\"host\":\"/h/file\","
	"\"guest\":\"/etc/f\"}]}";

static void test_bootspec(void **state)
{
	struct share shares[2] = {
		{ .index = 2, .tag = "f_2", .kind = SHARE_FILE },
		{ .index = 0, .tag = "data_1" },
	};
	struct sandbox_config c;
	struct bootspec s;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(sandbox_config_from_json(config, &c, &err), 0);
	assert_int_equal(compose_bootspec(&c, shares, 2, NULL, NULL, 42, &s),
			 0);
	assert_int_equal(s.root, BOOT_ROOT_VIRTIOFS);
	assert_string_equal(s.root_tag, ROOT_TAG);
	assert_string_equal(s.hostname, "box");
	assert_string_equal(s.workdir, "/w");
	assert_string_equal(s.user, "app");
	assert_string_equal(s.env.v[0], "A=1");
	assert_int_equal(s.unix_time_ns, 42);
	assert_int_equal(s.nmounts, 3);
	assert_int_equal(s.mounts[0].kind, BOOT_MOUNT_DIR);
	assert_string_equal(s.mounts[0].tag, "data_1");
	assert_int_equal(s.mounts[0].flags, BOOT_RDONLY);
	assert_int_equal(s.mounts[1].kind, BOOT_MOUNT_TMPFS);
	assert_int_equal(s.mounts[1].size_mib, 5);
	assert_int_equal(s.mounts[2].kind, BOOT_MOUNT_FILE);
	assert_string_equal(s.mounts[2].filename, "file");
	assert_string_equal(s.mounts[2].path, "/etc/f");
	assert_int_equal(s.nscripts, 1);
	assert_string_equal(s.scripts[0].name, "go");
	assert_false(s.has_network);
	assert_null(s.host_alias);
	bootspec_fini(&s);
	sandbox_config_fini(&c);
}

static void test_network(void **state)
{
	const struct net_addresses link = {
		.guest_mac = { 2, 0x6d, 0x73, 0, 1, 2 },
		.mtu = 1400,
		.guest4 = { AF_INET, { 172, 16, 0, 6 } },
		.gateway4 = { AF_INET, { 172, 16, 0, 5 } },
	};
	struct sandbox_config c = { .name = (char[]){ "box" } };
	const struct boot_network *n;
	struct bootspec s;

	(void)state;
	assert_int_equal(compose_bootspec(&c, NULL, 0, &link, NULL, 42, &s), 0);
	n = &s.network;
	assert_true(s.has_network && n->ipv4.on && !n->ipv6.on);
	assert_string_equal(n->interface, "eth0");
	assert_memory_equal(n->mac, link.guest_mac, 6);
	assert_int_equal(n->mtu, 1400);
	assert_int_equal(n->ipv4.prefix, 30);
	assert_memory_equal(n->ipv4.address, link.guest4.b, 4);
	assert_memory_equal(n->ipv4.gateway, link.gateway4.b, 4);
	assert_true(n->ipv4.has_dns);
	assert_memory_equal(n->ipv4.dns, link.gateway4.b, 4);
	assert_string_equal(s.host_alias, "host.microsandbox.internal");
	bootspec_fini(&s);
}

static void test_trust(void **state)
{
	const struct guest_trust trust = { .ca = "own\n", .host_cas = "all\n" };
	struct sandbox_config c = { .name = (char[]){ "box" } };
	struct bootspec s;

	(void)state;
	assert_int_equal(compose_bootspec(&c, NULL, 0, NULL, &trust, 42, &s),
			 0);
	assert_string_equal(s.ca_pem, trust.ca);
	assert_string_equal(s.host_cas_pem, trust.host_cas);
	bootspec_fini(&s);
}

/* The placeholder counts more than what a variable was set to. */
static void test_placeholders(void **state)
{
	static const char text[] =
		"{\"sandbox_dir\":\"/s\",\"kernel\":\"/k\","
		"\"initramfs\":\"/i\",\"engine\":\"uml\",\"startup\":null,"
		"\"attached\":false,\"config\":{\"name\":\"box\","
		"\"image\":{\"Bind\":\"/img\"},\"cpus\":1,"
		"\"memory_mib\":128,\"env\":[[\"KEY\",\"mine\"],"
		"[\"KEYS\",\"1\"]],\"network\":{\"secrets\":{\"secrets\":[{"
		"\"env_var\":\"KEY\",\"placeholder\":\"$MSB_KEY\","
		"\"source\":{\"kind\":\"env\",\"var\":\"KEY\"},"
		"\"allowed_hosts\":[{\"exact\":\"a.example\"}]}]}}}}";
	struct runtime_spec s;
	struct err err = { 0 };

	(void)state;
	if (spec_parse(text, sizeof(text) - 1, &s, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(s.config.env.n, 2);
	assert_string_equal(strv_env_get(&s.config.env, "KEY"), "$MSB_KEY");
	assert_string_equal(strv_env_get(&s.config.env, "KEYS"), "1");
	spec_fini(&s);
}

static void test_spec(void **state)
{
	struct runtime_spec s;
	struct err err = { 0 };
	char text[2048];
	int n = snprintf(text, sizeof(text),
			 "{\"sandbox_dir\":\"/s\",\"kernel\":\"/k\","
			 "\"initramfs\":\"/i\",\"engine\":\"uml\","
			 "\"startup\":[\"a\",\"b\"],\"attached\":true,"
			 "\"config\":%s}",
			 config);

	(void)state;
	assert_int_equal(spec_parse(text, (size_t)n, &s, &err), 0);
	assert_string_equal(s.sandbox_dir, "/s");
	assert_int_equal(s.engine, ENGINE_UML);
	assert_int_equal(s.startup.n, 2);
	assert_string_equal(s.startup.v[1], "b");
	assert_true(s.attached);
	assert_int_equal(s.config.nmounts, 3);
	spec_fini(&s);
}

#define WITH_METRICS(metrics)                                                  \
	"{\"sandbox_dir\":\"/s\",\"kernel\":\"/k\","                           \
	"\"initramfs\":\"/i\",\"engine\":\"uml\",\"config\":{\"name\":\"x\","  \
	"\"image\":{\"Bind\":\"/i\"}},\"metrics\":" metrics "}"

static void test_metrics_spec(void **state)
{
	static const char slot[] = WITH_METRICS(
		"{\"offset\":8192,\"generation\":3,\"interval_ms\":50}");
	static const char none[] = WITH_METRICS("null");
	static const char full[] = WITH_METRICS("{\"unavailable\":\"full\"}");
	struct runtime_spec s;

	(void)state;
	assert_int_equal(spec_parse(slot, strlen(slot), &s, NULL), 0);
	assert_int_equal(s.metrics.offset, 8192);
	assert_int_equal(s.metrics.generation, 3);
	assert_int_equal(s.metrics.interval_ms, 50);
	spec_fini(&s);
	assert_int_equal(spec_parse(none, strlen(none), &s, NULL), 0);
	assert_int_equal(s.metrics.interval_ms, 0);
	assert_null(s.metrics.unavailable);
	spec_fini(&s);
	assert_int_equal(spec_parse(full, strlen(full), &s, NULL), 0);
	assert_int_equal(s.metrics.interval_ms, 0);
	assert_string_equal(s.metrics.unavailable, "full");
	spec_fini(&s);
}

static void test_bad_specs(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{\"config\":{}",
		"{\"config\":{\"name\":\"x\",\"image\":{\"Bind\":\"/i\"}}}",
		"{\"sandbox_dir\":\"relative\",\"config\":{\"name\":\"x\","
		"\"image\":{\"Bind\":\"/i\"}}}",
		"{\"sandbox_dir\":\"/s\",\"kernel\":\"/k\",\"initramfs\":\"/"
		"i\","
		"\"engine\":\"turbo\",\"config\":{\"name\":\"x\",\"image\":"
		"{\"Bind\":\"/i\"}}}",
		"{\"sandbox_dir\":\"/s\",\"kernel\":\"/k\",\"initramfs\":\"/"
		"i\","
		"\"engine\":\"uml\",\"startup\":[1],\"config\":{\"name\":\"x\","
		"\"image\":{\"Bind\":\"/i\"}}}",
		WITH_METRICS("{\"offset\":4096}"),
		WITH_METRICS("{\"offset\":-1,\"generation\":1,"
			     "\"interval_ms\":1}"),
		WITH_METRICS("{\"offset\":0,\"generation\":\"1\","
			     "\"interval_ms\":1}"),
		WITH_METRICS("{\"offset\":0,\"generation\":1,"
			     "\"interval_ms\":3600001}"),
		WITH_METRICS("7"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct runtime_spec s;
		struct err err = { 0 };

		assert_true(spec_parse(bad[i], strlen(bad[i]), &s, &err) < 0);
		assert_string_not_equal(err.msg, "");
	}
}

/* Walk a newc archive at p; fill name, mode and data of the next member. */
static const uint8_t *next_member(const uint8_t *p, char *name, uint32_t *mode,
				  const uint8_t **data, size_t *len)
{
	char field[9] = { 0 };
	size_t namesize;

	assert_memory_equal(p, "070701", 6);
	memcpy(field, p + 6 + 8, 8);
	*mode = (uint32_t)strtoul(field, NULL, 16);
	memcpy(field, p + 6 + 6 * 8, 8);
	*len = strtoul(field, NULL, 16);
	memcpy(field, p + 6 + 11 * 8, 8);
	namesize = strtoul(field, NULL, 16);
	assert_true(namesize < 64);
	memcpy(name, p + 110, namesize);
	p += (110 + namesize + 3) & ~(size_t)3;
	*data = p;
	return p + ((*len + 3) & ~(size_t)3);
}

/* Patches lie behind the specification. */
static void check_patches(const char *path, const struct buf *spec)
{
	MSB_CLEANUP(buf_fini) struct buf all = { .max = 65536 };
	int patches = io_memfd("patches", "patch", 5);
	struct err err = { 0 };
	const uint8_t *p, *data;
	char name[64];
	uint32_t mode;
	size_t len;
	int fd;

	assert_true(patches >= 0);
	fd = initramfs_build(path, spec, patches, 5, &err);
	assert_true(fd >= 0);
	assert_int_equal(io_read_all(fd, &all), 0);
	(void)close(fd);
	p = buf_data(&all) + 8;
	p = next_member(p, name, &mode, &data, &len);
	p = next_member(p, name, &mode, &data, &len);
	assert_string_equal(name, "msb/boot.cbor");
	p = next_member(p, name, &mode, &data, &len);
	assert_string_equal(name, "msb/patches.cbor");
	assert_int_equal(len, 5);
	assert_memory_equal(data, "patch", 5);
	p = next_member(p, name, &mode, &data, &len);
	assert_string_equal(name, "TRAILER!!!");
	assert_ptr_equal(p, buf_data(&all) + buf_len(&all));
	assert_int_equal(lseek(patches, 0, SEEK_SET), 0);
	assert_true(initramfs_build(path, spec, patches, 6, &err) < 0);
	assert_non_null(strstr(err.msg, "shrunk"));
	(void)close(patches);
}

static void test_initramfs(void **state)
{
	char path[] = "/tmp/msb-initramfs-XXXXXX", name[64];
	const uint8_t *p, *data;
	struct buf spec, all;
	struct err err = { 0 };
	uint32_t mode;
	size_t len;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "archive", 7), 7); /* no multiple of 4 */
	(void)close(fd);
	buf_init(&spec, 64);
	buf_init(&all, 65536);
	assert_int_equal(buf_str(&spec, "a boot spec"), 0);
	fd = initramfs_build(path, &spec, -1, 0, &err);
	assert_true(fd >= 0);
	assert_int_equal(io_read_all(fd, &all), 0);
	p = buf_data(&all);
	assert_memory_equal(p, "archive\0", 8);
	p = next_member(p + 8, name, &mode, &data, &len);
	assert_string_equal(name, "msb");
	assert_true(S_ISDIR(mode));
	p = next_member(p, name, &mode, &data, &len);
	assert_string_equal(name, "msb/boot.cbor");
	assert_true(S_ISREG(mode));
	assert_int_equal(mode & 077, 0); /* it may hold secrets */
	assert_int_equal(len, 11);
	assert_memory_equal(data, "a boot spec", 11);
	p = next_member(p, name, &mode, &data, &len);
	assert_string_equal(name, "TRAILER!!!");
	assert_ptr_equal(p, buf_data(&all) + buf_len(&all));
	assert_int_equal(write(fd, "x", 1), -1); /* nobody changes it */
	(void)close(fd);
	check_patches(path, &spec);
	(void)unlink(path);
	assert_true(initramfs_build(path, &spec, -1, 0, &err) < 0);
	assert_non_null(strstr(err.msg, path));
	buf_fini(&all);
	buf_fini(&spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_hostname),
		cmocka_unit_test(test_bootspec),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_placeholders),
		cmocka_unit_test(test_spec),
		cmocka_unit_test(test_metrics_spec),
		cmocka_unit_test(test_bad_specs),
		cmocka_unit_test(test_initramfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
