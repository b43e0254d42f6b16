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

static void compare(const char *pattern, const uint8_t *body, size_t len)
{
	char *wrapped = str_fmt("(?:%s)", pattern);
	struct log_grep *plain = NULL, *group = NULL;
	const char *literal;
	int a = -1, b = -1;
	struct err err;
	size_t n;

	if (!log_grep_new(pattern, &plain, &err) &&
	    !log_grep_new(wrapped, &group, &err)) {
		literal = log_grep_literal(plain, &n);
		a = log_grep_match(plain, body, len);
		b = log_grep_match(group, body, len);
		if (a >= 0 && b >= 0 && a != b)
			abort();
		if (b == 1 && literal && !memmem(body, len, literal, n))
			abort();
		if (log_grep_is_literal(plain) && !literal)
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
