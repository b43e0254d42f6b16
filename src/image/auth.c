/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate (RFC 9110, 11.6.1), bearer tokens, Basic. */
#include "image/auth.h"

#include <errno.h>
#include <jansson.h>
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

void auth_challenge_fini(struct auth_challenge *c)
{
	free(c->realm);
	free(c->service);
	free(c->scope);
	memset(c, 0, sizeof(*c));
}

/* ---- the header ---------------------------------------------------------- */

static bool is_token_char(char c)
{
	return c > ' ' && c < 0x7f && !strchr("()<>@,;:\\\"[]?={}", c);
}

static const char *skip_blanks(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

/* The text between quotes, without its escapes; *p is behind it. */
static char *quoted(const char **p)
{
	const char *at = *p + 1;
	char *text = malloc(strlen(at) + 1), *out = text;

	while (text && *at && *at != '"') {
		if (*at == '\\' && at[1])
			at++;
		*out++ = *at++;
	}
	if (text)
		*out = 0;
	*p = *at ? at + 1 : at;
	return text;
}

static char *token(const char **p)
{
	const char *start = *p;

	while (is_token_char(**p))
		(*p)++;
	return strndup(start, (size_t)(*p - start));
}

static void set_once(char **field, char **value)
{
	if (!*field)
		*field = take_ptr(*value);
}

/* One "name=value" of a Bearer challenge; other names are of no use. */
static void set_param(struct auth_challenge *c, const char *name, char **value)
{
	if (!strcasecmp(name, "realm"))
		set_once(&c->realm, value);
	else if (!strcasecmp(name, "service"))
		set_once(&c->service, value);
	else if (!strcasecmp(name, "scope"))
		set_once(&c->scope, value);
}

/* Merge a finished challenge: the first complete one stays. */
static void keep(struct auth_challenge *all, struct auth_challenge *one)
{
	if (one->bearer && one->realm && !all->bearer) {
		one->basic = all->basic;
		*all = *one;
		memset(one, 0, sizeof(*one));
	}
	auth_challenge_fini(one);
}

/*
 * A word before "=" is a parameter of the last scheme, any other word a scheme.
 */
static int parse_value(const char *p, struct auth_challenge *all)
{
	struct auth_challenge one = { .basic = false };
	int rc = 0;

	while (*p && !rc) {
		autofree char *name = NULL;
		autofree char *value = NULL;
		const char *next;

		if (!is_token_char(*p)) { /* commas, blanks, nonsense */
			p++;
			continue;
		}
		name = token(&p);
		next = skip_blanks(p);
		if (!name) {
			rc = -ENOMEM;
		} else if (*next != '=') {
			keep(all, &one);
			one.bearer = !strcasecmp(name, "Bearer");
			all->basic |= !strcasecmp(name, "Basic");
		} else {
			p = skip_blanks(next + 1);
			value = *p == '"' ? quoted(&p) : token(&p);
			if (!value)
				rc = -ENOMEM;
			else if (one.bearer)
				set_param(&one, name, &value);
		}
	}
	keep(all, &one);
	return rc;
}

int auth_challenge_parse(const struct strv *values, struct auth_challenge *ret)
{
	struct auth_challenge all = { .basic = false };
	int rc = 0;

	for (size_t i = 0; i < values->n && !rc; i++)
		if (strlen(values->v[i]) <= AUTH_HEADER_MAX)
			rc = parse_value(values->v[i], &all);
	if (!rc && !all.basic && !all.bearer)
		rc = -EINVAL;
	if (rc) {
		auth_challenge_fini(&all);
		return rc;
	}
	*ret = all;
	return 0;
}

/* ---- tokens -------------------------------------------------------------- */

static bool token_valid(const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] >= 0x7f)
			return false;
	return len && len <= AUTH_TOKEN_MAX;
}

int auth_token_parse(const char *text, size_t len, char **ret, struct err *err)
{
	json_t *root = json_loadb(text, len, 0, NULL);
	const char *value = json_string_value(json_object_get(root, "token"));
	int rc = 0;

	if (!value || !*value)
		value = json_string_value(
			json_object_get(root, "access_token"));
	if (!value || !token_valid(value)) {
		rc = err_set(err, ERR_IMAGE, EPROTO,
			     "the token server's answer holds no token");
	} else {
		*ret = strdup(value);
		if (!*ret)
			rc = err_sys(err, ERR_NO_MEMORY, ENOMEM,
				     "read a token");
	}
	json_decref(root);
	return rc;
}

/* ---- Basic --------------------------------------------------------------- */

char *auth_basic(const char *username, const char *password)
{
	char *pair = str_fmt("%s:%s", username, password), *text = NULL;
	size_t len = pair ? strlen(pair) : 0;
	char *code = pair ? calloc(1, BASE64_ENCODE_RAW_LENGTH(len) + 1) : NULL;

	if (code) {
		base64_encode_raw(code, len, (const uint8_t *)pair);
		text = str_fmt("Basic %s", code);
		explicit_bzero(code, strlen(code));
	}
	if (pair)
		explicit_bzero(pair, len);
	free(code);
	free(pair);
	return text;
}

int auth_basic_decode(const char *text, char **ret_username,
		      char **ret_password)
{
	size_t len = strlen(text), out_len;
	struct base64_decode_ctx ctx;
	autofree uint8_t *out = NULL;
	const char *colon;
	int rc = -EINVAL;

	if (len > 2 * AUTH_TOKEN_MAX)
		return -EINVAL;
	out_len = BASE64_DECODE_LENGTH(len);
	out = calloc(1, out_len + 1);
	if (!out)
		return -ENOMEM;
	base64_decode_init(&ctx);
	if (!base64_decode_update(&ctx, &out_len, out, len, text) ||
	    !base64_decode_final(&ctx))
		return -EINVAL;
	out[out_len] = 0;
	colon = strchr((const char *)out, ':');
	/* Docker pads with NULs, which end the text here */
	if (colon && colon != (const char *)out && colon[1]) {
		*ret_username = strndup((const char *)out,
					(size_t)(colon - (const char *)out));
		*ret_password = strdup(colon + 1);
		rc = *ret_username && *ret_password ? 0 : -ENOMEM;
		if (rc) {
			free(*ret_username);
			free(*ret_password);
		}
	}
	explicit_bzero(out, out_len);
	return rc;
}
