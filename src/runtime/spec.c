/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the launcher's specification. */
#include "runtime/spec.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"

#define SPEC_MAX (64u << 20)
#define LOWER_MAX 1024u

static int parse_engine(const char *text, enum engine_kind *ret)
{
	for (int i = 0; i < ENGINE_KIND_COUNT; i++)
		if (str_eq(text, engine_kind_name((enum engine_kind)i))) {
			*ret = (enum engine_kind)i;
			return 0;
		}
	return -EINVAL;
}

static int take_path(const json_t *o, const char *key, char **ret,
		     struct err *err)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (!text || text[0] != '/')
		return err_set(err, ERR_INVALID, EINVAL,
			       "specification: '%s' is no absolute path", key);
	*ret = strdup(text);
	return *ret ? 0 : err_set(err, ERR_NO_MEMORY, ENOMEM, "specification");
}

static int take_startup(const json_t *o, struct strv *ret, struct err *err)
{
	const json_t *list = json_object_get(o, "startup");

	if (!list || json_is_null(list))
		return 0;
	if (!json_is_array(list) || !json_array_size(list))
		return err_set(err, ERR_INVALID, EINVAL,
			       "specification: 'startup' is no command");
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *word = json_string_value(json_array_get(list, i));

		if (!word)
			return err_set(
				err, ERR_INVALID, EINVAL,
				"specification: 'startup' is no command");
		if (strv_add(ret, word))
			return err_set(err, ERR_NO_MEMORY, ENOMEM,
				       "specification");
	}
	return 0;
}

/* The disks of an image's root: all of them, or none. */
static int take_disks(const json_t *o, struct runtime_spec *s, struct err *err)
{
	const json_t *disks = json_object_get(o, "disks");
	const json_t *list = json_object_get(disks, "lower");
	size_t n = json_array_size(list);

	if (s->config.root.kind != ROOT_OCI)
		return 0;
	if (!n || n > LOWER_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "specification: an image root needs 'disks'");
	for (size_t i = 0; i < n; i++) {
		const char *path = json_string_value(json_array_get(list, i));

		if (!path || path[0] != '/')
			return err_set(err, ERR_INVALID, EINVAL,
				       "specification: 'disks.lower' holds no "
				       "absolute path");
		if (strv_add(&s->lower, path))
			return err_set(err, ERR_NO_MEMORY, ENOMEM,
				       "specification");
	}
	return take_path(disks, "upper", &s->upper, err);
}

static int take_owner(const json_t *o, struct runtime_spec *s, struct err *err)
{
	const json_t *owner = json_object_get(o, "default_owner");
	const json_t *uid = json_object_get(owner, "uid");
	const json_t *gid = json_object_get(owner, "gid");
	json_int_t u = json_integer_value(uid), g = json_integer_value(gid);

	if (!owner || json_is_null(owner))
		return 0;
	if (!json_is_integer(uid) || !json_is_integer(gid) || u < 0 || g < 0 ||
	    u > UINT32_MAX || g > UINT32_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "specification: 'default_owner' is no pair of "
			       "numbers");
	s->has_owner = true;
	s->owner_uid = (uint32_t)u;
	s->owner_gid = (uint32_t)g;
	return 0;
}

/* What the guest has instead of secrets. They count more than a variable of
 * the same name that was set otherwise. */
static int add_placeholders(struct runtime_spec *s, struct err *err)
{
	const struct secrets_config *all = &s->network.secrets;

	for (size_t i = 0; i < all->n; i++) {
		autofree char *entry = str_fmt("%s=%s", all->v[i].env_var,
					       all->v[i].placeholder);

		if (!entry || strv_env_set(&s->config.env, entry))
			return err_set(err, ERR_NO_MEMORY, ENOMEM,
				       "specification");
	}
	return 0;
}

static int take_config(const json_t *o, struct runtime_spec *s, struct err *err)
{
	autofree char *text = NULL;
	const json_t *config = json_object_get(o, "config");
	int rc;

	if (!json_is_object(config))
		return err_set(err, ERR_INVALID, EINVAL,
			       "specification: no 'config'");
	text = json_dumps(config, JSON_COMPACT);
	if (!text)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "specification");
	rc = sandbox_config_from_json(text, &s->config, err);
	if (rc)
		return rc;
	rc = net_config_from_json(s->config.network, &s->network, err);
	if (!rc) {
		rc = add_placeholders(s, err);
		if (rc)
			net_config_fini(&s->network);
	}
	if (rc)
		sandbox_config_fini(&s->config);
	return rc;
}

