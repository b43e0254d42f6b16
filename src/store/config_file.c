/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: one table of keys gives parsing, checks and messages. */
#include "store/config_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "base/suggest.h"
#include "store/config_file_int.h"
#include "store/paths.h"
#include "store/sandbox_config.h"

#define CONFIG_FILE_MAX (1u << 20)
#define METRICS_MAX 65536u /* slots: of 4 KiB each, where used */
#define SECTION_DEPTH 2	   /* of the deepest section in the table */

enum key_type {
	KEY_TEXT,
	KEY_PATH,
	KEY_U32,
	KEY_BOOL,
	KEY_ELSEWHERE,	   /* an object that another room reads */
	KEY_DIR_ELSEWHERE, /* a path that another room reads */
	/* A limit, which is kept: what it limits we have one of. */
	KEY_LIMIT,
	/* Of other programs of the same family; the message says why not. */
	KEY_UNSUPPORTED,
};

struct key {
	const char *section; /* "" = top level; "a.b" is b in a */
	const char *name;
	enum key_type type;
	size_t offset; /* in struct config_file; or an enum reason */
	const char *const *values; /* allowed texts, NULL = any */
	uint32_t min, max;	   /* KEY_U32 */
};

#define TEXT(section, name, field, values)                                     \
	{                                                                      \
		section, name, KEY_TEXT, offsetof(struct config_file, field),  \
			values, 0, 0                                           \
	}
#define PATH(section, name, field)                                             \
	{                                                                      \
		section, name, KEY_PATH, offsetof(struct config_file, field),  \
			NULL, 0, 0                                             \
	}
#define U32(section, name, field, min, max)                                    \
	{                                                                      \
		section, name, KEY_U32, offsetof(struct config_file, field),   \
			NULL, min, max                                         \
	}
#define BOOL(section, name, field)                                             \
	{                                                                      \
		section, name, KEY_BOOL, offsetof(struct config_file, field),  \
			NULL, 0, 0                                             \
	}
#define OF_TYPE(section, name, type)                                           \
	{                                                                      \
		section, name, type, 0, NULL, 0, 0                             \
	}
#define UNSUPPORTED(section, name, reason)                                     \
	{                                                                      \
		section, name, KEY_UNSUPPORTED, reason, NULL, 0, 0             \
	}

enum reason { ONE_CATALOGUE, NO_LIBRARY, LOGS_ARE_INSIDE };
static const char *const reasons[] = {
	[ONE_CATALOGUE] = "cannot be set: the catalogue is db/msb.db below "
			  "'home', so move that",
	[NO_LIBRARY] = "cannot be set: there is no such library; "
		       "'paths.guest' says where the guest's kernel is",
	[LOGS_ARE_INSIDE] = "cannot be set: the logs of a sandbox lie in its "
			    "own directory, below 'paths.sandboxes'",
};

static const struct key keys[] = {
	PATH("", "home", home),
	TEXT("", "log_level", log_level, sandbox_log_levels),
	{ "", "registries", KEY_ELSEWHERE, 0, NULL, 0, 0 },
	U32("metrics", "capacity", metrics_capacity, 0, METRICS_MAX),
	U32("database", "busy_timeout_secs", busy_timeout_s, 1, 3600),
	UNSUPPORTED("database", "url", ONE_CATALOGUE),
	OF_TYPE("database", "max_connections", KEY_LIMIT),
	U32("database", "connect_timeout_secs", connect_timeout_s, 1, 3600),
	PATH("paths", "runtime", runtime_path),
	PATH("paths", "guest", guest_dir),
	PATH("paths", "sandboxes", sandboxes_path),
	PATH("paths", "msb", msb_path),
	UNSUPPORTED("paths", "libkrunfw", NO_LIBRARY),
	PATH("paths", "cache", cache_path),
	PATH("paths", "volumes", volumes_path),
	PATH("paths", "snapshots", snapshots_path),
	UNSUPPORTED("paths", "logs", LOGS_ARE_INSIDE),
	OF_TYPE("paths", "secrets", KEY_DIR_ELSEWHERE),
	U32("sandbox_defaults", "cpus", cpus, 1, 1024),
	U32("sandbox_defaults", "memory_mib", memory_mib, 1, UINT32_MAX),
	TEXT("sandbox_defaults", "shell", shell, NULL),
	PATH("sandbox_defaults", "workdir", workdir),
	TEXT("sandbox_defaults", "engine", engine, sandbox_engines),
	TEXT("sandbox_defaults", "engine_mode", engine_mode,
	     sandbox_engine_modes),
	TEXT("sandbox_defaults", "engine_jail", engine_jail,
	     sandbox_engine_jails),
	U32("sandbox_defaults.oci", "upper_size_mib", upper_size_mib,
	    SANDBOX_UPPER_MIN_MIB, SANDBOX_UPPER_MAX_MIB),
	U32("sandbox_defaults", "metrics_sample_interval_ms",
	    metrics_interval_ms, 0, SANDBOX_METRICS_MAX_MS),
	BOOL("sandbox_defaults", "disable_metrics_sample", metrics_disabled),
	TEXT("update", "url", update_url, NULL),
};

