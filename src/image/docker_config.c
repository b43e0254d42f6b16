/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's config.json: auths, credHelpers, credsStore. */
#include "image/docker_config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "image/auth.h"

/* Under which Docker knows its own registry; the first is what it writes. */
static const char *const hub_keys[] = {
	"https://index.docker.io/v1/",
	"docker.io",
	"https://docker.io",
	"index.docker.io",
	"https://index.docker.io",
	"registry-1.docker.io",
	"https://registry-1.docker.io",
};

#define MAX_KEYS ARRAY_SIZE(hub_keys)

struct keys {
	const char *v[MAX_KEYS];
	size_t n;
	char *with_scheme; /* owned */
};

static int keys_of(const char *host, struct keys *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!strcmp(host, "docker.io")) {
		memcpy(ret->v, hub_keys, sizeof(hub_keys));
		ret->n = MAX_KEYS;
		return 0;
	}
	ret->with_scheme = str_fmt("https://%s", host);
	ret->v[0] = host;
	ret->v[1] = ret->with_scheme;
	ret->n = 2;
	return ret->with_scheme ? 0 : -ENOMEM;
}

void docker_entry_fini(struct docker_entry *e)
{
	for (size_t i = 0; i < e->nhelpers; i++) {
		free(e->helpers[i].name);
		free(e->helpers[i].server);
	}
	credential_fini(&e->auth);
	memset(e, 0, sizeof(*e));
}

/* Part of a program's name: nothing that leads elsewhere. */
static bool helper_name_valid(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("._-", name[i]))
			return false;
	return len && len <= DOCKER_HELPER_NAME_MAX;
}

static int add_helper(struct docker_entry *e, const json_t *name,
		      const char *server)
{
	const char *text = json_string_value(name);
	size_t i = e->nhelpers;

	if (!text || !helper_name_valid(text) || i == DOCKER_HELPER_TRIES)
		return 0;
	e->helpers[i].name = strdup(text);
	e->helpers[i].server = strdup(server);
	e->nhelpers++;
	return e->helpers[i].name && e->helpers[i].server ? 0 : -ENOMEM;
}

static int find_helpers(struct docker_entry *e, const json_t *root,
			const struct keys *keys)
{
	const json_t *by_host = json_object_get(root, "credHelpers");
	const json_t *store = json_object_get(root, "credsStore");
	const json_t *auths = json_object_get(root, "auths");
	bool listed = false;
	int rc = 0;

	for (size_t i = 0; i < keys->n && !rc; i++)
		rc = add_helper(e, json_object_get(by_host, keys->v[i]),
				keys->v[i]);
	/* Docker lists in auths, empty, what its store holds: asking for the
	 * rest is slow and seldom of use. */
	for (size_t i = 0; i < keys->n && store && !rc; i++) {
		if (!json_object_get(auths, keys->v[i]))
			continue;
		listed = true;
		rc = add_helper(e, store, keys->v[i]);
	}
	if (store && !listed && !rc)
		rc = add_helper(e, store, keys->v[0]);
	return rc;
}

static int find_auth(struct docker_entry *e, const json_t *entry)
{
	const char *both = json_string_value(json_object_get(entry, "auth"));
	const char *user =
		json_string_value(json_object_get(entry, "username"));
	const char *pass =
		json_string_value(json_object_get(entry, "password"));
	const char *identity =
		json_string_value(json_object_get(entry, "identitytoken"));
	int rc;

	if (identity && *identity)
		return 0;
	if (both && *both) {
		rc = auth_basic_decode(both, &e->auth.username,
				       &e->auth.password);
		if (rc != -EINVAL)
			return rc;
		e->auth.username = e->auth.password = NULL;
	}
	if (!user || !pass || !*user || !*pass || strchr(user, ':'))
		return 0;
	e->auth.username = strdup(user);
	e->auth.password = strdup(pass);
	return e->auth.username && e->auth.password ? 0 : -ENOMEM;
}

int docker_config_parse(const char *text, size_t len, const char *host,
			struct docker_entry *ret, struct err *err)
{
	struct docker_entry e = { .nhelpers = 0 };
	json_t *root = json_loadb(text, len, 0, NULL);
	struct keys keys = { .n = 0 };
	int rc;

	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, ERR_INVALID, EINVAL,
			       "Docker's config.json holds no JSON object");
	}
	rc = keys_of(host, &keys);
	if (!rc)
		rc = find_helpers(&e, root, &keys);
	for (size_t i = 0; i < keys.n && !rc && !e.auth.username; i++)
		rc = find_auth(&e,
			       json_object_get(json_object_get(root, "auths"),
					       keys.v[i]));
	free(keys.with_scheme);
	json_decref(root);
	if (rc) {
		docker_entry_fini(&e);
		return err_sys(err, ERR_NO_MEMORY, ENOMEM,
			       "read Docker's config.json");
	}
	*ret = e;
	return 0;
}

/* malloc'ed path, NULL when there can be none. */
static char *config_path(void)
{
	const char *dir = getenv("DOCKER_CONFIG"), *home = getenv("HOME");

	if (dir && *dir)
		return str_fmt("%s/config.json", dir);
	return home && *home ? str_fmt("%s/.docker/config.json", home) : NULL;
}

static int read_config(const char *host, struct docker_entry *ret,
		       struct err *note)
{
	autofree char *path = config_path();
	autoclose int fd = -1;
	struct buf b;
	int rc;

	if (!path)
		return -ENOENT;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return -ENOENT;
	if (fd < 0)
		return err_sys(note, ERR_IO, errno, "cannot read %s", path);
	buf_init(&b, DOCKER_CONFIG_MAX);
	rc = io_read_all(fd, &b);
	if (rc)
		rc = err_sys(note, ERR_IO, -rc, "cannot read %s", path);
	else
		rc = docker_config_parse((const char *)buf_data(&b),
					 buf_len(&b), host, ret, note);
	buf_fini(&b);
	return rc;
}

int docker_config_find(const char *host, struct credential *ret,
		       struct err *note)
{
	struct docker_entry e = { .nhelpers = 0 };
	int found = 0;

	err_clear(note);
	if (read_config(host, &e, note))
		return 0;
	for (size_t i = 0; i < e.nhelpers && found <= 0; i++)
		found = docker_helper_get(e.helpers[i].name,
					  e.helpers[i].server, ret, note);
	if (found <= 0 && e.auth.username) {
		*ret = e.auth;
		memset(&e.auth, 0, sizeof(e.auth));
		found = 1;
	}
	docker_entry_fini(&e);
	return found > 0;
}
