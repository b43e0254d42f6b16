/* SPDX-License-Identifier: Apache-2.0 */
/* Images, volumes and snapshots: their values are plain objects. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addon.h"
#include "progress.h"

static msb_t *home_of(struct op *o)
{
	return o->a[0].h->p;
}

/* n values, made by item(env, object, i). */
static napi_value values(napi_env env, const void *object, size_t n,
			 napi_value (*item)(napi_env env, const void *object,
					    size_t i))
{
	napi_value list;

	if (napi_create_array_with_length(env, n, &list))
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		napi_value v = item(env, object, i);

		if (!v || napi_set_element(env, list, i, v))
			return NULL;
	}
	return list;
}

/* ---- images ---------------------------------------------------------------
 */

static napi_value layer_value(napi_env env, const void *image, size_t i)
{
	msb_image_layer_t layer = { .struct_size = sizeof(layer) };
	napi_value o;

	if (msb_image_layer(image, i, &layer) || napi_create_object(env, &o))
		return NULL;
	set_string(env, o, "diffId", layer.diff_id);
	set_string(env, o, "blobDigest", layer.digest);
	set_string(env, o, "mediaType", layer.media_type);
	set_number(env, o, "compressedSizeBytes", (double)layer.size_bytes);
	set_number(env, o, "position", (double)i);
	return o;
}

static napi_value image_value(napi_env env, const msb_image_t *image)
{
	size_t layers = msb_image_layer_count(image);
	napi_value o;

	if (napi_create_object(env, &o))
		return NULL;
	set_string(env, o, "reference", msb_image_reference(image));
	set_string(env, o, "canonical", msb_image_canonical(image));
	set_string(env, o, "digest", msb_image_digest(image));
	set_number(env, o, "sizeBytes", (double)msb_image_size_bytes(image));
	set_string(env, o, "architecture", msb_image_architecture(image));
	set_string(env, o, "os", msb_image_os(image));
	set_number(env, o, "createdMs",
		   (double)msb_image_created_unix_ms(image));
	set_number(env, o, "lastUsedMs",
		   (double)msb_image_last_used_unix_ms(image));
	set_value(env, o, "layers", values(env, image, layers, layer_value));
	set_string(env, o, "json", msb_image_json(image));
	return o;
}

static int run_image_get(struct op *o)
{
	return msb_image_get(home_of(o), o->a[1].s, (msb_image_t **)&o->p,
			     &o->err);
}

static napi_value done_image(napi_env env, struct op *o)
{
	return image_value(env, o->p);
}

static void clear_image(struct op *o)
{
	msb_image_free(o->p);
}

static int run_image_list(struct op *o)
{
	return msb_image_list(home_of(o), (msb_image_list_t **)&o->p, &o->err);
}

static napi_value listed_image(napi_env env, const void *list, size_t i)
{
	return image_value(env, msb_image_list_item(list, i));
}

static napi_value done_images(napi_env env, struct op *o)
{
	return values(env, o->p, msb_image_list_count(o->p), listed_image);
}

static void clear_images(struct op *o)
{
	msb_image_list_free(o->p);
}

/* home, reference, force */
static int run_image_remove(struct op *o)
{
	return msb_image_remove(home_of(o), o->a[1].s, o->a[2].b, &o->err);
}

static int run_image_prune(struct op *o)
{
	msb_image_freed_t *freed = calloc(1, sizeof(*freed));

	o->state = freed;
	if (!freed)
		return -ENOMEM;
	freed->struct_size = sizeof(*freed);
	return msb_image_prune(home_of(o), freed, &o->err);
}

static napi_value done_prune(napi_env env, struct op *o)
{
	const msb_image_freed_t *freed = o->state;
	napi_value v;

	if (napi_create_object(env, &v))
		return NULL;
	set_number(env, v, "references", freed->references);
	set_number(env, v, "manifests", freed->manifests);
	set_number(env, v, "layers", freed->layers);
	set_number(env, v, "merged", freed->merged);
	set_number(env, v, "bytes", (double)freed->bytes);
	return v;
}

static void clear_state(struct op *o)
{
	free(o->state);
}

/*
 * home, reference, policy, force, insecure, CA certificates, user, password,
 * progress
 */
static int run_image_pull(struct op *o)
{
	msb_image_options_t *io = msb_image_options_new();
	struct progress_of of = { o, o->a[8].function };
	const union arg *a = o->a;
	bool cached = false;
	int rc = 0;

	if (!io)
		return -ENOMEM;
	msb_image_options_set_policy(io, (msb_pull_policy_t)a[2].n);
	msb_image_options_set_force(io, a[3].b);
	msb_image_options_set_insecure(io, a[4].b);
	if (of.function)
		msb_image_options_set_progress(io, on_progress, &of);
	if (a[5].s)
		rc = msb_image_options_set_ca_certs(io, a[5].s, &o->err);
	if (!rc && a[6].s)
		rc = msb_image_options_set_login(io, a[6].s,
						 a[7].s ? a[7].s : "", &o->err);
	if (!rc)
		rc = msb_image_pull(home_of(o), a[1].s, io, &cached, &o->err);
	msb_image_options_free(io);
	o->n = cached;
	return rc;
}

