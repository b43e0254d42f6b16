/* SPDX-License-Identifier: Apache-2.0 */
/* Finding files in tar archives, and archives that are no good. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/io.h"
#include "image/archive_tar.h"
#include "tar_fixture.h"

struct tar {
	struct buf bytes;
	struct archive_tar index;
	int fd;
};

static int index_it(struct tar *t, uint64_t offset, struct err *err)
{
	t->fd = io_memfd("tar", buf_data(&t->bytes), buf_len(&t->bytes));
	assert_true(t->fd >= 0);
	return archive_tar_index(t->fd, offset, &t->index, err);
}

static void tar_fini(struct tar *t)
{
	archive_tar_fini(&t->index);
	buf_fini(&t->bytes);
	(void)close(t->fd);
}

static void assert_text(const struct tar *t, const char *path, const char *want)
{
	uint64_t offset, size;

	assert_int_equal(archive_tar_find(&t->index, path, &offset, &size), 0);
	assert_int_equal(size, strlen(want));
	assert_memory_equal(buf_data(&t->bytes) + offset, want, size);
}

static int find(const struct tar *t, const char *path)
{
	uint64_t offset, size;

	return archive_tar_find(&t->index, path, &offset, &size);
}

static void pax(struct buf *tar, const char *records)
{
	tar_add(tar, "PaxHeaders/x", 'x', NULL, records, strlen(records));
}

static void files_are_found_by_name(void **state)
{
	char name[151], record[256];
	struct tar t = { 0 };

	(void)state;
	buf_init(&t.bytes, 1 << 20);
	(void)buf_str(&t.bytes, "12345"); /* before the archive */
	tar_file(&t.bytes, "a", "one");
	tar_file(&t.bytes, "./dir//./b", "two");
	tar_add(&t.bytes, "dir/", '5', NULL, "", 0);
	tar_file(&t.bytes, "a", "the last one counts");
	tar_file(&t.bytes, "../out", "x");
	tar_file(&t.bytes, "/abs", "x");
	memset(name, 'n', 150);
	name[150] = 0;
	tar_add(&t.bytes, "././@LongLink", 'L', NULL, name, 151);
	tar_file(&t.bytes, "nnnn", "long");
	(void)snprintf(record, sizeof(record), "162 path=p/%s\n", name);
	pax(&t.bytes, record);
	tar_file(&t.bytes, "short", "pax");
	tar_file(&t.bytes, "after", "x");
	tar_end(&t.bytes);
	tar_file(&t.bytes, "behind", "x");
	assert_int_equal(index_it(&t, 5, NULL), 0);
	assert_text(&t, "a", "the last one counts");
	assert_text(&t, "dir/b", "two");
	assert_text(&t, name, "long");
	(void)snprintf(record, sizeof(record), "p/%s", name);
	assert_text(&t, record, "pax");
	assert_text(&t, "after", "x");
	assert_int_equal(find(&t, "short"), -ENOENT);
	assert_int_equal(find(&t, "dir"), -ENOENT);
	assert_int_equal(find(&t, "out"), -ENOENT);
	assert_int_equal(find(&t, "abs"), -ENOENT);
	assert_int_equal(find(&t, "behind"), -ENOENT);
	tar_fini(&t);
}

