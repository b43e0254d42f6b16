/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox's configuration from its JSON form (docs/json.md). */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/labels.h"
#include "store/sandbox_config_int.h"

const char *const config_stat_virt[] = { [STAT_VIRT_STRICT] = "strict",
					 [STAT_VIRT_RELAXED] = "relaxed",
					 [STAT_VIRT_OFF] = "off",
					 NULL };
const char *const config_host_perms[] = {
	[HOST_PERMS_PRIVATE] = "private", [HOST_PERMS_MIRROR] = "mirror", NULL
};
const char *const config_mount_kinds[] = { [MOUNT_BIND] = "Bind",
					   [MOUNT_TMPFS] = "Tmpfs",
					   [MOUNT_NAMED] = "Named",
					   [MOUNT_DISK] = "DiskImage",
					   NULL };
const char *const config_disk_formats[] = { [DISK_FORMAT_RAW] = "Raw",
					    [DISK_FORMAT_QCOW2] = "Qcow2",
					    [DISK_FORMAT_VMDK] = "Vmdk",
					    NULL };
const struct config_flag config_mount_flags[] = {
	{ "readonly", MOUNT_READONLY },
	{ "noexec", MOUNT_NOEXEC },
	{ "nosuid", MOUNT_NOSUID },
	{ "nodev", MOUNT_NODEV },
	{ NULL, 0 },
};

static int bad_value(struct err *err, const char *key, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "stored configuration: '%s' %s", key, what);
}

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM,
		       "read the stored configuration");
}

/* A missing key and null leave *field as it is. */
static int get_text(const json_t *o, const char *key, char **field,
		    struct err *err)
{
	const json_t *v = json_object_get(o, key);
	char *copy;

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v))
		return bad_value(err, key, "is not a string");
	copy = strdup(json_string_value(v));
	if (!copy)
		return no_memory(err);
	free(*field);
	*field = copy;
	return 0;
}

/* A text of a list; *ret_index is its place. */
static int get_choice(const json_t *o, const char *key,
		      const char *const *names, unsigned *ret_index,
		      struct err *err)
{
	const json_t *v = json_object_get(o, key);
	const char *text = json_string_value(v);

	if (!v || json_is_null(v))
		return 0;
	for (unsigned i = 0; text && names[i]; i++)
		if (!strcmp(names[i], text)) {
			*ret_index = i;
			return 0;
		}
	return bad_value(err, key, "has a value that is not known");
}

static int get_u64(const json_t *o, const char *key, uint64_t max,
		   uint64_t *field, struct err *err)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n;

	if (!v || json_is_null(v))
		return 0;
	n = json_integer_value(v);
	if (!json_is_integer(v) || n < 0 || (uint64_t)n > max)
		return bad_value(err, key, "is not a number in range");
	*field = (uint64_t)n;
	return 0;
}

static int get_u32(const json_t *o, const char *key, uint32_t *field,
		   struct err *err)
{
	uint64_t v = *field;
	int rc = get_u64(o, key, UINT32_MAX, &v, err);

	*field = (uint32_t)v;
	return rc;
}

static int get_list(const json_t *o, const char *key, json_t **ret,
		    struct err *err)
{
	json_t *v = json_object_get(o, key);

	*ret = NULL;
	if (!v || json_is_null(v))
		return 0;
	if (!json_is_array(v))
		return bad_value(err, key, "is not a list");
	*ret = v;
	return 0;
}

static int get_texts(const json_t *o, const char *key, struct strv *out,
		     struct err *err)
{
	json_t *list, *item;
	size_t i;
	int rc = get_list(o, key, &list, err);

	if (rc)
		return rc;
	json_array_foreach(list, i, item)
	{
		if (!json_is_string(item))
			return bad_value(err, key, "holds what is not text");
		if (strv_add(out, json_string_value(item)))
			return no_memory(err);
	}
	return 0;
}

static int get_env(const json_t *o, const char *key, struct strv *out,
		   struct err *err)
{
	json_t *list, *item;
	size_t i;
	int rc = get_list(o, key, &list, err);

