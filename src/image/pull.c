/* SPDX-License-Identifier: Apache-2.0 */
/* Pulling: from a reference to a manifest, and from there to the store. */
#include "image/pull.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/assemble.h"
#include "image/docker_config.h"
#include "image/download.h"
#include "image/http.h"
#include "image/registry.h"
#include "image/roots.h"

#define ALL_ROOTS_MAX (3 * ROOTS_MAX)

const char *pull_host_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#endif
}

/* ---- preparing ----------------------------------------------------------- */

/* From the request, our settings, Docker's; none is no failure. */
static int find_credential(const struct worker_request *req,
			   struct registry_config *config,
			   struct worker_out *out, struct pull *p,
			   struct err *err)
{
	struct err note;

	if (req->username) {
		p->credential.username = strdup(req->username);
		p->credential.password = strdup(req->password);
		if (!p->credential.username || !p->credential.password)
			return err_sys(err, ERR_NO_MEMORY, ENOMEM, "pull");
	} else if (config->auth.username) {
		p->credential = config->auth;
		memset(&config->auth, 0, sizeof(config->auth));
	} else if (!docker_config_find(p->ref.registry, &p->credential,
				       &note) &&
		   note.kind != ERR_NONE) {
		worker_out_note(out, note.msg);
	}
	return 0;
}

/* The host's roots have to be told, too, once there are others. */
static int find_roots(const char *const files[2], struct buf *roots,
		      struct err *err)
{
	int rc = 0;

	for (int i = 0; i < 2 && !rc; i++)
		if (files[i])
			rc = roots_add_file(roots, files[i], err);
	if (!rc && buf_len(roots)) /* or there are none */
		(void)roots_add_file(roots, http_host_roots(), NULL);
	return rc;
}

int pull_prepare(const struct worker_request *req, int config_home_fd,
		 struct worker_out *out, struct pull *ret, struct err *err)
{
	struct pull p = { .force = req->force };
	struct registry_config config = { .insecure = false };
	int rc = image_ref_parse(req->reference, &p.ref, err);

	if (rc)
		return rc;
	buf_init(&p.roots, ALL_ROOTS_MAX);
	p.arch = req->arch ? req->arch : pull_host_arch();
	p.reference = image_ref_canonical(&p.ref);
	if (!p.reference)
		rc = err_sys(err, ERR_NO_MEMORY, ENOMEM, "pull");
	if (!rc)
		rc = registry_config_load(config_home_fd, p.ref.registry,
					  &config, err);
	if (rc && req->username && err && err->kind != ERR_NO_MEMORY) {
		/* what is stored does not matter then */
		worker_out_note(out, err->msg);
		err_clear(err);
		rc = 0;
	}
	p.plain_http = req->insecure || config.insecure;
	if (!rc)
		rc = find_credential(req, &config, out, &p, err);
	if (!rc) {
		const char *const files[2] = { config.ca_certs, req->ca_certs };

		rc = find_roots(files, &p.roots, err);
	}
	registry_config_fini(&config);
	if (rc) {
		pull_fini(&p);
		return rc;
	}
	*ret = p;
	return 0;
}

void pull_fini(struct pull *p)
{
	image_ref_fini(&p->ref);
	free(p->reference);
	credential_fini(&p->credential);
	buf_fini(&p->roots);
}

/* ---- pulling ------------------------------------------------------------- */

struct pulling {
	const struct pull *p;
	const struct image_store *store;
	struct worker_out *out;
	struct http *http;
	struct registry *registry;
	struct registry_document manifest_doc, config_doc;
	struct oci_manifest manifest;
	bool parsed;
	struct downloads downloads;
};

static void on_note(void *ctx, const char *text)
{
	worker_out_note(ctx, text);
}

static int parse(struct pulling *v, struct err *err)
{
	const struct registry_document *d = &v->manifest_doc;
	int rc = oci_manifest_parse((const char *)buf_data(&d->text),
				    buf_len(&d->text), &v->manifest, err);

	v->parsed = !rc;
	return rc;
}

/* The manifest in an index that is for us, in its place. */
static int choose(struct pulling *v, struct err *err)
{
	int i = oci_index_choose(&v->manifest, v->p->arch);
	struct oci_descriptor desc;
	int rc;

	if (i < 0)
		return err_set(err, ERR_IMAGE, ENOENT,
			       "no manifest for platform linux/%s in %s",
			       v->p->arch, v->p->reference);
	desc = v->manifest.entries[i].desc; /* its texts are not used */
	registry_document_fini(&v->manifest_doc);
	rc = registry_get_manifest(v->registry, NULL, &desc.digest, desc.size,
				   &v->manifest_doc, err);
	oci_manifest_fini(&v->manifest);
	v->parsed = false;
	if (!rc)
		rc = parse(v, err);
	if (!rc && v->manifest.kind == OCI_INDEX)
		rc = err_set(err, ERR_IMAGE, EPROTO,
			     "an index within the index of %s is not supported",
			     v->p->reference);
	return rc;
}

static int resolve(struct pulling *v, struct err *err)
{
	const struct image_ref *ref = &v->p->ref;
	int rc = registry_get_manifest(
		v->registry, ref->tag, ref->has_digest ? &ref->digest : NULL,
		HTTP_SIZE_UNKNOWN, &v->manifest_doc, err);

	if (!rc)
		rc = parse(v, err);
	if (!rc && v->manifest.kind == OCI_INDEX)
		rc = choose(v, err);
	return rc;
}

