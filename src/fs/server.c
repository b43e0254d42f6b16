/* SPDX-License-Identifier: Apache-2.0 */
/* A server's birth and death: opening the export, probing what it can hold. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "fs/ops.h"

/* Of <linux/magic.h> of later kernels, or of none. */
#define MAGIC_ZFS 0x2fc12fc1
#define MAGIC_XFS 0x58465342
#define MAGIC_BCACHEFS 0xca451a4e

#define TRUST_MS 1000

static bool is_local_magic(unsigned long type)
{
	static const unsigned long magics[] = { EXT4_SUPER_MAGIC,  MAGIC_XFS,
						BTRFS_SUPER_MAGIC, TMPFS_MAGIC,
						F2FS_SUPER_MAGIC,  MAGIC_ZFS,
						MAGIC_BCACHEFS };

	for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
		if (type == magics[i])
			return true;
	return false;
}

static int open_dir(int dirfd, const char *path, int flags)
{
	int fd = openat(dirfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

/* Every component by itself, so that no symbolic link is followed. */
static int open_walk(const char *path)
{
	autoclose int fd = open_dir(AT_FDCWD, *path == '/' ? "/" : ".", 0);

	while (fd >= 0 && *path) {
		size_t len = strcspn(path, "/");
		char name[NAME_MAX + 1];
		struct statx st;
		int next;

		if (len > NAME_MAX)
			return -ENAMETOOLONG;
		memcpy(name, path, len);
		name[len] = 0;
		path += len + (path[len] == '/');
		if (!len || !strcmp(name, "."))
			continue;
		if (!strcmp(name, ".."))
			return -EINVAL;
		next = open_dir(fd, name, O_NOFOLLOW);
		if (next == -ENOTDIR && !fs_statx(fd, name, &st) &&
		    S_ISLNK(st.stx_mode))
			next = -ELOOP;
		close_fd(&fd);
		fd = next;
	}
	return take_fd(&fd);
}

static int open_root(const struct fs_config *c, struct err *err)
{
	const char *name = c->path ? c->path : "the directory";
	int fd;

	if (!c->path)
		fd = open_dir(c->dir_fd, ".", 0);
	else if (c->follow_symlinks)
		fd = open_dir(AT_FDCWD, c->path, 0);
	else
		fd = open_walk(c->path);
	if (fd >= 0)
		return fd;
	if (fd == -ELOOP)
		return err_set(err, ERR_INVALID, ELOOP,
			       "cannot share '%s': a part of the path is a "
			       "symbolic link",
			       name);
	return err_sys(err, fd == -EACCES ? ERR_PERMISSION : ERR_IO, -fd,
		       "cannot share '%s'", name);
}

/*
 * A file that may be behind symbolic links: what they lead to now is shared,
 * under the name that was given.
 */
static int open_linked(struct fs_server *s, const struct fs_config *c,
		       struct err *err)
{
	autofree char *path = NULL;
	autofree char *real = NULL;
	char *slash;

	if (asprintf(&path, "%s/%s", c->path, c->file) < 0) {
		path = NULL;
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "share '%s'",
			       c->file);
	}
	real = realpath(path, NULL);
	slash = real ? strrchr(real, '/') : NULL;
	if (!slash)
		return err_sys(err, errno == EACCES ? ERR_PERMISSION : ERR_IO,
			       errno, "cannot share '%s'", path);
	s->file = strdup(slash + 1);
	if (!s->file)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "share '%s'", path);
	slash[slash == real] = 0;
	s->root_fd = open_dir(AT_FDCWD, real, 0);
	if (s->root_fd < 0)
		return err_sys(err, ERR_IO, -s->root_fd, "cannot share '%s'",
			       path);
	return 0;
}

static int open_export(struct fs_server *s, const struct fs_config *c,
		       struct err *err)
{
	const char *name = c->path ? c->path : "the directory";

	if (c->file && fs_name_check(c->file))
		return err_set(err, ERR_INVALID, EINVAL,
			       "cannot share '%s/%s': not a file name", name,
			       c->file);
	if (c->file && !(s->shown = strdup(c->file)))
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "share '%s'", name);
	if (c->file && c->path && c->follow_symlinks)
		return open_linked(s, c, err);
	s->root_fd = open_root(c, err);
	if (s->root_fd < 0)
		return s->root_fd;
	if (c->file && !(s->file = strdup(c->file)))
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "share '%s'", name);
	return 0;
}

/* Find out at start what would else fail at the guest's first access. */
static int check_readable(struct fs_server *s, const char *name,
			  struct err *err)
{
	autoclose int file = -1;
	autoclose int fd = -1;
	struct statx st;

