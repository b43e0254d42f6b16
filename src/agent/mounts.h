/* SPDX-License-Identifier: Apache-2.0 */
/* Mounting: what every guest has, and what the user asked for. */
#ifndef MSB_AGENT_MOUNTS_H
#define MSB_AGENT_MOUNTS_H

#include "base/err.h"
#include "protocol/bootspec.h"

/*
 * Mount /proc, /sys, /dev and what belongs below them, and the private tmpfs
 * /.msb, all relative to the working directory, which is the new root. What is
 * mounted in the initramfs already is moved. A root that can neither show nor
 * grow a mount point goes without, with a line in the log.
 */
int mounts_essential(struct err *err);

/* All of the user's mounts, after mount_plan() put them in order. */
int mounts_user(const struct boot_mount *mounts, size_t n, struct err *err);

/*
 * Mount a block device: with fstype, else with every file system of
 * /proc/filesystems that needs a device until one takes it. A device that
 * cannot be written is mounted read-only. path may be relative.
 */
int mount_device(const char *device, const char *path, const char *fstype,
		 unsigned long flags, struct err *err);
/* Wait about a second for a device node. 0 or -errno. */
int mount_wait_for(const char *path);

#endif
