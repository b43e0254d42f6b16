/* SPDX-License-Identifier: Apache-2.0 */
/* The host in an authority. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "net/http/request_int.h"

/* Of exactly this size, so that a look behind it is noticed. */
static int host_of(const char *text, size_t len, char ret[NET_NAME_MAX + 1])
{
	char *copy = malloc(len ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = authority_host(copy, len, ret);
	free(copy);
	return rc;
}

static void hosts_in_one_form(void **state)
{
	static const char *const good[][2] = {
		{ "a.test", "a.test" },
		{ "A.TeSt", "a.test" },
		{ "a.test.", "a.test" },
		{ "a.test:443", "a.test" },
		{ "a.test.:443", "a.test" },
		{ "a.test:", "a.test" }, /* RFC 3986, 3.2.3 */
		{ "a", "a" },
		{ "xn--nxasmq6b.test:1", "xn--nxasmq6b.test" },
		{ "192.0.2.1", "192.0.2.1" },
		{ "192.0.2.1:65535", "192.0.2.1" },
		{ "[2001:db8::1]", "2001:db8::1" },
		{ "[2001:DB8:0:0::1]:443", "2001:db8::1" },
		{ "[::1]:", "::1" },
	};
	char host[NET_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(host_of(good[i][0], strlen(good[i][0]), host),
				 0);
		assert_string_equal(host, good[i][1]);
	}
	(void)state;
}

static void what_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"..",
		":",
		":80",
		".a.test",
		"a..test",
		"a.test..",
		"a.test:80:80",
		"a.test:x",
		"a.test:-1",
		"a.test: 80",
		"a.test:123456",
		"a test",
		" a.test",
		"a.test ",
		"a.test/",
		"a.test?x",
		"a.test#x",
		"a@b",
		"a:b@c",
		"a\\b",
		"a,b",
		"a%2eb",
		"*.test",
		"\xc3\xa4.test",
		"[",
		"[]",
		"[::1",
		"::1",
		"[::1]x",
		"[::1]:x",
		"[::1]:80:80",
		"[::1]]",
		"[[::1]]",
		"[a.test]",
		"[192.0.2.1%eth0]",
		"[fe80::1%eth0]",
		"[fe80::1%25eth0]",
		"2001:db8::1",
		"a.test\n",
		"a\001b",
		"[::1]80",
	};
	static const char zero[] = "a.test\0b";
	char host[NET_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(host_of(bad[i], strlen(bad[i]), host),
				 -EINVAL);
	assert_int_equal(host_of(zero, sizeof(zero) - 1, host), -EINVAL);
	(void)state;
}

static void names_are_bounded(void **state)
{
	char text[NET_NAME_MAX + 16], host[NET_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 50 == 49 ? '.' : 'a';
	assert_int_equal(host_of(text, NET_NAME_MAX, host), 0);
	assert_int_equal(strlen(host), NET_NAME_MAX);
	assert_int_equal(host_of(text, sizeof(text), host), -EINVAL);
	memset(text, 'a', 64); /* one label */
	assert_int_equal(host_of(text, 64, host), -EINVAL);
	assert_int_equal(host_of(text, 63, host), 0);
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_in_one_form),
		cmocka_unit_test(what_is_none),
		cmocka_unit_test(names_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
