/* SPDX-License-Identifier: Apache-2.0 */
/* Builder of a sandbox's configuration: patches of its root. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/api_int.h"
#include "base/io.h"
#include "protocol/patch.h"

#define MODE_BITS 07777
#define FILE_MODE 0644u
#define DIR_MODE 0755u
#define MIB (1u << 20)
#define SMALL MIB		    /* every guest has room for so much */
#define GUEST_MIB 32u		    /* for all else that boots */
#define RECORD_MAX (PATH_MAX + 64u) /* but for the contents */

static int too_large(struct err *err)
{
	return err_set(err, ERR_INVALID, E2BIG,
		       "patches must not have more than %u MiB together",
		       MSB_PATCH_MAX_BYTES >> 20);
}

static int put(msb_config_t *c, const struct patch *p, struct err *err)
{
	if (p->data.len > MSB_PATCH_MAX_BYTES - c->patch_bytes)
		return too_large(err);
	patch_put(&c->patches, p);
	if (c->patches.failed)
		return buf_len(&c->patches) + p->data.len + RECORD_MAX >
				       PATCHES_MAX
			       ? too_large(err)
			       : api_no_memory(err);
	c->patch_bytes += p->data.len;
	return 0;
}

/* ---- what is read from the host ------------------------------------------ */

static int source_err(struct err *err, int sys, const char *source)
{
	return err_sys(err, ERR_PATCH, sys, "cannot read '%.300s'", source);
}

/* The contents of a regular file, appended; its mode. follow: a link at the end
 * of the path. */
static int read_source(const char *source, bool follow, struct buf *ret,
		       mode_t *ret_mode, struct err *err)
{
	/* not blocking: what is no file is found out after it was opened */
	autoclose int fd =
		open(source, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY |
				     (follow ? 0 : O_NOFOLLOW));
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return source_err(err, errno, source);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_PATCH,
			       S_ISDIR(st.st_mode) ? EISDIR : EINVAL,
			       "'%.300s' is not a regular file", source);
	rc = io_read_all(fd, ret);
	if (rc == -EFBIG)
		return too_large(err);
	if (rc)
		return source_err(err, -rc, source);
	*ret_mode = st.st_mode & MODE_BITS;
	return 0;
}

static int put_file(msb_config_t *c, const char *source, bool follow,
		    struct patch p, int mode, struct err *err)
{
	MSB_CLEANUP(buf_fini) struct buf data = { .max = MSB_PATCH_MAX_BYTES };
	mode_t own = 0;
	int rc = read_source(source, follow, &data, &own, err);

	if (rc)
		return rc;
	p.kind = PATCH_FILE;
	p.data = view_buf(&data);
	p.mode = mode >= 0 ? (uint32_t)mode : own;
	return put(c, &p, err);
}

static int put_link(msb_config_t *c, const char *source, struct patch p,
		    struct err *err)
{
	char target[PATH_MAX];
	ssize_t n = readlink(source, target, sizeof(target));

	if (n < 0 || n >= (ssize_t)sizeof(target))
		return source_err(err, n < 0 ? errno : ENAMETOOLONG, source);
	p.kind = PATCH_SYMLINK;
	p.data = (struct view){ (const uint8_t *)target, (size_t)n };
	return put(c, &p, err);
}

