/* SPDX-License-Identifier: Apache-2.0 */
/* FUSE requests for tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/io.h"
#include "client.h"

static bool try_dir(struct client *c, const char *base)
{
	if (!base || strlen(base) > sizeof(c->dir) - 20)
		return false;
	(void)snprintf(c->dir, sizeof(c->dir), "%s/msb-fs-XXXXXX", base);
	if (!mkdtemp(c->dir))
		return false;
	if (setxattr(c->dir, "user.test", "1", 1, 0) == 0) {
		(void)removexattr(c->dir, "user.test");
		return true;
	}
	(void)rmdir(c->dir);
	return false;
}

bool client_dir(struct client *c)
{
	const char *bases[] = { getenv("TMPDIR"), "/tmp", "/var/tmp", "." };

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		if (!try_dir(c, bases[i]))
			continue;
		c->dirfd = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(c->dirfd >= 0);
		return true;
	}
	return false;
}

void client_init(struct client *c)
{
	struct fuse_init_in a = { .major = 7,
				  .minor = FUSE_KERNEL_MINOR_VERSION,
				  .max_readahead = 131072,
				  .flags = 0x7fffffff };

	assert_int_equal(client_call(c, FUSE_INIT, 0, &a, sizeof(a), NULL, 0),
			 sizeof(struct fuse_init_out));
}

void client_start(struct client *c, struct fs_config cfg)
{
	struct err err = { 0 };

	cfg.dir_fd = c->dirfd;
	if (fs_server_new(&cfg, &c->s, &err))
		fail_msg("%s", err.msg);
	client_init(c);
}

void client_stop(struct client *c)
{
	c->s = fs_server_free(c->s);
}

void client_rmdir(struct client *c)
{
	(void)close(c->dirfd);
	assert_int_equal(io_remove_tree(AT_FDCWD, c->dir), 0);
}

ssize_t client_raw(struct client *c, const void *in, size_t in_len, void *out,
		   size_t out_len)
{
	ssize_t n;
	/* in two pieces each, as a driver lays them out */
	size_t head = in_len < 40 ? in_len : 40;
	size_t out_head = out_len < 16 ? out_len : 16;
	uint8_t *p = (uint8_t *)(uintptr_t)in, *q = out;
	struct iovec iv[2] = { { p, head }, { p + head, in_len - head } };
	struct iovec ov[2] = { { q, out_head },
			       { q + out_head, out_len - out_head } };

	n = fs_handle(c->s, iv, 2, ov, 2);
	fs_idle(c->s);
	return n;
}

ssize_t client_call(struct client *c, uint32_t opcode, uint64_t nodeid,
		    const void *arg, size_t arg_len, const void *data,
		    size_t data_len)
{
	struct fuse_in_header h = { .opcode = opcode,
				    .unique = 77,
				    .nodeid = nodeid,
				    .uid = c->uid,
				    .gid = c->gid };
	struct fuse_out_header o;
	static uint8_t reply[CLIENT_BODY + sizeof(o)];
	size_t room = c->room ? c->room : CLIENT_BODY;
	ssize_t n;

	h.len = (uint32_t)(sizeof(h) + arg_len + data_len);
	assert_true(h.len <= sizeof(c->in));
	memcpy(c->in, &h, sizeof(h));
	if (arg_len)
		memcpy(c->in + sizeof(h), arg, arg_len);
	if (data_len)
		memcpy(c->in + sizeof(h) + arg_len, data, data_len);
	n = client_raw(c, c->in, h.len, reply, room + sizeof(o));
	if (n == 0)
		return 0;
	memcpy(&o, reply, sizeof(o));
	assert_int_equal(o.unique, 77);
	assert_int_equal(o.len, n);
	memcpy(c->out, reply + sizeof(o), (size_t)n - sizeof(o));
	if (o.error)
		assert_int_equal(n, sizeof(o));
	return o.error ? o.error : n - (ssize_t)sizeof(o);
}

