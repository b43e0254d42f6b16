/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EROFS on disk, as far as these images use it: 4096-byte blocks, one device,
 * no compression, no chunks (Documentation/filesystems/erofs.rst; all numbers
 * are little-endian).
 *
 *   block 0     superblock at byte 1024
 *   layers      data of regular files, each from a block's start
 *   metadata    inodes in 32-byte slots, then the blocks of directories and
 *               symbolic links that do not fit behind their inode
 *
 * An inode's number is its slot, counted from the first metadata block. Slot 0
 * stays empty: readers of directories skip entries of inode number 0.
 */
#ifndef MSB_IMAGE_EROFS_FORMAT_H
#define MSB_IMAGE_EROFS_FORMAT_H

#include <stdint.h>

#define EROFS_BLOCK_BITS 12
#define EROFS_BLOCK 4096u
#define EROFS_SLOT 32u

#define EROFS_SB_OFFSET 1024u
#define EROFS_MAGIC 0xe0f5e1e2u
#define EROFS_COMPAT (1u | 2u) /* checksum; the times are of modification */
/* Superblock, bytes from its start. */
#define EROFS_SB_MAGIC 0u
#define EROFS_SB_CHECKSUM 4u
#define EROFS_SB_COMPAT 8u
#define EROFS_SB_BLOCK_BITS 12u
#define EROFS_SB_ROOT_NID 14u /* u16 */
#define EROFS_SB_INODES 16u   /* u64 */
#define EROFS_SB_BLOCKS 36u
#define EROFS_SB_META_BLOCK 40u
#define EROFS_SB_VOLUME 64u /* 16 bytes */
#define EROFS_SB_INCOMPAT 80u
#define EROFS_SB_SIZE 128u

#define EROFS_COMPACT_SIZE 32u
#define EROFS_EXTENDED_SIZE 64u
#define EROFS_PLAIN 0u	/* whole blocks */
#define EROFS_INLINE 2u /* the last, partial block follows the inode */
/* Inode, both forms. Bit 0 of the format tells the extended one. */
#define EROFS_I_FORMAT 0u
#define EROFS_I_XATTRS 2u /* u16, size in words, less the header's, plus 1 */
#define EROFS_I_MODE 4u
#define EROFS_I_SIZE 8u
#define EROFS_I_BLOCK 16u /* or device number */
#define EROFS_I_INO 20u
/* Compact. */
#define EROFS_C_NLINK 6u
#define EROFS_C_UID 24u
#define EROFS_C_GID 26u
/* Extended. */
#define EROFS_E_UID 24u
#define EROFS_E_GID 28u
#define EROFS_E_MTIME 32u
#define EROFS_E_MTIME_NSEC 40u
#define EROFS_E_NLINK 44u

#define EROFS_XATTR_HEADER 12u
#define EROFS_XATTR_ENTRY 4u /* name length, prefix, u16 value length */

#define EROFS_DIRENT_SIZE 12u /* u64 nid, u16 name offset, u8 type, 0 */

/* crc32c of the superblock's block from byte 1024 on, its own field zero. */
uint32_t erofs_checksum(const uint8_t block[EROFS_BLOCK]);

#endif
