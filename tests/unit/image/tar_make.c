/* SPDX-License-Identifier: Apache-2.0 */
/* Making archives for tests. */
#include "tar_make.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "image/digest.h"

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8];
	char type, link[100], magic[8], uname[32], gname[32], major[8],
		minor[8], prefix[155], pad[12];
};

static void pad(struct buf *tar)
{
	static const char zero[512];
	size_t over = buf_len(tar) % 512;

	if (over)
		assert_int_equal(buf_append(tar, zero, 512 - over), 0);
}

static void number(char *field, size_t len, unsigned long long value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%0*llo", (int)len - 1, value);
	memcpy(field, text, len - 1);
}

static void put(struct buf *tar, struct header *h, const void *body, size_t len)
{
	unsigned sum = 0;

	memset(h->sum, ' ', sizeof(h->sum));
	memcpy(h->magic,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < sizeof(*h); i++)
		sum += ((unsigned char *)h)[i];
	number(h->sum, 7, sum);
	assert_int_equal(sizeof(*h), 512);
	assert_int_equal(buf_append(tar, h, sizeof(*h)), 0);
	if (len)
		assert_int_equal(buf_append(tar, body, len), 0);
	pad(tar);
}

static void copy(char *field, size_t size, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	memcpy(field, text ? text : "", len < size ? len : size);
}

void tar_make_item(struct buf *tar, const struct tar_item *i)
{
	struct header h = { 0 };
	size_t size = i->size ? i->size : i->data ? strlen(i->data) : 0;

	copy(h.name, sizeof(h.name), i->path);
	copy(h.link, sizeof(h.link), i->link);
	number(h.mode, sizeof(h.mode), i->mode);
	number(h.uid, sizeof(h.uid), i->uid);
	number(h.gid, sizeof(h.gid), i->gid);
	number(h.size, sizeof(h.size), size);
	number(h.mtime, sizeof(h.mtime), (unsigned long long)i->mtime);
	number(h.major, sizeof(h.major), i->major);
	number(h.minor, sizeof(h.minor), i->minor);
	h.type = i->type ? i->type : '0';
	put(tar, &h, i->data, size);
}

void tar_make_raw(struct buf *tar, char type, const char *path,
		  const char *size_field, const void *body, size_t len)
{
	struct header h = { 0 };

	copy(h.name, sizeof(h.name), path);
	copy(h.size, sizeof(h.size), size_field);
	number(h.mode, sizeof(h.mode), 0644);
	h.type = type;
	put(tar, &h, body, len);
}

void tar_make_record(struct buf *records, const char *key, const void *value,
		     size_t len)
{
	/* "LENGTH key=value\n" counts the digits of the length too. */
	size_t rest = strlen(key) + len + 3, total = rest + 1;
	char text[32];

	while ((size_t)snprintf(text, sizeof(text), "%zu", total) + rest !=
	       total)
		total++;
	assert_int_equal(buf_printf(records, "%s %s=", text, key), 0);
	assert_int_equal(buf_append(records, value, len), 0);
	assert_int_equal(buf_str(records, "\n"), 0);
}

void tar_make_pax(struct buf *tar, const struct buf *records)
{
	char size[12] = { 0 };

	number(size, sizeof(size), buf_len(records));
	tar_make_raw(tar, 'x', "pax", size, buf_data(records),
		     buf_len(records));
}

void tar_make_pax_text(struct buf *tar, const char *key, const char *value)
{
	struct buf records;

	buf_init(&records, 1 << 20);
	tar_make_record(&records, key, value, strlen(value));
	tar_make_pax(tar, &records);
	buf_fini(&records);
}

void tar_make_end(struct buf *tar)
{
	static const char zero[1024];

	assert_int_equal(buf_append(tar, zero, sizeof(zero)), 0);
}

void tar_make_file(struct buf *tar, const char *path, const char *data)
{
	tar_make_item(tar, &(struct tar_item){
				   .path = path, .data = data, .mode = 0644 });
}

void tar_make_dir(struct buf *tar, const char *path, unsigned mode)
{
	tar_make_item(tar, &(struct tar_item){
				   .type = '5', .path = path, .mode = mode });
}

void tar_make_link(struct buf *tar, char type, const char *path,
		   const char *target)
{
	tar_make_item(tar, &(struct tar_item){ .type = type,
					       .path = path,
					       .link = target,
					       .mode = 0777 });
}

struct source {
	const char *bytes;
	size_t left;
};

/* In odd pieces, as from a network. */
static ssize_t read_source(void *ctx, void *buf, size_t len, struct err *err)
{
	struct source *s = ctx;

	(void)err;
	if (len > 100003)
		len = 100003;
	if (len > s->left)
		len = s->left;
	memcpy(buf, s->bytes, len);
	s->bytes += len;
	s->left -= len;
	return (ssize_t)len;
}

int tar_make_convert(const void *bytes, size_t len, const struct buf *plain,
		     const struct layer_limits *limits, struct err *err)
{
	struct source s = { bytes, len };
	struct digest d;
	uint64_t size;
	int fd = memfd_create("layer", MFD_CLOEXEC), r;

	assert_true(fd >= 0);
	digest_of(buf_data(plain), buf_len(plain), &d);
	r = layer_to_erofs(read_source, &s, &d, limits, fd, &size, err);
	if (r) {
		(void)close(fd);
		return r;
	}
	assert_int_equal(lseek(fd, 0, SEEK_END), size);
	assert_int_equal(size % 4096, 0);
	return fd;
}

int tar_make_layer(struct buf *tar)
{
	struct err err = { 0 };
	int fd;

	tar_make_end(tar);
	fd = tar_make_convert(buf_data(tar), buf_len(tar), tar, NULL, &err);
	if (fd < 0)
		fail_msg("%s", err.msg);
	buf_fini(tar);
	buf_init(tar, TAR_MAKE_MAX);
	return fd;
}

void tar_make_refused(struct buf *tar, const struct layer_limits *limits,
		      const char *text)
{
	struct err err = { 0 };
	int fd;

	tar_make_end(tar);
	fd = tar_make_convert(buf_data(tar), buf_len(tar), tar, limits, &err);
	if (fd >= 0)
		fail_msg("taken, and not refused with '%s'", text);
	assert_int_equal(err.kind, ERR_IMAGE);
	if (!strstr(err.msg, text))
		fail_msg("'%s' is not about '%s'", err.msg, text);
	buf_fini(tar);
	buf_init(tar, TAR_MAKE_MAX);
}
