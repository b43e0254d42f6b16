/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the machine tests: machine_tests GUEST KERNEL... [--as-user]. The first
 * kernel that exists is used ($MSB_TEST_KERNEL goes before them); without any
 * the tests are skipped. --as-user: root becomes an ordinary user before.
 */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "machine_fixture.h"

#define SKIP 77
#define ORDINARY_ID 12345

int machine_tests(void);
int jail_tests(void);

static int become_ordinary(void)
{
	if (geteuid() != 0)
		return 0;
	if (setgroups(0, NULL) < 0 ||
	    setresgid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) < 0 ||
	    setresuid(ORDINARY_ID, ORDINARY_ID, ORDINARY_ID) < 0)
		return -1;
	/* a program that changed its user may not look at itself in /proc */
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

int main(int argc, char **argv)
{
	const char *env = getenv("MSB_TEST_KERNEL");
	int failed;

	if (argc < 2)
		return 1;
	test_guest = argv[1];
	if (env && *env)
		test_kernel = env;
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--as-user") && become_ordinary() < 0) {
			perror("become an ordinary user");
			return 1;
		}
		if (!test_kernel && access(argv[i], R_OK | X_OK) == 0)
			test_kernel = argv[i];
	}
	if (!test_kernel || access(test_kernel, R_OK | X_OK) < 0 ||
	    access(test_guest, R_OK) < 0) {
		(void)printf("skipped: no guest kernel (%s) or guest program\n",
			     test_kernel ? test_kernel : "none built");
		return SKIP;
	}
	failed = machine_tests();
	failed += jail_tests();
	return failed ? 1 : 0;
}
