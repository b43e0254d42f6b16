/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads that are taken although they are unusual, and those that are
 * refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "msgwire.h"
#include "vectors.h"

#define BYTES(text)                                                            \
	{                                                                      \
		(text), sizeof(text) - 1                                       \
	}

/* Payload {"cmd": "a", "later": {...}, ...}: unknown keys, other order,
 * indefinite containers, strings in pieces, bytes as arrays, wide integers. */
static void tolerant_exec_request(void **state)
{
	static const uint8_t wire[] =
		"\xbf"
		"\x65later\xa1\x61x\x9f\x01\xc1\x82\x02\xfb\0\0\0\0\0\0\0\0\xff"
		"\x64rows\x1b\0\0\0\0\0\0\0\x32"
		"\x64"
		"args\x9f\x7f\x62"
		"ab\x61"
		"c\xff\x61"
		"d\xff"
		"\x63"
		"env\xf6"
		"\x63"
		"cmd\x7f\x61"
		"s\x61h\xff"
		"\x63tty\xf5"
		"\xff";
	struct fixture *f = *state;
	struct view payload = { wire, sizeof(wire) - 1 }, v;
	struct msg_exec_request m;

	assert_int_equal(msg_decode_exec_request(payload, NULL, &m), -EBADMSG);
	cbor_scratch_init(&f->scratch, f->scratch_data, payload.len);
	assert_int_equal(msg_decode_exec_request(payload, &f->scratch, &m), 0);
	assert_true(view_is(m.cmd, "sh"));
	assert_int_equal(m.rows, 50);
	assert_int_equal(m.cols, 80);
	assert_true(m.tty);
	assert_int_equal(m.nargs, 2);
	assert_int_equal(m.nenv, 0);
	assert_null(m.cwd.p);
	assert_int_equal(cbor_get_string(&m.args, &v), 0);
	assert_true(view_is(v, "abc"));
	assert_true(view_is(m.cmd, "sh"));
	assert_int_equal(cbor_get_string(&m.args, &v), 0);
	assert_true(view_is(v, "d"));
	assert_true(cbor_at_end(&m.args));
}

static void tolerant_data(void **state)
{
	static const uint8_t array[] = "\xa1\x64"
				       "data\x83\x00\x18\x19\x18\xff";
	static const uint8_t wide[] = "\xa1\x64"
				      "data\x81\x19\x01\x00";
	static const uint8_t pieces[] = "\xa1\x64"
					"data\x5f\x41"
					"a\x42"
					"bc\xff";
	static const uint8_t empty[] = "\xa1\x64"
				       "data\x80";
	struct fixture *f = *state;
	struct view data;

	cbor_scratch_init(&f->scratch, f->scratch_data, 3);
	assert_int_equal(
		msg_decode_data((struct view){ array, sizeof(array) - 1 },
				&f->scratch, &data),
		0);
	assert_int_equal(data.len, 3);
	assert_memory_equal(data.p, "\x00\x19\xff", 3);
	cbor_scratch_init(&f->scratch, f->scratch_data, 2);
	assert_int_equal(
		msg_decode_data((struct view){ array, sizeof(array) - 1 },
				&f->scratch, &data),
		-EBADMSG);
	assert_ptr_equal(f->scratch.p, f->scratch_data);
	cbor_scratch_init(&f->scratch, f->scratch_data, 8);
	assert_int_equal(
		msg_decode_data((struct view){ wide, sizeof(wide) - 1 },
				&f->scratch, &data),
		-EBADMSG);
	assert_int_equal(
		msg_decode_data((struct view){ pieces, sizeof(pieces) - 1 },
				&f->scratch, &data),
		0);
	assert_true(view_is(data, "abc"));
	assert_int_equal(
		msg_decode_data((struct view){ empty, sizeof(empty) - 1 }, NULL,
				&data),
		0);
	assert_int_equal(data.len, 0);
	assert_non_null(data.p);
}

static void refused_payloads(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		BYTES(""),
		BYTES("\xf6"),
		BYTES("\xa0"), /* cmd is mandatory */
		BYTES("\xa1\x63"
		      "cmd\xf6"), /* and not null */
		BYTES("\xa1\x63"
		      "cmd\x01"), /* and a string */
		BYTES("\xa1\x63"
		      "cmd\x61\xff"), /* of UTF-8 when text */
		BYTES("\xa1\x63"
		      "cmd\x61x\x00"), /* trailing item */
		BYTES("\xa2\x63"
		      "cmd\x61x"),	/* pair missing */
		BYTES("\xa1\x01\x61x"), /* key is no text */
		BYTES("\xa2\x63"
		      "cmd\x61x\x64rows\x1a\x00\x01\x00\x00"),
		BYTES("\xa2\x63"
		      "cmd\x61x\x64rows\x20"),
		BYTES("\xa2\x63"
		      "cmd\x61x\x64"
		      "args\x61y"),
		BYTES("\xa2\x63"
		      "cmd\x61x\x64"
		      "args\x81\x01"),
		BYTES("\xa2\x63"
		      "cmd\x61x\x67rlimits\x81\xa0"),
	};
	struct msg_exec_request m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			msg_decode_exec_request(
				(struct view){ (const uint8_t *)bad[i].bytes,
					       bad[i].len },
				NULL, &m),
			-EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_TEST(tolerant_exec_request),
		WIRE_TEST(tolerant_data),
		cmocka_unit_test(refused_payloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
