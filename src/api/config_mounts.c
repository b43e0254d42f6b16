/* SPDX-License-Identifier: Apache-2.0 */
/* Builder of a sandbox's configuration: mounts, and paths on both sides. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api_int.h"
#include "api/volume_int.h"

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

int guest_path_shorten(const char *path, char **ret, struct err *err)
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

int guest_path_parse(const char *path, char **ret, struct err *err)
{
	if (path[0] == '/' && strpbrk(path, ":;"))
		return bad_guest_path(err, path, "must not hold ':' or ';'");
	return guest_path_shorten(path, ret, err);
}

bool guest_path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

static int check_mount_point(const struct sandbox_config *c, const char *guest,
			     struct err *err)
{
	static const char *const system_dirs[] = { "/proc", "/sys", "/dev" };

	if (guest_path_is_below(guest, "/.msb"))
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
	struct mount_config *list = NULL;
	size_t at = 0;
	int rc = m->guest ? check_mount_point(c, m->guest, err)
			  : api_no_memory(err);

	if (!rc && m->guest) {
		list = reallocarray(c->mounts, c->nmounts + 1, sizeof(*list));
		if (!list)
			rc = api_no_memory(err);
	}
	if (!list || !m->guest) {
		mount_config_fini(m);
		return rc;
	}
	c->mounts = list;
	while (at < c->nmounts &&
	       !guest_path_is_below(list[at].guest, m->guest))
		at++;
	memmove(list + at + 1, list + at, (c->nmounts - at) * sizeof(*list));
	list[at] = *m;
	c->nmounts++;
	return 0;
}

/* ---- options ------------------------------------------------------------ */

static const struct {
	unsigned public, stored;
} mount_flags[] = {
	{ MSB_MOUNT_READONLY, MOUNT_READONLY },
	{ MSB_MOUNT_NOEXEC, MOUNT_NOEXEC },
	{ MSB_MOUNT_NOSUID, MOUNT_NOSUID },
	{ MSB_MOUNT_NODEV, MOUNT_NODEV },
};

static int misplaced(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL,
		       "this kind of mount does not take %s", what);
}

/* What only some kinds of mounts have must not be given to others. */
static int check_fit(const struct mount_config *m, const msb_mount_options_t *o,
		     struct err *err)
{
	bool share = m->kind == MOUNT_BIND || m->kind == MOUNT_NAMED;

	if (!share && (o->stat_virt || o->host_perms))
		return misplaced(err, "stat-virt and host-perms");
	if (m->kind != MOUNT_BIND && o->flags & MSB_MOUNT_FOLLOW_SYMLINKS)
		return misplaced(err, "follow-root-symlinks");
	if (m->kind != MOUNT_BIND && o->quota_mib)
		return misplaced(err, "a quota");
	if (m->kind != MOUNT_TMPFS && o->size_mib)
		return misplaced(err, "a size");
	if (m->kind != MOUNT_DISK && (o->format || o->fstype))
		return misplaced(err, "a format");
	return 0;
}

static int set_policies(struct mount_config *m, const msb_mount_options_t *o,
			struct err *err)
{
	if ((unsigned)o->stat_virt > MSB_STAT_VIRT_OFF ||
	    (unsigned)o->host_perms > MSB_HOST_PERMS_MIRROR)
		return err_set(err, ERR_INVALID, EINVAL,
			       "mount has a policy this version does not have");
	if (o->stat_virt == MSB_STAT_VIRT_OFF &&
	    o->host_perms == MSB_HOST_PERMS_MIRROR)
		return err_set(err, ERR_INVALID, EINVAL,
			       "stat-virt=off and host-perms=mirror cannot be "
			       "combined");
	m->stat_virt = (enum stat_virt)o->stat_virt;
	m->host_perms = (enum host_perms)o->host_perms;
	return 0;
}

/* The options that are the same for every kind. */
static int set_options(struct mount_config *m, const msb_mount_options_t *o,
		       struct err *err)
{
	unsigned flags;
	int rc;

	if (!o)
		return 0;
	flags = o->flags & ~(unsigned)MSB_MOUNT_FOLLOW_SYMLINKS;
	for (size_t i = 0; i < ARRAY_SIZE(mount_flags); i++) {
		if (flags & mount_flags[i].public)
			m->flags |= mount_flags[i].stored;
		flags &= ~mount_flags[i].public;
	}
	if (flags)
		return err_set(err, ERR_INVALID, EINVAL,
			       "mount has an option this version does not "
			       "have");
	m->follow_root_symlinks = o->flags & MSB_MOUNT_FOLLOW_SYMLINKS;
	m->size_mib = o->size_mib;
	rc = check_fit(m, o, err);
	return rc ? rc : set_policies(m, o, err);
}

int msb_config_add_tmpfs(msb_config_t *c, const char *guest_path,
			 const msb_mount_options_t *o, msb_error_t **e)
{
	struct mount_config m = { .kind = MOUNT_TMPFS };
	struct err err = { 0 };
	int rc = set_options(&m, o, &err);

	if (!rc)
		rc = guest_path_parse(guest_path, &m.guest, &err);
	return done(&err, rc ? rc : mounts_add(&c->c, &m, &err), e);
}

