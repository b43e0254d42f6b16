/* SPDX-License-Identifier: Apache-2.0 */
/* Boot specification: round trips, foreign bootstrap messages, refusals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/bootspec.h"
#include "protocol/frame.h"
#include "protocol/msg.h"
#include "vectors.h"

#define W(text) ((char[]){ text }) /* writable */

#define BYTES(text)                                                            \
	{                                                                      \
		(text), sizeof(text) - 1                                       \
	}

static void encode(const struct bootspec *s, struct buf *b)
{
	buf_init(b, BOOTSPEC_MAX);
	assert_int_equal(bootspec_encode(s, b), 0);
}

/* Encode, decode, encode again: the same bytes. *ret is the decoded one. */
static void round_trip(const struct bootspec *s, struct bootspec *ret)
{
	struct buf first, second;

	encode(s, &first);
	assert_int_equal(
		bootspec_decode(buf_data(&first), buf_len(&first), ret), 0);
	encode(ret, &second);
	assert_int_equal(buf_len(&first), buf_len(&second));
	assert_memory_equal(buf_data(&first), buf_data(&second),
			    buf_len(&first));
	buf_fini(&first);
	buf_fini(&second);
}

static void everything_round_trips(void **state)
{
	struct boot_mount mounts[] = {
		{ .kind = BOOT_MOUNT_DIR,
		  .tag = W("data_12345678"),
		  .path = W("/data"),
		  .flags = BOOT_RDONLY | BOOT_NODEV },
		{ .kind = BOOT_MOUNT_FILE,
		  .tag = W("fm_12345678"),
		  .filename = W("a:b;c\xff"),
		  .path = W("/etc/x"),
		  .flags = BOOT_NOEXEC },
		{ .kind = BOOT_MOUNT_DISK,
		  .tag = W("disk1"),
		  .path = W("/d"),
		  .fstype = W("ext4"),
		  .flags = BOOT_NOSUID },
		{ .kind = BOOT_MOUNT_TMPFS,
		  .path = W("/tmp"),
		  .size_mib = 64,
		  .mode = 01777 },
	};
	struct boot_rlimit limit = { "nofile", 1024, UINT64_MAX };
	static uint8_t script[] = "#!/bin/sh\n\0\xff";
	struct boot_script scripts = { W("go"), script, sizeof(script) };
	struct bootspec s = {
		.root_tag = W("msbroot"),
		.mounts = mounts,
		.nmounts = 4,
		.hostname = W("box"),
		.user = W("1000:1000"),
		.workdir = W("/w"),
		.rlimits = &limit,
		.nrlimits = 1,
		.scripts = &scripts,
		.nscripts = 1,
		.init = W("auto"),
		.unix_time_ns = 1700000000000000000ull,
	};
	struct bootspec d;

	(void)state;
	assert_int_equal(strv_add(&s.env, "A=1"), 0);
	assert_int_equal(strv_add(&s.env, "B=x=y \"q\"\n\t\xff"), 0);
	assert_int_equal(strv_add(&s.env, "EMPTY="), 0);
	assert_int_equal(strv_add(&s.init_args, "--unit"), 0);
	assert_int_equal(strv_add(&s.init_env, "container=msb"), 0);
	round_trip(&s, &d);
	assert_int_equal(d.root, BOOT_ROOT_VIRTIOFS);
	assert_string_equal(d.root_tag, "msbroot");
	assert_int_equal(d.nmounts, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(d.mounts[i].kind, mounts[i].kind);
		assert_string_equal(d.mounts[i].path, mounts[i].path);
		assert_int_equal(d.mounts[i].flags, mounts[i].flags);
		assert_true(str_eq(d.mounts[i].tag, mounts[i].tag));
		assert_true(str_eq(d.mounts[i].filename, mounts[i].filename));
		assert_true(str_eq(d.mounts[i].fstype, mounts[i].fstype));
	}
	assert_int_equal(d.mounts[3].mode, 01777);
	assert_int_equal(d.mounts[3].size_mib, 64);
	assert_string_equal(d.user, "1000:1000");
	assert_int_equal(d.env.n, 3);
	assert_string_equal(d.env.v[1], s.env.v[1]);
	assert_string_equal(d.env.v[2], "EMPTY=");
	assert_string_equal(d.rlimits[0].resource, "nofile");
	assert_true(d.rlimits[0].hard == UINT64_MAX);
	assert_int_equal(d.scripts[0].len, sizeof(script));
	assert_memory_equal(d.scripts[0].data, script, sizeof(script));
	assert_string_equal(d.init_args.v[0], "--unit");
	assert_string_equal(d.init_env.v[0], "container=msb");
	bootspec_fini(&d);
	strv_fini(&s.env);
	strv_fini(&s.init_args);
	strv_fini(&s.init_env);
}

