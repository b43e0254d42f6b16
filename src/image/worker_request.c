/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the image worker: one table of members both ways. */
#include "image/worker.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define MAX_REFERENCES 1024u

static const char *const op_names[] = { "pull",	  "load",  "save",   "compress",
					"expand", "fetch", "extract" };
_Static_assert(ARRAY_SIZE(op_names) == WORKER_OP_COUNT,
	       "op_names[] doesn't match enum worker_op");

enum member_type { MEMBER_TEXT, MEMBER_PATH, MEMBER_BOOL, MEMBER_TEXTS };

struct member {
	const char *name;
	enum member_type type;
	size_t offset;
	unsigned ops, required; /* bits of enum worker_op */
};

#define PULL (1u << WORKER_PULL)
#define LOAD (1u << WORKER_LOAD)
#define SAVE (1u << WORKER_SAVE)
#define FETCH (1u << WORKER_FETCH)
#define ANY ((1u << WORKER_OP_COUNT) - 1)
#define MEMBER(name, type, field, ops, required)                               \
	{                                                                      \
		name, type, offsetof(struct worker_request, field), ops,       \
			required                                               \
	}

static const struct member members[] = {
	MEMBER("home", MEMBER_PATH, home, ANY, ANY),
	MEMBER("config_home", MEMBER_PATH, config_home, ANY, 0),
	MEMBER("cache", MEMBER_PATH, cache, ANY, 0),
	MEMBER("reference", MEMBER_TEXT, reference, PULL, PULL),
	MEMBER("arch", MEMBER_TEXT, arch, PULL | LOAD, 0),
	MEMBER("force", MEMBER_BOOL, force, PULL, 0),
	MEMBER("insecure", MEMBER_BOOL, insecure, PULL, 0),
	MEMBER("ca_certs", MEMBER_PATH, ca_certs, PULL | FETCH, 0),
	MEMBER("input", MEMBER_TEXT, input, LOAD, 0),
	MEMBER("url", MEMBER_TEXT, url, FETCH, FETCH),
	MEMBER("document", MEMBER_BOOL, document, FETCH, 0),
	MEMBER("references", MEMBER_TEXTS, references, LOAD | SAVE, SAVE),
};

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void worker_request_fini(struct worker_request *r)
{
	free(r->home);
	free(r->config_home);
	free(r->cache);
	free(r->reference);
	free(r->arch);
	free(r->ca_certs);
	free(r->input);
	free(r->url);
	free(r->username);
	wipe(r->password);
	strv_fini(&r->references);
	memset(r, 0, sizeof(*r));
}

static int set_texts(json_t *root, const char *name, const struct strv *list)
{
	json_t *array = json_array();
	int rc = 0;

	for (size_t i = 0; i < list->n; i++)
		rc |= json_array_append_new(array, json_string(list->v[i]));
	return rc | json_object_set_new(root, name, array);
}

/* What is absent is left out; what is no text in UTF-8 is a failure. */
static int set_member(json_t *root, const struct worker_request *r,
		      const struct member *m)
{
	const char *at = (const char *)r + m->offset;
	const struct strv *list;
	const char *text;

	switch (m->type) {
	case MEMBER_BOOL:
		if (!*(const bool *)(const void *)at)
			return 0;
		return json_object_set_new(root, m->name, json_true());
	case MEMBER_TEXTS:
		list = (const struct strv *)(const void *)at;
		return list->n ? set_texts(root, m->name, list) : 0;
	case MEMBER_TEXT:
	case MEMBER_PATH:
	default:
		text = *(const char *const *)(const void *)at;
		if (!text)
			return 0;
		return json_object_set_new(root, m->name, json_string(text));
	}
}

char *worker_request_format(const struct worker_request *r)
{
	json_t *root = json_object();
	char *text;
	int rc = json_object_set_new(root, "op", json_string(op_names[r->op]));

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (members[i].ops & (1u << r->op))
			rc |= set_member(root, r, &members[i]);
	if (r->op == WORKER_PULL && r->always)
		rc |= json_object_set_new(root, "policy",
					  json_string("always"));
	if (r->op == WORKER_PULL && r->username)
		rc |= json_object_set_new(
			root, "auth",
			json_pack("{s:s, s:s}", "username", r->username,
				  "password", r->password ? r->password : ""));
	if (r->op == WORKER_SAVE)
		rc |= json_object_set_new(
			root, "format",
			json_string(r->docker ? "docker" : "oci"));
	text = rc ? NULL : json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static int bad(struct err *err, const char *name, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "request to the image worker: '%s' %s", name, what);
}

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read the request");
}

static int get_text(const json_t *v, const char *name, char **ret,
		    struct err *err)
{
	const char *text = json_string_value(v);

