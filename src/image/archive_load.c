/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading archives: first a plan of what is in there and what it is to be
 * called, so that an archive nobody can use is refused before any work.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/archive_load_int.h"
#include "image/store_int.h"

int archive_plan_add(struct archive_plan *plan, struct archive_item **ret,
		     struct err *err)
{
	struct archive_item *v;

	if (plan->n == ARCHIVE_MAX_IMAGES)
		return err_set(err, ERR_IMAGE, EFBIG,
			       "the archive has more than %u images",
			       ARCHIVE_MAX_IMAGES);
	v = reallocarray(plan->items, plan->n + 1, sizeof(*v));
	if (!v)
		return store_err(err, ENOMEM, "read the archive");
	plan->items = v;
	memset(&v[plan->n], 0, sizeof(*v));
	*ret = &v[plan->n++];
	return 0;
}

static bool name_taken(const struct archive_plan *plan, const char *canonical)
{
	for (size_t i = 0; i < plan->n; i++)
		for (size_t n = 0; n < plan->items[i].names.n; n++)
			if (!strcmp(plan->items[i].names.v[n], canonical))
				return true;
	return false;
}

int archive_plan_name(struct archive_plan *plan, struct archive_item *item,
		      const char *text, struct err *err)
{
	struct image_ref ref;
	char *canonical;

	if (image_ref_parse(text, &ref, NULL))
		return 0;
	canonical = image_ref_canonical(&ref);
	image_ref_fini(&ref);
	if (canonical && name_taken(plan, canonical)) {
		free(canonical);
		return 1;
	}
	if (strv_take(&item->names, canonical))
		return store_err(err, ENOMEM, "read the archive");
	return 1;
}

bool archive_platform_fits(const char *os, const char *arch,
			   const struct archive_load *load)
{
	return (!*os || !strcmp(os, "linux")) &&
	       (!*arch || !strcmp(arch, load->arch));
}

static void plan_fini(struct archive_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		strv_fini(&plan->items[i].names);
	free(plan->items);
	json_decref(plan->root);
}

static int make_plan(struct archive_loader *l, struct err *err)
{
	int rc;

	if (archive_input_has(&l->input, "manifest.json"))
		rc = archive_docker_plan(l, err);
	else if (archive_input_has(&l->input, "oci-layout"))
		rc = archive_oci_plan(l, err);
	else
		return err_set(err, ERR_IMAGE, EINVAL,
			       "it is no image archive: there is neither "
			       "'manifest.json' nor 'oci-layout' in it");
	if (rc)
		return rc;
	if (l->plan.n)
		return 0;
	if (l->plan.skipped)
		return err_set(err, ERR_IMAGE, ENOENT,
			       "there is no image for platform linux/%s in it",
			       l->load->arch);
	return err_set(err, ERR_IMAGE, ENOENT, "there is no image in it");
}

/* The names that the caller wants, and then everything must have one. */
static int add_names(struct archive_loader *l, struct err *err)
{
	const struct strv *more = l->load->names;

	for (size_t i = 0; more && i < more->n; i++) {
		int rc = archive_plan_name(&l->plan, &l->plan.items[0],
					   more->v[i], err);

		if (rc < 0)
			return rc;
		if (!rc)
			return err_set(err, ERR_INVALID, EINVAL,
				       "'%.200s' is not an image reference",
				       more->v[i]);
	}
	for (size_t i = 0; i < l->plan.n; i++)
		if (!l->plan.items[i].names.n)
			return err_set(err, ERR_INVALID, EINVAL,
				       "image %zu of it has no name; give it "
				       "one with --tag",
				       i + 1);
	return 0;
}

/* A layer's file while it is read. */
struct stream {
	struct archive_file file;
	uint64_t at;
};

struct source {
	const struct archive_loader *loader;
	const struct strv *layers;
};

static int open_layer(void *ctx, size_t layer, void **ret_stream,
		      struct err *err)
{
	const struct source *source = ctx;
	struct stream *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return store_err(err, ENOMEM, "read a layer");
	rc = archive_input_file(&source->loader->input,
				source->layers->v[layer], &s->file, err);
	if (rc) {
		free(s);
		return rc;
	}
	*ret_stream = s;
	return 0;
}

