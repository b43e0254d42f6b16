/* SPDX-License-Identifier: Apache-2.0 */
/* Builder of a sandbox's configuration: mounts, and paths on both sides. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api_int.h"

static int done(const struct err *err, int rc, msb_error_t **e)
{
	return rc ? api_fail_err(err, rc, e) : 0;
}

int host_path_canonical(const char *path, char **ret, struct err *err)
{
	char *real = realpath(path, NULL);

	if (!real)
		return err_sys(err,
			       errno == ENOMEM ? ERR_NO_MEMORY : ERR_INVALID,
			       errno, "host path cannot be used: %.300s", path);
	if (!utf8_valid(real, strlen(real))) {
		free(real);
		return err_set(err, ERR_INVALID, EILSEQ,
			       "host path is not valid UTF-8: %.300s", path);
	}
	*ret = real;
	return 0;
}

static int bad_guest_path(struct err *err, const char *path, const char *why)
{
	return err_set(err, ERR_INVALID, EINVAL, "guest path '%.200s' %s", path,
		       why);
}

static int check_guest_path(const char *path, struct err *err)
{
	size_t len = strlen(path);

	if (path[0] != '/')
		return bad_guest_path(err, path, "must be absolute");
	if (len >= PATH_MAX)
		return bad_guest_path(err, path, "is too long");
	if (strpbrk(path, ":;"))
		return bad_guest_path(err, path, "must not hold ':' or ';'");
	if (!utf8_valid(path, len))
		return bad_guest_path(err, path, "is not valid UTF-8");
	for (const char *p = path; *p; p += *p == '/') {
		size_t part = strcspn(p, "/");

		if (part == 2 && !strncmp(p, "..", 2))
			return bad_guest_path(err, path, "must not hold '..'");
		p += part;
	}
	return 0;
}

/* Copy without "//", "." and a trailing "/"; returns the length. */
static size_t shorten_path(const char *path, char *out)
{
	size_t used = 0;

	while (*path) {
		size_t part = strcspn(path, "/");

		if (part && !(part == 1 && *path == '.')) {
			out[used++] = '/';
			memcpy(out + used, path, part);
			used += part;
		}
		path += part;
		path += *path == '/';
	}
	out[used] = 0;
	return used;
}

int guest_path_parse(const char *path, char **ret, struct err *err)
{
	int rc = check_guest_path(path, err);
	char *out;

	if (rc)
		return rc;
	out = malloc(strlen(path) + 1);
	if (!out)
		return api_no_memory(err);
	if (!shorten_path(path, out)) {
		free(out);
		return bad_guest_path(err, path, "must not be '/'");
	}
	*ret = out;
	return 0;
}

/* Is path below dir, or dir itself? */
static bool is_at_or_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

static int check_mount_point(const struct sandbox_config *c, const char *guest,
			     struct err *err)
{
	static const char *const system_dirs[] = { "/proc", "/sys", "/dev" };

	if (is_at_or_below(guest, "/.msb"))
		return bad_guest_path(err, guest, "is reserved");
	for (size_t i = 0; i < ARRAY_SIZE(system_dirs); i++)
		if (!strcmp(guest, system_dirs[i]))
			return bad_guest_path(err, guest,
					      "belongs to the guest's system");
	for (size_t i = 0; i < c->nmounts; i++)
		if (!strcmp(c->mounts[i].guest, guest))
			return bad_guest_path(err, guest,
					      "is mounted more than once");
	return 0;
}

int mounts_add(struct sandbox_config *c, struct mount_config *m,
	       struct err *err)
{
	struct mount_config *list;
	size_t at = 0;
	int rc = check_mount_point(c, m->guest, err);

	if (!rc) {
		list = reallocarray(c->mounts, c->nmounts + 1, sizeof(*list));
		if (list)
			c->mounts = list;
		else
			rc = api_no_memory(err);
	}
	if (rc) {
		mount_config_fini(m);
		return rc;
	}
	while (at < c->nmounts && !is_at_or_below(list[at].guest, m->guest))
		at++;
	memmove(list + at + 1, list + at, (c->nmounts - at) * sizeof(*list));
	list[at] = *m;
	c->nmounts++;
	return 0;
}

int msb_config_add_tmpfs(msb_config_t *c, const char *guest_path,
			 uint32_t size_mib, msb_error_t **e)
{
	struct mount_config m = { .kind = MOUNT_TMPFS, .size_mib = size_mib };
	struct err err = { 0 };
	int rc = guest_path_parse(guest_path, &m.guest, &err);

	return done(&err, rc ? rc : mounts_add(&c->c, &m, &err), e);
}

static int check_bind_source(const char *host, struct err *err)
{
	struct stat st;

	if (!*host)
		return err_set(err, ERR_INVALID, EINVAL,
			       "host path of a mount must not be empty");
	if (stat(host, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_set(err, ERR_INVALID, ENOENT,
				       "host path does not exist: %.300s",
				       host);
		return err_sys(err, ERR_INVALID, errno,
			       "host path cannot be used: %.300s", host);
	}
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, EINVAL,
			       "host path is neither a directory nor a regular "
			       "file: %.300s",
			       host);
	return 0;
}

static const struct {
	unsigned public, stored;
} mount_flags[] = {
	{ MSB_MOUNT_READONLY, MOUNT_READONLY },
	{ MSB_MOUNT_NOEXEC, MOUNT_NOEXEC },
	{ MSB_MOUNT_NOSUID, MOUNT_NOSUID },
	{ MSB_MOUNT_NODEV, MOUNT_NODEV },
};

static int set_bind_options(struct mount_config *m, unsigned flags,
			    msb_stat_virt_t stat_virt,
			    msb_host_perms_t host_perms, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(mount_flags); i++) {
		if (flags & mount_flags[i].public)
			m->flags |= mount_flags[i].stored;
		flags &= ~mount_flags[i].public;
	}
	if (flags || (unsigned)stat_virt > MSB_STAT_VIRT_OFF ||
	    (unsigned)host_perms > MSB_HOST_PERMS_MIRROR)
		return err_set(err, ERR_INVALID, EINVAL,
			       "mount has an option this version does not "
			       "have");
	if (stat_virt == MSB_STAT_VIRT_OFF &&
	    host_perms == MSB_HOST_PERMS_MIRROR)
		return err_set(err, ERR_INVALID, EINVAL,
			       "stat-virt=off and host-perms=mirror cannot be "
			       "combined");
	m->stat_virt = (enum stat_virt)stat_virt;
	m->host_perms = (enum host_perms)host_perms;
	return 0;
}

int msb_config_add_bind(msb_config_t *c, const char *host,
			const char *guest_path, unsigned flags,
			msb_stat_virt_t stat_virt, msb_host_perms_t host_perms,
			msb_error_t **e)
{
	struct mount_config m = { .kind = MOUNT_BIND };
	struct err err = { 0 };
	int rc = set_bind_options(&m, flags, stat_virt, host_perms, &err);

	if (!rc)
		rc = check_bind_source(host, &err);
	if (!rc)
		rc = host_path_canonical(host, &m.host, &err);
	if (!rc) {
		rc = guest_path_parse(guest_path, &m.guest, &err);
		if (rc)
			free(m.host);
	}
	return done(&err, rc ? rc : mounts_add(&c->c, &m, &err), e);
}
