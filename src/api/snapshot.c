/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of the public interface. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/snapshot_int.h"
#include "base/clock.h"
#include "base/io.h"
#include "store/labels.h"

#define SOURCE_WAIT_MS 10000u

struct msb_snapshot_list {
	msb_snapshot_t **items;
	size_t n;
};

static int done(const struct err *err, int rc, msb_error_t **e)
{
	return rc < 0 ? api_fail_err(err, rc, e) : rc;
}

/* ---- create ------------------------------------------------------------- */

static char *now_text(void)
{
	uint64_t ns = clock_wall_ns();
	time_t t = (time_t)(ns / 1000000000u);
	char text[40];
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		return NULL;
	return str_fmt("%s.%09u+00:00", text, (unsigned)(ns % 1000000000u));
}

/* What can be told before anything is copied. */
static int describe(const struct sandbox_config *c,
		    const msb_snapshot_options_t *o, struct snapshot_desc *d,
		    struct err *err)
{
	int rc = 0;

	if (c->root.kind != ROOT_OCI || !c->root.reference ||
	    !c->root.manifest_digest ||
	    digest_parse(c->root.manifest_digest, &d->image))
		return err_set(err, ERR_SNAPSHOT_SOURCE, EINVAL,
			       "snapshot source sandbox '%s' was not made from "
			       "an image: only the layer above an image can be "
			       "kept",
			       c->name);
	for (size_t i = 0; o && !rc && i < o->nlabels; i++)
		rc = labels_add(&d->labels, o->labels[i], err);
	if (rc)
		return rc;
	labels_sort(&d->labels);
	d->format = strdup("raw");
	d->fstype = strdup("ext4");
	d->image_ref = strdup(c->root.reference);
	d->upper_file = strdup(SNAPSHOT_UPPER);
	d->source = strdup(c->name);
	d->created_at = now_text();
	return d->format && d->fstype && d->image_ref && d->upper_file &&
			       d->source && d->created_at
		       ? 0
		       : api_no_memory(err);
}

