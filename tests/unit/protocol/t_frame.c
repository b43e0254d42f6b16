/* SPDX-License-Identifier: Apache-2.0 */
/* Framing limits, the envelope and relay id ranges. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "protocol/frame.h"
#include "protocol/msg.h"

static void slot_arithmetic(void **state)
{
	uint32_t start, end;

	(void)state;
	assert_int_equal(RELAY_ID_STEP, 33554431);
	assert_int_equal(relay_slot(1), 0);
	assert_int_equal(relay_slot(33554430), 0);
	assert_int_equal(relay_slot(33554432), 1);
	assert_int_equal(relay_slot(4294967167u), 127);
	assert_int_equal(relay_slot(UINT32_MAX), 127);
	relay_range(0, &start, &end);
	assert_true(start == 0x00000001 && end == 0x01ffffff);
	relay_range(1, &start, &end);
	assert_true(start == 0x02000000 && end == 0x03fffffe);
	relay_range(127, &start, &end);
	assert_true(start == 0xfdffff82 && end == 0xffffff80);
}

/* A handshake must not look like the one of an old relay: see 1.6. */
static void no_range_looks_like_the_old_handshake(void **state)
{
	(void)state;
	for (unsigned slot = 0; slot < RELAY_MAX_CLIENTS; slot++) {
		uint32_t start, end;

		relay_range(slot, &start, &end);
		assert_false(end >= FRAME_LEN_MIN && end <= FRAME_LEN_MAX);
		assert_int_equal(relay_slot(start), slot);
		assert_int_equal(relay_slot(end - 1), slot);
	}
}

static void limits_of_the_length(void **state)
{
	uint8_t head[16] = { 0 };
	struct frame f;

	(void)state;
	be32_put(head, FRAME_LEN_MAX + 1);
	assert_int_equal(frame_parse(head, 4, &f), -EMSGSIZE);
	be32_put(head, FRAME_LEN_MAX);
	assert_int_equal(frame_parse(head, sizeof(head), &f), 0);
	be32_put(head, 4);
	assert_int_equal(frame_parse(head, 4, &f), -EBADMSG);
	be32_put(head, 5);
	assert_int_equal(frame_parse(head, 3, &f), 0);
	assert_int_equal(frame_parse(head, 8, &f), 0);
	assert_int_equal(frame_parse(head, 9, &f), 1);
	assert_int_equal(f.body.len, 0);
	assert_int_equal(f.raw.len, 9);
}

static void byte_by_byte_and_two_at_once(void **state)
{
	struct buf b;
	struct frame f;
	size_t first;

	(void)state;
	buf_init(&b, FRAME_BUF_MAX);
	assert_int_equal(frame_put_data(&b, 7, 6, MSG_T_EXEC_STDIN, "abc", 3),
			 0);
	first = buf_len(&b);
	assert_int_equal(frame_put_data(&b, 8, 6, MSG_T_EXEC_STDIN, "d", 1), 0);
	for (size_t n = 0; n < first; n++)
		assert_int_equal(frame_parse(buf_data(&b), n, &f), 0);
	assert_int_equal(frame_parse(buf_data(&b), buf_len(&b), &f), 1);
	assert_int_equal(f.id, 7);
	assert_int_equal(f.raw.len, first);
	buf_consume(&b, f.raw.len);
	assert_int_equal(frame_parse(buf_data(&b), buf_len(&b), &f), 1);
	assert_int_equal(f.id, 8);
	assert_int_equal(f.raw.len, buf_len(&b));
	buf_fini(&b);
}

static void the_largest_frame_fits_and_one_more_does_not(void **state)
{
	/* "v", "t", "p" and "data" around the bytes of core.fs.data */
	size_t around = 1 + 3 + 2 + 1 + 12 + 2 + 5 + 1 + 5 + 5;
	size_t room = FRAME_LEN_MAX - FRAME_LEN_MIN - around;
	uint8_t *data = calloc(1, room + 1);
	struct envelope e;
	struct frame f;
	struct buf b;

	(void)state;
	assert_non_null(data);
	buf_init(&b, FRAME_BUF_MAX);
	assert_int_equal(
		frame_put_data(&b, 1, 2, MSG_T_FS_DATA, data, room + 1),
		-EMSGSIZE);
	assert_int_equal(buf_len(&b), 0);
	assert_false(b.failed);
	assert_int_equal(frame_put_data(&b, 1, 2, MSG_T_FS_DATA, data, room),
			 0);
	assert_int_equal(buf_len(&b), FRAME_BUF_MAX);
	assert_int_equal(frame_parse(buf_data(&b), buf_len(&b), &f), 1);
	assert_int_equal(envelope_parse(f.body, NULL, &e), 0);
	assert_true(view_is(e.type, MSG_T_FS_DATA));
	buf_fini(&b);
	free(data);
}

