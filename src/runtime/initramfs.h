/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's initramfs: the constant archive with the agent, followed by one
 * that holds only the boot specification, and patches at the first start. The
 * kernel unpacks them in order.
 */
#ifndef MSB_RUNTIME_INITRAMFS_H
#define MSB_RUNTIME_INITRAMFS_H

#include "base/buf.h"
#include "base/err.h"

/* Descriptor of a sealed memory file, or -errno. spec: encoded bootspec;
 * patches: a file of that many bytes with those of its root, -1 = none. */
int initramfs_build(const char *archive_path, const struct buf *spec,
		    int patches_fd, uint64_t patch_bytes, struct err *err);

#endif
