/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of core.fs.*. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "protocol/msg_int.h"

static const struct field attrs_fields[] = {
	FIELD(struct msg_fs_attrs, mode, "mode", F_OPT_U32, 0),
	FIELD(struct msg_fs_attrs, uid, "uid", F_OPT_U32, 0),
	FIELD(struct msg_fs_attrs, gid, "gid", F_OPT_U32, 0),
	FIELD(struct msg_fs_attrs, size, "size", F_OPT_U64, 0),
	FIELD(struct msg_fs_attrs, atime, "atime", F_OPT_I64, 0),
	FIELD(struct msg_fs_attrs, mtime, "mtime", F_OPT_I64, 0),
};

static const struct field open_fields[] = {
	FIELD(struct msg_fs_open, read, "read", F_BOOL, 0),
	FIELD(struct msg_fs_open, write, "write", F_BOOL, 0),
	FIELD(struct msg_fs_open, append, "append", F_BOOL, 0),
	FIELD(struct msg_fs_open, create, "create", F_BOOL, 0),
	FIELD(struct msg_fs_open, truncate, "truncate", F_BOOL, 0),
	FIELD(struct msg_fs_open, create_new, "create_new", F_BOOL, 0),
	FIELD(struct msg_fs_open, mode, "mode", F_OPT_U32, 0),
};

/* Nested maps are kept as cursors while the op's own map is read. */
struct raw_op {
	struct msg_fs_request m;
	struct cbor attrs, options;
};

#define OP_FIELD(member, key, type, flags)                                     \
	FIELD(struct raw_op, m.member, key, type, flags)
#define OP_PATH OP_FIELD(path, "path", F_STRING, F_MUST)
#define OP_HANDLE OP_FIELD(handle, "handle", F_U64, F_MUST)
#define OP_FOLLOW OP_FIELD(follow_symlink, "follow_symlink", F_BOOL, F_MUST)
#define OP_ATTRS FIELD(struct raw_op, attrs, "attrs", F_ITEM, F_MUST)

static const struct field path_op[] = { OP_PATH };
static const struct field stat_op[] = { OP_PATH, OP_FOLLOW };
static const struct field set_stat_op[] = { OP_PATH, OP_FOLLOW, OP_ATTRS };
static const struct field symlink_op[] = {
	OP_FIELD(target, "target", F_STRING, F_MUST),
	OP_FIELD(path, "link_path", F_STRING, F_MUST),
};
static const struct field mkdir_op[] = {
	OP_PATH,
	OP_FIELD(mode, "mode", F_OPT_U32, 0),
};
static const struct field remove_dir_op[] = {
	OP_PATH,
	OP_FIELD(recursive, "recursive", F_BOOL, F_MUST),
};
static const struct field copy_op[] = {
	OP_FIELD(path, "src", F_STRING, F_MUST),
	OP_FIELD(target, "dst", F_STRING, F_MUST),
};
static const struct field open_file_op[] = {
	OP_PATH,
	FIELD(struct raw_op, options, "options", F_ITEM, F_MUST),
};
static const struct field handle_op[] = { OP_HANDLE };
static const struct field transfer_op[] = {
	OP_HANDLE,
	OP_FIELD(offset, "offset", F_U64, F_MUST),
	OP_FIELD(len, "len", F_OPT_U64, 0),
};
static const struct field read_dir_op[] = {
	OP_HANDLE,
	OP_FIELD(limit, "limit", F_OPT_U32, 0),
};
static const struct field fset_stat_op[] = { OP_HANDLE, OP_ATTRS };

static const struct {
	const char *name;
	const struct field *fields;
	size_t n;
} ops[] = {
#define OP(op, name, fields) [op] = { (name), (fields), ARRAY_SIZE(fields) }
	OP(MSG_FS_REAL_PATH, "RealPath", path_op),
	OP(MSG_FS_STAT, "Stat", stat_op),
	OP(MSG_FS_SET_STAT, "SetStat", set_stat_op),
	OP(MSG_FS_LIST, "List", path_op),
	OP(MSG_FS_READ_LINK, "ReadLink", path_op),
	OP(MSG_FS_SYMLINK, "Symlink", symlink_op),
	OP(MSG_FS_MKDIR, "Mkdir", mkdir_op),
	OP(MSG_FS_REMOVE, "Remove", path_op),
	OP(MSG_FS_REMOVE_DIR, "RemoveDir", remove_dir_op),
	OP(MSG_FS_COPY, "Copy", copy_op),
	OP(MSG_FS_RENAME, "Rename", copy_op),
	OP(MSG_FS_OPEN_FILE, "OpenFile", open_file_op),
	OP(MSG_FS_OPEN_DIR, "OpenDir", path_op),
	OP(MSG_FS_CLOSE_HANDLE, "CloseHandle", handle_op),
	OP(MSG_FS_READ, "Read", transfer_op),
	OP(MSG_FS_WRITE, "Write", transfer_op),
	OP(MSG_FS_READ_DIR, "ReadDir", read_dir_op),
	OP(MSG_FS_FSTAT, "FStat", handle_op),
	OP(MSG_FS_FSET_STAT, "FSetStat", fset_stat_op),
#undef OP
};
static_assert(ARRAY_SIZE(ops) == MSG_FS_OP_COUNT,
	      "ops[] doesn't match enum msg_fs_op");

