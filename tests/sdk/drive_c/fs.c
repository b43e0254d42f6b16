/* SPDX-License-Identifier: Apache-2.0 */
/* Driver for C: files of guests and of volumes. */
#include <stdlib.h>
#include <string.h>

#include "drive.h"

#define PIECE (1u << 20)

/* What an operation works on: o or v is set, and is released with it. */
struct place {
	msb_fs_t *fs;
	struct object *o;
	msb_volume_t *v;
};

/* False after a failure; with false, too, place_close() is called. */
static bool place_open(struct request *rq, struct place *ret)
{
	const char *volume = text_arg(rq, "volume");

	*ret = (struct place){ 0 };
	if (!volume) {
		ret->o = sandbox_arg(rq);
		ret->fs = ret->o ? object_fs(rq, ret->o) : NULL;
		return ret->fs;
	}
	return !msb_volume_get(home, volume, &ret->v, &rq->err) &&
	       !msb_fs_open_volume(ret->v, &ret->fs, &rq->err);
}

static json_t *place_close(struct place *p, json_t *ok)
{
	object_put(p->o);
	if (p->v)
		msb_fs_free(p->fs);
	msb_volume_free(p->v);
	return ok;
}

static const char *const kinds[] = {
	[MSB_FS_FILE] = "file",
	[MSB_FS_DIR] = "directory",
	[MSB_FS_SYMLINK] = "symlink",
	[MSB_FS_OTHER] = "other",
};

static json_t *read_all(struct request *rq, bool text)
{
	const char *path = text_arg(rq, "path");
	void *data = NULL;
	json_t *ok = NULL;
	struct place p;
	size_t len;

	if (place_open(rq, &p) &&
	    !msb_fs_read_file(p.fs, path, 0, &data, &len, &rq->err))
		ok = text ? json_stringn(data, len) : bytes_json(data, len);
	msb_free(data);
	return place_close(&p, ok);
}

static json_t *op_read(struct request *rq)
{
	return read_all(rq, false);
}

static json_t *op_read_text(struct request *rq)
{
	return read_all(rq, true);
}

static json_t *op_write(struct request *rq)
{
	const char *path = text_arg(rq, "path");
	size_t len = 0;
	void *data = bytes_arg(rq, "data", &len);
	json_t *ok = NULL;
	struct place p;

	if (!data)
		return NULL;
	if (place_open(rq, &p) &&
	    !msb_fs_write_file(p.fs, path, data, len, -1, false, &rq->err))
		ok = json_null();
	free(data);
	return place_close(&p, ok);
}

static int add_entry(void *ctx, const char *name, const msb_fs_info_t *info)
{
	return json_array_append_new(ctx,
				     json_pack("{s:s, s:s, s:I, s:I}", "name",
					       name, "kind", kinds[info->kind],
					       "mode", (json_int_t)info->mode,
					       "size", (json_int_t)info->size));
}

static int by_name(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;

	return strcmp(json_string_value(json_object_get(x, "name")),
		      json_string_value(json_object_get(y, "name")));
}

/* A new array, of the same elements. */
static json_t *sorted(const json_t *list)
{
	size_t n = json_array_size(list);
	json_t **v = calloc(n + 1, sizeof(*v));
	json_t *ok = json_array();

	for (size_t i = 0; v && i < n; i++)
		v[i] = json_array_get(list, i);
	if (v)
		qsort(v, n, sizeof(*v), by_name);
	for (size_t i = 0; v && i < n; i++)
		(void)json_array_append(ok, v[i]);
	free(v);
	return ok;
}

static json_t *op_list(struct request *rq)
{
	const char *path = text_arg(rq, "path");
	json_t *all = json_array();
	json_t *ok = NULL;
	struct place p;

	if (place_open(rq, &p) &&
	    !msb_fs_list(p.fs, path, add_entry, all, &rq->err))
		ok = sorted(all);
	json_decref(all);
	return place_close(&p, ok);
}

