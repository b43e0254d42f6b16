/* SPDX-License-Identifier: Apache-2.0 */
/* Width of text on a terminal, and text that is safe there. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"
#include "cli/table.h"
#include "cli/widths.h"

#define JOINER 0x200du
#define EMOJI_VARIANT 0xfe0fu

/* Sorted ranges. */
static bool in_ranges(uint32_t c, const struct char_range *r, size_t n)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (c < r[mid].first)
			n = mid;
		else if (c > r[mid].last)
			low = mid + 1;
		else
			return true;
	}
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

static bool is_flag_letter(uint32_t c)
{
	return c >= 0x1f1e6 && c <= 0x1f1ff;
}

static bool is_skin(uint32_t c)
{
	return c >= 0x1f3fb && c <= 0x1f3ff;
}

/*
 * Next thing that a terminal shows as one: a base and what belongs to it.
 * Returns its bytes; text is not empty.
 */
static size_t next_cluster(const char *text, size_t *ret_width)
{
	uint32_t base, c;
	size_t len = next_char(text, &base), width = char_width(base), n;
	bool joined = false, flag = is_flag_letter(base);

	for (; text[len]; len += n) {
		n = next_char(text + len, &c);
		if (joined && width == 2 && char_width(c) == 2) {
			joined = false; /* the next one of a family */
			continue;
		}
		if (flag && is_flag_letter(c)) {
			flag = false;
			width = 2;
			continue;
		}
		if (is_skin(c) && width == 2)
			continue;
		if (char_width(c))
			break;
		joined = c == JOINER;
		/* a sign that also has the form of an emoji, or a key cap */
		if (c == EMOJI_VARIANT && (base >= 0x2000 || base < 0x80) &&
		    width == 1)
			width = 2;
	}
	*ret_width = width;
	return len;
}

size_t text_width(const char *text)
{
	size_t width = 0, w;

	while (*text) {
		text += next_cluster(text, &w);
		width += w;
	}
	return width;
}

/* Marks that turn the direction of text, and the ends of lines that are no
 * control characters. */
static bool is_deceptive(uint32_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
	       c == 0x2028 || c == 0x2029;
}

void text_put_safe(struct buf *b, const char *text)
{
	uint32_t c;

	while (*text) {
		size_t n = next_char(text, &c);

		if (c < 0x20 || (c >= 0x7f && c < 0xa0) || is_deceptive(c) ||
		    (c == 0xfffd && n == 1))
			(void)buf_str(b, "?");
		else
			(void)buf_append(b, text, n);
		text += n;
	}
}

static char *cut(const char *text, size_t max, const char *end,
		 size_t end_width)
{
	size_t width = 0, len = 0, w;

	if (text_width(text) <= max)
		return strdup(text);
	if (max < end_width)
		return strdup("");
	while (text[len]) {
		size_t n = next_cluster(text + len, &w);

		if (width + w > max - end_width)
			break;
		width += w;
		len += n;
	}
	return str_fmt("%.*s%s", (int)len, text, end);
}

char *text_cut(const char *text, size_t max)
{
	return cut(text, max, "...", 3);
}

char *text_fit(const char *text, size_t max)
{
	return cut(text, max, "…", 1);
}