static void block_roots_round_trip(void **state)
{
	struct bootspec disk = { .root = BOOT_ROOT_DISK,
				 .root_device = W("/dev/vda"),
				 .root_fstype = W("xfs") };
	struct bootspec oci = { .root = BOOT_ROOT_OCI };
	struct bootspec d;

	(void)state;
	round_trip(&disk, &d);
	assert_int_equal(d.root, BOOT_ROOT_DISK);
	assert_string_equal(d.root_fstype, "xfs");
	bootspec_fini(&d);

	assert_int_equal(strv_add(&oci.root_lower, "/dev/vda"), 0);
	round_trip(&oci, &d); /* one layer, upper on tmpfs */
	assert_int_equal(d.root_lower.n, 1);
	assert_null(d.root_upper);
	bootspec_fini(&d);
	assert_int_equal(strv_add(&oci.root_lower, "/dev/vdb"), 0);
	oci.root_upper = W("/dev/vdc");
	round_trip(&oci, &d);
	assert_string_equal(d.root_lower.v[1], "/dev/vdb");
	assert_string_equal(d.root_upper, "/dev/vdc");
	bootspec_fini(&d);
	strv_fini(&oci.root_lower);
}

static void two_megabytes_of_environment(void **state)
{
	enum { ENTRIES = 2048, SIZE = 1024 };
	struct bootspec s = { 0 }, d;
	char entry[SIZE + 1];

	(void)state;
	for (int i = 0; i < ENTRIES; i++) {
		int n = snprintf(entry, sizeof(entry), "KEY_%d=", i);

		memset(entry + n, 'a' + i % 26, sizeof(entry) - (size_t)n - 1);
		entry[SIZE] = 0;
		assert_int_equal(strv_add(&s.env, entry), 0);
	}
	round_trip(&s, &d);
	assert_int_equal(d.env.n, ENTRIES);
	for (int i = 0; i < ENTRIES; i++)
		assert_string_equal(d.env.v[i], s.env.v[i]);
	bootspec_fini(&d);
	bootspec_fini(&s);
}

/* The payload of a hand-written core.bootstrap frame. */
static struct view bootstrap(const char *hex, uint8_t *wire, size_t size)
{
	struct envelope e;
	struct frame f;
	size_t n = strlen(hex) / 2;

	assert_true(n <= size);
	for (size_t i = 0; i < n; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		wire[i] = (uint8_t)byte;
	}
	assert_int_equal(frame_parse(wire, n, &f), 1);
	assert_int_equal(envelope_parse(f.body, NULL, &e), 0);
	assert_true(view_is(e.type, MSG_T_BOOTSTRAP));
	assert_int_equal(e.v, 7);
	return e.payload;
}

static void foreign_bootstrap_messages(void **state)
{
	struct bootspec s = { .hostname = W("box") }, d;
	uint8_t wire[256];
	struct view v;
	struct buf b;

	(void)state;
	v = bootstrap(V_BOOT_MIN, wire, sizeof(wire));
	assert_int_equal(bootspec_decode(v.p, v.len, &d), 0);
	assert_string_equal(d.hostname, "box");
	assert_null(d.root_tag);
	bootspec_fini(&d);
	encode(&s, &b);
	assert_int_equal(buf_len(&b), v.len);
	assert_memory_equal(buf_data(&b), v.p, v.len);
	buf_fini(&b);
}

/* The example's bytes come back from what was read. */
static void network_example(void **state)
{
	static const uint8_t mac[] = { 2, 0x6d, 0x73, 0, 1, 2 };
	uint8_t wire[256];
	const struct boot_network *n;
	struct bootspec d;
	struct view v;
	struct buf b;

	(void)state;
	v = bootstrap(V_BOOT_NET, wire, sizeof(wire));
	assert_int_equal(bootspec_decode(v.p, v.len, &d), 0);
	n = &d.network;
	assert_null(d.hostname);
	assert_true(d.has_network && n->ipv4.on && !n->ipv6.on);
	assert_string_equal(n->interface, "eth0");
	assert_memory_equal(n->mac, mac, 6);
	assert_int_equal(n->mtu, 1500);
	assert_memory_equal(n->ipv4.address, "\xac\x10\0\x06", 4);
	assert_memory_equal(n->ipv4.gateway, "\xac\x10\0\x05", 4);
	assert_true(n->ipv4.has_dns);
	assert_memory_equal(n->ipv4.dns, "\xac\x10\0\x05", 4);
	assert_int_equal(n->ipv4.prefix, 30);
	encode(&d, &b);
	assert_int_equal(buf_len(&b), v.len);
	assert_memory_equal(buf_data(&b), v.p, v.len);
	buf_fini(&b);
	bootspec_fini(&d);
}

