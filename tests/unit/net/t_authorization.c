/* SPDX-License-Identifier: Apache-2.0 */
/* The value of an Authorization field, and base64. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base64.h"
#include "base/compiler.h"
#include "net/http/request_int.h"
#include "secret_bench.h"

#define HOST "api.example.com"

static struct secret_bench bench;
static struct secret_scope *scope;

static int start(void **state)
{
	(void)state;
	secret_bench_init(&bench);
	secret_bench_add(&bench, "KEY", NULL, "s3cret", HOST, PLACE_BASIC);
	secret_bench_add(&bench, "TOKEN", NULL, "t0ken", HOST, PLACE_HEADER);
	secret_bench_add(&bench, "ELSE", NULL, "x", "else.example.com",
			 PLACE_ALL);
	secret_bench_start(&bench);
	scope = secret_bench_scope(&bench, HOST);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	scope = secret_scope_free(scope);
	secret_bench_fini(&bench);
	return 0;
}

static char *encoded(const char *text)
{
	struct buf b;
	char *code;

	buf_init(&b, 1 << 20);
	assert_int_equal(base64_encode(text, strlen(text), &b), 0);
	code = buf_take_str(&b);
	assert_non_null(code);
	return code;
}

static void becomes(const char *in, const char *want, int count)
{
	struct request_ctx ctx = { .scope = scope };
	struct buf out;

	buf_init_secret(&out, 1 << 20);
	assert_int_equal(authorization_value(&ctx, in, strlen(in), &out),
			 count);
	assert_string_equal(buf_cstr(&out), want);
	buf_fini(&out);
}

/* The same for text in base64 between front and back. */
static void basic_becomes(const char *front, const char *back, const char *in,
			  const char *want, int count)
{
	char before[500], after[500], *code = encoded(in);

	(void)snprintf(before, sizeof(before), "%s%s%s", front, code, back);
	free(code);
	code = encoded(want);
	(void)snprintf(after, sizeof(after), "%s%s%s", front, code, back);
	free(code);
	becomes(before, after, count);
}

static void basic(void **state)
{
	(void)state;
	basic_becomes("Basic ", "", "user:$MSB_KEY", "user:s3cret", 1);
	basic_becomes("bAsIc ", "", "$MSB_KEY:$MSB_KEY", "s3cret:s3cret", 2);
	basic_becomes(" Basic \t ", " \t", "$MSB_KEY:", "s3cret:", 1);
	basic_becomes("Basic ", "", "no placeholder", "no placeholder", 0);
	/* a secret for headers is none for credentials */
	basic_becomes("Basic ", "", "user:$MSB_TOKEN", "user:$MSB_TOKEN", 0);
}

/* As it came if nothing changes, standard and padded if something does. */
static void spellings(void **state)
{
	(void)state;
	becomes("Basic dTo_Pj8-", "Basic dTo_Pj8-", 0);
	becomes("Basic dTokTVNCX0tFWQ", "Basic dTpzM2NyZXQ=", 1);
	becomes("Basic JE1TQl9LRVk6_w", "Basic czNjcmV0Ov8=", 1);
	/* not base64, so not Basic credentials */
	becomes("Basic dTokTVNCX0tFWQ=", "Basic dTokTVNCX0tFWQ=", 0);
	becomes("Basic dTok TVNCX0tFWQ", "Basic dTok TVNCX0tFWQ", 0);
	becomes("Basic", "Basic", 0);
	becomes("Basic  ", "Basic  ", 0);
	becomes("", "", 0);
	becomes("BasicdTokTVNCX0tFWQ==", "BasicdTokTVNCX0tFWQ==", 0);
}

static void other_schemes(void **state)
{
	(void)state;
	becomes("Bearer $MSB_TOKEN", "Bearer t0ken", 1);
	becomes("$MSB_TOKEN", "t0ken", 1);
	becomes("Basic $MSB_TOKEN", "Basic t0ken", 1);
	becomes("Bearer $MSB_KEY", "Bearer $MSB_KEY", 0);
	basic_becomes("Bearer ", "", "user:$MSB_KEY", "user:$MSB_KEY", 0);
}

static void blocks(const char *in, enum secret_form form, const char *location)
{
	struct request_ctx ctx = { .scope = scope };
	struct buf out;

	buf_init_secret(&out, 1000);
	assert_int_equal(authorization_value(&ctx, in, strlen(in), &out),
			 -EPERM);
	assert_string_equal(ctx.found.env_var, "ELSE");
	assert_int_equal(ctx.found.form, form);
	assert_string_equal(ctx.found.location, location);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
}

static void violations(void **state)
{
	(void)state;
	blocks("Bearer $MSB_ELSE", SECRET_RAW, "header");
	blocks("Bearer %24MSB_ELSE", SECRET_PERCENT, "header");
	/* u:$MSB_ELSE; the code in full, without padding, with a stray
	 * character behind it */
	blocks("Basic dTokTVNCX0VMU0U=", SECRET_BASIC, "authorization_basic");
	blocks("basic  dTokTVNCX0VMU0U", SECRET_BASIC, "authorization_basic");
	blocks("Basic dTokTVNCX0VMU0U.", SECRET_BASIC, "authorization_basic");
	blocks("Basic $MSB_ELSE", SECRET_RAW, "header");
}

static void no_room(void **state)
{
	struct request_ctx ctx = { .scope = scope };
	static const char in[] = "Basic dTokTVNCX0tFWQ==";
	struct buf out;

	(void)state;
	buf_init_secret(&out, 10);
	assert_int_equal(authorization_value(&ctx, in, strlen(in), &out),
			 -ENOMEM);
	buf_fini(&out);
}

static void base64(void **state)
{
	static const struct {
		const char *code, *text;
	} good[] = {
		{ "", "" },
		{ "YQ==", "a" },
		{ "YQ", "a" },
		{ "YWI=", "ab" },
		{ "YWI", "ab" },
		{ "YWJj", "abc" },
		{ "YWJjZA", "abcd" },
		{ "_-_-", "\xff\xef\xfe" },
		{ "/+/+", "\xff\xef\xfe" },
	};
	static const char *bad[] = {
		"Y",	"=",	 "YQ=",	 "YWJj=",      "YWJjZ",
		"Y Q=", "YWI==", "Y===", "YW\xc3\xa4", "YQ==YQ=="
	};
	struct buf b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		buf_init(&b, 100);
		assert_int_equal(
			base64_decode(good[i].code, strlen(good[i].code), &b),
			0);
		assert_string_equal(buf_cstr(&b), good[i].text);
		buf_fini(&b);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		buf_init(&b, 100);
		assert_int_equal(base64_decode(bad[i], strlen(bad[i]), &b),
				 -EINVAL);
		buf_fini(&b);
	}
	for (size_t len = 0; len < 70; len++) {
		struct buf code;
		uint8_t data[70];

		for (size_t i = 0; i < len; i++)
			data[i] = (uint8_t)(i * 37 + len);
		buf_init(&code, 200);
		buf_init(&b, 200);
		assert_int_equal(base64_encode(data, len, &code), 0);
		assert_int_equal(buf_len(&code), (len + 2) / 3 * 4);
		assert_int_equal(
			base64_decode(buf_data(&code), buf_len(&code), &b), 0);
		assert_int_equal(buf_len(&b), len);
		assert_memory_equal(len ? buf_data(&b) : data, data, len);
		buf_fini(&code);
		buf_fini(&b);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(basic),      T(spellings), T(other_schemes),
		T(violations), T(no_room),   cmocka_unit_test(base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
