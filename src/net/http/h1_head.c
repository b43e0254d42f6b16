/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request (RFC 9110, 9112), read strictly. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "net/http/h1_int.h"

#define MAX_LENGTH_DIGITS 18u

struct parse {
	struct h1_head *head;
	const char *host; /* who it must be for, or NULL */
	bool http10;
	unsigned hosts, lengths, codings;
	const char **why;
};

static int refuse(const char **why, const char *text)
{
	*why = text;
	return -EPROTO;
}

/* RFC 9110, 5.6.2 */
static bool is_token(struct h1_text t)
{
	for (size_t i = 0; i < t.n; i++) {
		const char c = t.p[i];

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9'))
			continue;
		if (!c || !strchr("!#$%&'*+-.^_`|~", c))
			return false;
	}
	return t.n > 0;
}

static bool is_text(struct h1_text t, const char *word)
{
	return t.n == strlen(word) && memcmp(t.p, word, t.n) == 0;
}

static bool is_word(struct h1_text t, const char *word)
{
	return t.n == strlen(word) && strncasecmp(t.p, word, t.n) == 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct h1_text trim(const char *p, size_t n)
{
	while (n && is_blank(*p)) {
		p++;
		n--;
	}
	while (n && is_blank(p[n - 1]))
		n--;
	return (struct h1_text){ p, n };
}

bool h1_name_is(const struct h1_line *l, const char *name)
{
	return is_word(l->name, name);
}

/* The next element of a comma-separated list; empty ones are left out. */
static bool item_next(struct h1_text *rest, struct h1_text *ret)
{
	while (rest->n) {
		const char *comma = memchr(rest->p, ',', rest->n);
		size_t n = comma ? (size_t)(comma - rest->p) : rest->n;

		*ret = trim(rest->p, n);
		n += comma != NULL;
		rest->p += n;
		rest->n -= n;
		if (ret->n)
			return true;
	}
	return false;
}

/* The line up to CR LF, of text that has one. */
static struct h1_text take_line(struct h1_text *rest)
{
	const char *lf = memchr(rest->p, '\n', rest->n);
	const size_t n = (size_t)(lf - rest->p) + 1;
	const struct h1_text line = { rest->p, n - 2 };

	rest->p += n;
	rest->n -= n;
	return line;
}

bool h1_line_next(struct h1_text *rest, struct h1_line *ret)
{
	const char *colon;
	size_t n;

	ret->all = take_line(rest);
	if (!ret->all.n)
		return false;
	colon = memchr(ret->all.p, ':', ret->all.n);
	n = colon ? (size_t)(colon - ret->all.p) : ret->all.n;
	ret->name = (struct h1_text){ ret->all.p, n };
	n += colon != NULL;
	ret->value = trim(ret->all.p + n, ret->all.n - n);
	return true;
}

/* Every line feed has its carriage return, and no other bytes below blank are
 * there but tabs: then lines are the same to every reader. */
static int check_bytes(struct h1_text t, const char **why)
{
	for (size_t i = 0; i < t.n; i++) {
		const uint8_t c = (uint8_t)t.p[i];

		if ((c >= ' ' && c != 0x7f) || c == '\t')
			continue;
		if (c == '\r' && i + 1 < t.n && t.p[i + 1] == '\n') {
			i++;
			continue;
		}
		return refuse(why, "its head has control characters");
	}
	if (!utf8_valid(t.p, t.n))
		return refuse(why, "its head is no text");
	return 0;
}

static int check_line(const struct h1_line *l, unsigned *count,
		      const char **why)
{
	/* also a line that is continued: it begins with a blank */
	if (!is_token(l->name) || l->name.n == l->all.n)
		return refuse(why, "a line of its head is no field");
	if (++*count > HTTP_MAX_FIELDS)
		return refuse(why, "its head has too many fields");
	return 0;
}

/* --- the request line --- */

static int parse_version(struct parse *p, struct h1_text t)
{
	if (t.n != 8 || memcmp(t.p, "HTTP/1.", 7) != 0 || t.p[7] < '0' ||
	    t.p[7] > '9')
		return refuse(p->why, "it is not of HTTP 1");
	p->http10 = t.p[7] == '0';
	return 0;
}

static int check_host(const struct parse *p, struct h1_text authority,
		      char ret[NET_NAME_MAX + 1])
{
	if (authority_host(authority.p, authority.n, ret))
		return refuse(p->why, "the host it names is not valid");
	if (p->host && strcmp(ret, p->host) != 0)
		return refuse(p->why, "it is for another host than the "
				      "connection");
	return 0;
}

/* scheme://authority/path?query */
static int check_absolute(const struct parse *p, struct h1_text target)
{
	const char *sep = memmem(target.p, target.n, "://", 3);
	const char *end = target.p + target.n;
	char host[NET_NAME_MAX + 1];
	struct h1_text authority;

	if (!sep ||
	    !is_token((struct h1_text){ target.p, (size_t)(sep - target.p) }))
		return refuse(p->why, "its target is not valid");
	authority.p = sep + 3;
	authority.n = 0;
	while (authority.p + authority.n < end &&
	       authority.p[authority.n] != '/' &&
	       authority.p[authority.n] != '?')
		authority.n++;
	return check_host(p, authority, host);
}

static int parse_target(struct parse *p, struct h1_text target)
{
	struct h1_head *r = p->head;
	const char *mark = memchr(target.p, '?', target.n);
	char host[NET_NAME_MAX + 1];

	for (size_t i = 0; i < target.n; i++)
		if (is_blank(target.p[i]))
			return refuse(p->why, "its first line is not valid");
	r->path = target;
	if (mark) {
		r->path.n = (size_t)(mark - target.p);
		r->query.p = mark + 1;
		r->query.n = target.n - r->path.n - 1;
	}
	if (is_text(r->method, "CONNECT")) {
		r->leaves = true;
		return check_host(p, target, host);
	}
	if (*target.p == '/' ||
	    (is_text(target, "*") && is_text(r->method, "OPTIONS")))
		return 0;
	return check_absolute(p, target);
}

static int parse_request(struct parse *p)
{
	const struct h1_text line = p->head->request;
	const char *first = memchr(line.p, ' ', line.n);
	const char *last = memrchr(line.p, ' ', line.n);
	const char *end = line.p + line.n;
	struct h1_text target;
	int rc;

	if (!first || last - first < 2)
		return refuse(p->why, "its first line is not valid");
	p->head->method = (struct h1_text){ line.p, (size_t)(first - line.p) };
	if (!is_token(p->head->method))
		return refuse(p->why, "its method is not valid");
	target = (struct h1_text){ first + 1, (size_t)(last - first) - 1 };
	rc = parse_version(
		p, (struct h1_text){ last + 1, (size_t)(end - last) - 1 });
	return rc ? rc : parse_target(p, target);
}

/* --- fields --- */

static int on_host(struct parse *p, struct h1_text value)
{
	if (p->hosts++)
		return refuse(p->why, "it names its host twice");
	return check_host(p, value, p->head->host);
}

static int on_length(struct parse *p, struct h1_text value)
{
	uint64_t n = 0;

	if (!value.n || value.n > MAX_LENGTH_DIGITS)
		return refuse(p->why, "its Content-Length is not valid");
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] < '0' || value.p[i] > '9')
			return refuse(p->why,
				      "its Content-Length is not valid");
		n = n * 10 + (uint64_t)(value.p[i] - '0');
	}
	if (p->lengths++ && n != p->head->length)
		return refuse(p->why, "it has two Content-Lengths");
	p->head->framing = H1_LENGTH;
	p->head->length = n;
	return 0;
}

