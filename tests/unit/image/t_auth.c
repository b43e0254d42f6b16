/* SPDX-License-Identifier: Apache-2.0 */
/* Challenges, tokens and Basic credentials. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "image/auth.h"

static int parse(const char *a, const char *b, struct auth_challenge *ret)
{
	char *list[] = { (char *)a, (char *)b, NULL };
	const struct strv values = { .v = list, .n = b ? 2 : 1 };

	return auth_challenge_parse(&values, ret);
}

static bool same(const char *a, const char *b)
{
	return str_eq(a, b);
}

static void challenges_are_understood(void **state)
{
	static const struct {
		const char *first, *second;
		bool basic, bearer;
		const char *realm, *service, *scope;
	} cases[] = {
		{ "Basic realm=\"x\"", NULL, true, false, NULL, NULL, NULL },
		{ "basic", NULL, true, false, NULL, NULL, NULL },
		{ "Bearer realm=\"https://a/t\",service=\"s\",scope=\"r:p\"",
		  NULL, false, true, "https://a/t", "s", "r:p" },
		{ "  bearer  REALM = https , service=\"a \\\"b\\\" \\\\\"",
		  NULL, false, true, "https", "a \"b\" \\", NULL },
		{ "Negotiate YWJj==, Bearer realm=\"a,b=c\", Basic realm=q",
		  NULL, true, true, "a,b=c", NULL, NULL },
		{ "Bearer realm=\"1\", Bearer realm=\"2\",service=\"s2\"", NULL,
		  false, true, "1", NULL, NULL },
		{ "Bearer service=\"no realm\"", "Bearer realm=\"r\"", false,
		  true, "r", NULL, NULL },
		{ "Basic", "Bearer realm=\"r\",realm=\"later\"", true, true,
		  "r", NULL, NULL },
		{ "Bearer realm=\"unfinished", NULL, false, true, "unfinished",
		  NULL, NULL },
		{ ", ,Bearer realm=\"\",,", NULL, false, true, "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct auth_challenge c;

		assert_int_equal(parse(cases[i].first, cases[i].second, &c), 0);
		assert_int_equal(c.basic, cases[i].basic);
		assert_int_equal(c.bearer, cases[i].bearer);
		assert_true(same(c.realm, cases[i].realm));
		assert_true(same(c.service, cases[i].service));
		assert_true(same(c.scope, cases[i].scope));
		auth_challenge_fini(&c);
	}
}

static void useless_challenges_are_told(void **state)
{
	static const char *const odd[] = {
		"",
		"Negotiate",
		"Digest realm=\"x\"",
		"Bearer",
		"Bearer service=\"s\"",
		"=\"\"",
		"\"",
		"realm=\"x\"",
	};
	struct auth_challenge c;
	char *huge = malloc(AUTH_HEADER_MAX + 16);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(parse(odd[i], NULL, &c), -EINVAL);
	memset(huge, ' ', AUTH_HEADER_MAX + 8);
	memcpy(huge + AUTH_HEADER_MAX + 8, "Basic", sizeof("Basic"));
	assert_int_equal(parse(huge, NULL, &c), -EINVAL);
	free(huge);
}

static void tokens_are_taken(void **state)
{
	static const char *const good[][2] = {
		{ "{\"token\":\"abc\"}", "abc" },
		{ "{\"access_token\":\"d.e-f\"}", "d.e-f" },
		{ "{\"token\":\"\",\"access_token\":\"x\"}", "x" },
		{ "{\"token\":\"1\",\"access_token\":\"2\"}", "1" },
	};
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"token\":\"\"}",
		"{\"token\":5}",
		"{\"token\":\"a b\"}",
		"{\"token\":\"a\\nb\"}",
		"{\"token\":\"a\\u00e4\"}",
		"{\"token\":\"a\"",
	};
	char *token;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(auth_token_parse(good[i][0],
						  strlen(good[i][0]), &token,
						  NULL),
				 0);
		assert_string_equal(token, good[i][1]);
		free(token);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			auth_token_parse(bad[i], strlen(bad[i]), &token, NULL),
			-EPROTO);
}

static void basic_goes_there_and_back(void **state)
{
	char *text = auth_basic("Aladdin", "open:sesame"), *user, *pass;

	(void)state;
	assert_string_equal(text, "Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ==");
	assert_int_equal(
		auth_basic_decode(text + strlen("Basic "), &user, &pass), 0);
	assert_string_equal(user, "Aladdin");
	assert_string_equal(pass, "open:sesame");
	free(user);
	free(pass);
	free(text);
	/* "u:p" and two NULs */
	assert_int_equal(auth_basic_decode("dTpwAAA=", &user, &pass), 0);
	assert_string_equal(pass, "p");
	free(user);
	free(pass);
	/* no colon, no user, no password, no base64 */
	assert_int_equal(auth_basic_decode("dXNlcg==", &user, &pass), -EINVAL);
	assert_int_equal(auth_basic_decode("OnA=", &user, &pass), -EINVAL);
	assert_int_equal(auth_basic_decode("dTo=", &user, &pass), -EINVAL);
	assert_int_equal(auth_basic_decode("dTpw!", &user, &pass), -EINVAL);
	assert_int_equal(auth_basic_decode("", &user, &pass), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(challenges_are_understood),
		cmocka_unit_test(useless_challenges_are_told),
		cmocka_unit_test(tokens_are_taken),
		cmocka_unit_test(basic_goes_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
