/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An empty ext4 file system, by libext2fs. The file is new and sparse, so all
 * that is not written reads as zeroes: neither inode tables nor the journal
 * need to be cleared, here or later by the guest.
 */
#include "image/ext4.h"

#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/ext4_io.h"

#define BLOCK 4096u
#define BYTES_PER_INODE 16384u
#define INODE_SIZE 256u
#define EXTRA_ISIZE 32u
/* Room of the journal in blocks: what the host's file grows by when the guest
 * has written for a while. */
#define JOURNAL_MIN 1024u
#define JOURNAL_MAX 16384u
#define JOURNAL_SHARE 256u
#define HASH_HALF_MD4 1

static int failed(struct err *err, errcode_t code, const char *what)
{
	/* error codes of the C library are passed on as they are */
	if (code == EXT2_ET_NO_MEMORY)
		code = ENOMEM;
	if (code > 0 && code < 256)
		return err_sys(err, code == ENOSPC ? ERR_NO_SPACE : ERR_IO,
			       (int)code, "make the writable layer: %s", what);
	return err_set(err, ERR_IO, EIO,
		       "make the writable layer: %s: libext2fs error %ld", what,
		       (long)code);
}

static void set_parameters(uint64_t size, struct ext2_super_block *p)
{
	uint64_t inodes = size / BYTES_PER_INODE;

	memset(p, 0, sizeof(*p));
	ext2fs_blocks_count_set(p, size / BLOCK);
	p->s_inodes_count = inodes > UINT32_MAX ? UINT32_MAX : (__u32)inodes;
	p->s_log_block_size = 2; /* 1024 << 2 */
	p->s_log_cluster_size = 2;
	p->s_rev_level = EXT2_DYNAMIC_REV;
	p->s_inode_size = INODE_SIZE;
	p->s_log_groups_per_flex = 4;
	/* one copy of superblock and group descriptors is enough */
	p->s_backup_bgs[0] = 1;
	p->s_feature_compat = EXT2_FEATURE_COMPAT_EXT_ATTR |
			      EXT2_FEATURE_COMPAT_DIR_INDEX |
			      EXT4_FEATURE_COMPAT_SPARSE_SUPER2;
	p->s_feature_incompat =
		EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS |
		EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_FLEX_BG;
	p->s_feature_ro_compat = EXT2_FEATURE_RO_COMPAT_LARGE_FILE |
				 EXT4_FEATURE_RO_COMPAT_HUGE_FILE |
				 EXT4_FEATURE_RO_COMPAT_DIR_NLINK |
				 EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE |
				 EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
}

static int set_identity(ext2_filsys fs)
{
	struct ext2_super_block *s = fs->super;

	if (getrandom(s->s_uuid, sizeof(s->s_uuid), 0) !=
	    (ssize_t)sizeof(s->s_uuid))
		return -EIO;
	s->s_uuid[6] = (s->s_uuid[6] & 0x0f) | 0x40; /* version 4 */
	s->s_uuid[8] = (s->s_uuid[8] & 0x3f) | 0x80;
	memcpy(s->s_hash_seed, s->s_uuid, sizeof(s->s_uuid));
	s->s_def_hash_version = HASH_HALF_MD4;
	s->s_checksum_type = EXT2_CRC32C_CHKSUM;
	ext2fs_init_csum_seed(fs);
	s->s_min_extra_isize = s->s_want_extra_isize = EXTRA_ISIZE;
	s->s_default_mount_opts = EXT2_DEFM_XATTR_USER | EXT2_DEFM_ACL;
	s->s_max_mnt_count = -1;
	s->s_checkinterval = 0;
	return 0;
}

/* The inodes below the first ordinary one are nobody's to take. */
static void reserve_inodes(ext2_filsys fs)
{
	for (ext2_ino_t i = 1; i < EXT2_FIRST_INO(fs->super); i++)
		if (i != EXT2_ROOT_INO)
			ext2fs_inode_alloc_stats2(fs, i, +1, 0);
	ext2fs_mark_ib_dirty(fs);
}