static int on_transfer(struct parse *p, struct h1_text value)
{
	if (p->codings++ || !is_word(value, "chunked"))
		return refuse(p->why, "its Transfer-Encoding is not chunked");
	return 0;
}

static int on_content_encoding(struct parse *p, struct h1_text value)
{
	struct h1_text item;

	while (item_next(&value, &item))
		if (!is_word(item, "identity"))
			p->head->encoded = true;
	return 0;
}

/* A connection that goes on as HTTP/2 is not looked at as such. */
static int on_upgrade(struct parse *p, struct h1_text value)
{
	struct h1_text item;

	while (item_next(&value, &item)) {
		const char *slash = memchr(item.p, '/', item.n);
		const struct h1_text name = { item.p,
					      slash ? (size_t)(slash - item.p)
						    : item.n };

		if (is_word(name, "http") ||
		    (name.n > 1 && strncasecmp(name.p, "h2", 2) == 0))
			return refuse(p->why, "it asks for HTTP/2 by Upgrade");
		p->head->leaves = true;
	}
	return 0;
}

/* What is named here, a proxy on the way takes out. */
static int on_connection(struct parse *p, struct h1_text value)
{
	struct h1_text item;

	while (item_next(&value, &item))
		if (is_word(item, "host") || is_word(item, "content-length") ||
		    is_word(item, "transfer-encoding"))
			return refuse(p->why, "its Connection field takes out "
					      "what it is read by");
	return 0;
}

