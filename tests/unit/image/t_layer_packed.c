/* SPDX-License-Identifier: Apache-2.0 */
/* Layers as they are transferred: compressed, in pieces, with something behind
 * them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "erofs_view.h"
#include "tar_make.h"

static struct buf tar;

static int setup(void **state)
{
	(void)state;
	buf_init(&tar, TAR_MAKE_MAX);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	buf_fini(&tar);
	return 0;
}

/* Parts of the archive as members or frames of their own. */
static void gzip(struct buf *out, const void *data, size_t len)
{
	z_stream z = { 0 };
	uint8_t *p = buf_reserve(out, len + 1024);

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
	z.next_in = (void *)(uintptr_t)data;
	z.avail_in = (unsigned)len;
	z.next_out = p;
	z.avail_out = (unsigned)len + 1024;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	buf_commit(out, z.total_out);
	(void)deflateEnd(&z);
}

static void zstd(struct buf *out, const void *data, size_t len)
{
	uint8_t *p = buf_reserve(out, ZSTD_compressBound(len));
	size_t n = ZSTD_compress(p, ZSTD_compressBound(len), data, len, 3);

	assert_false(ZSTD_isError(n));
	buf_commit(out, n);
}

static void in_pieces(void (*pack)(struct buf *, const void *, size_t),
		      const char *between, size_t between_len,
		      const char *behind, size_t behind_len)
{
	struct err err = { 0 };
	struct view v;
	struct buf out;
	size_t half;
	int fd;

	buf_init(&out, TAR_MAKE_MAX);
	tar_make_file(&tar, "a", "first");
	tar_make_file(&tar, "b", "second");
	tar_make_end(&tar);
	half = buf_len(&tar) / 2 + 100;
	pack(&out, buf_data(&tar), half);
	(void)buf_append(&out, between, between_len);
	pack(&out, buf_data(&tar) + half, buf_len(&tar) - half);
	(void)buf_append(&out, behind, behind_len);
	fd = tar_make_convert(buf_data(&out), buf_len(&out), &tar, NULL, &err);
	if (fd < 0)
		fail_msg("%s", err.msg);
	view_load(&v, &fd, 1);
	view_is_file(&v, "/a", "first");
	view_is_file(&v, "/b", "second");
	view_free(&v);
	(void)close(fd);
	/* And cut short. */
	for (size_t cut = 1; cut < 40; cut += 13) {
		err = (struct err){ 0 };
		fd = tar_make_convert(buf_data(&out),
				      buf_len(&out) - behind_len - cut, &tar,
				      NULL, &err);
		assert_true(fd < 0);
		assert_int_equal(err.kind, ERR_IMAGE);
	}
	buf_fini(&out);
	buf_reset(&tar);
}

static void compressed_in_several_members(void **state)
{
	(void)state;
	in_pieces(gzip, "", 0, "", 0);
	in_pieces(gzip, "", 0, "\0\0\0\0\0\0\0", 7);
	in_pieces(gzip, "", 0, "garbage", 7);
	in_pieces(zstd, "", 0, "", 0);
	in_pieces(zstd, "\x50\x2a\x4d\x18\4\0\0\0skip", 12, "", 0);
	in_pieces(zstd, "", 0, "\0\0\0", 3);
}

static void what_follows_the_archive_is_hashed_only(void **state)
{
	struct err err = { 0 };
	struct view v;
	int fd;

	(void)state;
	tar_make_file(&tar, "a", "1");
	tar_make_end(&tar);
	(void)buf_str(&tar, "trailing garbage");
	fd = tar_make_convert(buf_data(&tar), buf_len(&tar), &tar, NULL, &err);
	assert_true(fd >= 0);
	view_load(&v, &fd, 1);
	assert_int_equal(view_count(&v, "/"), 1);
	view_free(&v);
	(void)close(fd);
	/* One byte less and it is another layer. */
	fd = tar_make_convert(buf_data(&tar), buf_len(&tar) - 1, &tar, NULL,
			      &err);
	assert_int_equal(fd, -EBADMSG);
	assert_int_equal(err.kind, ERR_IMAGE);
}

/* The blob's source fails half-way; what it said is told. */
static ssize_t failing_read(void *ctx, void *buf, size_t len, struct err *err)
{
	size_t *left = ctx;

	if (len > *left)
		len = *left;
	if (!len)
		return err_set(err, ERR_TIMEOUT, ETIMEDOUT, "no more bytes");
	memcpy(buf, buf_data(&tar) + buf_len(&tar) - *left, len);
	*left -= len;
	return (ssize_t)len;
}

static void errors_of_the_source_are_told(void **state)
{
	static const char data[100000];
	const struct digest d = { "sha256:" };
	uint64_t size;

	(void)state;
	tar_make_item(&tar, &(struct tar_item){ .path = "a",
						.data = data,
						.size = sizeof(data) });
	for (size_t n = 0; n < buf_len(&tar); n += 20011) {
		struct err err = { 0 };
		size_t left = n;
		int fd = memfd_create("layer", MFD_CLOEXEC);

		assert_true(fd >= 0);
		assert_int_equal(layer_to_erofs(failing_read, &left, &d, NULL,
						fd, &size, &err),
				 -ETIMEDOUT);
		assert_int_equal(err.kind, ERR_TIMEOUT);
		assert_string_equal(err.msg, "no more bytes");
		(void)close(fd);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(compressed_in_several_members),
		TEST(what_follows_the_archive_is_hashed_only),
		TEST(errors_of_the_source_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
