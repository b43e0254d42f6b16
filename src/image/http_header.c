/* SPDX-License-Identifier: Apache-2.0 */
/* Header lines of a response. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "image/http_int.h"

#define MAX_CHALLENGES 16u

void http_response_init(struct http_response *r)
{
	memset(r, 0, sizeof(*r));
	r->size = HTTP_SIZE_UNKNOWN;
	r->range_start = HTTP_SIZE_UNKNOWN;
}

void http_response_fini(struct http_response *r)
{
	free(r->location);
	free(r->content_type);
	free(r->content_digest);
	free(r->refusal);
	strv_fini(&r->authenticate);
	http_response_init(r);
}

/* The value without blanks around it, malloc'ed. */
static int take_value(const char *value, size_t len, char **ret)
{
	while (len && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	while (len && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)value[i] < ' ' && value[i] != '\t')
			return -EPROTO;
	*ret = strndup(value, len);
	return *ret ? 0 : -ENOMEM;
}

static int set_text(char **field, const char *value, size_t len)
{
	char *text;
	int rc = take_value(value, len, &text);

	if (rc)
		return rc;
	free(*field);
	*field = text;
	return 0;
}

static int add_challenge(struct http_response *r, const char *value, size_t len)
{
	char *text;
	int rc;

	if (r->authenticate.n >= MAX_CHALLENGES)
		return 0;
	rc = take_value(value, len, &text);
	return rc ? rc : strv_take(&r->authenticate, text);
}

/* "bytes 100-199/200" or "bytes 100-199" and "*" for the size. */
static void set_range(struct http_response *r, const char *value, size_t len)
{
	autofree char *text = NULL;
	char *dash, *start;

	if (take_value(value, len, &text) || !str_starts(text, "bytes "))
		return;
	start = text + strlen("bytes ");
	dash = strchr(start, '-');
	if (!dash)
		return;
	*dash = 0;
	if (str_to_u64(start, &r->range_start))
		r->range_start = HTTP_SIZE_UNKNOWN;
}

static bool is(const char *name, size_t len, const char *want)
{
	return len == strlen(want) && !strncasecmp(name, want, len);
}

int http_header(struct http_response *r, const char *line, size_t len)
{
	const char *colon, *value;
	size_t name_len, value_len;

	while (len && (line[len - 1] == '\r' || line[len - 1] == '\n'))
		len--;
	if (len >= 5 && !memcmp(line, "HTTP/", 5)) {
		http_response_fini(r);
		return 0;
	}
	colon = memchr(line, ':', len);
	if (!colon)
		return 0;
	name_len = (size_t)(colon - line);
	value = colon + 1;
	value_len = len - name_len - 1;
	if (is(line, name_len, "WWW-Authenticate"))
		return add_challenge(r, value, value_len);
	if (is(line, name_len, "Content-Type"))
		return set_text(&r->content_type, value, value_len);
	if (is(line, name_len, "Docker-Content-Digest"))
		return set_text(&r->content_digest, value, value_len);
	if (is(line, name_len, "Content-Range"))
		set_range(r, value, value_len);
	return 0;
}
