/* SPDX-License-Identifier: Apache-2.0 */
/* Reading of config.json's "registries" and of the secrets it names. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "image/credentials_int.h"

#define HOST_MAX 260u

/* docker.io goes by many names; the first is ours. */
static const char *const docker_names[] = {
	"docker.io",
	"index.docker.io",
	"registry-1.docker.io",
	"https://index.docker.io/v1/",
	"https://index.docker.io",
	"https://registry-1.docker.io",
};

static const char *const sources[] = { "store", "password_env", "secret_name" };

void credential_fini(struct credential *c)
{
	free(c->username);
	if (c->password)
		explicit_bzero(c->password, strlen(c->password));
	free(c->password);
	c->username = NULL;
	c->password = NULL;
}

static bool host_valid(const char *host)
{
	size_t len = strlen(host);

	if (!len || len > HOST_MAX || *host == '.' || *host == '-')
		return false;
	for (const char *p = host; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(".-_:[]", *p))
			return false;
	return true;
}

int registry_host(const char *text, char **ret, struct err *err)
{
	const char *start = text;
	autofree char *host = NULL;
	size_t len;

	if (str_starts(start, "https://"))
		start += strlen("https://");
	else if (str_starts(start, "http://"))
		start += strlen("http://");
	len = strcspn(start, "/");
	/* a path is a mistake, but for the one that Docker writes */
	if (start[len] && !str_eq(start + len, "/") &&
	    !str_eq(start + len, "/v1/") && !str_eq(start + len, "/v2/"))
		len = 0;
	host = strndup(start, len);
	if (!host)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read a host");
	if (!host_valid(host))
		return err_set(err, ERR_INVALID, EINVAL,
			       "'%.260s' is not the name of a registry; it "
			       "looks like ghcr.io or localhost:5000",
			       text);
	for (size_t i = 1; i < ARRAY_SIZE(docker_names); i++)
		if (!strcmp(host, docker_names[i])) {
			free(host);
			host = strdup(docker_names[0]);
		}
	if (!host)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read a host");
	*ret = take_ptr(host);
	return 0;
}

int settings_read(int home_fd, json_t **ret, struct err *err)
{
	/* follows links: people keep their settings elsewhere */
	autoclose int fd = openat(home_fd, SETTINGS_FILE, O_RDONLY | O_CLOEXEC);
	json_error_t at = { .line = 0 };
	struct buf b;
	json_t *root;
	int rc;

	if (fd < 0 && errno == ENOENT) {
		*ret = json_object();
		return *ret ? 0
			    : err_sys(err, ERR_NO_MEMORY, ENOMEM,
				      "read " SETTINGS_FILE);
	}
	if (fd < 0)
		return err_sys(err, ERR_IO, errno, "read " SETTINGS_FILE);
	buf_init(&b, SETTINGS_MAX);
	rc = io_read_all(fd, &b);
	if (rc) {
		buf_fini(&b);
		return err_sys(err, ERR_IO, -rc, "read " SETTINGS_FILE);
	}
	root = json_loadb((const char *)buf_data(&b), buf_len(&b),
			  JSON_REJECT_DUPLICATES, &at);
	buf_fini(&b);
	if (!json_is_object(root)) {
		json_decref(root);
		return err_set(err, ERR_INVALID, EINVAL,
			       SETTINGS_FILE ":%d:%d: %s", at.line, at.column,
			       root ? "must hold one JSON object" : at.text);
	}
	*ret = root;
	return 0;
}

static json_t *auth_of(const json_t *settings, const char *key)
{
	const json_t *all = json_object_get(settings, "registries");
	const json_t *host =
		json_object_get(json_object_get(all, "hosts"), key);
	json_t *auth = json_object_get(host, "auth");

	/* as some documents have it */
	return auth ? auth : json_object_get(json_object_get(all, "auth"), key);
}

static bool is_docker(const char *host)
{
	return str_eq(host, docker_names[0]);
}

json_t *settings_auth(const json_t *settings, const char *host,
		      const char **ret_key)
{
	size_t n = is_docker(host) ? ARRAY_SIZE(docker_names) : 1;

	for (size_t i = 0; i < n; i++) {
		const char *key = i ? docker_names[i] : host;
		json_t *auth = auth_of(settings, key);

		if (auth && !json_is_null(auth)) {
			if (ret_key)
				*ret_key = key;
			return auth;
		}
	}
	return NULL;
}

const char *settings_source(const json_t *auth)
{
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		const json_t *v = json_object_get(auth, sources[i]);

		if (!v || json_is_null(v))
			continue;
		if (found)
			return "multiple";
		found = i ? sources[i] : "keyring";
	}
	return found ? found : "unset";
}

bool secret_name_valid(const char *name)
{
	return host_valid(name);
}

int secrets_dir(const json_t *settings, char **ret, struct err *err)
{
	const json_t *v =
		json_object_get(json_object_get(settings, "paths"), "secrets");
	const char *path = json_string_value(v);

	if (v && !json_is_null(v) && (!path || *path != '/'))
		return err_set(err, ERR_INVALID, EINVAL,
			       SETTINGS_FILE ": 'paths.secrets' must be an "
					     "absolute path");
	*ret = str_fmt("%s/" SECRETS_DIR, path ? path : "secrets");
	return *ret ? 0
		    : err_sys(err, ERR_NO_MEMORY, ENOMEM,
			      "read " SETTINGS_FILE);
}

