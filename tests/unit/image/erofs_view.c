/* SPDX-License-Identifier: Apache-2.0 */
/* The tests' reader of EROFS. */
#include "erofs_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"

#define BLOCK 4096u

void view_load(struct view *v, const int *fds, size_t n)
{
	size_t at = 0;

	v->len = 0;
	for (size_t i = 0; i < n; i++)
		v->len += (size_t)lseek(fds[i], 0, SEEK_END);
	v->data = malloc(v->len);
	assert_non_null(v->data);
	for (size_t i = 0; i < n; i++) {
		size_t size = (size_t)lseek(fds[i], 0, SEEK_END), done = 0;

		while (done < size) {
			ssize_t got = pread(fds[i], v->data + at + done,
					    size - done, (off_t)done);

			assert_true(got > 0);
			done += (size_t)got;
		}
		at += size;
	}
	assert_int_equal(le32_get(v->data + 1024), 0xe0f5e1e2);
	assert_int_equal(v->data[1024 + 12], 12);
	assert_int_equal((uint64_t)le32_get(v->data + 1024 + 36) * BLOCK,
			 v->len);
}

void view_free(struct view *v)
{
	free(v->data);
}

static uint64_t meta_start(const struct view *v)
{
	return (uint64_t)le32_get(v->data + 1024 + 40) * BLOCK;
}

static void read_node(const struct view *v, uint64_t nid, struct view_node *n)
{
	uint64_t at = meta_start(v) + nid * 32;
	const uint8_t *p = v->data + at;
	unsigned format, words;
	uint64_t end;

	assert_true(at + 32 <= v->len);
	format = le16_get(p);
	assert_true(nid > 0);
	memset(n, 0, sizeof(*n));
	n->nid = nid;
	n->mode = le16_get(p + 4);
	n->block = n->rdev = le32_get(p + 16);
	n->is_inline = format >> 1 == 2;
	assert_true(format >> 1 == 2 || format >> 1 == 0);
	if (format & 1) {
		assert_true(at + 64 <= v->len);
		n->size = le64_get(p + 8);
		n->uid = le32_get(p + 24);
		n->gid = le32_get(p + 28);
		n->mtime = (int64_t)le64_get(p + 32);
		n->nsec = le32_get(p + 40);
		n->nlink = le32_get(p + 44);
	} else {
		n->size = le32_get(p + 8);
		n->nlink = le16_get(p + 6);
		n->uid = le16_get(p + 24);
		n->gid = le16_get(p + 26);
	}
	end = at + (format & 1 ? 64 : 32);
	words = le16_get(p + 2);
	if (words) {
		n->xattrs = v->data + end + 12;
		n->xattr_len = 4 * (words - 1);
		end += 12 + n->xattr_len;
	}
	n->tail = v->data + end;
	if (n->is_inline)
		assert_true(end % BLOCK + n->size % BLOCK <= BLOCK);
}

static const uint8_t *block_at(const struct view *v, const struct view_node *n,
			       uint64_t pos, size_t *ret_len)
{
	uint64_t left = n->size - pos;

	*ret_len = left < BLOCK ? (size_t)left : BLOCK;
	if (left < BLOCK && n->is_inline)
		return n->tail;
	assert_true((uint64_t)n->block * BLOCK + pos + BLOCK <= v->len);
	return v->data + (uint64_t)n->block * BLOCK + pos;
}

/* Entry i of a block. */
static void name_at(const uint8_t *b, size_t len, unsigned i, const char **name,
		    size_t *name_len, uint64_t *nid)
{
	unsigned n = le16_get(b + 8) / 12;
	size_t from = le16_get(b + i * 12 + 8);
	size_t to = i + 1 < n ? le16_get(b + (i + 1) * 12 + 8) : len;

	assert_true(n > 0 && i < n && from < to && to <= len);
	*name = (const char *)b + from;
	*name_len = strnlen(*name, to - from);
	*nid = le64_get(b + i * 12);
}

static int compare(const char *a, size_t alen, const char *b, size_t blen)
{
	int c = memcmp(a, b, alen < blen ? alen : blen);

	return c ? c : alen < blen ? -1 : alen > blen;
}

