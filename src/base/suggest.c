/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": edit distance over short words. */
#include "base/suggest.h"

#include <string.h>

#define MAX_WORD 48
#define MAX_EDITS 2

void suggest_init(struct suggest *s, const char *typed)
{
	s->typed = typed;
	s->best = NULL;
	s->distance = MAX_EDITS + 1;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/*
 * Letters to insert, drop, change or swap with their neighbour. Three rows of
 * the usual table are enough.
 */
static size_t edits(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][MAX_WORD + 1];

	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *row = rows[i % 3];
		const size_t *above = rows[(i + 2) % 3];
		const size_t *before = rows[(i + 1) % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			row[j] = min3(above[j] + 1, row[j - 1] + 1,
				      above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}
	}
	return rows[a_len % 3][b_len];
}

void suggest_add(struct suggest *s, const char *candidate)
{
	size_t a = strlen(s->typed), b = strlen(candidate), d;

	if (a > MAX_WORD || b > MAX_WORD)
		return;
	d = edits(s->typed, a, candidate, b);
	/* Two edits turn any two short words into each other. */
	if (d < s->distance && d * 2 < (a > b ? a : b) + 1) {
		s->distance = d;
		s->best = candidate;
	}
}
