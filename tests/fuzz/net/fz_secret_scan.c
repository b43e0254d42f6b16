/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placeholders that must not be in a stream that is cut anywhere, against a
 * simple version that decodes all of it and compares at every byte. What is
 * there is found; nothing else is, but for the beginning of a longer one that a
 * cut may make of it. The input is that of secret_substitute.
 */
#include "secret_fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- the simple version --- */

static int hex(const uint8_t *p, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		const char *digits = "0123456789abcdef";
		const int c = p[i] >= 'A' && p[i] <= 'F' ? p[i] + 32 : p[i];
		const char *at = c ? strchr(digits, c) : NULL;

		if (!at)
			return -1;
		v = v * 16 + (int)(at - digits);
	}
	return v;
}

static void put(struct buf *out, unsigned c)
{
	const uint8_t byte = (uint8_t)c;

	must(buf_append(out, &byte, 1) == 0);
}

static void decode_percent(const uint8_t *p, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] == '%' && len - i > 2 && hex(p + i + 1, 2) >= 0) {
			put(out, (unsigned)hex(p + i + 1, 2));
			i += 2;
		} else {
			put(out, p[i]);
		}
	}
}

static void put_utf8(struct buf *out, unsigned c)
{
	if (c < 0x80) {
		put(out, c);
	} else if (c < 0x800) {
		put(out, 0xc0 | c >> 6);
		put(out, 0x80 | (c & 63));
	} else if (c < 0x10000) {
		put(out, 0xe0 | c >> 12);
		put(out, 0x80 | (c >> 6 & 63));
		put(out, 0x80 | (c & 63));
	} else {
		put(out, 0xf0 | c >> 18);
		put(out, 0x80 | (c >> 12 & 63));
		put(out, 0x80 | (c >> 6 & 63));
		put(out, 0x80 | (c & 63));
	}
}

/* The number of a \uXXXX at p, or -1. */
static int unit_at(const uint8_t *p, size_t len)
{
	return len >= 6 && p[0] == '\\' && p[1] == 'u' ? hex(p + 2, 4) : -1;
}

/* A \uXXXX, with the other half if it is the first of two. How long it is. */
static size_t decode_unit(const uint8_t *p, size_t len, struct buf *out)
{
	const int unit = unit_at(p, len), low = unit_at(p + 6, len - 6);

	if (unit >= 0xd800 && unit < 0xdc00 && low >= 0xdc00 && low < 0xe000) {
		put_utf8(out, 0x10000u + ((unsigned)(unit - 0xd800) << 10) +
				      (unsigned)(low - 0xdc00));
		return 12;
	}
	if (unit >= 0xd800 && unit < 0xe000)
		put_utf8(out, 0xfffd);
	else
		put_utf8(out, (unsigned)unit);
	return 6;
}

static void decode_json(const uint8_t *p, size_t len, struct buf *out)
{
	static const char from[] = "\"/bfnrt", to[] = "\"/\b\f\n\r\t";
	size_t i = 0;

	while (i < len) {
		const char *at = p[i] == '\\' && i + 1 < len && p[i + 1]
					 ? strchr(from, p[i + 1])
					 : NULL;

		if (unit_at(p + i, len - i) >= 0) {
			i += decode_unit(p + i, len - i, out);
		} else if (at) {
			put(out, (uint8_t)to[at - from]);
			i += 2;
		} else if (p[i] == '\\' && i + 1 < len && p[i + 1] == '\\') {
			put(out, '\\');
			/* its second half may begin a unit, nothing else */
			i += unit_at(p + i + 1, len - i - 1) >= 0 ? 1 : 2;
		} else {
			put(out, p[i++]);
		}
	}
}

static bool is_word(const uint8_t *p, size_t len)
{
	static const char word[] = "basic";

	if (len < 6 || !p[5] || !strchr(" \t\r\n", p[5]))
		return false;
	for (size_t i = 0; i < 5; i++)
		if ((p[i] | 32) != word[i])
			return false;
	return true;
}

