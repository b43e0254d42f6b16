/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header list of a request. Servers hand requests on as HTTP/1, so nothing
 * may be in here that would mean something else there (RFC 9113, 8.2 and 10.3).
 */
#include <errno.h>
#include <string.h>

#include "net/http/h2_int.h"

#define LENGTH_DIGITS 18u

enum pseudo {
	PSEUDO_METHOD,
	PSEUDO_SCHEME,
	PSEUDO_AUTHORITY,
	PSEUDO_PATH,
	PSEUDO_PROTOCOL, /* RFC 8441: WebSocket and the like */
	PSEUDO_COUNT,
};

static const char *const pseudo_names[] = {
	":method", ":scheme", ":authority", ":path", ":protocol",
};
_Static_assert(ARRAY_SIZE(pseudo_names) == PSEUDO_COUNT,
	       "pseudo_names[] does not match enum pseudo");

static bool is(const char *text, size_t len, const char *word)
{
	return len == strlen(word) && !memcmp(text, word, len);
}

static bool named(const struct h2_list *l, const struct h2_field *f,
		  const char *name)
{
	return is(h2_name(l, f), f->name_len, name);
}

static bool is_pseudo(const struct h2_list *l, const struct h2_field *f)
{
	return f->name_len && *h2_name(l, f) == ':';
}

static enum pseudo pseudo_of(const struct h2_list *l, const struct h2_field *f)
{
	for (unsigned i = 0; i < PSEUDO_COUNT; i++)
		if (named(l, f, pseudo_names[i]))
			return (enum pseudo)i;
	return PSEUDO_COUNT;
}

static bool token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!token_char(text[i]))
			return false;
	return len > 0;
}

static bool good_name(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			return false;
	return is_token(text, len);
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool good_value(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return !len || (!blank(text[0]) && !blank(text[len - 1]));
}

static bool good_path(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 0x7f)
			return false;
	}
	return len && *text == '/';
}

/* Fields about one HTTP/1 connection, which a server that hands the request on
 * might believe. */
static bool of_connection(const struct h2_list *l, const struct h2_field *f)
{
	return named(l, f, "connection") || named(l, f, "transfer-encoding") ||
	       named(l, f, "keep-alive") || named(l, f, "upgrade") ||
	       named(l, f, "proxy-connection") ||
	       (named(l, f, "te") &&
		!is(h2_value(l, f), f->value_len, "trailers"));
}

static int check_field(struct request_ctx *ctx, const struct h2_list *l,
		       const struct h2_field *f)
{
	if (!good_name(h2_name(l, f), f->name_len))
		return h2_refuse(ctx, "bad field name");
	if (!good_value(h2_value(l, f), f->value_len))
		return h2_refuse(ctx, "bad field value");
	if (of_connection(l, f))
		return h2_refuse(ctx, "a field of HTTP/1 connections");
	return 0;
}

static int check_length(struct request_ctx *ctx, const struct h2_list *l,
			const struct h2_field *f, struct h2_request *r)
{
	const char *text = h2_value(l, f);

	if (r->has_length || !f->value_len || f->value_len > LENGTH_DIGITS)
		return h2_refuse(ctx, "bad Content-Length");
	for (size_t i = 0; i < f->value_len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return h2_refuse(ctx, "bad Content-Length");
		r->length = 10 * r->length + (uint64_t)(text[i] - '0');
	}
	r->has_length = true;
	return 0;
}

static int check_host(struct request_ctx *ctx, const struct h2_list *l,
		      const struct h2_field *f, const char *wanted)
{
	char host[NET_NAME_MAX + 1];

	if (authority_host(h2_value(l, f), f->value_len, host))
		return h2_refuse(ctx, "bad host");
	if (wanted && strcmp(host, wanted) != 0)
		return h2_refuse(ctx, "another host than the connection's");
	return 0;
}