static int bad_key(struct err *err, const struct config_place *at,
		   const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL, "%s: '%.200s%s%.200s' %s",
		       at->file, at->section, *at->section ? "." : "", at->name,
		       what);
}

static const struct key *find_key(const char *section, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].section, section) &&
		    !strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

/* The section name of the section in, "a.b" in "a"; NULL: there is none. */
static const char *find_section(const char *in, const char *name)
{
	size_t skip = *in ? strlen(in) + 1 : 0;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *section = keys[i].section;
		bool inside = !skip || (!strncmp(section, in, skip - 1) &&
					section[skip - 1] == '.');

		if (*section && inside && !strcmp(section + skip, name) &&
		    !strchr(name, '.'))
			return section;
	}
	return NULL;
}

/* ---- keys that are none -------------------------------------------------- */

struct guess {
	struct suggest s;
	char best[CONFIG_KEY_TEXT];
};

static void guess_add(struct guess *g, const char *section, const char *name)
{
	char text[CONFIG_KEY_TEXT];

	(void)snprintf(text, sizeof(text), "%s%s%s", section,
		       *section && *name ? "." : "", name);
	suggest_add(&g->s, text);
	if (g->s.best != text)
		return;
	memcpy(g->best, text, sizeof(text));
	g->s.best = g->best;
}

/* The same name in another section is what was meant, or one nearly the same.
 */
static int unknown_key(struct err *err, const struct config_place *at)
{
	char typed[CONFIG_KEY_TEXT], text[2 * CONFIG_KEY_TEXT];
	struct guess g = { .best = "" };

	(void)snprintf(typed, sizeof(typed), "%s%s%s", at->section,
		       *at->section ? "." : "", at->name);
	suggest_init(&g.s, typed);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].type == KEY_UNSUPPORTED)
			continue;
		guess_add(&g, keys[i].section, keys[i].name);
		if (*keys[i].section)
			guess_add(&g, keys[i].section, "");
	}
	for (size_t i = 0; !*g.best && i < ARRAY_SIZE(keys); i++)
		if (keys[i].type != KEY_UNSUPPORTED &&
		    !strcmp(keys[i].name, at->name))
			(void)snprintf(g.best, sizeof(g.best), "%s%s%s",
				       keys[i].section,
				       *keys[i].section ? "." : "",
				       keys[i].name);
	(void)snprintf(text, sizeof(text), "is not a known setting%s%s%s",
		       *g.best ? "; did you mean '" : "", g.best,
		       *g.best ? "'?" : "");
	return bad_key(err, at, text);
}

/* ---- keys ---------------------------------------------------------------- */

static int check_path(const json_t *value, const struct config_place *at,
		      struct err *err)
{
	const char *text = json_string_value(value);

	if (!text)
		return bad_key(err, at, "must be a string");
	return *text == '/' ? 0 : bad_key(err, at, "must be an absolute path");
}

static int set_text(const struct key *key, const json_t *value, char **field,
		    const struct config_place *at, struct err *err)
{
	const char *text = json_string_value(value);
	bool known = !key->values;
	char *copy;

	if (!text)
		return bad_key(err, at, "must be a string");
	if (!*text)
		return bad_key(err, at, "must not be empty");
	if (key->type == KEY_PATH && check_path(value, at, err))
		return -EINVAL;
	for (size_t i = 0; key->values && key->values[i]; i++)
		known = known || !strcmp(key->values[i], text);
	if (!known)
		return bad_key(err, at, "has a value that is not known");
	copy = strdup(text);
	if (!copy)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read %s", at->file);
	free(*field);
	*field = copy;
	return 0;
}

static int set_u32(const struct key *key, const json_t *value, uint32_t *field,
		   const struct config_place *at, struct err *err)
{
	json_int_t v = json_integer_value(value);

	if (!json_is_integer(value))
		return bad_key(err, at, "must be a whole number");
	if (v < key->min || v > key->max)
		return err_set(err, ERR_INVALID, ERANGE,
			       "%s: '%s.%s' must be from %u to %u", at->file,
			       at->section, at->name, key->min, key->max);
	*field = (uint32_t)v;
	return 0;
}

static int set_bool(const json_t *value, bool *field,
		    const struct config_place *at, struct err *err)
{
	if (!json_is_boolean(value))
		return bad_key(err, at, "must be true or false");
	*field = json_is_true(value);
	return 0;
}

static int set_key(struct config_file *c, const struct config_place *at,
		   const json_t *value, struct err *err)
{
	const struct key *key = find_key(at->section, at->name);
	char *field;

	if (!key)
		return unknown_key(err, at);
	if (json_is_null(value))
		return 0;
	field = (char *)c + key->offset;
	switch (key->type) {
	case KEY_TEXT:
	case KEY_PATH:
		return set_text(key, value, (char **)(void *)field, at, err);
	case KEY_U32:
		return set_u32(key, value, (uint32_t *)(void *)field, at, err);
	case KEY_BOOL:
		return set_bool(value, (bool *)(void *)field, at, err);
	case KEY_ELSEWHERE:
		return json_is_object(value)
			       ? config_registries_check(at, value, err)
			       : bad_key(err, at, "must be an object");
	case KEY_DIR_ELSEWHERE:
		return check_path(value, at, err);
	case KEY_LIMIT:
		return json_is_integer(value) && json_integer_value(value) > 0
			       ? 0
			       : bad_key(err, at,
					 "must be a whole number above 0");
	case KEY_UNSUPPORTED:
	default:
		return bad_key(err, at, reasons[key->offset]);
	}
}