/* One node of a tree; to is where its top goes. */
static int put_node(msb_config_t *c, const FTSENT *node, size_t top_len,
		    const char *to, bool replace, struct err *err)
{
	bool top = node->fts_level == FTS_ROOTLEVEL;
	autofree char *path =
		str_fmt("%s%s", to, top ? "" : node->fts_path + top_len);
	struct patch p = { .path = view_cstr(path) };

	if (!path)
		return api_no_memory(err);
	if (p.path.len >= PATH_MAX)
		return source_err(err, ENAMETOOLONG, node->fts_path);
	switch (node->fts_info) {
	case FTS_D:
		p.kind = top ? PATCH_TREE : PATCH_MKDIR;
		p.replace = top && replace;
		p.mode = node->fts_statp->st_mode & MODE_BITS;
		return put(c, &p, err);
	case FTS_DP:
		return 0;
	case FTS_F:
		return put_file(c, node->fts_accpath, top, p, -1, err);
	case FTS_SL:
	case FTS_SLNONE:
		return put_link(c, node->fts_accpath, p, err);
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		return source_err(err, node->fts_errno, node->fts_path);
	default:
		return err_set(err, ERR_PATCH, EINVAL,
			       "'%.300s' is neither a file, a directory nor a "
			       "symbolic link",
			       node->fts_path);
	}
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int put_tree(msb_config_t *c, const msb_patch_t *given, const char *to,
		    struct err *err)
{
	/* by its shortest name: what follows it in paths begins with a "/" */
	autofree char *source = realpath(given->source, NULL);
	char *const roots[] = { source, NULL };
	struct stat st;
	FTSENT *node;
	FTS *walk;
	int rc = 0;

	if (!source || stat(source, &st) < 0)
		return source_err(err, errno, given->source);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_PATCH, ENOTDIR,
			       "'%.300s' is not a directory", given->source);
	walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
	if (!walk)
		return source_err(err, errno, given->source);
	while (!rc && (errno = 0, node = fts_read(walk)))
		rc = put_node(c, node, strcmp(source, "/") ? strlen(source) : 0,
			      to, given->replace, err);
	if (!rc && errno)
		rc = source_err(err, errno, given->source);
	(void)fts_close(walk);
	return rc;
}

/* ---- checks -------------------------------------------------------------- */

enum {
	TAKES_DATA = 1 << 0,
	TAKES_SOURCE = 1 << 1,
	TAKES_MODE = 1 << 2,
	TAKES_REPLACE = 1 << 3,
};

static const struct {
	const char *name;
	unsigned takes;
} kinds[] = {
	[MSB_PATCH_FILE] = { "file", TAKES_DATA | TAKES_MODE | TAKES_REPLACE },
	[MSB_PATCH_APPEND] = { "append", TAKES_DATA },
	[MSB_PATCH_COPY_FILE] = { "copy_file",
				  TAKES_SOURCE | TAKES_MODE | TAKES_REPLACE },
	[MSB_PATCH_COPY_DIR] = { "copy_dir", TAKES_SOURCE | TAKES_REPLACE },
	[MSB_PATCH_SYMLINK] = { "symlink", TAKES_SOURCE | TAKES_REPLACE },
	[MSB_PATCH_MKDIR] = { "mkdir", TAKES_MODE },
	[MSB_PATCH_REMOVE] = { "remove", 0 },
};

static int check_kind(const msb_patch_t *p, struct err *err)
{
	unsigned takes;
	const char *what = NULL;

	if (p->struct_size < sizeof(*p) ||
	    (unsigned)p->kind >= ARRAY_SIZE(kinds) || !p->path)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a patch without a size or path, or of a kind "
			       "this version does not have");
	takes = kinds[p->kind].takes;
	if (!(takes & TAKES_DATA) && (p->data || p->len))
		what = "contents";
	else if (!(takes & TAKES_SOURCE) && p->source)
		what = "a source";
	else if (!(takes & TAKES_MODE) && p->mode > 0)
		what = "a mode";
	else if (!(takes & TAKES_REPLACE) && p->replace)
		what = "replace";
	if (what)
		return err_set(err, ERR_INVALID, EINVAL,
			       "patches of the kind %s do not take %s",
			       kinds[p->kind].name, what);
	if (takes & TAKES_SOURCE && (!p->source || !*p->source))
		return err_set(err, ERR_INVALID, EINVAL,
			       "a %s patch needs a source",
			       kinds[p->kind].name);
	if (takes & TAKES_DATA && !p->data && p->len)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a patch without contents has a length");
	if (p->mode > MODE_BITS)
		return err_set(err, ERR_INVALID, ERANGE,
			       "a mode has permission bits only; got %#o",
			       (unsigned)p->mode);
	return 0;
}

