/* SPDX-License-Identifier: Apache-2.0 */
/* The block devices of a machine: opening, locking, and telling them apart. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "runtime/sandbox.h"
#include "virtio/dev/block.h"

#define LOCK_TRIES 60u /* a third of a second */

/*
 * No link is followed anywhere: the path was without any when it was
 * configured, and a guest that shares a directory of it could have put one
 * there since. Nor may a FIFO in its place hold us up.
 */
static int open_file(const char *path, bool read_only)
{
	const struct open_how how = {
		.flags = (uint64_t)(read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC |
			 O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	if (fd < 0 && errno == ENOSYS) /* the last component at least */
		fd = open(path, (int)how.flags | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/*
 * The lock belongs to the open file, and so to this process: exclusive when the
 * guest writes, shared among readers. A process that is just ending has its
 * locks for a moment longer than it counts as alive.
 */
static int lock_file(int fd, const char *path, bool read_only, struct err *err)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	int how = (read_only ? LOCK_SH : LOCK_EX) | LOCK_NB;

	for (unsigned tries = 0;; tries++) {
		if (flock(fd, how) == 0)
			return 0;
		if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
			break;
		(void)nanosleep(&pause, NULL); /* early is one more try */
	}
	if (errno == EWOULDBLOCK)
		return err_set(
			err, ERR_INVALID, EBUSY,
			"disk image is in use by another sandbox: %.300s",
			path);
	/* a file system without locks */
	log_warn("disk", "%.300s: not locked: %s", path, strerror(errno));
	return 0;
}

/* One disk of a sandbox under two names would be written by two drivers. */
static int note_file(struct sandbox *s, struct vm_disk *d, int fd,
		     const char *path, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_IO, errno, "%.300s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, EINVAL,
			       "disk image is not a regular file: %.300s",
			       path);
	for (size_t i = 0; i < s->ndisks; i++)
		if (s->disks[i].dev == st.st_dev &&
		    s->disks[i].ino == st.st_ino)
			return err_set(err, ERR_INVALID, EINVAL,
				       "disk image is used twice: %.300s",
				       path);
	d->dev = st.st_dev;
	d->ino = st.st_ino;
	return 0;
}

static int open_locked(struct sandbox *s, struct vm_disk *d, const char *path,
		       bool read_only, struct err *err)
{
	autoclose int fd = open_file(path, read_only);
	int rc;

	if (fd < 0)
		return err_sys(err, ERR_IO, -fd, "disk image %.300s", path);
	rc = note_file(s, d, fd, path, err);
	if (!rc)
		rc = lock_file(fd, path, read_only, err);
	return rc ? rc : take_fd(&fd);
}

/* The device for a disk, which is taken; it joins the list. */
static int add_device(struct sandbox *s, struct vm_disk *d, struct disk *disk,
		      struct err *err)
{
	struct vblock_config config = { .disk = disk, .serial = d->share.tag };
	int rc;

	/* Mounting a clean file system writes what would be written again: it
	 * does not have to wait for the host's disk. */
	(void)disk_fs_type(disk, &config.unsettled);
	config.unsettled |= d->temporary;
	rc = vblock_new(&config, &d->device);

	if (rc) {
		disk_free(disk);
		return err_sys(err, ERR_NO_MEMORY, -rc, "block device");
	}
	s->disks[s->ndisks++] = *d;
	return 0;
}

/* ---- an image's root --------------------------------------------------- */

static int open_layer(const char *path, struct disk_extent *e, struct err *err)
{
	struct stat st;

	e->fd = open_file(path, true);
	if (e->fd < 0)
		return err_sys(err, ERR_IO, -e->fd, "image file %.300s", path);
	if (fstat(e->fd, &st) < 0)
		return err_sys(err, ERR_IO, errno, "image file %.300s", path);
	e->length = (uint64_t)st.st_size;
	return 0;
}

/* All files of the image, as one disk. */
static int add_lower(struct sandbox *s, struct err *err)
{
	const struct strv *files = &s->spec.lower;
	struct disk_extent *e = calloc(files->n, sizeof(*e));
	struct vm_disk d = { 0 };
	struct disk *disk = NULL;
	size_t n = 0;
	int rc = 0;

	if (!e)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "image files");
	while (!rc && n < files->n) {
		rc = open_layer(files->v[n], &e[n], err);
		n++;
	}
	if (!rc) /* takes the descriptors */
		rc = disk_linear(e, n, true, &disk, err);
	else
		while (n--)
			close_fd(&e[n].fd);
	free(e);
	return rc ? rc : add_device(s, &d, disk, err);
}

static int add_upper(struct sandbox *s, struct err *err)
{
	struct vm_disk d = { .temporary = s->spec.config.ephemeral };
	struct disk *disk;
	int fd = open_locked(s, &d, s->spec.upper, false, err);
	int rc = fd < 0 ? fd : disk_raw(fd, false, &disk, err);

	return rc < 0 ? rc : add_device(s, &d, disk, err);
}

/* ---- disk images of the user ------------------------------------------- */

static int open_image(int fd, enum disk_format format, bool read_only,
		      struct disk **ret, struct err *err)
{
	struct disk *all = NULL;
	int rc;

	switch (format) {
	case DISK_FORMAT_QCOW2:
		rc = disk_qcow2(fd, read_only, &all, err);
		break;
	case DISK_FORMAT_VMDK:
		(void)close(fd);
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "VMDK images are not supported; `qemu-img "
			       "convert -O qcow2` makes a qcow2 image of one");
	case DISK_FORMAT_RAW:
	default:
		rc = disk_raw(fd, read_only, &all, err);
		break;
	}
	return rc ? rc : disk_file_system(all, ret, err);
}