/* Which pseudo-fields there must be and may be (RFC 9113, 8.3 and 8.5). */
static int check_shape(struct request_ctx *ctx, const struct h2_list *l,
		       const struct h2_field *const p[PSEUDO_COUNT])
{
	const struct h2_field *method = p[PSEUDO_METHOD],
			      *scheme = p[PSEUDO_SCHEME],
			      *path = p[PSEUDO_PATH];
	bool connect, star;

	if (!method || !is_token(h2_value(l, method), method->value_len))
		return h2_refuse(ctx, "bad :method");
	connect = is(h2_value(l, method), method->value_len, "CONNECT");
	if (p[PSEUDO_PROTOCOL] &&
	    (!connect || !is_token(h2_value(l, p[PSEUDO_PROTOCOL]),
				   p[PSEUDO_PROTOCOL]->value_len)))
		return h2_refuse(ctx, "bad :protocol");
	if (connect && !p[PSEUDO_PROTOCOL])
		return scheme || path ? h2_refuse(ctx, "bad CONNECT") : 0;
	if (!scheme || (!is(h2_value(l, scheme), scheme->value_len, "https") &&
			!is(h2_value(l, scheme), scheme->value_len, "http")))
		return h2_refuse(ctx, "bad :scheme");
	star = path && is(h2_value(l, path), path->value_len, "*") &&
	       is(h2_value(l, method), method->value_len, "OPTIONS");
	if (!path || (!star && !good_path(h2_value(l, path), path->value_len)))
		return h2_refuse(ctx, "bad :path");
	return 0;
}

/* The fields from i on, which are ordinary ones. */
static int check_fields(struct request_ctx *ctx, const struct h2_list *l,
			size_t i, struct h2_request *ret)
{
	const char *wanted = ctx->host;
	bool host = false;
	int rc = 0;

	if (!wanted && *ret->host)
		wanted = ret->host;
	for (; !rc && i < l->n; i++) {
		const struct h2_field *f = &l->v[i];

		rc = check_field(ctx, l, f);
		if (!rc && named(l, f, "content-length"))
			rc = check_length(ctx, l, f, ret);
		if (rc || !named(l, f, "host"))
			continue;
		if (host)
			return h2_refuse(ctx, "two hosts");
		host = true;
		rc = check_host(ctx, l, f, wanted);
	}
	return rc;
}

int h2_head_check(struct request_ctx *ctx, const struct h2_list *l,
		  struct h2_request *ret)
{
	const struct h2_field *p[PSEUDO_COUNT] = { 0 };
	size_t i;
	int rc;

	for (i = 0; i < l->n && is_pseudo(l, &l->v[i]); i++) {
		enum pseudo which = pseudo_of(l, &l->v[i]);

		if (which == PSEUDO_COUNT || p[which])
			return h2_refuse(ctx, "bad pseudo-field");
		p[which] = &l->v[i];
	}
	rc = check_shape(ctx, l, p);
	if (!rc && ctx->host && !p[PSEUDO_AUTHORITY])
		return h2_refuse(ctx, "no :authority");
	if (!rc && p[PSEUDO_AUTHORITY])
		rc = check_host(ctx, l, p[PSEUDO_AUTHORITY], ctx->host);
	return rc ? rc : check_fields(ctx, l, i, ret);
}

int h2_trailers_check(struct request_ctx *ctx, const struct h2_list *l)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < l->n; i++)
		rc = check_field(ctx, l, &l->v[i]); /* ":" is in no name */
	return rc;
}

static void copy(char *to, size_t size, const char *text, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(to, text, len);
	to[len] = 0;
}

void h2_head_describe(const struct h2_list *l, struct h2_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < l->n && is_pseudo(l, &l->v[i]); i++) {
		const struct h2_field *f = &l->v[i];
		const char *text = h2_value(l, f), *query;

		switch (pseudo_of(l, f)) {
		case PSEUDO_METHOD:
			copy(ret->method, sizeof(ret->method), text,
			     f->value_len);
			break;
		case PSEUDO_PATH:
			query = memchr(text, '?', f->value_len);
			copy(ret->path, sizeof(ret->path), text,
			     query ? (size_t)(query - text) : f->value_len);
			break;
		case PSEUDO_AUTHORITY:
			if (authority_host(text, f->value_len, ret->host))
				ret->host[0] = 0;
			break;
		case PSEUDO_SCHEME:
		case PSEUDO_PROTOCOL:
		case PSEUDO_COUNT:
			break;
		}
	}
}

/* Which part of a request it is that something was found in. */
static const char *location(const struct request_ctx *ctx,
			    const struct h2_list *l, const struct h2_field *f,
			    enum secret_form form)
{
	const char *text = h2_value(l, f), *query;
	struct secret_found found = { 0 };

	if (form == SECRET_BASIC)
		return "authorization_basic";
	if (!is_pseudo(l, f) || named(l, f, ":authority"))
		return "header";
	query = memchr(text, '?', f->value_len);
	if (query && named(l, f, ":path") &&
	    secret_scan_text(ctx->scope, SECRET_RAW, query,
			     f->value_len - (size_t)(query - text), &found))
		return "query";
	return "unknown";
}