static json_t *op_stat(struct request *rq)
{
	const char *path = text_arg(rq, "path");
	bool follow = bool_arg(rq, "follow", true);
	msb_fs_info_t i;
	json_t *ok = NULL;
	struct place p;

	if (place_open(rq, &p) &&
	    !msb_fs_stat(p.fs, path, follow, &i, &rq->err))
		ok = json_pack("{s:s, s:I, s:I, s:I}", "kind", kinds[i.kind],
			       "mode", (json_int_t)i.mode, "size",
			       (json_int_t)i.size, "modified_ms",
			       (json_int_t)i.mtime_s * 1000);
	return place_close(&p, ok);
}

static json_t *op_exists(struct request *rq)
{
	const char *path = text_arg(rq, "path");
	struct place p;
	int rc = place_open(rq, &p) ? msb_fs_exists(p.fs, path, &rq->err) : -1;

	return place_close(&p, rc < 0 ? NULL : json_boolean(rc));
}

static json_t *op_mkdir(struct request *rq)
{
	const char *path = text_arg(rq, "path");
	struct place p;
	bool ok = place_open(rq, &p) && !msb_fs_mkdir(p.fs, path, -1, &rq->err);

	return place_close(&p, ok ? json_null() : NULL);
}

static json_t *op_remove(struct request *rq)
{
	const char *path = text_arg(rq, "path");
	struct place p;
	bool ok = place_open(rq, &p) && !msb_fs_remove(p.fs, path, &rq->err);

	return place_close(&p, ok ? json_null() : NULL);
}

static json_t *op_remove_dir(struct request *rq)
{
	const char *path = text_arg(rq, "path");
	struct place p;
	bool ok = place_open(rq, &p) &&
		  !msb_fs_remove_dir(p.fs, path, true, &rq->err);

	return place_close(&p, ok ? json_null() : NULL);
}

static json_t *op_copy(struct request *rq)
{
	struct place p;
	bool ok = place_open(rq, &p) &&
		  !msb_fs_copy(p.fs, text_arg(rq, "from"), text_arg(rq, "to"),
			       &rq->err);

	return place_close(&p, ok ? json_null() : NULL);
}

static json_t *op_rename(struct request *rq)
{
	struct place p;
	bool ok = place_open(rq, &p) &&
		  !msb_fs_rename(p.fs, text_arg(rq, "from"), text_arg(rq, "to"),
				 &rq->err);

	return place_close(&p, ok ? json_null() : NULL);
}

static json_t *op_symlink(struct request *rq)
{
	struct place p;
	bool ok = place_open(rq, &p) &&
		  !msb_fs_symlink(p.fs, text_arg(rq, "target"),
				  text_arg(rq, "path"), &rq->err);

	return place_close(&p, ok ? json_null() : NULL);
}

static json_t *path_of(struct request *rq,
		       int (*get)(msb_fs_t *fs, const char *path, char **ret,
				  msb_error_t **ret_err))
{
	char *text = NULL;
	struct place p;
	bool ok = place_open(rq, &p) &&
		  !get(p.fs, text_arg(rq, "path"), &text, &rq->err);
	json_t *value = ok ? json_string(text) : NULL;

	msb_free(text);
	return place_close(&p, value);
}

static json_t *op_read_link(struct request *rq)
{
	return path_of(rq, msb_fs_read_link);
}

static json_t *op_real_path(struct request *rq)
{
	return path_of(rq, msb_fs_real_path);
}

static json_t *op_set_mode(struct request *rq)
{
	msb_fs_attrs_t a = { .struct_size = sizeof(a),
			     .set = MSB_FS_SET_MODE,
			     .mode = (uint32_t)int_arg(rq, "mode", 0) };
	struct place p;
	bool ok = place_open(rq, &p) &&
		  !msb_fs_set_stat(p.fs, text_arg(rq, "path"), true, &a,
				   &rq->err);

	return place_close(&p, ok ? json_null() : NULL);
}

/* ---- streams ------------------------------------------------------------- */

