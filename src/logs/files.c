/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A rotating log file with its older siblings.
 *
 * A rotation renames from the oldest to the youngest, so files only move to
 * higher numbers. They are opened in the order of numbers, from the live one
 * on: none can slip past, and one that was met twice is known by its identity.
 * Only when the live file is another one at the end than it was at the
 * beginning may the order be wrong, and all is done again.
 */
#include "logs/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define TRIES 64
#define NAME_SPACE 64
#define WANTED (STATX_TYPE | STATX_INO | STATX_SIZE | STATX_MTIME | STATX_BTIME)

/* Inode numbers are used again, times of birth are not. */
static uint64_t identity_of(const struct statx *st)
{
	uint64_t v[3] = { st->stx_ino, 0, 0 }, h = 0;

	if (st->stx_mask & STATX_BTIME) {
		v[1] = (uint64_t)st->stx_btime.tv_sec;
		v[2] = st->stx_btime.tv_nsec;
	}
	for (unsigned i = 0; i < 3; i++) {
		h = (h ^ v[i]) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h ? h : 1;
}

int log_file_look(int dirfd, const char *name, uint64_t *ret_identity,
		  uint64_t *ret_size)
{
	struct statx st;

	*ret_identity = 0;
	*ret_size = 0;
	if (statx(dirfd, name, AT_SYMLINK_NOFOLLOW, WANTED, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.stx_mode))
		return 0;
	*ret_identity = identity_of(&st);
	*ret_size = st.stx_size;
	return 0;
}

/* 1, 0 when there is no such file, -errno. */
static int open_one(int dirfd, const char *name, struct log_file *ret)
{
	autoclose int fd = openat(
		dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct statx st;

	if (fd < 0)
		return errno == ENOENT || errno == ELOOP ? 0 : -errno;
	if (statx(fd, "", AT_EMPTY_PATH, WANTED, &st) < 0)
		return -errno;
	if (!S_ISREG(st.stx_mode))
		return 0;
	ret->identity = identity_of(&st);
	ret->size = st.stx_size;
	ret->mtime_ns = st.stx_mtime.tv_sec * (int64_t)NSEC_PER_SEC +
			st.stx_mtime.tv_nsec;
	ret->fd = take_fd(&fd);
	return 1;
}

static void numbered(char out[NAME_SPACE], const char *name, unsigned i)
{
	if (i)
		(void)snprintf(out, NAME_SPACE, "%s.%u", name, i);
	else
		(void)snprintf(out, NAME_SPACE, "%s", name);
}

void log_files_close(struct log_files *l)
{
	log_files_drop(l, l->n);
}

void log_files_drop(struct log_files *l, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close_fd(&l->f[i].fd);
	l->n -= n;
	memmove(l->f, l->f + n, l->n * sizeof(l->f[0]));
}

int log_files_find(const struct log_files *l, uint64_t identity)
{
	for (unsigned i = 0; i < l->n; i++)
		if (l->f[i].identity == identity)
			return (int)i;
	return -1;
}

static void reverse(struct log_files *l)
{
	for (unsigned i = 0; i < l->n / 2; i++) {
		struct log_file t = l->f[i];

		l->f[i] = l->f[l->n - 1 - i];
		l->f[l->n - 1 - i] = t;
	}
}

/* Youngest first. */
static int open_all(int dirfd, const char *name, struct log_files *ret)
{
	ret->n = 0;
	for (unsigned i = 0; i < LOG_FILES_MAX; i++) {
		char path[NAME_SPACE];
		struct log_file f = { .fd = -1 };
		int rc, again;

		numbered(path, name, i);
		rc = open_one(dirfd, path, &f);
		if (rc < 0)
			return rc;
		f.number = i;
		if (!rc)
			continue;
		again = log_files_find(ret, f.identity);
		if (again >= 0) { /* it has moved meanwhile */
			ret->f[again].number = i;
			close_fd(&f.fd);
		} else {
			ret->f[ret->n++] = f;
		}
	}
	return 0;
}

/* Do the files stand as before? Without a live one, which is how a rotation
 * looks in its middle, by the next. */
static int unchanged(int dirfd, const char *name, const struct log_files *l,
		     bool had_live)
{
	char path[NAME_SPACE];
	uint64_t now, size, next;
	int rc = log_file_look(dirfd, name, &now, &size);

	if (rc || had_live)
		return rc ? rc : now == l->f[0].identity;
	if (now)
		return 0;
	numbered(path, name, 1);
	next = l->n && l->f[0].number == 1 ? l->f[0].identity : 0;
	rc = log_file_look(dirfd, path, &now, &size);
	return rc ? rc : now == next;
}

int log_files_open(int dirfd, const char *name, struct log_files *ret)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t live, size;
		int rc = log_file_look(dirfd, name, &live, &size);

		if (rc)
			return rc;
		rc = open_all(dirfd, name, ret);
		if (!rc && live && (!ret->n || ret->f[0].identity != live))
			rc = -EAGAIN;
		if (!rc)
			rc = unchanged(dirfd, name, ret, live != 0);
		if (rc > 0) {
			reverse(ret);
			return 0;
		}
		log_files_close(ret);
		if (rc < 0 && rc != -EAGAIN)
			return rc;
	}
	return -EAGAIN;
}
