/* SPDX-License-Identifier: Apache-2.0 */
/* Options of a sandbox as JSON: mounts, and patches of the root. */
#include <string.h>

#include "api/config_json.h"
#include "base/base64.h"

/* ---- mounts -------------------------------------------------------------- */

static const char *const mount_kinds[] = { "bind", "named", "tmpfs", "disk",
					   NULL };

static const struct {
	const char *key;
	unsigned flag;
} mount_flags[] = {
	{ "readonly", MSB_MOUNT_READONLY },
	{ "noexec", MSB_MOUNT_NOEXEC },
	{ "nosuid", MSB_MOUNT_NOSUID },
	{ "nodev", MSB_MOUNT_NODEV },
	{ "follow_symlinks", MSB_MOUNT_FOLLOW_SYMLINKS },
};

/* A number, or "none". */
static void read_quota(struct options *o, const json_t *v, uint64_t *ret)
{
	const json_t *quota = options_get(o, v, "quota_mib");

	if (!json_is_string(quota)) {
		if (options_number(o, v, "quota_mib", UINT32_MAX, ret) && !*ret)
			options_bad(o, "quota_mib",
				    "must be above 0, or \"none\"");
	} else if (!strcmp(json_string_value(quota), "none")) {
		*ret = MSB_QUOTA_NONE;
	} else {
		options_bad(o, "quota_mib",
			    "must be a whole number or \"none\"");
	}
}

static void read_mount_options(struct options *o, const json_t *v,
			       msb_mount_options_t *ret)
{
	static const char *const stats[] = { "strict", "relaxed", "off", NULL };
	static const char *const perms[] = { "private", "mirror", NULL };
	unsigned stat_virt = 0, host_perms = 0;
	uint64_t size = 0;

	for (size_t i = 0; i < ARRAY_SIZE(mount_flags); i++) {
		bool on = false;

		(void)options_bool(o, v, mount_flags[i].key, &on);
		ret->flags |= on ? mount_flags[i].flag : 0;
	}
	(void)options_word(o, v, "stat_virtualization", stats, &stat_virt);
	(void)options_word(o, v, "host_permissions", perms, &host_perms);
	(void)options_number(o, v, "size_mib", UINT32_MAX, &size);
	read_quota(o, v, &ret->quota_mib);
	ret->stat_virt = (msb_stat_virt_t)stat_virt;
	ret->host_perms = (msb_host_perms_t)host_perms;
	ret->size_mib = (uint32_t)size;
	ret->format = options_text(o, v, "format");
	ret->fstype = options_text(o, v, "fstype");
}

/* What a volume that is missing is made like. */
static bool read_volume(struct options *o, const json_t *v,
			msb_volume_options_t *ret, struct strv *labels)
{
	static const char *const keys[] = { "kind", "quota_mib", "capacity_mib",
					    "labels", NULL };
	static const char *const kinds[] = { "dir", "disk", NULL };
	const json_t *volume = options_object(o, v, "volume");
	size_t before = options_enter(o, "volume");
	unsigned kind = 0;

	if (volume) {
		options_only(o, volume, keys);
		(void)options_word(o, volume, "kind", kinds, &kind);
		ret->kind = (msb_volume_kind_t)kind;
		read_quota(o, volume, &ret->quota_mib);
		(void)options_number(o, volume, "capacity_mib", UINT32_MAX,
				     &ret->capacity_mib);
		(void)options_pairs(o, volume, "labels", labels);
		ret->labels = (const char *const *)labels->v;
		ret->nlabels = labels->n;
	}
	options_leave(o, before);
	return volume;
}

static void add_named(struct options *o, const char *guest, const json_t *v,
		      const char *name, const msb_mount_options_t *mount)
{
	static const char *const modes[] = { "ensure", "existing", "new",
					     NULL };
	msb_volume_options_t volume = { .struct_size = sizeof(volume) };
	struct strv labels = { 0 };
	msb_error_t *e = NULL;
	unsigned mode = MSB_VOLUME_ENSURE;
	bool described;

	(void)options_word(o, v, "create", modes, &mode);
	described = read_volume(o, v, &volume, &labels);
	if (!o->rc)
		options_done(o, NULL,
			     msb_config_add_named(
				     o->c, name, guest, (msb_volume_mode_t)mode,
				     described ? &volume : NULL, mount, &e),
			     &e);
	strv_fini(&labels);
}

static void add_tmpfs(struct options *o, const char *guest, const json_t *v,
		      const msb_mount_options_t *mount)
{
	msb_error_t *e = NULL;
	bool on = false;

	(void)options_bool(o, v, "tmpfs", &on);
	if (!on)
		options_bad(o, "tmpfs", "must be true");
	if (!o->rc)
		options_done(o, NULL,
			     msb_config_add_tmpfs(o->c, guest, mount, &e), &e);
}

static void add_path(struct options *o, const char *guest, const json_t *v,
		     const char *kind, const msb_mount_options_t *mount)
{
	const char *source = options_text(o, v, kind);
	msb_error_t *e = NULL;
	int rc;

	if (!source)
		return;
	rc = *kind == 'b' ? msb_config_add_bind(o->c, source, guest, mount, &e)
			  : msb_config_add_disk(o->c, source, guest, mount, &e);
	options_done(o, NULL, rc, &e);
}

