/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 (RFC 4648). */
#include "base/base64.h"

#include <errno.h>
#include <string.h>

int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '-')
		return 62;
	return c == '/' || c == '_' ? 63 : -1;
}

/* One to three bytes. */
static void encode_group(const uint8_t *in, size_t n, uint8_t out[4])
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	uint32_t bits = (uint32_t)in[0] << 16;

	if (n > 1)
		bits |= (uint32_t)in[1] << 8;
	if (n > 2)
		bits |= in[2];
	out[0] = (uint8_t)alphabet[bits >> 18];
	out[1] = (uint8_t)alphabet[bits >> 12 & 63];
	out[2] = n > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
	out[3] = n > 2 ? (uint8_t)alphabet[bits & 63] : '=';
}

int base64_encode(const void *data, size_t len, struct buf *out)
{
	const uint8_t *in = data;
	const size_t want = len / 3 * 4 + (len % 3 ? 4 : 0);
	uint8_t *to = buf_reserve(out, want);

	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < len; i += 3, to += 4)
		encode_group(in + i, len - i, to);
	buf_commit(out, want);
	return 0;
}

int base64_decode(const void *text, size_t len, struct buf *out)
{
	const uint8_t *in = text;
	uint32_t bits = 0;
	unsigned nbits = 0, pads = 0;
	uint8_t *to;
	size_t n = 0;

	for (; pads < 2 && len && in[len - 1] == '='; pads++)
		len--;
	if (len % 4 == 1 || (pads && (len + pads) % 4))
		return -EINVAL;
	to = buf_reserve(out, len / 4 * 3 + 2);
	if (!to)
		return -ENOMEM;
	for (size_t i = 0; i < len; i++) {
		const int digit = base64_digit(in[i]);

		if (digit < 0)
			return -EINVAL;
		bits = (bits << 6 | (uint32_t)digit) & 0xffffu;
		nbits += 6;
		if (nbits < 8)
			continue;
		nbits -= 8;
		to[n++] = (uint8_t)(bits >> nbits);
	}
	buf_commit(out, n);
	return 0;
}

int base64_decode_strict(const void *text, size_t len, struct buf *out)
{
	const uint8_t *in = text;
	unsigned pads = 0, spare;

	if (len % 4)
		return -EINVAL;
	if (!len)
		return 0;
	if (memchr(in, '-', len) || memchr(in, '_', len))
		return -EINVAL;
	if (in[len - 1] == '=')
		pads = in[len - 2] == '=' ? 2 : 1;
	/* bits of the last digit that are no data */
	spare = pads == 2 ? 15 : pads == 1 ? 3 : 0;
	if (base64_digit(in[len - 1 - pads]) & (int)spare)
		return -EINVAL;
	return base64_decode(text, len, out);
}
