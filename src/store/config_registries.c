/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: the members of "registries". */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "base/suggest.h"
#include "store/config_file_int.h"

#define NAME_SHOWN 200

enum member_type { MEMBER_TEXT, MEMBER_PATH, MEMBER_BOOL, MEMBER_OBJECT };

struct member {
	const char *name;
	enum member_type type;
};

static const struct member top_members[] = {
	{ "auth", MEMBER_OBJECT }, /* as some documents have it */
	{ "ca_certs", MEMBER_PATH },
	{ "hosts", MEMBER_OBJECT },
};
static const struct member host_members[] = {
	{ "auth", MEMBER_OBJECT },
	{ "insecure", MEMBER_BOOL },
};
static const struct member auth_members[] = {
	{ "password_env", MEMBER_TEXT },
	{ "secret_name", MEMBER_TEXT },
	{ "store", MEMBER_TEXT },
	{ "username", MEMBER_TEXT },
};

/* An object of the section: registries.hosts.ghcr.io.auth. */
struct object {
	const char *file;
	const char *path; /* "registries.hosts" */
	const char *host; /* below path, or "" */
	const char *part; /* below host, or "" */
	const json_t *value;
};

static int bad(const struct object *o, const char *name, const char *what,
	       const char *best, struct err *err)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "%s: '%s%s%.*s%s%s%s%.*s' %s%s%s%s", o->file, o->path,
		       *o->host ? "." : "", NAME_SHOWN, o->host,
		       *o->part ? "." : "", o->part, *name ? "." : "",
		       NAME_SHOWN, name, what, best ? "; did you mean '" : "",
		       best ? best : "", best ? "'?" : "");
}

static int check_type(const struct object *o, const struct member *m,
		      const json_t *value, struct err *err)
{
	const char *text = json_string_value(value);

	switch (m->type) {
	case MEMBER_TEXT:
		return text ? 0
			    : bad(o, m->name, "must be a string", NULL, err);
	case MEMBER_PATH:
		return text && *text == '/'
			       ? 0
			       : bad(o, m->name, "must be an absolute path",
				     NULL, err);
	case MEMBER_BOOL:
		return json_is_boolean(value)
			       ? 0
			       : bad(o, m->name, "must be true or false", NULL,
				     err);
	case MEMBER_OBJECT:
	default:
		return json_is_object(value)
			       ? 0
			       : bad(o, m->name, "must be an object", NULL,
				     err);
	}
}

/* Every member is one of the n, and of its type or null. */
static int check_members(const struct object *o, const struct member *members,
			 size_t n, struct err *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(o->value))
		return bad(o, "", "must be an object", NULL, err);
	json_object_foreach((json_t *)(uintptr_t)o->value, key, value)
	{
		const struct member *found = NULL;
		struct suggest s;
		int rc;

		suggest_init(&s, key);
		for (size_t i = 0; i < n; i++) {
			suggest_add(&s, members[i].name);
			if (!strcmp(members[i].name, key))
				found = &members[i];
		}
		if (!found)
			return bad(o, key, "is not a known setting", s.best,
				   err);
		rc = json_is_null(value) ? 0 : check_type(o, found, value, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int check_auth(const struct object *o, struct err *err)
{
	return check_members(o, auth_members, ARRAY_SIZE(auth_members), err);
}

static int check_host(const struct object *o, struct err *err)
{
	int rc = check_members(o, host_members, ARRAY_SIZE(host_members), err);
	struct object auth = *o;

	auth.part = "auth";
	auth.value = json_object_get(o->value, "auth");
	if (rc || !auth.value || json_is_null(auth.value))
		return rc;
	return check_auth(&auth, err);
}

/* Each member of the object of that name, which is of a host. */
static int check_each(const struct config_place *at, const json_t *registries,
		      const char *path, const char *name,
		      int (*check)(const struct object *o, struct err *err),
		      struct err *err)
{
	json_t *all = json_object_get(registries, name), *value;
	const char *host;

	json_object_foreach(all, host, value)
	{
		const struct object o = { at->file, path, host, "", value };
		int rc = json_is_null(value) ? 0 : check(&o, err);

		if (rc)
			return rc;
	}
	return 0;
}

int config_registries_check(const struct config_place *at,
			    const json_t *registries, struct err *err)
{
	const struct object top = { at->file, "registries", "", "",
				    registries };
	int rc = check_members(&top, top_members, ARRAY_SIZE(top_members), err);

	if (!rc)
		rc = check_each(at, registries, "registries.hosts", "hosts",
				check_host, err);
	if (!rc)
		rc = check_each(at, registries, "registries.auth", "auth",
				check_auth, err);
	return rc;
}
