/* SPDX-License-Identifier: Apache-2.0 */
/* Finding releases of msb, and installing one into a home. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/image_int.h"
#include "api/release_int.h"
#include "base/buf.h"
#include "base/io.h"
#include "image/digest.h"

#define DOCUMENT_MAX (1u << 20)
#define OWNER_MAX 1024u
#define ARCHIVE "archive"
#define TREE "tree"
#define CHUNK ((size_t)256 << 10)

/* What every release has: the rest is found missing when it is wanted. */
static const char *const needed[] = {
	"bin/msb",
	"libexec/microsandbox/msb-runtime",
	"libexec/microsandbox/msb-image",
	"share/microsandbox/guest/initramfs.cpio",
};

/* ---- whose installation is this? ----------------------------------------- */

/* The line that a package has put there; malloc'ed, NULL: there is none. */
static char *owner_note(const char *dir)
{
	static const char *const places[] = {
		"../share/microsandbox/managed-by",
		"../../share/microsandbox/managed-by",
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		autofree char *path = str_fmt("%s%s", dir, places[i]);
		char *text = NULL;
		struct buf b;

		buf_init(&b, OWNER_MAX);
		if (path && !io_read_file_at(AT_FDCWD, path, &b))
			text = buf_take_str(&b);
		buf_fini(&b);
		if (!text)
			continue;
		text[strcspn(text, "\n")] = 0;
		return text;
	}
	return NULL;
}

/* What a package manager has installed it has to update, too. */
static int check_owner(const msb_t *m, struct err *err)
{
	autofree char *dir = artefact_own_dir(m);
	autofree char *note = dir ? owner_note(dir) : NULL;

	if (note)
		return err_set(err, ERR_UNSUPPORTED, EPERM,
			       "this msb belongs to a package: %.300s", note);
	if (dir && str_starts(dir, "/usr/") && !str_starts(dir, "/usr/local/"))
		return err_set(err, ERR_UNSUPPORTED, EPERM,
			       "this msb belongs to a package; update it with "
			       "the system's package manager (such as: apt "
			       "install --only-upgrade msb)");
	return 0;
}

/* ---- finding ------------------------------------------------------------- */

static int find_latest(msb_release_t *r, struct err *err)
{
	struct buf b;
	int rc;

	buf_init(&b, DOCUMENT_MAX);
	rc = release_source_read(r, "latest", &b, err);
	if (!rc && release_latest_parse((const char *)buf_data(&b), buf_len(&b),
					r->version))
		rc = err_set(err, ERR_INVALID, EINVAL,
			     "'latest' of %.300s does not hold a version",
			     r->source);
	buf_fini(&b);
	return rc;
}

static int find_sum(msb_release_t *r, bool older, struct err *err)
{
	autofree char *name = NULL;
	struct buf b;
	int rc;

	buf_init(&b, DOCUMENT_MAX);
	rc = release_source_read(r, "SHA256SUMS", &b, err);
	if (!rc && older &&
	    release_sums_before((const char *)buf_data(&b), buf_len(&b),
				MSB_VERSION, r->version))
		rc = err_set(err, ERR_INVALID, ENOENT,
			     "%.300s has no release before " MSB_VERSION,
			     r->source);
	if (!rc) {
		name = str_fmt(RELEASE_PREFIX
			       "%s" RELEASE_SUFFIX RELEASE_ARCHIVE,
			       r->version);
		rc = name ? release_sums_find((const char *)buf_data(&b),
					      buf_len(&b), name, r->sum)
			  : -ENOMEM;
		if (rc)
			rc = err_set(err, ERR_INVALID, -rc,
				     "SHA256SUMS of %.300s %s %s", r->source,
				     rc == -EBADMSG ? "has several sums of"
						    : "has no",
				     name ? name : "?");
	}
	buf_fini(&b);
	return rc;
}

static int find(msb_release_t *r, const msb_release_query_t *q, struct err *err)
{
	const char *source;
	int rc = check_owner(r->m, err);

	if (rc)
		return rc;
	if (q->struct_size < sizeof(*q))
		return err_set(err, ERR_INVALID, EINVAL,
			       "struct_size is not set");
	source = q->source ? q->source : r->m->cfg.update_url;
	if (!source)
		return err_set(err, ERR_INVALID, EINVAL,
			       "where releases come from is not known; name a "
			       "directory or an address, or set 'update.url' "
			       "in config.json");
	if (q->version && !release_version_valid(q->version))
		return err_set(err, ERR_INVALID, EINVAL,
			       "'%.64s' is not a version", q->version);
	rc = release_source_set(r, source, err);
	if (!rc && q->ca_certs)
		rc = host_path_canonical(q->ca_certs, &r->ca_certs, err);
	if (rc)
		return rc;
	if (q->version)
		memcpy(r->version, q->version, strlen(q->version) + 1);
	else if (!q->older)
		rc = find_latest(r, err);
	return rc ? rc : find_sum(r, q->older && !q->version, err);
}

