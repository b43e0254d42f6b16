/* SPDX-License-Identifier: Apache-2.0 */
/* Our CBOR against another implementation's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oracle.h"
#include "protocol/bootspec.h"
#include "protocol/cbor.h"
#include "protocol/msg.h"

#define W(text) ((char[]){ text }) /* writable */

static size_t our_item(const uint8_t *data, size_t len)
{
	struct cbor c;

	cbor_init(&c, (struct view){ data, len }, NULL);
	return cbor_skip(&c) ? 0 : (size_t)(c.p - data);
}

/* Items of any shape have the same length for both, and so do their
 * truncations and versions with one byte changed. */
static void random_items(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 3000; seed++) {
		size_t len;
		uint8_t *data = oracle_random(seed, &len);

		assert_non_null(data);
		assert_int_equal(our_item(data, len), len);
		if (len > 1)
			assert_int_equal(our_item(data, len - 1), 0);
		free(data);
	}
}

/* Of items with one bit changed, those that we accept and that the other one
 * knows have the same length for both. It is not shown what we refuse: it
 * allocates whatever an array claims to hold. */
static void damaged_items(void **state)
{
	size_t accepted = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 3000; seed++) {
		size_t len, theirs, ours;
		uint8_t *data = oracle_random(seed, &len);

		assert_non_null(data);
		data[seed % len] ^= (uint8_t)(1u << (seed / 7 % 8));
		ours = our_item(data, len);
		theirs = ours ? oracle_item(data, len) : 0;
		if (ours && theirs)
			assert_int_equal(ours, theirs);
		accepted += ours && theirs;
		free(data);
	}
	assert_true(accepted > 500);
}

static void loose_exec_request(void **state)
{
	struct msg_exec_request m;
	struct cbor_scratch s;
	struct msg_rlimit r;
	uint8_t scratch[256];
	size_t len;
	uint8_t *data = oracle_loose_exec(&len);
	struct view v;

	(void)state;
	assert_non_null(data);
	cbor_scratch_init(&s, scratch, sizeof(scratch));
	assert_int_equal(
		msg_decode_exec_request((struct view){ data, len }, &s, &m), 0);
	assert_true(view_is(m.cmd, "/bin/sh"));
	assert_int_equal(m.nargs, 2);
	assert_int_equal(cbor_get_string(&m.args, &v), 0);
	assert_int_equal(cbor_get_string(&m.args, &v), 0);
	assert_true(view_is(v, "true"));
	assert_int_equal(m.cols, 132);
	assert_int_equal(m.rows, 24);
	assert_int_equal(msg_next_rlimit(&m.rlimits, &r), 0);
	assert_true(view_is(r.resource, "core"));
	assert_int_equal(r.soft, 8);
	free(data);
}

/* What we write is read and written back unchanged. */
static void our_encodings(void **state)
{
	struct boot_mount mount = { .kind = BOOT_MOUNT_DIR,
				    .tag = W("t"),
				    .path = W("/p") };
	struct bootspec spec = { .root_tag = W("msbroot"),
				 .mounts = &mount,
				 .nmounts = 1,
				 .hostname = W("box") };
	struct msg_fs_request fs = { .op = MSG_FS_SET_STAT,
				     .path = view_cstr("/x"),
				     .attrs = { .mtime = { true, -1 } } };
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (int i = 0; i < 2; i++) {
		uint8_t *again;
		size_t len;

		buf_reset(&b);
		if (i)
			assert_int_equal(bootspec_encode(&spec, &b), 0);
		else
			msg_encode_fs_request(&b, &fs);
		again = oracle_rewrite(buf_data(&b), buf_len(&b), &len);
		assert_non_null(again);
		assert_int_equal(len, buf_len(&b));
		assert_memory_equal(again, buf_data(&b), len);
		free(again);
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_items),
		cmocka_unit_test(damaged_items),
		cmocka_unit_test(loose_exec_request),
		cmocka_unit_test(our_encodings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
