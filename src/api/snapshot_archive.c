/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots as one file. An archive has a directory for each snapshot, named
 * "sha256-" and the first 16 digits of its digest; the first is the one that
 * was asked for, its parents may follow.
 *
 * An archive that comes in is nobody's we know: compression is undone by the
 * image worker, in its jail; of the tar only regular files of known names are
 * taken; everything is unpacked beside its place and checked before any of it
 * gets a name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/image_int.h"
#include "api/snapshot_int.h"
#include "api/snapshot_tar.h"
#include "base/io.h"

#define DIR_PREFIX "sha256-"
#define DIR_DIGITS 16u
#define DIR_LEN (sizeof(DIR_PREFIX) - 1 + DIR_DIGITS)
#define CHAIN_MAX 64u

static void dir_name(const struct digest *d, char ret[DIR_LEN + 1])
{
	(void)snprintf(ret, DIR_LEN + 1, DIR_PREFIX "%.16s", d->text + 7);
}

/* A file without a name in the directory of path; with one where that is not
 * possible, which is gone at once. */
static int temp_file(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	autofree char *name = dir ? str_fmt("%s/.msb-XXXXXX", dir) : NULL;
	int fd;

	if (!name)
		return api_no_memory(err);
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
		fd = mkostemp(name, O_CLOEXEC);
		if (fd >= 0)
			(void)unlink(name);
	}
	return fd < 0 ? path_err(err, errno, "write to", dir) : fd;
}

/* ---- export ------------------------------------------------------------- */

static int put_snapshot(int out, const msb_snapshot_t *s, int upper)
{
	char dir[DIR_LEN + 1], name[DIR_LEN + 300];
	int rc;

	dir_name(&s->digest, dir);
	(void)snprintf(name, sizeof(name), "%s/", dir);
	rc = tar_put_dir(out, name);
	(void)snprintf(name, sizeof(name), "%s/" SNAPSHOT_FILE, dir);
	if (!rc)
		rc = tar_put_bytes(out, name, s->descriptor,
				   strlen(s->descriptor));
	(void)snprintf(name, sizeof(name), "%s/%s", dir, s->desc.upper_file);
	return rc ? rc : tar_put_sparse(out, name, upper);
}

/* ref, then its parents while they are known. */
static int put_chain(msb_t *m, const char *ref, bool parents, int out,
		     struct err *err)
{
	autofree char *next = strdup(ref);
	int rc = next ? 0 : api_no_memory(err);

	for (unsigned n = 0; !rc && next && n < CHAIN_MAX; n++) {
		struct err missing = { 0 };
		autoclose int upper = -1;
		msb_snapshot_t *s;

		rc = snapshot_find(m, next, &s, &upper, n ? &missing : err);
		if (rc && n && missing.kind == ERR_SNAPSHOT_NOT_FOUND)
			return 0;
		if (rc) {
			if (n)
				*err = missing;
			return rc;
		}
		rc = put_snapshot(out, s, upper);
		if (rc)
			rc = path_err(err, -rc, "write an archive of", s->path);
		free(take_ptr(next));
		if (!rc && parents && s->desc.has_parent) {
			next = strdup(s->desc.parent.text);
			rc = next ? 0 : api_no_memory(err);
		}
		msb_snapshot_free(s);
	}
	return rc;
}

/* The archive under another name first: what is there stays until it is whole.
 */