int msb_release_find(msb_t *m, const msb_release_query_t *q,
		     msb_release_t **ret, msb_error_t **ret_err)
{
	msb_release_t *r = calloc(1, sizeof(*r));
	struct err err = { 0 };
	int rc;

	if (!r)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	r->m = m;
	rc = find(r, q, &err);
	if (rc) {
		msb_release_free(r);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = r;
	return 0;
}

void msb_release_free(msb_release_t *r)
{
	if (!r)
		return;
	free(r->source);
	free(r->ca_certs);
	free(r);
}

const char *msb_release_version(const msb_release_t *r)
{
	return r->version;
}

int msb_release_order(const msb_release_t *r)
{
	return release_version_compare(r->version, MSB_VERSION);
}

/* ---- installing ---------------------------------------------------------- */

static int check_sum(const msb_release_t *r, int fd, struct err *err)
{
	autofree uint8_t *chunk = malloc(CHUNK);
	struct digest sum;
	struct hasher h;
	ssize_t n;

	if (!chunk)
		return api_no_memory(err);
	hasher_init(&h, DIGEST_SHA256);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, ERR_IO, errno, "read the archive");
	while ((n = io_read(fd, chunk, CHUNK)) > 0)
		hasher_add(&h, chunk, (size_t)n);
	if (n < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, ERR_IO, n < 0 ? (int)-n : errno,
			       "read the archive");
	hasher_done(&h, &sum);
	if (!strcmp(digest_hex(&sum), r->sum))
		return 0;
	return err_set(err, ERR_INVALID, EBADMSG,
		       "the archive is not what SHA256SUMS says: %s instead "
		       "of %s",
		       digest_hex(&sum), r->sum);
}

static int make_file(int dir, const char *name, struct err *err)
{
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? err_sys(err, ERR_IO, errno, "make a file") : fd;
}

static int make_dir(int dir, const char *name, struct err *err)
{
	int fd = -1;

	if (mkdirat(dir, name, 0700) == 0)
		fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(err, ERR_IO, errno, "make a directory") : fd;
}

/* The archive's one directory: all there, and of a kind that runs here? */
static int check_tree(const struct release_tree *t, int tree, const char *top,
		      struct err *err)
{
	autofree char *path = str_fmt("lib/" RELEASE_STAGE "/" TREE "/%s", top);
	autoclose int dir = openat(
		tree, top, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int rc;

	if (!path)
		return api_no_memory(err);
	if (dir < 0)
		return err_set(err, ERR_INVALID, EINVAL,
			       "the archive does not hold '%s'", top);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (faccessat(dir, needed[i], R_OK, 0) < 0)
			return err_set(err, ERR_INVALID, EINVAL,
				       "the archive has no '%s'", needed[i]);
	rc = release_try(t, path, "bin/msb", "--version", 0, err);
	/* without a request it can only fail */
	if (!rc)
		rc = release_try(t, path, "libexec/microsandbox/msb-image",
				 NULL, EXIT_FAILURE, err);
	return rc;
}

static int install_staged(const msb_release_t *r, const struct release_tree *t,
			  int stage, const msb_image_options_t *o,
			  struct err *err)
{
	autofree char *top =
		str_fmt(RELEASE_PREFIX "%s" RELEASE_SUFFIX, r->version);
	autofree char *name = str_fmt("%s" RELEASE_ARCHIVE, top ? top : "");
	autoclose int archive = make_file(stage, ARCHIVE, err);
	autoclose int tree = archive < 0 ? -1 : make_dir(stage, TREE, err);
	int rc;

	if (tree < 0)
		return archive < 0 ? archive : tree;
	if (!top || !name)
		return api_no_memory(err);
	rc = release_source_get(r, name, false, archive, o, err);
	if (!rc)
		rc = check_sum(r, archive, err);
	if (!rc)
		rc = image_worker_extract(r->m, archive, tree, err);
	if (!rc)
		rc = check_tree(t, tree, top, err);
	if (rc)
		return rc;
	/* what the link will lead to is to be on the disk before the link */
	if (syncfs(stage) < 0)
		return err_sys(err, ERR_IO, errno, "write to the disk");
	return release_tree_adopt(t, tree, top, err);
}

static int install(const msb_release_t *r, bool again,
		   const msb_image_options_t *o, struct err *err)
{
	autofree char *top =
		str_fmt(RELEASE_PREFIX "%s" RELEASE_SUFFIX, r->version);
	struct release_tree t;
	int rc = top ? release_tree_open(r->m, &t, err) : api_no_memory(err);
	int stage;

	if (rc)
		return rc;
	/* somebody else may have been faster */
	if (again || !release_tree_uses(&t, top)) {
		stage = release_tree_stage(&t, err);
		rc = stage < 0 ? stage : install_staged(r, &t, stage, o, err);
		close_fd(&stage);
		release_tree_unstage(&t);
	}
	release_tree_close(&t);
	return rc;
}

int msb_release_install(const msb_release_t *r, bool again,
			const msb_image_options_t *o, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = install(r, again, o, &err);

	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}
