/* SPDX-License-Identifier: Apache-2.0 */
/* Login, logout and listing: secret files and their entries in config.json. */
#include "image/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "image/credentials_int.h"

#define LOCK_DIR "secrets/registries"
#define LOCK_FILE LOCK_DIR "/.lock"

/* One change at a time, also of where secrets are; the lock ends with the
 * descriptor. */
static int lock_settings(int home_fd, int *ret_fd, struct err *err)
{
	autoclose int fd = -1;
	int rc = io_mkdir_p(home_fd, LOCK_DIR, 0700);

	if (rc)
		return err_sys(err, ERR_IO, -rc, "make '%s'", LOCK_DIR);
	fd = openat(home_fd, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, ERR_IO, errno, "open '%s'", LOCK_FILE);
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return err_sys(err, ERR_IO, errno, "lock '%s'",
				       LOCK_FILE);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* Where the settings really lie: a link stays one. */
static int write_settings(int home_fd, const json_t *settings, struct err *err)
{
	autofree char *text = json_dumps(settings, JSON_INDENT(2));
	autofree char *whole = text ? str_fmt("%s\n", text) : NULL;
	autofree char *link =
		str_fmt("/proc/self/fd/%d/%s", home_fd, SETTINGS_FILE);
	autofree char *real = link ? realpath(link, NULL) : NULL;
	struct stat st = { .st_mode = 0600 };
	int rc;

	if (!whole || !link)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM,
			       "write " SETTINGS_FILE);
	if (!real && errno != ENOENT)
		return err_sys(err, ERR_IO, errno, "find " SETTINGS_FILE);
	if (real && stat(real, &st) < 0)
		return err_sys(err, ERR_IO, errno, "look at '%s'", real);
	rc = io_write_file_at(home_fd, real ? real : SETTINGS_FILE, whole,
			      strlen(whole), st.st_mode & 0666);
	return rc ? err_sys(err, ERR_IO, -rc, "write " SETTINGS_FILE) : 0;
}

static json_t *member_object(json_t *parent, const char *name)
{
	json_t *child = json_object_get(parent, name);

	if (child && !json_is_null(child))
		return child;
	child = json_object();
	return json_object_set_new(parent, name, child) ? NULL : child;
}

/* Take the auth entries of a host out, under all its names. */
static bool forget(json_t *settings, const char *host)
{
	json_t *all = json_object_get(settings, "registries");
	const char *key;
	bool found = false;

	while (settings_auth(settings, host, &key)) {
		json_t *hosts = json_object_get(all, "hosts");
		json_t *entry = json_object_get(hosts, key);

		found = true;
		(void)json_object_del(entry, "auth"); /* it may be the other */
		(void)json_object_del(json_object_get(all, "auth"), key);
		if (entry && !json_object_size(entry))
			(void)json_object_del(hosts, key);
	}
	return found;
}

static int remember(json_t *settings, const char *host, const char *username,
		    struct err *err)
{
	json_t *all = member_object(settings, "registries");
	json_t *hosts = member_object(all, "hosts");
	json_t *entry = member_object(hosts, host);

	if (!json_is_object(all) || !json_is_object(hosts) ||
	    !json_is_object(entry))
		return err_set(err, ERR_INVALID, EINVAL,
			       SETTINGS_FILE ": 'registries.hosts.%s' must be "
					     "an object",
			       host);
	if (json_object_set_new(entry, "auth",
				json_pack("{s:s, s:s}", "username", username,
					  "secret_name", host)))
		return err_set(err, ERR_INVALID, EINVAL,
			       "the user name is not UTF-8 text");
	return 0;
}

static int check_login(const char *username, const char *password,
		       struct err *err)
{
	if (!*username || strchr(username, ':') ||
	    strlen(username) > CREDENTIAL_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a user name cannot be empty or hold a colon");
	if (!*password)
		return err_set(err, ERR_INVALID, EINVAL,
			       "password/token cannot be empty");
	if (strlen(password) >= CREDENTIAL_MAX || strpbrk(password, "\r\n"))
		return err_set(err, ERR_INVALID, EINVAL,
			       "password/token must be one line of at most "
			       "%u bytes",
			       CREDENTIAL_MAX - 1);
	return 0;
}

static int write_secret(int home_fd, const char *dir, const char *host,
			const char *password, struct err *err)
{
	autofree char *path = str_fmt("%s/%s", dir, host);
	int rc = path ? io_mkdir_p(home_fd, dir, 0700) : -ENOMEM;

	if (!rc)
		rc = io_write_file_at(home_fd, path, password, strlen(password),
				      0600);
	return rc ? err_sys(err, rc == -ENOSPC ? ERR_NO_SPACE : ERR_IO, -rc,
			    "store the password for %s", host)
		  : 0;
}

static int remove_secret(int home_fd, const char *dir, const char *host,
			 bool *ret_found, struct err *err)
{
	autofree char *path = str_fmt("%s/%s", dir, host);

	if (!path)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "log out");
	if (unlinkat(home_fd, path, 0) == 0) {
		*ret_found = true;
		return 0;
	}
	if (errno == ENOENT || errno == ENOTDIR)
		return 0;
	return err_sys(err, ERR_IO, errno, "remove '%s'", path);
}

