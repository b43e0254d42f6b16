/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI image layouts: index.json leads to manifests, perhaps by way of further
 * indexes; documents and layers are files named by their digests.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/archive_load_int.h"
#include "image/oci_json.h"
#include "image/store_int.h"

#define MAX_DEPTH 32u
#define MAX_INDEXES 1024u
#define MAX_READ 8192u /* manifests and indexes, the same ones as well */

static char *blob_path(const struct digest *d)
{
	return str_fmt("blobs/%.*s/%s", (int)strcspn(d->text, ":"), d->text,
		       digest_hex(d));
}

/* A document: its size and digest are what the descriptor says. */
static int read_blob(const struct archive_input *in,
		     const struct oci_descriptor *d, char **ret_text,
		     size_t *ret_len, struct err *err)
{
	autofree char *path = blob_path(&d->digest), *text = NULL;
	struct digest got;
	struct hasher h;
	size_t len = 0;
	int rc;

	if (!path)
		return store_err(err, ENOMEM, "read the archive");
	rc = archive_input_text(in, path, &text, &len, err);
	if (rc)
		return rc;
	if (len != d->size)
		return err_set(err, ERR_IMAGE, EBADMSG,
			       "'%s' has %zu bytes, not %llu", path, len,
			       (unsigned long long)d->size);
	hasher_init(&h, digest_alg(&d->digest));
	hasher_add(&h, text, len);
	hasher_done(&h, &got);
	if (!digest_eq(&got, &d->digest))
		return err_set(err, ERR_IMAGE, EBADMSG,
			       "digest mismatch of '%s': it is %s", path,
			       got.text);
	*ret_text = take_ptr(text);
	*ret_len = len;
	return 0;
}

/* An index on the way down. */
struct level {
	struct oci_manifest index;
	size_t next;
	const char *name; /* inherited, NULL or borrowed from a level above */
	bool chosen;	  /* one image of it has been taken */
};

struct walk {
	struct archive_loader *l;
	struct level levels[MAX_DEPTH];
	size_t depth, indexes, read;
};

/* A name that stands for a reference by itself: not a tag alone. */
static bool is_full_name(const char *name)
{
	return strchr(name, ':') || strchr(name, '/');
}

static const char *entry_name(const struct oci_index_entry *e,
			      const struct level *level)
{
	if (e->full_name)
		return e->full_name;
	return e->ref_name ? e->ref_name : level->name;
}

/* The image of that manifest, when it is planned already. */
static struct archive_item *planned(struct archive_plan *plan,
				    const struct digest *d)
{
	for (size_t i = 0; i < plan->n; i++)
		if (digest_eq(&plan->items[i].manifest.digest, d))
			return &plan->items[i];
	return NULL;
}

/* 1 when the image of a manifest is for this platform. */
static int config_fits(const struct walk *w, const struct oci_manifest *m,
		       struct err *err)
{
	autofree char *text = NULL;
	struct oci_config config;
	size_t len = 0;
	int rc = read_blob(&w->l->input, &m->config, &text, &len, err);

	if (!rc)
		rc = oci_config_parse(text, len, &config, err);
	if (rc)
		return rc;
	rc = archive_platform_fits(config.os, config.arch, w->l->load);
	oci_config_fini(&config);
	return rc;
}

static int plan_manifest(struct walk *w, const struct oci_index_entry *e,
			 const struct oci_manifest *m, struct err *err)
{
	struct level *level = &w->levels[w->depth - 1];
	struct archive_plan *plan = &w->l->plan;
	const struct strv *given = w->l->load->names;
	const char *name = entry_name(e, level);
	struct archive_item *item;
	int rc = config_fits(w, m, err);

	if (rc < 0)
		return rc;
	/* Of the variants of one image the first is the one. */
	if (!rc || (w->depth > 1 && level->chosen)) {
		w->l->plan.skipped++;
		return 0;
	}
	level->chosen = true;
	item = planned(plan, &e->desc.digest);
	rc = item ? 0 : archive_plan_add(plan, &item, err);
	if (rc)
		return rc;
	item->manifest = e->desc;
	item->manifest.media_type = NULL;
	/* With a name at hand, nobody wants the image "latest". */
	if (!name || (given && given->n && !is_full_name(name)))
		return 0;
	rc = archive_plan_name(plan, item, name, err);
	return rc < 0 ? rc : 0;
}

