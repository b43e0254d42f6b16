/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one line of runtime.log or kernel.log. */
#include "logs/text_line.h"

#include <string.h>

#include "base/clock.h"
#include "logs/json_text.h"
#include "logs/stamp.h"

#define ESC 0x1b
#define BEL 0x07
#define DATE_MIN 20u /* of a first word that may be a time */
#define DATE_MAX 64u
#define SECONDS_DIGITS 9u
#define FRACTION_DIGITS 6u /* of the kernel's times */

/* Length of the escape sequence at p, which ends with the line at the latest.
 */
static size_t sequence_len(const uint8_t *p, size_t len)
{
	size_t i = 2;

	if (len < 2)
		return len;
	if (p[1] == '[') {
		while (i < len && (p[i] < 0x40 || p[i] > 0x7e))
			i++;
		return i < len ? i + 1 : len;
	}
	if (p[1] != ']')
		return 2;
	for (; i < len; i++) {
		if (p[i] == BEL)
			return i + 1;
		if (p[i] == ESC && i + 1 < len && p[i + 1] == '\\')
			return i + 2;
	}
	return len;
}

/* Copy to scratch what a person is to read of the line. */
static bool clean(struct buf *scratch, const uint8_t *p, size_t len)
{
	while (len) {
		bool valid = true;
		size_t n;

		if (*p == ESC) {
			n = sequence_len(p, len);
		} else {
			n = utf8_piece(p, len, &valid);
			(void)buf_append(scratch,
					 valid ? (const char *)p
					       : "\xef\xbf\xbd",
					 valid ? n : 3);
		}
		p += n;
		len -= n;
	}
	return !scratch->failed;
}

static bool needs_cleaning(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		i += json_plain_run(p + i, len - i);
		if (i < len && (p[i] == ESC || p[i] >= 0x80))
			return true;
	}
	return false;
}

/* "[   12.345678] text": the kernel's time since it started. */
static bool parse_uptime(const uint8_t *p, size_t len, int64_t *ret_ns)
{
	int64_t seconds = 0, us = 0;
	size_t i = 1, first;

	if (!len || p[0] != '[')
		return false;
	while (i < len && p[i] == ' ')
		i++;
	for (first = i; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
		if (i - first == SECONDS_DIGITS)
			return false;
		seconds = seconds * 10 + (p[i] - '0');
	}
	if (i == first || i == len || p[i] != '.')
		return false;
	for (first = ++i; i < len && p[i] >= '0' && p[i] <= '9'; i++) {
		if (i - first == FRACTION_DIGITS)
			return false;
		us = us * 10 + (p[i] - '0');
	}
	if (i - first != FRACTION_DIGITS || i == len || p[i] != ']')
		return false;
	*ret_ns = (seconds * 1000000 + us) * 1000;
	return true;
}

static bool is_text(const uint8_t *p, size_t len, const char *text)
{
	return strlen(text) == len && !memcmp(p, text, len);
}

/* A first word that is a time is taken off the body. */
static void take_date(struct text_line *l, bool kernel)
{
	size_t word = 0, text;

	while (word < l->len && word <= DATE_MAX && l->body[word] != ' ' &&
	       l->body[word] != '\t' && l->body[word] != '\n')
		word++;
	if (word < DATE_MIN || word > DATE_MAX || l->body[word - 1] != 'Z' ||
	    !stamp_parse(l->body, word, &l->ns))
		return;
	l->kind = TEXT_DATED;
	while (word < l->len && (l->body[word] == ' ' || l->body[word] == '\t'))
		word++;
	l->body += word;
	l->len -= word;
	text = l->len && l->body[l->len - 1] == '\n' ? l->len - 1 : l->len;
	if (kernel && is_text(l->body, text, BOOT_MARK))
		l->kind = TEXT_BOOT;
	else if (kernel && is_text(l->body, text, BOOT_MARK_AGAIN))
		l->kind = TEXT_BOOT_AGAIN;
}

bool text_line_parse(struct buf *scratch, bool kernel, const uint8_t *line,
		     size_t len, struct text_line *ret)
{
	size_t n = len && line[len - 1] == '\n' ? len - 1 : len;
	bool whole = n < len; /* the body can be had with its newline */

	while (n && line[n - 1] == '\r') {
		n--;
		whole = false;
	}
	ret->kind = TEXT_NONE;
	ret->body = line;
	ret->len = n + whole;
	if (!whole || needs_cleaning(line, n)) {
		buf_reset(scratch);
		if (!clean(scratch, line, n) || buf_str(scratch, "\n"))
			return false;
		ret->body = buf_data(scratch);
		ret->len = buf_len(scratch);
	}
	if (ret->len == 1) /* the newline */
		return true;
	ret->kind = TEXT_UNDATED;
	if (kernel && parse_uptime(ret->body, ret->len, &ret->ns))
		ret->kind = TEXT_UPTIME;
	else
		take_date(ret, kernel);
	return true;
}