	if (rc)
		return rc;
	json_array_foreach(list, i, item)
	{
		const char *k = json_string_value(json_array_get(item, 0));
		const char *v = json_string_value(json_array_get(item, 1));
		autofree char *entry = NULL;

		if (!k || !v || json_array_size(item) != 2)
			return bad_value(err, key,
					 "holds what is not [key, value]");
		entry = str_fmt("%s=%s", k, v);
		if (!entry || strv_env_set(out, entry))
			return no_memory(err);
	}
	return 0;
}

static int get_scripts(const json_t *o, struct sandbox_config *c,
		       struct err *err)
{
	json_t *map = json_object_get(o, "scripts"), *body;
	const char *name;

	if (!map || json_is_null(map))
		return 0;
	if (!json_is_object(map))
		return bad_value(err, "scripts", "is not an object");
	if (!json_object_size(map))
		return 0;
	c->scripts = calloc(json_object_size(map), sizeof(*c->scripts));
	if (!c->scripts)
		return no_memory(err);
	json_object_foreach(map, name, body)
	{
		struct script_config *s = &c->scripts[c->nscripts];

		if (!json_is_string(body))
			return bad_value(err, "scripts",
					 "holds what is not text");
		s->len = json_string_length(body);
		s->name = strdup(name);
		s->data = malloc(s->len + 1);
		c->nscripts++; /* so that what there is gets freed */
		if (!s->name || !s->data)
			return no_memory(err);
		memcpy(s->data, json_string_value(body), s->len + 1);
	}
	return 0;
}

static int get_limit(const json_t *o, const char *key, uint64_t *field,
		     struct err *err)
{
	*field = UINT64_MAX;
	return get_u64(o, key, INT64_MAX, field, err);
}

static int get_rlimit(const json_t *o, struct rlimit_config *r, struct err *err)
{
	const char *name = json_string_value(json_object_get(o, "resource"));
	int rc;

	for (size_t i = 0; name && sandbox_rlimits[i]; i++) {
		if (strcasecmp(name, sandbox_rlimits[i]) != 0)
			continue;
		(void)stpncpy(r->resource, sandbox_rlimits[i],
			      sizeof(r->resource) - 1);
		rc = get_limit(o, "soft", &r->soft, err);
		return rc ? rc : get_limit(o, "hard", &r->hard, err);
	}
	return bad_value(err, "rlimits", "holds a resource that is not known");
}

static int get_rlimits(const json_t *o, struct sandbox_config *c,
		       struct err *err)
{
	json_t *list, *item;
	size_t i;
	int rc = get_list(o, "rlimits", &list, err);

	if (rc || !json_array_size(list))
		return rc;
	c->rlimits = calloc(json_array_size(list), sizeof(*c->rlimits));
	if (!c->rlimits)
		return no_memory(err);
	json_array_foreach(list, i, item)
	{
		rc = get_rlimit(item, &c->rlimits[c->nrlimits++], err);
		if (rc)
			return rc;
	}
	return 0;
}

static int get_bool(const json_t *o, const char *key, bool *field,
		    struct err *err)
{
	const json_t *v = json_object_get(o, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_boolean(v))
		return bad_value(err, key, "is neither true nor false");
	*field = json_is_true(v);
	return 0;
}

/* Disk images of mounts and of roots. */
static int get_disk(const json_t *o, const char *path, enum disk_format *format,
		    char **fstype, struct err *err)
{
	/* without one its name tells */
	unsigned index = path ? disk_format_of(path) : DISK_FORMAT_RAW;
	int rc = get_choice(o, "format", config_disk_formats, &index, err);

	*format = (enum disk_format)index;
	return rc ? rc : get_text(o, "fstype", fstype, err);
}