int secret_read(int home_fd, const char *dir, const char *name, char **ret,
		struct err *err)
{
	autofree char *path = str_fmt("%s/%s", dir, name);
	autoclose int fd = -1;
	struct stat st;
	struct buf b;
	size_t len;
	int rc;

	if (!path)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "read a secret");
	fd = openat(home_fd, path,
		    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, ERR_INVALID, errno,
			       "cannot read the password in '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_mode & 077)
		return err_set(err, ERR_INVALID, EACCES,
			       "'%s' must be a file that nobody else can "
			       "read: chmod 600 it",
			       path);
	buf_init(&b, CREDENTIAL_MAX);
	rc = io_read_all(fd, &b);
	*ret = rc ? NULL : buf_take_str(&b);
	buf_fini(&b);
	if (!*ret)
		return err_sys(err, ERR_IO, rc ? -rc : ENOMEM, "read '%s'",
			       path);
	len = strlen(*ret);
	while (len && strchr("\r\n", (*ret)[len - 1]))
		(*ret)[--len] = 0;
	if (len)
		return 0;
	free(*ret);
	*ret = NULL;
	return err_set(err, ERR_INVALID, EINVAL, "'%s' is empty", path);
}

static int bad_auth(struct err *err, const char *host, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       SETTINGS_FILE ": registries.hosts.%s.auth %s", host,
		       what);
}

static int password_env(const char *host, const char *name, char **ret,
			struct err *err)
{
	const char *value = getenv(name);

	if (!value || !*value)
		return err_set(err, ERR_INVALID, EINVAL,
			       SETTINGS_FILE ": registries.hosts.%s.auth: the "
					     "environment has no %.128s",
			       host, name);
	*ret = strdup(value);
	return *ret ? 0
		    : err_sys(err, ERR_NO_MEMORY, ENOMEM, "read a password");
}

static int load_auth(int home_fd, const char *dir, const char *host,
		     const json_t *auth, struct credential *ret,
		     struct err *err)
{
	const char *user = json_string_value(json_object_get(auth, "username"));
	const char *source = settings_source(auth);
	const char *value = json_string_value(json_object_get(auth, source));
	int rc;

	if (!json_is_object(auth) || !user || !*user || strchr(user, ':'))
		return bad_auth(err, host, "needs a username");
	if (str_eq(source, "keyring"))
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "the password for %s is in a keyring, which is "
			       "not supported: run msb registry login %s",
			       host, host);
	if (str_eq(source, "multiple"))
		return bad_auth(err, host, "has more than one password");
	if (str_eq(source, "unset"))
		return bad_auth(err, host, "needs password_env or secret_name");
	if (!value || !*value)
		return err_set(err, ERR_INVALID, EINVAL,
			       SETTINGS_FILE ": registries.hosts.%s.auth.%s "
					     "must be a name",
			       host, source);
	if (str_eq(source, "password_env"))
		rc = password_env(host, value, &ret->password, err);
	else if (!secret_name_valid(value))
		rc = bad_auth(err, host, "has an unsafe secret_name");
	else
		rc = secret_read(home_fd, dir, value, &ret->password, err);
	if (rc)
		return rc;
	ret->username = strdup(user);
	return ret->username ? 0
			     : err_sys(err, ERR_NO_MEMORY, ENOMEM,
				       "read a user name");
}

static int load_insecure(const json_t *settings, const char *host, bool *ret,
			 struct err *err)
{
	const json_t *hosts = json_object_get(
		json_object_get(settings, "registries"), "hosts");
	const json_t *v =
		json_object_get(json_object_get(hosts, host), "insecure");

	if (v && !json_is_boolean(v) && !json_is_null(v))
		return err_set(err, ERR_INVALID, EINVAL,
			       SETTINGS_FILE ": registries.hosts.%s.insecure "
					     "must be true or false",
			       host);
	*ret = json_is_true(v);
	return 0;
}

static int load_ca_certs(const json_t *settings, char **ret, struct err *err)
{
	const json_t *v = json_object_get(
		json_object_get(settings, "registries"), "ca_certs");
	const char *path = json_string_value(v);

	if (!v || json_is_null(v))
		return 0;
	if (!path || *path != '/')
		return err_set(err, ERR_INVALID, EINVAL,
			       SETTINGS_FILE ": 'registries.ca_certs' must be "
					     "an absolute path");
	*ret = strdup(path);
	return *ret ? 0
		    : err_sys(err, ERR_NO_MEMORY, ENOMEM,
			      "read " SETTINGS_FILE);
}

int registry_config_load(int home_fd, const char *host,
			 struct registry_config *ret, struct err *err)
{
	struct registry_config c = { .insecure = false };
	autofree char *name = NULL;
	autofree char *dir = NULL;
	json_t *settings = NULL;
	const json_t *auth;
	int rc = registry_host(host, &name, err);

	if (!rc)
		rc = settings_read(home_fd, &settings, err);
	if (!rc)
		rc = load_insecure(settings, name, &c.insecure, err);
	if (!rc)
		rc = load_ca_certs(settings, &c.ca_certs, err);
	if (!rc)
		rc = secrets_dir(settings, &dir, err);
	auth = rc ? NULL : settings_auth(settings, name, NULL);
	if (auth)
		rc = load_auth(home_fd, dir, name, auth, &c.auth, err);
	json_decref(settings);
	if (rc) {
		registry_config_fini(&c);
		return rc;
	}
	*ret = c;
	return 0;
}

void registry_config_fini(struct registry_config *c)
{
	free(c->ca_certs);
	c->ca_certs = NULL;
	credential_fini(&c->auth);
}