bool h2_head_scan(struct request_ctx *ctx, const struct h2_list *l,
		  struct secret_found *ret)
{
	bool any = false;

	for (size_t i = 0; i < l->n; i++) {
		const struct h2_field *f = &l->v[i];
		struct secret_found found = { 0 };

		if (!secret_scan_text(ctx->scope, SECRET_RAW, h2_name(l, f),
				      f->value + f->value_len - f->name,
				      &found) ||
		    (any && found.action <= ret->action))
			continue;
		found.location = location(ctx, l, f, found.form);
		*ret = found;
		any = true;
	}
	return any;
}

/* What its check relied on has to stay as it is. */
static bool fixed(const struct h2_list *l, const struct h2_field *f)
{
	return is_pseudo(l, f) || named(l, f, "host") ||
	       named(l, f, "content-length") || named(l, f, "te");
}

static int put_authorization(struct request_ctx *ctx, const struct h2_list *l,
			     const struct h2_field *f, struct h2_list *ret,
			     struct secret_found *found)
{
	struct request_ctx sub = { .scope = ctx->scope, .host = ctx->host };
	int rc = authorization_value(&sub, h2_value(l, f), f->value_len,
				     &ret->text);

	if (rc == -EPERM)
		*found = sub.found;
	if (rc == -EPROTO)
		ctx->why = sub.why;
	return rc;
}

/* How many secrets went into the value, or -errno. */
static int put_value(struct request_ctx *ctx, const struct h2_list *l,
		     const struct h2_field *f, struct h2_list *ret,
		     struct secret_found *found)
{
	const char *text = h2_value(l, f);
	const char *query = memchr(text, '?', f->value_len);
	size_t keep = f->value_len;

	if (named(l, f, "authorization"))
		return put_authorization(ctx, l, f, ret, found);
	if (!fixed(l, f))
		return secret_substitute(ctx->scope, SECRET_IN_HEADER, text,
					 f->value_len, &ret->text);
	if (query && named(l, f, ":path"))
		keep = (size_t)(query + 1 - text);
	(void)buf_append(&ret->text, text, keep);
	return query_value(ctx, text + keep, f->value_len - keep, &ret->text);
}

static int put_name(struct request_ctx *ctx, const struct h2_list *l,
		    const struct h2_field *f, struct h2_list *ret)
{
	if (!fixed(l, f) && !named(l, f, "authorization"))
		return secret_substitute(ctx->scope, SECRET_IN_HEADER,
					 h2_name(l, f), f->name_len,
					 &ret->text);
	(void)buf_append(&ret->text, h2_name(l, f), f->name_len);
	return 0;
}

/* A secret may be of any bytes but those that end a line. */
static int check_changed(struct request_ctx *ctx, const struct h2_list *l,
			 const struct h2_field *f)
{
	const char *value = h2_value(l, f);
	bool good;

	if (named(l, f, ":path"))
		good = good_path(value, f->value_len);
	else
		good = good_name(h2_name(l, f), f->name_len) &&
		       good_value(value, f->value_len) && !of_connection(l, f);
	return good ? 0 : h2_refuse(ctx, "a secret that fits into no field");
}

static int put_field(struct request_ctx *ctx, const struct h2_list *l,
		     const struct h2_field *f, struct h2_list *ret,
		     struct secret_found *found)
{
	struct h2_field made = { .name = buf_len(&ret->text),
				 .never_indexed = f->never_indexed };
	int in_name, in_value, rc;

	in_name = put_name(ctx, l, f, ret);
	if (in_name < 0)
		return in_name;
	made.name_len = buf_len(&ret->text) - made.name;
	(void)buf_str(&ret->text, ": ");
	made.value = buf_len(&ret->text);
	in_value = put_value(ctx, l, f, ret, found);
	if (in_value < 0)
		return in_value;
	made.value_len = buf_len(&ret->text) - made.value;
	if (ret->text.failed)
		return -ENOMEM;
	made.never_indexed |= in_name || in_value;
	rc = in_name || in_value ? check_changed(ctx, ret, &made) : 0;
	return rc ? rc : h2_list_add(ret, &made);
}

int h2_head_substitute(struct request_ctx *ctx, const struct h2_list *l,
		       struct h2_list *ret, struct secret_found *found)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < l->n; i++)
		rc = put_field(ctx, l, &l->v[i], ret, found);
	if (rc == -ENOMEM && ret->text.failed)
		return h2_refuse(ctx, "the secrets make the header too long");
	return rc;
}
