/* SPDX-License-Identifier: Apache-2.0 */
/* Users of a guest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/user.h"

static void expect_user(const char *spec, const char *passwd, bool known,
			uint32_t uid, uint32_t gid)
{
	uint32_t u = 77, g = 77;

	assert_int_equal(user_lookup(spec, passwd, &u, &g), known);
	assert_int_equal(u, known ? uid : 77);
	assert_int_equal(g, known ? gid : 77);
}

static void test_users(void **state)
{
	static const char passwd[] = "root:x:0:0::/root:/bin/sh\n"
				     "broken line\n:::\nbad:x:y:z::\n"
				     "app:x:1000:1001::/home/app:/bin/sh\n"
				     "last:x:5:6";

	(void)state;
	expect_user("app", passwd, true, 1000, 1001);
	expect_user("last", passwd, true, 5, 6);
	expect_user("1000", passwd, true, 1000, 1001);
	expect_user("1234", passwd, true, 1234, 0);
	expect_user("1234:99", NULL, true, 1234, 99);
	expect_user("app:7", passwd, true, 1000, 7);
	expect_user("app:staff", passwd, true, 1000, 1001);
	expect_user("nobody", passwd, false, 0, 0);
	expect_user("bad", passwd, false, 0, 0);
	expect_user("app", NULL, false, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_users) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
