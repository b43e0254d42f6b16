/* SPDX-License-Identifier: Apache-2.0 */
/* What a server might decode, as a stream: cuts make no difference, and no
 * more is kept than an escape is long. */
#include <string.h>

#include "base/base64.h"
#include "net/secrets/secrets_int.h"

#define HIGH_FIRST 0xd800u /* surrogates */
#define LOW_FIRST 0xdc00u
#define LOW_LAST 0xdfffu
#define REPLACEMENT 0xfffdu
#define LETTERS 5u /* of "Basic" */
#define WINDOW 256u

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* --- escapes --- */

void unescape_init(struct unescape *u, bool json)
{
	*u = (struct unescape){ .json = json, .unchanged = SIZE_MAX };
}

static size_t put_unchanged(struct unescape *u, uint8_t *out, const void *data,
			    size_t len)
{
	memcpy(out, data, len);
	if (u->unchanged != SIZE_MAX)
		u->unchanged += len;
	return len;
}

static size_t put_decoded(struct unescape *u, uint8_t *out, uint32_t code)
{
	u->unchanged = 0;
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (uint8_t)(0xc0 | code >> 6);
		out[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (uint8_t)(0xe0 | code >> 12);
		out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		out[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | code >> 18);
	out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	out[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

/* It turned out to be none. */
static size_t put_held(struct unescape *u, uint8_t *out)
{
	const unsigned skip = u->half_out;
	const size_t n = put_unchanged(u, out, u->held + skip, u->nheld - skip);

	u->nheld = 0;
	u->half_out = false;
	return n;
}

static void hold(struct unescape *u, uint8_t c)
{
	u->held[u->nheld++] = c;
}

static uint32_t held_hex(const struct unescape *u, unsigned from)
{
	uint32_t v = 0;

	for (unsigned i = from; i < u->nheld; i++)
		v = v << 4 | (uint32_t)hex_digit(u->held[i]);
	return v;
}

/* c goes on with the escape that is held: what comes out; *taken: c is. */
static size_t percent_step(struct unescape *u, uint8_t c, uint8_t *out,
			   bool *taken)
{
	*taken = hex_digit(c) >= 0;
	if (!*taken)
		return put_held(u, out);
	hold(u, c);
	if (u->nheld < 3)
		return 0;
	out[0] = (uint8_t)held_hex(u, 1);
	u->nheld = 0;
	u->unchanged = 0;
	return 1;
}

static size_t put_lone_half(struct unescape *u, uint8_t *out)
{
	if (!u->high)
		return 0;
	u->high = 0;
	return put_decoded(u, out, REPLACEMENT);
}

/* A whole \uXXXX. */
static size_t put_unit(struct unescape *u, uint8_t *out, uint32_t unit)
{
	const uint16_t high = u->high;
	size_t n;

	u->nheld = 0;
	u->half_out = false;
	if (high && unit >= LOW_FIRST && unit <= LOW_LAST) {
		u->high = 0;
		return put_decoded(u, out,
				   0x10000u + ((high - HIGH_FIRST) << 10) +
					   (unit - LOW_FIRST));
	}
	n = put_lone_half(u, out);
	if (unit >= HIGH_FIRST && unit < LOW_FIRST) {
		u->high = (uint16_t)unit;
		u->unchanged = 0;
		return n;
	}
	if (unit >= LOW_FIRST && unit <= LOW_LAST)
		unit = REPLACEMENT;
	return n + put_decoded(u, out + n, unit);
}

/* \c; 0: that is no escape. */
static uint8_t short_escape(uint8_t c)
{
	switch (c) {
	case '"':
	case '/':
		return c;
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
		return 0;
	}
}

/* Behind a backslash. */
static size_t json_second(struct unescape *u, uint8_t c, uint8_t *out,
			  bool *taken)
{
	size_t n;

	*taken = true;
	if (c == 'u') {
		hold(u, c);
		return 0;
	}
	if (c == '\\' && !u->half_out) {
		n = put_lone_half(u, out);
		u->half_out = true;
		return n + put_decoded(u, out + n, c);
	}
	if (c == '\\') {
		u->half_out = false;
		return 0;
	}
	n = put_lone_half(u, out);
	if (short_escape(c) && !u->half_out) {
		u->nheld = 0;
		return n + put_decoded(u, out + n, short_escape(c));
	}
	*taken = false;
	return n + put_held(u, out + n);
}

static size_t json_step(struct unescape *u, uint8_t c, uint8_t *out,
			bool *taken)
{
	size_t n;

	if (u->nheld == 1)
		return json_second(u, c, out, taken);
	*taken = hex_digit(c) >= 0;
	if (*taken) {
		hold(u, c);
		return u->nheld < 6 ? 0 : put_unit(u, out, held_hex(u, 2));
	}
	n = put_lone_half(u, out);
	return n + put_held(u, out + n);
}

/* At a byte with nothing held. */
static size_t unescape_run(struct unescape *u, const uint8_t **data,
			   size_t *len, uint8_t *out, size_t cap)
{
	const int mark = u->json ? '\\' : '%';
	size_t n = 0, run = *len < cap ? *len : cap;
	const uint8_t *at = memchr(*data, mark, run);

	if (at)
		run = (size_t)(at - *data);
	if (run) {
		n = put_lone_half(u, out);
		if (run > cap - n)
			run = cap - n;
		n += put_unchanged(u, out + n, *data, run);
	} else {
		hold(u, (uint8_t)mark);
		run = 1;
	}
	*data += run;
	*len -= run;
	return n;
}

size_t unescape(struct unescape *u, const uint8_t **data, size_t *len,
		uint8_t *out, size_t cap)
{
	size_t n = 0;
	bool taken;

	while (*len && cap - n >= UNESCAPE_MIN) {
		if (!u->nheld) {
			n += unescape_run(u, data, len, out + n, cap - n);
			continue;
		}
		n += u->json ? json_step(u, **data, out + n, &taken)
			     : percent_step(u, **data, out + n, &taken);
		*data += taken;
		*len -= taken;
	}
	return n;
}

/* --- Basic credentials --- */

static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Inside of credentials: a byte that is complete, or -1. */
static int digit_step(struct credentials *d, uint8_t c)
{
	const int digit = base64_digit(c);

	if (digit < 0) {
		d->open = is_space(c) && !d->begun;
		return -1;
	}
	d->begun = true;
	d->bits = (d->bits << 6 | (uint32_t)digit) & 0xffffu;
	d->nbits += 6;
	if (d->nbits < 8)
		return -1;
	d->nbits -= 8;
	return (int)(d->bits >> d->nbits & 0xffu);
}

/* True: c is the white space behind the word. */
static bool word_step(struct credentials *d, uint8_t c)
{
	static const char word[] = "basic";

	if (d->word == LETTERS && is_space(c)) {
		d->word = 0;
		return true;
	}
	c |= 0x20;
	if (d->word < LETTERS && c == (uint8_t)word[d->word])
		d->word++;
	else
		d->word = c == (uint8_t)word[0];
	return false;
}

/* To where the word might begin. A window bounds what is read again for the
 * other letter. */
static void skip_to_word(const uint8_t **data, size_t *len)
{
	while (*len) {
		size_t n = *len < WINDOW ? *len : WINDOW;
		const uint8_t *small = memchr(*data, 'b', n), *big;
		bool here = small != NULL;

		if (small)
			n = (size_t)(small - *data);
		big = memchr(*data, 'B', n);
		if (big)
			n = (size_t)(big - *data);
		*data += n;
		*len -= n;
		if (here || big)
			return;
	}
}

size_t credentials_decode(struct credentials *d, const uint8_t **data,
			  size_t *len, uint8_t *out, size_t cap, bool *ended)
{
	size_t n = 0;

	*ended = false;
	while (n < cap && !*ended) {
		bool was_open = d->open;

		if (!was_open && !d->word)
			skip_to_word(data, len);
		if (!*len)
			break;
		if (was_open) {
			int byte = digit_step(d, **data);

			if (byte >= 0)
				out[n++] = (uint8_t)byte;
		}
		*ended = was_open && !d->open;
		if (word_step(d, **data)) {
			*ended = was_open;
			*d = (struct credentials){ .open = true };
		}
		(*data)++;
		(*len)--;
	}
	return n;
}
