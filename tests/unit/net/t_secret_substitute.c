/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders become values, in the places they may, whatever the cuts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "secret_bench.h"

#define HOST "api.example.com"

static struct secret_bench bench;

static int start(void **state)
{
	(void)state;
	secret_bench_init(&bench);
	secret_bench_add(&bench, "KEY", NULL, "sk-1", HOST, PLACE_HEADER);
	secret_bench_add(&bench, "KEY_TWO", NULL, "a much longer value", HOST,
			 PLACE_BODY);
	secret_bench_add(&bench, "Q", "<q>", "q", HOST,
			 PLACE_QUERY | PLACE_BODY);
	secret_bench_add(&bench, "ELSE", NULL, "other", "else.example.com",
			 PLACE_ALL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	secret_bench_fini(&bench);
	return 0;
}

static void becomes(const struct secret_scope *s, enum secret_place place,
		    const char *in, const char *want, int count)
{
	struct buf out;

	buf_init_secret(&out, 1 << 20);
	assert_int_equal(secret_substitute(s, place, in, strlen(in), &out),
			 count);
	assert_string_equal(buf_cstr(&out), want);
	assert_int_equal(secret_present(s, place, in, strlen(in)), count > 0);
	buf_fini(&out);
}

static void places(void **state)
{
	struct secret_scope *s;

	(void)state;
	secret_bench_start(&bench);
	s = secret_bench_scope(&bench, HOST);
	becomes(s, SECRET_IN_HEADER, "", "", 0);
	becomes(s, SECRET_IN_HEADER, "Bearer $MSB_KEY", "Bearer sk-1", 1);
	becomes(s, SECRET_IN_HEADER, "$MSB_KEY$MSB_KEY", "sk-1sk-1", 2);
	becomes(s, SECRET_IN_HEADER, "x$MSB_KEYy<q>", "xsk-1y<q>", 1);
	becomes(s, SECRET_IN_HEADER, "$$MSB_KE$MSB_KEY$MSB", "$$MSB_KEsk-1$MSB",
		1);
	/* another placeholder, not for this place */
	becomes(s, SECRET_IN_HEADER, "$MSB_KEY_TWO", "$MSB_KEY_TWO", 0);
	becomes(s, SECRET_IN_HEADER, "$MSB_KEY_TW", "sk-1_TW", 1);
	becomes(s, SECRET_IN_BODY, "$MSB_KEY_TWO", "a much longer value", 1);
	becomes(s, SECRET_IN_BODY, "$MSB_KEY_TW", "$MSB_KEY_TW", 0);
	becomes(s, SECRET_IN_BODY, "$MSB_KEY", "$MSB_KEY", 0);
	becomes(s, SECRET_IN_QUERY, "a=<q>&b=<q>", "a=q&b=q", 2);
	becomes(s, SECRET_IN_BASIC, "$MSB_KEY", "$MSB_KEY", 0);
	becomes(s, SECRET_IN_HEADER, "$MSB_ELSE", "$MSB_ELSE", 0);
	assert_true(secret_scope_has(s, SECRET_IN_HEADER));
	assert_false(secret_scope_has(s, SECRET_IN_BASIC));
	assert_int_equal(secret_scope_carry(s, SECRET_IN_BASIC), 0);
	assert_int_equal(secret_scope_carry(s, SECRET_IN_BODY),
			 strlen("$MSB_KEY_TWO") - 1);
	secret_scope_free(s);
}

static void a_value_is_not_looked_at_again(void **state)
{
	struct secret_scope *s;

	(void)state;
	secret_bench_add(&bench, "LOOP", NULL, "$MSB_LOOP$MSB_KEY", HOST,
			 PLACE_HEADER);
	secret_bench_start(&bench);
	s = secret_bench_scope(&bench, HOST);
	becomes(s, SECRET_IN_HEADER, "$MSB_LOOP", "$MSB_LOOP$MSB_KEY", 1);
	secret_scope_free(s);
}

static void bytes_of_all_kinds(void **state)
{
	static const char in[] = "\0\xff$MSB_\0$MSB_KEY_TWO\0\x80";
	static const char want[] = "\0\xff$MSB_\0a much longer value\0\x80";
	struct secret_scope *s;
	struct buf out;

	(void)state;
	secret_bench_start(&bench);
	s = secret_bench_scope(&bench, HOST);
	buf_init_secret(&out, 100);
	assert_int_equal(
		secret_substitute(s, SECRET_IN_BODY, in, sizeof(in) - 1, &out),
		1);
	assert_int_equal(buf_len(&out), sizeof(want) - 1);
	assert_memory_equal(buf_data(&out), want, sizeof(want) - 1);
	buf_fini(&out);
	secret_scope_free(s);
}

/* What a stream does: nothing is given on before it is decided. */
static void in_parts(const struct secret_scope *s, const char *in, size_t step,
		     const char *want)
{
	struct buf pending, out;
	size_t used, len = strlen(in);

	buf_init(&pending, 1000);
	buf_init_secret(&out, 1000);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;

		assert_int_equal(buf_append(&pending, in + at, n), 0);
		assert_true(secret_substitute_part(
				    s, SECRET_IN_BODY, buf_data(&pending),
				    buf_len(&pending), at + n == len, &used,
				    &out) >= 0);
		buf_consume(&pending, used);
		assert_true(buf_len(&pending) <=
			    secret_scope_carry(s, SECRET_IN_BODY));
	}
	assert_int_equal(buf_len(&pending), 0);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&pending);
	buf_fini(&out);
}

