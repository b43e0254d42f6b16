/* SPDX-License-Identifier: Apache-2.0 */
/* Home directory: resolution, layout, and errors about its paths. */
#include "store/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"

int(path_err)(struct err *err, int sys, const char *action, const char *path)
{
	enum err_kind kind = ERR_IO;
	const char *remedy = "";
	char text[128];

	switch (sys) {
	case ENOSPC:
	case EDQUOT:
		kind = ERR_NO_SPACE;
		remedy = "; free some space, or set MSB_HOME to a directory on "
			 "another file system";
		break;
	case EACCES:
	case EPERM:
	case EROFS:
		kind = ERR_PERMISSION;
		remedy = "; give yourself access to it, or set MSB_HOME to a "
			 "directory of your own";
		break;
	case ENOMEM:
		kind = ERR_NO_MEMORY;
		break;
	default:
		break;
	}
	return err_set(err, kind, sys, "cannot %s '%s': %s%s", action, path,
		       strerror_r(sys, text, sizeof(text)), remedy);
}

static char *make_absolute(const char *path)
{
	autofree char *cwd = NULL;

	if (path[0] == '/')
		return strdup(path);
	cwd = getcwd(NULL, 0);
	return cwd ? str_fmt("%s/%s", cwd, path) : NULL;
}

static char *default_home(void)
{
	const char *user = getenv("HOME");
	char *path, *absolute;

	if (!user || !*user)
		return make_absolute(".microsandbox");
	path = str_fmt("%s/.microsandbox", user);
	absolute = path ? make_absolute(path) : NULL;
	free(path);
	return absolute;
}

int home_resolve(const char *given, char **ret, struct err *err)
{
	const char *env = getenv("MSB_HOME");
	char *path;
	size_t len;

	if (!given && env && *env)
		given = env;
	errno = ENOMEM; /* what strdup() may leave unset */
	path = given ? make_absolute(given) : default_home();
	if (!path)
		return err_sys(err, errno == ENOMEM ? ERR_NO_MEMORY : ERR_IO,
			       errno, "find the home directory");
	len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		path[--len] = 0;
	if (len > HOME_PATH_MAX) {
		free(path);
		return err_set(err, ERR_INVALID, ENAMETOOLONG,
			       "the home directory's path has %zu bytes, the "
			       "limit is %d",
			       len, HOME_PATH_MAX);
	}
	*ret = path;
	return 0;
}

static const char *const place_names[HOME_PLACE_COUNT] = {
	[HOME_SANDBOXES] = "sandboxes",
	[HOME_CACHE] = "cache",
	[HOME_VOLUMES] = "volumes",
	[HOME_SNAPSHOTS] = "snapshots",
};

int home_open(const char *path, struct home *ret, struct err *err)
{
	struct home h = { .fd = -1 };
	bool complete;
	int rc;

	/* The common case first: the directory is there. */
	h.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (h.fd < 0 && errno == ENOENT) {
		rc = io_mkdir_p(AT_FDCWD, path, 0700);
		if (rc)
			return path_err(err, -rc, "create the home directory",
					path);
		h.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (h.fd < 0)
		return path_err(err, errno, "open the home directory", path);
	h.path = strdup(path);
	complete = h.path != NULL;
	for (unsigned i = 0; i < HOME_PLACE_COUNT; i++) {
		h.place[i] = str_fmt("%s/%s", path, place_names[i]);
		complete = complete && h.place[i];
	}
	if (!complete) {
		home_fini(&h);
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "open '%s'", path);
	}
	*ret = h;
	return 0;
}

void home_fini(struct home *h)
{
	free(h->path);
	h->path = NULL;
	for (unsigned i = 0; i < HOME_PLACE_COUNT; i++) {
		free(h->place[i]);
		h->place[i] = NULL;
	}
	close_fd(&h->fd);
}

int home_set_place(struct home *h, enum home_place place, const char *path,
		   struct err *err)
{
	size_t len = path ? strlen(path) : 0;
	char *copy;

	if (!path)
		return 0;
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (len > HOME_PATH_MAX)
		return err_set(err, ERR_INVALID, ENAMETOOLONG,
			       "the path of the directory '%s' has %zu bytes, "
			       "the limit is %d",
			       place_names[place], len, HOME_PATH_MAX);
	copy = strndup(path, len);
	if (!copy)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "use '%s'", path);
	free(h->place[place]);
	h->place[place] = copy;
	return 0;
}

/* Is path the directory dir, or in it? */
static bool is_within(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (!strcmp(dir, "/"))
		return true;
	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

int home_check_places(const struct home *h, struct err *err)
{
	for (unsigned i = 0; i < HOME_PLACE_COUNT; i++)
		if (is_within(h->path, h->place[i]))
			return err_set(err, ERR_INVALID, EINVAL,
				       "the directory of %s, '%s', must not "
				       "hold the home directory",
				       place_names[i], h->place[i]);
	for (unsigned i = 0; i < HOME_PLACE_COUNT; i++)
		for (unsigned j = 0; j < HOME_PLACE_COUNT; j++)
			if (i != j && is_within(h->place[i], h->place[j]))
				return err_set(err, ERR_INVALID, EINVAL,
					       "the directory of %s, '%s', "
					       "must not be in that of %s",
					       place_names[i], h->place[i],
					       place_names[j]);
	return 0;
}

char *home_sandbox_path(const struct home *h, const char *name,
			const char *rest)
{
	return str_fmt("%s/%s%s%s", h->place[HOME_SANDBOXES], name,
		       rest ? "/" : "", rest ? rest : "");
}

int home_sandbox_open(const struct home *h, const char *name, const char *rest)
{
	autofree char *path = home_sandbox_path(h, name, rest);
	int fd;

	if (!path)
		return -ENOMEM;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int home_sandbox_exists(const struct home *h, const char *name)
{
	autofree char *path = home_sandbox_path(h, name, NULL);
	struct stat st;

	if (!path)
		return -ENOMEM;
	if (lstat(path, &st) == 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}

int home_sandbox_create(const struct home *h, const char *name, struct err *err)
{
	static const char *const parts[] = { NULL, SANDBOX_LOG_DIR,
					     SANDBOX_RUNTIME_DIR };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		autofree char *path = home_sandbox_path(h, name, parts[i]);
		int rc;

		if (!path)
			return err_sys(err, ERR_NO_MEMORY, ENOMEM,
				       "create a directory");
		if (mkdir(path, 0700) == 0 || errno == EEXIST)
			continue;
		rc = -errno;
		if (rc == -ENOENT) /* the first sandbox of this home */
			rc = io_mkdir_p(AT_FDCWD, path, 0700);
		if (rc)
			return path_err(err, -rc, "create directory", path);
	}
	return 0;
}

int home_sandbox_remove(const struct home *h, const char *name, struct err *err)
{
	autofree char *path = home_sandbox_path(h, name, NULL);
	int rc = path ? io_remove_tree(AT_FDCWD, path) : -ENOMEM;

	return rc ? path_err(err, -rc, "remove directory", path ? path : name)
		  : 0;
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

bool sandbox_name_valid(const char *name)
{
	size_t len = strlen(name);

	if (!len || len > SANDBOX_NAME_MAX || !is_alnum(name[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!is_alnum(name[i]) && !strchr("_.-", name[i]))
			return false;
	return true;
}
