/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of control groups, of either version, from files as hosts have them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/cgroup.h"

static char mounted[] = "/tmp/msb-cgroup-XXXXXX";
static int dir_fd = -1;

static int setup(void **state)
{
	(void)state;
	(void)snprintf(mounted, sizeof(mounted), "/tmp/msb-cgroup-XXXXXX");
	if (!mkdtemp(mounted))
		return -1;
	dir_fd = open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)close(dir_fd);
	return io_remove_tree(AT_FDCWD, mounted);
}

static void put(const char *group, const char *file, const char *text)
{
	char path[256];

	assert_int_equal(io_mkdir_p(dir_fd, group, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/%s", group, file);
	assert_int_equal(
		io_write_file_at(dir_fd, path, text, strlen(text), 0600), 0);
}

static struct cgroup_limits of(const char *own)
{
	struct cgroup_limits l = { 1, 1 };

	cgroup_limits_read(own, mounted, &l);
	return l;
}

static void narrowest_group_counts(void **state)
{
	struct cgroup_limits l;

	(void)state;
	put("user.slice", "memory.max", "1073741824\n");
	put("user.slice", "pids.max", "max\n");
	put("user.slice/shell.scope", "memory.max", "max\n");
	put("user.slice/shell.scope", "pids.max", "100\n");
	l = of("0::/user.slice/shell.scope\n");
	assert_true(l.memory == 1073741824);
	assert_true(l.processes == 100);
	l = of("0::/user.slice\n");
	assert_true(l.processes == CGROUP_NO_LIMIT);
}

static void first_version_has_a_tree_each(void **state)
{
	struct cgroup_limits l;

	(void)state;
	put("memory/box", "memory.limit_in_bytes", "268435456\n");
	put("memory", "memory.limit_in_bytes", "9223372036854771712\n");
	put("pids/box", "pids.max", "77\n");
	l = of("11:cpu,cpuacct:/box\n5:memory:/box\n4:pids:/box\n"
	       "1:name=systemd:/box\n");
	assert_true(l.memory == 268435456);
	assert_true(l.processes == 77);
	l = of("5:memory:/\n");
	assert_true(l.memory == CGROUP_NO_LIMIT);
	/* a controller's name, not a part of one */
	l = of("5:supermemory,memoryless:/box\n");
	assert_true(l.memory == CGROUP_NO_LIMIT);
}

static void nonsense_is_no_limit(void **state)
{
	static const char *const texts[] = {
		"", "\n\n", "0:", "0::", "0::box", "memory:/box", "0::/none\n",
	};

	(void)state;
	put("box", "memory.max", "much\n");
	put("box", "pids.max", "");
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct cgroup_limits l = of(texts[i]);

		assert_true(l.memory == CGROUP_NO_LIMIT);
		assert_true(l.processes == CGROUP_NO_LIMIT);
	}
	assert_true(of("0::/box\n").memory == CGROUP_NO_LIMIT);
}

static void group_outside_of_the_namespace(void **state)
{
	(void)state;
	put(".", "memory.max", "4096\n");
	assert_true(of("0::/../other\n").memory == 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(narrowest_group_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(first_version_has_a_tree_each,
						setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_is_no_limit, setup,
						teardown),
		cmocka_unit_test_setup_teardown(group_outside_of_the_namespace,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