static int get_share(const json_t *o, struct mount_config *m, struct err *err)
{
	unsigned stat_virt = STAT_VIRT_STRICT, perms = HOST_PERMS_PRIVATE;
	int rc = get_choice(o, "stat_virtualization", config_stat_virt,
			    &stat_virt, err);

	if (!rc)
		rc = get_choice(o, "host_permissions", config_host_perms,
				&perms, err);
	if (!rc)
		rc = get_bool(o, "follow_root_symlinks",
			      &m->follow_root_symlinks, err);
	if (!rc)
		rc = get_u32(o, "quota_mib", &m->quota_mib, err);
	m->stat_virt = (enum stat_virt)stat_virt;
	m->host_perms = (enum host_perms)perms;
	return rc;
}

static int check_mount(const struct mount_config *m, struct err *err)
{
	bool needs_host = m->kind == MOUNT_BIND || m->kind == MOUNT_DISK;

	if (!m->guest || (needs_host && !m->host))
		return bad_value(err, "mounts", "holds one without a path");
	if (m->kind == MOUNT_NAMED && !m->name)
		return bad_value(err, "mounts", "holds a volume without name");
	return 0;
}

static int get_mount(const json_t *o, struct mount_config *m, struct err *err)
{
	static const char *const volume_kinds[] = { "dir", "disk", NULL };
	unsigned kind = MOUNT_BIND, volume = 0;
	int rc;

	if (!json_object_get(o, "type"))
		return bad_value(err, "mounts", "holds one without a type");
	rc = get_choice(o, "type", config_mount_kinds, &kind, err);
	m->kind = (enum mount_kind)kind;
	for (size_t i = 0; config_mount_flags[i].key; i++)
		if (json_is_true(json_object_get(o, config_mount_flags[i].key)))
			m->flags |= config_mount_flags[i].flag;
	if (!rc)
		rc = get_text(o, "host", &m->host, err);
	if (!rc)
		rc = get_text(o, "guest", &m->guest, err);
	if (!rc)
		rc = get_text(o, "name", &m->name, err);
	if (!rc)
		rc = get_u32(o, "size_mib", &m->size_mib, err);
	if (!rc)
		rc = get_choice(o, "kind", volume_kinds, &volume, err);
	m->disk_volume = volume == 1;
	if (!rc)
		rc = mount_is_disk(m)
			     ? get_disk(o, m->host, &m->format, &m->fstype, err)
			     : get_share(o, m, err);
	return rc ? rc : check_mount(m, err);
}

static int get_mounts(const json_t *o, struct sandbox_config *c,
		      struct err *err)
{
	json_t *list, *item;
	size_t i;
	int rc = get_list(o, "mounts", &list, err);

	if (rc || !json_array_size(list))
		return rc;
	c->mounts = calloc(json_array_size(list), sizeof(*c->mounts));
	if (!c->mounts)
		return no_memory(err);
	json_array_foreach(list, i, item)
	{
		rc = get_mount(item, &c->mounts[c->nmounts++], err);
		if (rc)
			return rc;
	}
	return 0;
}

static int get_init(const json_t *o, struct sandbox_config *c, struct err *err)
{
	const json_t *init = json_object_get(o, "init");
	int rc;

	if (!init || json_is_null(init))
		return 0;
	rc = get_text(init, "cmd", &c->init, err);
	if (!rc && !c->init)
		rc = bad_value(err, "init", "has no cmd");
	if (!rc)
		rc = get_texts(init, "args", &c->init_args, err);
	return rc ? rc : get_env(init, "env", &c->init_env, err);
}

/* What is in it is checked by who uses it. */
static int get_network(json_t *o, struct sandbox_config *c, struct err *err)
{
	json_t *network = json_object_get(o, "network");

	if (!network || json_is_null(network))
		return 0;
	if (!json_is_object(network))
		return bad_value(err, "network", "is not an object");
	c->network = json_incref(network);
	return 0;
}

static int get_labels(const json_t *o, struct strv *ret, struct err *err)
{
	const json_t *labels = json_object_get(o, "labels");

	if (!labels || json_is_null(labels))
		return 0;
	if (!json_is_object(labels))
		return bad_value(err, "labels", "is not an object");
	return labels_from_json(labels, ret, err);
}