/* ---- volumes --------------------------------------------------------------
 */

struct volume {
	msb_volume_t *v; /* NULL: borrowed from a list */
	msb_volume_list_t *list;
	uint64_t *used;
};

static const char *volume_label(const void *v, size_t i)
{
	return msb_volume_label(v, i);
}

static napi_value volume_value(napi_env env, const msb_volume_t *v,
			       uint64_t used)
{
	bool disk = msb_volume_kind(v) == MSB_VOLUME_DISK;
	napi_value o;

	if (napi_create_object(env, &o))
		return NULL;
	set_string(env, o, "name", msb_volume_name(v));
	set_string(env, o, "path", msb_volume_path(v));
	set_string(env, o, "kind", disk ? "disk" : "dir");
	set_number(env, o, "quotaMib", (double)msb_volume_quota_mib(v));
	set_number(env, o, "capacityBytes",
		   (double)msb_volume_capacity_bytes(v));
	set_number(env, o, "usedBytes", (double)used);
	set_number(env, o, "createdMs", (double)msb_volume_created_unix_ms(v));
	set_value(env, o, "labels", value_labels(env, v, volume_label));
	return o;
}

static struct volume *volume_new(struct op *o)
{
	return o->state = calloc(1, sizeof(struct volume));
}

/* What cannot be counted, because it goes away just now, is nothing. */
static int count_used(struct volume *v, size_t n)
{
	v->used = calloc(n ? n : 1, sizeof(*v->used));
	if (!v->used)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		(void)msb_volume_used_bytes(
			v->v ? v->v : msb_volume_list_item(v->list, i),
			&v->used[i], NULL);
	return 0;
}

/* home, name, kind (0 directory, 1 disk), size in MiB, labels */
static int run_volume_create(struct op *o)
{
	const union arg *a = o->a;
	msb_volume_options_t vo = {
		.struct_size = sizeof(vo),
		.kind = a[2].n ? MSB_VOLUME_DISK : MSB_VOLUME_DIR,
		.quota_mib = a[2].n ? 0 : (uint64_t)a[3].n,
		.capacity_mib = a[2].n ? (uint64_t)a[3].n : 0,
		.labels = (const char *const *)a[4].strings.v,
		.nlabels = a[4].strings.n,
	};
	struct volume *v = volume_new(o);
	int rc = v ? msb_volume_create(home_of(o), a[1].s, &vo, &v->v, &o->err)
		   : -ENOMEM;

	return rc ? rc : count_used(v, 1);
}

static int run_volume_get(struct op *o)
{
	struct volume *v = volume_new(o);
	int rc = v ? msb_volume_get(home_of(o), o->a[1].s, &v->v, &o->err)
		   : -ENOMEM;

	return rc ? rc : count_used(v, 1);
}

static int run_volume_list(struct op *o)
{
	struct volume *v = volume_new(o);
	int rc = v ? msb_volume_list(home_of(o), &v->list, &o->err) : -ENOMEM;

	return rc ? rc : count_used(v, msb_volume_list_count(v->list));
}

static napi_value done_volume(napi_env env, struct op *o)
{
	const struct volume *v = o->state;

	return volume_value(env, v->v, v->used[0]);
}

static napi_value listed_volume(napi_env env, const void *state, size_t i)
{
	const struct volume *v = state;

	return volume_value(env, msb_volume_list_item(v->list, i), v->used[i]);
}

static napi_value done_volumes(napi_env env, struct op *o)
{
	const struct volume *v = o->state;

	return values(env, v, msb_volume_list_count(v->list), listed_volume);
}

static void clear_volume(struct op *o)
{
	struct volume *v = o->state;

	if (!v)
		return;
	msb_volume_free(v->v);
	msb_volume_list_free(v->list);
	free(v->used);
	free(v);
}

static int run_volume_remove(struct op *o)
{
	return msb_volume_remove(home_of(o), o->a[1].s, &o->err);
}

/* ---- snapshots ------------------------------------------------------------
 */

static const char *snapshot_label(const void *s, size_t i)
{
	return msb_snapshot_label(s, i);
}

static napi_value snapshot_value(napi_env env, const msb_snapshot_t *s)
{
	napi_value o, size;

	if (napi_create_object(env, &o) ||
	    napi_create_bigint_uint64(env, msb_snapshot_size_bytes(s), &size))
		return NULL;
	set_string(env, o, "name", msb_snapshot_name(s));
	set_string(env, o, "digest", msb_snapshot_digest(s));
	set_string(env, o, "path", msb_snapshot_path(s));
	set_string(env, o, "imageRef", msb_snapshot_image(s));
	set_string(env, o, "imageManifestDigest", msb_snapshot_image_digest(s));
	set_string(env, o, "format", msb_snapshot_format(s));
	set_string(env, o, "fstype", msb_snapshot_fstype(s));
	set_string(env, o, "parent", msb_snapshot_parent(s));
	set_string(env, o, "createdAt", msb_snapshot_created_at(s));
	set_string(env, o, "sourceSandbox", msb_snapshot_source(s));
	set_string(env, o, "integrity", msb_snapshot_integrity(s));
	set_value(env, o, "sizeBytes", size);
	set_value(env, o, "labels", value_labels(env, s, snapshot_label));
	return o;
}