static int copy_upper(int from, const struct snapshot_draft *draft,
		      struct snapshot_desc *d, bool integrity, struct err *err)
{
	autoclose int to = openat(draft->fd, SNAPSHOT_UPPER,
				  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;
	int rc = to < 0 ? -errno : snapshot_copy(from, to);

	if (!rc && fstat(to, &st) < 0)
		rc = -errno;
	if (!rc) {
		d->upper_size = (uint64_t)st.st_size;
		if (integrity) {
			d->algorithm = strdup(SNAPSHOT_SPARSE_V2);
			rc = d->algorithm ? snapshot_hash(to, d->algorithm,
							  &d->integrity)
					  : -ENOMEM;
		}
	}
	return rc ? path_err(err, -rc, "copy the writable layer to",
			     draft->temp)
		  : 0;
}

static int open_source(msb_t *m, const struct sandbox_row *r, struct err *err)
{
	autoclose int dirfd = home_sandbox_open(&m->home, r->name, NULL);
	int fd = dirfd < 0 ? dirfd
			   : openat(dirfd, SANDBOX_UPPER,
				    O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return path_err(err, dirfd < 0 ? -dirfd : errno,
				"open the writable layer of", r->name);
	return fd;
}

/* The sandbox is locked and does not run. */
static int take(msb_t *m, const struct sandbox_row *r, const char *dest,
		const msb_snapshot_options_t *o, msb_snapshot_t **ret,
		struct err *err)
{
	autoclose int from = open_source(m, r, err);
	struct snapshot_draft draft = { .fd = -1 };
	struct snapshot_desc d = { 0 };
	struct sandbox_config c;
	int rc = sandbox_config_from_json(r->config, &c, err);

	if (rc)
		return rc;
	rc = describe(&c, o, &d, err); /* a better message than from's */
	if (!rc)
		rc = from < 0 ? from : snapshot_draft_new(m, dest, &draft, err);
	if (!rc)
		rc = copy_upper(from, &draft, &d, o && o->integrity, err);
	if (!rc)
		rc = snapshot_draft_describe(&draft, &d, err);
	if (!rc)
		rc = snapshot_draft_commit(&draft, o && o->force, err);
	if (!rc)
		rc = snapshot_open(draft.path, draft.name, ret, NULL, err);
	if (!rc && !(*ret)->name)
		rc = snapshot_index_add(m, *ret, err);
	snapshot_draft_drop(&draft);
	snapshot_desc_fini(&d);
	sandbox_config_fini(&c);
	return rc;
}

static int not_stopped(const char *name, struct err *err)
{
	return err_set(err, ERR_SNAPSHOT_SOURCE, EBUSY,
		       "snapshot source sandbox '%s' is not stopped", name);
}

static int create(msb_t *m, const char *sandbox, const char *dest,
		  const msb_snapshot_options_t *o, msb_snapshot_t **ret,
		  struct err *err)
{
	autoclose int lock = -1;
	struct sandbox_row row;
	int rc = row_get(m, sandbox, &row, err);

	if (rc)
		return rc;
	sandbox_row_fini(&row);
	if (sandbox_alive(m, sandbox) == 1)
		return not_stopped(sandbox, err);
	lock = lifecycle_lock(&m->home, sandbox, SOURCE_WAIT_MS, err);
	if (lock < 0)
		return lock;
	rc = row_get(m, sandbox, &row, err);
	if (rc)
		return rc;
	rc = sandbox_alive(m, sandbox);
	if (!rc)
		rc = mend_row(m, &row, err) == 1 ? 0 : -ENOENT;
	else if (rc > 0)
		rc = not_stopped(sandbox, err);
	else
		rc = err_sys(err, ERR_IO, -rc, "look at sandbox '%s'", sandbox);
	if (!rc && row.status != ROW_STOPPED && row.status != ROW_CRASHED)
		rc = not_stopped(sandbox, err);
	if (!rc)
		rc = take(m, &row, dest, o, ret, err);
	else if (rc == -ENOENT)
		rc = err_set(err, ERR_SANDBOX_NOT_FOUND, ENOENT, "%s", sandbox);
	sandbox_row_fini(&row);
	return rc;
}

int msb_snapshot_create(msb_t *m, const char *sandbox, const char *dest,
			const msb_snapshot_options_t *o, msb_snapshot_t **ret,
			msb_error_t **ret_err)
{
	msb_snapshot_t *s = NULL;
	struct err err = { 0 };
	int rc;

	api_children_reap(m);
	rc = create(m, sandbox, dest, o, &s, &err);
	if (rc)
		return done(&err, rc, ret_err);
	if (ret)
		*ret = s;
	else
		msb_snapshot_free(s);
	return 0;
}

/* ---- new sandboxes ------------------------------------------------------ */

static int set_snapshot(msb_config_t *c, const msb_snapshot_t *s,
			struct err *err)
{
	struct root_config r = { .kind = ROOT_OCI };

	if (strcmp(s->desc.format, "raw") != 0 ||
	    strcmp(s->desc.fstype, "ext4") != 0)
		return err_set(
			err, ERR_UNSUPPORTED, EOPNOTSUPP,
			"snapshot is of format %s with %s; raw with ext4 "
			"can be used",
			s->desc.format, s->desc.fstype);
	r.reference = strdup(s->desc.image_ref);
	r.manifest_digest = strdup(s->desc.image.text);
	r.upper_size_mib = (uint32_t)(s->desc.upper_size >> 20);
	c->snapshot = strdup(s->path);
	if (!r.reference || !r.manifest_digest || !c->snapshot) {
		root_config_fini(&r);
		return api_no_memory(err);
	}
	c->c.root = r;
	return 0;
}

int msb_config_set_snapshot(msb_config_t *c, const char *ref, msb_error_t **e)
{
	struct err err = { 0 };
	msb_snapshot_t *s = NULL;
	int rc;

	if (c->c.root.kind != ROOT_NONE)
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "from_snapshot is mutually exclusive with "
			     "explicit rootfs configuration");
	else
		rc = snapshot_find(c->m, ref, &s, NULL, &err);
	if (s) {
		rc = set_snapshot(c, s, &err);
		msb_snapshot_free(s);
	}
	return done(&err, rc, e);
}

int snapshot_copy_upper(const char *path, const char *manifest, int to,
			struct err *err)
{
	autoclose int from = -1;
	msb_snapshot_t *s;
	int rc = snapshot_open(path, NULL, &s, &from, err);

