/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding lines that may hold a text.
 *
 * A byte of an entry's data stands in its line
 *   as it is;
 *   as an escape of two characters, which only ", \, / and controls have;
 *   as \uxxxx;
 *   or not at all: the data is in base64, and the line has a key "e"; or it was
 *   not UTF-8, and U+FFFD (EF BF BD) stands for it.
 * So a run of bytes of the text that are neither of the second kind nor part of
 * EF BF BD is in the line, or else a \u or an "e" is. \u000x and \u001x, which
 * our own writer uses for controls, do not count. All three are looked for at
 * once.
 *
 * In lines of text, only an escape sequence that is left out can part the bytes
 * of such a run, so there it is the run, ESC, and what a boot's line says.
 */
#include "logs/scan.h"

#include <string.h>

#include "logs/text_line.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MARK_LEN 3u /* "e" with its quotes */
#define BOOT_LEN (sizeof(BOOT_MARK) - 1)
#define ESC 0x1b

static bool is_key(uint8_t c)
{
	return c >= 0x20 && c != '"' && c != '\\' && c != '/' && c != 0x7f &&
	       c != 0xef && c != 0xbf && c != 0xbd;
}

void scan_init(struct scan *s, const uint8_t *text, size_t len)
{
	size_t i = 0;

	s->key = text;
	s->len = 0;
	while (i < len) {
		size_t first = i;

		while (i < len && is_key(text[i]))
			i++;
		if (i - first > s->len) {
			s->key = text + first;
			s->len = i - first;
		}
		i++;
	}
}

/* Is there one of the three at p? */
static inline bool is_place(const struct scan *s, const uint8_t *p, size_t left,
			    bool text)
{
	if (left >= s->len && !memcmp(p, s->key, s->len))
		return true;
	if (text)
		return p[0] == ESC ||
		       (left >= BOOT_LEN && !memcmp(p, BOOT_MARK, BOOT_LEN));
	if (left < MARK_LEN)
		return false;
	if (p[0] == '"')
		return p[1] == 'e' && p[2] == '"';
	if (p[0] != '\\' || p[1] != 'u')
		return false;
	return left < 5 || p[2] != '0' || p[3] != '0' ||
	       (p[4] != '0' && p[4] != '1');
}

#ifdef __SSE2__
static inline __m128i load16(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline __m128i is16(__m128i v, uint8_t c)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8((char)c));
}

/* Bits of the 16 places from p on that deserve a closer look. */
static inline unsigned maybe16(const struct scan *s, const uint8_t *p,
			       bool text)
{
	const size_t last = s->len - 1;
	__m128i a = load16(p), b, first, second;
	__m128i key = _mm_and_si128(is16(a, s->key[0]),
				    is16(load16(p + last), s->key[last]));

	if (text) {
		b = load16(p + BOOT_LEN - 1);
		first = is16(a, ESC);
		second = _mm_and_si128(is16(a, BOOT_MARK[0]),
				       is16(b, BOOT_MARK[BOOT_LEN - 1]));
	} else {
		b = load16(p + 1);
		first = _mm_and_si128(is16(a, '\\'), is16(b, 'u'));
		second = _mm_and_si128(is16(a, '"'), is16(b, 'e'));
	}
	return (unsigned)_mm_movemask_epi8(
		_mm_or_si128(key, _mm_or_si128(first, second)));
}
#endif

static inline size_t find(const struct scan *s, const uint8_t *p, size_t len,
			  bool text)
{
	size_t i = 0;

#ifdef __SSE2__
	/* bytes that are looked at for 16 places */
	size_t reach = 16 + (text ? BOOT_LEN - 1 : 1);

	if (reach < 16 + s->len - 1)
		reach = 16 + s->len - 1;
	for (; len - i >= reach; i += 16) {
		unsigned maybe = maybe16(s, p + i, text);

		for (; maybe; maybe &= maybe - 1) {
			size_t at = i + (unsigned)__builtin_ctz(maybe);

			if (is_place(s, p + at, len - at, text))
				return at;
		}
	}
#endif
	while (i < len && !is_place(s, p + i, len - i, text))
		i++;
	return i;
}

size_t scan_next(const struct scan *s, const uint8_t *p, size_t len)
{
	return find(s, p, len, false);
}

size_t scan_next_text(const struct scan *s, const uint8_t *p, size_t len)
{
	return find(s, p, len, true);
}
