/* SPDX-License-Identifier: Apache-2.0 */
/* Bars of layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/bars.h"
#include "cli/table.h"

static void sizes_as_text(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0 B" },
		{ 1023, "1023 B" },
		{ 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" },
		{ (1 << 20) - 1, "1.0 MiB" },
		{ 1 << 20, "1.0 MiB" },
		{ 5ull << 30, "5.0 GiB" },
		{ 3ull << 40, "3.0 TiB" },
		{ UINT64_MAX, "16777216.0 TiB" },
	};
	char buf[24];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(
			bytes_text(cases[i].bytes, buf, sizeof(buf)),
			cases[i].text);
}

static void what_is_further_is_shown(void **state)
{
	struct bar b = { .total = 100 };

	(void)state;
	bar_set(&b, BAR_DOWNLOAD, 40, 100);
	bar_set(&b, BAR_UNPACK, 30, 100);
	assert_int_equal(b.phase, BAR_DOWNLOAD);
	assert_int_equal(b.bytes, 40);
	bar_set(&b, BAR_UNPACK, 50, 100);
	assert_int_equal(b.phase, BAR_UNPACK);
	bar_set(&b, BAR_DOWNLOAD, 0, 200); /* started again */
	assert_int_equal(b.phase, BAR_DOWNLOAD);
	assert_int_equal(b.total, 200);
	bar_set(&b, BAR_DONE, 0, 0);
	assert_int_equal(b.phase, BAR_DONE);
	assert_int_equal(b.total, 200);
}

static void sums(void **state)
{
	static const uint64_t totals[] = { 10, 20, 40 };
	uint64_t bytes, total;
	struct bars b;

	(void)state;
	assert_int_equal(bars_init(&b, 3, totals), 0);
	bar_set(&b.bar[0], BAR_CACHED, 0, 0);
	bar_set(&b.bar[1], BAR_DOWNLOAD, 5, 20);
	bar_set(&b.bar[2], BAR_UNPACK, 1, 40);
	bars_sum(&b, &bytes, &total);
	assert_int_equal(bytes, 10 + 5 + 40);
	assert_int_equal(total, 70);
	bars_fini(&b);
}

/* Every line fits, however narrow; lines are as many as said. */
static void lines_fit(void **state)
{
	uint64_t totals[120];
	struct bars b;

	(void)state;
	for (size_t i = 0; i < 120; i++)
		totals[i] = i << 26;
	assert_int_equal(bars_init(&b, 120, totals), 0);
	for (size_t i = 0; i < 120; i++)
		bar_set(&b.bar[i], (enum bar_phase)(i % 5), totals[i] / 3, 0);
	for (size_t columns = 0; columns < 120; columns++)
		for (size_t rows = 0; rows < 130; rows += 13) {
			size_t n, seen = 0;
			struct buf out;
			char *line, *save;

			buf_init(&out, 1 << 20);
			n = bars_format(&b, rows, columns, false, &out);
			assert_true(n <= rows);
			line = buf_take_str(&out);
			for (save = line; *save; save++)
				seen += *save == '\n';
			assert_int_equal(seen, n);
			for (char *l = line; l && *l;) {
				char *end = strchr(++l, '\n');

				if (end)
					*end = 0;
				assert_true(text_width(l) <= columns);
				if (end)
					*end = '\n';
				l = end;
			}
			free(line);
			buf_fini(&out);
		}
	bars_fini(&b);
}

static void finished_ones_make_room(void **state)
{
	static const uint64_t totals[] = { 10, 10, 10, 10 };
	struct bars b;
	struct buf out;

	(void)state;
	assert_int_equal(bars_init(&b, 4, totals), 0);
	bar_set(&b.bar[0], BAR_DONE, 0, 0);
	bar_set(&b.bar[1], BAR_CACHED, 0, 0);
	buf_init(&out, 4096);
	assert_int_equal(bars_format(&b, 3, 80, false, &out), 3);
	assert_string_equal(
		buf_cstr(&out),
		"\n     layer 3/4 [                                    ] "
		"0 B / 10 B waiting"
		"\n     layer 4/4 [                                    ] "
		"0 B / 10 B waiting"
		"\n     and 2 more");
	buf_fini(&out);
	bars_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_as_text),
		cmocka_unit_test(what_is_further_is_shown),
		cmocka_unit_test(sums),
		cmocka_unit_test(lines_fit),
		cmocka_unit_test(finished_ones_make_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