/* ---- host directories and files ----------------------------------------- */

/* path without "//", "." and "..", absolute. */
static int absolute_path(const char *path, char **ret, struct err *err)
{
	autofree char *cwd = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
	autofree char *full = cwd ? str_fmt("%s/%s", cwd, path) : NULL;
	size_t used = 0;

	if (!full)
		return err_sys(err, ERR_IO, errno, "find the directory");
	for (const char *p = full; *p; p += *p == '/') {
		size_t part = strcspn(p, "/");

		if (part == 2 && !strncmp(p, "..", 2)) {
			while (used && full[--used] != '/')
				;
		} else if (part && !(part == 1 && *p == '.')) {
			full[used++] = '/'; /* at most at p - 1: not yet read */
			memmove(full + used, p, part);
			used += part;
		}
		p += part;
	}
	if (!used)
		full[used++] = '/';
	full[used] = 0;
	*ret = take_ptr(full);
	return 0;
}

/*
 * The first part of path that is a symbolic link, as a length, or 0. ".." is
 * gone from path by then, which means the same only where there are no links.
 */
static size_t find_link(const char *path)
{
	char part[PATH_MAX];
	struct stat st;

	for (size_t len = 1; path[len - 1] && len < sizeof(part);) {
		len += strcspn(path + len, "/");
		if (len >= sizeof(part))
			return 0;
		memcpy(part, path, len);
		part[len] = 0;
		if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode))
			return len;
		if (!path[len])
			return 0;
		len++;
	}
	return 0;
}

/*
 * The stored form: absolute, so that the sandbox may be started again from
 * anywhere. Links are not resolved here but refused by the file server, each
 * time the sandbox starts, or followed there.
 */
static int bind_path(const char *path, bool follow, char **ret, struct err *err)
{
	autofree char *full = NULL;
	struct stat a, b;
	size_t link;
	int rc;

	if (follow)
		return host_path_canonical(path, ret, err);
	rc = absolute_path(path, &full, err);
	if (!full)
		return rc;
	link = find_link(full);
	if (link)
		return err_set(err, ERR_INVALID, ELOOP,
			       "host path %.200s goes through the symbolic "
			       "link %.*s; give the real path, or the option "
			       "follow-root-symlinks",
			       path, (int)(link & 0xfff), full);
	if (stat(path, &a) < 0 || stat(full, &b) < 0 || a.st_ino != b.st_ino ||
	    a.st_dev != b.st_dev)
		return err_set(err, ERR_INVALID, ELOOP,
			       "host path %.200s has a symbolic link before a "
			       "'..'; give the real path, or the option "
			       "follow-root-symlinks",
			       path);
	if (!utf8_valid(full, strlen(full)))
		return err_set(err, ERR_INVALID, EILSEQ,
			       "host path is not valid UTF-8: %.300s", path);
	*ret = take_ptr(full);
	return 0;
}

/* 1 a directory, 0 a file. */
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
	return S_ISDIR(st.st_mode);
}

static int set_quota(struct mount_config *m, uint64_t quota_mib, bool dir,
		     struct err *err)
{
	if (!dir)
		return quota_mib ? err_set(err, ERR_INVALID, EINVAL,
					   "a mount of a single file has no "
					   "quota")
				 : 0;
	if (quota_mib > UINT32_MAX && quota_mib != MSB_QUOTA_NONE)
		return err_set(err, ERR_INVALID, ERANGE, "quota too large");
	m->quota_mib = quota_mib == MSB_QUOTA_NONE ? 0
		       : quota_mib		   ? (uint32_t)quota_mib
						   : MSB_BIND_QUOTA_MIB;
	return 0;
}

int msb_config_add_bind(msb_config_t *c, const char *host,
			const char *guest_path, const msb_mount_options_t *o,
			msb_error_t **e)
{
	struct mount_config m = { .kind = MOUNT_BIND };
	struct err err = { 0 };
	int rc = set_options(&m, o, &err);

	if (!rc)
		rc = check_bind_source(host, &err);
	if (rc >= 0)
		rc = set_quota(&m, o ? o->quota_mib : 0, rc, &err);
	if (!rc)
		rc = bind_path(host, m.follow_root_symlinks, &m.host, &err);
	if (!rc)
		rc = guest_path_parse(guest_path, &m.guest, &err);
	if (!rc)
		return done(&err, mounts_add(&c->c, &m, &err), e);
	mount_config_fini(&m);
	return done(&err, rc, e);
}

/* ---- disks -------------------------------------------------------------- */

int disk_format_parse(const char *format, const char *fstype, const char *path,
		      enum disk_format *ret, char **ret_fstype, struct err *err)
{
	static const char *const names[] = {
		[DISK_FORMAT_RAW] = "raw", [DISK_FORMAT_QCOW2] = "qcow2"
	};
	size_t i = 0;

