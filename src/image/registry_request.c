/* SPDX-License-Identifier: Apache-2.0 */
/* One request to a registry: redirects, login, what a status means, waiting. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "image/registry_int.h"

#define MAX_REDIRECTS 5
#define MAX_LOGINS 2
#define PRINTABLE_MAX 200u

#define MAX_FAILURES 5u		/* in a row */
#define MAX_REFUSED_CONNECTS 3u /* in a row: there is no server */
#define MAX_FAILURES_IN_ALL 100u
#define FIRST_WAIT_MS 500u
#define LAST_WAIT_MS 8000u
#define MAX_SERVER_WAIT_S 20u /* who asks for more has to be asked later */

char *registry_printable(const char *text)
{
	size_t len = strnlen(text, PRINTABLE_MAX);
	char *copy;

	if (!utf8_valid(text, len))
		len = utf8_complete_prefix(text, len);
	copy = utf8_valid(text, len) ? strndup(text, len)
				     : strdup("(not a text)");
	for (char *p = copy; p && *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	return copy;
}

/* The message in a registry's list of errors, else the text itself. */
static char *detail_of(const struct http_response *resp)
{
	const char *refusal = resp->refusal ? resp->refusal : "";
	json_t *root = json_loadb(refusal, strlen(refusal), 0, NULL);
	const json_t *first =
		json_array_get(json_object_get(root, "errors"), 0);
	const char *text = json_string_value(json_object_get(first, "message"));
	char *copy;

	if (!text && !root && !strchr(refusal, '<'))
		text = refusal;
	copy = registry_printable(text ? text : "");
	json_decref(root);
	return copy;
}

static bool passes(int status)
{
	return status == 408 || status == 425 || status == 429 ||
	       status == 500 || (status >= 502 && status <= 504);
}

static int refused(const struct registry *r, const struct registry_request *q,
		   const char *host, const struct http_response *resp,
		   struct err *err)
{
	autofree char *detail = detail_of(resp);
	const char *more = detail ? detail : "";

	if (passes(resp->status))
		return err_set(err, ERR_IMAGE, EAGAIN,
			       "%s answers with status %d%s%s", host,
			       resp->status, *more ? ": " : "", more);
	switch (resp->status) {
	case 401:
		return registry_refused(r, err);
	case 403:
		return err_set(err, ERR_IMAGE, EACCES,
			       "access to %s is denied by %s%s%s",
			       r->o->repository, host, *more ? ": " : "", more);
	case 404:
		return err_set(err, ERR_IMAGE, ENOENT, "%s has no %s%s%s%s",
			       r->o->name, r->o->repository, q->path,
			       *more ? ": " : "", more);
	case 416:
		return err_set(err, ERR_IMAGE, ERANGE,
			       "%s does not continue where it broke off", host);
	default:
		return err_set(err, ERR_IMAGE, EPROTO,
			       "%s answers with status %d%s%s", host,
			       resp->status, *more ? ": " : "", more);
	}
}

/*
 * Follow redirects to a final answer. Credentials go to the registry alone,
 * and what began encrypted stays so. *ret_home: that answer is the registry's.
 */
static int follow(struct registry *r, const struct registry_request *q,
		  const char *authorization, struct http_response *resp,
		  struct http_origin *ret_origin, struct err *err)
{
	const char *headers[] = { q->accept, NULL };
	autofree char *url = str_fmt("%s%s", r->base, q->path);

	for (int i = 0; url && i <= MAX_REDIRECTS; i++) {
		struct http_call call = { .url = url,
					  .headers = headers,
					  .range_from = q->range_from,
					  .timeout_s = q->timeout_s,
					  .head = q->head,
					  .body = q->body,
					  .ctx = q->ctx,
					  .cancel = q->cancel };
		int rc;

		if (http_origin(url, ret_origin) ||
		    (r->origin.tls && !ret_origin->tls))
			return err_set(err, ERR_IMAGE, EPROTO,
				       "%s redirects to a place that cannot be "
				       "trusted",
				       r->o->name);
		if (http_origin_eq(ret_origin, &r->origin))
			call.authorization = authorization;
		http_response_fini(resp);
		rc = http_get(r->http, &call, resp, err);
		if (rc || !resp->location)
			return rc;
		free(url);
		url = take_ptr(resp->location);
	}
	if (!url)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "ask a registry");
	return err_set(err, ERR_IMAGE, ELOOP, "%s sends too many redirects",
		       r->o->name);
}

