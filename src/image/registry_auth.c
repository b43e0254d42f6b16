/* SPDX-License-Identifier: Apache-2.0 */
/* Logging in at a registry: Basic, or a token from the server it names. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/auth.h"
#include "image/registry_int.h"

#define TOKEN_ANSWER_MAX (1u << 20)
#define TOKEN_TIMEOUT_S 60u
#define MAX_REDIRECTS 5

static bool has_credential(const struct registry *r)
{
	return r->o->credential && r->o->credential->username;
}

static char *basic_of(const struct registry *r)
{
	return auth_basic(r->o->credential->username,
			  r->o->credential->password);
}

int registry_refused(const struct registry *r, struct err *err)
{
	if (has_credential(r))
		return err_set(err, ERR_IMAGE, EACCES,
			       "%s refused the credentials of '%s'", r->o->name,
			       r->o->credential->username);
	return err_set(err, ERR_IMAGE, EACCES,
		       "%s wants credentials for %s, if it has that at all: "
		       "msb registry login %s",
		       r->o->name, r->o->repository, r->o->name);
}

static int take_answer(void *ctx, const void *data, size_t len)
{
	return buf_append(ctx, data, len) ? -EFBIG : 0;
}

/* The URL to ask for a token; the realm is what the registry says. */
static int token_url(const struct registry *r, const struct auth_challenge *c,
		     char **ret, struct err *err)
{
	autofree char *scope = str_fmt("repository:%s:pull", r->o->repository);
	autofree char *with_service = NULL;
	struct http_origin o;

	if (http_origin(c->realm, &o))
		return err_set(err, ERR_IMAGE, EPROTO,
			       "%s names a token server that is none",
			       r->o->name);
	if (r->origin.tls && !o.tls)
		return err_set(err, ERR_IMAGE, EPROTO,
			       "%s names a token server that is not encrypted",
			       r->o->name);
	if (c->service)
		with_service = http_url_add(c->realm, "service", c->service);
	if (scope && (with_service || !c->service))
		*ret = http_url_add(with_service ? with_service : c->realm,
				    "scope", c->scope ? c->scope : scope);
	return *ret ? 0
		    : err_sys(err, ERR_NO_MEMORY, ENOMEM, "ask for a token");
}

/* The password goes to the realm's own server only, wherever it redirects. */
static int token_get(struct registry *r, const char *url, struct buf *answer,
		     struct http_response *resp, struct err *err)
{
	autofree char *basic = has_credential(r) ? basic_of(r) : NULL;
	autofree char *next = NULL;
	struct http_origin home, o;
	int rc;

	if (http_origin(url, &home) || (has_credential(r) && !basic))
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "ask for a token");
	for (int i = 0; i <= MAX_REDIRECTS; i++) {
		const char *at = next ? next : url;
		struct http_call call = { .url = at,
					  .timeout_s = TOKEN_TIMEOUT_S,
					  .body = take_answer,
					  .ctx = answer };

		if (http_origin(at, &o) || (home.tls && !o.tls))
			return err_set(
				err, ERR_IMAGE, EPROTO,
				"the token server redirects to a place that "
				"cannot be trusted");
		if (http_origin_eq(&home, &o))
			call.authorization = basic;
		buf_reset(answer);
		http_response_fini(resp);
		rc = http_get(r->http, &call, resp, err);
		if (rc || !resp->location)
			return rc;
		free(next);
		next = take_ptr(resp->location);
	}
	return err_set(err, ERR_IMAGE, ELOOP,
		       "the token server sends too many redirects");
}

static int token_attempt(struct registry *r, const char *url, char **ret,
			 uint64_t *ret_wait_s, struct err *err)
{
	struct http_response resp = { .status = 0 };
	struct buf answer;
	int rc;

	buf_init(&answer, TOKEN_ANSWER_MAX);
	rc = token_get(r, url, &answer, &resp, err);
	*ret_wait_s = resp.retry_after_s;
	if (!rc && resp.status >= 200 && resp.status < 300)
		rc = auth_token_parse((const char *)buf_data(&answer),
				      buf_len(&answer), ret, err);
	else if (!rc && (resp.status == 401 || resp.status == 403))
		rc = registry_refused(r, err);
	else if (!rc)
		rc = err_set(err, ERR_IMAGE,
			     resp.status == 429 || resp.status >= 500 ? EAGAIN
								      : EPROTO,
			     "the token server of %s answers with status %d",
			     r->o->name, resp.status);
	if (answer.data)
		explicit_bzero(answer.data, answer.cap);
	buf_fini(&answer);
	http_response_fini(&resp);
	return rc;
}

static int get_token(struct registry *r, const struct auth_challenge *c,
		     char **ret, struct err *err)
{
	struct registry_patience p = { .failures = 0 };
	autofree char *url = NULL;
	char *token = NULL;
	uint64_t wait_s;
	int rc = token_url(r, c, &url, err);

	while (!rc && !token) {
		rc = token_attempt(r, url, &token, &wait_s, err);
		if (rc)
			rc = registry_wait(r, &p, rc, wait_s, NULL, err);
	}
	if (rc)
		return rc;
	*ret = str_fmt("Bearer %s", token);
	explicit_bzero(token, strlen(token));
	free(token);
	return *ret ? 0 : err_sys(err, ERR_NO_MEMORY, ENOMEM, "keep a token");
}

static int log_in(struct registry *r, const struct strv *challenges,
		  struct err *err)
{
	struct auth_challenge c = { .basic = false };
	char *value = NULL;
	int rc = auth_challenge_parse(challenges, &c);

	if (rc == -EINVAL)
		return err_set(err, ERR_IMAGE, EACCES,
			       "%s asks for a login of an unknown kind",
			       r->o->name);
	if (rc)
		return err_sys(err, ERR_NO_MEMORY, -rc, "log in");
	if (c.bearer)
		rc = get_token(r, &c, &value, err);
	else if (!has_credential(r))
		rc = registry_refused(r, err);
	else
		value = basic_of(r);
	auth_challenge_fini(&c);
	if (!rc && !value)
		rc = err_sys(err, ERR_NO_MEMORY, ENOMEM, "log in");
	if (rc)
		return rc;
	if (str_eq(r->authorization, value) && str_starts(value, "Basic ")) {
		free(value); /* it has just been refused */
		return registry_refused(r, err);
	}
	free(r->authorization);
	r->authorization = value;
	r->generation++;
	return 0;
}

int registry_login_again(struct registry *r, const struct strv *challenges,
			 unsigned seen, struct err *err)
{
	int rc = 0;

	(void)pthread_mutex_lock(&r->login);
	if (r->generation == seen)
		rc = log_in(r, challenges, err);
	(void)pthread_mutex_unlock(&r->login);
	return rc;
}

int registry_authorization(struct registry *r, char **ret, unsigned *ret_seen)
{
	int rc = 0;

	(void)pthread_mutex_lock(&r->login);
	*ret_seen = r->generation;
	*ret = r->authorization ? strdup(r->authorization) : NULL;
	if (r->authorization && !*ret)
		rc = -ENOMEM;
	(void)pthread_mutex_unlock(&r->login);
	return rc;
}