static int check_path(const msb_patch_t *p, char **ret, struct err *err)
{
	static const char *const system_dirs[] = { "/proc", "/sys", "/dev",
						   "/.msb" };
	int rc = guest_path_shorten(p->path, ret, err);

	for (size_t i = 0; !rc && i < ARRAY_SIZE(system_dirs); i++)
		if (guest_path_is_below(*ret, system_dirs[i]))
			rc = err_set(err, ERR_INVALID, EINVAL,
				     "guest path '%.200s' belongs to the "
				     "guest's system",
				     *ret);
	if (!rc && p->kind == MSB_PATCH_SYMLINK &&
	    strlen(p->source) >= PATH_MAX)
		rc = err_set(err, ERR_INVALID, ENAMETOOLONG,
			     "a symbolic link leads too far");
	return rc;
}

/* ---- the setter ---------------------------------------------------------- */

static int add(msb_config_t *c, const msb_patch_t *given, const char *path,
	       struct err *err)
{
	struct patch p = { .path = view_cstr(path), .replace = given->replace };
	bool has_mode = given->mode >= 0;

	switch (given->kind) {
	case MSB_PATCH_FILE:
	case MSB_PATCH_APPEND:
		p.kind = given->kind == MSB_PATCH_FILE ? PATCH_FILE
						       : PATCH_APPEND;
		p.data = (struct view){ given->data, given->len };
		p.mode = has_mode ? (uint32_t)given->mode : FILE_MODE;
		return put(c, &p, err);
	case MSB_PATCH_COPY_FILE:
		return put_file(c, given->source, true, p, given->mode, err);
	case MSB_PATCH_COPY_DIR:
		return put_tree(c, given, path, err);
	case MSB_PATCH_SYMLINK:
		p.kind = PATCH_SYMLINK;
		p.data = view_cstr(given->source);
		return put(c, &p, err);
	case MSB_PATCH_MKDIR:
		p.kind = PATCH_MKDIR;
		p.mode = has_mode ? (uint32_t)given->mode : DIR_MODE;
		return put(c, &p, err);
	case MSB_PATCH_REMOVE:
	default:
		p.kind = PATCH_REMOVE;
		return put(c, &p, err);
	}
}

/* ---- creating ------------------------------------------------------------ */

/*
 * Until they are made, the guest has them three times over: as the archive it
 * was started with, unpacked in a file system that takes half of what is left,
 * and there as pages.
 */
int patches_check(const msb_config_t *c, struct err *err)
{
	uint64_t bytes = buf_len(&c->patches);
	uint64_t need = GUEST_MIB + 3 * ((bytes + MIB - 1) / MIB);

	if (bytes < SMALL || c->c.memory_mib >= need)
		return 0;
	return err_set(err, ERR_INVALID, ENOMEM,
		       "%llu MiB of patches take a sandbox with %llu MiB of "
		       "memory or more",
		       (unsigned long long)(bytes / MIB),
		       (unsigned long long)need);
}

int patches_keep(const msb_config_t *c, const char *name, struct err *err)
{
	autoclose int dirfd = -1;
	int rc;

	if (!buf_len(&c->patches))
		return 0;
	dirfd = home_sandbox_open(&c->m->home, name, NULL);
	rc = dirfd < 0 ? dirfd
		       : io_write_file_at(dirfd, SANDBOX_PATCHES,
					  buf_data(&c->patches),
					  buf_len(&c->patches), 0600);
	return rc ? path_err(err, -rc, "keep the patches of", name) : 0;
}

int msb_config_add_patch(msb_config_t *c, const msb_patch_t *p, msb_error_t **e)
{
	autofree char *path = NULL;
	struct err err = { 0 };
	int rc = c->base ? err_set(&err, ERR_INVALID, EINVAL,
				   "only a sandbox that is to be made can have "
				   "patches")
			 : check_kind(p, &err);

	if (!rc)
		rc = check_path(p, &path, &err);
	if (!rc) {
		rc = add(c, p, path, &err);
		if (rc)
			err_prefix(&err, "%s", path);
	}
	return rc ? api_fail_err(&err, rc, e) : 0;
}
