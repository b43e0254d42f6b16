/* SPDX-License-Identifier: Apache-2.0 */
/* JSON form of a sandbox's configuration (docs/json.md). */
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/sandbox_config.h"

static const char *const stat_virt_names[] = { [STAT_VIRT_STRICT] = "strict",
					       [STAT_VIRT_RELAXED] = "relaxed",
					       [STAT_VIRT_OFF] = "off" };
static const char *const host_perms_names[] = {
	[HOST_PERMS_PRIVATE] = "private", [HOST_PERMS_MIRROR] = "mirror"
};

static const struct {
	const char *key;
	unsigned flag;
} mount_flag_keys[] = {
	{ "readonly", MOUNT_READONLY },
	{ "noexec", MOUNT_NOEXEC },
	{ "nosuid", MOUNT_NOSUID },
	{ "nodev", MOUNT_NODEV },
};

static void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define auto_json MSB_CLEANUP(cleanup_json)

/* ---- writing: a NULL value anywhere means out of memory --------------- */

static json_t *opt_text(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *text_list(const struct strv *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++)
		if (json_array_append_new(list, json_string(s->v[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

/* Entrypoint and command: an empty list is "not set". */
static json_t *opt_text_list(const struct strv *s)
{
	return s->n ? text_list(s) : json_null();
}

static json_t *env_list(const struct strv *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n; i++) {
		size_t key = strcspn(s->v[i], "=");
		const char *value = s->v[i] + key + (s->v[i][key] == '=');

		if (json_array_append_new(
			    list, json_pack("[s%,s]", s->v[i], key, value))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *script_map(const struct sandbox_config *c)
{
	json_t *map = json_object();

	for (size_t i = 0; i < c->nscripts; i++)
		if (json_object_set_new(map, c->scripts[i].name,
					json_stringn(c->scripts[i].data,
						     c->scripts[i].len))) {
			json_decref(map);
			return NULL;
		}
	return map;
}

/* JSON integers end at INT64_MAX; whatever is above means "unlimited". */
static json_t *limit_value(uint64_t v)
{
	return v > INT64_MAX ? json_null() : json_integer((json_int_t)v);
}

static json_t *rlimit_list(const struct sandbox_config *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->nrlimits; i++) {
		const struct rlimit_config *r = &c->rlimits[i];
		char name[sizeof(r->resource)];

		memcpy(name, r->resource, sizeof(name));
		name[0] = (char)toupper((unsigned char)name[0]);
		if (json_array_append_new(
			    list, json_pack("{s:s,s:o,s:o}", "resource", name,
					    "soft", limit_value(r->soft),
					    "hard", limit_value(r->hard)))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *mount_object(const struct mount_config *m)
{
	json_t *o;

	if (m->kind == MOUNT_BIND)
		o = json_pack("{s:s,s:s,s:s,s:s,s:s}", "type", "Bind", "host",
			      m->host, "guest", m->guest, "stat_virtualization",
			      stat_virt_names[m->stat_virt], "host_permissions",
			      host_perms_names[m->host_perms]);
	else
		o = json_pack("{s:s,s:s,s:o}", "type", "Tmpfs", "guest",
			      m->guest, "size_mib",
			      m->size_mib ? json_integer(m->size_mib)
					  : json_null());
	for (size_t i = 0; i < ARRAY_SIZE(mount_flag_keys); i++)
		if (json_object_set_new(
			    o, mount_flag_keys[i].key,
			    json_boolean(m->flags & mount_flag_keys[i].flag))) {
			json_decref(o);
			return NULL;
		}
	return o;
}

static json_t *mount_list(const struct sandbox_config *c)
{
	json_t *list = json_array();

	for (size_t i = 0; i < c->nmounts; i++)
		if (json_array_append_new(list, mount_object(&c->mounts[i]))) {
			json_decref(list);
			return NULL;
		}
	return list;
}

static json_t *init_object(const struct sandbox_config *c)
{
	if (!c->init)
		return json_null();
	return json_pack("{s:s,s:o,s:o}", "cmd", c->init, "args",
			 text_list(&c->init_args), "env",
			 env_list(&c->init_env));
}

static json_t *image_object(const struct sandbox_config *c)
{
	return c->image ? json_pack("{s:s}", "Bind", c->image) : json_null();
}

static json_t *policy_object(const struct sandbox_config *c)
{
	return json_pack("{s:o,s:o}", "max_duration_secs",
			 c->max_duration_s ? limit_value(c->max_duration_s)
					   : json_null(),
			 "idle_timeout_secs",
			 c->idle_timeout_s ? limit_value(c->idle_timeout_s)
					   : json_null());
}

char *sandbox_config_to_json(const struct sandbox_config *c)
{
	auto_json json_t *o = json_object();
	const struct {
		const char *key;
		json_t *value;
	} members[] = {
		{ "name", opt_text(c->name) },
		{ "image", image_object(c) },
		{ "cpus", json_integer(c->cpus) },
		{ "memory_mib", json_integer(c->memory_mib) },
		{ "log_level", opt_text(c->log_level) },
		{ "workdir", opt_text(c->workdir) },
		{ "shell", opt_text(c->shell) },
		{ "hostname", opt_text(c->hostname) },
		{ "user", opt_text(c->user) },
		{ "env", env_list(&c->env) },
		{ "entrypoint", opt_text_list(&c->entrypoint) },
		{ "cmd", opt_text_list(&c->cmd) },
		{ "scripts", script_map(c) },
		{ "rlimits", rlimit_list(c) },
		{ "mounts", mount_list(c) },
		{ "init", init_object(c) },
		{ "policy", policy_object(c) },
		{ "engine", opt_text(c->engine) },
		{ "engine_mode", opt_text(c->engine_mode) },
		{ "engine_jail", opt_text(c->engine_jail) },
		{ "ephemeral", json_boolean(c->ephemeral) },
	};
	bool failed = false;

	/* Every value is handed over, also after a failure. */
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (json_object_set_new(o, members[i].key, members[i].value))
			failed = true;
	return failed ? NULL : json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
}

/* ---- reading ---------------------------------------------------------- */

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
		      const char *const *names, size_t count,
		      unsigned *ret_index, struct err *err)
{
	const json_t *v = json_object_get(o, key);
	const char *text = json_string_value(v);

	if (!v || json_is_null(v))
		return 0;
	for (unsigned i = 0; text && i < count; i++)
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

static int get_mount(const json_t *o, struct mount_config *m, struct err *err)
{
	const char *type = json_string_value(json_object_get(o, "type"));
	unsigned stat_virt = STAT_VIRT_STRICT, perms = HOST_PERMS_PRIVATE;
	int rc;

	if (str_eq(type, "Bind"))
		m->kind = MOUNT_BIND;
	else if (str_eq(type, "Tmpfs"))
		m->kind = MOUNT_TMPFS;
	else
		return bad_value(err, "mounts",
				 "holds a kind this version does not have");
	for (size_t i = 0; i < ARRAY_SIZE(mount_flag_keys); i++)
		if (json_is_true(json_object_get(o, mount_flag_keys[i].key)))
			m->flags |= mount_flag_keys[i].flag;
	rc = get_text(o, "host", &m->host, err);
	if (!rc)
		rc = get_text(o, "guest", &m->guest, err);
	if (!rc)
		rc = get_u32(o, "size_mib", &m->size_mib, err);
	if (!rc)
		rc = get_choice(o, "stat_virtualization", stat_virt_names,
				ARRAY_SIZE(stat_virt_names), &stat_virt, err);
	if (!rc)
		rc = get_choice(o, "host_permissions", host_perms_names,
				ARRAY_SIZE(host_perms_names), &perms, err);
	if (rc)
		return rc;
	m->stat_virt = (enum stat_virt)stat_virt;
	m->host_perms = (enum host_perms)perms;
	if (!m->guest || (m->kind == MOUNT_BIND && !m->host))
		return bad_value(err, "mounts", "holds one without a path");
	return 0;
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

static int get_image(const json_t *o, struct sandbox_config *c, struct err *err)
{
	const json_t *image = json_object_get(o, "image");

	if (!image || json_is_null(image))
		return 0;
	if (!json_object_get(image, "Bind"))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "stored configuration: the image is of a kind "
			       "this version does not have");
	return get_text(image, "Bind", &c->image, err);
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
		rc = get_image(o, c, err);
	if (!rc)
		rc = get_env(o, "env", &c->env, err);
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
	if (rc)
		sandbox_config_fini(c);
	return rc;
}
