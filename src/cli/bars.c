/* SPDX-License-Identifier: Apache-2.0 */
/* A bar per layer of an image, as text for a terminal. */
#include "cli/bars.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/table.h"

#define BAR_CELLS 36u
#define BAR_CELLS_MIN 8u
#define INDENT "     "

static const struct {
	const char *word;
	enum table_style style;
} phases[] = {
	[BAR_WAITING] = { "waiting", STYLE_DIM },
	[BAR_DOWNLOAD] = { "downloading", STYLE_CYAN },
	[BAR_UNPACK] = { "unpacking", STYLE_BLUE_BOLD },
	[BAR_CACHED] = { "✓ cached", STYLE_GREEN },
	[BAR_DONE] = { "✓", STYLE_GREEN },
};

int bars_init(struct bars *b, size_t n, const uint64_t *totals)
{
	b->n = 0;
	b->bar = calloc(n + 1, sizeof(*b->bar));
	if (!b->bar)
		return -ENOMEM;
	for (b->n = 0; b->n < n; b->n++)
		b->bar[b->n].total = totals[b->n];
	return 0;
}

void bars_fini(struct bars *b)
{
	free(b->bar);
	b->bar = NULL;
	b->n = 0;
}

void bar_set(struct bar *bar, enum bar_phase phase, uint64_t bytes,
	     uint64_t total)
{
	bool behind = phase == BAR_UNPACK && bar->phase == BAR_DOWNLOAD &&
		      bytes < bar->bytes;

	if (total)
		bar->total = total;
	if (behind)
		return;
	bar->phase = phase;
	bar->bytes = bytes;
}

static bool finished(const struct bar *b)
{
	return b->phase == BAR_CACHED || b->phase == BAR_DONE;
}

void bars_sum(const struct bars *b, uint64_t *ret_bytes, uint64_t *ret_total)
{
	*ret_bytes = *ret_total = 0;
	for (size_t i = 0; i < b->n; i++) {
		const struct bar *bar = &b->bar[i];
		bool whole = finished(bar) || bar->phase == BAR_UNPACK;

		*ret_bytes += whole ? bar->total : bar->bytes;
		*ret_total += bar->total;
	}
}

const char *bytes_text(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	double v = (double)bytes / 1024;
	size_t u = 0;

	if (bytes < 1024) {
		(void)snprintf(buf, size, "%u B", (unsigned)bytes);
		return buf;
	}
	/* what would be shown as 1024.0 is one of the next unit */
	for (; v >= 1023.95 && u + 1 < ARRAY_SIZE(units); u++)
		v /= 1024;
	(void)snprintf(buf, size, "%.1f %s", v, units[u]);
	return buf;
}

static size_t digits(size_t n)
{
	size_t d = 1;

	while (n /= 10)
		d++;
	return d;
}

static void put_cells(struct buf *out, const struct bar *bar, size_t cells)
{
	size_t full = cells;

	if (!finished(bar))
		full = bar->total && bar->bytes < bar->total
			       ? (size_t)((double)bar->bytes /
					  (double)bar->total * (double)cells)
		       : bar->bytes ? cells
				    : 0;
	(void)buf_str(out, "[");
	for (size_t i = 0; i < cells; i++)
		(void)buf_str(out, i < full ? "█" : " ");
	(void)buf_str(out, "] ");
}

/* "     layer 2/3 [█████    ] 3.1 MiB / 10.0 MiB downloading" */
static void put_bar(const struct bars *b, size_t i, size_t columns, bool colors,
		    struct buf *out)
{
	const struct bar *bar = &b->bar[i];
	char name[64], sizes[64], done[24], total[24];
	size_t used, width = digits(b->n);

	(void)snprintf(name, sizeof(name), INDENT "layer %*zu/%zu ", (int)width,
		       i + 1, b->n);
	(void)bytes_text(finished(bar) ? bar->total : bar->bytes, done,
			 sizeof(done));
	(void)bytes_text(bar->total, total, sizeof(total));
	if (finished(bar))
		(void)snprintf(sizes, sizeof(sizes), "%s ", total);
	else
		(void)snprintf(sizes, sizeof(sizes), "%s / %s ", done, total);
	used = strlen(name) + strlen(sizes) +
	       text_width(phases[bar->phase].word);
	if (used > columns) { /* a very narrow one */
		(void)buf_printf(out, "\n%.*s", (int)columns, name);
		return;
	}
	(void)buf_printf(out, "\n%s", name);
	columns -= used;
	if (columns >= BAR_CELLS_MIN + 3)
		put_cells(out, bar,
			  columns - 3 < BAR_CELLS ? columns - 3 : BAR_CELLS);
	(void)buf_printf(out, "%s%s%s%s", sizes,
			 colors ? style_on(phases[bar->phase].style) : "",
			 phases[bar->phase].word, colors ? STYLE_OFF : "");
}

static size_t put_rest(size_t left, size_t columns, struct buf *out)
{
	char text[64];

	if (!left)
		return 0;
	(void)snprintf(text, sizeof(text), INDENT "and %zu more", left);
	(void)buf_printf(out, "\n%.*s", (int)columns, text);
	return 1;
}

size_t bars_format(const struct bars *b, size_t max_lines, size_t columns,
		   bool colors, struct buf *out)
{
	bool all = b->n <= max_lines;
	size_t room = all ? b->n : max_lines - (max_lines > 0), lines = 0;

	if (!max_lines)
		return 0;
	for (size_t i = 0; i < b->n && lines < room; i++) {
		if (!all && finished(&b->bar[i]))
			continue;
		put_bar(b, i, columns, colors, out);
		lines++;
	}
	return lines + put_rest(b->n - lines, columns, out);
}