static json_t *read_stream(struct request *rq, msb_fs_t *fs)
{
	uint8_t *piece = malloc(PIECE);
	uint64_t handle, size = 0, sum = 0;
	int64_t n = PIECE;

	if (!piece || msb_fs_open(fs, text_arg(rq, "path"), MSB_FS_READ, -1,
				  &handle, &rq->err)) {
		free(piece);
		return NULL;
	}
	while (n == PIECE) {
		n = msb_fs_pread(fs, handle, size, piece, PIECE, &rq->err);
		for (int64_t i = 0; i < n; i++)
			sum += piece[i];
		size += n > 0 ? (uint64_t)n : 0;
	}
	free(piece);
	if (msb_fs_close(fs, handle, n < 0 ? NULL : &rq->err) || n < 0)
		return NULL;
	return json_pack("{s:I, s:I}", "size", (json_int_t)size, "sum",
			 (json_int_t)sum);
}

static json_t *op_read_stream(struct request *rq)
{
	struct place p;

	return place_close(&p,
			   place_open(rq, &p) ? read_stream(rq, p.fs) : NULL);
}

static int write_pieces(struct request *rq, msb_fs_t *fs, uint64_t handle)
{
	uint64_t size = (uint64_t)int_arg(rq, "size", 0);
	size_t chunk = (size_t)int_arg(rq, "chunk", PIECE);
	uint8_t *piece = malloc(chunk);
	int rc = piece ? 0 : -1;

	for (uint64_t at = 0; !rc && at < size; at += chunk) {
		size_t len = size - at < chunk ? (size_t)(size - at) : chunk;

		for (size_t i = 0; i < len; i++)
			piece[i] = (uint8_t)((at + i) % 251);
		rc = msb_fs_pwrite(fs, handle, at, piece, len, &rq->err);
	}
	free(piece);
	return rc;
}

static json_t *op_write_stream(struct request *rq)
{
	unsigned flags = MSB_FS_WRITE | MSB_FS_CREATE | MSB_FS_TRUNCATE;
	const char *path = text_arg(rq, "path");
	json_t *ok = NULL;
	uint64_t handle;
	struct place p;
	int rc;

	if (place_open(rq, &p) &&
	    !msb_fs_open(p.fs, path, flags, -1, &handle, &rq->err)) {
		rc = write_pieces(rq, p.fs, handle);
		if (!msb_fs_close(p.fs, handle, rc ? NULL : &rq->err) && !rc)
			ok = json_null();
	}
	return place_close(&p, ok);
}

static json_t *op_from_host(struct request *rq)
{
	struct object *o = sandbox_arg(rq);
	int64_t rc = o ? msb_copy(NULL, text_arg(rq, "host"), o->p,
				  text_arg(rq, "guest"), NULL, &rq->err)
		       : -1;

	object_put(o);
	return done(rq, rc);
}

static json_t *op_to_host(struct request *rq)
{
	struct object *o = sandbox_arg(rq);
	int64_t rc = o ? msb_copy(o->p, text_arg(rq, "guest"), NULL,
				  text_arg(rq, "host"), NULL, &rq->err)
		       : -1;

	object_put(o);
	return done(rq, rc);
}

const struct op fs_ops[] = {
	{ "fs_read", op_read },
	{ "fs_read_text", op_read_text },
	{ "fs_write", op_write },
	{ "fs_list", op_list },
	{ "fs_stat", op_stat },
	{ "fs_exists", op_exists },
	{ "fs_mkdir", op_mkdir },
	{ "fs_remove", op_remove },
	{ "fs_remove_dir", op_remove_dir },
	{ "fs_copy", op_copy },
	{ "fs_rename", op_rename },
	{ "fs_symlink", op_symlink },
	{ "fs_read_link", op_read_link },
	{ "fs_real_path", op_real_path },
	{ "fs_set_mode", op_set_mode },
	{ "fs_read_stream", op_read_stream },
	{ "fs_write_stream", op_write_stream },
	{ "fs_copy_from_host", op_from_host },
	{ "fs_copy_to_host", op_to_host },
	{ NULL, NULL },
};
