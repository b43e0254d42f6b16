/* SPDX-License-Identifier: Apache-2.0 */
/* The way of libext2fs to a file of ours, by the number of its descriptor. */
#ifndef MSB_IMAGE_EXT4_IO_H
#define MSB_IMAGE_EXT4_IO_H

#include <ext2fs/ext2fs.h>

/* Closing it leaves the descriptor open; nothing is ever synchronised. */
extern const io_manager ext4_io_manager;

#endif
