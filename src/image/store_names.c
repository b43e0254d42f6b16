/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of images: refs/<registry>/<repository>/:<tag>.json, or @<alg>_<hex>.
 * Parts of a repository begin with a letter or digit, so a directory and a file
 * never want the same name.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "image/oci_json.h"
#include "image/store_int.h"

#define SUFFIX ".json"

void image_name_fini(struct image_name *n)
{
	free(n->reference);
	memset(n, 0, sizeof(*n));
}

int64_t store_now_ms(void)
{
	return (int64_t)(clock_wall_ns() / NSEC_PER_MSEC);
}

char *store_ref_path(const struct image_ref *ref)
{
	char name[DIGEST_TEXT_MAX + 1];

	if (ref->has_digest)
		digest_file_name(&ref->digest, name);
	return str_fmt(STORE_REFS "/%s/%s/%s%s" SUFFIX, ref->registry,
		       ref->repository, ref->has_digest ? "@" : ":",
		       ref->has_digest ? name : ref->tag);
}

char *store_ref_format(const struct image_name *n)
{
	autojson json_t *o =
		json_pack("{s:s, s:s, s:I, s:I}", "reference", n->reference,
			  "manifest_digest", n->manifest_digest.text,
			  "created_at", (json_int_t)n->created_unix_ms,
			  "updated_at", (json_int_t)n->updated_unix_ms);

	return o ? json_dumps(o, JSON_INDENT(1)) : NULL;
}

int store_ref_parse(const char *text, size_t len, struct image_name *ret)
{
	autojson json_t *o = NULL;
	const char *reference, *digest;
	uint64_t created, updated;
	struct image_name n = { 0 };
	int rc = oci_json_load(text, len, STORE_REF_MAX, "a name", &o, NULL);

	if (rc)
		return rc == -ENOMEM ? rc : -EINVAL;
	if (oci_json_text(o, "reference", &reference) || !reference ||
	    oci_json_text(o, "manifest_digest", &digest) || !digest ||
	    digest_parse(digest, &n.manifest_digest) ||
	    oci_json_u64(o, "created_at", INT64_MAX, &created) ||
	    oci_json_u64(o, "updated_at", INT64_MAX, &updated))
		return -EINVAL;
	n.created_unix_ms = (int64_t)created;
	n.updated_unix_ms = (int64_t)updated;
	n.reference = strdup(reference);
	if (!n.reference)
		return -ENOMEM;
	*ret = n;
	return 0;
}

/* Whether a reference is one, and lies where it was found. */
static bool lies_at(const char *reference, const char *path)
{
	autofree char *want = NULL;
	struct image_ref ref;

	if (image_ref_parse(reference, &ref, NULL))
		return false;
	want = store_ref_path(&ref);
	image_ref_fini(&ref);
	return want && !strcmp(want, path);
}

static int add_name(struct store_names *names, const struct image_name *n)
{
	struct image_name *v;

	/* By powers of two. */
	if (!(names->n & (names->n - 1)) || !names->v) {
		size_t cap = names->n ? names->n * 2 : 1;

		v = realloc(names->v, cap * sizeof(*v));
		if (!v)
			return -ENOMEM;
		names->v = v;
	}
	names->v[names->n++] = *n;
	return 0;
}

/* -EINVAL: it says nothing. */
static int read_name(int dirfd, const char *file, const char *path,
		     struct image_name *ret)
{
	struct image_name n;
	struct buf text;
	int rc;

	buf_init(&text, STORE_REF_MAX);
	rc = io_read_file_at(dirfd, file, &text);
	if (!rc)
		rc = store_ref_parse((const char *)buf_data(&text),
				     buf_len(&text), &n);
	buf_fini(&text);
	if (rc == -EFBIG || rc == -ENOSPC || rc == -EISDIR || rc == -ELOOP)
		return -EINVAL;
	if (rc)
		return rc;
	if (!lies_at(n.reference, path)) {
		image_name_fini(&n);
		return -EINVAL;
	}
	*ret = n;
	return 0;
}

int store_name_load(const struct image_store *s, const struct image_ref *ref,
		    struct image_name *ret)
{
	autofree char *path = store_ref_path(ref);
	autofree char *dir = path ? strdup(path) : NULL;
	autoclose int fd = -1;
	char *slash;
	int rc;