static errcode_t make_directories(ext2_filsys fs, bool overlay)
{
	errcode_t rc = ext2fs_mkdir(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, NULL);

	if (rc || !overlay)
		return rc;
	rc = ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, "upper");
	if (!rc)
		rc = ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, "work");
	return rc;
}

static errcode_t make_journal(ext2_filsys fs)
{
	blk64_t blocks = ext2fs_blocks_count(fs->super) / JOURNAL_SHARE;

	if (blocks < JOURNAL_MIN)
		blocks = JOURNAL_MIN;
	if (blocks > JOURNAL_MAX)
		blocks = JOURNAL_MAX;
	return ext2fs_add_journal_inode2(fs, (blk_t)blocks, ~0ULL,
					 EXT2_MKJOURNAL_LAZYINIT |
						 EXT2_MKJOURNAL_NO_MNT_CHECK);
}

/* What spares the guest a walk through all groups: when it mounts, and in the
 * background afterwards. */
static void finish(ext2_filsys fs, blk64_t data_blocks)
{
	blk64_t used = ext2fs_blocks_count(fs->super) -
		       ext2fs_free_blocks_count(fs->super) - data_blocks;

	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		ext2fs_bg_flags_set(fs, g, EXT2_BG_INODE_ZEROED);
		ext2fs_group_desc_csum_set(fs, g);
	}
	if (used <= UINT32_MAX)
		fs->super->s_overhead_clusters = (__u32)used;
	ext2fs_mark_super_dirty(fs);
}

static int fill(ext2_filsys fs, bool overlay, struct err *err)
{
	blk64_t before;
	errcode_t rc;

	if (set_identity(fs))
		return failed(err, EIO, "random numbers");
	rc = ext2fs_allocate_tables(fs);
	if (rc)
		return failed(err, rc, "tables");
	before = ext2fs_free_blocks_count(fs->super);
	rc = make_directories(fs, overlay);
	if (rc)
		return failed(err, rc, "directories");
	before -= ext2fs_free_blocks_count(fs->super);
	reserve_inodes(fs);
	rc = make_journal(fs);
	if (rc)
		return failed(err, rc, "journal");
	finish(fs, before);
	return 0;
}

static int create(int fd, uint64_t size, bool overlay, struct err *err)
{
	struct ext2_super_block params;
	ext2_filsys fs = NULL;
	char name[16];
	errcode_t code;
	int rc;

	set_parameters(size, &params);
	(void)snprintf(name, sizeof(name), "%d", fd);
	code = ext2fs_initialize(name, EXT2_FLAG_64BITS, &params,
				 ext4_io_manager, &fs);
	if (code)
		return failed(err, code, "superblock");
	rc = fill(fs, overlay, err);
	if (rc) {
		/* nothing has been written, and nothing is to be */
		ext2fs_free(fs);
		return rc;
	}
	code = ext2fs_close2(fs, EXT2_FLAG_FLUSH_NO_SYNC);
	if (code) {
		ext2fs_free(fs);
		return failed(err, code, "write");
	}
	return 0;
}

static int create_sized(int fd, uint64_t size, bool overlay, struct err *err)
{
	if (size % BLOCK || size < EXT4_SIZE_MIN || size > EXT4_SIZE_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "size of an ext4 disk must be from 64 MiB to "
			       "16 TiB");
	if (ftruncate(fd, 0) < 0 || ftruncate(fd, (off_t)size) < 0)
		return err_sys(err, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO,
			       errno, "size of the writable layer");
	return create(fd, size, overlay, err);
}

int ext4_create(int fd, uint64_t size, struct err *err)
{
	return create_sized(fd, size, true, err);
}

int ext4_create_empty(int fd, uint64_t size, struct err *err)
{
	return create_sized(fd, size, false, err);
}