/* An image that does not say in an index what it is for says so itself. */
static void check_platform(struct pulling *v)
{
	const struct registry_document *d = &v->config_doc;
	struct oci_config c;
	autofree char *note = NULL;

	if (oci_config_parse((const char *)buf_data(&d->text),
			     buf_len(&d->text), &c, NULL))
		return; /* whoever uses it says why */
	if ((*c.os && !str_eq(c.os, "linux")) ||
	    (*c.arch && !str_eq(c.arch, v->p->arch)))
		note = str_fmt("%s is for %s/%s, not for linux/%s",
			       v->p->reference, c.os, c.arch, v->p->arch);
	if (note)
		worker_out_note(v->out, note);
	oci_config_fini(&c);
}

static void on_progress(void *ctx, size_t layer, uint64_t bytes, uint64_t total)
{
	worker_out_progress(ctx, WORKER_DOWNLOAD, layer, bytes, total);
}

void pull_assemble_event(struct worker_out *out, const struct assemble_event *e)
{
	const struct worker_event merging = { .type = WORKER_MERGING };

	switch (e->type) {
	case ASSEMBLE_WAITING:
		worker_out_layer(out, e->layer, WORKER_LAYER_WAITING);
		break;
	case ASSEMBLE_CACHED:
		worker_out_layer(out, e->layer, WORKER_LAYER_CACHED);
		break;
	case ASSEMBLE_READ:
		worker_out_progress(out, WORKER_UNPACK, e->layer, e->bytes,
				    e->total);
		break;
	case ASSEMBLE_DONE:
		worker_out_layer(out, e->layer, WORKER_LAYER_DONE);
		break;
	case ASSEMBLE_MERGING:
		worker_out_event(out, &merging);
		break;
	}
}

static void on_event(void *ctx, const struct assemble_event *e)
{
	struct pulling *v = container_of(ctx, struct pulling, downloads);

	pull_assemble_event(v->out, e);
}

static int assemble(struct pulling *v, bool *ret_cached, struct err *err)
{
	struct downloads *d = &v->downloads;
	const struct assemble_input in = {
		.manifest = (const char *)buf_data(&v->manifest_doc.text),
		.manifest_len = buf_len(&v->manifest_doc.text),
		.config = (const char *)buf_data(&v->config_doc.text),
		.config_len = buf_len(&v->config_doc.text),
		.manifest_digest = &v->manifest_doc.digest,
		.rebuild = v->p->force,
	};
	const struct assemble_source source = { .ctx = d,
						.open = download_open,
						.read = download_read,
						.close = download_close,
						.on_event = on_event };
	struct image img;
	int rc;

	d->registry = v->registry;
	d->store = v->store;
	d->layers = v->manifest.layers;
	d->from_zero = v->p->force;
	d->on_progress = on_progress;
	d->ctx = v->out;
	downloads_init(d);
	rc = image_assemble(v->store, &in, &source, &img, ret_cached, err);
	downloads_fini(d);
	if (!rc)
		image_fini(&img);
	return rc;
}

/* The image is complete already: its name may be new, though. */
static int find(struct pulling *v, struct err *err)
{
	struct image img;
	int rc;

	if (v->p->force)
		return -ENOENT;
	rc = image_store_find_digest(v->store, &v->manifest_doc.digest, &img,
				     err);
	if (!rc)
		image_fini(&img);
	return rc;
}

static int fetch(struct pulling *v, struct pull_result *ret, struct err *err)
{
	const struct oci_descriptor *config = &v->manifest.config;
	int rc;

	worker_out_resolving(v->out, v->p->reference);
	rc = resolve(v, err);
	if (rc)
		return rc;
	ret->manifest_digest = v->manifest_doc.digest;
	ret->cached = true;
	rc = find(v, err);
	if (rc != -ENOENT)
		return rc;
	worker_out_resolved(v->out, v->p->reference, &v->manifest_doc.digest,
			    &v->manifest);
	rc = registry_get_config(v->registry, &config->digest, config->size,
				 &v->config_doc, err);
	if (rc)
		return rc;
	check_platform(v);
	return assemble(v, &ret->cached, err);
}

int pull_run(const struct pull *p, const struct image_store *s,
	     struct worker_out *out, struct pull_result *ret, struct err *err)
{
	const struct registry_options o = {
		.name = p->ref.registry,
		.api_host = image_ref_api_host(&p->ref),
		.repository = p->ref.repository,
		.plain_http = p->plain_http,
		.credential = &p->credential,
		.on_note = on_note,
		.ctx = out,
	};
	struct pulling v = { .p = p, .store = s, .out = out };
	const char *roots =
		buf_len(&p->roots) ? (const char *)buf_data(&p->roots) : NULL;
	struct pull_result result = { .cached = false };
	int rc = http_new(roots, buf_len(&p->roots), &v.http, err);

	if (!rc)
		rc = registry_open(&o, v.http, &v.registry, err);
	if (!rc)
		rc = fetch(&v, &result, err);
	if (!rc)
		rc = image_store_name(s, &p->ref, &result.manifest_digest, err);
	result.bytes = atomic_load(&v.downloads.received);
	if (v.parsed)
		oci_manifest_fini(&v.manifest);
	registry_document_fini(&v.manifest_doc);
	registry_document_fini(&v.config_doc);
	v.registry = registry_free(v.registry);
	v.http = http_free(v.http);
	/* whatever is wrong with it, it is not the caller's settings */
	if (rc && err && err->kind == ERR_INVALID)
		err->kind = ERR_IMAGE;
	if (rc == -ENOSPC && err)
		err->kind = ERR_NO_SPACE;
	if (!rc)
		*ret = result;
	return rc;
}
