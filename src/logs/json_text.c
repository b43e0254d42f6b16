/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of JSON strings. Sixteen bytes at a time where the processor has
 * SSE2, which all of x86-64 has; what is left at the end goes byte by byte, as
 * everything does elsewhere.
 */
#include "logs/json_text.h"

#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SLICE 4096u /* input bytes per reservation */
#define EXPAND 6u   /* worst growth of one byte: \u00xx */

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

#ifdef __SSE2__
/* Bit i is set when byte i of 16 is a quote, a backslash or a control; those
 * past ASCII are set in *ret_high. */
static unsigned special16(const uint8_t *p, unsigned *ret_high)
{
	__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"'));
	__m128i slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
	/* a signed comparison: those past ASCII are low, too */
	__m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
	__m128i all = _mm_or_si128(_mm_or_si128(quote, slash), low);

	*ret_high = (unsigned)_mm_movemask_epi8(v);
	return (unsigned)_mm_movemask_epi8(all) & ~*ret_high;
}
#endif

size_t json_plain_run(const uint8_t *p, size_t len)
{
	size_t i = 0;

#ifdef __SSE2__
	for (; len - i >= 16; i += 16) {
		unsigned high, stop = special16(p + i, &high);

		if (stop | high)
			return i + (unsigned)__builtin_ctz(stop | high);
	}
#endif
	while (i < len && is_plain(p[i]))
		i++;
	return i;
}

/* One control character, quote or backslash, as JSON wants it. */
static uint8_t *put_escape(uint8_t *out, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	static const char letter[] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  ['\f'] = 'f',
		['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\',
	};

	*out++ = '\\';
	if (letter[c]) {
		*out++ = (uint8_t)letter[c];
		return out;
	}
	*out++ = 'u';
	*out++ = '0';
	*out++ = '0';
	*out++ = (uint8_t)hex[c >> 4];
	*out++ = (uint8_t)hex[c & 15];
	return out;
}

/*
 * Length of the sequence a lead byte announces and the range its second byte
 * must be in (Unicode table 3-7, which rules out overlong forms, surrogates and
 * values past U+10FFFF); 0 for a byte that cannot lead.
 */
static unsigned lead_info(uint8_t c, uint8_t *lo, uint8_t *hi)
{
	*lo = 0x80;
	*hi = 0xbf;
	if (c >= 0xc2 && c <= 0xdf)
		return 2;
	if (c >= 0xe0 && c <= 0xef) {
		if (c == 0xe0)
			*lo = 0xa0;
		if (c == 0xed)
			*hi = 0x9f;
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (c == 0xf0)
			*lo = 0x90;
		if (c == 0xf4)
			*hi = 0x8f;
		return 4;
	}
	return 0;
}

size_t utf8_piece(const uint8_t *p, size_t len, bool *ret_valid)
{
	uint8_t lo, hi;
	unsigned want = lead_info(p[0], &lo, &hi);
	size_t n = 1;

	if (p[0] < 0x80) {
		*ret_valid = true;
		return 1;
	}
	while (n < want && n < len && p[n] >= lo && p[n] <= hi) {
		n++;
		lo = 0x80;
		hi = 0xbf;
	}
	*ret_valid = want && n == want;
	return n;
}

/* At least end bytes of p, at most 3 more; NULL: not UTF-8. */
static uint8_t *put_slice(uint8_t *o, const uint8_t *p, size_t len, size_t end,
			  size_t *ret_used)
{
	size_t i = 0;

	while (i < end) {
		size_t run = json_plain_run(p + i, end - i), n;
		bool valid;

		memcpy(o, p + i, run);
		o += run;
		i += run;
		if (i == end)
			break;
		if (p[i] < 0x80) {
			o = put_escape(o, p[i++]);
			continue;
		}
		n = utf8_piece(p + i, len - i, &valid);
		if (!valid)
			return NULL;
		memcpy(o, p + i, n);
		o += n;
		i += n;
	}
	*ret_used = i;
	return o;
}

bool json_put_text(struct buf *out, const uint8_t *p, size_t len)
{
	size_t before = buf_len(out);

	while (len) {
		size_t end = len < SLICE ? len : SLICE, used;
		/* a sequence may start at the last byte and run 3 past it */
		uint8_t *start = buf_reserve(out, (end + 4) * EXPAND), *o;

		if (!start)
			return false;
		o = put_slice(start, p, len, end, &used);
		if (!o) {
			out->len = out->head + before;
			return false;
		}
		buf_commit(out, (size_t)(o - start));
		p += used;
		len -= used;
	}
	return true;
}

void json_put_number(struct buf *out, uint64_t v)
{
	char text[20];
	size_t n = sizeof(text);

	do {
		text[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	(void)buf_append(out, text + n, sizeof(text) - n);
}

static bool is_hex(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
	       (c >= 'A' && c <= 'F');
}

/* Length of the escape at p; 0: not one of those that our own writer uses. */
static size_t escape_len(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 2)
		return 0;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return 2;
	case 'u':
		if (end - p >= 6 && p[2] == '0' && p[3] == '0' &&
		    (p[4] == '0' || p[4] == '1') && is_hex(p[5]))
			return 6;
		return 0;
	default:
		return 0;
	}
}

const uint8_t *json_string_end(const uint8_t *p, const uint8_t *end,
			       bool *ret_high)
{
	unsigned high = 0;
	size_t n;

	for (;;) {
#ifdef __SSE2__
		while (end - p >= 16) {
			unsigned here, stop = special16(p, &here);

			if (stop) {
				unsigned at = (unsigned)__builtin_ctz(stop);

				high |= here & ((1u << at) - 1);
				p += at;
				break;
			}
			high |= here;
			p += 16;
		}
#endif
		while (p < end && (is_plain(*p) || *p >= 0x80))
			high |= *p++ & 0x80u;
		if (p == end)
			return NULL;
		if (*p == '"')
			break;
		n = *p == '\\' ? escape_len(p, end) : 0;
		if (!n)
			return NULL;
		p += n;
	}
	*ret_high = high != 0;
	return p;
}

static uint8_t from_hex(uint8_t c)
{
	if (c <= '9')
		return (uint8_t)(c - '0');
	return (uint8_t)((c | 0x20) - 'a' + 10);
}

static uint8_t unescape_letter(uint8_t c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	default:
		return c;
	}
}

size_t json_unescape(const uint8_t *p, size_t len, uint8_t *out)
{
	const uint8_t *end = p + len;
	uint8_t *o = out;

	while (p < end) {
		const uint8_t *at = memchr(p, '\\', (size_t)(end - p));
		size_t run = (size_t)((at ? at : end) - p);

		memcpy(o, p, run);
		o += run;
		p += run;
		if (!at)
			break;
		if (p[1] == 'u') {
			*o++ = (uint8_t)(from_hex(p[4]) << 4 | from_hex(p[5]));
			p += 6;
		} else {
			*o++ = unescape_letter(p[1]);
			p += 2;
		}
	}
	return (size_t)(o - out);
}