static int take_slot(const json_t *o, uint32_t *ret, struct err *err)
{
	const json_t *slot = json_object_get(o, "slot");
	json_int_t n = json_integer_value(slot);

	if (!slot)
		return 0;
	if (!json_is_integer(slot) || n < 0 || n > UINT32_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "specification: 'slot' is no number");
	*ret = (uint32_t)n;
	return 0;
}

/* A whole number of the object, from 0 on. */
static bool whole(const json_t *o, const char *key, uint64_t max, uint64_t *ret)
{
	const json_t *v = json_object_get(o, key);
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || (uint64_t)n > max)
		return false;
	*ret = (uint64_t)n;
	return true;
}

static int take_metrics(const json_t *o, struct metrics_spec *ret,
			struct err *err)
{
	const json_t *m = json_object_get(o, "metrics");
	const char *why;
	uint64_t interval;

	if (!m || json_is_null(m))
		return 0;
	why = json_string_value(json_object_get(m, "unavailable"));
	if (why) {
		ret->unavailable = strdup(why);
		return ret->unavailable ? 0
					: err_set(err, ERR_NO_MEMORY, ENOMEM,
						  "specification");
	}
	if (!whole(m, "offset", INT64_MAX, &ret->offset) ||
	    !whole(m, "generation", INT64_MAX, &ret->generation) ||
	    !whole(m, "interval_ms", SANDBOX_METRICS_MAX_MS, &interval))
		return err_set(err, ERR_INVALID, EINVAL,
			       "specification: 'metrics' is not complete");
	ret->interval_ms = (uint32_t)interval;
	return 0;
}

static int take_all(const json_t *o, struct runtime_spec *s, struct err *err)
{
	int rc = take_path(o, "sandbox_dir", &s->sandbox_dir, err);

	for (size_t i = 0; !rc && i < s->config.nmounts; i++)
		if (s->config.mounts[i].kind != MOUNT_TMPFS &&
		    !s->config.mounts[i].host)
			rc = err_set(
				err, ERR_INVALID, EINVAL,
				"specification: the mount on %.200s has no "
				"host path",
				s->config.mounts[i].guest);

	if (!rc)
		rc = take_path(o, "kernel", &s->kernel, err);
	if (!rc)
		rc = take_path(o, "initramfs", &s->initramfs, err);
	if (!rc)
		rc = take_startup(o, &s->startup, err);
	if (!rc && parse_engine(json_string_value(json_object_get(o, "engine")),
				&s->engine))
		rc = err_set(err, ERR_INVALID, EINVAL,
			     "specification: unknown engine");
	if (!rc)
		rc = take_disks(o, s, err);
	if (!rc)
		rc = take_owner(o, s, err);
	if (!rc)
		rc = take_slot(o, &s->slot, err);
	if (!rc)
		rc = take_metrics(o, &s->metrics, err);
	s->attached = json_is_true(json_object_get(o, "attached"));
	return rc;
}

int spec_parse(const char *text, size_t len, struct runtime_spec *ret,
	       struct err *err)
{
	struct runtime_spec s = { 0 };
	json_error_t where;
	json_t *o = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
	int rc;

	if (!o)
		return err_set(err, ERR_INVALID, EINVAL,
			       "specification: line %d: %s", where.line,
			       where.text);
	rc = take_config(o, &s, err);
	if (!rc) {
		rc = take_all(o, &s, err);
		if (rc)
			spec_fini(&s);
	}
	json_decref(o);
	if (!rc)
		*ret = s;
	return rc;
}

int spec_read(int fd, struct runtime_spec *ret, struct err *err)
{
	struct buf text;
	int rc;

	buf_init(&text, SPEC_MAX);
	rc = io_read_all(fd, &text);
	if (rc)
		rc = err_sys(err, ERR_IO, -rc, "read the specification");
	else
		rc = spec_parse((const char *)buf_data(&text), buf_len(&text),
				ret, err);
	buf_fini(&text);
	return rc;
}

void spec_fini(struct runtime_spec *s)
{
	free(s->sandbox_dir);
	free(s->kernel);
	free(s->initramfs);
	strv_fini(&s->startup);
	strv_fini(&s->lower);
	free(s->upper);
	free(s->metrics.unavailable);
	sandbox_config_fini(&s->config);
	net_config_fini(&s->network);
}