static int write_archive(msb_t *m, const char *ref, const char *temp,
			 bool parents, bool plain, struct err *err)
{
	autoclose int out =
		open(temp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	autoclose int tar = -1;
	int rc;

	if (out < 0)
		return path_err(err, errno, "create", temp);
	if (!plain) {
		tar = temp_file(temp, err);
		if (tar < 0)
			return tar;
	}
	rc = put_chain(m, ref, parents, plain ? out : tar, err);
	if (!rc) {
		rc = tar_put_end(plain ? out : tar);
		if (rc)
			rc = path_err(err, -rc, "write", temp);
	}
	if (!rc && !plain) {
		(void)lseek(tar, 0, SEEK_SET);
		rc = image_worker_repack(m, false, tar, out, err);
	}
	if (!rc && fsync(out) < 0)
		rc = path_err(err, errno, "write", temp);
	return rc;
}

int msb_snapshot_export(msb_t *m, const char *ref, const char *path,
			bool parents, bool plain, msb_error_t **ret_err)
{
	autofree char *temp = NULL;
	struct err err = { 0 };
	uint32_t n = 0;
	int rc = getrandom(&n, sizeof(n), 0) == (ssize_t)sizeof(n)
			 ? 0
			 : err_sys(&err, ERR_IO, errno, "make up a name");

	if (!rc && !*path)
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "path of the archive must not be empty");
	if (!rc) {
		temp = str_fmt("%s.%08x.part", path, n);
		rc = temp ? write_archive(m, ref, temp, parents, plain, &err)
			  : api_no_memory(&err);
	}
	if (!rc && rename(temp, path) < 0)
		rc = path_err(&err, errno, "create", path);
	if (rc && temp)
		(void)unlink(temp); /* the error is told already */
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

/* ---- import ------------------------------------------------------------- */

/* One snapshot of an archive. */
struct incoming {
	char dir[DIR_LEN + 1];
	char *text; /* of the descriptor */
	size_t len;
	struct digest digest;
	struct snapshot_desc desc;
	const struct tar_member *upper;
	struct snapshot_draft draft;
	bool there; /* a snapshot of this digest has its name already */
};

struct import {
	msb_t *m;
	int tar;
	struct tar_index index;
	struct incoming *list;
	size_t n;
};

static void import_fini(struct import *im)
{
	for (size_t i = 0; i < im->n; i++) {
		free(im->list[i].text);
		snapshot_desc_fini(&im->list[i].desc);
		snapshot_draft_drop(&im->list[i].draft);
	}
	free(im->list);
	tar_index_fini(&im->index);
	close_fd(&im->tar);
}

/* Compressed or not, as a file that can be read in any order. */
static int open_archive(struct import *im, const char *path, struct err *err)
{
	static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
	static const uint8_t gzip[] = { 0x1f, 0x8b };
	autoclose int fd = open(path, O_RDONLY | O_NOCTTY | O_CLOEXEC);
	autofree char *home = snapshot_home(im->m);
	autofree char *place = home ? str_fmt("%s/x", home) : NULL;
	uint8_t magic[4] = { 0 };
	struct stat st;
	int rc;

	if (fd < 0 || fstat(fd, &st) < 0)
		return path_err(err, errno, "read", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, EINVAL,
			       "not a regular file: %.300s", path);
	if (!place)
		return api_no_memory(err);
	if (pread(fd, magic, sizeof(magic), 0) < 0)
		return path_err(err, errno, "read", path);
	if (memcmp(magic, zstd, sizeof(zstd)) != 0 &&
	    memcmp(magic, gzip, sizeof(gzip)) != 0) {
		im->tar = take_fd(&fd);
		return 0;
	}
	rc = io_mkdir_p(AT_FDCWD, home, 0700);
	if (rc)
		return path_err(err, -rc, "create directory", home);
	im->tar = temp_file(place, err);
	return im->tar < 0 ? im->tar
			   : image_worker_repack(im->m, true, fd, im->tar, err);
}

static bool is_dir_name(const char *name)
{
	return str_starts(name, DIR_PREFIX) &&
	       strspn(name + sizeof(DIR_PREFIX) - 1, "0123456789abcdef") ==
		       DIR_DIGITS &&
	       name[DIR_LEN] == '/';
}

static int wrong(struct err *err, const char *dir, const char *what)
{
	return err_set(err, ERR_SNAPSHOT_INTEGRITY, EINVAL, "archive: %s: %s",
		       dir, what);
}

static int read_incoming(struct import *im, struct incoming *in,
			 struct err *err)
{
	const struct tar_member *d =
		tar_index_find(&im->index, in->dir, SNAPSHOT_FILE);
	char want[DIR_LEN + 1];
	struct buf b;
	int rc;

	if (!d)
		d = tar_index_find(&im->index, in->dir, SNAPSHOT_FILE_OLD);
	if (!d)
		return wrong(err, in->dir, "it has no descriptor");
	buf_init(&b, SNAPSHOT_JSON_MAX);
	rc = tar_read_text(im->tar, d, &b, err);
	if (!rc) {
		digest_of(buf_data(&b), buf_len(&b), &in->digest);
		rc = snapshot_desc_decode((const char *)buf_data(&b),
					  buf_len(&b), &in->desc, err);
		in->len = buf_len(&b);
	}
	if (!rc) {
		in->text = buf_take_str(&b);
		rc = in->text ? 0 : api_no_memory(err);
	}
	buf_fini(&b);
	if (rc)
		return rc;
	dir_name(&in->digest, want);
	if (strcmp(want, in->dir) != 0)
		return wrong(err, in->dir, "the digest is another one");
	in->upper = tar_index_find(&im->index, in->dir, in->desc.upper_file);
	if (!in->upper || in->upper->size != in->desc.upper_size)
		return wrong(err, in->dir,
			     "the layer is missing or of another size");
	return 0;
}

static int find_incoming(struct import *im, struct err *err)
{
	int rc = 0;

	im->list = calloc(im->index.n + 1, sizeof(*im->list));
	if (!im->list)
		return api_no_memory(err);
	for (size_t i = 0; !rc && i < im->index.n; i++) {
		const char *name = im->index.members[i].name;
		struct incoming *in = &im->list[im->n];
		size_t k = 0;

		if (!is_dir_name(name))
			return wrong(err, name, "it does not belong there");
		while (k < im->n &&
		       strncmp(im->list[k].dir, name, DIR_LEN) != 0)
			k++;
		if (k < im->n)
			continue;
		memcpy(in->dir, name, DIR_LEN);
		in->draft.fd = -1;
		im->n++;
		rc = read_incoming(im, in, err);
	}
	if (!rc && (!im->n || im->index.n != 2 * im->n))
		rc = err_set(err, ERR_SNAPSHOT_INTEGRITY, EINVAL,
			     "archive: it has no snapshot, or files besides");
	return rc;
}

/* Is there a snapshot of that very digest at dest? */
static bool is_there(const msb_t *m, const char *dest, const struct digest *d)
{
	autofree char *home = snapshot_home(m);
	autofree char *path = NULL;
	msb_snapshot_t *s = NULL;
	bool same;

	path = snapshot_is_path(dest) ? strdup(dest)
	       : home		      ? str_fmt("%s/%s", home, dest)
				      : NULL;
	if (!path || snapshot_open(path, NULL, &s, NULL, NULL))
		return false;
	same = digest_eq(&s->digest, d);
	msb_snapshot_free(s);
	return same;
}

static int check_contents(const struct incoming *in, int fd, struct err *err)
{
	struct digest actual;
	int rc;

	if (!in->desc.algorithm)
		return 0;
	if (!snapshot_algorithm_known(in->desc.algorithm))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "integrity algorithm '%.60s' is not known",
			       in->desc.algorithm);
	/* Its extents are those of the file system it came from. */
	if (!strcmp(in->desc.algorithm, SNAPSHOT_SPARSE_V1))
		return 0;
	rc = snapshot_hash(fd, in->desc.algorithm, &actual);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "read what was unpacked");
	return digest_eq(&actual, &in->desc.integrity)
		       ? 0
		       : wrong(err, in->dir,
			       "the layer's digest is another "
			       "one");
}