static bool search(const struct view *v, const struct view_node *dir,
		   const char *name, size_t len, uint64_t *nid)
{
	int64_t low = 0, high = (int64_t)((dir->size + BLOCK - 1) / BLOCK) - 1;
	const uint8_t *b = NULL;
	const char *other;
	size_t blen = 0, olen;

	/* The last block whose first name is not behind the name. */
	while (low <= high) {
		int64_t mid = low + (high - low) / 2;
		size_t l;
		const uint8_t *p = block_at(v, dir, (uint64_t)mid * BLOCK, &l);

		name_at(p, l, 0, &other, &olen, nid);
		if (compare(name, len, other, olen) >= 0) {
			b = p;
			blen = l;
			low = mid + 1;
		} else {
			high = mid - 1;
		}
	}
	if (!b)
		return false;
	low = 0;
	high = le16_get(b + 8) / 12 - 1;
	while (low <= high) {
		int64_t mid = low + (high - low) / 2;
		int c;

		name_at(b, blen, (unsigned)mid, &other, &olen, nid);
		c = compare(name, len, other, olen);
		if (!c)
			return true;
		if (c > 0)
			low = mid + 1;
		else
			high = mid - 1;
	}
	return false;
}

bool view_find(const struct view *v, const char *path, struct view_node *ret)
{
	uint64_t nid = le16_get(v->data + 1024 + 14);

	read_node(v, nid, ret);
	while (*path) {
		size_t len;

		path += strspn(path, "/");
		len = strcspn(path, "/");
		if (!len)
			break;
		if (!S_ISDIR(ret->mode) || !search(v, ret, path, len, &nid))
			return false;
		read_node(v, nid, ret);
		path += len;
	}
	return true;
}

unsigned view_count(const struct view *v, const char *path)
{
	struct view_node dir;
	const char *before = NULL;
	size_t before_len = 0;
	unsigned count = 0, dots = 0;

	assert_true(view_find(v, path, &dir));
	for (uint64_t pos = 0; pos < dir.size; pos += BLOCK) {
		size_t len, nlen;
		const uint8_t *b = block_at(v, &dir, pos, &len);
		unsigned n = le16_get(b + 8) / 12;
		const char *name;
		uint64_t nid;

		for (unsigned i = 0; i < n; i++) {
			struct view_node child;

			name_at(b, len, i, &name, &nlen, &nid);
			read_node(v, nid, &child);
			if (before)
				assert_true(compare(before, before_len, name,
						    nlen) < 0);
			before = name;
			before_len = nlen;
			if ((nlen == 1 && name[0] == '.') ||
			    (nlen == 2 && !memcmp(name, "..", 2)))
				dots++;
			else
				count++;
		}
	}
	assert_int_equal(dots, 2);
	return count;
}

const void *view_data(const struct view *v, const struct view_node *n,
		      uint64_t pos)
{
	size_t len;

	return (const char *)block_at(v, n, pos / BLOCK * BLOCK, &len) +
	       pos % BLOCK;
}

const void *view_xattr(const struct view_node *n, unsigned prefix,
		       const char *name, size_t *ret_len)
{
	size_t pos = 0;

	while (pos < n->xattr_len) {
		const uint8_t *p = n->xattrs + pos;
		size_t value = le16_get(p + 2);

		assert_true(pos + 4 + p[0] + value <= n->xattr_len);
		if (p[1] == prefix && p[0] == strlen(name) &&
		    !memcmp(p + 4, name, p[0])) {
			*ret_len = value;
			return p + 4 + p[0];
		}
		pos += (4 + p[0] + value + 3) & ~(size_t)3;
	}
	return NULL;
}

void view_is_file(const struct view *v, const char *path, const char *data)
{
	struct view_node n;

	if (!view_find(v, path, &n))
		fail_msg("%s is missing", path);
	assert_true(S_ISREG(n.mode));
	assert_int_equal(n.size, strlen(data));
	if (n.size)
		assert_memory_equal(view_data(v, &n, 0), data, n.size);
}

void view_is_link(const struct view *v, const char *path, const char *target)
{
	struct view_node n;

	if (!view_find(v, path, &n))
		fail_msg("%s is missing", path);
	assert_true(S_ISLNK(n.mode));
	assert_int_equal(n.size, strlen(target));
	assert_memory_equal(view_data(v, &n, 0), target, n.size);
}

void view_is_absent(const struct view *v, const char *path)
{
	struct view_node n;

	if (view_find(v, path, &n))
		fail_msg("%s is there", path);
}

void view_is_dir(const struct view *v, const char *path, unsigned perm)
{
	struct view_node n;

	if (!view_find(v, path, &n))
		fail_msg("%s is missing", path);
	assert_true(S_ISDIR(n.mode));
	assert_int_equal(n.mode & 07777, perm);
}
