/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads of HTTP/1 (RFC 9112). What the guest sends is read strictly where a
 * proxy will read it, too. What a proxy answers is read as clients do: with
 * line ends that lack a CR.
 */
#include "net/tls/head.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "net/http/request_int.h"

#define METHOD_MAX 32u
#define BLANK_MAX 64u	/* line ends in front of a request */
#define LINE_SURE 8192u /* a word and so long a second one: a request */
#define CONNECT_WORD "CONNECT "
#define VERSION_WORD "HTTP/"

static bool is_token(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

/* --- the first bytes --- */

size_t head_blank(const void *data, size_t len)
{
	const char *p = data;
	size_t n = 0;

	while (n < len && (p[n] == '\r' || p[n] == '\n'))
		n++;
	return n;
}

/* The first word, as far as it is there. */
static bool may_be_method(const char *p, size_t n)
{
	/* in any case: proxies are known that do not mind */
	if (n < sizeof(CONNECT_WORD) && strncasecmp(p, CONNECT_WORD, n) == 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (!(p[i] >= 'A' && p[i] <= 'Z') &&
		    !(p[i] >= '0' && p[i] <= '9') && p[i] != '-' && p[i] != '_')
			return false;
	return n <= METHOD_MAX;
}

/* Of a server, of all there is, or of another one. */
static bool may_be_target(const char *p, size_t n)
{
	return *p == '/' || *p == '*' ||
	       strncasecmp(p, "http", n < 4 ? n : 4) == 0;
}

/* What follows the method: a target, and a version behind it. */
static enum http_first second_word(const char *p, size_t len)
{
	const size_t version = sizeof(VERSION_WORD) - 1;
	size_t n = 0;

	while (n < len && p[n] != ' ' && p[n] != '\r' && p[n] != '\n')
		n++;
	if (len && (!n || !may_be_target(p, n)))
		return HTTP_NOT;
	if (n == len)
		return n < LINE_SURE ? HTTP_UNSURE : HTTP_REQUEST;
	if (p[n] != ' ')
		return HTTP_NOT;
	p += n + 1;
	len -= n + 1;
	if (memcmp(p, VERSION_WORD, len < version ? len : version) != 0)
		return HTTP_NOT;
	return len < version ? HTTP_UNSURE : HTTP_REQUEST;
}

enum http_first http_first(const void *data, size_t len)
{
	const size_t connect = sizeof(CONNECT_WORD) - 1;
	size_t blank = head_blank(data, len), n = 0;
	const char *p = (const char *)data + blank;

	if (blank > BLANK_MAX)
		return HTTP_NOT;
	len -= blank;
	while (n < len && n <= METHOD_MAX && is_token((uint8_t)p[n]))
		n++;
	if (!may_be_method(p, n) || (n < len && (!n || p[n] != ' ')))
		return HTTP_NOT;
	if (n == len)
		return HTTP_UNSURE;
	if (n == connect - 1 && strncasecmp(p, CONNECT_WORD, connect) == 0)
		return HTTP_CONNECT;
	return second_word(p + n + 1, len - n - 1);
}

bool http_may_connect(const void *data, size_t len)
{
	const size_t blank = head_blank(data, len);

	len -= blank;
	return blank <= BLANK_MAX && len < sizeof(CONNECT_WORD) &&
	       strncasecmp((const char *)data + blank, CONNECT_WORD, len) == 0;
}

/* --- lines --- */

size_t head_end(const void *data, size_t len, size_t from)
{
	const char *p = data;
	/* a line end may be the last thing that was seen */
	size_t at = from > 2 ? from - 2 : 0;

	while (at < len) {
		const char *lf = memchr(p + at, '\n', len - at);

		if (!lf)
			return 0;
		at = (size_t)(lf - p) + 1;
		if (at < len && p[at] == '\n')
			return at + 1;
		if (len - at > 1 && p[at] == '\r' && p[at + 1] == '\n')
			return at + 2;
	}
	return 0;
}

/* The line at *pos without its end; *pos moves behind it. */
static size_t take_line(const char *head, size_t len, size_t *pos)
{
	const char *lf = memchr(head + *pos, '\n', len - *pos);
	size_t end = lf ? (size_t)(lf - head) : len, n = end - *pos;

	if (lf && n && head[end - 1] == '\r')
		n--;
	*pos = lf ? end + 1 : len;
	return n;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **p, size_t *n)
{
	while (*n && is_space(**p)) {
		(*p)++;
		(*n)--;
	}
	while (*n && is_space((*p)[*n - 1]))
		(*n)--;
}

bool head_next(const char *head, size_t len, size_t *pos,
	       struct head_field *ret)
{
	if (!*pos)
		(void)take_line(head, len, pos);
	while (*pos < len) {
		const char *line = head + *pos, *colon;
		size_t n = take_line(head, len, pos);

		colon = memchr(line, ':', n);
		if (!colon)
			continue;
		ret->name = line;
		ret->name_len = (size_t)(colon - line);
		ret->value = colon + 1;
		ret->value_len = n - ret->name_len - 1;
		trim(&ret->name, &ret->name_len);
		trim(&ret->value, &ret->value_len);
		return true;
	}
	return false;
}

bool head_is(const struct head_field *f, const char *name)
{
	return strlen(name) == f->name_len &&
	       strncasecmp(name, f->name, f->name_len) == 0;
}

/* Digits only; false: none, others, or too many. */
static bool number(const char *p, size_t len, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!len || len > 19)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (uint64_t)(p[i] - '0');
	}
	*ret = v;
	return v <= max;
}

