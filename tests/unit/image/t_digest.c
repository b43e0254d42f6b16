/* SPDX-License-Identifier: Apache-2.0 */
/* Digests: what is accepted, and known sums. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "image/digest.h"

#define ABC256                                                                 \
	"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2001" \
	"5ad"
#define ABC384                                                                 \
	"sha384:cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5" \
	"bed8086072ba1e7cc2358baeca134c825a7"
#define ABC512                                                                 \
	"sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d" \
	"39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"

static void sums_are_those_of_the_standard(void **state)
{
	static const struct {
		enum digest_alg alg;
		const char *want;
	} cases[] = { { DIGEST_SHA256, ABC256 },
		      { DIGEST_SHA384, ABC384 },
		      { DIGEST_SHA512, ABC512 } };
	struct digest d, parsed;
	struct hasher h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		hasher_init(&h, cases[i].alg);
		hasher_add(&h, "a", 1);
		hasher_add(&h, "bc", 2);
		hasher_done(&h, &d);
		assert_string_equal(d.text, cases[i].want);
		assert_int_equal(digest_alg(&d), cases[i].alg);
		assert_int_equal(digest_parse(cases[i].want, &parsed), 0);
		assert_true(digest_eq(&d, &parsed));
		assert_string_equal(digest_hex(&d), cases[i].want + 7);
	}
	digest_of("abc", 3, &d);
	assert_string_equal(d.text, ABC256);
	assert_false(digest_eq(&d, &parsed));
}

static void file_names_have_no_colon(void **state)
{
	char name[DIGEST_TEXT_MAX + 1];
	struct digest d;

	(void)state;
	assert_int_equal(digest_parse(ABC256, &d), 0);
	digest_file_name(&d, name);
	assert_memory_equal(name, "sha256_ba7816bf", 15);
	assert_int_equal(strlen(name), 7 + 64);
}

static void other_texts_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"sha256",
		"sha256:",
		"sha256:ba78",
		ABC256 "0",
		"sha1:a9993e364706816aba3e25717850c26c9cd0d89d",
		"sha256_ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff6"
		"1f20015ad",
		"sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF6"
		"1F20015AD",
		"sha256:../16bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61"
		"f20015ad",
		"sha384:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff6"
		"1f20015ad",
		ABC512 "00",
	};
	struct digest d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(digest_parse(bad[i], &d), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_those_of_the_standard),
		cmocka_unit_test(file_names_have_no_colon),
		cmocka_unit_test(other_texts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