/* *fstype is filled when it is not set and can be told: the guest then need not
 * try all it knows. */
static int add_image(struct sandbox *s, const char *path,
		     enum disk_format format, bool read_only,
		     const struct share *share, char **fstype, struct err *err)
{
	struct vm_disk d = { .share = *share };
	const char *type;
	struct disk *disk = NULL;
	int fd = open_locked(s, &d, path, read_only, err);
	int rc = fd;

	if (fd >= 0) {
		rc = open_image(fd, format, read_only, &disk, err);
		if (rc)
			err_prefix(err, "disk image %.200s", path);
	}
	if (rc < 0)
		return rc;
	type = *fstype ? NULL : disk_fs_type(disk, NULL);
	if (type)
		*fstype = strdup(type);
	return add_device(s, &d, disk, err);
}

static int add_mount(struct sandbox *s, size_t index, struct err *err)
{
	struct mount_config *m = &s->spec.config.mounts[index];
	struct share share = { .index = index, .kind = SHARE_DISK };
	struct share others[MAX_SHARES];
	size_t n = 0;

	for (size_t i = 0; i < s->nshares; i++)
		others[n++] = s->shares[i].share;
	for (size_t i = 0; i < s->ndisks; i++)
		others[n++] = s->disks[i].share;
	share_tag(m->guest, others, n, share.tag);
	return add_image(s, m->host, m->format, m->flags & MOUNT_READONLY,
			 &share, &m->fstype, err);
}

static int add_root(struct sandbox *s, struct err *err)
{
	struct root_config *r = &s->spec.config.root;
	const struct share none = { 0 };
	int rc = 0;

	if (r->kind == ROOT_DISK)
		return add_image(s, r->path, r->format, false, &none,
				 &r->fstype, err);
	if (r->kind != ROOT_OCI)
		return 0;
	rc = add_lower(s, err);
	return rc ? rc : add_upper(s, err);
}

int sandbox_make_disks(struct sandbox *s)
{
	const struct sandbox_config *c = &s->spec.config;
	struct err err = { 0 };
	int rc;

	s->disks = calloc(c->nmounts + 2, sizeof(*s->disks));
	if (!s->disks)
		return sandbox_boot_errno(s, "build_vm", -ENOMEM, "disks");
	rc = add_root(s, &err);
	if (rc)
		return sandbox_boot_err(s, "image", rc, &err);
	for (size_t i = 0; !rc && i < c->nmounts; i++)
		if (mount_is_disk(&c->mounts[i]))
			rc = add_mount(s, i, &err);
	return rc ? sandbox_boot_err(s, "mount", rc, &err) : 0;
}

void sandbox_settle_disks(struct sandbox *s)
{
	for (size_t i = 0; i < s->ndisks; i++)
		if (!s->disks[i].temporary)
			vblock_settle(s->disks[i].device);
}

void sandbox_free_disks(struct sandbox *s)
{
	for (size_t i = 0; i < s->ndisks; i++)
		s->disks[i].device->ops->free(s->disks[i].device);
	free(s->disks);
	s->disks = NULL;
	s->ndisks = 0;
}
