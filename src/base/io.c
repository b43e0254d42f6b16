/* SPDX-License-Identifier: Apache-2.0 */
/* File descriptor helpers. */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

ssize_t io_read(int fd, void *data, size_t len)
{
	ssize_t n;

	do
		n = read(fd, data, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t io_write(int fd, const void *data, size_t len)
{
	ssize_t n;

	do
		n = write(fd, data, len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t io_preadv(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	ssize_t len;

	do
		len = preadv2(fd, iov, n, off, flags);
	while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

ssize_t io_pwritev(int fd, const struct iovec *iov, int n, off_t off, int flags)
{
	ssize_t len;

	do
		len = pwritev2(fd, iov, n, off, flags);
	while (len < 0 && errno == EINTR);
	return len < 0 ? -errno : len;
}

int io_read_full(int fd, void *data, size_t len)
{
	uint8_t *p = data;

	while (len) {
		ssize_t n = io_read(fd, p, len);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ENODATA;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_write_full(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len) {
		ssize_t n = io_write(fd, p, len);

		if (n < 0)
			return (int)n;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int io_read_all(int fd, struct buf *out)
{
	for (;;) {
		size_t room = out->max - buf_len(out);
		size_t spare = out->data ? out->cap - out->len : 0;
		uint8_t *p;
		ssize_t n;

		/* what is there already, else room for a small file */
		if (!spare)
			spare = 4096;
		if (room > spare)
			room = spare;
		if (!room) {
			uint8_t probe;

			n = io_read(fd, &probe, 1);
			return n > 0 ? -EFBIG : (int)n;
		}
		p = buf_reserve(out, room);
		if (!p)
			return -ENOMEM;
		n = io_read(fd, p, room);
		if (n <= 0)
			return (int)n;
		buf_commit(out, (size_t)n);
	}
}

int io_read_file_at(int dirfd, const char *path, struct buf *out)
{
	autoclose int fd =
		openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	return io_read_all(fd, out);
}

int io_write_file_at(int dirfd, const char *path, const void *data, size_t len,
		     mode_t mode)
{
	autoclose int fd = -1;
	char tmp[4096];
	int rc;

	rc = snprintf(tmp, sizeof(tmp), "%s.tmp", path);
	if (rc < 0 || (size_t)rc >= sizeof(tmp))
		return -ENAMETOOLONG;
	fd = openat(dirfd, tmp,
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    mode);
	if (fd < 0)
		return -errno;
	rc = io_write_full(fd, data, len);
	if (!rc && renameat(dirfd, tmp, dirfd, path) < 0)
		rc = -errno;
	if (rc)
		(void)unlinkat(dirfd, tmp, 0); /* the first error matters */
	return rc;
}

int io_set_nonblock(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	flags = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
	return fcntl(fd, F_SETFL, flags) < 0 ? -errno : 0;
}

int io_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

int io_memfd(const char *name, const void *data, size_t len)
{
	autoclose int fd = memfd_create(name, MFD_CLOEXEC);
	int rc;

	if (fd < 0)
		return -errno;
	rc = io_write_full(fd, data, len);
	if (rc)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return take_fd(&fd);
}

int io_mkdir_p(int dirfd, const char *path, mode_t mode)
{
	char part[4096];
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		struct stat st;

		if (part[i] != '/' && part[i])
			continue;
		part[i] = 0;
		if (mkdirat(dirfd, part, mode) < 0) {
			if (errno != EEXIST)
				return -errno;
			if (fstatat(dirfd, part, &st, 0) < 0)
				return -errno;
			if (!S_ISDIR(st.st_mode))
				return -ENOTDIR;
		}
		if (i < len)
			part[i] = '/';
	}
	return 0;
}

/* "/proc/self/fd/<n>/<name>": short whatever the directory's own path is. */
static int unix_addr(int dirfd, const char *name, struct sockaddr_un *sa)
{
	int n;

	memset(sa, 0, sizeof(*sa));
	sa->sun_family = AF_UNIX;
	n = snprintf(sa->sun_path, sizeof(sa->sun_path), "/proc/self/fd/%d/%s",
		     dirfd, name);
	return n < 0 || (size_t)n >= sizeof(sa->sun_path) ? -ENAMETOOLONG : 0;
}

int io_unix_listen_at(int dirfd, const char *name, int backlog)
{
	struct sockaddr_un sa;
	autoclose int fd = -1;
	int rc = unix_addr(dirfd, name, &sa);

	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 ||
	    fchmodat(dirfd, name, 0600, 0) < 0 || listen(fd, backlog) < 0)
		return -errno;
	return take_fd(&fd);
}

int io_unix_connect_at(int dirfd, const char *name)
{
	struct sockaddr_un sa;
	autoclose int fd = -1;
	int rc = unix_addr(dirfd, name, &sa);

	if (rc)
		return rc;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -errno;
	return take_fd(&fd);
}

#define IO_MAX_FDS 16

ssize_t io_send_fds(int sock, const void *data, size_t len, const int *fds,
		    size_t nfds)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(IO_MAX_FDS * sizeof(int))];
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data,
			     .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (nfds > IO_MAX_FDS)
		return -EINVAL;
	if (nfds) {
		struct cmsghdr *c;

		memset(ctl, 0, sizeof(ctl));
		msg.msg_control = ctl;
		msg.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

ssize_t io_recv_fds(int sock, void *data, size_t len, int *fds, size_t max_fds,
		    size_t *ret_nfds)
{
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(IO_MAX_FDS * sizeof(int))];
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = ctl,
			      .msg_controllen = sizeof(ctl) };
	size_t got = 0;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c;
	     c = CMSG_NXTHDR(&msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (got < max_fds)
				fds[got++] = fd;
			else
				(void)close(fd); /* more than we asked for */
		}
	}
	*ret_nfds = got;
	return n;
}
