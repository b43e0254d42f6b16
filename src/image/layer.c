/* SPDX-License-Identifier: Apache-2.0 */
/* From a layer's bytes to its image: the archive reader and the writer. */
#include "image/layer.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <string.h>

#include "image/erofs_write.h"
#include "image/tar_stream.h"
#include "image/tar_unpack.h"

const struct layer_limits layer_limits_default = {
	.total_bytes = 10ull << 30,
	.file_bytes = 5ull << 30,
	.entries = 1000000,
};

/* The archive's own bytes beside the data of files, in the long run. */
#define OVERHEAD_PER_ENTRY 8192u
#define OVERHEAD_BASE (64u << 20)
/* What one entry's headers may be. libarchive holds them in memory, and more
 * than once: maps of sparse files grow twelvefold. */
#define HEADER_MAX (16u << 20)
/* Archives are filled up to a multiple of their writer's block size. */
#define TRAILER_MAX (64u << 20)

struct source {
	struct tar_stream *stream;
	struct hasher hash;
	uint64_t left; /* bytes of the stream that may come */
	bool in_header;
	uint64_t header; /* bytes read for the entry's headers */
	int result;	 /* of the stream, with err */
	struct err err;
};

static ssize_t source_next(struct source *s, const void **ret_data)
{
	ssize_t n = tar_stream_next(s->stream, ret_data, &s->err);

	if (n > 0 && (uint64_t)n > s->left)
		n = err_set(&s->err, ERR_IMAGE, EFBIG,
			    "total extracted size exceeded");
	if (n <= 0) {
		s->result = (int)n;
		return n;
	}
	s->left -= (uint64_t)n;
	hasher_add(&s->hash, *ret_data, (size_t)n);
	return n;
}

static la_ssize_t on_read(struct archive *a, void *ctx, const void **ret_data)
{
	struct source *s = ctx;
	ssize_t n = source_next(s, ret_data);

	if (n > 0 && s->in_header) {
		s->header += (uint64_t)n;
		if (s->header > HEADER_MAX)
			n = s->result = err_set(&s->err, ERR_IMAGE, EFBIG,
						"an entry's headers are too "
						"large");
	}
	if (n < 0) {
		archive_set_error(a, -(int)n, "%s", s->err.msg);
		return -1;
	}
	return n;
}

static int archive_fail(struct archive *a, const struct source *s,
			struct err *err)
{
	const char *text = archive_error_string(a);

	if (s->result < 0) {
		if (err)
			*err = s->err;
		return s->result;
	}
	return err_set(err, ERR_IMAGE, EBADMSG,
		       "the layer's archive is damaged: %s",
		       text ? text : "unknown format");
}

/*
 * A warning is an attribute that was not understood and would be missing. But
 * names that are not ASCII always warn, see with_c_locale(), and are right.
 */
static bool is_harmless(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text && strstr(text, "convert");
}

static int read_entries(struct archive *a, struct source *s,
			struct tar_unpack *u, struct err *err)
{
	for (;;) {
		struct archive_entry *e;
		int r;

		s->in_header = true;
		s->header = 0;
		r = archive_read_next_header(a, &e);
		s->in_header = false;
		if (r == ARCHIVE_EOF)
			return 0;
		if (r != ARCHIVE_OK && !(r == ARCHIVE_WARN && is_harmless(a)))
			return archive_fail(a, s, err);
		r = tar_unpack_entry(u, a, e, err);
		if (r)
			return s->result < 0 ? archive_fail(a, s, err) : r;
		if (archive_read_data_skip(a) < ARCHIVE_WARN)
			return archive_fail(a, s, err);
	}
}

/* What is behind the archive's end counts for the digest. */
static int drain(struct source *s, const struct digest *diff_id,
		 struct err *err)
{
	const void *data;
	struct digest sum;
	ssize_t n;

	if (s->left > TRAILER_MAX)
		s->left = TRAILER_MAX;
	while ((n = source_next(s, &data)) > 0)
		;
	if (n < 0) {
		if (err)
			*err = s->err;
		return (int)n;
	}
	hasher_done(&s->hash, &sum);
	if (!digest_eq(&sum, diff_id))
		return err_set(err, ERR_IMAGE, EBADMSG,
			       "the layer is not %s but %s", diff_id->text,
			       sum.text);
	return 0;
}

static int unpack(struct source *s, struct tar_unpack *u, struct err *err)
{
	struct archive *a = archive_read_new();
	int r = 0;

	if (!a)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	s->in_header = true;
	if (archive_read_support_format_tar(a) < ARCHIVE_WARN ||
	    archive_read_support_format_empty(a) < ARCHIVE_WARN ||
	    archive_read_open(a, s, NULL, on_read, NULL) != ARCHIVE_OK)
		r = archive_fail(a, s, err);
	if (!r)
		r = read_entries(a, s, u, err);
	(void)archive_read_free(a);
	return r;
}

/*
 * Names are bytes. libarchive takes those of PAX headers for UTF-8 and converts
 * them into the locale's encoding, in which it also normalizes them; only where
 * it cannot convert them, as in this locale, it leaves them as they are.
 */
static int with_c_locale(struct source *s, struct tar_unpack *u,
			 struct err *err)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", NULL), before;
	int r;

	if (!c)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	before = uselocale(c);
	r = unpack(s, u, err);
	(void)uselocale(before);
	freelocale(c);
	return r;
}

static uint64_t stream_max(const struct layer_limits *limits)
{
	return limits->total_bytes + limits->entries * OVERHEAD_PER_ENTRY +
	       OVERHEAD_BASE;
}

int layer_to_erofs(layer_read_fn *read, void *ctx, const struct digest *diff_id,
		   const struct layer_limits *limits, int out,
		   uint64_t *ret_size, struct err *err)
{
	struct erofs_target target = { .fd = out, .kind = EROFS_LAYER };
	struct source s = { 0 };
	struct tar_unpack u;
	int r;

	if (!limits)
		limits = &layer_limits_default;
	r = tar_unpack_init(&u, limits, out, err);
	if (r)
		return r;
	s.left = stream_max(limits);
	hasher_init(&s.hash, digest_alg(diff_id));
	r = tar_stream_new(read, ctx, &s.stream, err);
	if (!r)
		r = with_c_locale(&s, &u, err);
	if (!r)
		r = drain(&s, diff_id, err);
	tar_stream_free(s.stream);
	if (!r)
		r = tar_unpack_finish(&u, err);
	target.meta_block = erofs_data_block(&u.data);
	if (!r)
		r = erofs_write(&u.tree, &target, ret_size, err);
	tar_unpack_fini(&u);
	return r;
}
