/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptor helpers. Interrupted calls are retried here and only here. */
#ifndef MSB_BASE_IO_H
#define MSB_BASE_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/buf.h"

/* Bytes read, 0 at end of file, -errno (-EAGAIN when it would block). */
ssize_t io_read(int fd, void *data, size_t len);
/* Bytes written (may be short), -errno. SIGPIPE is the caller's business. */
ssize_t io_write(int fd, const void *data, size_t len);

/* The same at a file offset, gathered or scattered; may be short. flags are
 * those of preadv2 and pwritev2. */
ssize_t io_preadv(int fd, const struct iovec *iov, int n, off_t off, int flags);
ssize_t io_pwritev(int fd, const struct iovec *iov, int n, off_t off,
		   int flags);

/* All len bytes or an error; -ENODATA when the file ends early. */
int io_read_full(int fd, void *data, size_t len);
int io_write_full(int fd, const void *data, size_t len);

/* Append everything up to end of file; -EFBIG past the buffer's ceiling. */
int io_read_all(int fd, struct buf *out);

/* Read a whole file below dirfd (AT_FDCWD allowed), not following a final
 * symbolic link. */
int io_read_file_at(int dirfd, const char *path, struct buf *out);
/* Replace a file atomically: temporary name, write, rename. */
int io_write_file_at(int dirfd, const char *path, const void *data, size_t len,
		     mode_t mode);

int io_set_nonblock(int fd, bool on);
int io_set_cloexec(int fd, bool on);

/* Anonymous memory file holding a copy of data, close-on-exec, offset 0. */
int io_memfd(const char *name, const void *data, size_t len);

/* mkdir -p below dirfd; an existing directory is success. */
int io_mkdir_p(int dirfd, const char *path, mode_t mode);

/*
 * Remove the tree at dirfd/path without following symbolic links or crossing
 * into other file systems' mount points. A missing path is success.
 */
int io_remove_tree(int dirfd, const char *path);
/*
 * Bytes in the regular files of a tree, a file with several names once. What
 * cannot be read counts nothing.
 */
int io_tree_usage(int dirfd, const char *path, uint64_t *ret);

/*
 * Unix stream sockets addressed through a directory descriptor, so that a
 * long state directory cannot overflow sun_path. The result is close-on-exec
 * and non-blocking.
 */
int io_unix_listen_at(int dirfd, const char *name, int backlog);
int io_unix_connect_at(int dirfd, const char *name);

/* Send or receive up to nfds descriptors with one byte or more of data.
 * Received descriptors are close-on-exec. -errno, else bytes. */
ssize_t io_send_fds(int sock, const void *data, size_t len, const int *fds,
		    size_t nfds);
ssize_t io_recv_fds(int sock, void *data, size_t len, int *fds, size_t max_fds,
		    size_t *ret_nfds);

#endif