static int unpack(struct import *im, struct incoming *in, const char *dest,
		  struct err *err)
{
	autoclose int fd = -1;
	int rc;

	in->there = is_there(im->m, dest, &in->digest);
	if (in->there)
		return 0;
	if (!in->upper)
		return wrong(err, in->dir, "the layer is missing");
	rc = snapshot_draft_new(im->m, dest, &in->draft, err);
	if (rc)
		return rc;
	fd = openat(in->draft.fd, in->upper->name + DIR_LEN + 1,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return path_err(err, errno, "write to", in->draft.temp);
	rc = tar_extract(im->tar, in->upper, fd, err);
	if (!rc)
		rc = check_contents(in, fd, err);
	return rc ? rc : snapshot_draft_describe(&in->draft, &in->desc, err);
}

static int import(struct import *im, const char *path, const char *dest,
		  msb_snapshot_t **ret, struct err *err)
{
	int rc = open_archive(im, path, err);

	if (!rc)
		rc = tar_index_read(im->tar, &im->index, err);
	if (!rc)
		rc = find_incoming(im, err);
	if (rc || !im->list)
		return rc;
	for (size_t i = 0; !rc && i < im->n; i++) {
		const char *place = im->list[i].dir;

		if (!i && dest)
			place = dest;
		rc = unpack(im, &im->list[i], place, err);
	}
	/* Parents first: what is there has what it speaks of. */
	for (size_t i = im->n; !rc && i--;)
		if (!im->list[i].there)
			rc = snapshot_draft_commit(&im->list[i].draft, false,
						   err);
	if (rc)
		return rc;
	rc = snapshot_find(im->m, dest ? dest : im->list[0].dir, ret, NULL,
			   err);
	if (!rc && !(*ret)->name)
		rc = snapshot_index_add(im->m, *ret, err);
	return rc;
}

int msb_snapshot_import(msb_t *m, const char *path, const char *dest,
			msb_snapshot_t **ret, msb_error_t **ret_err)
{
	struct import im = { .m = m, .tar = -1 };
	msb_snapshot_t *s = NULL;
	struct err err = { 0 };
	int rc = import(&im, path, dest, &s, &err);

	import_fini(&im);
	if (rc) {
		msb_snapshot_free(s);
		return api_fail_err(&err, rc, ret_err);
	}
	if (ret)
		*ret = s;
	else
		msb_snapshot_free(s);
	return 0;
}
