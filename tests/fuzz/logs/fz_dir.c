/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole log directory. The input is a list of steps: a byte that says which
 * file is written (the low four bits: exec.log, runtime.log, kernel.log and two
 * rotated ones of each) or rotated, a byte for the length, and the bytes.
 *
 * Then all is read in several ways, which must agree: every entry's cursor
 * leads on, a tail is the end of everything, a follower sees the same as a
 * reader, and a search for a text finds the same entries as looking at each.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "logs/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES 9u
#define ENTRIES 64u /* how many are looked at one by one */

static const char *const names[FILES] = {
	"exec.log",   "runtime.log",   "kernel.log",
	"exec.log.1", "runtime.log.1", "kernel.log.1",
	"exec.log.3", "runtime.log.4", "kernel.log.2",
};

static bool dead(void *ctx)
{
	(void)ctx;
	return false;
}

static void append(int dirfd, const char *name, const uint8_t *data, size_t len)
{
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			0600);

	if (fd < 0 || io_write_full(fd, data, len))
		abort();
	(void)close(fd);
}

static void fill(int dirfd, const uint8_t *data, size_t size)
{
	while (size >= 2) {
		size_t n = data[1] < size - 2 ? data[1] : size - 2;

		append(dirfd, names[data[0] % FILES], data + 2, n);
		data += 2 + n;
		size -= 2 + n;
	}
}

static struct log_reader *open_reader(int dirfd,
				      const struct log_reader_options *o)
{
	struct log_reader *r = NULL;
	struct err err = { 0 };

	if (log_reader_open(dirfd, o, &r, &err))
		abort();
	return r;
}

/* All entries as JSON, one in a line; offsets of the first ones. */
static void read_all(int dirfd, const struct log_reader_options *o,
		     struct buf *out, size_t *at, char **cursor, unsigned *n)
{
	struct log_reader *r = open_reader(dirfd, o);
	struct err err = { 0 };
	struct log_entry e;
	const char *text;
	size_t len;
	int rc;

	buf_reset(out);
	while ((rc = log_reader_next(r, 0, &e, &err)) > 0) {
		if (log_reader_json(r, &text, &len, &err))
			abort();
		(void)buf_append(out, text, len);
		(void)buf_str(out, "\n");
		if (n && *n < ENTRIES) {
			at[*n] = buf_len(out);
			cursor[(*n)++] = log_reader_cursor(r);
		}
	}
	if (rc < 0 || !log_reader_ended(r) || out->failed)
		abort();
	log_reader_free(r);
}

static void same(const struct buf *got, const struct buf *all, size_t from)
{
	if (buf_len(got) != buf_len(all) - from ||
	    (buf_len(got) &&
	     memcmp(buf_data(got), buf_data(all) + from, buf_len(got)) != 0))
		abort();
}

/* A sum over entries that hold text, whatever their order; that of files is one
 * of the entries that pass, so that a clock set back makes it another one. */
static uint64_t sum_of(int dirfd, const struct log_reader_options *o,
		       const char *text)
{
	struct log_reader *r = open_reader(dirfd, o);
	struct err err = { 0 };
	struct log_entry e;
	const char *json;
	uint64_t sum = 0;
	size_t len;

	while (log_reader_next(r, 0, &e, &err) > 0) {
		uint64_t h = 0xcbf29ce484222325u;

		if (!memmem(e.data, e.len, text, strlen(text)))
			continue;
		if (log_reader_json(r, &json, &len, &err))
			abort();
		for (size_t i = 0; i < len; i++)
			h = (h ^ (uint8_t)json[i]) * 0x100000001b3u;
		sum += h;
	}
	log_reader_free(r);
	return sum;
}

static void search(int dirfd)
{
	static const char *const texts[] = { "a",  "k\n", "INFO",    " x",
					     "\"", "\n",  "\xc3\xbc" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct log_reader_options o = { .streams = 15,
						.is_alive = dead };
		uint64_t all = sum_of(dirfd, &o, texts[i]);

		o.texts = &(struct log_text){ (const uint8_t *)texts[i],
					      strlen(texts[i]) };
		o.ntexts = 1;
		if (sum_of(dirfd, &o, texts[i]) != all)
			abort();
	}
}

static void read_every_way(int dirfd)
{
	struct log_reader_options o = { .streams = 15, .is_alive = dead };
	char *cursor[ENTRIES];
	size_t at[ENTRIES];
	struct buf all, some;
	unsigned n = 0;

	buf_init(&all, 64u << 20);
	buf_init(&some, 64u << 20);
	read_all(dirfd, &o, &all, at, cursor, &n);
	o.follow = true;
	read_all(dirfd, &o, &some, NULL, NULL, NULL);
	same(&some, &all, 0);
	o.follow = false;
	o.has_tail = true;
	o.tail = UINT64_MAX;
	read_all(dirfd, &o, &some, NULL, NULL, NULL);
	same(&some, &all, 0);
	o.has_since = true; /* everything, but each time is looked at */
	o.since_ns = INT64_MIN;
	read_all(dirfd, &o, &some, NULL, NULL, NULL);
	same(&some, &all, 0);
	o.tail = 1;
	read_all(dirfd, &o, &some, NULL, NULL, NULL);
	if ((buf_len(&all) == 0) != (buf_len(&some) == 0))
		abort();
	o.has_tail = o.has_since = false;
	for (unsigned i = 0; i < n; i++) {
		o.cursor = cursor[i];
		read_all(dirfd, &o, &some, NULL, NULL, NULL);
		if (i + 1 == n && n < ENTRIES && buf_len(&some))
			abort();
		free(cursor[i]);
	}
	buf_fini(&all);
	buf_fini(&some);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/msb-fuzz-logs-XXXXXX";
	int dirfd;

	if (size > 1u << 14)
		return 0;
	if (!mkdtemp(path))
		abort();
	dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		abort();
	fill(dirfd, data, size);
	read_every_way(dirfd);
	search(dirfd);
	(void)close(dirfd);
	if (io_remove_tree(AT_FDCWD, path))
		abort();
	return 0;
}
