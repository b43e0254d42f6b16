/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A regular expression, a newline, an entry: what is told of the expression
 * without compiling it has to hold for what matches. In a group, nothing is
 * told of it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/logs_grep.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool holds_one(const msb_log_text_t *texts, unsigned n,
		      const uint8_t *body, size_t len)
{
	for (unsigned i = 0; i < n; i++) {
		if (!texts[i].len)
			abort();
		if (memmem(body, len, texts[i].data, texts[i].len))
			return true;
	}
	return !n;
}

static void compare(const char *pattern, const uint8_t *body, size_t len)
{
	char *wrapped = str_fmt("(?:%s)", pattern);
	struct log_grep *plain = NULL, *group = NULL;
	msb_log_text_t texts[MSB_LOG_TEXTS_MAX];
	int a = -1, b = -1;
	struct err err;
	unsigned n;

	if (!log_grep_new(pattern, &plain, &err) &&
	    !log_grep_new(wrapped, &group, &err)) {
		n = log_grep_texts(plain, texts);
		a = log_grep_match(plain, body, len);
		b = log_grep_match(group, body, len);
		if (a >= 0 && b >= 0 && a != b)
			abort();
		if (b == 1 && !holds_one(texts, n, body, len))
			abort();
		if (log_grep_is_text(plain) && !n)
			abort();
	}
	log_grep_free(plain);
	log_grep_free(group);
	free(wrapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size);
	size_t n = end ? (size_t)(end - data) : size;
	char *pattern;

	if (n > 512)
		return 0;
	pattern = strndup((const char *)data, n);
	if (!pattern)
		return 0;
	n += end != NULL;
	compare(pattern, data + n, size - n);
	free(pattern);
	return 0;
}
