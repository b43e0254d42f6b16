/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing images. Names go first, then records, then what records speak of:
 * whenever it is interrupted, nothing is left that speaks of a missing file,
 * and what is left over goes with the next prune.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "image/store_int.h"

typedef bool used_fn(void *ctx, const struct digest *m);

/* A file at path below cache/, if there is one; counted. */
static int remove_file(const struct image_store *s, const char *path,
		       unsigned *count, uint64_t *bytes, struct err *err)
{
	struct stat st;

	if (fstatat(s->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? 0
			       : store_err(err, errno, "remove '%s/%s'",
					   s->path, path);
	if (unlinkat(s->fd, path, 0) < 0)
		return store_err(err, errno, "remove '%s/%s'", s->path, path);
	/* Other names of the same file would keep its bytes. */
	if (st.st_nlink <= 1)
		*bytes += (uint64_t)st.st_blocks * 512;
	(*count)++;
	return 0;
}

/* A name's file, and the directories that are empty without it. */
static int remove_name_file(const struct image_store *s, char *path,
			    struct image_freed *freed, struct err *err)
{
	int rc = remove_file(s, path, &freed->names, &freed->bytes, err);
	char *slash = strrchr(path, '/');

	while (!rc && slash > path + strlen(STORE_REFS)) {
		*slash = 0;
		if (unlinkat(s->fd, path, AT_REMOVEDIR) < 0)
			break; /* not empty, most likely; else no harm */
		slash = strrchr(path, '/');
	}
	return rc;
}

/* Set of digests: sorted once, then searched. */
struct digest_set {
	struct digest *v;
	size_t n, cap;
};

static int set_add(struct digest_set *set, const struct digest *d)
{
	if (set->n == set->cap) {
		size_t cap = set->cap ? 2 * set->cap : 64;
		struct digest *v = realloc(set->v, cap * sizeof(*v));

		if (!v)
			return -ENOMEM;
		set->v = v;
		set->cap = cap;
	}
	set->v[set->n++] = *d;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	const struct digest *x = a, *y = b;

	return strcmp(x->text, y->text);
}

static void set_sort(struct digest_set *set)
{
	if (set->n)
		qsort(set->v, set->n, sizeof(*set->v), by_text);
}

static bool set_has(const struct digest_set *set, const struct digest *d)
{
	return set->n &&
	       bsearch(d, set->v, set->n, sizeof(*set->v), by_text) != NULL;
}

/* Digests of the files "<digest><suffix>" in a directory. */
static int list_digests(const struct image_store *s, const char *dir,
			const char *suffix, struct digest_set *ret,
			struct err *err)
{
	int fd = store_open_dir(s->fd, dir, false), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	struct digest one;

	if (!d) {
		rc = fd < 0 ? -fd : errno;
		close_fd(&fd);
		return rc == ENOENT ? 0
				    : store_err(err, rc, "list '%s/%s'",
						s->path, dir);
	}
	while (!rc && (e = readdir(d)))
		if (store_file_digest(e->d_name, suffix, &one))
			rc = set_add(ret, &one);
	(void)closedir(d);
	set_sort(ret);
	return rc ? store_err(err, -rc, "list '%s/%s'", s->path, dir) : 0;
}

/* The layers of a record; none when it is of no use. */
static int add_layers(const struct image_store *s, const struct digest *m,
		      struct digest_set *layers, struct err *err)
{
	struct image img;
	int rc = store_record_load(s, m, &img);

	if (rc == -ENOENT)
		return 0;
	if (rc)
		return store_err(err, -rc, "read a record in '%s'", s->path);
	for (size_t i = 0; !rc && i < img.nlayers; i++)
		rc = set_add(layers, &img.layers[i].diff_id);
	image_fini(&img);
	return rc ? store_err(err, -rc, "read a record in '%s'", s->path) : 0;
}

static int remove_layers(const struct image_store *s,
			 const struct digest_set *layers,
			 const struct digest_set *keep,
			 struct image_freed *freed, struct err *err)
{
	char path[STORE_PATH_MAX];
	int rc = 0;

	for (size_t i = 0; !rc && i < layers->n; i++) {
		if (set_has(keep, &layers->v[i]))
			continue;
		store_layer_file(&layers->v[i], path);
		rc = remove_file(s, path, &freed->layers, &freed->bytes, err);
	}
	return rc;
}

static int remove_record(const struct image_store *s, const struct digest *m,
			 struct image_freed *freed, struct err *err)
{
	char path[STORE_PATH_MAX];

	store_record_file(m, path);
	return remove_file(s, path, &freed->manifests, &freed->bytes, err);
}

static int remove_merged(const struct image_store *s, const struct digest *m,
			 struct image_freed *freed, struct err *err)
{
	char path[STORE_PATH_MAX];

	store_merged_file(m, path);
	return remove_file(s, path, &freed->merged, &freed->bytes, err);
}

/* An image that nobody needs, but for layers that others have as well. */
static int remove_image(const struct image_store *s, const struct digest *m,
			struct image_freed *freed, struct err *err)
{
	struct digest_set records = { 0 }, own = { 0 }, keep = { 0 };
	int rc = add_layers(s, m, &own, err);

	if (!rc)
		rc = list_digests(s, STORE_MANIFESTS, ".json", &records, err);
	for (size_t i = 0; !rc && i < records.n; i++)
		if (!digest_eq(&records.v[i], m))
			rc = add_layers(s, &records.v[i], &keep, err);
	set_sort(&keep);
	rc = rc ? rc : remove_record(s, m, freed, err);
	rc = rc ? rc : remove_merged(s, m, freed, err);
	rc = rc ? rc : remove_layers(s, &own, &keep, freed, err);
	free(records.v);
	free(own.v);
	free(keep.v);
	return rc;
}

static bool has_other_name(const struct store_names *names,
			   const struct digest *m)
{
	for (size_t i = 0; i < names->n; i++)
		if (digest_eq(&names->v[i].manifest_digest, m))
			return true;
	return false;
}

int image_store_remove_name(const struct image_store *s,
			    const struct image_ref *ref, used_fn *used,
			    void *ctx, struct image_freed *ret, struct err *err)
{
	struct image_freed freed = { 0 };
	struct store_names names = { 0 };
	struct image_name name;
	struct digest m;
	char *path;
	int rc = store_name_load(s, ref, &name);

	if (rc == -ENOENT)
		return rc;
	if (rc)
		return store_err(err, -rc, "read a name in '%s'", s->path);
	m = name.manifest_digest;
	image_name_fini(&name);
	path = store_ref_path(ref);
	rc = path ? remove_name_file(s, path, &freed, err)
		  : store_err(err, ENOMEM, "remove a name");
	free(path);
	if (!rc)
		rc = store_names_load(s, &names, err);
	if (rc)
		return rc;
	if (!has_other_name(&names, &m) && !(used && used(ctx, &m)))
		rc = remove_image(s, &m, &freed, err);
	store_names_fini(&names);
	if (!rc)
		*ret = freed;
	return rc;
}

static int prune_names(const struct image_store *s, used_fn *used, void *ctx,
		       struct image_freed *freed, struct err *err)
{
	struct store_names names = { 0 };
	int rc = store_names_load(s, &names, err);

	if (rc)
		return rc;
	for (size_t i = 0; !rc && i < names.damaged.n; i++)
		rc = remove_name_file(s, names.damaged.v[i], freed, err);
	for (size_t i = 0; !rc && i < names.n; i++) {
		struct image_ref ref;
		char *path;

		if (used && used(ctx, &names.v[i].manifest_digest))
			continue;
		rc = image_ref_parse(names.v[i].reference, &ref, err);
		if (rc)
			break;
		path = store_ref_path(&ref);
		rc = path ? remove_name_file(s, path, freed, err)
			  : store_err(err, ENOMEM, "remove a name");
		free(path);
		image_ref_fini(&ref);
	}
	store_names_fini(&names);
	return rc;
}

/* Records and merged images; *keep gets the layers of those that stay. */
static int prune_manifests(const struct image_store *s, used_fn *used,
			   void *ctx, struct digest_set *keep,
			   struct image_freed *freed, struct err *err)
{
	struct digest_set records = { 0 }, merged = { 0 };
	int rc = list_digests(s, STORE_MANIFESTS, ".json", &records, err);

	for (size_t i = 0; !rc && i < records.n; i++)
		rc = used && used(ctx, &records.v[i])
			     ? add_layers(s, &records.v[i], keep, err)
			     : remove_record(s, &records.v[i], freed, err);
	if (!rc)
		rc = list_digests(s, STORE_MANIFESTS, ".erofs", &merged, err);
	for (size_t i = 0; !rc && i < merged.n; i++)
		if (!used || !used(ctx, &merged.v[i]))
			rc = remove_merged(s, &merged.v[i], freed, err);
	free(records.v);
	free(merged.v);
	return rc;
}

/* With the store to ourselves, nobody is at work on what lies in tmp/. */
static int prune_tmp(const struct image_store *s, struct image_freed *freed,
		     struct err *err)
{
	int fd = store_open_dir(s->fd, STORE_TMP, false), rc = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		rc = fd < 0 ? -fd : errno;
		close_fd(&fd);
		return rc == ENOENT
			       ? 0
			       : store_err(err, rc, "list '%s/" STORE_TMP "'",
					   s->path);
	}
	while (!rc && (e = readdir(d))) {
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			freed->bytes += (uint64_t)st.st_blocks * 512;
		rc = io_remove_tree(fd, e->d_name);
	}
	(void)closedir(d);
	return rc ? store_err(err, -rc, "clean '%s/" STORE_TMP "'", s->path)
		  : 0;
}

int image_store_prune(const struct image_store *s, used_fn *used, void *ctx,
		      struct image_freed *ret, struct err *err)
{
	struct image_freed freed = { 0 };
	struct digest_set layers = { 0 }, keep = { 0 };
	int rc = prune_names(s, used, ctx, &freed, err);

	rc = rc ? rc : prune_manifests(s, used, ctx, &keep, &freed, err);
	rc = rc ? rc : list_digests(s, STORE_LAYERS, ".erofs", &layers, err);
	set_sort(&keep);
	rc = rc ? rc : remove_layers(s, &layers, &keep, &freed, err);
	rc = rc ? rc : prune_tmp(s, &freed, err);
	free(layers.v);
	free(keep.v);
	if (!rc)
		*ret = freed;
	return rc;
}
