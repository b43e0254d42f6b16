/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an archive that may be anybody's: headers first, data when checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/cancel.h"
#include "api/snapshot_int.h"
#include "api/snapshot_tar.h"
#include "base/io.h"

#define BLOCK 512u
#define CHUNK ((size_t)1 << 20)
#define PAX_MAX (64u << 10)
#define SIZE_MAX_ALLOWED (1ull << 50)

static int bad(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL, "archive: %s", what);
}

static int read_at(int fd, void *data, size_t len, uint64_t at, struct err *err)
{
	uint8_t *p = data;

	while (len) {
		struct iovec iov = { p, len };
		ssize_t n = io_preadv(fd, &iov, 1, (off_t)at, 0);

		if (n < 0)
			return err_sys(err, ERR_IO, (int)-n,
				       "read the archive");
		if (!n)
			return bad(err, "it ends too early");
		p += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

void tar_index_fini(struct tar_index *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->members[i].name);
	free(t->members);
	memset(t, 0, sizeof(*t));
}

/* ---- headers ------------------------------------------------------------ */

/* What a pax header says of the next member. */
struct pax {
	char *name; /* owned */
	bool has_size, has_real, sparse;
	uint64_t size, real;
	uint64_t major, minor;
};

static void pax_fini(struct pax *p)
{
	free(p->name);
	memset(p, 0, sizeof(*p));
}

/* Octal with spaces and NUL around it, or the top bit and a number. */
static int parse_number(const uint8_t *field, size_t len, uint64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	if (field[0] & 0x80) {
		if (field[0] != 0x80)
			return -EINVAL;
		for (i = 1; i < len; i++) {
			if (v >> 55)
				return -EINVAL;
			v = v << 8 | field[i];
		}
		*ret = v;
		return 0;
	}
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(field[i] - '0');
	for (; i < len; i++)
		if (field[i] && field[i] != ' ')
			return -EINVAL;
	*ret = v;
	return 0;
}

static bool sum_is_right(const uint8_t *h)
{
	uint64_t want;
	unsigned sum = 0;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : h[i];
	return !parse_number(h + 148, 8, &want) && want == sum;
}

static bool is_zero_block(const uint8_t *h)
{
	return !h[0] && !memcmp(h, h + 1, BLOCK - 1);
}

static int pax_record(struct pax *p, const char *key, const char *value)
{
	static const char sparse[] = "GNU.sparse.";

	if (!strcmp(key, "path") || !strcmp(key, "GNU.sparse.name")) {
		if (p->sparse && !strcmp(key, "path"))
			return 0; /* the stand-in's */
		free(p->name);
		p->name = strdup(value);
		return p->name ? 0 : -ENOMEM;
	}
	if (!strcmp(key, "size")) {
		p->has_size = true;
		return str_to_u64(value, &p->size);
	}
	if (strncmp(key, sparse, sizeof(sparse) - 1) != 0)
		return 0; /* times, owners: not ours to keep */
	p->sparse = true;
	key += sizeof(sparse) - 1;
	if (!strcmp(key, "major"))
		return str_to_u64(value, &p->major);
	if (!strcmp(key, "minor"))
		return str_to_u64(value, &p->minor);
	if (strcmp(key, "realsize") != 0)
		return -EINVAL; /* an older form */
	p->has_real = true;
	return str_to_u64(value, &p->real);
}

/* "<length> <key>=<value>\n" again and again; text is changed. */
static int pax_parse(struct pax *p, char *text, size_t len)
{
	while (len) {
		char *space = memchr(text, ' ', len), *eq;
		uint64_t n;
		int rc;

		if (!space)
			return -EINVAL;
		*space = 0;
		if (str_to_u64(text, &n) || n > len ||
		    n <= (size_t)(space - text) + 3 || text[n - 1] != '\n')
			return -EINVAL;
		text[n - 1] = 0;
		eq = strchr(space + 1, '=');
		if (!eq || strlen(space + 1) != n - 2 - (size_t)(space - text))
			return -EINVAL;
		*eq = 0;
		rc = pax_record(p, space + 1, eq + 1);
		if (rc)
			return rc;
		text += n;
		len -= n;
	}
	return 0;
}

static int read_pax(int fd, uint64_t at, uint64_t size, struct pax *p,
		    struct err *err)
{
	autofree char *text = NULL;
	int rc;

	if (size > PAX_MAX)
		return bad(err, "its headers are too large");
	text = malloc(size + 1);
	if (!text)
		return api_no_memory(err);
	rc = read_at(fd, text, size, at, err);
	if (rc)
		return rc;
	text[size] = 0;
	rc = pax_parse(p, text, size);
	if (rc == -ENOMEM)
		return api_no_memory(err);
	return rc ? bad(err, "an extended header makes no sense") : 0;
}

/* ---- members ------------------------------------------------------------ */

static bool is_plain(const char *name, size_t len)
{
	return len && len <= TAR_NAME_MAX && name[0] != '.' &&
	       !memchr(name, '\\', len);
}

/* "dir/file", without "./" in front. */
static bool is_member_name(const char *name)
{
	const char *slash = strchr(name, '/');

	return slash && !strchr(slash + 1, '/') &&
	       is_plain(name, (size_t)(slash - name)) &&
	       is_plain(slash + 1, strlen(slash + 1)) &&
	       utf8_valid(name, strlen(name));
}

static int add_member(struct tar_index *t, struct tar_member *m,
		      struct err *err)
{
	struct tar_member *list;

	if (!is_member_name(m->name))
		return bad(err, "it has a name that does not belong there");
	for (size_t i = 0; i < t->n; i++)
		if (!strcmp(t->members[i].name, m->name))
			return bad(err, "it has a name twice");
	if (t->n == TAR_MEMBERS_MAX)
		return bad(err, "it has too many members");
	list = reallocarray(t->members, t->n + 1, sizeof(*list));
	if (!list)
		return api_no_memory(err);
	t->members = list;
	list[t->n++] = *m;
	m->name = NULL;
	return 0;
}

/* The header's own name: prefix and name. */
static char *header_name(const uint8_t *h)
{
	const char *name = (const char *)h, *prefix = (const char *)h + 345;
	bool ustar = !memcmp(h + 257, "ustar", 5);

	if (ustar && *prefix)
		return str_fmt("%.155s/%.100s", prefix, name);
	return strndup(name, 100);
}

static int take_member(struct tar_index *t, const uint8_t *h, struct pax *p,
		       uint64_t offset, uint64_t size, struct err *err)
{
	struct tar_member m = { .offset = offset,
				.stored = size,
				.size = p->has_real ? p->real : size,
				.sparse = p->sparse };
	autofree char *full = p->name ? take_ptr(p->name) : header_name(h);
	const char *name = full;
	char type = (char)h[156];
	int rc;

	if (!full)
		return api_no_memory(err);
	while (str_starts(name, "./"))
		name += 2;
	if (m.sparse && (p->major != 1 || p->minor || !p->has_real))
		return bad(err, "it has a sparse file of an unknown form");
	if (type == '5')
		return size ? bad(err, "it has a directory with data") : 0;
	if (type != '0' && type != 0)
		return bad(err, "it has a member that is neither a file nor a "
				"directory");
	if (m.size > SNAPSHOT_UPPER_MAX)
		return bad(err, "it has a file that is too large");
	if (str_starts(name, "cache/"))
		return 0; /* files of an image: not trusted, not needed */
	m.name = strdup(name);
	if (!m.name)
		return api_no_memory(err);
	rc = add_member(t, &m, err);
	free(m.name);
	return rc;
}

static int read_members(int fd, uint64_t end, struct tar_index *t,
			struct pax *p, struct err *err)
{
	uint64_t at = 0, size;
	unsigned headers = 0;
	uint8_t h[BLOCK];
	int rc;

	for (;;) {
		rc = read_at(fd, h, sizeof(h), at, err);
		if (rc)
			return rc;
		if (is_zero_block(h))
			return p->sparse || p->name ? bad(err, "it ends early")
						    : 0;
		if (++headers > 4 * TAR_MEMBERS_MAX)
			return bad(err, "it has too many members");
		if (!sum_is_right(h) || parse_number(h + 124, 12, &size))
			return bad(err, "it is not a tar archive, or damaged");
		at += BLOCK;
		if (p->has_size && h[156] != 'x' && h[156] != 'g')
			size = p->size;
		if (size > SIZE_MAX_ALLOWED || size > end - at)
			return bad(err, "it ends too early");
		if (h[156] == 'x') {
			rc = read_pax(fd, at, size, p, err);
		} else if (h[156] != 'g') {
			rc = take_member(t, h, p, at, size, err);
			pax_fini(p);
		}
		if (rc)
			return rc;
		at += (size + BLOCK - 1) / BLOCK * BLOCK;
	}
}

int tar_index_read(int fd, struct tar_index *ret, struct err *err)
{
	struct tar_index t = { 0 };
	struct pax p = { 0 };
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return err_sys(err, ERR_IO, errno, "read the archive");
	rc = read_members(fd, (uint64_t)st.st_size, &t, &p, err);
	pax_fini(&p);
	if (rc)
		tar_index_fini(&t);
	else
		*ret = t;
	return rc;
}

const struct tar_member *tar_index_find(const struct tar_index *t,
					const char *dir, const char *file)
{
	size_t len = strlen(dir);

	for (size_t i = 0; i < t->n; i++) {
		const char *name = t->members[i].name;

		if (!strncmp(name, dir, len) && name[len] == '/' &&
		    !strcmp(name + len + 1, file))
			return &t->members[i];
	}
	return NULL;
}

/* ---- data --------------------------------------------------------------- */

int tar_read_text(int fd, const struct tar_member *m, struct buf *out,
		  struct err *err)
{
	uint8_t *room;
	int rc;

	if (m->sparse || m->size > out->max)
		return bad(err, "a descriptor is too large");
	if (!m->size)
		return 0;
	room = buf_reserve(out, m->size);
	if (!room)
		return api_no_memory(err);
	rc = read_at(fd, room, m->size, m->offset, err);
	if (!rc)
		buf_commit(out, m->size);
	return rc;
}

/* The map of a sparse member, read number by number. */
struct map {
	int fd;
	uint64_t at, end; /* of what is not yet in buf */
	uint8_t buf[BLOCK];
	size_t pos, len;
	uint64_t read; /* bytes of the map so far */
};

static int map_number(struct map *m, uint64_t *ret, struct err *err)
{
	uint64_t v = 0;
	unsigned digits = 0;

	for (;;) {
		uint8_t c;

		if (m->pos == m->len) {
			size_t want = m->end - m->at < BLOCK
					      ? (size_t)(m->end - m->at)
					      : BLOCK;
			int rc = want ? read_at(m->fd, m->buf, want, m->at, err)
				      : bad(err, "a map of a file ends early");

			if (rc)
				return rc;
			m->at += want;
			m->pos = 0;
			m->len = want;
		}
		c = m->buf[m->pos++];
		m->read++;
		if (c == '\n' && digits)
			break;
		if (c < '0' || c > '9' || ++digits > 18)
			return bad(err, "a map of a file makes no sense");
		v = v * 10 + (uint64_t)(c - '0');
	}
	*ret = v;
	return 0;
}

struct extraction {
	int fd, to;
	uint64_t at, end; /* of the data in the archive */
	uint64_t size;	  /* of the file */
	uint8_t *chunk;
};

static bool is_zero(const uint8_t *p, size_t len)
{
	return !p[0] && !memcmp(p, p + 1, len - 1);
}

/* Blocks of zeroes become holes. */
static int put(int to, const uint8_t *p, size_t len, uint64_t at,
	       struct err *err)
{
	while (len) {
		size_t n = 4096 - at % 4096 < len ? 4096 - at % 4096 : len;
		struct iovec iov = { (void *)(uintptr_t)p, n };
		ssize_t put = is_zero(p, n)
				      ? (ssize_t)n
				      : io_pwritev(to, &iov, 1, (off_t)at, 0);

		if (put < 0)
			return err_sys(err,
				       put == -ENOSPC ? ERR_NO_SPACE : ERR_IO,
				       (int)-put, "unpack the archive");
		p += put;
		len -= (size_t)put;
		at += (uint64_t)put;
	}
	return 0;
}

static int copy_piece(struct extraction *x, uint64_t to, uint64_t len,
		      struct err *err)
{
	if (to > x->size || len > x->size - to || len > x->end - x->at)
		return bad(err, "a piece of a file lies outside of it");
	while (len) {
		size_t n = len < CHUNK ? (size_t)len : CHUNK;
		int rc = read_at(x->fd, x->chunk, n, x->at, err);

		if (!rc && cancel_requested())
			rc = err_sys(err, ERR_IO, ECANCELED, "unpack");
		if (!rc)
			rc = put(x->to, x->chunk, n, to, err);
		if (rc)
			return rc;
		x->at += n;
		to += n;
		len -= n;
	}
	return 0;
}

/* Two passes over the map: its length is where the data begins. */
static int extract_sparse(struct extraction *x, const struct tar_member *m,
			  struct err *err)
{
	struct map first = { .fd = x->fd, .at = m->offset, .end = x->end };
	struct map map = first;
	uint64_t n = 0, offset = 0, len = 0, last = 0;
	int rc = map_number(&first, &n, err);

	for (uint64_t i = 0; !rc && i < n; i++) {
		rc = map_number(&first, &offset, err);
		if (!rc)
			rc = map_number(&first, &len, err);
	}
	x->at = m->offset + (first.read + BLOCK - 1) / BLOCK * BLOCK;
	if (!rc && x->at > x->end)
		rc = bad(err, "a map of a file ends early");
	if (!rc)
		rc = map_number(&map, &n, err);
	for (uint64_t i = 0; !rc && i < n; i++) {
		rc = map_number(&map, &offset, err);
		if (!rc)
			rc = map_number(&map, &len, err);
		if (!rc && offset < last)
			rc = bad(err, "pieces of a file overlap");
		if (!rc)
			rc = copy_piece(x, offset, len, err);
		last = offset + len;
	}
	return rc;
}

int tar_extract(int fd, const struct tar_member *m, int to, struct err *err)
{
	autofree uint8_t *chunk = malloc(CHUNK);
	struct extraction x = { .fd = fd,
				.to = to,
				.at = m->offset,
				.end = m->offset + m->stored,
				.size = m->size,
				.chunk = chunk };
	int rc;

	if (!chunk)
		return api_no_memory(err);
	if (ftruncate(to, (off_t)m->size) < 0)
		return err_sys(err, errno == ENOSPC ? ERR_NO_SPACE : ERR_IO,
			       errno, "unpack the archive");
	rc = m->sparse ? extract_sparse(&x, m, err)
		       : copy_piece(&x, 0, m->size, err);
	if (!rc && fsync(to) < 0)
		rc = err_sys(err, ERR_IO, errno, "unpack the archive");
	return rc;
}