int registry_login(int home_fd, const char *host, const char *username,
		   const char *password, struct err *err)
{
	autofree char *name = NULL;
	autofree char *dir = NULL;
	autofree char *before = NULL;
	autoclose int lock = -1;
	json_t *settings = NULL;
	bool removed;
	int rc = registry_host(host, &name, err);

	if (!rc)
		rc = check_login(username, password, err);
	if (!rc)
		rc = lock_settings(home_fd, &lock, err);
	if (!rc)
		rc = settings_read(home_fd, &settings, err);
	if (!rc)
		rc = secrets_dir(settings, &dir, err);
	if (!rc) {
		(void)forget(settings, name);
		rc = remember(settings, name, username, err);
	}
	if (!rc) {
		/* nothing to put back is no failure */
		(void)secret_read(home_fd, dir, name, &before, NULL);
		rc = write_secret(home_fd, dir, name, password, err);
	}
	if (!rc) {
		rc = write_settings(home_fd, settings, err);
		if (rc && before)
			(void)write_secret(home_fd, dir, name, before, NULL);
		else if (rc)
			(void)remove_secret(home_fd, dir, name, &removed, NULL);
	}
	if (before)
		explicit_bzero(before, strlen(before));
	json_decref(settings);
	return rc;
}

int registry_logout(int home_fd, const char *host, bool *ret_found,
		    struct err *err)
{
	autofree char *name = NULL;
	autofree char *dir = NULL;
	autoclose int lock = -1;
	json_t *settings = NULL;
	bool found = false;
	int rc = registry_host(host, &name, err);

	if (!rc)
		rc = lock_settings(home_fd, &lock, err);
	if (!rc)
		rc = settings_read(home_fd, &settings, err);
	if (!rc)
		rc = secrets_dir(settings, &dir, err);
	if (!rc && forget(settings, name)) {
		found = true;
		rc = write_settings(home_fd, settings, err);
	}
	if (!rc)
		rc = remove_secret(home_fd, dir, name, &found, err);
	json_decref(settings);
	if (!rc)
		*ret_found = found;
	return rc;
}

/* ---- listing ------------------------------------------------------------- */

static int by_host(const void *a, const void *b)
{
	const struct registry_entry *x = a, *y = b;

	return strcmp(x->host, y->host);
}

static int add_entry(struct registry_entry *e, const char *host,
		     const json_t *auth)
{
	const char *user = json_string_value(json_object_get(auth, "username"));

	e->host = strdup(host);
	e->username = strdup(user ? user : "");
	e->source = settings_source(auth);
	return e->host && e->username ? 0 : -ENOMEM;
}

static bool listed(const struct registry_entry *list, size_t n,
		   const char *host)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(list[i].host, host))
			return true;
	return false;
}

/* Entries of "hosts" and of the older "auth". */
static int list_all(const json_t *registries, struct registry_entry *list,
		    size_t *n)
{
	json_t *hosts = json_object_get(registries, "hosts"), *value;
	json_t *older = json_object_get(registries, "auth");
	const char *host;
	int rc = 0;

	json_object_foreach(hosts, host, value)
	{
		const json_t *auth = json_object_get(value, "auth");

		if (auth && !json_is_null(auth) && !rc)
			rc = add_entry(&list[(*n)++], host, auth);
	}
	json_object_foreach(older, host, value)
	{
		if (!rc && !listed(list, *n, host))
			rc = add_entry(&list[(*n)++], host, value);
	}
	return rc;
}

int registry_list(int home_fd, struct registry_entry **ret, size_t *ret_n,
		  struct err *err)
{
	struct registry_entry *list;
	const json_t *all;
	json_t *settings;
	size_t n = 0;
	int rc = settings_read(home_fd, &settings, err);

	if (rc)
		return rc;
	all = json_object_get(settings, "registries");
	list = calloc(json_object_size(json_object_get(all, "hosts")) +
			      json_object_size(json_object_get(all, "auth")) +
			      1,
		      sizeof(*list));
	rc = list ? list_all(all, list, &n) : -ENOMEM;
	json_decref(settings);
	if (rc) {
		registry_list_free(list, n);
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "list registries");
	}
	qsort(list, n, sizeof(*list), by_host);
	*ret = list;
	*ret_n = n;
	return 0;
}

void registry_list_free(struct registry_entry *list, size_t n)
{
	for (size_t i = 0; list && i < n; i++) {
		free(list[i].host);
		free(list[i].username);
	}
	free(list);
}