static const struct field {
	const char *name;
	int (*on)(struct parse *p, struct h1_text value);
} known[] = {
	{ "host", on_host },
	{ "content-length", on_length },
	{ "transfer-encoding", on_transfer },
	{ "content-encoding", on_content_encoding },
	{ "upgrade", on_upgrade },
	{ "connection", on_connection },
};

static int parse_fields(struct parse *p)
{
	struct h1_text rest = p->head->fields;
	struct h1_line line;
	unsigned count = 0;

	while (h1_line_next(&rest, &line)) {
		int rc = check_line(&line, &count, p->why);

		for (size_t i = 0; !rc && i < ARRAY_SIZE(known); i++)
			if (h1_name_is(&line, known[i].name))
				rc = known[i].on(p, line.value);
		if (rc)
			return rc;
	}
	return rest.n ? refuse(p->why, "it does not end with its head") : 0;
}

/* Where the body ends must not be a matter of taste. */
static int check_framing(struct parse *p)
{
	struct h1_head *r = p->head;

	if (p->host && !p->hosts)
		return refuse(p->why, "it names no host");
	if (p->codings && p->lengths)
		return refuse(p->why, "it has both Transfer-Encoding and "
				      "Content-Length");
	if (p->codings && p->http10)
		return refuse(p->why, "it has Transfer-Encoding in HTTP/1.0");
	if ((p->codings || p->lengths) && is_text(r->method, "CONNECT"))
		return refuse(p->why, "it is a CONNECT with a body");
	if (p->codings)
		r->framing = H1_CHUNKED;
	return 0;
}

int h1_head_parse(const char *text, size_t len, const char *host,
		  struct h1_head *ret, const char **why)
{
	struct parse p = { .head = ret, .host = host, .why = why };
	int rc;

	memset(ret, 0, sizeof(*ret));
	ret->text = (struct h1_text){ text, len };
	ret->fields = ret->text;
	rc = check_bytes(ret->text, why);
	if (rc)
		return rc;
	ret->request = take_line(&ret->fields);
	rc = parse_request(&p);
	if (!rc)
		rc = parse_fields(&p);
	return rc ? rc : check_framing(&p);
}

int h1_trailers_check(const char *text, size_t len, const char **why)
{
	/* they come too late to mean anything (RFC 9110, 6.5.1) */
	static const char *const never[] = { "host", "content-length",
					     "transfer-encoding",
					     "authorization" };
	struct h1_text rest = { text, len };
	struct h1_line line;
	unsigned count = 0;
	int rc = check_bytes(rest, why);

	while (!rc && h1_line_next(&rest, &line)) {
		rc = check_line(&line, &count, why);
		for (size_t i = 0; !rc && i < ARRAY_SIZE(never); i++)
			if (h1_name_is(&line, never[i]))
				rc = refuse(why, "a field is in its trailers "
						 "that may not be there");
	}
	return !rc && rest.n ? refuse(why, "its trailers do not end") : rc;
}
