/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting of archive headers. */
#include "image/tar_header.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/compiler.h"
#include "image/erofs_xattr.h"

/* Fields of a header block. */
#define NAME_OFF 0
#define NAME_LEN 100u
#define MODE_OFF 100
#define UID_OFF 108
#define GID_OFF 116
#define SIZE_OFF 124
#define MTIME_OFF 136
#define SUM_OFF 148
#define TYPE_OFF 156
#define LINK_OFF 157
#define MAGIC_OFF 257
#define VERSION_OFF 263
#define MAJOR_OFF 329
#define MINOR_OFF 337
/* Octal digits: of numbers of 8 and of 12 bytes. */
#define SHORT_MAX 07777777u
#define LONG_MAX_VALUE 077777777777ull

#define PAX_MAX (2u << 20)
#define PAX_NAME "pax"

/* Digits of a field of len bytes, the last of them a NUL. */
static void octal(uint8_t *p, unsigned len, uint64_t value)
{
	for (unsigned i = len - 1; i-- > 0; value >>= 3)
		p[i] = (uint8_t)('0' + (value & 7));
}

static void seal(uint8_t *block)
{
	uint32_t sum = 0;

	memset(block + SUM_OFF, ' ', 8);
	for (unsigned i = 0; i < TAR_BLOCK; i++)
		sum += block[i];
	octal(block + SUM_OFF, 7, sum);
	block[SUM_OFF + 6] = '\0';
}

/* A block with what all have; the caller seals it. */
static uint8_t *put_block(struct buf *out, char type, uint32_t mode,
			  uint64_t size)
{
	uint8_t *p = buf_reserve(out, TAR_BLOCK);

	if (!p)
		return NULL;
	buf_commit(out, TAR_BLOCK);
	memset(p, 0, TAR_BLOCK);
	octal(p + MODE_OFF, 8, mode & 07777);
	octal(p + UID_OFF, 8, 0);
	octal(p + GID_OFF, 8, 0);
	octal(p + SIZE_OFF, 12, size);
	octal(p + MTIME_OFF, 12, 0);
	octal(p + MAJOR_OFF, 8, 0);
	octal(p + MINOR_OFF, 8, 0);
	p[TYPE_OFF] = (uint8_t)type;
	memcpy(p + MAGIC_OFF, "ustar", sizeof("ustar"));
	memset(p + VERSION_OFF, '0', 2);
	return p;
}

/* "LENGTH key=value\n", where the length counts its own digits. */
static void pax_record(struct buf *pax, const char *key, const void *value,
		       size_t len)
{
	size_t rest = strlen(key) + len + 3, total = rest + 1;
	char text[24];

	while ((size_t)snprintf(text, sizeof(text), "%zu", total) + rest >
	       total)
		total++;
	(void)buf_printf(pax, "%s %s=", text, key);
	(void)buf_append(pax, value, len);
	(void)buf_str(pax, "\n");
}

static void pax_number(struct buf *pax, const char *key, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRIu64, value);
	pax_record(pax, key, text, strlen(text));
}

/* Seconds with a sign and a fraction: 1.5 s before the epoch is -2 s and half
 * a second. */
static void pax_mtime(struct buf *pax, const struct erofs_inode *i)
{
	uint64_t sec = (uint64_t)i->mtime;
	uint32_t nsec = i->mtime_nsec;
	char text[48];
	int n;

	if (i->mtime < 0) {
		sec = 0 - sec;
		if (nsec) {
			sec--;
			nsec = 1000000000u - nsec;
		}
	}
	n = snprintf(text, sizeof(text), "%s%" PRIu64, i->mtime < 0 ? "-" : "",
		     sec);
	if (nsec) {
		n += snprintf(text + n, sizeof(text) - (size_t)n, ".%09u",
			      nsec);
		while (text[n - 1] == '0')
			n--;
	}
	pax_record(pax, "mtime", text, (size_t)n);
}

