/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's root file system. */
#include "agent/root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/mounts.h"
#include "base/cleanup.h"

/* In the initramfs (mkinitramfs.py), hidden for good once the root has moved
 * on top of it. */
#define UPPER "/upper"

static int root_virtiofs(const struct bootspec *spec, struct err *err)
{
	const char *tag = spec->root_tag ? spec->root_tag : "msbroot";

	if (mount(tag, ROOT_NEW, "virtiofs", 0, NULL) < 0)
		return err_sys(err, ERR_IO, errno, "mount root '%s'", tag);
	return 0;
}

static bool needs_detection(const struct bootspec *spec)
{
	return spec->root == BOOT_ROOT_DISK && !spec->root_fstype;
}

/* Block devices need their nodes, and detection the list of file systems. */
static int open_devices(const struct bootspec *spec, struct err *err)
{
	if (mount("devtmpfs", "/dev", "devtmpfs", 0, NULL) < 0 &&
	    errno != EBUSY)
		return err_sys(err, ERR_IO, errno, "mount devtmpfs");
	if (needs_detection(spec) &&
	    mount("proc", "/proc", "proc", MS_NODEV | MS_NOEXEC | MS_NOSUID,
		  NULL) < 0 &&
	    errno != EBUSY)
		return err_sys(err, ERR_IO, errno, "mount proc");
	return 0;
}

/* The new root gets instances of its own; the superblocks are the same. */
static void close_devices(const struct bootspec *spec)
{
	(void)umount2("/dev", MNT_DETACH);
	if (needs_detection(spec))
		(void)umount2("/proc", MNT_DETACH);
}

static int need_device(const char *device, struct err *err)
{
	if (!device || mount_wait_for(device))
		return err_set(err, ERR_IO, ENOENT, "root device %s is missing",
			       device ? device : "(none)");
	return 0;
}

static int root_disk(const struct bootspec *spec, struct err *err)
{
	int rc = need_device(spec->root_device, err);

	return rc ? rc
		  : mount_device(spec->root_device, ROOT_NEW, spec->root_fstype,
				 0, err);
}

static int mount_lower(size_t i, const char *device, struct err *err)
{
	char dir[32];
	int rc = need_device(device, err);

	if (rc)
		return rc;
	(void)snprintf(dir, sizeof(dir), "/l%zu", i);
	return mount_device(device, dir, "erofs", MS_RDONLY, err);
}

static int mount_upper(const char *device, int *ret_upper, struct err *err)
{
	int rc = device ? need_device(device, err) : 0;

	if (rc)
		return rc;
	if (device)
		rc = mount_device(device, UPPER, "ext4", 0, err);
	else if (mount("tmpfs", UPPER, "tmpfs", 0, "mode=755") < 0)
		rc = err_sys(err, ERR_IO, errno, "mount tmpfs as upper layer");
	if (rc)
		return rc;
	if ((mkdir(UPPER "/upper", 0755) < 0 && errno != EEXIST) ||
	    (mkdir(UPPER "/work", 0700) < 0 && errno != EEXIST))
		return err_sys(err, ERR_IO, errno, "prepare the upper layer");
	*ret_upper = open(UPPER, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_upper < 0)
		return err_sys(err, ERR_IO, errno, "open the upper layer");
	return 0;
}

/*
 * What the topmost layer says of the root directory would be hidden by the
 * upper layer's. overlayfs makes work/work when it is mounted for the first
 * time; later that directory is the sandbox's own.
 */
static int take_root_owner(const char *lower, struct err *err)
{
	struct stat st;

	if (access(UPPER "/work/work", F_OK) == 0)
		return 0;
	if (stat(lower, &st) < 0 ||
	    chown(UPPER "/upper", st.st_uid, st.st_gid) < 0 ||
	    chmod(UPPER "/upper", st.st_mode & 07777) < 0)
		return err_sys(err, ERR_IO, errno, "prepare the upper layer");
	return 0;
}

static int root_oci(const struct bootspec *spec, int *ret_upper,
		    struct err *err)
{
	/* mount(2) takes a page of options: room for some 600 layers */
	char data[4096] = "lowerdir=", top[32];
	size_t used = strlen(data), n = spec->root_lower.n;
	int rc = 0;

	if (!n)
		return err_set(err, ERR_INVALID, EINVAL,
			       "an image root needs a layer");
	for (size_t i = 0; i < n && !rc; i++)
		rc = mount_lower(i, spec->root_lower.v[i], err);
	if (rc)
		return rc;
	rc = mount_upper(spec->root_upper, ret_upper, err);
	if (rc)
		return rc;
	(void)snprintf(top, sizeof(top), "/l%zu", n - 1);
	rc = take_root_owner(top, err);
	if (rc)
		return rc;
	/* overlayfs wants the topmost first */
	for (size_t i = n; i-- > 0 && used < sizeof(data);)
		used += (size_t)snprintf(data + used, sizeof(data) - used,
					 "/l%zu%s", i, i ? ":" : "");
	if (used < sizeof(data))
		used += (size_t)snprintf(data + used, sizeof(data) - used,
					 ",upperdir=" UPPER
					 "/upper,workdir=" UPPER "/work");
	if (used >= sizeof(data))
		return err_set(err, ERR_INVALID, E2BIG, "too many layers");
	if (mount("overlay", ROOT_NEW, "overlay", 0, data) < 0)
		return err_sys(err, ERR_IO, errno, "mount overlay root");
	return 0;
}

int root_mount(const struct bootspec *spec, int *ret_upper, struct err *err)
{
	bool block = spec->root != BOOT_ROOT_VIRTIOFS;
	int rc = block ? open_devices(spec, err) : 0;

	*ret_upper = -1;
	if (rc)
		return rc;
	switch (spec->root) {
	case BOOT_ROOT_VIRTIOFS:
		rc = root_virtiofs(spec, err);
		break;
	case BOOT_ROOT_DISK:
		rc = root_disk(spec, err);
		break;
	case BOOT_ROOT_OCI:
		rc = root_oci(spec, ret_upper, err);
		break;
	}
	if (rc)
		return rc;
	if (block)
		close_devices(spec);
	if (chdir(ROOT_NEW) < 0)
		return err_sys(err, ERR_IO, errno, "enter the root");
	return 0;
}

int root_enter(struct err *err)
{
	/*
	 * Not pivot_root: the initramfs cannot be unmounted. Moving the new
	 * root on top of it and changing into it leaves nothing reachable of
	 * the old one, neither by path nor through "..".
	 */
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return err_sys(err, ERR_IO, errno, "move the root");
	return 0;
}