static void cuts(void **state)
{
	static const char in[] = "$MSB_KEY $MSB_KEY_TWO<<q>$MSB_$MSB_KEY_TWO<q";
	static const char want[] =
		"$MSB_KEY a much longer value<q$MSB_a much longer value<q";
	struct secret_scope *s;

	(void)state;
	secret_bench_start(&bench);
	s = secret_bench_scope(&bench, HOST);
	for (size_t step = 1; step < sizeof(in); step++)
		in_parts(s, in, step, want);
	secret_scope_free(s);
}

/* Without a secret for this place nothing is held back. */
static void nothing_to_do(void **state)
{
	struct secret_scope *s;
	struct buf out;
	size_t used;

	(void)state;
	secret_bench_start(&bench);
	s = secret_bench_scope(&bench, HOST);
	buf_init_secret(&out, 100);
	assert_int_equal(secret_substitute_part(s, SECRET_IN_BASIC, "$MSB_KEY",
						8, false, &used, &out),
			 0);
	assert_int_equal(used, 8);
	assert_string_equal(buf_cstr(&out), "$MSB_KEY");
	buf_fini(&out);
	secret_scope_free(s);
}

static void bounded(void **state)
{
	struct secret_scope *s;
	struct buf out;

	(void)state;
	secret_bench_start(&bench);
	s = secret_bench_scope(&bench, HOST);
	buf_init_secret(&out, 7);
	assert_int_equal(secret_substitute(s, SECRET_IN_HEADER,
					   "$MSB_KEY$MSB_KEY", 16, &out),
			 -ENOMEM);
	buf_fini(&out);
	secret_scope_free(s);
}

/* Two secrets behind one placeholder: each place has the first that is for
 * it. */
static void shared_placeholder(void **state)
{
	struct secret_scope *s;

	(void)state;
	secret_bench_add(&bench, "A", "@@", "one", HOST, PLACE_HEADER);
	secret_bench_add(&bench, "B", "@@", "two", HOST,
			 PLACE_HEADER | PLACE_BODY);
	secret_bench_add(&bench, "C", "@@", "three", "else.example.com",
			 PLACE_ALL);
	secret_bench_start(&bench);
	s = secret_bench_scope(&bench, HOST);
	becomes(s, SECRET_IN_HEADER, "@@@", "one@", 1);
	becomes(s, SECRET_IN_BODY, "@@@", "two@", 1);
	becomes(s, SECRET_IN_QUERY, "@@@", "@@@", 0);
	secret_scope_free(s);
	s = secret_bench_scope(&bench, "else.example.com");
	becomes(s, SECRET_IN_HEADER, "@@@", "three@", 1);
	secret_scope_free(s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(places),
		T(a_value_is_not_looked_at_again),
		T(bytes_of_all_kinds),
		T(cuts),
		T(nothing_to_do),
		T(bounded),
		T(shared_placeholder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
