/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests, configurations and blobs of a repository. */
#include "image/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/oci.h"
#include "image/registry_int.h"

#define DOCUMENT_TIMEOUT_S 120u
/* Having got so far makes up for earlier failures. */
#define PROGRESS (1u << 20)

#define ACCEPT_MANIFESTS                                                       \
	"Accept: application/vnd.oci.image.index.v1+json, "                    \
	"application/vnd.oci.image.manifest.v1+json, "                         \
	"application/vnd.docker.distribution.manifest.list.v2+json, "          \
	"application/vnd.docker.distribution.manifest.v2+json"
#define ACCEPT_ANYTHING "Accept: */*"

int registry_open(const struct registry_options *o, struct http *http,
		  struct registry **ret, struct err *err)
{
	struct registry *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;

	if (!r)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "ask a registry");
	r->o = o;
	r->http = http;
	(void)pthread_mutex_init(&r->login, NULL); /* cannot fail on Linux */
	(void)pthread_mutex_init(&r->sleep, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->wake, &attr);
	(void)pthread_condattr_destroy(&attr);
	r->base = str_fmt("%s://%s/v2/%s", o->plain_http ? "http" : "https",
			  o->api_host, o->repository);
	if (!r->base || http_origin(r->base, &r->origin)) {
		(void)registry_free(r);
		return err_set(err, ERR_INVALID, EINVAL,
			       "'%s' is not the name of a registry", o->name);
	}
	*ret = r;
	return 0;
}

struct registry *registry_free(struct registry *r)
{
	if (!r)
		return NULL;
	(void)pthread_cond_destroy(&r->wake);
	(void)pthread_mutex_destroy(&r->sleep);
	(void)pthread_mutex_destroy(&r->login);
	if (r->authorization)
		explicit_bzero(r->authorization, strlen(r->authorization));
	free(r->authorization);
	free(r->base);
	free(r);
	return NULL;
}

/* ---- documents ----------------------------------------------------------- */

void registry_document_fini(struct registry_document *d)
{
	buf_fini(&d->text);
	free(d->media_type);
	d->media_type = NULL;
}

struct receipt {
	struct registry_document *doc;
	struct digest announced; /* by a header; text empty: it was not */
	uint64_t size;
};

static int doc_head(void *ctx, const struct http_response *resp)
{
	struct receipt *rc = ctx;

	if (resp->size != HTTP_SIZE_UNKNOWN && resp->size > OCI_DOCUMENT_MAX)
		return -EFBIG;
	rc->announced.text[0] = 0;
	if (resp->content_digest)
		(void)digest_parse(resp->content_digest, &rc->announced);
	free(rc->doc->media_type);
	rc->doc->media_type = NULL;
	if (!resp->content_type)
		return 0;
	rc->doc->media_type = strndup(resp->content_type,
				      strcspn(resp->content_type, "; \t"));
	return rc->doc->media_type ? 0 : -ENOMEM;
}

static int doc_body(void *ctx, const void *data, size_t len)
{
	struct receipt *rc = ctx;

	if (rc->size != HTTP_SIZE_UNKNOWN &&
	    buf_len(&rc->doc->text) + len > rc->size)
		return -EFBIG;
	return buf_append(&rc->doc->text, data, len) ? -EFBIG : 0;
}

static int verify(const struct receipt *rc, const struct digest *want,
		  const char *what, struct err *err)
{
	struct registry_document *d = rc->doc;
	struct hasher h;

	if (rc->size != HTTP_SIZE_UNKNOWN && buf_len(&d->text) != rc->size)
		return err_set(
			err, ERR_IMAGE, EBADMSG,
			"size mismatch for %s: %zu bytes instead of %llu", what,
			buf_len(&d->text), (unsigned long long)rc->size);
	/* a name stands for what the registry says it does, if it says so */
	if (!want && rc->announced.text[0])
		want = &rc->announced;
	hasher_init(&h, want ? digest_alg(want) : DIGEST_SHA256);
	hasher_add(&h, buf_data(&d->text), buf_len(&d->text));
	hasher_done(&h, &d->digest);
	if (!want || digest_eq(want, &d->digest))
		return 0;
	return err_set(err, ERR_IMAGE, EBADMSG,
		       "digest mismatch for %s: expected %s, got %s", what,
		       want->text, d->digest.text);
}

static int get_document(struct registry *r, const char *path,
			const char *accept, const struct digest *want,
			uint64_t size, const char *what,
			struct registry_document *ret, struct err *err)
{
	struct registry_document d = { .media_type = NULL };
	struct receipt receipt = { .doc = &d, .size = size };
	const struct registry_request q = { .path = path,
					    .accept = accept,
					    .timeout_s = DOCUMENT_TIMEOUT_S,
					    .head = doc_head,
					    .body = doc_body,
					    .ctx = &receipt };
	struct registry_patience p = { .failures = 0 };
	uint64_t wait_s;
	bool again;
	int rc;

