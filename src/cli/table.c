/* SPDX-License-Identifier: Apache-2.0 */
/* Columns aligned by display width. */
#include "cli/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define GAP 4
#define NARROW_GAP 2
#define COLUMN_MIN 8 /* columns are not made narrower than this */

const char *style_on(enum table_style style)
{
	switch (style) {
	case STYLE_GREEN_BOLD:
		return "\033[1;32m";
	case STYLE_YELLOW_BOLD:
		return "\033[1;33m";
	case STYLE_RED_BOLD:
		return "\033[1;31m";
	case STYLE_CYAN_BOLD:
		return "\033[1;36m";
	case STYLE_BLUE_BOLD:
		return "\033[1;34m";
	case STYLE_BOLD:
		return "\033[1m";
	case STYLE_DIM:
		return "\033[2m";
	case STYLE_GREEN:
		return "\033[32m";
	case STYLE_CYAN:
		return "\033[36m";
	case STYLE_PLAIN:
		break;
	}
	return "";
}

void table_init(struct table *t, const char *const *header, size_t columns)
{
	memset(t, 0, sizeof(*t));
	t->header = header;
	t->columns = columns;
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i].text);
	free(t->cells);
	t->cells = NULL;
	t->rows = 0;
}

void table_row(struct table *t)
{
	size_t cells = (t->rows + 1) * t->columns;
	struct cell *grown = realloc(t->cells, cells * sizeof(*grown));

	if (!grown) {
		t->failed = true;
		return;
	}
	t->cells = grown;
	memset(grown + t->rows * t->columns, 0, t->columns * sizeof(*grown));
	t->rows++;
}

void table_set(struct table *t, size_t column, const char *text,
	       enum table_style style)
{
	struct cell *c;
	struct buf b;

	if (t->failed || !t->rows)
		return;
	c = &t->cells[(t->rows - 1) * t->columns + column];
	buf_init(&b, 1 << 20);
	text_put_safe(&b, text);
	free(c->text);
	c->text = buf_take_str(&b);
	c->style = style;
	if (!c->text)
		t->failed = true;
	buf_fini(&b);
}

/* How a table is laid out. */
struct layout {
	bool colors;
	size_t width[TABLE_MAX_COLUMNS];
	size_t gap;
};

static const char *cell_text(const struct table *t, size_t row, size_t column)
{
	const char *text = t->cells[row * t->columns + column].text;

	return text ? text : "";
}

static size_t total_width(const struct table *t, const struct layout *l)
{
	size_t sum = (t->columns - 1) * l->gap;

	for (size_t c = 0; c < t->columns; c++)
		sum += l->width[c];
	return sum;
}

/* The widest column that may become narrower: the first one only when no
 * other can, for it says what the row is about. */
static size_t *widest(const struct table *t, struct layout *l)
{
	size_t *found = NULL;

	for (size_t c = 1; c < t->columns; c++)
		if (l->width[c] > COLUMN_MIN &&
		    (!found || l->width[c] > *found))
			found = &l->width[c];
	if (!found && l->width[0] > COLUMN_MIN)
		found = &l->width[0];
	return found;
}

static void lay_out(const struct table *t, struct layout *l)
{
	size_t *column;

	l->gap = GAP;
	for (size_t c = 0; c < t->columns; c++) {
		l->width[c] = text_width(t->header[c]);
		for (size_t r = 0; r < t->rows; r++) {
			size_t w = text_width(cell_text(t, r, c));

			if (w > l->width[c])
				l->width[c] = w;
		}
	}
	if (!t->max_width || total_width(t, l) <= t->max_width)
		return;
	l->gap = NARROW_GAP;
	while (total_width(t, l) > t->max_width && (column = widest(t, l)))
		--*column;
}

static void put_cell(const struct table *t, const struct layout *l, size_t c,
		     const char *text, enum table_style style, struct buf *out)
{
	bool styled = l->colors && style != STYLE_PLAIN;
	autofree char *cut = NULL;
	size_t width = text_width(text);

	if (width > l->width[c]) {
		cut = text_fit(text, l->width[c]);
		text = cut ? cut : "";
		width = text_width(text);
	}
	if (styled)
		(void)buf_str(out, style_on(style));
	(void)buf_str(out, text);
	if (styled)
		(void)buf_str(out, STYLE_OFF);
	if (c + 1 < t->columns)
		(void)buf_printf(out, "%*s",
				 (int)(l->width[c] - width + l->gap), "");
}

int table_print(const struct table *t, bool colors, struct buf *out)
{
	struct layout l = { .colors = colors };

	if (t->failed)
		return -ENOMEM;
	if (!t->rows)
		return 0;
	lay_out(t, &l);
	for (size_t c = 0; c < t->columns; c++)
		put_cell(t, &l, c, t->header[c], STYLE_CYAN_BOLD, out);
	(void)buf_str(out, "\n");
	for (size_t r = 0; r < t->rows; r++) {
		for (size_t c = 0; c < t->columns; c++)
			put_cell(t, &l, c, cell_text(t, r, c),
				 t->cells[r * t->columns + c].style, out);
		(void)buf_str(out, "\n");
	}
	return out->failed ? -ENOMEM : 0;
}
