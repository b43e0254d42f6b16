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
 */
#include "logs/scan.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define MARK_LEN 3u /* "e" with its quotes */

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
static bool is_place(const struct scan *s, const uint8_t *p, size_t left)
{
	if (left >= s->len && !memcmp(p, s->key, s->len))
		return true;
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
static __m128i load16(const uint8_t *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* Bits of the 16 places from p on that deserve a closer look. */
static unsigned maybe16(const uint8_t *p, size_t last, __m128i key_first,
			__m128i key_last)
{
	const __m128i slash = _mm_set1_epi8('\\'), u = _mm_set1_epi8('u');
	const __m128i quote = _mm_set1_epi8('"'), e = _mm_set1_epi8('e');
	__m128i a = load16(p), b = load16(p + 1), z = load16(p + last);
	__m128i key = _mm_and_si128(_mm_cmpeq_epi8(a, key_first),
				    _mm_cmpeq_epi8(z, key_last));
	__m128i escape =
		_mm_and_si128(_mm_cmpeq_epi8(a, slash), _mm_cmpeq_epi8(b, u));
	__m128i mark =
		_mm_and_si128(_mm_cmpeq_epi8(a, quote), _mm_cmpeq_epi8(b, e));

	return (unsigned)_mm_movemask_epi8(
		_mm_or_si128(key, _mm_or_si128(escape, mark)));
}
#endif

size_t scan_next(const struct scan *s, const uint8_t *p, size_t len)
{
	size_t i = 0;

#ifdef __SSE2__
	const size_t last = s->len - 1, reach = 16 + (last ? last : 1);
	const __m128i key_first = _mm_set1_epi8((char)s->key[0]);
	const __m128i key_last = _mm_set1_epi8((char)s->key[last]);

	for (; len - i >= reach; i += 16) {
		unsigned maybe = maybe16(p + i, last, key_first, key_last);

		for (; maybe; maybe &= maybe - 1) {
			size_t at = i + (unsigned)__builtin_ctz(maybe);

			if (is_place(s, p + at, len - at))
				return at;
		}
	}
#endif
	while (i < len && !is_place(s, p + i, len - i))
		i++;
	return i;
}