	buf_init(&d.text, OCI_DOCUMENT_MAX);
	do {
		buf_reset(&d.text);
		rc = registry_ask(r, &q, &wait_s, err);
		again = rc;
		if (rc)
			rc = registry_wait(r, &p, rc, wait_s, NULL, err);
	} while (again && !rc);
	if (rc == -EFBIG)
		rc = err_set(err, ERR_IMAGE, EFBIG,
			     "%s is larger than it may be, %llu bytes", what,
			     (unsigned long long)(size < OCI_DOCUMENT_MAX
							  ? size
							  : OCI_DOCUMENT_MAX));
	if (!rc)
		rc = verify(&receipt, want, what, err);
	if (rc) {
		registry_document_fini(&d);
		return rc;
	}
	*ret = d;
	return 0;
}

int registry_get_manifest(struct registry *r, const char *tag,
			  const struct digest *want, uint64_t size,
			  struct registry_document *ret, struct err *err)
{
	const char *name = want ? want->text : tag;
	autofree char *path = str_fmt("/manifests/%s", name);
	autofree char *what = str_fmt("manifest %s", name);

	if (!path || !what)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "get a manifest");
	return get_document(r, path, ACCEPT_MANIFESTS, want, size, what, ret,
			    err);
}

int registry_get_config(struct registry *r, const struct digest *want,
			uint64_t size, struct registry_document *ret,
			struct err *err)
{
	autofree char *path = str_fmt("/blobs/%s", want->text);
	autofree char *what = str_fmt("configuration %s", want->text);

	if (!path || !what)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "get a manifest");
	return get_document(r, path, ACCEPT_ANYTHING, want, size, what, ret,
			    err);
}

/* ---- blobs --------------------------------------------------------------- */

struct receiving {
	struct registry_fetch *f;
	uint64_t skip; /* bytes of a whole answer that are there already */
	bool whole;    /* the server does not continue: ask for all of it */
	int failure;   /* in what the server says; 0 for none */
};

static int blob_head(void *ctx, const struct http_response *resp)
{
	struct receiving *v = ctx;
	uint64_t have = v->f->have, want = v->f->size;

	v->skip = 0;
	if (resp->status != 206)
		v->skip = have;
	else if (v->whole || !have)
		return v->failure = -EPROTO;
	else if (resp->range_start != have)
		return v->failure = -ERANGE;
	else
		want -= have;
	if (resp->size != HTTP_SIZE_UNKNOWN && resp->size != want)
		return v->failure = -EBADMSG;
	return 0;
}

static int blob_body(void *ctx, const void *data, size_t len)
{
	struct receiving *v = ctx;
	const uint8_t *p = data;
	size_t skip = v->skip < len ? (size_t)v->skip : len;
	int rc;

	v->skip -= skip;
	p += skip;
	len -= skip;
	if (len > v->f->size - v->f->have)
		return v->failure = -EBADMSG;
	if (!len)
		return 0;
	rc = v->f->take(v->f->ctx, p, len);
	if (rc)
		return rc;
	v->f->have += len;
	return 0;
}

/* One attempt; what came in is kept whatever the result. */
static int fetch_once(struct registry *r, struct receiving *v, const char *path,
		      uint64_t *ret_wait_s, struct err *err)
{
	const struct registry_request q = { .path = path,
					    .accept = ACCEPT_ANYTHING,
					    .range_from =
						    v->whole ? 0 : v->f->have,
					    .head = blob_head,
					    .body = blob_body,
					    .ctx = v,
					    .cancel = v->f->cancel };
	int rc;

	v->failure = 0;
	rc = registry_ask(r, &q, ret_wait_s, err);
	if (!rc && v->f->have < v->f->size)
		return err_set(err, ERR_IMAGE, EAGAIN, "%s broke off",
			       r->o->name);
	if (v->failure == -EBADMSG)
		return err_set(err, ERR_IMAGE, EBADMSG,
			       "size mismatch for blob %s: %s has not the %llu "
			       "bytes of its descriptor",
			       v->f->digest->text, r->o->name,
			       (unsigned long long)v->f->size);
	if ((rc == -ERANGE || v->failure == -ERANGE) && !v->whole) {
		v->whole = true;
		return err_set(err, ERR_IMAGE, EAGAIN,
			       "%s does not continue where it broke off",
			       r->o->name);
	}
	return rc;
}

int registry_fetch(struct registry *r, struct registry_fetch *f,
		   struct err *err)
{
	autofree char *path = str_fmt("/blobs/%s", f->digest->text);
	struct registry_patience p = { .failures = 0 };
	struct receiving v = { .f = f };
	int rc = 0;

	if (!path)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "download");
	while (!rc && f->have < f->size) {
		uint64_t before = f->have, wait_s;

		rc = fetch_once(r, &v, path, &wait_s, err);
		if (f->have - before >= PROGRESS)
			p.failures = 0;
		if (rc)
			rc = registry_wait(r, &p, rc, wait_s, f->cancel, err);
	}
	return rc;
}
