/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 of log entries and cursors. */
#include "logs/base64.h"

#include <errno.h>

static const char alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *out, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint8_t *o = buf_reserve(out, (len + 2) / 3 * 4);
	size_t n = 0;

	if (!o)
		return;
	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t v = (uint32_t)p[i] << 16;

		if (left > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (left > 2)
			v |= p[i + 2];
		o[n++] = (uint8_t)alphabet[v >> 18];
		o[n++] = (uint8_t)alphabet[(v >> 12) & 63];
		o[n++] = left > 1 ? (uint8_t)alphabet[(v >> 6) & 63] : '=';
		o[n++] = left > 2 ? (uint8_t)alphabet[v & 63] : '=';
	}
	buf_commit(out, n);
}

/* 0 to 63, or 64 for a byte that stands for nothing. */
static uint32_t value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (c >= '0' && c <= '9')
		return c - '0' + 52u;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : 64;
}

/* n (2 to 4) characters make n - 1 bytes; the bits left over must be 0. */
static int take_group(const uint8_t *text, unsigned n, uint8_t *out)
{
	uint32_t v = 0;

	for (unsigned i = 0; i < 4; i++) {
		uint32_t c = i < n ? value_of(text[i]) : 0;

		if (c > 63)
			return -EINVAL;
		v = v << 6 | c;
	}
	out[0] = (uint8_t)(v >> 16);
	out[1] = (uint8_t)(v >> 8);
	out[2] = (uint8_t)v;
	return (n < 3 && out[1]) || (n < 4 && out[2]) ? -EINVAL : 0;
}

int base64_take(struct buf *out, const uint8_t *text, size_t len)
{
	uint8_t *o, last[3];
	size_t whole, n = 0;
	unsigned tail = 4;

	if (len % 4)
		return -EINVAL;
	if (!len)
		return 0;
	if (text[len - 1] == '=')
		tail = text[len - 2] == '=' ? 2 : 3;
	whole = len - 4;
	o = buf_reserve(out, len / 4 * 3);
	if (!o)
		return -ENOMEM;
	for (size_t i = 0; i < whole; i += 4, n += 3)
		if (take_group(text + i, 4, o + n))
			return -EINVAL;
	if (take_group(text + whole, tail, last))
		return -EINVAL;
	for (unsigned i = 0; i + 1 < tail; i++)
		o[n++] = last[i];
	buf_commit(out, n);
	return 0;
}