static void a_full_buffer_is_left_as_it_was(void **state)
{
	struct buf b, payload;

	(void)state;
	buf_init(&b, 64);
	buf_init(&payload, 64);
	msg_encode_empty(&payload);
	assert_int_equal(frame_put(&b, 1, 6, MSG_T_PING, &payload), 0);
	assert_int_equal(frame_put(&b, 2, 6, MSG_T_PING, &payload), 0);
	assert_int_equal(frame_put(&b, 3, 6, MSG_T_PING, &payload), -ENOSPC);
	assert_int_equal(buf_len(&b), 2 * 29);
	assert_false(b.failed);
	buf_consume(&b, 29);
	assert_int_equal(frame_put(&b, 3, 6, MSG_T_PING, &payload), 0);
	assert_int_equal(frame_put(&b, 3, 6, "core.nonsense", &payload),
			 -EINVAL);
	payload.failed = true;
	assert_int_equal(frame_put(&b, 3, 6, MSG_T_PING, &payload), -EMSGSIZE);
	buf_fini(&b);
	buf_fini(&payload);
}

static void raw_frames(void **state)
{
	struct frame f;
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	assert_int_equal(frame_put_raw(&b, 9, 0x83, "xyz", 3), 0);
	assert_int_equal(frame_parse(buf_data(&b), buf_len(&b), &f), 1);
	assert_int_equal(f.flags, 0x83);
	assert_true(view_is(f.body, "xyz"));
	assert_int_equal(frame_put_raw(&b, 9, 0, "x", 100), -ENOSPC);
	buf_fini(&b);
}

static int parse(const char *bytes, size_t len, struct envelope *e)
{
	return envelope_parse((struct view){ (const uint8_t *)bytes, len },
			      NULL, e);
}

static void envelopes(void **state)
{
	struct envelope e;

	(void)state;
	/* another order, an unknown key, a wide version */
	assert_int_equal(parse("\xa4\x61p\x41\xa0\x61x\x81\x01\x61t\x61q"
			       "\x61v\x19\x01\x00",
			       18, &e),
			 0);
	assert_int_equal(e.v, 256);
	assert_true(view_is(e.type, "q"));
	assert_int_equal(e.payload.len, 1);
	/* each key is mandatory, types are checked */
	assert_int_equal(parse("\xa2\x61t\x61q\x61p\x40", 8, &e), -EBADMSG);
	assert_int_equal(parse("\xa2\x61v\x01\x61p\x40", 7, &e), -EBADMSG);
	assert_int_equal(parse("\xa2\x61v\x01\x61t\x61q", 8, &e), -EBADMSG);
	assert_int_equal(parse("\xa3\x61v\x01\x61t\x61q\x61p\x60", 11, &e),
			 -EBADMSG);
	assert_int_equal(parse("\xa3\x61v\x20\x61t\x61q\x61p\x40", 11, &e),
			 -EBADMSG);
	assert_int_equal(parse("", 0, &e), -EBADMSG);
	assert_int_equal(parse("\x80", 1, &e), -EBADMSG);
	assert_int_equal(parse("\xa3\x61v\x01\x61t\x61q\x61p\x40", 11, &e), 0);
	assert_int_equal(parse("\xa3\x61v\x01\x61t\x61q\x61p\x40\x00", 12, &e),
			 -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slot_arithmetic),
		cmocka_unit_test(no_range_looks_like_the_old_handshake),
		cmocka_unit_test(limits_of_the_length),
		cmocka_unit_test(byte_by_byte_and_two_at_once),
		cmocka_unit_test(the_largest_frame_fits_and_one_more_does_not),
		cmocka_unit_test(a_full_buffer_is_left_as_it_was),
		cmocka_unit_test(raw_frames),
		cmocka_unit_test(envelopes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
