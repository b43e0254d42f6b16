/* SPDX-License-Identifier: Apache-2.0 */
/* What doctor says of a home and a host: contentment, and each remedy. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/doctor_host.h"
#include "base/compiler.h"
#include "base/io.h"

struct heard {
	size_t n;
	struct {
		msb_check_state_t state;
		char name[32], detail[256], remedy[256];
	} check[32];
};

static int hear(void *ctx, const msb_check_t *check)
{
	struct heard *h = ctx;

	assert_true(h->n < ARRAY_SIZE(h->check));
	h->check[h->n].state = check->state;
	(void)snprintf(h->check[h->n].name, sizeof(h->check[h->n].name), "%s",
		       check->name);
	(void)snprintf(h->check[h->n].detail, sizeof(h->check[h->n].detail),
		       "%s", check->detail);
	(void)snprintf(h->check[h->n].remedy, sizeof(h->check[h->n].remedy),
		       "%s", check->remedy);
	h->n++;
	return 0;
}

static struct heard report(const struct doctor_host *f)
{
	static struct heard h;
	struct doctor_report r = { .fn = hear, .ctx = &h };

	memset(&h, 0, sizeof(h));
	doctor_host_home(f, &r);
	doctor_host_rest(f, &r);
	return h;
}

static struct doctor_host good(void)
{
	return (struct doctor_host){
		.home = "/home/me/.microsandbox",
		.euid = 1000,
		.home_uid = 1000,
		.home_mode = 0700,
		.home_fs = EXT4_SUPER_MAGIC,
		.free_mib = 5000,
		.free_files = 100000,
		.counts_files = true,
		.guest_file = "/usr/share/microsandbox/guest/linux-um",
		.shm_free_mib = 100,
		.memory_mib = 4000,
		.max_files = 1048576,
		.max_file_bytes = DOCTOR_NO_LIMIT,
		.max_address_bytes = DOCTOR_NO_LIMIT,
		.ipv4 = true,
		.ping = true,
	};
}

/* The one check about it must be in this state and say these things. */
static void expect(const struct doctor_host *f, const char *name,
		   msb_check_state_t state, const char *detail,
		   const char *remedy)
{
	struct heard h = report(f);
	size_t found = 0;

	for (size_t i = 0; i < h.n; i++) {
		if (strcmp(h.check[i].name, name) != 0)
			continue;
		found++;
		assert_int_equal(h.check[i].state, state);
		if (!strstr(h.check[i].detail, detail))
			fail_msg("%s: %s", name, h.check[i].detail);
		if (!strstr(h.check[i].remedy, remedy))
			fail_msg("%s: %s", name, h.check[i].remedy);
	}
	assert_int_equal(found, 1);
}

static void content_with_a_good_host(void **state)
{
	struct doctor_host f = good();
	struct heard h = report(&f);

	(void)state;
	assert_true(h.n > 5);
	for (size_t i = 0; i < h.n; i++) {
		assert_int_equal(h.check[i].state, MSB_CHECK_OK);
		assert_string_equal(h.check[i].remedy, "");
		assert_true(h.check[i].detail[0]);
	}
}

static void home_and_its_remedies(void **state)
{
	struct doctor_host f = good();

	(void)state;
	f.home_fs = NFS_SUPER_MAGIC;
	expect(&f, "home", MSB_CHECK_WARN, "NFS", "MSB_HOME");
	f.home_mode = 0755;
	expect(&f, "home", MSB_CHECK_WARN, "mode 755",
	       "chmod 700 '/home/me/.microsandbox'");
	f.home_uid = 0;
	expect(&f, "home", MSB_CHECK_WARN, "belongs to uid 0", "MSB_HOME");
	f.write_errno = EROFS;
	expect(&f, "home", MSB_CHECK_FAIL, "Read-only", "MSB_HOME");
	f = good();
	f.xattr_errno = EOPNOTSUPP;
	expect(&f, "file attributes", MSB_CHECK_INFO, "not supported", "ext4");
}

