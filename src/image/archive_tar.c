/* SPDX-License-Identifier: Apache-2.0 */
/* Where the files of a tar archive lie: ustar, pax and GNU's long names. */
#include "image/archive_tar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "image/archive.h"

#define BLOCK 512u
#define NAMES_MAX (64u << 20)
#define EXTENDED_MAX (1u << 20) /* of a pax or long name entry */
#define LINKS_MAX 16u

/* ustar fields: offset and length */
#define AT_NAME 0, 100
#define AT_SIZE 124, 12
#define AT_CHECKSUM 148
#define AT_TYPE 156
#define AT_LINK 157, 100
#define AT_MAGIC 257
#define AT_PREFIX 345, 155

enum kind { KIND_FILE, KIND_SYMLINK, KIND_HARDLINK };

struct archive_tar_entry {
	uint32_t name, link; /* offsets into names */
	enum kind kind;
	size_t seq; /* the last of a name counts */
	uint64_t offset, size;
};

struct reader {
	int fd;
	uint64_t at, end;
	size_t seen; /* headers, of whatever kind */
	/* From extended headers, for the next entry; "" and false when not. */
	char name[ARCHIVE_PATH_MAX], link[ARCHIVE_PATH_MAX];
	bool has_size;
	uint64_t size;
	struct archive_tar *tar;
};

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_IMAGE, EINVAL, "the archive %s", what);
}

