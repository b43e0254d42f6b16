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

static int copy_archive(int out, const char *path, size_t *ret_len,
			struct err *err)
{
	autoclose int in = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t left;

	if (in < 0 || fstat(in, &st) < 0)
		return err_sys(err, ERR_IO, errno, "initramfs '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0 || st.st_size > ARCHIVE_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "initramfs '%s' is no archive", path);
	left = (size_t)st.st_size;
	while (left) {
		ssize_t n = sendfile(out, in, NULL, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, ERR_IO, errno, "copy '%s'", path);
		if (n == 0)
			return err_set(err, ERR_IO, EIO, "'%s' has shrunk",
				       path);
		left -= (size_t)n;
	}
	*ret_len = (size_t)st.st_size;
	return 0;
}

/* The second archive: a directory, the file, and the trailer. */
static int put_spec(int out, size_t at, const struct buf *spec)
{
	static const char zeros[4];
	size_t len = buf_len(spec);
	struct buf b;
	int rc;

	buf_init(&b, 1024);
	(void)buf_append(&b, zeros, -at & 3);
	put_entry(&b, 1, &(struct entry){ "msb", S_IFDIR | 0700, 0 });
	put_entry(&b, 2,
		  &(struct entry){ BOOTSPEC_PATH + 1, S_IFREG | 0600,
				   (uint32_t)len });
	rc = b.failed ? -ENOMEM : io_write_full(out, buf_data(&b), buf_len(&b));
	if (!rc)
		rc = io_write_full(out, buf_data(spec), len);
	buf_reset(&b);
	(void)buf_append(&b, zeros, -len & 3);
	put_entry(&b, 0, &(struct entry){ "TRAILER!!!", 0, 0 });
	if (!rc)
		rc = b.failed ? -ENOMEM
			      : io_write_full(out, buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return rc;
}

int initramfs_build(const char *archive_path, const struct buf *spec,
		    struct err *err)
{
	autoclose int fd =
		memfd_create("msb-initramfs", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t len = 0;
	int rc;

	if (fd < 0)
		return err_sys(err, ERR_IO, errno, "memory file");
	rc = copy_archive(fd, archive_path, &len, err);
	if (rc)
		return rc;
	rc = put_spec(fd, len, spec);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "write initramfs");
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS,
		  F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0)
		return err_sys(err, ERR_IO, errno, "seal initramfs");
	return take_fd(&fd);
}
