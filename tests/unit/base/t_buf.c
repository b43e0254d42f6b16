/* SPDX-License-Identifier: Apache-2.0 */
/* Capped buffer: ceiling, consuming, moving down. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void grows_to_its_ceiling_and_no_further(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	for (int i = 0; i < 10; i++)
		assert_int_equal(buf_append(&b, "0123456789", 10), 0);
	assert_int_equal(buf_append(&b, "x", 1), -ENOSPC);
	assert_true(b.failed);
	assert_int_equal(buf_len(&b), 100);
	buf_fini(&b);
}

static void consumed_space_is_used_again(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 16);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(buf_append(&b, "abcdefgh", 8), 0);
		assert_memory_equal(buf_data(&b), "abcdefgh", 8);
		buf_consume(&b, 8);
	}
	assert_int_equal(buf_len(&b), 0);
	assert_true(b.cap <= 64);
	buf_fini(&b);
}

static void taken_text_starts_at_the_first_live_byte(void **state)
{
	struct buf b;
	char *text;

	(void)state;
	buf_init(&b, 64);
	assert_int_equal(buf_printf(&b, "%s-%d", "drop", 42), 0);
	buf_consume(&b, 5);
	text = buf_take_str(&b);
	assert_string_equal(text, "42");
	free(text);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_to_its_ceiling_and_no_further),
		cmocka_unit_test(consumed_space_is_used_again),
		cmocka_unit_test(taken_text_starts_at_the_first_live_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
