/* SPDX-License-Identifier: Apache-2.0 */
/* A sandbox's configuration as JSON (docs/json.md); its reading is in
 * sandbox_config_read.c. */
#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "store/labels.h"
#include "store/sandbox_config_int.h"

/* In all of this file a NULL value means out of memory. */

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

static json_t *opt_number(uint32_t n)
{
	return n ? json_integer(n) : json_null();
}

/* Takes value; false when out of memory. */
static bool put(json_t *o, const char *key, json_t *value)
{
	return json_object_set_new(o, key, value) == 0;
}

static bool put_share(json_t *o, const struct mount_config *m)
{
	return put(o, "stat_virtualization",
		   json_string(config_stat_virt[m->stat_virt])) &&
	       put(o, "host_permissions",
		   json_string(config_host_perms[m->host_perms])) &&
	       put(o, "follow_root_symlinks",
		   json_boolean(m->follow_root_symlinks)) &&
	       put(o, "quota_mib", opt_number(m->quota_mib));
}

static bool put_disk(json_t *o, enum disk_format format, const char *fstype)
{
	return put(o, "format", json_string(config_disk_formats[format])) &&
	       put(o, "fstype", opt_text(fstype));
}

/* What only this kind of mount has. */
static bool put_kind(json_t *o, const struct mount_config *m)
{
	if (m->kind == MOUNT_TMPFS)
		return put(o, "size_mib", opt_number(m->size_mib));
	if (!put(o, "host", opt_text(m->host)))
		return false;
	if (m->kind == MOUNT_NAMED &&
	    (!put(o, "name", json_string(m->name)) ||
	     !put(o, "kind", json_string(m->disk_volume ? "disk" : "dir"))))
		return false;
	return mount_is_disk(m) ? put_disk(o, m->format, m->fstype)
				: put_share(o, m);
}

static json_t *mount_object(const struct mount_config *m)
{
	json_t *o = json_pack("{s:s,s:s}", "type", config_mount_kinds[m->kind],
			      "guest", m->guest);
	bool done = o && put_kind(o, m);

	for (size_t i = 0; done && config_mount_flags[i].key; i++)
		done = put(o, config_mount_flags[i].key,
			   json_boolean(m->flags & config_mount_flags[i].flag));
	if (done)
		return o;
	json_decref(o);
	return NULL;
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

static json_t *root_object(const struct root_config *r)
{
	switch (r->kind) {
	case ROOT_BIND:
		return json_pack("{s:s}", "Bind", r->path);
	case ROOT_OCI:
		return json_pack("{s:{s:s,s:o}}", "Oci", "reference",
				 r->reference, "upper_size_mib",
				 opt_number(r->upper_size_mib));
	case ROOT_DISK:
		return json_pack("{s:{s:s,s:s,s:o}}", "DiskImage", "path",
				 r->path, "format",
				 config_disk_formats[r->format], "fstype",
				 opt_text(r->fstype));
	case ROOT_NONE:
	default:
		return json_null();
	}
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
		{ "image", root_object(&c->root) },
		{ "manifest_digest", opt_text(c->root.manifest_digest) },
		{ "cpus", json_integer(c->cpus) },
		{ "memory_mib", json_integer(c->memory_mib) },
		{ "log_level", opt_text(c->log_level) },
		{ "workdir", opt_text(c->workdir) },
		{ "shell", opt_text(c->shell) },
		{ "hostname", opt_text(c->hostname) },
		{ "user", opt_text(c->user) },
		{ "env", env_list(&c->env) },
		{ "labels", labels_to_json(&c->labels) },
		{ "entrypoint", opt_text_list(&c->entrypoint) },
		{ "cmd", opt_text_list(&c->cmd) },
		{ "scripts", script_map(c) },
		{ "rlimits", rlimit_list(c) },
		{ "mounts", mount_list(c) },
		{ "network",
		  c->network ? json_incref(c->network) : json_null() },
		{ "init", init_object(c) },
		{ "policy", policy_object(c) },
		{ "engine", opt_text(c->engine) },
		{ "engine_mode", opt_text(c->engine_mode) },
		{ "engine_jail", opt_text(c->engine_jail) },
		{ "ephemeral", json_boolean(c->ephemeral) },
		{ "metrics_sample_interval_ms",
		  json_integer(c->metrics_interval_ms) },
		{ "disable_metrics_sample", json_boolean(c->metrics_disabled) },
	};
	bool failed = false;

	/* Every value is handed over, also after a failure. */
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (json_object_set_new(o, members[i].key, members[i].value))
			failed = true;
	return failed ? NULL : json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
}