static int digit(uint8_t c)
{
	static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop"
				  "qrstuvwxyz0123456789+/-_";
	const char *at = c ? strchr(all, c) : NULL;

	return !at ? -1 : at - all > 63 ? (int)(at - all) - 2 : (int)(at - all);
}

/* The code at p. */
static void decode_base64(const uint8_t *p, size_t len, struct buf *out)
{
	size_t n = 0;

	while (n < len && digit(p[n]) >= 0)
		n++;
	for (size_t bit = 0; bit + 8 <= 6 * n; bit += 8) {
		unsigned c = 0;

		for (size_t i = bit; i < bit + 8; i++)
			c = c << 1 |
			    ((unsigned)digit(p[i / 6]) >> (5 - i % 6) & 1);
		put(out, c);
	}
}

/* --- what there is to be found --- */

struct sight {
	bool found;  /* some that must not be there */
	bool unsure; /* the beginning of a longer one hides one of them */
};

static bool blocked(const struct secrets_config *c, const char *placeholder)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->v[i].placeholder, placeholder) &&
		    !strcmp(c->v[i].allowed.v[0].name, FUZZ_HOST))
			return false;
	return true;
}

static void search_at(const struct secrets_config *c, const uint8_t *data,
		      size_t len, struct sight *s)
{
	const char *best = NULL;

	for (size_t i = 0; i < c->n; i++) {
		const char *p = c->v[i].placeholder;

		if (strlen(p) > len || memcmp(data, p, strlen(p)) != 0)
			continue;
		if (blocked(c, p))
			s->unsure = true;
		if (!best || strlen(p) > strlen(best))
			best = p;
	}
	if (best && blocked(c, best))
		s->found = true;
}

static void search(const struct secrets_config *c, const struct buf *b,
		   struct sight *s)
{
	for (size_t i = 0; i < buf_len(b); i++)
		search_at(c, buf_data(b) + i, buf_len(b) - i, s);
}

static struct sight simply(const struct secrets_config *c, const uint8_t *data,
			   size_t len)
{
	struct sight s = { 0 };
	struct buf b;

	buf_init(&b, 4 * FUZZ_MAX_TEXT);
	must(buf_append(&b, data, len) == 0);
	search(c, &b, &s);
	buf_reset(&b);
	decode_percent(data, len, &b);
	search(c, &b, &s);
	buf_reset(&b);
	decode_json(data, len, &b);
	search(c, &b, &s);
	for (size_t i = 0; i < len; i++) {
		size_t at = i + 5;

		if (!is_word(data + i, len - i))
			continue;
		while (at < len && data[at] && strchr(" \t\r\n", data[at]))
			at++;
		buf_reset(&b);
		decode_base64(data + at, len - at, &b);
		search(c, &b, &s);
	}
	buf_fini(&b);
	return s;
}

/* --- */

static bool in_parts(const struct secret_scope *s, uint32_t seed,
		     const uint8_t *data, size_t len)
{
	struct secret_found f = { 0 };
	struct secret_scan *scan;
	bool hit = false;

	must(secret_scan_new(s, &scan) == 0);
	for (size_t at = 0; at < len && !hit;) {
		const size_t n = fuzz_step(&seed, len - at);
		uint8_t *copy = fuzz_copy(data + at, n);

		hit = secret_scan_push(scan, copy, n, &f);
		free(copy);
		at += n;
	}
	must(!hit || (f.env_var && f.placeholder));
	secret_scan_free(scan);
	return hit;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret_found f;
	struct secret_bench b;
	struct secret_scope *s;
	struct sight want;
	uint32_t seed;
	bool hit;

	if (size > FUZZ_MAX_TEXT)
		size = FUZZ_MAX_TEXT;
	secret_bench_init(&b);
	fuzz_secrets(&b, &data, &size);
	seed = fuzz_byte(&data, &size);
	s = fuzz_scope(&b);
	want = simply(&b.config, data, size);
	must(secret_scan_text(s, SECRET_RAW, data, size, &f) == want.found);
	hit = in_parts(s, seed, data, size);
	must(!want.found || hit);
	must(!hit || want.found || want.unsure);
	secret_scope_free(s);
	secret_bench_fini(&b);
	return 0;
}
