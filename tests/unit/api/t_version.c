/* SPDX-License-Identifier: Apache-2.0 */
/* What the library says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "microsandbox/microsandbox.h"

static void test_versions(void **state)
{
	(void)state;
	assert_string_equal(msb_version(), MSB_VERSION);
	assert_int_equal(msb_abi_version(), MSB_ABI_VERSION);
}

static void test_features(void **state)
{
	(void)state;
	assert_true(msb_feature_supported("exec"));
	assert_true(msb_feature_supported("agent"));
	assert_true(msb_feature_supported("volumes"));
	assert_false(msb_feature_supported("volume"));
	assert_false(msb_feature_supported("ssh"));
	assert_false(msb_feature_supported(""));
	assert_false(msb_feature_supported(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_features),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