const char *msg_fs_op_name(enum msg_fs_op op)
{
	return (unsigned)op < MSG_FS_OP_COUNT ? ops[op].name : "unknown";
}

static bool op_has(enum msg_fs_op op, const char *key)
{
	/* A nested map is always the last field. */
	return !strcmp(ops[op].fields[ops[op].n - 1].key, key);
}

void msg_encode_fs_request(struct buf *b, const struct msg_fs_request *m)
{
	struct raw_op raw = { .m = *m };

	if ((unsigned)m->op >= MSG_FS_OP_COUNT) {
		b->failed = true;
		return;
	}
	cbor_put_map(b, 1);
	cbor_put_text(b, "op");
	cbor_put_map(b, 1);
	cbor_put_text(b, ops[m->op].name);
	cbor_put_map(b, ops[m->op].n);
	fields_put(b, ops[m->op].fields, ops[m->op].n, &raw);
	if (op_has(m->op, "attrs")) {
		cbor_put_text(b, "attrs");
		fields_encode(b, attrs_fields, ARRAY_SIZE(attrs_fields),
			      &m->attrs);
	} else if (op_has(m->op, "options")) {
		cbor_put_text(b, "options");
		fields_encode(b, open_fields, ARRAY_SIZE(open_fields),
			      &m->options);
	}
}

static int find_op(struct view name, enum msg_fs_op *ret)
{
	for (unsigned i = 0; i < MSG_FS_OP_COUNT; i++) {
		if (view_is(name, ops[i].name)) {
			*ret = (enum msg_fs_op)i;
			return 0;
		}
	}
	return -EBADMSG;
}

/* Enter the one entry of an externally tagged enumeration. */
static int enter_variant(struct cbor *c, struct cbor *it, struct view *ret_name)
{
	size_t n;

	if (cbor_enter_map(c, it, &n) || n != 1 || cbor_next_key(it, ret_name))
		return -EBADMSG;
	return 0;
}

static int get_nested(struct cbor *item, const struct field *f, size_t n,
		      void *out)
{
	struct cbor it;

	if (cbor_enter_map(item, &it, NULL))
		return -EBADMSG;
	return fields_get(&it, f, n, out);
}

struct outer {
	struct cbor op;
};

static const struct field outer_fields[] = {
	FIELD(struct outer, op, "op", F_ITEM, F_MUST),
};

int msg_decode_fs_request(struct view payload, struct cbor_scratch *scratch,
			  struct msg_fs_request *ret)
{
	struct raw_op raw = { 0 };
	struct cbor variant, it;
	struct outer outer;
	enum msg_fs_op op;
	struct view name;
	int rc = 0;

	if (fields_decode(payload, scratch, outer_fields,
			  ARRAY_SIZE(outer_fields), &outer) ||
	    enter_variant(&outer.op, &variant, &name) || find_op(name, &op) ||
	    cbor_enter_map(&variant, &it, NULL) ||
	    fields_get(&it, ops[op].fields, ops[op].n, &raw))
		return -EBADMSG;
	raw.m.op = op;
	if (op_has(op, "attrs"))
		rc = get_nested(&raw.attrs, attrs_fields,
				ARRAY_SIZE(attrs_fields), &raw.m.attrs);
	else if (op_has(op, "options"))
		rc = get_nested(&raw.options, open_fields,
				ARRAY_SIZE(open_fields), &raw.m.options);
	if (!rc)
		*ret = raw.m;
	return rc;
}

static const struct field info_fields[] = {
	FIELD(struct msg_fs_info, path, "path", F_TEXT, F_MUST),
	FIELD(struct msg_fs_info, kind, "kind", F_TEXT, F_MUST),
	FIELD(struct msg_fs_info, size, "size", F_U64, F_MUST),
	FIELD(struct msg_fs_info, mode, "mode", F_U32, F_MUST),
	FIELD(struct msg_fs_info, modified, "modified", F_OPT_I64, 0),
	FIELD(struct msg_fs_info, uid, "uid", F_U32, 0),
	FIELD(struct msg_fs_info, gid, "gid", F_U32, 0),
	FIELD(struct msg_fs_info, atime, "atime", F_OPT_I64, 0),
	FIELD(struct msg_fs_info, mtime, "mtime", F_OPT_I64, 0),
};