	if (!text || !*text)
		return bad(err, name, "must be a text");
	*ret = strdup(text);
	return *ret ? 0 : no_memory(err);
}

static int get_texts(const json_t *v, const char *name, struct strv *ret,
		     struct err *err)
{
	const json_t *item;
	size_t i;

	if (!json_is_array(v) || json_array_size(v) > MAX_REFERENCES)
		return bad(err, name, "must be a list of texts");
	json_array_foreach(v, i, item)
	{
		const char *text = json_string_value(item);

		if (!text || !*text)
			return bad(err, name, "must be a list of texts");
		if (strv_add(ret, text))
			return no_memory(err);
	}
	return 0;
}

static int get_member(struct worker_request *r, const struct member *m,
		      const json_t *v, struct err *err)
{
	char *at = (char *)r + m->offset;

	switch (m->type) {
	case MEMBER_BOOL:
		if (!json_is_boolean(v))
			return bad(err, m->name, "must be true or false");
		*(bool *)(void *)at = json_is_true(v);
		return 0;
	case MEMBER_TEXTS:
		return get_texts(v, m->name, (struct strv *)(void *)at, err);
	case MEMBER_PATH:
		if (json_string_length(v) && json_string_value(v)[0] != '/')
			return bad(err, m->name, "must be an absolute path");
		MSB_FALLTHROUGH;
	case MEMBER_TEXT:
	default:
		return get_text(v, m->name, (char **)(void *)at, err);
	}
}

static int get_policy(struct worker_request *r, const json_t *v,
		      struct err *err)
{
	const char *text = json_string_value(v);

	if (!str_eq(text, "always") && !str_eq(text, "if-missing"))
		return bad(err, "policy", "must be if-missing or always");
	r->always = str_eq(text, "always");
	return 0;
}

static int get_format(struct worker_request *r, const json_t *v,
		      struct err *err)
{
	const char *text = json_string_value(v);

	if (!str_eq(text, "docker") && !str_eq(text, "oci"))
		return bad(err, "format", "must be docker or oci");
	r->docker = str_eq(text, "docker");
	return 0;
}

static int get_auth(struct worker_request *r, const json_t *v, struct err *err)
{
	const char *user = json_string_value(json_object_get(v, "username"));
	const char *pass = json_string_value(json_object_get(v, "password"));

	if (!user || !pass || json_object_size(v) != 2)
		return bad(err, "auth", "must hold username and password");
	r->username = strdup(user);
	r->password = strdup(pass);
	return r->username && r->password ? 0 : no_memory(err);
}

static int get_any(struct worker_request *r, const char *name, const json_t *v,
		   struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		if (!strcmp(members[i].name, name) &&
		    members[i].ops & (1u << r->op))
			return get_member(r, &members[i], v, err);
	if (r->op == WORKER_PULL && !strcmp(name, "policy"))
		return get_policy(r, v, err);
	if (r->op == WORKER_PULL && !strcmp(name, "auth"))
		return get_auth(r, v, err);
	if (r->op == WORKER_SAVE && !strcmp(name, "format"))
		return get_format(r, v, err);
	return strcmp(name, "op") ? bad(err, name, "is not known") : 0;
}

static int get_all(struct worker_request *r, json_t *root, struct err *err)
{
	const char *op = json_string_value(json_object_get(root, "op"));
	const char *name;
	json_t *value;
	unsigned i;

	for (i = 0; i < WORKER_OP_COUNT && !str_eq(op_names[i], op); i++)
		;
	if (i == WORKER_OP_COUNT)
		return bad(err, "op", "is not one that is known");
	r->op = (enum worker_op)i;
	json_object_foreach(root, name, value)
	{
		int rc = get_any(r, name, value, err);

		if (rc)
			return rc;
	}
	for (i = 0; i < ARRAY_SIZE(members); i++)
		if (members[i].required & (1u << r->op) &&
		    !json_object_get(root, members[i].name))
			return bad(err, members[i].name, "is missing");
	if (r->op == WORKER_SAVE && !json_object_get(root, "format"))
		return bad(err, "format", "is missing");
	if (r->op == WORKER_SAVE && !r->references.n)
		return bad(err, "references", "must name at least one image");
	return 0;
}

int worker_request_parse(const char *text, size_t len,
			 struct worker_request *ret, struct err *err)
{
	struct worker_request r = { .op = WORKER_PULL };
	json_error_t at;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &at);
	int rc;

	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, ERR_INVALID, EINVAL,
			       "request to the image worker: not a JSON "
			       "object");
	}
	rc = get_all(&r, root, err);
	json_decref(root);
	if (rc) {
		worker_request_fini(&r);
		return rc;
	}
	*ret = r;
	return 0;
}
