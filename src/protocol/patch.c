/* SPDX-License-Identifier: Apache-2.0 */
/* Patches of a root file system on their way to the guest. */
#include "protocol/patch.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/compiler.h"

#define MODE_MAX 07777u

static const char *const kinds[] = {
	[PATCH_FILE] = "file",	     [PATCH_APPEND] = "append",
	[PATCH_SYMLINK] = "symlink", [PATCH_MKDIR] = "mkdir",
	[PATCH_TREE] = "tree",	     [PATCH_REMOVE] = "remove",
};

void patch_put(struct buf *b, const struct patch *p)
{
	cbor_put_map(b, 5);
	cbor_put_text(b, "kind");
	cbor_put_text(b, kinds[p->kind]);
	cbor_put_text(b, "path");
	cbor_put_string(b, p->path.p, p->path.len);
	cbor_put_text(b, "mode");
	cbor_put_uint(b, p->mode);
	cbor_put_text(b, "replace");
	cbor_put_bool(b, p->replace);
	cbor_put_text(b, "data");
	cbor_put_bytes(b, p->data.p, p->data.len);
}

static int get_kind(struct cbor *it, enum patch_kind *ret)
{
	struct view word;

	if (cbor_get_text(it, &word))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (view_is(word, kinds[i])) {
			*ret = (enum patch_kind)i;
			return 0;
		}
	return -EBADMSG;
}

static int get_member(struct cbor *it, struct view key, struct patch *p,
		      bool *has_kind)
{
	if (view_is(key, "kind")) {
		*has_kind = true;
		return get_kind(it, &p->kind);
	}
	if (view_is(key, "path"))
		return cbor_get_string(it, &p->path);
	if (view_is(key, "data"))
		return cbor_get_bytes(it, &p->data);
	if (view_is(key, "mode"))
		return cbor_get_u32(it, &p->mode);
	if (view_is(key, "replace"))
		return cbor_get_bool(it, &p->replace);
	return cbor_skip(it);
}

static bool is_sound(const struct patch *p)
{
	const struct view *path = &p->path, *data = &p->data;
	bool link = p->kind == PATCH_SYMLINK;

	if (path->len < 2 || path->len >= PATH_MAX || path->p[0] != '/' ||
	    memchr(path->p, 0, path->len) || p->mode > MODE_MAX)
		return false;
	return !link || (data->len && data->len < PATH_MAX &&
			 !memchr(data->p, 0, data->len));
}

int patch_next(struct cbor *c, struct patch *ret)
{
	struct patch p = { 0 };
	bool has_kind = false;
	struct view key;
	struct cbor it;
	int rc;

	if (cbor_at_end(c))
		return 0;
	if (cbor_enter_map(c, &it, NULL))
		return -EBADMSG;
	while (!(rc = cbor_next_key(&it, &key)))
		if (get_member(&it, key, &p, &has_kind))
			return -EBADMSG;
	if (rc != -ENOENT || !has_kind || !is_sound(&p))
		return -EBADMSG;
	*ret = p;
	return 1;
}
