/* SPDX-License-Identifier: Apache-2.0 */
/* The line in front of a chunk (RFC 9112, 7.1). */
#include <errno.h>

#include "net/http/h1_int.h"

#define MAX_DIGITS 15u /* a size that no reader's integer overflows */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int h1_chunk_line(const char *text, size_t len, uint64_t *ret, bool *ext,
		  const char **why)
{
	uint64_t size = 0;
	size_t n = 0, end;

	*why = "the line of a chunk is not valid";
	if (len < 2 || text[len - 2] != '\r')
		return -EPROTO;
	end = len - 2;
	for (int d; n < end && (d = hex_digit(text[n])) >= 0; n++) {
		if (n == MAX_DIGITS)
			return -EPROTO;
		size = size << 4 | (uint64_t)d;
	}
	/* Blanks behind the size are what readers disagree about. */
	if (!n || (n < end && text[n] != ';'))
		return -EPROTO;
	for (size_t i = n; i < end; i++) {
		const uint8_t c = (uint8_t)text[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return -EPROTO;
	}
	*why = NULL;
	*ext = n < end;
	*ret = size;
	return 0;
}