	if (!dir)
		return -ENOMEM;
	slash = strrchr(dir, '/');
	*slash = 0;
	fd = store_open_dir(s->fd, dir, false);
	if (fd < 0)
		rc = fd;
	else
		rc = read_name(fd, slash + 1, path, ret);
	return rc == -EINVAL || rc == -ENOTDIR || rc == -ELOOP ? -ENOENT : rc;
}

int image_store_name(const struct image_store *s, const struct image_ref *ref,
		     const struct digest *manifest, struct err *err)
{
	autofree char *path = store_ref_path(ref), *text = NULL;
	autoclose int fd = -1;
	struct image_name name = { 0 }, old;
	int rc = -ENOMEM;

	name.reference = image_ref_canonical(ref);
	name.manifest_digest = *manifest;
	name.updated_unix_ms = name.created_unix_ms = store_now_ms();
	if (!store_name_load(s, ref, &old)) {
		name.created_unix_ms = old.created_unix_ms;
		image_name_fini(&old);
	}
	text = name.reference ? store_ref_format(&name) : NULL;
	if (path && text) {
		char *slash = strrchr(path, '/');

		*slash = 0;
		fd = store_open_dir(s->fd, path, true);
		rc = fd < 0 ? fd
			    : store_write_file(s, fd, slash + 1, text,
					       strlen(text));
	}
	image_name_fini(&name);
	return rc ? store_err(err, -rc, "name an image in '%s'", s->path) : 0;
}

static int load_name(int dirfd, const char *dir, const char *file,
		     struct store_names *names)
{
	autofree char *path = str_fmt("%s/%s", dir, file);
	struct image_name n;
	int rc = path ? read_name(dirfd, file, path, &n) : -ENOMEM;

	if (rc == -ENOENT) /* removed meanwhile */
		return 0;
	if (rc == -EINVAL)
		return strv_add(&names->damaged, path);
	if (rc)
		return rc;
	rc = add_name(names, &n);
	if (rc)
		image_name_fini(&n);
	return rc;
}

static bool is_directory(int dirfd, const struct dirent *e)
{
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_DIR;
	return fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISDIR(st.st_mode);
}

/* The names in one directory; directories in it are added to todo. */
static int load_dir(const struct image_store *s, const char *dir,
		    struct strv *todo, struct store_names *names)
{
	int fd = store_open_dir(s->fd, dir, false), rc = 0;
	struct dirent *e;
	DIR *d;

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	d = fdopendir(fd);
	if (!d) {
		rc = -errno;
		(void)close(fd);
		return rc;
	}
	while (!rc && (e = readdir(d))) {
		if (e->d_name[0] == '.' ||
		    strlen(dir) + strlen(e->d_name) > STORE_REF_PATH_MAX)
			continue;
		if (is_directory(fd, e))
			rc = strv_take(todo, str_fmt("%s/%s", dir, e->d_name));
		else if (strchr(":@", e->d_name[0]) &&
			 str_ends(e->d_name, SUFFIX))
			rc = load_name(fd, dir, e->d_name, names);
	}
	(void)closedir(d);
	return rc;
}

static int by_reference(const void *a, const void *b)
{
	const struct image_name *x = a, *y = b;

	return strcmp(x->reference, y->reference);
}

int store_names_load(const struct image_store *s, struct store_names *ret,
		     struct err *err)
{
	struct store_names names = { 0 };
	struct strv todo = { 0 };
	int rc = strv_add(&todo, STORE_REFS);

	for (size_t i = 0; !rc && i < todo.n; i++)
		rc = load_dir(s, todo.v[i], &todo, &names);
	strv_fini(&todo);
	if (rc) {
		store_names_fini(&names);
		return store_err(err, -rc, "list the images in '%s'", s->path);
	}
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_reference);
	*ret = names;
	return 0;
}

void store_names_fini(struct store_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		image_name_fini(&names->v[i]);
	free(names->v);
	strv_fini(&names->damaged);
	memset(names, 0, sizeof(*names));
}

int image_store_names(const struct image_store *s,
		      int (*fn)(void *ctx, const struct image_name *n),
		      void *ctx, struct err *err)
{
	struct store_names names = { 0 };
	int rc = store_names_load(s, &names, err);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < names.n; i++)
		rc = fn(ctx, &names.v[i]);
	store_names_fini(&names);
	return rc;
}
