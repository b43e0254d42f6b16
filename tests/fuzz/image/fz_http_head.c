/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a registry says before it gives anything: header lines, the challenges
 * in them, tokens. A token that is taken fits into a header.
 */
#include <stdlib.h>
#include <string.h>

#include "image/auth.h"
#include "image/http_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_token(const char *text, size_t len)
{
	char *token;

	if (auth_token_parse(text, len, &token, NULL))
		return;
	for (const char *p = token; *p; p++)
		if (*p <= ' ' || *p >= 0x7f)
			abort();
	free(token);
}

static void check_basic(const char *data, size_t len)
{
	char *text = strndup(data, len), *user, *pass;

	if (text && !auth_basic_decode(text, &user, &pass)) {
		if (!*user || !*pass || strchr(user, ':'))
			abort();
		free(user);
		free(pass);
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *line = (const char *)data, *end = line + len;
	struct auth_challenge c;
	struct http_response r;

	http_response_init(&r);
	while (line < end) {
		const char *next = memchr(line, '\n', (size_t)(end - line));
		size_t n = (size_t)((next ? next + 1 : end) - line);

		(void)http_header(&r, line, n); /* some are refused */
		line += n;
	}
	if (!auth_challenge_parse(&r.authenticate, &c)) {
		if (c.bearer && !c.realm)
			abort();
		auth_challenge_fini(&c);
	}
	http_response_fini(&r);
	check_token((const char *)data, len);
	check_basic((const char *)data, len);
	return 0;
}