static int get_oci(const json_t *o, struct root_config *r, struct err *err)
{
	int rc = get_text(o, "reference", &r->reference, err);

	if (!rc)
		rc = get_u32(o, "upper_size_mib", &r->upper_size_mib, err);
	if (!rc && !r->reference)
		rc = bad_value(err, "image", "has no reference");
	return rc;
}

static int get_root(const json_t *o, struct root_config *r, struct err *err)
{
	const json_t *image = json_object_get(o, "image"), *of;

	if (!image || json_is_null(image))
		return 0;
	if (json_object_get(image, "Bind")) {
		r->kind = ROOT_BIND;
		return get_text(image, "Bind", &r->path, err);
	}
	of = json_object_get(image, "Oci");
	if (of) {
		r->kind = ROOT_OCI;
		return get_oci(of, r, err);
	}
	of = json_object_get(image, "DiskImage");
	if (of) {
		int rc = get_text(of, "path", &r->path, err);

		r->kind = ROOT_DISK;
		if (!rc && !r->path)
			rc = bad_value(err, "image", "has no path");
		return rc ? rc
			  : get_disk(of, r->path, &r->format, &r->fstype, err);
	}
	return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
		       "stored configuration: the image is of a kind this "
		       "version does not have");
}

static int get_scalars(const json_t *o, struct sandbox_config *c,
		       struct err *err)
{
	const struct {
		const char *key;
		char **field;
	} texts[] = {
		{ "name", &c->name },
		{ "log_level", &c->log_level },
		{ "workdir", &c->workdir },
		{ "shell", &c->shell },
		{ "hostname", &c->hostname },
		{ "user", &c->user },
		{ "manifest_digest", &c->root.manifest_digest },
		{ "engine", &c->engine },
		{ "engine_mode", &c->engine_mode },
		{ "engine_jail", &c->engine_jail },
	};
	const json_t *policy = json_object_get(o, "policy");
	int rc = get_u32(o, "cpus", &c->cpus, err);

	if (!rc)
		rc = get_u32(o, "memory_mib", &c->memory_mib, err);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(texts); i++)
		rc = get_text(o, texts[i].key, texts[i].field, err);
	if (!rc)
		rc = get_u64(policy, "max_duration_secs", INT64_MAX,
			     &c->max_duration_s, err);
	if (!rc)
		rc = get_u64(policy, "idle_timeout_secs", INT64_MAX,
			     &c->idle_timeout_s, err);
	if (!rc)
		rc = get_u32(o, "metrics_sample_interval_ms",
			     &c->metrics_interval_ms, err);
	if (!rc)
		rc = get_bool(o, "disable_metrics_sample", &c->metrics_disabled,
			      err);
	c->ephemeral = json_is_true(json_object_get(o, "ephemeral"));
	return rc;
}

int sandbox_config_from_json(const char *text, struct sandbox_config *c,
			     struct err *err)
{
	auto_json json_t *o = NULL;
	json_error_t at;
	int rc;

	if (sandbox_config_init(c))
		return no_memory(err);
	o = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
	if (!json_is_object(o)) {
		sandbox_config_fini(c);
		return err_set(err, ERR_INVALID, EINVAL,
			       "stored configuration: %s",
			       o ? "not a JSON object" : at.text);
	}
	rc = get_scalars(o, c, err);
	if (!rc)
		rc = get_root(o, &c->root, err);
	if (!rc)
		rc = get_env(o, "env", &c->env, err);
	if (!rc)
		rc = get_labels(o, &c->labels, err);
	if (!rc)
		rc = get_texts(o, "entrypoint", &c->entrypoint, err);
	if (!rc)
		rc = get_texts(o, "cmd", &c->cmd, err);
	if (!rc)
		rc = get_scripts(o, c, err);
	if (!rc)
		rc = get_rlimits(o, c, err);
	if (!rc)
		rc = get_mounts(o, c, err);
	if (!rc)
		rc = get_init(o, c, err);
	if (!rc)
		rc = get_network(o, c, err);
	if (rc)
		sandbox_config_fini(c);
	return rc;
}
