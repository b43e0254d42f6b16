/* SPDX-License-Identifier: Apache-2.0 */
/* Landlock: which files a process may still reach. */
#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/jail.h"

/* Newer than the distribution's header. */
#define FS_REFER (1ull << 13)	 /* ABI 2 */
#define FS_TRUNCATE (1ull << 14) /* ABI 3 */
#define NET_BIND_TCP (1ull << 0) /* ABI 4 */
#define NET_CONNECT_TCP (1ull << 1)
#define FS_IOCTL_DEV (1ull << 15)	/* ABI 5 */
#define SCOPE_ABSTRACT_UNIX (1ull << 0) /* ABI 6 */

struct rules_attr {
	uint64_t fs, net, scoped;
};

#define READ_FILES (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FILE_ONLY                                                        \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |        \
	 FS_TRUNCATE)
#define WRITE_FILES                                                            \
	(READ_FILES | WRITE_FILE_ONLY | LANDLOCK_ACCESS_FS_REMOVE_DIR |        \
	 LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |        \
	 LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |          \
	 LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |          \
	 FS_REFER)
#define ALL_FILES                                                              \
	(WRITE_FILES | LANDLOCK_ACCESS_FS_EXECUTE |                            \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK |        \
	 FS_IOCTL_DEV)

static uint64_t handled_files(int abi)
{
	uint64_t all = ALL_FILES;

	if (abi < 5)
		all &= ~FS_IOCTL_DEV;
	if (abi < 3)
		all &= ~FS_TRUNCATE;
	if (abi < 2)
		all &= ~FS_REFER;
	return all;
}

static uint64_t rights_of(enum jail_access a)
{
	switch (a) {
	case JAIL_READ:
		return READ_FILES;
	case JAIL_WRITE:
		return WRITE_FILES;
	case JAIL_READ_FILES:
		return LANDLOCK_ACCESS_FS_READ_FILE;
	case JAIL_WRITE_FILES:
		return WRITE_FILE_ONLY;
	case JAIL_REMOVE:
		return LANDLOCK_ACCESS_FS_REMOVE_DIR;
	}
	return 0;
}

static int add_dir(int rules, const struct jail_dir *d, uint64_t handled)
{
	struct landlock_path_beneath_attr a = { .parent_fd = d->fd };
	uint64_t rights = rights_of(d->access);
	struct stat st;

	if (fstat(d->fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode)) /* rights of directories are refused */
		rights &= WRITE_FILE_ONLY;
	a.allowed_access = rights & handled;
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH,
		    &a, 0) < 0)
		return -errno;
	return 0;
}

int jail_landlock_rules(const struct jail_dir *dirs, size_t n,
			enum jail_network network, int *ret_abi)
{
	struct rules_attr attr = { .net = NET_BIND_TCP | NET_CONNECT_TCP,
				   .scoped = SCOPE_ABSTRACT_UNIX };
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);
	autoclose int rules = -1;
	size_t size = sizeof(attr);

	if (abi < 0)
		return -errno;
	if (JAIL_SANITIZER) /* it looks at its threads in /proc */
		return -ENOTSUP;
	if (abi < 2)
		return -ENOTSUP; /* it could not rename between directories */
	attr.fs = handled_files((int)abi);
	if (network == JAIL_CONNECT_TCP)
		attr.net &= ~NET_CONNECT_TCP;
	if (abi < 6)
		size = abi < 4 ? sizeof(attr.fs) : 2 * sizeof(attr.fs);
	rules = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (rules < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		int rc = add_dir(rules, &dirs[i], attr.fs);

		if (rc)
			return rc;
	}
	*ret_abi = (int)abi;
	return take_fd(&rules);
}

int jail_landlock_enforce(int rules_fd)
{
	return syscall(SYS_landlock_restrict_self, rules_fd, 0) < 0 ? -errno
								    : 0;
}