/* A call with names behind the fixed part, whose reply starts with *ret. */
static int named(struct client *c, uint32_t opcode, uint64_t dir,
		 const void *arg, size_t arg_len, const char *name,
		 const char *name2, void *ret, size_t ret_len)
{
	char names[16384];
	size_t len = strlen(name) + 1;
	ssize_t n;

	assert_true(len + (name2 ? strlen(name2) : 0) < sizeof(names));
	memcpy(names, name, len);
	if (name2) {
		memcpy(names + len, name2, strlen(name2) + 1);
		len += strlen(name2) + 1;
	}
	n = client_call(c, opcode, dir, arg, arg_len, names, len);
	if (n < 0)
		return (int)n;
	assert_true((size_t)n >= ret_len);
	if (ret)
		memcpy(ret, c->out, ret_len);
	return 0;
}

int client_lookup(struct client *c, uint64_t dir, const char *name,
		  struct fuse_entry_out *e)
{
	return named(c, FUSE_LOOKUP, dir, NULL, 0, name, NULL, e, sizeof(*e));
}

int client_create(struct client *c, uint64_t dir, const char *name,
		  uint32_t flags, uint32_t mode, struct fuse_entry_out *e,
		  uint64_t *fh)
{
	struct fuse_create_in a = { .flags = flags, .mode = mode | S_IFREG };
	struct {
		struct fuse_entry_out e;
		struct fuse_open_out o;
	} ret;
	int rc = named(c, FUSE_CREATE, dir, &a, sizeof(a), name, NULL, &ret,
		       sizeof(ret));

	if (!rc) {
		*e = ret.e;
		*fh = ret.o.fh;
	}
	return rc;
}

int client_mkdir(struct client *c, uint64_t dir, const char *name,
		 uint32_t mode, struct fuse_entry_out *e)
{
	struct fuse_mkdir_in a = { .mode = mode };

	return named(c, FUSE_MKDIR, dir, &a, sizeof(a), name, NULL, e,
		     sizeof(*e));
}

int client_mknod(struct client *c, uint64_t dir, const char *name,
		 uint32_t mode, uint32_t rdev, struct fuse_entry_out *e)
{
	struct fuse_mknod_in a = { .mode = mode, .rdev = rdev };

	return named(c, FUSE_MKNOD, dir, &a, sizeof(a), name, NULL, e,
		     sizeof(*e));
}

int client_symlink(struct client *c, uint64_t dir, const char *name,
		   const char *target, struct fuse_entry_out *e)
{
	return named(c, FUSE_SYMLINK, dir, NULL, 0, name, target, e,
		     sizeof(*e));
}

int client_link(struct client *c, uint64_t node, uint64_t dir, const char *name,
		struct fuse_entry_out *e)
{
	struct fuse_link_in a = { .oldnodeid = node };

	return named(c, FUSE_LINK, dir, &a, sizeof(a), name, NULL, e,
		     sizeof(*e));
}

int client_unlink(struct client *c, uint64_t dir, const char *name)
{
	return named(c, FUSE_UNLINK, dir, NULL, 0, name, NULL, NULL, 0);
}

int client_rmdir_at(struct client *c, uint64_t dir, const char *name)
{
	return named(c, FUSE_RMDIR, dir, NULL, 0, name, NULL, NULL, 0);
}

int client_rename(struct client *c, uint64_t dir, const char *name,
		  uint64_t dir2, const char *name2, uint32_t flags)
{
	struct fuse_rename2_in a = { .newdir = dir2, .flags = flags };

	if (!flags) /* the older form */
		return named(c, FUSE_RENAME, dir, &a,
			     sizeof(struct fuse_rename_in), name, name2, NULL,
			     0);
	return named(c, FUSE_RENAME2, dir, &a, sizeof(a), name, name2, NULL, 0);
}

static int attr_call(struct client *c, uint32_t opcode, uint64_t node,
		     const void *arg, size_t len, struct fuse_attr *a)
{
	ssize_t n = client_call(c, opcode, node, arg, len, NULL, 0);
	struct fuse_attr_out o;

	if (n < 0)
		return (int)n;
	assert_int_equal(n, sizeof(o));
	memcpy(&o, c->out, sizeof(o));
	*a = o.attr;
	return 0;
}

