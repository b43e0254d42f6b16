/* SPDX-License-Identifier: Apache-2.0 */
/* Order and sanity of the user's mounts. */
#include "agent/mount_plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int mount_path_normalise(char *path)
{
	char *to = path;
	const char *from = path;

	if (*path != '/')
		return -EINVAL;
	while (*from) {
		size_t len;

		from += strspn(from, "/");
		len = strcspn(from, "/");
		if (len == 2 && from[0] == '.' && from[1] == '.')
			return -EINVAL;
		if (len && !(len == 1 && *from == '.')) {
			*to++ = '/';
			memmove(to, from, len);
			to += len;
		}
		from += len;
	}
	*to = 0;
	return to == path ? -EINVAL : 0;
}

/*
 * Byte order with '/' below every other byte, so that all of /a/... comes
 * directly after /a, before /a-b.
 */
static int compare(const void *a, const void *b)
{
	const char *p = ((const struct boot_mount *)a)->path;
	const char *q = ((const struct boot_mount *)b)->path;

	while (*p && *p == *q) {
		p++;
		q++;
	}
	if (*p == *q)
		return 0;
	if (!*p || !*q)
		return *p ? 1 : -1;
	if (*p == '/' || *q == '/')
		return *p == '/' ? -1 : 1;
	return (unsigned char)*p < (unsigned char)*q ? -1 : 1;
}

static int check_one(struct boot_mount *m, struct err *err)
{
	const char *path = m->path ? m->path : "";
	const char *name = m->filename ? m->filename : "";

	if (!m->path || mount_path_normalise(m->path))
		return err_set(err, ERR_INVALID, EINVAL,
			       "cannot mount on '%s': not an absolute path "
			       "below /",
			       path);
	if (m->kind != BOOT_MOUNT_TMPFS && (!m->tag || !*m->tag))
		return err_set(err, ERR_INVALID, EINVAL,
			       "mount on %s has no tag", path);
	if (m->kind == BOOT_MOUNT_FILE &&
	    (!*name || strchr(name, '/') || !strcmp(name, ".") ||
	     !strcmp(name, "..")))
		return err_set(err, ERR_INVALID, EINVAL,
			       "file mount on %s has a bad file name '%s'",
			       path, name);
	return 0;
}

int mount_plan(struct boot_mount *mounts, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		int rc = check_one(&mounts[i], err);

		if (rc)
			return rc;
	}
	if (n > 1)
		qsort(mounts, n, sizeof(*mounts), compare);
	for (size_t i = 1; i < n; i++) {
		const struct boot_mount *prev = &mounts[i - 1];
		size_t len = strlen(prev->path);

		if (!strcmp(prev->path, mounts[i].path))
			return err_set(err, ERR_INVALID, EINVAL,
				       "two mounts on %s", prev->path);
		/* whatever is below prev comes directly after it */
		if (prev->kind == BOOT_MOUNT_FILE &&
		    !strncmp(prev->path, mounts[i].path, len) &&
		    mounts[i].path[len] == '/')
			return err_set(err, ERR_INVALID, EINVAL,
				       "mount on %s is below the file %s",
				       mounts[i].path, prev->path);
	}
	return 0;
}