static int pax_xattrs(struct buf *pax, const struct erofs_inode *i)
{
	char key[sizeof("SCHILY.xattr.") + EROFS_XATTR_NAME_MAX];
	struct erofs_xattr x;
	size_t pos = 0;
	int r;

	while ((r = erofs_xattr_next(i->xattr, i->xattr_len, &pos, &x)) > 0) {
		char *name = stpcpy(key, "SCHILY.xattr.");

		erofs_xattr_name(&x, name);
		/* A record's key cannot hold one. */
		if (strchr(name, '='))
			continue;
		pax_record(pax, key, x.value, x.value_len);
	}
	return r;
}

static bool mtime_fits(const struct erofs_inode *i)
{
	return i->mtime >= 0 && (uint64_t)i->mtime <= LONG_MAX_VALUE &&
	       i->mtime_nsec == 0;
}

/* The records of what the header cannot say. */
static int collect(struct buf *pax, const struct tar_member *m, uint64_t size)
{
	const struct erofs_inode *i = m->inode;
	int r = 0;

	if (strlen(m->path) > NAME_LEN)
		pax_record(pax, "path", m->path, strlen(m->path));
	if (m->link && strlen(m->link) > NAME_LEN)
		pax_record(pax, "linkpath", m->link, strlen(m->link));
	if (size > LONG_MAX_VALUE)
		pax_number(pax, "size", size);
	if (i->uid > SHORT_MAX)
		pax_number(pax, "uid", i->uid);
	if (i->gid > SHORT_MAX)
		pax_number(pax, "gid", i->gid);
	if (!mtime_fits(i))
		pax_mtime(pax, i);
	if (m->type != '1' && i->xattr_len)
		r = pax_xattrs(pax, i);
	if (!r && pax->failed)
		r = -ENOMEM;
	return r;
}

static int put_pax(struct buf *out, const struct buf *pax)
{
	size_t len = buf_len(pax), over = len % TAR_BLOCK;
	static const uint8_t zero[TAR_BLOCK];
	uint8_t *p = put_block(out, 'x', 0644, len);

	if (!p)
		return -ENOMEM;
	memcpy(p + NAME_OFF, PAX_NAME, sizeof(PAX_NAME) - 1);
	seal(p);
	if (buf_append(out, buf_data(pax), len) ||
	    (over && buf_append(out, zero, TAR_BLOCK - over)))
		return -ENOMEM;
	return 0;
}

/* As much of a text as fits; the whole is in a record then. */
static void put_text(uint8_t *p, const char *text)
{
	memcpy(p, text, strnlen(text, NAME_LEN));
}

static uint64_t at_most(uint64_t value, uint64_t max)
{
	return value <= max ? value : 0;
}

int tar_header_put(struct buf *out, const struct tar_member *m)
{
	const struct erofs_inode *i = m->inode;
	uint64_t size = m->type == '0' ? i->size : 0;
	struct buf pax;
	uint8_t *p;
	int r;

	buf_init(&pax, PAX_MAX);
	r = collect(&pax, m, size);
	if (!r && buf_len(&pax))
		r = put_pax(out, &pax);
	buf_fini(&pax);
	if (r)
		return r;
	p = put_block(out, m->type, i->mode, at_most(size, LONG_MAX_VALUE));
	if (!p)
		return -ENOMEM;
	put_text(p + NAME_OFF, m->path);
	octal(p + UID_OFF, 8, at_most(i->uid, SHORT_MAX));
	octal(p + GID_OFF, 8, at_most(i->gid, SHORT_MAX));
	if (mtime_fits(i))
		octal(p + MTIME_OFF, 12, (uint64_t)i->mtime);
	if (m->link)
		put_text(p + LINK_OFF, m->link);
	if (m->type == '3' || m->type == '4') {
		octal(p + MAJOR_OFF, 8, i->rdev >> 8 & 0xfff);
		octal(p + MINOR_OFF, 8,
		      (i->rdev & 0xff) | (i->rdev >> 12 & 0xfff00));
	}
	seal(p);
	return 0;
}
