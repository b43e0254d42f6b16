/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads, trailers and the lines of chunks. A head that is accepted is read the
 * same by a reader that forgives much: one who takes any line feed for a line's
 * end, and blanks wherever they are.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/http/h1_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct lenient {
	unsigned hosts, lengths, codings;
	uint64_t length;
};

static size_t skip(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && (uint8_t)p[i] <= ' ')
		i++;
	return i;
}

static void read_field(struct lenient *l, const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	size_t name, i = skip(p, n);

	if (!colon)
		return;
	p += i;
	name = (size_t)(colon - p);
	while (name && (uint8_t)p[name - 1] <= ' ')
		name--;
	if (name == 4 && !strncasecmp(p, "host", 4))
		l->hosts++;
	if (name == 17 && !strncasecmp(p, "transfer-encoding", 17))
		l->codings++;
	if (name == 14 && !strncasecmp(p, "content-length", 14)) {
		l->lengths++;
		colon++;
		colon += skip(colon, n - i - (size_t)(colon - p));
		l->length = strtoull(colon, NULL, 10);
	}
}

/* Like the readers one finds: until the first empty line. How much it is. */
static size_t read_lenient(struct lenient *l, const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		const char *lf = memchr(text + at, '\n', len - at);
		size_t n;

		if (!lf)
			abort();
		n = (size_t)(lf - (text + at));
		if (!n || (n == 1 && text[at] == '\r'))
			return at + n + 1;
		if (at)
			read_field(l, text + at, n);
		at += n + 1;
	}
	abort();
}

static void head(const char *text, size_t len, const char *host)
{
	struct lenient l = { 0 };
	struct h1_head h;
	const char *why;

	if (h1_head_parse(text, len, host, &h, &why))
		return;
	if (read_lenient(&l, text, len) != len)
		abort();
	if (l.hosts > 1 || (host && (l.hosts != 1 || strcmp(h.host, host))))
		abort();
	if (l.codings > 1 || (l.codings && l.lengths) ||
	    (h.framing == H1_CHUNKED) != (l.codings == 1) ||
	    (h.framing == H1_LENGTH) != (l.lengths > 0) ||
	    (l.lengths && l.length != h.length))
		abort();
}

static void chunk(const char *text, size_t len)
{
	char digits[32] = "";
	uint64_t size;
	const char *why;
	bool ext;

	if (h1_chunk_line(text, len, &size, &ext, &why))
		return;
	memcpy(digits, text, len < sizeof(digits) ? len : sizeof(digits) - 1);
	if (strtoull(digits, NULL, 16) != size ||
	    memchr(text, '\n', len) != text + len - 1)
		abort();
}

/* The first byte says who the head must be for. What is read has a line feed
 * at its end, as the stream makes sure of. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why;
	char *text;

	if (!size)
		return 0;
	/* of exactly this size, so that a read beyond it is noticed */
	text = malloc(size + 3);
	if (!text)
		abort();
	memcpy(text, data + 1, size - 1);
	memcpy(text + size - 1, "\r\n\r\n", 4);
	head(text, size + 3, *data & 1 ? "a.test" : NULL);
	(void)h1_trailers_check(text, size + 3, &why);
	chunk(text, size + 1);
	free(text);
	return 0;
}
