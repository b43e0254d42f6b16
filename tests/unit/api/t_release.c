/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, lists of sums, and where releases come from. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "api/release_int.h"
#include "base/compiler.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "00000000000000000000000000000000000000000000000000000000000000b0"

static void versions_in_order(void **state)
{
	/* each before the next; those of one line are equal */
	static const char *const order[][2] = {
		{ "0.0.9~beta", "0.0.9~beta" },
		{ "0.0.9-rc1", "0.0.9-rc01" },
		{ "0.0.9-rc2", "0.0.9-rc2" },
		{ "0.0.9-rc10", "0.0.9-rc10" },
		{ "0.0.9", "0.0.09" },
		{ "0.0.9.1", "0.0.9.1" },
		{ "0.0.10", "0.0.10" },
		{ "0.1", "0.1" },
		{ "0.1.0", "0.1.0" },
		{ "1.0.0", "1.0.0" },
		{ "9", "9" },
		{ "10", "010" },
		{ "99999999999999999999999998", "99999999999999999999999998" },
		{ "99999999999999999999999999", "99999999999999999999999999" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		for (size_t k = 0; k < ARRAY_SIZE(order); k++)
			for (int v = 0; v < 2; v++)
				assert_int_equal(
					release_version_compare(order[i][0],
								order[k][v]),
					(i > k) - (i < k));
}

static void versions_as_text(void **state)
{
	static const char *const good[] = {
		"0", "1.2.3", "1.0-rc1+x~y", "12345678901234567890123456789012"
	};
	static const char *const bad[] = {
		"",    "v1",	   ".1",
		"1/2", "1 2",	   "1\n",
		"-1",  "\xc3\xa4", "123456789012345678901234567890123"
	};
	char v[RELEASE_VERSION_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_true(release_version_valid(good[i]));
		assert_int_equal(
			release_latest_parse(good[i], strlen(good[i]), v), 0);
		assert_string_equal(v, good[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(release_version_valid(bad[i]));
	assert_int_equal(release_latest_parse(" \tv1.2\r\n", 8, v), 0);
	assert_string_equal(v, "1.2");
	assert_int_equal(release_latest_parse("1\0002", 3, v), -EINVAL);
	assert_int_equal(release_latest_parse("1.0\n2.0\n", 8, v), -EINVAL);
	assert_int_equal(release_latest_parse("\n", 1, v), -EINVAL);
	assert_int_equal(release_latest_parse("vv1", 3, v), -EINVAL);
}

static void sums(void **state)
{
	static const char list[] =
		"# a comment\n" A64 "  one\n" B64 " *two\r\n" B64 "  ./three\n"
		"\n" A64 " four\n" A64 "  twice\n" A64 "  twice\n" A64
		"  differs\n" B64 "  differs\n"
		"A" A64 "  five\n" A64 "a  six\n" A64 "  \n" A64 "  last";
	static const struct {
		const char *name, *sum;
		int rc;
	} cases[] = {
		{ "one", A64, 0 },	  { "two", B64, 0 },
		{ "three", B64, 0 },	  { "twice", A64, 0 },
		{ "last", A64, 0 },	  { "differs", "", -EBADMSG },
		{ "four", "", -ENOENT },  { "five", "", -ENOENT },
		{ "six", "", -ENOENT },	  { "on", "", -ENOENT },
		{ "one\n", "", -ENOENT }, { "", "", -ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char sum[RELEASE_SUM_LEN + 1];

		assert_int_equal(release_sums_find(list, sizeof(list) - 1,
						   cases[i].name, sum),
				 cases[i].rc);
		if (!cases[i].rc)
			assert_string_equal(sum, cases[i].sum);
	}
}

static void the_one_before(void **state)
{
#define LINE(v) A64 "  msb-" v "-linux-" RELEASE_ARCH ".tar.zst\n"
	static const char list[] = LINE("0.9") LINE("0.10") LINE("0.2")
		LINE("1.0") LINE("1.0-rc1") LINE("2/0") LINE("") LINE("x") A64
		"  msb-0.99-linux-mips.tar.zst\n" A64
		"  msb-0.99-linux-" RELEASE_ARCH ".tar.gz\n";
	static const struct {
		const char *version, *want;
	} cases[] = {
		{ "9", "1.0" },	   { "1.0", "1.0-rc1" }, { "1.0-rc1", "0.10" },
		{ "0.10", "0.9" }, { "0.9", "0.2" },	 { "0.2", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char version[RELEASE_VERSION_MAX + 1];
		int rc = release_sums_before(list, sizeof(list) - 1,
					     cases[i].version, version);

		assert_int_equal(rc, cases[i].want ? 0 : -ENOENT);
		if (!rc)
			assert_string_equal(version, cases[i].want);
	}
}

static void sources(void **state)
{
	static const struct {
		const char *text, *want;
		bool url;
	} cases[] = {
		{ "http://host/a//", "http://host/a", true },
		{ "https://host:1/a?b", "https://host:1/a?b", true },
		{ "file:///", "/", false },
		{ "file://localhost/%65tc", "/etc", false },
		{ "/etc/", "/etc", false },
	};
	static const char *const bad[] = { "ftp://x/", "file://etc",
					   "file:", "file:///%zz",
					   "file:///%" };
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		msb_release_t r = { 0 };

		assert_int_equal(release_source_set(&r, cases[i].text, &err),
				 0);
		assert_string_equal(r.source, cases[i].want);
		assert_int_equal(r.is_url, cases[i].url);
		free(r.source);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		msb_release_t r = { 0 };

		assert_true(release_source_set(&r, bad[i], &err) < 0);
		assert_null(r.source);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(versions_in_order),
		cmocka_unit_test(versions_as_text),
		cmocka_unit_test(sums),
		cmocka_unit_test(the_one_before),
		cmocka_unit_test(sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
