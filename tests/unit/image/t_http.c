/* SPDX-License-Identifier: Apache-2.0 */
/* Response heads, origins of URLs, and bundles of certificates. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "image/http_int.h"
#include "image/roots.h"

static int header(struct http_response *r, const char *line)
{
	return http_header(r, line, strlen(line));
}

static void headers_are_taken(void **state)
{
	struct http_response r;

	(void)state;
	http_response_init(&r);
	assert_int_equal(header(&r, "HTTP/1.1 206 Partial Content\r\n"), 0);
	assert_int_equal(header(&r, "content-type:  a/b; c=d \r\n"), 0);
	assert_int_equal(header(&r, "Docker-Content-Digest: sha256:1\r\n"), 0);
	assert_int_equal(header(&r, "Content-Range: bytes 100-199/200\r\n"), 0);
	assert_int_equal(header(&r, "WWW-Authenticate: Basic\r\n"), 0);
	assert_int_equal(header(&r, "www-authenticate: Bearer\n"), 0);
	assert_int_equal(header(&r, "\r\n"), 0);
	assert_string_equal(r.content_type, "a/b; c=d");
	assert_string_equal(r.content_digest, "sha256:1");
	assert_int_equal(r.range_start, 100);
	assert_int_equal(r.authenticate.n, 2);
	assert_string_equal(r.authenticate.v[1], "Bearer");
	/* the answer before this one was not the answer */
	assert_int_equal(header(&r, "HTTP/2 200\r\n"), 0);
	assert_null(r.content_type);
	assert_int_equal(r.authenticate.n, 0);
	assert_true(r.range_start == HTTP_SIZE_UNKNOWN);
	http_response_fini(&r);
}

static void odd_headers_do_no_harm(void **state)
{
	static const char *const ranges[] = {
		"Content-Range: bytes */200",
		"Content-Range: bytes -5-9/10",
		"Content-Range: bytes 99999999999999999999-1/2",
		"Content-Range: lines 1-2/3",
		"Content-Range:",
		"Content-Range: bytes 5",
	};
	struct http_response r;

	(void)state;
	http_response_init(&r);
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		assert_int_equal(header(&r, ranges[i]), 0);
		assert_true(r.range_start == HTTP_SIZE_UNKNOWN);
	}
	assert_int_equal(header(&r, "Content-Type: a\x01z"), -EPROTO);
	assert_int_equal(header(&r, "no colon"), 0);
	assert_int_equal(header(&r, ":"), 0);
	assert_int_equal(http_header(&r, "", 0), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(header(&r, "WWW-Authenticate: x"), 0);
	assert_true(r.authenticate.n < 100);
	http_response_fini(&r);
}

static void origins_are_told_apart(void **state)
{
	static const char *const odd[] = {
		"",	    "ftp://h/",		"file:///etc/passwd",
		"/v2/",	    "https://u@h/",	"https://u:p@h/",
		"https://", "https://h:99999/",
	};
	struct http_origin a, b;

	(void)state;
	assert_int_equal(http_origin("https://h.io/a?b", &a), 0);
	assert_int_equal(http_origin("HTTPS://H.io:443/c", &b), 0);
	assert_true(http_origin_eq(&a, &b));
	assert_int_equal(http_origin("https://h.io:444/", &b), 0);
	assert_false(http_origin_eq(&a, &b));
	assert_int_equal(http_origin("http://h.io:443/", &b), 0);
	assert_false(http_origin_eq(&a, &b));
	assert_int_equal(http_origin("https://h.io.evil/", &b), 0);
	assert_false(http_origin_eq(&a, &b));
	assert_int_equal(http_origin("http://[::1]:5000/", &b), 0);
	assert_int_equal(b.port, 5000);
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		assert_int_equal(http_origin(odd[i], &a), -EINVAL);
}

static void parameters_are_escaped(void **state)
{
	char *one = http_url_add("https://h/t?x=1", "service", "a b&c=d#e");
	char *two = http_url_add("https://h/t", "s", "");

	(void)state;
	assert_string_equal(one, "https://h/t?x=1&service=a%20b%26c%3dd%23e");
	assert_string_equal(two, "https://h/t?s=");
	assert_null(http_url_add("nonsense url", "a", "b"));
	free(one);
	free(two);
}

#define PEM(text)                                                              \
	"-----BEGIN CERTIFICATE-----\n" text "\n-----END CERTIFICATE-----\n"

static void bundles_are_checked(void **state)
{
	static const char *const good[] = {
		PEM("MAMCAQU="), /* a sequence of one number */
		"comment\n" PEM("MAMC\nAQU=") "more\n" PEM("MAMCAQU="),
	};
	static const char *const bad[] = {
		"",
		"garbage",
		PEM(""),
		PEM("not base64!"),
		PEM("AgEF"),	 /* a number */
		PEM("MAMCAQUA"), /* and something behind it */
		PEM("MIT/////"), /* longer than there is */
		PEM("MAMCAQU=") "-----BEGIN CERTIFICATE-----\nMAMCAQU=\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(roots_check(good[i], strlen(good[i]), NULL),
				 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err;

		assert_int_equal(roots_check(bad[i], strlen(bad[i]), &err),
				 -EINVAL);
		assert_true(str_starts(err.msg, "invalid PEM certificate: "));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_taken),
		cmocka_unit_test(odd_headers_do_no_harm),
		cmocka_unit_test(origins_are_told_apart),
		cmocka_unit_test(parameters_are_escaped),
		cmocka_unit_test(bundles_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
