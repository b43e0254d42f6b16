/* SPDX-License-Identifier: Apache-2.0 */
/* Building the initramfs in memory. */
#include "runtime/initramfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "protocol/bootspec.h"
#include "protocol/patch.h"

#define NEWC_HEAD 110
#define ARCHIVE_MAX (256u << 20)

struct entry {
	const char *name;
	uint32_t mode;
	uint32_t size;
};

/* "newc": 13 fields of 8 hexadecimal digits behind the magic, the name with
 * its NUL, and zeros up to a multiple of 4; the data is padded likewise. */
static void put_entry(struct buf *b, unsigned ino, const struct entry *e)
{
	static const char zeros[4];
	unsigned namesize = (unsigned)strlen(e->name) + 1;

	(void)buf_printf(b, "070701%08x%08x%08x%08x%08x%08x%08x", ino, e->mode,
			 0u, 0u, 1u, 0u, e->size);
	(void)buf_printf(b, "%08x%08x%08x%08x%08x%08x", 0u, 0u, 0u, 0u,
			 namesize, 0u);
	(void)buf_append(b, e->name, namesize);
	(void)buf_append(b, zeros, -(NEWC_HEAD + namesize) & 3);
}

static int copy_file(int out, int in, size_t left, const char *name,
		     struct err *err)
{
	while (left) {
		ssize_t n = sendfile(out, in, NULL, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_IO, errno, "copy '%s'", name);
		if (n == 0)
			return err_set(err, ERR_IO, EIO, "'%s' has shrunk",
				       name);
		left -= (size_t)n;
	}
	return 0;
}

static int copy_archive(int out, const char *path, size_t *ret_len,
			struct err *err)
{
	autoclose int in = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (in < 0 || fstat(in, &st) < 0)
		return err_sys(err, ERR_IO, errno, "initramfs '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > ARCHIVE_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "initramfs '%s' is no archive", path);
	*ret_len = (size_t)st.st_size;
	return copy_file(out, in, *ret_len, path, err);
}

/* The parts of the second archive that are not contents of files. */
struct frame {
	int out;
	struct buf b;
	unsigned ino;
};

/* Up to a multiple of 4 behind len bytes, then the head of the next entry. */
static int put_head(struct frame *f, size_t len, const struct entry *e,
		    struct err *err)
{
	static const char zeros[4];
	int rc;

	buf_reset(&f->b);
	(void)buf_append(&f->b, zeros, -len & 3);
	put_entry(&f->b, f->ino++, e);
	rc = f->b.failed
		     ? -ENOMEM
		     : io_write_full(f->out, buf_data(&f->b), buf_len(&f->b));
	return rc ? err_sys(err, ERR_IO, -rc, "write initramfs") : 0;
}

/* The second archive, behind at bytes: a directory, files, the trailer. */
static int put_files(struct frame *f, size_t at, const struct buf *spec,
		     int patches_fd, uint32_t patch_bytes, struct err *err)
{
	const struct entry dir = { "msb", S_IFDIR | 0700, 0 };
	const struct entry boot = { BOOTSPEC_PATH + 1, S_IFREG | 0600,
				    (uint32_t)buf_len(spec) };
	const struct entry patches = { PATCHES_PATH + 1, S_IFREG | 0600,
				       patch_bytes };
	const struct entry end = { "TRAILER!!!", 0, 0 };
	int rc = put_head(f, at, &dir, err);

	if (!rc)
		rc = put_head(f, 0, &boot, err);
	if (!rc) {
		rc = io_write_full(f->out, buf_data(spec), buf_len(spec));
		if (rc)
			rc = err_sys(err, ERR_IO, -rc, "write initramfs");
	}
	if (!rc && patches_fd >= 0) {
		rc = put_head(f, boot.size, &patches, err);
		if (!rc)
			rc = copy_file(f->out, patches_fd, patch_bytes,
				       "patches", err);
	}
	return rc ? rc
		  : put_head(f, patches_fd >= 0 ? patch_bytes : boot.size, &end,
			     err);
}

int initramfs_build(const char *archive_path, const struct buf *spec,
		    int patches_fd, uint64_t patch_bytes, struct err *err)
{
	autoclose int fd =
		memfd_create("msb-initramfs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct frame f = { .out = fd, .ino = 1 };
	size_t len = 0;
	int rc;

	if (fd < 0)
		return err_sys(err, ERR_IO, errno, "memory file");
	if (patch_bytes > PATCHES_MAX)
		return err_set(err, ERR_INVALID, EFBIG, "too many patches");
	rc = copy_archive(fd, archive_path, &len, err);
	if (rc)
		return rc;
	buf_init(&f.b, 1024);
	rc = put_files(&f, len, spec, patches_fd, (uint32_t)patch_bytes, err);
	buf_fini(&f.b);
	if (rc)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS,
		  F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_sys(err, ERR_IO, errno, "seal initramfs");
	return take_fd(&fd);
}