static void space_and_files(void **state)
{
	struct doctor_host f = good();

	(void)state;
	f.free_mib = 500;
	expect(&f, "disk space", MSB_CHECK_WARN, "500 MiB", "msb image prune");
	f.free_mib = 10;
	expect(&f, "disk space", MSB_CHECK_FAIL, "10 MiB", "msb image prune");
	f = good();
	f.free_files = 10000;
	expect(&f, "disk space", MSB_CHECK_WARN, "10000 files", "MSB_HOME");
	f.free_files = 0;
	expect(&f, "disk space", MSB_CHECK_FAIL, "0 files", "MSB_HOME");
	f.counts_files = false; /* btrfs says 0 of 0 */
	expect(&f, "disk space", MSB_CHECK_OK, "5000 MiB", "");
}

static void devices(void **state)
{
	struct doctor_host f = good();

	(void)state;
	f.proc_errno = ENOENT;
	expect(&f, "/proc", MSB_CHECK_FAIL, "No such file",
	       "mount -t proc proc /proc");
	f.shm_errno = ENOENT;
	expect(&f, "shared memory", MSB_CHECK_WARN, "no metrics",
	       "mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm");
	f.shm_errno = 0;
	f.shm_free_mib = 1;
	expect(&f, "shared memory", MSB_CHECK_WARN, "1 MiB", "remount,size=");
	f.guest_noexec = true;
	expect(&f, "guest programs", MSB_CHECK_FAIL, "/guest/linux-um",
	       "option exec");
}

static void limits_and_network(void **state)
{
	struct doctor_host f = good();

	(void)state;
	f.max_files = 1024;
	expect(&f, "open files", MSB_CHECK_WARN, "1024",
	       "* hard nofile 1048576");
	f.max_files = DOCTOR_NO_LIMIT;
	expect(&f, "open files", MSB_CHECK_OK, "not limited", "");
	f.max_file_bytes = 100 << 20;
	expect(&f, "file size", MSB_CHECK_WARN, "100 MiB", "ulimit -f");
	f.max_address_bytes = 1 << 30;
	expect(&f, "address space", MSB_CHECK_WARN, "1024 MiB", "ulimit -v");
	f.memory_mib = 100;
	expect(&f, "memory", MSB_CHECK_WARN, "100 MiB", "-m");
	f.ipv4 = false;
	expect(&f, "network", MSB_CHECK_WARN, "no route", "--no-net");
	f.ping = false;
	expect(&f, "ping", MSB_CHECK_INFO, "cannot ping",
	       "sysctl -w net.ipv4.ping_group_range=\"0 2147483647\"");
}

static void reads_what_is_there(void **state)
{
	char home[] = "/tmp/msb-doctor-XXXXXX";
	struct doctor_host f = { .home = home };
	struct rlimit was, less;
	struct stat st;
	int fd;

	(void)state;
	assert_non_null(mkdtemp(home));
	assert_int_equal(chmod(home, 0750), 0);
	fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	less = was;
	less.rlim_cur = 1 << 20;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
	doctor_host_read(fd, &f);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(f.home_errno, 0);
	assert_int_equal(f.write_errno, 0);
	assert_int_equal(f.home_mode, 0750);
	assert_int_equal(f.home_uid, geteuid());
	assert_true(f.free_mib > 0 && f.memory_mib > 0);
	assert_int_equal(f.proc_errno, 0);
	assert_true(f.max_file_bytes == 1 << 20);
	/* nothing of its attempts stays */
	assert_int_equal(fstatat(fd, ".doctor", &st, 0), -1);
	(void)close(fd);
	assert_int_equal(io_remove_tree(AT_FDCWD, home), 0);
}

static int only_first(void *ctx, const msb_check_t *check)
{
	(void)check;
	++*(int *)ctx;
	return -ECANCELED;
}

static void nobody_is_told_after_the_first_refusal(void **state)
{
	struct doctor_host f = good();
	int n = 0;
	struct doctor_report r = { .fn = only_first, .ctx = &n };

	(void)state;
	doctor_host_home(&f, &r);
	doctor_host_rest(&f, &r);
	assert_int_equal(n, 1);
	assert_int_equal(r.stopped, -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_with_a_good_host),
		cmocka_unit_test(home_and_its_remedies),
		cmocka_unit_test(space_and_files),
		cmocka_unit_test(devices),
		cmocka_unit_test(limits_and_network),
		cmocka_unit_test(reads_what_is_there),
		cmocka_unit_test(nobody_is_told_after_the_first_refusal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