/* A section that is being read, and what is left of it. */
struct level {
	const char *name; /* of the table; "" = top level */
	json_t *object;
	void *iter;
};

/*
 * One member of the section: a setting is set; for a section in it, *sub is
 * filled and 1 is returned.
 */
static int set_member(struct config_file *c, const char *file,
		      const struct level *in, struct level *sub,
		      struct err *err)
{
	const char *name = json_object_iter_key(in->iter);
	json_t *value = json_object_iter_value(in->iter);
	struct config_place at = { file, in->name, name };

	sub->name = find_section(in->name, name);
	if (!sub->name)
		return set_key(c, &at, value, err);
	if (json_is_null(value))
		return 0;
	if (!json_is_object(value))
		return bad_key(err, &at, "must be an object");
	sub->object = value;
	sub->iter = json_object_iter(value);
	return 1;
}

static int set_all(struct config_file *c, const char *file, json_t *root,
		   struct err *err)
{
	/* the top level, and one for whatever is in the deepest section */
	struct level levels[SECTION_DEPTH + 2] = {
		{ .name = "", .object = root, .iter = json_object_iter(root) }
	};
	size_t depth = 1;

	while (depth) {
		struct level *at = &levels[depth - 1];
		int rc;

		if (!at->iter) {
			depth--;
			continue;
		}
		rc = set_member(c, file, at, &levels[depth], err);
		at->iter = json_object_iter_next(at->object, at->iter);
		if (rc < 0)
			return rc;
		depth += rc > 0;
	}
	return 0;
}

static int set_defaults(struct config_file *c)
{
	memset(c, 0, sizeof(*c));
	c->busy_timeout_s = 5;
	c->connect_timeout_s = 30;
	c->cpus = SANDBOX_DEFAULT_CPUS;
	c->memory_mib = SANDBOX_DEFAULT_MEMORY_MIB;
	c->upper_size_mib = SANDBOX_DEFAULT_UPPER_MIB;
	c->metrics_interval_ms = SANDBOX_DEFAULT_METRICS_MS;
	c->engine = strdup("auto");
	c->engine_mode = strdup("auto");
	c->engine_jail = strdup("strict");
	return c->engine && c->engine_mode && c->engine_jail ? 0 : -ENOMEM;
}

int config_file_parse(const char *text, const char *name,
		      struct config_file *ret, struct err *err)
{
	struct config_file c;
	json_error_t at;
	json_t *root = NULL;
	int rc = set_defaults(&c);

	if (rc) {
		config_file_fini(&c);
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read %s", name);
	}
	if (text) {
		root = json_loads(text, JSON_REJECT_DUPLICATES, &at);
		if (!root)
			rc = err_set(err, ERR_INVALID, EINVAL, "%s:%d:%d: %s",
				     name, at.line, at.column, at.text);
		else if (!json_is_object(root))
			rc = err_set(err, ERR_INVALID, EINVAL,
				     "%s: must hold one JSON object", name);
		else
			rc = set_all(&c, name, root, err);
		json_decref(root);
	}
	if (rc) {
		config_file_fini(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

int config_file_load(int dirfd, const char *dir, struct config_file *ret,
		     struct err *err)
{
	autofree char *name = str_fmt("%s/" CONFIG_FILE_NAME, dir);
	autofree char *text = NULL;
	autoclose int fd = -1;
	struct buf b;
	int rc;

	if (!name)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read the settings");
	/* Follows links: people keep their settings elsewhere. */
	fd = openat(dirfd, CONFIG_FILE_NAME, O_RDONLY | O_CLOEXEC);
	rc = fd < 0 ? -errno : 0;
	buf_init(&b, CONFIG_FILE_MAX);
	if (!rc)
		rc = io_read_all(fd, &b);
	if (!rc) {
		text = buf_take_str(&b);
		if (!text)
			rc = -EFBIG;
	}
	buf_fini(&b);
	if (rc && rc != -ENOENT)
		return path_err(err, -rc, "read", name);
	return config_file_parse(text, name, ret, err);
}

void config_file_fini(struct config_file *c)
{
	free(c->home);
	free(c->log_level);
	free(c->runtime_path);
	free(c->guest_dir);
	free(c->msb_path);
	free(c->sandboxes_path);
	free(c->cache_path);
	free(c->volumes_path);
	free(c->snapshots_path);
	free(c->shell);
	free(c->workdir);
	free(c->engine);
	free(c->engine_mode);
	free(c->engine_jail);
	free(c->update_url);
	memset(c, 0, sizeof(*c));
}
