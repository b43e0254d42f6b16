/* SPDX-License-Identifier: Apache-2.0 */
/* Formatting of exec.log lines. */
#include "logs/exec_entry.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"

static const char *const stream_text[] = { "stdout", "stderr", "output",
					   "system" };

_Static_assert(ARRAY_SIZE(stream_text) == LOG_STREAM_COUNT,
	       "stream_text[] does not match enum log_stream");

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* One control character, quote or backslash, as JSON wants it. */
static uint8_t *put_escape(uint8_t *out, uint8_t c)
{
	static const char hex[] = "0123456789abcdef";
	static const char named[] = "\"\\\b\f\n\r\t";
	static const char letter[] = "\"\\bfnrt";
	const char *at = c ? strchr(named, c) : NULL;

	*out++ = '\\';
	if (at) {
		*out++ = (uint8_t)letter[at - named];
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

/* Bytes at p that form one character, or one broken piece of it. */
static size_t sequence_len(const uint8_t *p, size_t len, bool *ret_valid)
{
	uint8_t lo, hi;
	unsigned want = lead_info(p[0], &lo, &hi);
	size_t n = 1;

	while (n < want && n < len && p[n] >= lo && p[n] <= hi) {
		n++;
		lo = 0x80;
		hi = 0xbf;
	}
	*ret_valid = want && n == want;
	return n;
}

#define SLICE 4096u /* input bytes per reservation */
#define EXPAND 6u   /* worst growth of one byte: \u00xx */

static void put_text(struct buf *out, const uint8_t *p, size_t len)
{
	while (len) {
		size_t end = len < SLICE ? len : SLICE, i = 0;
		/* a sequence may start at the last byte and run 3 past it */
		uint8_t *start = buf_reserve(out, (end + 4) * EXPAND);
		uint8_t *o = start;

		if (!start)
			return;
		while (i < end) {
			size_t run = i, n;
			bool valid;

			while (run < end && is_plain(p[run]))
				run++;
			memcpy(o, p + i, run - i);
			o += run - i;
			i = run;
			if (i == end)
				break;
			if (p[i] < 0x80) {
				o = put_escape(o, p[i++]);
				continue;
			}
			n = sequence_len(p + i, len - i, &valid);
			memcpy(o,
			       valid ? (const void *)(p + i) : "\xef\xbf\xbd",
			       valid ? n : 3);
			o += valid ? n : 3;
			i += n;
		}
		buf_commit(out, (size_t)(o - start));
		p += i;
		len -= i;
	}
}

int exec_entry_format(struct buf *out, uint64_t wall_ns, enum log_stream stream,
		      uint64_t id, const void *data, size_t len)
{
	char stamp[40];

	clock_format_rfc3339(wall_ns, 3, stamp, sizeof(stamp));
	(void)buf_printf(out, "{\"t\":\"%s\",\"s\":\"%s\",\"d\":\"", stamp,
			 stream_text[stream]);
	put_text(out, data, len);
	(void)buf_str(out, "\"");
	if (id)
		(void)buf_printf(out, ",\"id\":%llu", (unsigned long long)id);
	(void)buf_str(out, "}\n");
	return out->failed ? -ENOMEM : 0;
}