static int push(struct walk *w, struct oci_manifest *index, const char *name,
		struct err *err)
{
	struct level *level;

	if (w->depth == MAX_DEPTH || ++w->indexes > MAX_INDEXES) {
		oci_manifest_fini(index);
		return err_set(err, ERR_IMAGE, EINVAL,
			       "its indexes are nested too deep, or too many");
	}
	level = &w->levels[w->depth++];
	memset(level, 0, sizeof(*level));
	level->index = *index;
	level->name = name;
	return 0;
}

static int visit(struct walk *w, const struct oci_index_entry *e,
		 struct err *err)
{
	autofree char *text = NULL;
	struct oci_manifest m;
	size_t len = 0;
	int rc;

	if (e->attestation)
		return 0;
	if (!archive_platform_fits(e->platform.os, e->platform.arch,
				   w->l->load)) {
		w->l->plan.skipped++;
		return 0;
	}
	if (++w->read > MAX_READ)
		return err_set(err, ERR_IMAGE, EFBIG,
			       "its indexes name more than %u manifests",
			       MAX_READ);
	rc = read_blob(&w->l->input, &e->desc, &text, &len, err);
	if (!rc)
		rc = oci_manifest_parse(text, len, &m, err);
	if (rc)
		return rc;
	if (m.kind == OCI_INDEX)
		return push(w, &m, entry_name(e, &w->levels[w->depth - 1]),
			    err);
	rc = plan_manifest(w, e, &m, err);
	oci_manifest_fini(&m);
	return rc;
}

static int walk(struct walk *w, struct err *err)
{
	int rc = 0;

	while (!rc && w->depth) {
		struct level *level = &w->levels[w->depth - 1];

		if (level->next < level->index.nentries) {
			rc = visit(w, &level->index.entries[level->next++],
				   err);
			continue;
		}
		oci_manifest_fini(&level->index);
		w->depth--;
	}
	while (w->depth)
		oci_manifest_fini(&w->levels[--w->depth].index);
	return rc;
}

static int check_layout(const struct archive_loader *l, struct err *err)
{
	autofree char *text = NULL;
	autojson json_t *root = NULL;
	const char *version;
	size_t len = 0;
	int rc = archive_input_text(&l->input, "oci-layout", &text, &len, err);

	if (!rc)
		rc = oci_json_load(text, len, OCI_DOCUMENT_MAX, "'oci-layout'",
				   &root, err);
	if (rc)
		return rc;
	if (oci_json_text(root, "imageLayoutVersion", &version) || !version ||
	    !str_starts(version, "1."))
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "it is of a version of the image layout that is "
			       "not known");
	return 0;
}

int archive_oci_plan(struct archive_loader *l, struct err *err)
{
	struct walk *w = calloc(1, sizeof(*w));
	autofree char *text = NULL;
	struct oci_manifest top;
	size_t len = 0;
	int rc;

	if (!w)
		return store_err(err, ENOMEM, "read the archive");
	w->l = l;
	rc = check_layout(l, err);
	if (!rc)
		rc = archive_input_text(&l->input, "index.json", &text, &len,
					err);
	if (!rc)
		rc = oci_manifest_parse(text, len, &top, err);
	if (!rc && top.kind != OCI_INDEX) {
		oci_manifest_fini(&top);
		rc = err_set(err, ERR_IMAGE, EINVAL,
			     "'index.json' is not an index");
	}
	if (!rc)
		rc = push(w, &top, NULL, err);
	if (!rc)
		rc = walk(w, err);
	free(w);
	return rc;
}

int archive_oci_texts(const struct archive_loader *l,
		      const struct archive_item *item,
		      struct archive_texts *ret, struct err *err)
{
	struct oci_manifest m;
	int rc = read_blob(&l->input, &item->manifest, &ret->manifest,
			   &ret->manifest_len, err);

	if (!rc)
		rc = oci_manifest_parse(ret->manifest, ret->manifest_len, &m,
					err);
	if (rc)
		return rc;
	rc = read_blob(&l->input, &m.config, &ret->config, &ret->config_len,
		       err);
	for (size_t i = 0; !rc && i < m.nlayers; i++)
		if (strv_take(&ret->layers, blob_path(&m.layers[i].digest)))
			rc = store_err(err, ENOMEM, "read the archive");
	oci_manifest_fini(&m);
	return rc;
}