void msg_encode_fs_info(struct buf *b, const struct msg_fs_info *m)
{
	fields_encode(b, info_fields, ARRAY_SIZE(info_fields), m);
}

static void put_response_data(struct buf *b, const struct msg_fs_response *m)
{
	if (m->data == MSG_FS_DATA_NONE) {
		cbor_put_null(b);
		return;
	}
	cbor_put_map(b, 1);
	switch (m->data) {
	case MSG_FS_DATA_STAT:
		cbor_put_text(b, "Stat");
		msg_encode_fs_info(b, &m->stat);
		break;
	case MSG_FS_DATA_LIST:
		cbor_put_text(b, "List");
		cbor_put_array(b, m->list_count);
		(void)buf_append(b, m->list_items.p, m->list_items.len);
		break;
	case MSG_FS_DATA_HANDLE:
		cbor_put_text(b, "Handle");
		cbor_put_uint(b, m->handle);
		break;
	case MSG_FS_DATA_PATH:
		cbor_put_text(b, "Path");
		cbor_put_lossy(b, m->path.p, m->path.len);
		break;
	case MSG_FS_DATA_NONE:
		break;
	}
}

void msg_encode_fs_response(struct buf *b, const struct msg_fs_response *m)
{
	cbor_put_map(b, 3);
	cbor_put_text(b, "ok");
	cbor_put_bool(b, m->ok);
	cbor_put_text(b, "error");
	if (m->error.p)
		cbor_put_lossy(b, m->error.p, m->error.len);
	else
		cbor_put_null(b);
	cbor_put_text(b, "data");
	put_response_data(b, m);
}

struct raw_response {
	bool ok;
	struct view error;
	struct cbor data;
};

static const struct field response_fields[] = {
	FIELD(struct raw_response, ok, "ok", F_BOOL, F_MUST),
	FIELD(struct raw_response, error, "error", F_OPT_TEXT, 0),
	FIELD(struct raw_response, data, "data", F_ITEM, 0),
};

static int get_info(struct cbor *c, struct msg_fs_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	return get_nested(c, info_fields, ARRAY_SIZE(info_fields), ret);
}

/* Enter the list, every element checked; the scratch used is given back. */
static int get_list(struct cbor *c, struct msg_fs_response *ret)
{
	struct msg_fs_info info;
	struct cbor it;
	uint8_t *mark;
	int rc = 0;

	if (cbor_enter_array(c, &ret->list, &ret->list_count))
		return -EBADMSG;
	mark = c->scratch ? c->scratch->p : NULL;
	for (it = ret->list; !rc && !cbor_at_end(&it);)
		rc = get_info(&it, &info);
	if (c->scratch)
		c->scratch->p = mark;
	return rc;
}

static int get_response_data(struct cbor *item, struct msg_fs_response *ret)
{
	struct view name;
	struct cbor it;

	if (enter_variant(item, &it, &name))
		return -EBADMSG;
	if (view_is(name, "Stat")) {
		ret->data = MSG_FS_DATA_STAT;
		return get_info(&it, &ret->stat);
	}
	if (view_is(name, "List")) {
		ret->data = MSG_FS_DATA_LIST;
		return get_list(&it, ret);
	}
	if (view_is(name, "Handle")) {
		ret->data = MSG_FS_DATA_HANDLE;
		return cbor_get_u64(&it, &ret->handle) ? -EBADMSG : 0;
	}
	if (view_is(name, "Path")) {
		ret->data = MSG_FS_DATA_PATH;
		return cbor_get_text(&it, &ret->path);
	}
	return -EBADMSG;
}

int msg_decode_fs_response(struct view payload, struct cbor_scratch *scratch,
			   struct msg_fs_response *ret)
{
	struct raw_response raw = { 0 };

	memset(ret, 0, sizeof(*ret));
	if (fields_decode(payload, scratch, response_fields,
			  ARRAY_SIZE(response_fields), &raw))
		return -EBADMSG;
	ret->ok = raw.ok;
	ret->error = raw.error;
	if (cbor_at_end(&raw.data))
		return 0;
	return get_response_data(&raw.data, ret);
}

int msg_next_fs_info(struct cbor *list, struct msg_fs_info *ret)
{
	if (cbor_at_end(list))
		return -ENOENT;
	return get_info(list, ret);
}
