/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes. Only user.* passes to the host: security.*, trusted.*
 * and system.* mean something to the host's kernel that a guest must not
 * decide, and the server's own names are invisible.
 */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "fs/ops.h"

#define XATTR_NAME_LEN 255
#define XATTR_SIZE 65536u

/* The attribute name at the start of the body; the bytes used by it. */
static int parse_name(const struct fs_req *r, const char **ret)
{
	const uint8_t *end = memchr(r->rest, 0, r->rest_len);
	const char *name = (const char *)r->rest;

	if (!end || !*name)
		return -EINVAL;
	if (end - r->rest > XATTR_NAME_LEN)
		return -ERANGE;
	if (fs_xattr_hidden(name))
		return -EACCES;
	if (strncmp(name, "user.", 5) != 0)
		return -EOPNOTSUPP;
	*ret = name;
	return (int)(end + 1 - r->rest);
}

/* The kernel keeps user.* to files and directories; say so ourselves. */
static bool can_hold(const struct fs_server *s, const struct fs_req *r)
{
	mode_t type = r->inode->key.type;

	if (s->file && r->inode == s->root)
		return false;
	return S_ISREG(type) || S_ISDIR(type);
}

/* What an attribute counts for now. */
static int64_t charged(const struct fs_server *s, int fd, const char *name)
{
	ssize_t n = -1;

	if (s->quota.on)
		n = getxattr(fs_proc(fd).path, name, NULL, 0);
	return n < 0 ? 0 : n + (int64_t)strlen(name);
}

ssize_t fs_op_setxattr(struct fs_server *s, struct fs_req *r)
{
	/* struct fuse_setxattr_in without the part that is not negotiated */
	const uint32_t *a = r->arg;
	uint32_t size = a[0], flags = a[1];
	struct fs_widen w = { 0 };
	const char *name = NULL;
	const uint8_t *value;
	int64_t growth;
	int fd, rc = parse_name(r, &name);

	if (rc < 0)
		return rc;
	value = r->rest + rc;
	if (size > r->rest_len - (size_t)rc)
		return -EINVAL;
	if (size > XATTR_SIZE)
		return -E2BIG;
	if (!can_hold(s, r))
		return -EPERM;
	fd = fs_inode_fd(s, r->inode);
	if (fd < 0)
		return fd;
	growth = (int64_t)(size + strlen(name)) - charged(s, fd, name);
	if (growth > 0 && fs_quota_room(s, (uint64_t)growth) < (uint64_t)growth)
		return -ENOSPC;
	do
		rc = setxattr(fs_proc(fd).path, name, value, size, (int)flags) <
				     0
			     ? -errno
			     : 0;
	while (rc == -EACCES && fs_widen(s, &w, fd));
	fs_unwiden(&w);
	if (!rc)
		fs_quota_add(s, growth, 0);
	return rc;
}

ssize_t fs_op_removexattr(struct fs_server *s, struct fs_req *r)
{
	struct fs_widen w = { 0 };
	const char *name = NULL;
	int fd, rc = parse_name(r, &name);
	int64_t before;

	if (rc < 0)
		return rc;
	if (!can_hold(s, r))
		return -EPERM;
	fd = fs_inode_fd(s, r->inode);
	if (fd < 0)
		return fd;
	before = charged(s, fd, name);
	do
		rc = removexattr(fs_proc(fd).path, name) < 0 ? -errno : 0;
	while (rc == -EACCES && fs_widen(s, &w, fd));
	fs_unwiden(&w);
	if (!rc)
		fs_quota_add(s, -before, 0);
	return rc;
}

/* n bytes in s->out, or their number when the guest only asks for it. */
static ssize_t sized_reply(struct fs_server *s, const struct fs_req *r,
			   uint32_t size, size_t n)
{
	struct fuse_getxattr_out o = { .size = (uint32_t)n };

	if (!size)
		return r->room < sizeof(o) ? -EINVAL
					   : fs_reply(s, &o, sizeof(o));
	return n > size || n > r->room ? -ERANGE : (ssize_t)n;
}

ssize_t fs_op_getxattr(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_getxattr_in *a = r->arg;
	uint32_t size = a->size;
	const char *name = NULL;
	ssize_t n;
	int fd, rc = parse_name(r, &name);

	if (rc < 0)
		return rc;
	if (!can_hold(s, r))
		return -ENODATA;
	fd = fs_inode_fd(s, r->inode);
	if (fd < 0)
		return fd;
	n = getxattr(fs_proc(fd).path, name, s->out, XATTR_SIZE);
	return n < 0 ? -errno : sized_reply(s, r, size, (size_t)n);
}

ssize_t fs_op_listxattr(struct fs_server *s, struct fs_req *r)
{
	const struct fuse_getxattr_in *a = r->arg;
	char *out = (char *)s->out;
	size_t kept = 0;
	ssize_t n;
	int fd;

	if (!can_hold(s, r))
		return sized_reply(s, r, a->size, 0);
	fd = fs_inode_fd(s, r->inode);
	if (fd < 0)
		return fd;
	n = listxattr(fs_proc(fd).path, out, XATTR_SIZE);
	if (n < 0)
		return -errno;
	for (char *name = out; name < out + n;) {
		size_t len = strlen(name) + 1;

		if (!strncmp(name, "user.", 5) && !fs_xattr_hidden(name)) {
			memmove(out + kept, name, len);
			kept += len;
		}
		name += len;
	}
	return sized_reply(s, r, a->size, kept);
}