	if (rc)
		return rc;
	if (strcmp(s->desc.image.text, manifest) != 0)
		rc = err_set(err, ERR_SNAPSHOT_INTEGRITY, EBADMSG,
			     "%.300s was replaced meanwhile", path);
	msb_snapshot_free(s);
	if (!rc) {
		rc = snapshot_copy(from, to);
		if (rc)
			rc = path_err(err, -rc, "copy the layer of", path);
	}
	return rc;
}

/* ---- get, verify, remove ------------------------------------------------ */

int msb_snapshot_get(msb_t *m, const char *ref, msb_snapshot_t **ret,
		     msb_error_t **ret_err)
{
	struct err err = { 0 };

	return done(&err, snapshot_find(m, ref, ret, NULL, &err), ret_err);
}

static int verify(const msb_snapshot_t *s, int upper, struct err *err)
{
	const struct snapshot_desc *d = &s->desc;
	struct digest actual;
	int rc;

	if (!d->algorithm)
		return 0;
	if (!snapshot_algorithm_known(d->algorithm))
		return err_set(err, ERR_UNSUPPORTED, EOPNOTSUPP,
			       "integrity algorithm '%.60s' is not known",
			       d->algorithm);
	rc = snapshot_hash(upper, d->algorithm, &actual);
	if (rc)
		return path_err(err, -rc, "read", s->path);
	if (!digest_eq(&actual, &d->integrity))
		return err_set(err, ERR_SNAPSHOT_INTEGRITY, EBADMSG,
			       "%.200s: '%s' has digest %s, not %s", s->path,
			       d->upper_file, actual.text, d->integrity.text);
	return 1;
}

int msb_snapshot_verify(const msb_snapshot_t *s, msb_error_t **ret_err)
{
	msb_snapshot_t *again;
	struct err err = { 0 };
	int upper = -1;
	int rc = snapshot_open(s->path, s->name, &again, &upper, &err);

	if (rc)
		return done(&err, rc, ret_err);
	if (!digest_eq(&again->digest, &s->digest))
		rc = err_set(&err, ERR_SNAPSHOT_INTEGRITY, EBADMSG,
			     "%.300s was replaced meanwhile", s->path);
	else
		rc = verify(again, upper, &err);
	close_fd(&upper);
	msb_snapshot_free(again);
	return done(&err, rc, ret_err);
}

struct children {
	const struct digest *parent;
	char *found; /* path of one */
};

static int on_child(void *ctx, msb_snapshot_t *s)
{
	struct children *c = ctx;

	if (!c->found && s->desc.has_parent &&
	    digest_eq(&s->desc.parent, c->parent))
		c->found = take_ptr(s->path);
	msb_snapshot_free(s);
	return 0;
}

static int remove_found(const msb_t *m, const msb_snapshot_t *s, bool force,
			struct err *err)
{
	struct children c = { .parent = &s->digest };
	autofree char *gone = NULL;
	int rc = force ? 0 : snapshot_each(m, on_child, &c, err);

