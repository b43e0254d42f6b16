/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as patches: they stay within the root, whatever they say. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/patch.h"
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char base[] = "/tmp/msb-fuzz-patch-XXXXXX";
static int base_fd = -1;

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void remove_base(void)
{
	(void)io_remove_tree(AT_FDCWD, base);
}

/* What could be reached by leaving the root: "canary" beside it. */
static void prepare(void)
{
	if (base_fd >= 0)
		return;
	require(mkdtemp(base));
	(void)atexit(remove_base);
	base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(base_fd >= 0 && mkdirat(base_fd, "canary", 0700) == 0);
}

static void check_base(void)
{
	int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fdopendir(fd);
	const struct dirent *e;
	unsigned n = 0;

	require(d);
	while ((e = readdir(d)))
		n++;
	(void)closedir(d);
	require(n == 4); /* ., .., canary, root */
	require(unlinkat(base_fd, "canary", AT_REMOVEDIR) == 0);
	require(mkdirat(base_fd, "canary", 0700) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = { 0 };
	int root, rc;

	if (size > 65536)
		return 0;
	prepare();
	require(mkdirat(base_fd, "root", 0700) == 0);
	root = openat(base_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(root >= 0);
	rc = patch_apply_all(root, (struct view){ data, size }, &err);
	require(!rc || (err.kind == ERR_PATCH && *err.msg));
	check_base();
	(void)close(root);
	require(io_remove_tree(base_fd, "root") == 0);
	return 0;
}
