/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's initramfs: the constant archive with the agent, followed by one
 * that holds only the boot specification. The kernel unpacks them in order.
 */
#ifndef MSB_RUNTIME_INITRAMFS_H
#define MSB_RUNTIME_INITRAMFS_H

#include "base/buf.h"
#include "base/err.h"

/* Descriptor of a sealed memory file, or -errno. spec: encoded bootspec. */
int initramfs_build(const char *archive_path, const struct buf *spec,
		    struct err *err);

#endif