	s->proc_fd = open_dir(AT_FDCWD, "/proc/self/fd", 0);
	if (s->proc_fd == -ENOENT)
		return err_set(err, ERR_UNSUPPORTED, ENOENT,
			       "sharing directories needs /proc mounted");
	if (s->proc_fd < 0)
		return err_sys(err, ERR_IO, -s->proc_fd, "/proc/self/fd");
	if (!s->file) {
		fd = fs_reopen(s, s->root_fd, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return err_sys(err, ERR_PERMISSION, -fd,
				       "cannot read the directory '%s'", name);
		return 0;
	}
	file = fs_open_child(s, s->root_fd, s->file);
	if (file < 0 || fs_statx(file, "", &st))
		return err_sys(err, ERR_IO, file < 0 ? -file : EIO,
			       "cannot share '%s/%s'", name, s->file);
	if (!S_ISREG(st.stx_mode))
		return err_set(err, ERR_INVALID, EINVAL,
			       "cannot share '%s/%s': not a regular file", name,
			       s->file);
	fd = fs_reopen(s, file, O_RDONLY);
	if (fd < 0)
		return err_sys(err, ERR_PERMISSION, -fd, "cannot read '%s/%s'",
			       name, s->file);
	return 0;
}

static int probe(struct fs_server *s)
{
	autoclose int file = -1;

	if (!s->file)
		return fs_xattr_probe(s->root_fd);
	file = fs_open_child(s, s->root_fd, s->file);
	return file < 0 ? file : fs_xattr_probe(file);
}

/* Strict needs extended attributes; a read-only export never writes any. */
static int choose_virt(struct fs_server *s, const struct fs_config *c,
		       const char *name, struct err *err)
{
	int rc;

	s->lenient = c->strict_or_relaxed;
	if (s->virt != FS_STAT_STRICT)
		return 0;
	if (s->readonly) {
		s->virt = FS_STAT_RELAXED;
		return 0;
	}
	rc = probe(s);
	if (!rc)
		return 0;
	if (c->strict_or_relaxed) {
		s->virt = FS_STAT_RELAXED;
		return 0;
	}
	if (rc == -EOPNOTSUPP)
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "extended attributes are not supported by the "
			       "file system of '%s' and stat virtualization is "
			       "strict; try stat-virt=relaxed",
			       name);
	return err_sys(err, ERR_PERMISSION, -rc,
		       "cannot write extended attributes to '%s' and stat "
		       "virtualization is strict; try stat-virt=relaxed",
		       name);
}

static int alloc_scratch(struct fs_server *s)
{
	s->in = malloc(FS_SCRATCH);
	s->out = malloc(FS_SCRATCH);
	s->dirbuf.data = malloc(FS_SCRATCH);
	s->iov = calloc(IOV_MAX, sizeof(*s->iov));
	return s->in && s->out && s->dirbuf.data && s->iov ? 0 : -ENOMEM;
}

static int describe_root(struct fs_server *s)
{
	struct statfs sfs;
	struct statx st;
	int rc = fs_statx(s->root_fd, "", &st);

	if (rc)
		return rc;
	if (fstatfs(s->root_fd, &sfs) < 0)
		return -errno;
	s->openat2 = fs_probe_openat2(s->root_fd);
	s->local = is_local_magic((unsigned long)sfs.f_type);
	s->euid = geteuid();
	s->owner_uid = st.stx_uid;
	s->owner_gid = st.stx_gid;
	s->dev_major = st.stx_dev_major;
	s->dev_minor = st.stx_dev_minor;
	return 0;
}

static int server_init(struct fs_server *s, const struct fs_config *c,
		       struct err *err)
{
	const char *name = c->path ? c->path : "the directory";
	int rc;

	s->readonly = c->readonly;
	s->noexec = c->noexec;
	s->virt = c->stat_virt;
	s->perms = c->host_perms;
	s->cache = c->cache;
	s->timeout_ms = c->timeout_ms ? c->timeout_ms : FS_TIMEOUT_DEFAULT_MS;
	s->trust_ms = s->timeout_ms < TRUST_MS ? s->timeout_ms : TRUST_MS;
	s->negative_ms = c->negative_ms;
	s->guest_uid = c->guest_uid;
	s->guest_gid = c->guest_gid;
	fs_quota_init(s, c);
	s->root_fd = s->proc_fd = -1;
	rc = open_export(s, c, err);
	if (rc)
		return rc;
	rc = describe_root(s);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "cannot share '%s'", name);
	rc = check_readable(s, name, err);
	if (!rc)
		rc = choose_virt(s, c, name, err);
	if (rc)
		return rc;
	rc = alloc_scratch(s);
	if (!rc)
		rc = fs_table_init(s, c->max_inodes);
	if (rc)
		return err_sys(err, ERR_NO_MEMORY, -rc, "share '%s'", name);
	return 0;
}

int fs_server_new(const struct fs_config *c, struct fs_server **ret,
		  struct err *err)
{
	struct fs_server *s;
	int rc;

	if (c->stat_virt == FS_STAT_OFF && c->host_perms == FS_PERMS_MIRROR)
		return err_set(err, ERR_INVALID, EINVAL,
			       "stat-virt=off and host-perms=mirror exclude "
			       "each other");
	if (c->file && c->quota_bytes)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a quota needs a directory, '%s' is a file",
			       c->file);
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "file server");
	rc = server_init(s, c, err);
	if (rc) {
		(void)fs_server_free(s);
		return rc;
	}
	*ret = s;
	return 0;
}

struct fs_server *fs_server_free(struct fs_server *s)
{
	if (!s)
		return NULL;
	fs_table_fini(s);
	close_fd(&s->quota.mark_fd);
	if (s->root_fd >= 0)
		(void)close(s->root_fd); /* O_PATH: nothing to lose */
	if (s->proc_fd >= 0)
		(void)close(s->proc_fd);
	free(s->dirbuf.data);
	free(s->iov);
	free(s->in);
	free(s->out);
	free(s->file);
	free(s->shown);
	free(s);
	return NULL;
}

enum fs_stat_virt fs_server_stat_virt(const struct fs_server *s)
{
	return s->virt;
}

void fs_server_counts(const struct fs_server *s, uint64_t *ret_read,
		      uint64_t *ret_written)
{
	*ret_read = s->read_bytes;
	*ret_written = s->written_bytes;
}

int fs_server_dir(const struct fs_server *s)
{
	return s->root_fd;
}

void fs_server_reset(struct fs_server *s)
{
	uint32_t max = s->inodes.max;

	s->inited = false;
	fs_table_fini(s);
	/* Without memory for a new table INIT is refused, see op_init. */
	(void)fs_table_init(s, max);
}