/* --- CONNECT --- */

/* Every line ends in CR LF, and has neither of them, nor NUL, inside. */
static bool lines_are_plain(const char *head, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const uint8_t c = (uint8_t)head[i];

		if (c == '\r' && i + 1 < len && head[i + 1] == '\n')
			i++;
		else if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return len && head[len - 1] == '\n';
}

/* host:port; where the host ends is where the last colon is. */
static bool authority_parse(const char *p, size_t len, struct connect_head *ret)
{
	const char *colon = memrchr(p, ':', len);
	uint64_t port = 0;

	if (!colon ||
	    !number(colon + 1, len - (size_t)(colon + 1 - p), UINT16_MAX,
		    &port) ||
	    !port)
		return false;
	ret->port = (uint16_t)port;
	return authority_host(p, len, ret->host) == 0;
}

/* CONNECT SP authority SP HTTP/1.x; *pos moves behind the line. */
static bool request_line(const char *head, size_t len, size_t *pos,
			 struct connect_head *ret)
{
	const size_t word = sizeof(CONNECT_WORD) - 1;
	const size_t version = sizeof(" HTTP/1.") - 1;
	size_t n = take_line(head, len, pos);

	if (n < word + version + 1 || strncmp(head, CONNECT_WORD, word) != 0)
		return false;
	n -= version + 1;
	if (memcmp(head + n, " HTTP/1.", version) != 0 ||
	    (head[n + version] != '0' && head[n + version] != '1') ||
	    memchr(head + word, ' ', n - word))
		return false;
	return authority_parse(head + word, n - word, ret);
}

/* A tunnel has no content: what says otherwise would move its beginning. */
static bool field_is_good(const char *line, size_t n)
{
	const char *colon = memchr(line, ':', n);
	struct head_field f = { .name = line };

	if (!colon || colon == line)
		return false;
	f.name_len = (size_t)(colon - line);
	for (size_t i = 0; i < f.name_len; i++)
		if (!is_token((uint8_t)line[i]))
			return false;
	f.value = colon + 1;
	f.value_len = n - f.name_len - 1;
	trim(&f.value, &f.value_len);
	if (head_is(&f, "content-length"))
		return f.value_len == 1 && *f.value == '0';
	return !head_is(&f, "transfer-encoding");
}

const char *connect_parse(const char *head, size_t len,
			  struct connect_head *ret)
{
	size_t pos = 0;

	if (!lines_are_plain(head, len))
		return "its CONNECT request is not valid";
	if (!request_line(head, len, &pos, ret))
		return "its CONNECT request names no host:port";
	while (pos < len) {
		const char *line = head + pos;
		size_t n = take_line(head, len, &pos);

		if (!n)
			break;
		if (!field_is_good(line, n))
			return "a field of its CONNECT request is not valid";
	}
	return pos == len ? NULL : "its CONNECT request is not valid";
}

/* --- the proxy's answer --- */

int reply_parse(const char *head, size_t len, struct reply_head *ret)
{
	const size_t version = sizeof("HTTP/1.x ") - 1;
	struct head_field f;
	uint64_t v = 0;
	size_t pos = 0, n = take_line(head, len, &pos);
	bool coded = false;

	*ret = (struct reply_head){ 0 };
	if (n < version + 3 || memcmp(head, "HTTP/1.", version - 2) != 0 ||
	    (head[version - 2] != '0' && head[version - 2] != '1') ||
	    head[version - 1] != ' ' || !number(head + version, 3, 999, &v) ||
	    v < 100 || (n > version + 3 && head[version + 3] != ' '))
		return -EPROTO;
	ret->status = (unsigned)v;
	while (head_next(head, len, &pos, &f)) {
		if (head_is(&f, "transfer-encoding"))
			coded = true;
		if (!head_is(&f, "content-length"))
			continue;
		if (!number(f.value, f.value_len, INT64_MAX, &v) ||
		    (ret->has_length && v != ret->length))
			return -EPROTO;
		ret->has_length = true;
		ret->length = v;
	}
	if (coded)
		ret->has_length = false;
	return 0;
}

/* --- any other request --- */

/* http://host... : where the host begins, and how long it is. */
static size_t absolute_host(const char *line, size_t n, const char **host)
{
	const char *target = memchr(line, ' ', n), *end;
	size_t len;

	if (!target)
		return 0;
	target++;
	len = n - (size_t)(target - line);
	if (len >= 7 && strncasecmp(target, "http://", 7) == 0)
		*host = target + 7;
	else if (len >= 8 && strncasecmp(target, "https://", 8) == 0)
		*host = target + 8;
	else
		return 0;
	end = *host;
	while (end < line + n && *end != '/' && *end != '?' && *end != '#' &&
	       *end != ' ')
		end++;
	return (size_t)(end - *host);
}

void request_target(const char *head, size_t len, struct request_target *ret)
{
	struct head_field f;
	const char *host = NULL;
	size_t pos = 0,
	       n = absolute_host(head, take_line(head, len, &pos), &host);

	*ret = (struct request_target){ .absolute = host != NULL };
	while (!host && head_next(head, len, &pos, &f)) {
		if (head_is(&f, "host")) {
			host = f.value;
			n = f.value_len;
		}
	}
	if (!host || authority_host(host, n, ret->host))
		ret->host[0] = '\0';
}
