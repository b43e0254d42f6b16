/* SPDX-License-Identifier: Apache-2.0 */
/* Driver for C: volumes and snapshots. */
#include <stdlib.h>
#include <string.h>

#include "drive.h"

/* ---- volumes ------------------------------------------------------------- */

static const char *volume_label(const void *v, size_t i)
{
	return msb_volume_label(v, i);
}

static json_t *volume_json(struct request *rq, const msb_volume_t *v)
{
	uint64_t quota = msb_volume_quota_mib(v), used = 0;

	if (msb_volume_used_bytes(v, &used, &rq->err))
		return NULL;
	return json_pack("{s:s, s:s, s:o, s:I, s:o, s:I}", "name",
			 msb_volume_name(v), "path", msb_volume_path(v),
			 "quota_mib",
			 quota ? json_integer((json_int_t)quota) : json_null(),
			 "used_bytes", (json_int_t)used, "labels",
			 labels_json(volume_label, v), "created_ms",
			 (json_int_t)msb_volume_created_unix_ms(v));
}

static json_t *op_volume_create(struct request *rq)
{
	msb_volume_options_t o = {
		.struct_size = sizeof(o),
		.quota_mib = (uint64_t)int_arg(rq, "quota_mib", 0),
	};
	char **labels = pairs_arg(rq, "labels", &o.nlabels);
	msb_volume_t *v = NULL;
	json_t *ok = NULL;

	o.labels = (const char *const *)labels;
	if (!msb_volume_create(home, text_arg(rq, "name"), &o, &v, &rq->err))
		ok = volume_json(rq, v);
	msb_volume_free(v);
	pairs_free(labels);
	return ok;
}

static json_t *op_volume_get(struct request *rq)
{
	msb_volume_t *v;
	json_t *ok;

	if (msb_volume_get(home, text_arg(rq, "name"), &v, &rq->err))
		return NULL;
	ok = volume_json(rq, v);
	msb_volume_free(v);
	return ok;
}

static json_t *op_volume_list(struct request *rq)
{
	json_t *all = json_array();
	msb_volume_list_t *l;

	if (msb_volume_list(home, &l, &rq->err)) {
		json_decref(all);
		return NULL;
	}
	for (size_t i = 0; i < msb_volume_list_count(l); i++)
		(void)json_array_append_new(
			all, volume_json(rq, msb_volume_list_item(l, i)));
	msb_volume_list_free(l);
	return all;
}

static json_t *op_volume_remove(struct request *rq)
{
	return done(rq,
		    msb_volume_remove(home, text_arg(rq, "name"), &rq->err));
}

/* ---- snapshots ----------------------------------------------------------- */

static const char *snapshot_label(const void *s, size_t i)
{
	return msb_snapshot_label(s, i);
}

static json_t *snapshot_json(const msb_snapshot_t *s)
{
	return json_pack("{s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:o, s:o}",
			 "name", text_or_null(msb_snapshot_name(s)), "digest",
			 msb_snapshot_digest(s), "path", msb_snapshot_path(s),
			 "image", text_or_null(msb_snapshot_image(s)), "format",
			 text_or_null(msb_snapshot_format(s)), "fstype",
			 text_or_null(msb_snapshot_fstype(s)), "parent",
			 text_or_null(msb_snapshot_parent(s)), "size_bytes",
			 (json_int_t)msb_snapshot_size_bytes(s), "labels",
			 labels_json(snapshot_label, s), "source",
			 text_or_null(msb_snapshot_source(s)));
}

/* Takes s; rc is that of what made it. */
static json_t *snapshot_done(msb_snapshot_t *s, int rc)
{
	json_t *ok = rc ? NULL : snapshot_json(s);

	if (!rc)
		msb_snapshot_free(s);
	return ok;
}

static json_t *op_snapshot_create(struct request *rq)
{
	msb_snapshot_options_t o = {
		.struct_size = sizeof(o),
		.force = bool_arg(rq, "force", false),
		.integrity = bool_arg(rq, "integrity", false),
	};
	char **labels = pairs_arg(rq, "labels", &o.nlabels);
	const char *name = text_arg(rq, "name");
	msb_snapshot_t *s;
	int rc;

	o.labels = (const char *const *)labels;
	rc = msb_snapshot_create(home, text_arg(rq, "source"),
				 name ? name : text_arg(rq, "path"), &o, &s,
				 &rq->err);
	pairs_free(labels);
	return snapshot_done(s, rc);
}

static json_t *op_snapshot_get(struct request *rq)
{
	msb_snapshot_t *s;
	int rc = msb_snapshot_get(home, text_arg(rq, "ref"), &s, &rq->err);

	return snapshot_done(s, rc);
}

static json_t *snapshots_json(msb_snapshot_list_t *l)
{
	json_t *all = json_array();

	for (size_t i = 0; i < msb_snapshot_list_count(l); i++)
		(void)json_array_append_new(
			all, snapshot_json(msb_snapshot_list_item(l, i)));
	msb_snapshot_list_free(l);
	return all;
}

static json_t *op_snapshot_list(struct request *rq)
{
	msb_snapshot_list_t *l;

	if (msb_snapshot_list(home, &l, &rq->err))
		return NULL;
	return snapshots_json(l);
}

static json_t *op_snapshot_list_dir(struct request *rq)
{
	msb_snapshot_list_t *l;

	if (msb_snapshot_list_dir(home, text_arg(rq, "dir"), &l, &rq->err))
		return NULL;
	return snapshots_json(l);
}

static json_t *op_snapshot_verify(struct request *rq)
{
	msb_snapshot_t *s;
	int rc = msb_snapshot_get(home, text_arg(rq, "ref"), &s, &rq->err);

	if (rc)
		return NULL;
	rc = msb_snapshot_verify(s, &rq->err);
	msb_snapshot_free(s);
	if (rc < 0)
		return NULL;
	return json_string(rc ? "verified" : "not_recorded");
}

static json_t *op_snapshot_remove(struct request *rq)
{
	return done(rq, msb_snapshot_remove(home, text_arg(rq, "ref"),
					    bool_arg(rq, "force", false),
					    &rq->err));
}

static json_t *op_snapshot_reindex(struct request *rq)
{
	int64_t n = msb_snapshot_reindex(home, text_arg(rq, "dir"), &rq->err);

	return n < 0 ? NULL : json_integer((json_int_t)n);
}

static json_t *op_snapshot_export(struct request *rq)
{
	return done(rq, msb_snapshot_export(
				home, text_arg(rq, "ref"), text_arg(rq, "path"),
				bool_arg(rq, "parents", false),
				bool_arg(rq, "plain", false), &rq->err));
}

static json_t *op_snapshot_import(struct request *rq)
{
	msb_snapshot_t *s;
	int rc = msb_snapshot_import(home, text_arg(rq, "path"),
				     text_arg(rq, "dest"), &s, &rq->err);

	return snapshot_done(s, rc);
}

const struct op store_ops[] = {
	{ "volume_create", op_volume_create },
	{ "volume_get", op_volume_get },
	{ "volume_list", op_volume_list },
	{ "volume_remove", op_volume_remove },
	{ "snapshot_create", op_snapshot_create },
	{ "snapshot_get", op_snapshot_get },
	{ "snapshot_list", op_snapshot_list },
	{ "snapshot_list_dir", op_snapshot_list_dir },
	{ "snapshot_verify", op_snapshot_verify },
	{ "snapshot_remove", op_snapshot_remove },
	{ "snapshot_reindex", op_snapshot_reindex },
	{ "snapshot_export", op_snapshot_export },
	{ "snapshot_import", op_snapshot_import },
	{ NULL, NULL },
};