int client_getattr(struct client *c, uint64_t node, struct fuse_attr *a)
{
	struct fuse_getattr_in in = { 0 };

	return attr_call(c, FUSE_GETATTR, node, &in, sizeof(in), a);
}

int client_setattr(struct client *c, uint64_t node,
		   const struct fuse_setattr_in *in, struct fuse_attr *a)
{
	return attr_call(c, FUSE_SETATTR, node, in, sizeof(*in), a);
}

int client_chmod(struct client *c, uint64_t node, uint32_t mode,
		 struct fuse_attr *a)
{
	struct fuse_setattr_in in = { .valid = FATTR_MODE, .mode = mode };

	return client_setattr(c, node, &in, a);
}

int client_chown(struct client *c, uint64_t node, uint32_t uid, uint32_t gid,
		 struct fuse_attr *a)
{
	struct fuse_setattr_in in = { .valid = FATTR_UID | FATTR_GID,
				      .uid = uid,
				      .gid = gid };

	return client_setattr(c, node, &in, a);
}

int client_open(struct client *c, uint64_t node, uint32_t flags,
		struct fuse_open_out *o)
{
	struct fuse_open_in a = { .flags = flags };
	ssize_t n = client_call(c, FUSE_OPEN, node, &a, sizeof(a), NULL, 0);

	if (n < 0)
		return (int)n;
	assert_int_equal(n, sizeof(*o));
	memcpy(o, c->out, sizeof(*o));
	return 0;
}

int client_opendir(struct client *c, uint64_t node, uint64_t *fh)
{
	struct fuse_open_in a = { 0 };
	struct fuse_open_out o;
	ssize_t n = client_call(c, FUSE_OPENDIR, node, &a, sizeof(a), NULL, 0);

	if (n < 0)
		return (int)n;
	memcpy(&o, c->out, sizeof(o));
	*fh = o.fh;
	return 0;
}

int client_release(struct client *c, uint64_t node, uint64_t fh, bool dir)
{
	struct fuse_release_in a = { .fh = fh };

	return (int)client_call(c, dir ? FUSE_RELEASEDIR : FUSE_RELEASE, node,
				&a, sizeof(a), NULL, 0);
}

ssize_t client_read(struct client *c, uint64_t node, uint64_t fh, uint64_t off,
		    uint32_t size)
{
	struct fuse_read_in a = { .fh = fh, .offset = off, .size = size };

	return client_call(c, FUSE_READ, node, &a, sizeof(a), NULL, 0);
}

ssize_t client_write(struct client *c, uint64_t node, uint64_t fh, uint64_t off,
		     const char *text, uint32_t flags, uint32_t write_flags)
{
	struct fuse_write_in a = { .fh = fh,
				   .offset = off,
				   .size = (uint32_t)strlen(text),
				   .flags = flags,
				   .write_flags = write_flags };
	struct fuse_write_out o;
	ssize_t n = client_call(c, FUSE_WRITE, node, &a, sizeof(a), text,
				strlen(text));

	if (n < 0)
		return n;
	memcpy(&o, c->out, sizeof(o));
	return o.size;
}

void client_forget(struct client *c, uint64_t node, uint64_t n)
{
	struct fuse_forget_in a = { .nlookup = n };

	assert_int_equal(
		client_call(c, FUSE_FORGET, node, &a, sizeof(a), NULL, 0), 0);
}

void host_write(struct client *c, const char *name, const char *text)
{
	int fd = openat(c->dirfd, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, text, strlen(text)), 0);
	(void)close(fd);
}

void host_stat(struct client *c, const char *name, struct stat *st)
{
	assert_int_equal(fstatat(c->dirfd, name, st, AT_SYMLINK_NOFOLLOW), 0);
}

bool host_exists(struct client *c, const char *name)
{
	struct stat st;

	return fstatat(c->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

size_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}
