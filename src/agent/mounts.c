/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting: what every guest has, and what the user asked for. */
#include "agent/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/diag.h"
#include "agent/uevent.h"
#include "base/cleanup.h"
#include "base/io.h"

/* How long a device may take to appear. */
#define DEVICE_MS 1000

#define QUIET_FS (MS_NODEV | MS_NOEXEC | MS_NOSUID)

static const struct essential {
	const char *source, *path, *type, *data;
	unsigned long flags;
	bool fresh; /* the mount point is never there yet */
} essentials[] = {
	{ "proc", "proc", "proc", NULL, QUIET_FS, false },
	{ "sysfs", "sys", "sysfs", NULL, QUIET_FS, false },
	{ "cgroup2", "sys/fs/cgroup", "cgroup2", NULL, QUIET_FS, false },
	{ "devtmpfs", "dev", "devtmpfs", NULL, 0, false },
	{ "devpts", "dev/pts", "devpts", "ptmxmode=0666,mode=620,gid=5",
	  MS_NOEXEC | MS_NOSUID, true },
	{ "tmpfs", "dev/shm", "tmpfs", "mode=1777", MS_NOEXEC | MS_NOSUID,
	  true },
	/* the cap keeps a guest from filling its memory with it by mistake */
	{ "tmpfs", ".msb", "tmpfs", "size=16m,mode=755", MS_NODEV | MS_NOSUID,
	  false },
};

static const struct {
	const char *target, *path;
} dev_links[] = {
	{ "/proc/self/fd", "dev/fd" },
	{ "/proc/self/fd/0", "dev/stdin" },
	{ "/proc/self/fd/1", "dev/stdout" },
	{ "/proc/self/fd/2", "dev/stderr" },
};

static int mount_one(const struct essential *e)
{
	int rc;

	if (e->fresh)
		(void)mkdir(e->path, 0755); /* the mount tells */
	rc = mount(e->source, e->path, e->type, e->flags, e->data);
	if (rc < 0 && errno == ENOENT && !e->fresh) {
		/* another sandbox may have made it in the same directory */
		if (mkdir(e->path, 0755) < 0 && errno != EEXIST)
			return -errno;
		rc = mount(e->source, e->path, e->type, e->flags, e->data);
	}
	return rc < 0 && errno != EBUSY ? -errno : 0;
}

int mounts_essential(struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(essentials); i++) {
		const struct essential *e = &essentials[i];
		int rc = mount_one(e);

		if (rc == -EROFS || rc == -EACCES || rc == -EPERM ||
		    rc == -ENOENT)
			diag("no /%s in this root: %s", e->path, strerror(-rc));
		else if (rc)
			return err_sys(err, ERR_IO, -rc, "mount %s on /%s",
				       e->type, e->path);
	}
	for (size_t i = 0; i < ARRAY_SIZE(dev_links); i++)
		if (symlink(dev_links[i].target, dev_links[i].path) < 0 &&
		    errno != EEXIST)
			break; /* no /dev: said already */
	return 0;
}

static unsigned long mount_flags(unsigned flags)
{
	return (flags & BOOT_RDONLY ? MS_RDONLY : 0) |
	       (flags & BOOT_NOEXEC ? MS_NOEXEC : 0) |
	       (flags & BOOT_NOSUID ? MS_NOSUID : 0) |
	       (flags & BOOT_NODEV ? MS_NODEV : 0);
}

/* mount(2), creating the mount point only when it turns out to be missing. */
static int mount_creating(const char *source, const char *path,
			  const char *type, unsigned long flags,
			  const char *data)
{
	int rc;

	if (mount(source, path, type, flags, data) == 0)
		return 0;
	if (errno != ENOENT)
		return -errno;
	rc = io_mkdir_p(AT_FDCWD, path, 0755);
	if (rc)
		return rc;
	return mount(source, path, type, flags, data) < 0 ? -errno : 0;
}

static int is_there(void *ctx)
{
	return access(ctx, F_OK) < 0 ? -errno : 0;
}

int mount_wait_for(const char *path)
{
	return uevent_retry(DEVICE_MS, is_there, (void *)(uintptr_t)path);
}

/* Replaying a journal writes, which a read-only volume must not. */
static const char *device_options(const char *fstype, unsigned long flags)
{
	return flags & MS_RDONLY && !strcmp(fstype, "ext4") ? "noload" : NULL;
}

static int try_device(const char *device, const char *path, const char *fstype,
		      unsigned long flags)
{
	int rc = mount_creating(device, path, fstype, flags,
				device_options(fstype, flags));

	if ((rc != -EROFS && rc != -EACCES) || flags & MS_RDONLY)
		return rc;
	flags |= MS_RDONLY;
	return mount_creating(device, path, fstype, flags,
			      device_options(fstype, flags));
}

/* Next file system name that needs a device; NULL at the end. */
static char *next_fstype(char **text)
{
	char *line;

	while ((line = strsep(text, "\n"))) {
		char *tab = strchr(line, '\t');

		if (tab == line && tab[1])
			return line + 1;
	}
	return NULL;
}

int mount_device(const char *device, const char *path, const char *fstype,
		 unsigned long flags, struct err *err)
{
	MSB_CLEANUP(buf_fini) struct buf list = { .max = 65536 };
	char *text, *type;
	int rc;

	if (fstype && *fstype) {
		rc = try_device(device, path, fstype, flags);
		if (rc)
			return err_sys(err, ERR_IO, -rc, "mount %s on %s as %s",
				       device, path, fstype);
		return 0;
	}
	rc = io_read_file_at(AT_FDCWD, "/proc/filesystems", &list);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "read /proc/filesystems");
	text = (char *)(uintptr_t)buf_cstr(&list);
	while (text && (type = next_fstype(&text)))
		if (try_device(device, path, type, flags) == 0)
			return 0;
	return err_set(err, ERR_IO, EINVAL,
		       "failed to mount %s at %s: no supported filesystem "
		       "found",
		       device, path);
}

