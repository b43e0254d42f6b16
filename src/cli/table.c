/* SPDX-License-Identifier: Apache-2.0 */
/* Columns aligned by display width. */
#include "cli/table.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"

#define GAP "    "

struct range {
	uint32_t first, last;
};

/* Combining marks and other characters without a column of their own. */
static const struct range zero_width[] = {
	{ 0x0300, 0x036f },   { 0x0483, 0x0489 },   { 0x0591, 0x05bd },
	{ 0x0610, 0x061a },   { 0x064b, 0x065f },   { 0x06d6, 0x06dc },
	{ 0x0900, 0x0902 },   { 0x093c, 0x093c },   { 0x0941, 0x0948 },
	{ 0x094d, 0x094d },   { 0x0e31, 0x0e31 },   { 0x0e34, 0x0e3a },
	{ 0x0e47, 0x0e4e },   { 0x1ab0, 0x1aff },   { 0x1dc0, 0x1dff },
	{ 0x200b, 0x200f },   { 0x202a, 0x202e },   { 0x2060, 0x2064 },
	{ 0x20d0, 0x20f0 },   { 0x302a, 0x302d },   { 0x3099, 0x309a },
	{ 0xfe00, 0xfe0f },   { 0xfe20, 0xfe2f },   { 0xfeff, 0xfeff },
	{ 0x1f3fb, 0x1f3ff }, { 0xe0001, 0xe007f }, { 0xe0100, 0xe01ef },
};

/* East Asian wide and full-width characters, and emoji shown as such. */
static const struct range double_width[] = {
	{ 0x1100, 0x115f },   { 0x231a, 0x231b },   { 0x23e9, 0x23ec },
	{ 0x25fd, 0x25fe },   { 0x2614, 0x2615 },   { 0x2648, 0x2653 },
	{ 0x26a1, 0x26a1 },   { 0x26bd, 0x26be },   { 0x2705, 0x2705 },
	{ 0x274c, 0x274c },   { 0x2753, 0x2755 },   { 0x2795, 0x2797 },
	{ 0x2b1b, 0x2b1c },   { 0x2b50, 0x2b50 },   { 0x2e80, 0x303e },
	{ 0x3041, 0x33ff },   { 0x3400, 0x4dbf },   { 0x4e00, 0x9fff },
	{ 0xa000, 0xa4cf },   { 0xa960, 0xa97f },   { 0xac00, 0xd7a3 },
	{ 0xf900, 0xfaff },   { 0xfe30, 0xfe6f },   { 0xff00, 0xff60 },
	{ 0xffe0, 0xffe6 },   { 0x1f004, 0x1f004 }, { 0x1f0cf, 0x1f0cf },
	{ 0x1f18e, 0x1f19a }, { 0x1f200, 0x1f265 }, { 0x1f300, 0x1f64f },
	{ 0x1f680, 0x1f6fc }, { 0x1f7e0, 0x1f7eb }, { 0x1f90c, 0x1f9ff },
	{ 0x1fa70, 0x1faff }, { 0x20000, 0x3fffd },
};

static bool in_ranges(uint32_t c, const struct range *r, size_t n)
{
	for (size_t i = 0; i < n && r[i].first <= c; i++)
		if (c <= r[i].last)
			return true;
	return false;
}

static size_t char_width(uint32_t c)
{
	if (c < 0x300)
		return 1;
	if (in_ranges(c, zero_width, ARRAY_SIZE(zero_width)))
		return 0;
	return in_ranges(c, double_width, ARRAY_SIZE(double_width)) ? 2 : 1;
}

/* Next character; a byte that is not UTF-8 gives U+FFFD and length 1. */
static size_t next_char(const char *text, uint32_t *ret)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (strnlen(text, n) < n || !utf8_valid(text, n)) {
		*ret = 0xfffd;
		return 1;
	}
	*ret = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++)
		*ret = *ret << 6 | (p[i] & 0x3fu);
	return n;
}

size_t text_width(const char *text)
{
	size_t width = 0;
	uint32_t c;

	while (*text) {
		text += next_char(text, &c);
		width += char_width(c);
	}
	return width;
}

void text_put_safe(struct buf *b, const char *text)
{
	uint32_t c;

	while (*text) {
		size_t n = next_char(text, &c);

		if (c < 0x20 || (c >= 0x7f && c < 0xa0) ||
		    (c == 0xfffd && n == 1))
			(void)buf_str(b, "?");
		else
			(void)buf_append(b, text, n);
		text += n;
	}
}

char *text_cut(const char *text, size_t max)
{
	size_t width = 0, len = 0;
	uint32_t c;

	if (text_width(text) <= max)
		return strdup(text);
	for (;;) {
		size_t n = next_char(text + len, &c);

		if (width + char_width(c) > max - 3)
			break;
		width += char_width(c);
		len += n;
	}
	return str_fmt("%.*s...", (int)len, text);
}

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

static void put_cell(struct buf *out, const char *text, enum table_style style,
		     bool colors, size_t pad)
{
	bool styled = colors && style != STYLE_PLAIN;

	if (styled)
		(void)buf_str(out, style_on(style));
	(void)buf_str(out, text);
	if (styled)
		(void)buf_str(out, STYLE_OFF);
	if (!pad)
		return;
	for (size_t w = text_width(text); w < pad; w++)
		(void)buf_str(out, " ");
	(void)buf_str(out, GAP);
}

int table_print(const struct table *t, bool colors, struct buf *out)
{
	size_t width[TABLE_MAX_COLUMNS] = { 0 };

	if (t->failed)
		return -ENOMEM;
	if (!t->rows)
		return 0;
	for (size_t c = 0; c + 1 < t->columns; c++) {
		width[c] = text_width(t->header[c]);
		for (size_t r = 0; r < t->rows; r++) {
			const char *text = t->cells[r * t->columns + c].text;
			size_t w = text ? text_width(text) : 0;

			if (w > width[c])
				width[c] = w;
		}
	}
	for (size_t c = 0; c < t->columns; c++)
		put_cell(out, t->header[c], STYLE_CYAN_BOLD, colors, width[c]);
	(void)buf_str(out, "\n");
	for (size_t r = 0; r < t->rows; r++) {
		for (size_t c = 0; c < t->columns; c++) {
			const struct cell *cell = &t->cells[r * t->columns + c];

			put_cell(out, cell->text ? cell->text : "", cell->style,
				 colors, width[c]);
		}
		(void)buf_str(out, "\n");
	}
	return out->failed ? -ENOMEM : 0;
}
