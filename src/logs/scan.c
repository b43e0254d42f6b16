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

/* The longest run that stands in a line as it is. */
static struct log_text key_of(struct log_text text)
{
	struct log_text key = { text.p, 0 };
	size_t i = 0;

	while (i < text.len) {
		size_t first = i;

		while (i < text.len && is_key(text.p[i]))
			i++;
		if (i - first > key.len)
			key = (struct log_text){ text.p + first, i - first };
		i++;
	}
	return key;
}

void scan_init(struct scan *s, const struct log_text *texts, unsigned n)
{
	s->n = 0;
	s->reach = 0;
	for (unsigned i = 0; i < n; i++) {
		s->key[i] = key_of(texts[i]);
		if (!s->key[i].len)
			return; /* any line may hold this one */
		if (s->key[i].len > s->reach)
			s->reach = s->key[i].len;
	}
	s->n = n;
}

/* Is there one of the three at p? */
static inline bool is_place(const struct scan *s, const uint8_t *p, size_t left,
			    bool text)
{
	for (unsigned i = 0; i < s->n; i++)
		if (left >= s->key[i].len &&
		    !memcmp(p, s->key[i].p, s->key[i].len))
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

/* First and last bytes of keys. */
struct ends {
	__m128i first[SCAN_TEXTS], last[SCAN_TEXTS];
};

/* Bits of the 16 places from p on that deserve a closer look. */
static inline unsigned maybe16(const struct scan *s, const struct ends *e,
			       const uint8_t *p, bool text)
{
	__m128i a = load16(p), b, found, mark;

	found = _mm_and_si128(
		_mm_cmpeq_epi8(a, e->first[0]),
		_mm_cmpeq_epi8(load16(p + s->key[0].len - 1), e->last[0]));
	for (unsigned i = 1; i < s->n; i++) {
		b = load16(p + s->key[i].len - 1);
		found = _mm_or_si128(
			found, _mm_and_si128(_mm_cmpeq_epi8(a, e->first[i]),
					     _mm_cmpeq_epi8(b, e->last[i])));
	}
	if (text) {
		b = load16(p + BOOT_LEN - 1);
		found = _mm_or_si128(found, is16(a, ESC));
		mark = _mm_and_si128(is16(a, BOOT_MARK[0]),
				     is16(b, BOOT_MARK[BOOT_LEN - 1]));
	} else {
		b = load16(p + 1);
		found = _mm_or_si128(
			found, _mm_and_si128(is16(a, '\\'), is16(b, 'u')));
		mark = _mm_and_si128(is16(a, '"'), is16(b, 'e'));
	}
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(found, mark));
}
#endif

static inline size_t find(const struct scan *s, const uint8_t *p, size_t len,
			  bool text)
{
	size_t i = 0;

#ifdef __SSE2__
	/* bytes that are looked at for 16 places */
	size_t reach = 16 + (text ? BOOT_LEN - 1 : 1);
	struct ends e;

	for (unsigned k = 0; k < s->n; k++) {
		const struct log_text *key = &s->key[k];

		e.first[k] = _mm_set1_epi8((char)key->p[0]);
		e.last[k] = _mm_set1_epi8((char)key->p[key->len - 1]);
	}
	if (reach < 16 + s->reach - 1)
		reach = 16 + s->reach - 1;
	for (; len - i >= reach; i += 16) {
		unsigned maybe = maybe16(s, &e, p + i, text);

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