static void links_stay_within(void **state)
{
	struct tar t = { 0 };

	(void)state;
	buf_init(&t.bytes, 1 << 20);
	tar_file(&t.bytes, "one/layer.tar", "layer");
	tar_add(&t.bytes, "two/layer.tar", '2', "../one/layer.tar", "", 0);
	tar_add(&t.bytes, "three/layer.tar", '2', "../two/./layer.tar", "", 0);
	tar_add(&t.bytes, "hard", '1', "./one/layer.tar", "", 0);
	tar_add(&t.bytes, "up", '2', "../one/layer.tar", "", 0);
	tar_add(&t.bytes, "abs", '2', "/etc/passwd", "", 0);
	tar_add(&t.bytes, "loop", '2', "pool", "", 0);
	tar_add(&t.bytes, "pool", '2', "loop", "", 0);
	tar_add(&t.bytes, "gone", '2', "nowhere", "", 0);
	assert_int_equal(index_it(&t, 0, NULL), 0);
	assert_text(&t, "two/layer.tar", "layer");
	assert_text(&t, "three/layer.tar", "layer");
	assert_text(&t, "hard", "layer");
	assert_int_equal(find(&t, "up"), -ELOOP);
	assert_int_equal(find(&t, "abs"), -ELOOP);
	assert_int_equal(find(&t, "loop"), -ELOOP);
	assert_int_equal(find(&t, "gone"), -ENOENT);
	tar_fini(&t);
}

static void refuse(struct buf *bytes, const char *says)
{
	struct err err = { 0 };
	struct tar t = { .bytes = *bytes };

	buf_init(bytes, 1 << 22); /* for the next one */
	assert_true(index_it(&t, 0, &err) < 0);
	if (!strstr(err.msg, says))
		fail_msg("%s", err.msg);
	buf_fini(&t.bytes);
	(void)close(t.fd);
}

static void damaged_archives_are_refused(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 1 << 22);
	refuse(&b, "is empty");

	(void)buf_str(&b, "not an archive");
	refuse(&b, "ends within a header");

	tar_file(&b, "a", "x");
	b.data[1] ^= 1;
	refuse(&b, "is not a tar file");

	tar_file(&b, "a", "x");
	tar_file(&b, "b", "x");
	b.data[1024] ^= 1;
	refuse(&b, "is damaged");

	tar_file(&b, "a", "more than there is");
	b.len = 512;
	refuse(&b, "ends within a file");

	pax(&b, "99 path=x\n");
	tar_file(&b, "a", "x");
	refuse(&b, "damaged");
	pax(&b, "9 size=-1\n");
	refuse(&b, "damaged");
	pax(&b, "28 size=999999999999999999\n\n");
	tar_file(&b, "a", "x");
	refuse(&b, "damaged");
	pax(&b, "27 size=999999999999999999\n");
	tar_file(&b, "a", "x");
	refuse(&b, "ends within a file");

	tar_add(&b, "x", 'S', NULL, "", 0);
	refuse(&b, "sparse");
}

static void names_are_bounded(void **state)
{
	static char name[5000], big[(1 << 20) + 1];
	struct buf b;

	(void)state;
	memset(name, 'n', sizeof(name));
	memset(big, 'n', sizeof(big));
	buf_init(&b, 1 << 22);
	tar_add(&b, "x", 'L', NULL, name, sizeof(name));
	refuse(&b, "too long");
	tar_add(&b, "x", 'x', NULL, big, sizeof(big));
	refuse(&b, "more than 1 MiB");
}

static void paths_are_joined(void **state)
{
	static const struct {
		const char *dir, *path, *want; /* NULL: refused */
	} cases[] = {
		{ "", "a", "a" },	   { "a", "b", "a/b" },
		{ "a/b", "../c", "a/c" },  { "a", "../../c", NULL },
		{ "", "..", NULL },	   { "a", "..", NULL },
		{ "a", "../b/../c", "c" }, { "", "/a", NULL },
		{ "", ".", NULL },	   { "", "a/", "a" },
		{ "", "a//b/.", "a/b" },   { "", "...", "..." },
		{ "", "a/..b", "a/..b" },
	};
	char got[ARCHIVE_PATH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int rc = archive_path_join(cases[i].dir, strlen(cases[i].dir),
					   cases[i].path, got);

		if (!cases[i].want) {
			assert_int_equal(rc, -EINVAL);
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(got, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_found_by_name),
		cmocka_unit_test(links_stay_within),
		cmocka_unit_test(damaged_archives_are_refused),
		cmocka_unit_test(names_are_bounded),
		cmocka_unit_test(paths_are_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