static int ask_once(struct registry *r, const struct registry_request *q,
		    struct http_response *resp, bool *ret_login,
		    struct err *err)
{
	autofree char *authorization = NULL;
	struct http_origin o = { .host = "" };
	unsigned seen;
	int rc = registry_authorization(r, &authorization, &seen);

	if (rc)
		return err_sys(err, ERR_NO_MEMORY, -rc, "ask a registry");
	rc = follow(r, q, authorization, resp, &o, err);
	if (authorization)
		explicit_bzero(authorization, strlen(authorization));
	if (rc || (resp->status >= 200 && resp->status < 300))
		return rc;
	if (resp->status == 401 && http_origin_eq(&o, &r->origin)) {
		*ret_login = true;
		return registry_login_again(r, &resp->authenticate, seen, err);
	}
	return refused(r, q, o.host, resp, err);
}

int registry_ask(struct registry *r, const struct registry_request *q,
		 uint64_t *ret_wait_s, struct err *err)
{
	int rc = 0;

	*ret_wait_s = 0;
	for (int i = 0; i <= MAX_LOGINS; i++) {
		struct http_response resp = { .status = 0 };
		bool login = false;

		rc = ask_once(r, q, &resp, &login, err);
		*ret_wait_s = resp.retry_after_s;
		http_response_fini(&resp);
		if (rc || !login)
			return rc;
	}
	return registry_refused(r, err);
}

/* ---- between attempts ---------------------------------------------------- */

/* Half of it to all of it, so that many clients do not come back at once. */
static uint64_t with_jitter(uint64_t ms)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), 0) != sizeof(r))
		r = (uint32_t)clock_mono_ns(); /* any number will do */
	return ms / 2 + r % (ms / 2 + 1);
}

static uint64_t wait_ms(unsigned failures, uint64_t server_s)
{
	uint64_t ms = FIRST_WAIT_MS;

	while (--failures && ms < LAST_WAIT_MS)
		ms *= 2;
	ms = with_jitter(ms);
	return server_s * 1000 > ms ? server_s * 1000 : ms;
}

static bool is_cancelled(const atomic_bool *cancel)
{
	return cancel && atomic_load(cancel);
}

static void sleep_until(struct registry *r, uint64_t end_ns,
			const atomic_bool *cancel)
{
	const struct timespec end = {
		.tv_sec = (time_t)(end_ns / NSEC_PER_SEC),
		.tv_nsec = (long)(end_ns % NSEC_PER_SEC),
	};
	int rc = 0;

	(void)pthread_mutex_lock(&r->sleep);
	while (!rc && !is_cancelled(cancel))
		rc = pthread_cond_timedwait(&r->wake, &r->sleep, &end);
	(void)pthread_mutex_unlock(&r->sleep);
}

int registry_wait(struct registry *r, struct registry_patience *p, int rc,
		  uint64_t wait_s, const atomic_bool *cancel, struct err *err)
{
	unsigned most =
		rc == -ECONNREFUSED ? MAX_REFUSED_CONNECTS : MAX_FAILURES;
	autofree char *note = NULL;
	uint64_t ms;

	if (rc != -EAGAIN && rc != -ECONNREFUSED)
		return rc;
	p->failures++;
	p->total++;
	if (p->failures >= most || p->total >= MAX_FAILURES_IN_ALL ||
	    wait_s > MAX_SERVER_WAIT_S)
		return rc;
	ms = wait_ms(p->failures, wait_s);
	if (r->o->on_note && err)
		note = str_fmt("%s; trying again in %llu.%llu s", err->msg,
			       (unsigned long long)(ms / 1000),
			       (unsigned long long)(ms % 1000 / 100));
	if (note)
		r->o->on_note(r->o->ctx, note);
	err_clear(err);
	sleep_until(r, clock_mono_ns() + ms * NSEC_PER_MSEC, cancel);
	if (is_cancelled(cancel))
		return err_set(err, ERR_IMAGE, ECANCELED, "cancelled");
	return 0;
}

void registry_wake(struct registry *r)
{
	(void)pthread_mutex_lock(&r->sleep);
	(void)pthread_cond_broadcast(&r->wake);
	(void)pthread_mutex_unlock(&r->sleep);
	http_wake(r->http);
}