static void read_mount(struct options *o, const char *guest, const json_t *v)
{
	static const char *const keys[] = { "bind",
					    "named",
					    "tmpfs",
					    "disk",
					    "readonly",
					    "noexec",
					    "nosuid",
					    "nodev",
					    "follow_symlinks",
					    "stat_virtualization",
					    "host_permissions",
					    "quota_mib",
					    "size_mib",
					    "format",
					    "fstype",
					    "create",
					    "volume",
					    NULL };
	msb_mount_options_t mount = { .struct_size = sizeof(mount) };
	const char *kind, *extra;

	options_only(o, v, keys);
	kind = options_one_of(o, v, mount_kinds);
	read_mount_options(o, v, &mount);
	if (!kind || o->rc)
		return;
	extra = options_get(o, v, "create")   ? "create"
		: options_get(o, v, "volume") ? "volume"
					      : NULL;
	if (*kind != 'n' && extra)
		options_bad(o, extra, "is for named volumes only");
	else if (*kind == 'n') {
		const char *name = options_text(o, v, kind);

		if (name)
			add_named(o, guest, v, name, &mount);
	} else if (*kind == 't')
		add_tmpfs(o, guest, v, &mount);
	else
		add_path(o, guest, v, kind, &mount);
}

void options_mounts(struct options *o, const json_t *v)
{
	const char *guest;
	json_t *mount;

	if (!json_is_object(v))
		options_bad(o, NULL, "must be an object");
	json_object_foreach((json_t *)(uintptr_t)v, guest, mount)
	{
		size_t before = options_enter(o, guest);

		if (!o->rc)
			read_mount(o, guest, mount);
		options_leave(o, before);
	}
}

/* ---- patches ------------------------------------------------------------- */

enum {
	HAS_CONTENT = 1 << 0,
	HAS_BASE64 = 1 << 1,
	HAS_SOURCE = 1 << 2,
	HAS_TARGET = 1 << 3,
};

static const struct patch_word {
	const char *word;
	msb_patch_kind_t kind;
	unsigned has;
} patch_words[] = {
	{ "text", MSB_PATCH_FILE, HAS_CONTENT },
	{ "file", MSB_PATCH_FILE, HAS_CONTENT | HAS_BASE64 },
	{ "append", MSB_PATCH_APPEND, HAS_CONTENT | HAS_BASE64 },
	{ "copy_file", MSB_PATCH_COPY_FILE, HAS_SOURCE },
	{ "copy_dir", MSB_PATCH_COPY_DIR, HAS_SOURCE },
	{ "symlink", MSB_PATCH_SYMLINK, HAS_TARGET },
	{ "mkdir", MSB_PATCH_MKDIR, 0 },
	{ "remove", MSB_PATCH_REMOVE, 0 },
};

static const struct {
	const char *key;
	unsigned has;
} patch_sources[] = {
	{ "content", HAS_CONTENT },
	{ "content_base64", HAS_BASE64 },
	{ "source", HAS_SOURCE },
	{ "target", HAS_TARGET },
};

static const struct patch_word *patch_word(struct options *o, const json_t *v)
{
	const char *words[ARRAY_SIZE(patch_words) + 1] = { NULL };
	unsigned i = 0;

	for (size_t n = 0; n < ARRAY_SIZE(patch_words); n++)
		words[n] = patch_words[n].word;
	if (options_word(o, v, "kind", words, &i))
		return &patch_words[i];
	options_bad(o, "kind", "is required");
	return NULL;
}

/* The one key of those a kind may have; NULL: it takes none. */
static const char *patch_source(struct options *o, const json_t *v,
				const struct patch_word *w)
{
	const char *allowed[ARRAY_SIZE(patch_sources) + 1] = { NULL };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(patch_sources); i++) {
		if (w->has & patch_sources[i].has)
			allowed[n++] = patch_sources[i].key;
		else if (options_get(o, v, patch_sources[i].key))
			options_bad(o, patch_sources[i].key,
				    "is not for %s patches", w->word);
	}
	return n ? options_one_of(o, v, allowed) : NULL;
}

static void add_patch(struct options *o, const json_t *v, const char *key,
		      msb_patch_t *p)
{
	const char *text = key ? options_text(o, v, key) : NULL;
	bool base64 = key && !strcmp(key, "content_base64");
	struct buf decoded;
	msb_error_t *e = NULL;

	buf_init(&decoded, MSB_PATCH_MAX_BYTES);
	if (base64 && text && base64_decode(text, strlen(text), &decoded))
		options_bad(o, key, "is no Base64 of at most %u MiB",
			    MSB_PATCH_MAX_BYTES >> 20);
	if (base64) {
		p->data = buf_data(&decoded);
		p->len = buf_len(&decoded);
	} else if (key && !strcmp(key, "content")) {
		p->data = text;
		p->len = text ? strlen(text) : 0;
	} else {
		p->source = text;
	}
	if (!o->rc)
		options_done(o, NULL, msb_config_add_patch(o->c, p, &e), &e);
	buf_fini(&decoded);
}

static void read_patch(struct options *o, const json_t *v)
{
	static const char *const keys[] = { "kind",    "path",
					    "content", "content_base64",
					    "source",  "target",
					    "mode",    "replace",
					    NULL };
	msb_patch_t p = { .struct_size = sizeof(p), .mode = -1 };
	const struct patch_word *w;
	const char *key;
	uint64_t mode;

	options_only(o, v, keys);
	w = patch_word(o, v);
	p.path = options_text(o, v, "path");
	if (!p.path)
		options_bad(o, "path", "is required");
	if (options_number(o, v, "mode", 07777, &mode))
		p.mode = (int)mode;
	(void)options_bool(o, v, "replace", &p.replace);
	if (!w || o->rc)
		return;
	p.kind = w->kind;
	key = patch_source(o, v, w);
	if (!o->rc)
		add_patch(o, v, key, &p);
}

void options_patches(struct options *o, const json_t *v)
{
	if (!json_is_array(v))
		options_bad(o, NULL, "must be a list");
	for (size_t i = 0; !o->rc && i < json_array_size(v); i++) {
		size_t before = options_enter_item(o, i);

		read_patch(o, json_array_get(v, i));
		options_leave(o, before);
	}
}