	if (!rc && c.found)
		rc = err_set(err, ERR_INVALID, EBUSY,
			     "snapshot '%s' is the parent of %.200s",
			     s->name ? s->name : s->path, c.found);
	free(c.found);
	if (rc)
		return rc;
	/* The descriptor goes first: what is left over is no snapshot. */
	gone = str_fmt("%s/" SNAPSHOT_FILE, s->path);
	if (!gone)
		return api_no_memory(err);
	if (unlink(gone) < 0 && errno != ENOENT)
		return path_err(err, errno, "remove", gone);
	rc = io_remove_tree(AT_FDCWD, s->path);
	return rc ? path_err(err, -rc, "remove", s->path) : 0;
}

int msb_snapshot_remove(msb_t *m, const char *ref, bool force,
			msb_error_t **ret_err)
{
	msb_snapshot_t *s;
	struct err err = { 0 };
	int rc = snapshot_find(m, ref, &s, NULL, &err);

	if (!rc) {
		rc = remove_found(m, s, force, &err);
		msb_snapshot_free(s);
	}
	return done(&err, rc, ret_err);
}

/* ---- list and index ----------------------------------------------------- */

static int on_listed(void *ctx, msb_snapshot_t *s)
{
	msb_snapshot_list_t *l = ctx;
	msb_snapshot_t **list =
		reallocarray(l->items, l->n + 1, sizeof(msb_snapshot_t *));

	if (!list) {
		msb_snapshot_free(s);
		return -ENOMEM;
	}
	l->items = list;
	list[l->n++] = s;
	return 0;
}

/* Newest first, as the times of one clock compare as texts. */
static int by_time(const void *a, const void *b)
{
	const msb_snapshot_t *const *x = a, *const *y = b;
	int order = strcmp((*y)->desc.created_at, (*x)->desc.created_at);

	return order ? order : strcmp((*x)->path, (*y)->path);
}

/* Of dir, or those that are known. */
static int list(msb_t *m, const char *dir, msb_snapshot_list_t **ret,
		msb_error_t **ret_err)
{
	msb_snapshot_list_t *l = calloc(1, sizeof(*l));
	struct err err = { 0 };
	int rc;

	if (!l)
		rc = api_no_memory(&err);
	else if (dir)
		rc = snapshot_each_in(m, dir, on_listed, l, &err);
	else
		rc = snapshot_each(m, on_listed, l, &err);
	if (rc || !l) {
		msb_snapshot_list_free(l);
		return done(&err, rc, ret_err);
	}
	if (l->n)
		qsort(l->items, l->n, sizeof(msb_snapshot_t *), by_time);
	*ret = l;
	return 0;
}

int msb_snapshot_list(msb_t *m, msb_snapshot_list_t **ret,
		      msb_error_t **ret_err)
{
	return list(m, NULL, ret, ret_err);
}

int msb_snapshot_list_dir(msb_t *m, const char *dir, msb_snapshot_list_t **ret,
			  msb_error_t **ret_err)
{
	return list(m, dir, ret, ret_err);
}

size_t msb_snapshot_list_count(const msb_snapshot_list_t *l)
{
	return l->n;
}

const msb_snapshot_t *msb_snapshot_list_item(const msb_snapshot_list_t *l,
					     size_t i)
{
	return i < l->n ? l->items[i] : NULL;
}

void msb_snapshot_list_free(msb_snapshot_list_t *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		msb_snapshot_free(l->items[i]);
	free(l->items);
	free(l);
}

int64_t msb_snapshot_reindex(msb_t *m, const char *dir, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int64_t n = 0;
	int rc = snapshot_reindex(m, dir, &n, &err);

	return rc ? done(&err, rc, ret_err) : n;
}

/* ---- facts -------------------------------------------------------------- */

const char *msb_snapshot_digest(const msb_snapshot_t *s)
{
	return s->digest.text;
}

const char *msb_snapshot_name(const msb_snapshot_t *s)
{
	return s->name;
}

const char *msb_snapshot_path(const msb_snapshot_t *s)
{
	return s->path;
}

const char *msb_snapshot_json(const msb_snapshot_t *s)
{
	return s->descriptor;
}

const char *msb_snapshot_image(const msb_snapshot_t *s)
{
	return s->desc.image_ref;
}

const char *msb_snapshot_created_at(const msb_snapshot_t *s)
{
	return s->desc.created_at;
}

uint64_t msb_snapshot_size_bytes(const msb_snapshot_t *s)
{
	return s->desc.upper_size;
}

const char *msb_snapshot_integrity(const msb_snapshot_t *s)
{
	return s->desc.algorithm ? s->desc.integrity.text : NULL;
}

const char *msb_snapshot_image_digest(const msb_snapshot_t *s)
{
	return s->desc.image.text;
}

const char *msb_snapshot_format(const msb_snapshot_t *s)
{
	return s->desc.format;
}

const char *msb_snapshot_fstype(const msb_snapshot_t *s)
{
	return s->desc.fstype;
}

const char *msb_snapshot_parent(const msb_snapshot_t *s)
{
	return s->desc.has_parent ? s->desc.parent.text : NULL;
}

const char *msb_snapshot_source(const msb_snapshot_t *s)
{
	return s->desc.source;
}

const char *msb_snapshot_label(const msb_snapshot_t *s, size_t i)
{
	return i < s->desc.labels.n ? s->desc.labels.v[i] : NULL;
}