static int read_at(const struct reader *r, uint64_t at, void *data, size_t len)
{
	struct iovec iov = { data, len };

	while (iov.iov_len) {
		ssize_t n = io_preadv(r->fd, &iov, 1, (off_t)at, 0);

		if (n < 0)
			return (int)n;
		if (n == 0)
			return -ENODATA;
		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* Octal digits, or GNU's big-endian number behind a byte of 0x80. */
static int parse_number(const uint8_t *p, size_t len, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	if (p[0] == 0x80) {
		for (i = 1; i < len; i++) {
			if (v >> 55)
				return -EINVAL;
			v = v << 8 | p[i];
		}
		*ret = v;
		return 0;
	}
	while (i < len && p[i] == ' ')
		i++;
	for (; i < len && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(p[i] - '0');
	if (i < len && p[i] != ' ' && p[i] != 0)
		return -EINVAL;
	*ret = v;
	return 0;
}

static bool checksum_right(const uint8_t header[BLOCK])
{
	uint64_t want, sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= AT_CHECKSUM && i < AT_CHECKSUM + 8 ? ' '
							       : header[i];
	return parse_number(header + AT_CHECKSUM, 8, &want) == 0 && want == sum;
}

int archive_path_join(const char *dir, size_t dir_len, const char *path,
		      char ret[ARCHIVE_PATH_MAX])
{
	size_t n = dir_len;

	if (path[0] == '/')
		return -EINVAL;
	if (dir_len >= ARCHIVE_PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(ret, dir, dir_len);
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 2 && !memcmp(path, "..", 2)) {
			if (!n)
				return -EINVAL;
			while (n && ret[n - 1] != '/')
				n--;
			if (n)
				n--;
		} else if (len && !(len == 1 && path[0] == '.')) {
			if (n + 1 + len >= ARCHIVE_PATH_MAX)
				return -ENAMETOOLONG;
			if (n)
				ret[n++] = '/';
			memcpy(ret + n, path, len);
			n += len;
		}
		path += len;
		path += *path == '/';
	}
	ret[n] = 0;
	return n ? 0 : -EINVAL;
}

/* A field that need not be terminated. */
static size_t copy_field(char *to, const uint8_t *header, size_t at, size_t len)
{
	size_t n = strnlen((const char *)header + at, len);

	memcpy(to, header + at, n);
	to[n] = 0;
	return n;
}

static void entry_name(const struct reader *r, const uint8_t header[BLOCK],
		       char ret[ARCHIVE_PATH_MAX])
{
	size_t n = 0;

	if (r->name[0]) {
		memcpy(ret, r->name, sizeof(r->name));
		return;
	}
	if (!memcmp(header + AT_MAGIC, "ustar", 6))
		n = copy_field(ret, header, AT_PREFIX);
	if (n)
		ret[n++] = '/';
	(void)copy_field(ret + n, header, AT_NAME);
}

static int add_text(struct archive_tar *t, const char *text, uint32_t *ret)
{
	*ret = (uint32_t)buf_len(&t->names);
	return buf_append(&t->names, text, strlen(text) + 1);
}

static int add_entry(struct archive_tar *t, const struct archive_tar_entry *e)
{
	if (t->n == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 64;
		struct archive_tar_entry *v =
			realloc(t->entries, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		t->entries = v;
		t->cap = cap;
	}
	t->entries[t->n++] = *e;
	return 0;
}

/*
 * What may be asked for is a regular file or a link to one, of a proper name;
 * everything else in the archive is passed over.
 */
static int add_header(struct reader *r, const uint8_t header[BLOCK],
		      enum kind kind, uint64_t size, struct err *err)
{
	char raw[ARCHIVE_PATH_MAX], name[ARCHIVE_PATH_MAX];
	struct archive_tar_entry e = {
		.kind = kind, .seq = r->tar->n, .offset = r->at, .size = size
	};
	int rc;

	entry_name(r, header, raw);
	if (archive_path_join("", 0, raw, name))
		return 0;
	rc = add_text(r->tar, name, &e.name);
	if (!rc && kind != KIND_FILE) {
		if (r->link[0])
			memcpy(raw, r->link, sizeof(r->link));
		else
			(void)copy_field(raw, header, AT_LINK);
		rc = add_text(r->tar, raw, &e.link);
	}
	if (!rc)
		rc = add_entry(r->tar, &e);
	if (rc == -ENOSPC)
		return bad(err, "has too many names");
	return rc ? err_sys(err, ERR_NO_MEMORY, ENOMEM, "read the archive") : 0;
}

/* One "<length> <key>=<value>\n"; returns its length, 0 when it is none. */
static size_t pax_record(struct reader *r, const char *text, size_t len)
{
	const char *space = memchr(text, ' ', len), *key, *eq;
	char value[ARCHIVE_PATH_MAX];
	size_t size = 0, n;

	if (!space || space == text || space - text > 7)
		return 0;
	for (const char *p = text; p < space; p++) {
		if (*p < '0' || *p > '9')
			return 0;
		size = size * 10 + (size_t)(*p - '0');
	}
	key = space + 1;
	if (size > len || size < (size_t)(key - text) + 2 ||
	    text[size - 1] != '\n')
		return 0;
	eq = memchr(key, '=', (size_t)(text + size - 1 - key));
	if (!eq)
		return 0;
	n = (size_t)(text + size - 1 - (eq + 1));
	if (n >= sizeof(value)) /* not one that matters, or too long a name */
		return strncmp(key, "path=", 5) != 0 &&
				       strncmp(key, "linkpath=", 9) != 0
			       ? size
			       : 0;
	memcpy(value, eq + 1, n);
	value[n] = 0;
	if (!strncmp(key, "path=", 5)) {
		memcpy(r->name, value, n + 1);
	} else if (!strncmp(key, "linkpath=", 9)) {
		memcpy(r->link, value, n + 1);
	} else if (!strncmp(key, "size=", 5)) {
		if (str_to_u64(value, &r->size))
			return 0;
		r->has_size = true;
	}
	return size;
}

/* A pax header or a long name: something for the next entry. */
static int read_extended(struct reader *r, char type, uint64_t size,
			 struct err *err)
{
	autofree char *text = NULL;
	size_t at = 0, step;
	char *to = type == 'K' ? r->link : r->name;
	int rc;

	if (size > EXTENDED_MAX)
		return bad(err, "has an extended header of more than 1 MiB");
	text = malloc(size + 1);
	if (!text)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read the archive");
	rc = read_at(r, r->at, text, size);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "read the archive");
	text[size] = 0;
	if (type != 'x') {
		if (strlen(text) >= ARCHIVE_PATH_MAX)
			return bad(err, "has a name that is too long");
		memcpy(to, text, strlen(text) + 1);
		return 0;
	}
	for (; at < size; at += step) {
		step = pax_record(r, text + at, size - at);
		if (!step)
			return bad(err, "has an extended header that is "
					"damaged");
	}
	return 0;
}

static int handle(struct reader *r, const uint8_t header[BLOCK], uint64_t size,
		  struct err *err)
{
	char type = (char)header[AT_TYPE];

	switch (type) {
	case 'x':
	case 'L':
	case 'K':
		return read_extended(r, type, size, err);
	case 'g':
		return 0;
	case 'S':
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "the archive has sparse files in GNU's format");
	case 0:
	case '0':
	case '7':
		return add_header(r, header, KIND_FILE, size, err);
	case '1':
		return add_header(r, header, KIND_HARDLINK, 0, err);
	case '2':
		return add_header(r, header, KIND_SYMLINK, 0, err);
	default:
		return 0;
	}
}

/* One entry; 1 at the end of the archive. */
static int next_entry(struct reader *r, struct err *err)
{
	static const uint8_t zero[BLOCK];
	uint8_t header[BLOCK];
	bool extended, has_data;
	uint64_t size;
	int rc;

	if (r->at == r->end)
		return r->seen ? 1 : bad(err, "is empty");
	if (r->end - r->at < BLOCK)
		return bad(err, "ends within a header");
	rc = read_at(r, r->at, header, BLOCK);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "read the archive");
	if (!memcmp(header, zero, BLOCK))
		return 1;
	if (!checksum_right(header))
		return bad(err, r->seen ? "is damaged" : "is not a tar file");
	if (++r->seen > ARCHIVE_MAX_ENTRIES)
		return bad(err, "has more than 1000000 entries");
	r->at += BLOCK;
	if (parse_number(header + 124, 12, &size))
		return bad(err, "is damaged");
	extended = strchr("xgLK", header[AT_TYPE]) && header[AT_TYPE];
	if (r->has_size && !extended)
		size = r->size;
	/* Links and devices have no data, whatever their size says. */
	has_data = !strchr("12346", header[AT_TYPE]) || !header[AT_TYPE];
	if (!has_data)
		size = 0;
	if (size > r->end - r->at)
		return bad(err, "ends within a file");
	rc = handle(r, header, size, err);
	if (!extended) {
		r->name[0] = r->link[0] = 0;
		r->has_size = false;
	}
	size = (size + BLOCK - 1) / BLOCK * BLOCK;
	r->at += size < r->end - r->at ? size : r->end - r->at;
	return rc;
}

