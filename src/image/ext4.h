/* SPDX-License-Identifier: Apache-2.0 */
/* The writable layer of a sandbox that runs from an image. */
#ifndef MSB_IMAGE_EXT4_H
#define MSB_IMAGE_EXT4_H

#include <stdint.h>

#include "base/err.h"

#define EXT4_SIZE_MIN (64ull << 20)
#define EXT4_SIZE_MAX (16ull << 40)

/*
 * Make the regular file fd, open for writing, a sparse ext4 file system of size
 * bytes (a multiple of 4096 within the limits above) with the directories
 * "upper" and "work". What the file held before is gone. Nothing is synced: the
 * guest's first flush does that. 0 or -errno; a failure leaves rubbish.
 */
int ext4_create(int fd, uint64_t size, struct err *err);
/* The same without the directories, for a disk of the user's own. */
int ext4_create_empty(int fd, uint64_t size, struct err *err);

#endif