	while (format && i < ARRAY_SIZE(names) && strcmp(names[i], format) != 0)
		i++;
	if (format && i == ARRAY_SIZE(names))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "disk format '%.40s' is not supported: raw and "
			       "qcow2 are",
			       format);
	*ret = format ? (enum disk_format)i : disk_format_of(path);
	if (*ret == DISK_FORMAT_VMDK)
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "disk image is of a format that is not "
			       "supported (raw and qcow2 are): %.300s",
			       path);
	if (!fstype)
		return 0;
	if (!*fstype || strlen(fstype) > 32 || strpbrk(fstype, ",;:=/ "))
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid fstype '%.40s'", fstype);
	*ret_fstype = strdup(fstype);
	return *ret_fstype ? 0 : api_no_memory(err);
}

/* One image twice in a sandbox would be written by two file systems. */
static int check_disk_once(const msb_config_t *c, const char *host,
			   struct err *err)
{
	const struct root_config *root = &c->c.root;
	bool twice = root->kind == ROOT_DISK && !strcmp(root->path, host);

	for (size_t i = 0; i < c->c.nmounts; i++)
		twice |= c->c.mounts[i].kind == MOUNT_DISK &&
			 !strcmp(c->c.mounts[i].host, host);
	return twice ? err_set(err, ERR_INVALID, EINVAL,
			       "disk-image volumes cannot share the same host "
			       "path: %.300s",
			       host)
		     : 0;
}

static int check_disk_source(const char *image, struct err *err)
{
	struct stat st;

	if (stat(image, &st) < 0)
		return err_sys(err, ERR_INVALID, errno,
			       errno == ENOENT
				       ? "disk image host path does not exist: "
					 "%.300s"
				       : "disk image cannot be used: %.300s",
			       image);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, EINVAL,
			       "disk image is not a regular file: %.300s",
			       image);
	return 0;
}

int msb_config_add_disk(msb_config_t *c, const char *image,
			const char *guest_path, const msb_mount_options_t *o,
			msb_error_t **e)
{
	struct mount_config m = { .kind = MOUNT_DISK };
	struct err err = { 0 };
	int rc = set_options(&m, o, &err);

	if (!rc)
		rc = check_disk_source(image, &err);
	if (!rc)
		rc = host_path_canonical(image, &m.host, &err);
	if (!rc)
		rc = check_disk_once(c, m.host, &err);
	if (!rc)
		rc = disk_format_parse(o ? o->format : NULL,
				       o ? o->fstype : NULL, m.host, &m.format,
				       &m.fstype, &err);
	if (!rc)
		rc = guest_path_parse(guest_path, &m.guest, &err);
	if (!rc)
		return done(&err, mounts_add(&c->c, &m, &err), e);
	mount_config_fini(&m);
	return done(&err, rc, e);
}

/* ---- volumes ------------------------------------------------------------ */

/* Takes what w holds, also on failure. */
static int add_wish(msb_config_t *c, struct volume_wish *w, struct err *err)
{
	struct volume_wish *list =
		reallocarray(c->wishes, c->nwishes + 1, sizeof(*list));

	if (!list) {
		volume_wish_fini(w);
		return api_no_memory(err);
	}
	c->wishes = list;
	list[c->nwishes++] = *w;
	return 0;
}

static int add_named(msb_config_t *c, struct mount_config *m,
		     struct volume_wish *w, const msb_volume_options_t *v,
		     struct err *err)
{
	const char *name = m->name;
	int rc = volume_record_make(v, &w->record, err);

	if (rc) {
		mount_config_fini(m);
		return rc;
	}
	w->described = v;
	rc = mounts_add(&c->c, m, err); /* name lives on in it */
	if (!rc) {
		w->name = name ? strdup(name) : NULL;
		rc = w->name ? 0 : api_no_memory(err);
	}
	if (rc) {
		volume_wish_fini(w);
		return rc;
	}
	return add_wish(c, w, err);
}

int msb_config_add_named(msb_config_t *c, const char *volume,
			 const char *guest_path, msb_volume_mode_t mode,
			 const msb_volume_options_t *v,
			 const msb_mount_options_t *o, msb_error_t **e)
{
	struct mount_config m = { .kind = MOUNT_NAMED };
	struct volume_wish w = { .mode = mode };
	struct err err = { 0 };
	int rc = volume_name_check(volume, &err);

	if (!rc && (unsigned)mode > MSB_VOLUME_NEW)
		rc = err_set(&err, ERR_INVALID, EINVAL, "unknown volume mode");
	if (!rc)
		rc = set_options(&m, o, &err);
	if (!rc) {
		m.name = strdup(volume);
		rc = m.name ? 0 : api_no_memory(&err);
	}
	if (!rc)
		rc = guest_path_parse(guest_path, &m.guest, &err);
	if (!rc)
		return done(&err, add_named(c, &m, &w, v, &err), e);
	mount_config_fini(&m);
	return done(&err, rc, e);
}