static int by_name(const void *x, const void *y, void *ctx)
{
	const struct archive_tar_entry *a = x, *b = y;
	const char *names = ctx;
	int order = strcmp(names + a->name, names + b->name);

	return order ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

int archive_tar_index(int fd, uint64_t offset, struct archive_tar *ret,
		      struct err *err)
{
	struct archive_tar t = { 0 };
	struct reader *r = calloc(1, sizeof(*r));
	struct stat st;
	int rc;

	if (!r)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read the archive");
	if (fstat(fd, &st) < 0) {
		rc = errno;
		free(r);
		return err_sys(err, ERR_IO, rc, "read the archive");
	}
	buf_init(&t.names, NAMES_MAX);
	r->fd = fd;
	r->at = offset;
	r->end = (uint64_t)st.st_size > offset ? (uint64_t)st.st_size : offset;
	r->tar = &t;
	do
		rc = next_entry(r, err);
	while (!rc);
	free(r);
	if (rc < 0) {
		archive_tar_fini(&t);
		return rc;
	}
	if (t.n)
		qsort_r(t.entries, t.n, sizeof(*t.entries), by_name,
			t.names.data + t.names.head);
	*ret = t;
	return 0;
}

void archive_tar_fini(struct archive_tar *t)
{
	free(t->entries);
	buf_fini(&t->names);
	memset(t, 0, sizeof(*t));
}

/* The last entry of that name. */
static const struct archive_tar_entry *look_up(const struct archive_tar *t,
					       const char *path)
{
	const char *names = (const char *)buf_data(&t->names);
	size_t low = 0, high = t->n;

	while (low < high) { /* the first that is greater */
		size_t mid = low + (high - low) / 2;

		if (strcmp(names + t->entries[mid].name, path) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low || strcmp(names + t->entries[low - 1].name, path) != 0)
		return NULL;
	return &t->entries[low - 1];
}

int archive_tar_find(const struct archive_tar *t, const char *path,
		     uint64_t *ret_offset, uint64_t *ret_size)
{
	const char *names = (const char *)buf_data(&t->names);
	char now[ARCHIVE_PATH_MAX], next[ARCHIVE_PATH_MAX];

	if (strlen(path) >= sizeof(now))
		return -ENAMETOOLONG;
	memcpy(now, path, strlen(path) + 1);
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		const struct archive_tar_entry *e = look_up(t, now);
		const char *slash = strrchr(now, '/');
		size_t dir = 0;

		if (!e)
			return -ENOENT;
		if (e->kind == KIND_FILE) {
			*ret_offset = e->offset;
			*ret_size = e->size;
			return 0;
		}
		/* Symbolic links start where they lie, hard ones at the top. */
		if (e->kind == KIND_SYMLINK && slash)
			dir = (size_t)(slash - now);
		if (archive_path_join(now, dir, names + e->link, next))
			return -ELOOP;
		memcpy(now, next, sizeof(now));
	}
	return -ELOOP;
}
