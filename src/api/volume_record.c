/* SPDX-License-Identifier: Apache-2.0 */
/* What a volume was made with, and its JSON form beside the volume. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/volume_int.h"
#include "store/labels.h"

#define CAPACITY_MIB_MAX (16ull << 20) /* 16 TiB */

void volume_record_fini(struct volume_record *r)
{
	strv_fini(&r->labels);
}

int volume_name_check(const char *name, struct err *err)
{
	if (sandbox_name_valid(name))
		return 0;
	return err_set(err, ERR_INVALID, EINVAL,
		       "volume name must start with an alphanumeric character "
		       "and contain only alphanumeric characters, dots, "
		       "hyphens, and underscores: %.200s",
		       name);
}

int volume_record_make(const msb_volume_options_t *o, struct volume_record *ret,
		       struct err *err)
{
	struct volume_record r = { .kind = MSB_VOLUME_DIR };
	int rc = 0;

	if (!o) {
		*ret = r;
		return 0;
	}
	r.kind = o->kind;
	r.quota_mib = o->quota_mib;
	r.capacity_mib = o->capacity_mib;
	if ((unsigned)r.kind > MSB_VOLUME_DISK)
		return err_set(err, ERR_INVALID, EINVAL,
			       "unknown kind of volume");
	if (r.kind == MSB_VOLUME_DISK && r.quota_mib)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a volume of kind disk has a size, no quota");
	if (r.kind == MSB_VOLUME_DISK && !r.capacity_mib)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a volume of kind disk needs a size");
	if (r.kind == MSB_VOLUME_DIR && r.capacity_mib)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a volume of kind dir has a quota, no size");
	if (r.capacity_mib > CAPACITY_MIB_MAX ||
	    (r.quota_mib > CAPACITY_MIB_MAX && r.quota_mib != MSB_QUOTA_NONE))
		return err_set(err, ERR_INVALID, ERANGE,
			       "size too large: the limit is %llu MiB",
			       CAPACITY_MIB_MAX);
	for (size_t i = 0; !rc && i < o->nlabels; i++)
		rc = labels_add(&r.labels, o->labels[i], err);
	labels_sort(&r.labels);
	if (rc)
		volume_record_fini(&r);
	else
		*ret = r;
	return rc;
}

static json_t *opt_number(uint64_t v)
{
	return v && v <= INT64_MAX ? json_integer((json_int_t)v) : json_null();
}

char *volume_record_to_json(const struct volume_record *r)
{
	json_t *o = json_pack("{s:i,s:s,s:o,s:o,s:I,s:o}", "version", 1, "kind",
			      r->kind == MSB_VOLUME_DISK ? "disk" : "dir",
			      "quota_mib", opt_number(r->quota_mib),
			      "capacity_mib", opt_number(r->capacity_mib),
			      "created_unix_ms", (json_int_t)r->created_ms,
			      "labels", labels_to_json(&r->labels));
	char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;

	json_decref(o);
	return text;
}

/* A missing or null number is 0. */
static int get_number(const json_t *o, const char *key, uint64_t max,
		      uint64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	*ret = 0;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 ||
	    (uint64_t)json_integer_value(v) > max)
		return -EINVAL;
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

int volume_record_from_json(const char *text, size_t len,
			    struct volume_record *ret, struct err *err)
{
	struct volume_record r = { .kind = MSB_VOLUME_DIR };
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	const char *kind = json_string_value(json_object_get(o, "kind"));
	uint64_t created = 0;
	int rc = -EINVAL;

	if (kind && !strcmp(kind, "disk"))
		r.kind = MSB_VOLUME_DISK;
	if (kind && (r.kind == MSB_VOLUME_DISK || !strcmp(kind, "dir")) &&
	    !get_number(o, "quota_mib", CAPACITY_MIB_MAX, &r.quota_mib) &&
	    !get_number(o, "capacity_mib", CAPACITY_MIB_MAX, &r.capacity_mib) &&
	    !get_number(o, "created_unix_ms", INT64_MAX, &created))
		rc = labels_from_json(json_object_get(o, "labels"), &r.labels,
				      NULL);
	json_decref(o);
	if (rc) {
		volume_record_fini(&r);
		return rc == -ENOMEM
			       ? api_no_memory(err)
			       : err_set(err, ERR_INVALID, -rc,
					 "the record of the volume makes no "
					 "sense");
	}
	r.created_ms = (int64_t)created;
	*ret = r;
	return 0;
}
