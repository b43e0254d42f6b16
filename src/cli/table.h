/* SPDX-License-Identifier: Apache-2.0 */
/* Columns aligned by display width. */
#ifndef MSB_CLI_TABLE_H
#define MSB_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define TABLE_MAX_COLUMNS 12

/*
 * Terminal columns the UTF-8 text takes; what is not UTF-8 counts one each. A
 * base with its marks, a family of emoji and a flag are one thing.
 */
size_t text_width(const char *text);

/*
 * Append text with control characters, those that turn the direction of text,
 * and bytes that are not UTF-8 replaced by '?', so that what a name holds can
 * neither drive the terminal nor look like another one.
 */
void text_put_safe(struct buf *b, const char *text);

/*
 * The longest prefix of at most max columns; a longer text is cut to max - 3
 * and "..." is added. malloc'ed, NULL when out of memory.
 */
char *text_cut(const char *text, size_t max);
/* The same with "…", which takes one column. */
char *text_fit(const char *text, size_t max);

enum table_style {
	STYLE_PLAIN,
	STYLE_GREEN_BOLD,
	STYLE_YELLOW_BOLD,
	STYLE_RED_BOLD,
	STYLE_CYAN_BOLD,
	STYLE_BLUE_BOLD,
	STYLE_BOLD,
	STYLE_DIM,
	STYLE_GREEN,
	STYLE_CYAN,
};
/* Escape sequence that switches a style on; "" for plain. */
const char *style_on(enum table_style style);
#define STYLE_OFF "\033[0m"

struct cell {
	char *text; /* owned */
	enum table_style style;
};

struct table {
	const char *const *header;
	size_t columns;
	struct cell *cells; /* owned, rows * columns */
	size_t rows;
	bool failed;	  /* out of memory; printing reports it */
	size_t max_width; /* columns become narrower to fit; 0: no limit */
};

void table_init(struct table *t, const char *const *header, size_t columns);
void table_fini(struct table *t);
/* Begin a row of empty cells. */
void table_row(struct table *t);
/* Set a cell of the last row; text is copied. */
void table_set(struct table *t, size_t column, const char *text,
	       enum table_style style);
/* Nothing at all for a table without rows. 0 or -ENOMEM. */
int table_print(const struct table *t, bool colors, struct buf *out);

#endif