static int mount_dir(const struct boot_mount *m, struct err *err)
{
	int rc = mount_creating(m->tag, m->path, "virtiofs",
				mount_flags(m->flags), NULL);

	if (rc)
		return err_sys(err, ERR_IO, -rc, "mount %s on %s", m->tag,
			       m->path);
	return 0;
}

/* A file to bind onto; an existing one is never touched. */
static int make_target_file(const char *path)
{
	char parent[4096];
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	int fd, rc;

	if (access(path, F_OK) == 0)
		return 0;
	if (len >= sizeof(parent))
		return -ENAMETOOLONG;
	memcpy(parent, path, len);
	parent[len] = 0;
	rc = len ? io_mkdir_p(AT_FDCWD, parent, 0755) : 0;
	if (rc)
		return rc;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

#define STAGING "/.msb/file-mounts"

static int bind_file(const struct boot_mount *m, const char *from)
{
	unsigned long extra = mount_flags(m->flags);
	int rc = make_target_file(m->path);

	if (rc)
		return rc;
	if (mount(from, m->path, NULL, MS_BIND, NULL) < 0)
		return -errno;
	if (extra &&
	    mount(NULL, m->path, NULL, MS_REMOUNT | MS_BIND | extra, NULL) < 0)
		return -errno;
	return 0;
}

/*
 * The share is a directory with just that file in it. It is mounted aside,
 * the file bound to where it belongs, and the directory taken away again.
 */
static int mount_file(const struct boot_mount *m, struct err *err)
{
	char dir[128], from[4096];
	int rc, n;

	n = snprintf(dir, sizeof(dir), STAGING "/%s", m->tag);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return err_set(err, ERR_INVALID, EINVAL, "mount tag too long");
	n = snprintf(from, sizeof(from), "%s/%s", dir, m->filename);
	if (n < 0 || (size_t)n >= sizeof(from))
		return err_set(err, ERR_INVALID, EINVAL, "file name too long");
	rc = mount_creating(m->tag, dir, "virtiofs", 0, NULL);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "mount %s for %s", m->tag,
			       m->path);
	rc = bind_file(m, from);
	/* an aid only: what is left of it does no harm */
	(void)umount2(dir, MNT_DETACH);
	(void)rmdir(dir);
	(void)rmdir(STAGING);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "mount file '%s' on %s",
			       m->filename, m->path);
	return 0;
}

struct disk {
	const char *id;
	char device[300];
};

/* Device whose serial number is the id: "/dev/vdX". */
static int find_disk(void *ctx)
{
	struct disk *disk = ctx;
	DIR *d = opendir("/sys/block");
	struct dirent *e;
	int rc = -ENOENT;

	while (rc && d && (e = readdir(d))) {
		char path[300], serial[64] = "";
		autoclose int fd = -1;
		ssize_t n;

		if (strncmp(e->d_name, "vd", 2) != 0)
			continue;
		(void)snprintf(path, sizeof(path), "/sys/block/%s/serial",
			       e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? -1 : io_read(fd, serial, sizeof(serial) - 1);
		if (n <= 0)
			continue;
		serial[strcspn(serial, "\n")] = 0;
		if (strcmp(serial, disk->id) != 0)
			continue;
		(void)snprintf(disk->device, sizeof(disk->device), "/dev/%s",
			       e->d_name);
		rc = 0;
	}
	if (d)
		(void)closedir(d);
	return rc;
}

static int mount_disk(const struct boot_mount *m, struct err *err)
{
	struct disk disk = { .id = m->tag };
	int rc = uevent_retry(DEVICE_MS, find_disk, &disk);

	if (rc)
		return err_set(err, ERR_IO, ENOENT,
			       "no disk with the id '%s' for %s", m->tag,
			       m->path);
	return mount_device(disk.device, m->path, m->fstype,
			    mount_flags(m->flags), err);
}

static int mount_tmpfs(const struct boot_mount *m, struct err *err)
{
	bool tmp = !strcmp(m->path, "/tmp") || !strcmp(m->path, "/var/tmp");
	unsigned mode = m->mode ? m->mode : tmp ? 01777 : 0755;
	char data[64];
	int rc;

	if (m->size_mib)
		(void)snprintf(data, sizeof(data), "size=%um,mode=%o",
			       m->size_mib, mode);
	else
		(void)snprintf(data, sizeof(data), "mode=%o", mode);
	rc = mount_creating("tmpfs", m->path, "tmpfs", mount_flags(m->flags),
			    data);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "mount tmpfs on %s", m->path);
	return 0;
}

int mounts_user(const struct boot_mount *mounts, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct boot_mount *m = &mounts[i];
		int rc = -EINVAL;

		switch (m->kind) {
		case BOOT_MOUNT_DIR:
			rc = mount_dir(m, err);
			break;
		case BOOT_MOUNT_FILE:
			rc = mount_file(m, err);
			break;
		case BOOT_MOUNT_DISK:
			rc = mount_disk(m, err);
			break;
		case BOOT_MOUNT_TMPFS:
			rc = mount_tmpfs(m, err);
			break;
		}
		if (rc)
			return rc;
	}
	return 0;
}