static void network_round_trips(void **state)
{
	struct bootspec d, s = {
		.has_network = true,
		.host_alias = W("host.microsandbox.internal"),
		.network = { .interface = "eth0",
			     .mac = { 2, 0x6d, 0x73, 0x12, 0x34, 2 },
			     .mtu = 65535,
			     .ipv6 = { .on = true,
				       .prefix = 64,
				       .address = { 0xfd, [15] = 2 },
				       .gateway = { 0xfd, [15] = 1 } } },
	};

	(void)state;
	round_trip(&s, &d);
	assert_memory_equal(&d.network, &s.network, sizeof(s.network));
	assert_string_equal(d.host_alias, s.host_alias);
	bootspec_fini(&d);
}

static void certificates_round_trip(void **state)
{
	struct bootspec d, s = { .ca_pem = W("-----BEGIN\n") };

	(void)state;
	round_trip(&s, &d);
	assert_string_equal(d.ca_pem, s.ca_pem);
	assert_null(d.host_cas_pem);
	bootspec_fini(&d);
	s.host_cas_pem = W("more\n");
	round_trip(&s, &d);
	assert_string_equal(d.ca_pem, s.ca_pem);
	assert_string_equal(d.host_cas_pem, "more\n");
	bootspec_fini(&d);
	s.ca_pem = NULL;
	round_trip(&s, &d);
	assert_null(d.ca_pem);
	assert_string_equal(d.host_cas_pem, "more\n");
	bootspec_fini(&d);
}

static void refusals(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		BYTES(""),
		BYTES("\x80"),
		BYTES("\xa0\x00"),
		/* hostname with a NUL */
		BYTES("\xa1\x68hostname\x62x\0"),
		/* mount without a path; without a tag */
		BYTES("\xa1\x6a"
		      "dir_mounts\x81\xa0"),
		BYTES("\xa1\x6a"
		      "dir_mounts\x81\xa1\x6aguest_path\x61/"),
		/* environment key with '=' */
		BYTES("\xa1\x6b"
		      "default_env\x81\xa2\x63key\x62"
		      "a=\x65value\x60"),
		/* resource name too long, or with a NUL */
		BYTES("\xa1\x67rlimits\x81\xa3\x68resource\x70"
		      "0123456789abcdef"
		      "\x64soft\x01\x64hard\x01"),
		BYTES("\xa1\x67rlimits\x81\xa3\x68resource\x62"
		      "a\0\x64soft\x01"
		      "\x64hard\x01"),
		/* network: no name, name too long, short MAC, bad prefix */
		BYTES("\xa1\x67network\xa1\x63mac\x86\0\0\0\0\0\0"),
		BYTES("\xa1\x67network\xa2\x69interface\x70"
		      "0123456789abcdef"
		      "\x63mac\x86\0\0\0\0\0\0"),
		BYTES("\xa1\x67network\xa2\x69interface\x61x"
		      "\x63mac\x85\0\0\0\0\0"),
		BYTES("\xa1\x67network\xa2\x69interface\x61x"
		      "\x63mac\x86\0\0\0\0\0\x19\x01\0"),
		BYTES("\xa1\x67network\xa3\x69interface\x61x"
		      "\x63mac\x86\0\0\0\0\0\0"
		      "\x64ipv4\xa3\x67"
		      "address\x84\0\0\0\0\x67gateway\x84\0\0\0\0"
		      "\x6aprefix_len\x18\x21"),
		/* certificates: no map, with a NUL */
		BYTES("\xa1\x63tls\x80"),
		BYTES("\xa1\x63tls\xa1\x66"
		      "ca_pem\x62x\0"),
		/* unknown root kind */
		BYTES("\xa1\x6a"
		      "block_root\xa1\x64kind\x61x"),
	};
	struct bootspec s;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(bootspec_decode(bad[i].bytes, bad[i].len, &s),
				 -EBADMSG);
}

static void too_many_mounts(void **state)
{
	struct bootspec s;
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 20);
	cbor_put_map(&b, 1);
	cbor_put_text(&b, "tmpfs_mounts");
	cbor_put_array(&b, 5000);
	for (int i = 0; i < 5000; i++) {
		cbor_put_map(&b, 1);
		cbor_put_text(&b, "path");
		cbor_put_text(&b, "/x");
	}
	assert_int_equal(bootspec_decode(buf_data(&b), buf_len(&b), &s),
			 -EBADMSG);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_round_trips),
		cmocka_unit_test(block_roots_round_trip),
		cmocka_unit_test(two_megabytes_of_environment),
		cmocka_unit_test(foreign_bootstrap_messages),
		cmocka_unit_test(network_example),
		cmocka_unit_test(network_round_trips),
		cmocka_unit_test(certificates_round_trip),
		cmocka_unit_test(refusals),
		cmocka_unit_test(too_many_mounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