static napi_value done_snapshot(napi_env env, struct op *o)
{
	return snapshot_value(env, o->p);
}

static void clear_snapshot(struct op *o)
{
	msb_snapshot_free(o->p);
}

/* home, sandbox, destination, labels, force, integrity */
static int run_snapshot_create(struct op *o)
{
	msb_snapshot_options_t so = {
		.struct_size = sizeof(so),
		.labels = (const char *const *)o->a[3].strings.v,
		.nlabels = o->a[3].strings.n,
		.force = o->a[4].b,
		.integrity = o->a[5].b,
	};

	return msb_snapshot_create(home_of(o), o->a[1].s, o->a[2].s, &so,
				   (msb_snapshot_t **)&o->p, &o->err);
}

static int run_snapshot_get(struct op *o)
{
	return msb_snapshot_get(home_of(o), o->a[1].s, (msb_snapshot_t **)&o->p,
				&o->err);
}

static int run_snapshot_list(struct op *o)
{
	msb_snapshot_list_t **l = (msb_snapshot_list_t **)&o->p;

	return o->a[1].s ? msb_snapshot_list_dir(home_of(o), o->a[1].s, l,
						 &o->err)
			 : msb_snapshot_list(home_of(o), l, &o->err);
}

static napi_value listed_snapshot(napi_env env, const void *list, size_t i)
{
	return snapshot_value(env, msb_snapshot_list_item(list, i));
}

static napi_value done_snapshots(napi_env env, struct op *o)
{
	return values(env, o->p, msb_snapshot_list_count(o->p),
		      listed_snapshot);
}

static void clear_snapshots(struct op *o)
{
	msb_snapshot_list_free(o->p);
}

static int run_snapshot_verify(struct op *o)
{
	int rc = run_snapshot_get(o);

	if (!rc)
		rc = msb_snapshot_verify(o->p, &o->err);
	o->n = rc;
	return rc;
}

static int run_snapshot_remove(struct op *o)
{
	return msb_snapshot_remove(home_of(o), o->a[1].s, o->a[2].b, &o->err);
}

static int run_snapshot_reindex(struct op *o)
{
	o->n = msb_snapshot_reindex(home_of(o), o->a[1].s, &o->err);
	return o->n < 0 ? (int)o->n : 0;
}

/* home, reference, path, parents, plain */
static int run_snapshot_export(struct op *o)
{
	return msb_snapshot_export(home_of(o), o->a[1].s, o->a[2].s, o->a[3].b,
				   o->a[4].b, &o->err);
}

/* home, path, destination or null */
static int run_snapshot_import(struct op *o)
{
	return msb_snapshot_import(home_of(o), o->a[1].s, o->a[2].s,
				   (msb_snapshot_t **)&o->p, &o->err);
}

const struct function functions_store[] = {
	{ "imageGet", "Hs", run_image_get, done_image, clear_image },
	{ "imageList", "H", run_image_list, done_images, clear_images },
	{ "imageRemove", "Hsb", run_image_remove, NULL, NULL },
	{ "imagePrune", "H", run_image_prune, done_prune, clear_state },
	{ "imagePull", "Hsnbbzzzfc", run_image_pull, done_bool, NULL },
	{ "volumeCreate", "Hsnnv", run_volume_create, done_volume,
	  clear_volume },
	{ "volumeGet", "Hs", run_volume_get, done_volume, clear_volume },
	{ "volumeList", "H", run_volume_list, done_volumes, clear_volume },
	{ "volumeRemove", "Hs", run_volume_remove, NULL, NULL },
	{ "snapshotCreate", "Hssvbbc", run_snapshot_create, done_snapshot,
	  clear_snapshot },
	{ "snapshotGet", "Hs", run_snapshot_get, done_snapshot,
	  clear_snapshot },
	{ "snapshotList", "Hz", run_snapshot_list, done_snapshots,
	  clear_snapshots },
	{ "snapshotVerify", "Hsc", run_snapshot_verify, done_bool,
	  clear_snapshot },
	{ "snapshotRemove", "Hsb", run_snapshot_remove, NULL, NULL },
	{ "snapshotReindex", "Hz", run_snapshot_reindex, done_number, NULL },
	{ "snapshotExport", "Hssbbc", run_snapshot_export, NULL, NULL },
	{ "snapshotImport", "Hszc", run_snapshot_import, done_snapshot,
	  clear_snapshot },
	{ NULL, NULL, NULL, NULL, NULL },
};
