/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a tree entry by entry, so that two of them can be compared. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define WINDOW (256u << 10)
#define WHOLE (64 << 20) /* longer files are looked at through windows */
#define WINDOWS 64
#define LIST_MAX (64u << 10)

static unsigned char buf[WINDOW];

/* Everything but plain characters as %XX; fields never hold a blank then. */
static void put_escaped(const unsigned char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (s[i] > ' ' && s[i] < 127 && s[i] != '%' && s[i] != '=' &&
		    s[i] != ',')
			putchar(s[i]);
		else
			printf("%%%02x", s[i]);
}

static uint64_t mix(uint64_t h, const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3;
	return h;
}

/* From offset on, at most len bytes into the hash; how many there were. */
static int64_t hash_range(int fd, off_t offset, int64_t len, uint64_t *h)
{
	int64_t done = 0;

	while (done < len) {
		size_t want = len - done < (int64_t)sizeof(buf)
				      ? (size_t)(len - done)
				      : sizeof(buf);
		ssize_t n = pread(fd, buf, want, offset + done);

		if (n < 0)
			return -errno;
		if (!n)
			break;
		*h = mix(*h, buf, (size_t)n);
		done += n;
	}
	return done;
}

static void put_content(const char *path, const struct stat *st)
{
	uint64_t h = 0xcbf29ce484222325;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int64_t n;

	if (fd < 0) {
		printf("!open:%s", strerrorname_np(errno));
		return;
	}
	if (st->st_size <= WHOLE) {
		n = hash_range(fd, 0, WHOLE + 1, &h);
	} else {
		off_t step = (st->st_size - WINDOW) / (WINDOWS - 1);

		n = hash_range(fd, st->st_size - WINDOW, 2 * WINDOW, &h);
		for (int i = 0; i < WINDOWS - 1 && n >= 0; i++)
			n = hash_range(fd, i * step, WINDOW, &h);
	}
	if (n < 0)
		printf("!read:%s", strerrorname_np((int)-n));
	else
		printf("%016" PRIx64, h);
	close(fd);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void put_xattrs(const char *path)
{
	static char names[LIST_MAX];
	static unsigned char value[LIST_MAX];
	char *sorted[512];
	size_t n = 0;
	ssize_t len = llistxattr(path, names, sizeof(names));

	if (len < 0) {
		printf("!%s", errno == ENOTSUP ? "" : strerrorname_np(errno));
		return;
	}
	for (char *p = names; p < names + len; p += strlen(p) + 1)
		if (n < sizeof(sorted) / sizeof(*sorted))
			sorted[n++] = p;
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < n; i++) {
		ssize_t got = lgetxattr(path, sorted[i], value, sizeof(value));

		if (i)
			putchar(',');
		put_escaped((unsigned char *)sorted[i], strlen(sorted[i]));
		putchar('=');
		if (got < 0)
			printf("!%s", strerrorname_np(errno));
		else
			put_escaped(value, (size_t)got);
	}
}

static void put_link(const char *path)
{
	ssize_t n = readlink(path, (char *)buf, sizeof(buf));

	if (n < 0)
		printf("!readlink:%s", strerrorname_np(errno));
	else
		put_escaped(buf, (size_t)n);
}

/* name mode uid gid size nlink inode rdev mtime content xattrs */
static void put_entry(const FTSENT *e, size_t root_len)
{
	const struct stat *st = e->fts_statp;
	const char *name = e->fts_path + root_len;

	while (*name == '/')
		name++;
	putchar('/');
	put_escaped((const unsigned char *)name, strlen(name));
	printf(" %o %u %u %jd %ju %jx:%ju %u:%u %jd.%09ld ", st->st_mode,
	       st->st_uid, st->st_gid, (intmax_t)st->st_size,
	       (uintmax_t)st->st_nlink, (uintmax_t)st->st_dev,
	       (uintmax_t)st->st_ino, major(st->st_rdev), minor(st->st_rdev),
	       (intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
	if (S_ISREG(st->st_mode))
		put_content(e->fts_accpath, st);
	else if (S_ISLNK(st->st_mode))
		put_link(e->fts_accpath);
	else
		putchar('-');
	printf(" x:");
	put_xattrs(e->fts_accpath);
	putchar('\n');
}

int main(int argc, char **argv)
{
	char *roots[] = { argc == 2 ? argv[1] : NULL, NULL };
	size_t root_len;
	FTS *fts;

	if (!roots[0]) {
		fprintf(stderr, "usage: lstree DIRECTORY\n");
		return 2;
	}
	root_len = strlen(roots[0]);
	fts = fts_open(roots, FTS_PHYSICAL | FTS_XDEV, NULL);
	if (!fts)
		return 1;
	for (FTSENT *e = fts_read(fts); e; e = fts_read(fts)) {
		if (e->fts_info == FTS_DP)
			continue;
		if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR ||
		    e->fts_info == FTS_NS) {
			fprintf(stderr, "lstree: %s: %s\n", e->fts_path,
				strerror(e->fts_errno));
			return 1;
		}
		put_entry(e, root_len);
	}
	return errno || fts_close(fts) || fflush(stdout) ? 1 : 0;
}