/* layer_read_fn */
static ssize_t read_layer(void *ctx, void *buf, size_t len, struct err *err)
{
	struct stream *s = ctx;
	ssize_t n = archive_file_read(&s->file, s->at, buf, len);

	if (n < 0)
		return store_err(err, (int)-n, "read the archive");
	s->at += (uint64_t)n;
	return n;
}

/* What is wrong in an archive will not get better. */
static bool close_layer(void *stream, int result)
{
	struct stream *s = stream;

	(void)result;
	(void)close(s->file.fd);
	free(s);
	return false;
}

static void on_event(void *ctx, const struct assemble_event *event)
{
	const struct archive_load *load =
		((const struct source *)ctx)->loader->load;

	if (load->on_event)
		load->on_event(load->ctx, event);
}

static int assemble(const struct archive_loader *l,
		    const struct archive_item *item,
		    const struct archive_texts *texts,
		    struct archive_image *told, struct err *err)
{
	struct source ctx = { l, &texts->layers };
	const struct assemble_source source = { &ctx, open_layer, read_layer,
						close_layer, on_event };
	const struct assemble_input in = {
		.manifest = texts->manifest,
		.manifest_len = texts->manifest_len,
		.config = texts->config,
		.config_len = texts->config_len,
		.manifest_digest = &told->manifest_digest,
	};
	struct image img;
	int rc = image_assemble(l->store, &in, &source, &img, &told->cached,
				err);

	if (rc)
		return rc;
	image_fini(&img);
	for (size_t i = 0; !rc && i < item->names.n; i++) {
		struct image_ref ref;

		rc = image_ref_parse(item->names.v[i], &ref, err);
		if (rc)
			break;
		rc = image_store_name(l->store, &ref, &told->manifest_digest,
				      err);
		image_ref_fini(&ref);
	}
	return rc;
}

static int check_layers(const struct oci_manifest *m,
			const struct archive_texts *texts, struct err *err)
{
	for (size_t i = 0; i < m->nlayers; i++)
		if (m->layers[i].size > ARCHIVE_LAYER_MAX)
			return err_set(err, ERR_IMAGE, EFBIG,
				       "layer %zu is larger than %llu GiB",
				       i + 1, ARCHIVE_LAYER_MAX >> 30);
	/* There is one file per layer whoever made the manifest. */
	return texts->layers.n == m->nlayers
		       ? 0
		       : err_set(err, ERR_IMAGE, EINVAL,
				 "the manifest does not fit the layers");
}

static int load_texts(const struct archive_loader *l,
		      const struct archive_item *item,
		      const struct archive_texts *texts, struct err *err)
{
	const struct archive_load *load = l->load;
	struct archive_image told = { .names = item->names };
	struct oci_manifest m;
	int rc = oci_manifest_parse(texts->manifest, texts->manifest_len, &m,
				    err);

	if (rc)
		return rc;
	told.manifest = &m;
	if (item->docker)
		digest_of(texts->manifest, texts->manifest_len,
			  &told.manifest_digest);
	else
		told.manifest_digest = item->manifest.digest;
	rc = check_layers(&m, texts, err);
	if (!rc && load->on_begin)
		load->on_begin(load->ctx, &told);
	if (!rc)
		rc = assemble(l, item, texts, &told, err);
	if (!rc && load->on_done)
		load->on_done(load->ctx, &told);
	oci_manifest_fini(&m);
	return rc;
}

static int load_item(const struct archive_loader *l,
		     const struct archive_item *item, struct err *err)
{
	struct archive_texts texts = { 0 };
	int rc = item->docker ? archive_docker_texts(l, item, &texts, err)
			      : archive_oci_texts(l, item, &texts, err);

	if (!rc)
		rc = load_texts(l, item, &texts, err);
	free(texts.manifest);
	free(texts.config);
	strv_fini(&texts.layers);
	return rc;
}

int archive_load(const struct image_store *s, const struct archive_load *load,
		 struct err *err)
{
	struct archive_loader l = { .store = s, .load = load };
	int rc = archive_input_open(s, load->fd, &l.input, err);

	if (!rc) {
		rc = make_plan(&l, err);
		if (!rc)
			rc = add_names(&l, err);
		for (size_t i = 0; !rc && i < l.plan.n; i++)
			rc = load_item(&l, &l.plan.items[i], err);
		plan_fini(&l.plan);
		archive_input_fini(&l.input);
	}
	if (rc)
		err_prefix(err, "cannot load '%.200s'", load->input);
	return rc;
}
