/* SPDX-License-Identifier: Apache-2.0 */
/* msb-image: one operation on images, as image/worker.h tells. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "image/archive.h"
#include "image/fetch.h"
#include "image/pull.h"
#include "image/repack.h"
#include "image/roots.h"
#include "image/worker_jail.h"
#include "image/worker_out.h"

struct worker {
	struct worker_request req;
	struct worker_out out;
	struct image_store store;
	bool store_open;
	/* for the last event; images' texts are owned */
	struct worker_event done;
};

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "work on an image");
}

static int open_dir(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, ERR_IO, errno, "open '%s'", path) : fd;
}

/* ---- the last event ------------------------------------------------------ */

static int add_done(struct worker *w, const struct strv *names,
		    const struct digest *manifest, bool cached)
{
	struct worker_event *e = &w->done;
	struct worker_image *more =
		reallocarray(e->images, e->nimages + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	e->images = more;
	more += e->nimages;
	memset(more, 0, sizeof(*more));
	more->manifest_digest = strdup(manifest->text);
	more->cached = cached;
	e->nimages++;
	return more->manifest_digest ? strv_copy(&more->references, names)
				     : -ENOMEM;
}

static int add_one_done(struct worker *w, char *reference,
			const struct digest *manifest, bool cached)
{
	char *list[] = { reference, NULL };
	const struct strv names = { .v = list, .n = 1 };

	return add_done(w, &names, manifest, cached);
}

/* ---- pull ---------------------------------------------------------------- */

/* 0 when the image is there and nobody has to be asked. */
static int find_cached(struct worker *w, struct err *err)
{
	autofree char *canonical = NULL;
	struct image_ref ref;
	struct image img;
	int rc = image_ref_parse(w->req.reference, &ref, err);

	if (rc)
		return rc;
	rc = -ENOENT;
	if (!w->req.always && !w->req.force)
		rc = image_store_find(&w->store, &ref, &img, err);
	if (!rc) {
		canonical = image_ref_canonical(&ref);
		if (!canonical ||
		    add_one_done(w, canonical, &img.manifest_digest, true))
			rc = no_memory(err);
		image_fini(&img);
	}
	image_ref_fini(&ref);
	return rc;
}

static int prepare(struct worker *w, struct pull *ret, struct err *err)
{
	const char *home =
		w->req.config_home ? w->req.config_home : w->req.home;
	autoclose int fd = open_dir(home, err);

	return fd < 0 ? fd : pull_prepare(&w->req, fd, &w->out, ret, err);
}

static int do_pull(struct worker *w, struct err *err)
{
	struct pull_result result = { .cached = false };
	struct pull p;
	int rc = find_cached(w, err);

	if (rc != -ENOENT)
		return rc;
	rc = prepare(w, &p, err);
	if (rc)
		return rc;
	worker_jail(w->store.fd, -1, true);
	rc = worker_out_watch(&w->out);
	if (rc)
		rc = err_sys(err, ERR_NO_MEMORY, -rc, "start a thread");
	if (!rc)
		rc = pull_run(&p, &w->store, &w->out, &result, err);
	if (!rc) {
		w->done.bytes = result.bytes;
		if (add_one_done(w, p.reference, &result.manifest_digest,
				 result.cached))
			rc = no_memory(err);
	}
	pull_fini(&p);
	return rc;
}

/* ---- load and save ------------------------------------------------------- */

static void on_load_begin(void *ctx, const struct archive_image *img)
{
	struct worker *w = ctx;
	const char *name =
		img->names.n ? img->names.v[0] : img->manifest_digest.text;

	worker_out_resolving(&w->out, name);
	worker_out_resolved(&w->out, name, &img->manifest_digest,
			    img->manifest);
}

static void on_load_event(void *ctx, const struct assemble_event *e)
{
	struct worker *w = ctx;

	pull_assemble_event(&w->out, e);
}

static void on_load_done(void *ctx, const struct archive_image *img)
{
	struct worker *w = ctx;

	/* without memory the image is there all the same, but not told */
	(void)add_done(w, &img->names, &img->manifest_digest, img->cached);
}

static bool is_dir(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

static int do_load(struct worker *w, struct err *err)
{
	const struct archive_load load = {
		.fd = WORKER_FILE_FD,
		.input = w->req.input ? w->req.input : "the archive",
		.names = &w->req.references,
		.arch = w->req.arch ? w->req.arch : pull_host_arch(),
		.ctx = w,
		.on_begin = on_load_begin,
		.on_event = on_load_event,
		.on_done = on_load_done,
	};
	int rc;

	worker_jail(w->store.fd, is_dir(WORKER_FILE_FD) ? WORKER_FILE_FD : -1,
		    false);
	rc = worker_out_watch(&w->out);
	if (rc)
		return err_sys(err, ERR_NO_MEMORY, -rc, "start a thread");
	return archive_load(&w->store, &load, err);
}

static int tell_saved(struct worker *w, const struct image_ref *ref,
		      struct err *err)
{
	autofree char *canonical = image_ref_canonical(ref);
	struct image img;
	int rc = image_store_find(&w->store, ref, &img, err);

	if (rc)
		return rc == -ENOENT ? err_set(err, ERR_IMAGE_NOT_FOUND, ENOENT,
					       "%s", canonical ? canonical : "")
				     : rc;
	if (!canonical ||
	    add_one_done(w, canonical, &img.manifest_digest, true))
		rc = no_memory(err);
	image_fini(&img);
	return rc;
}

static int do_save(struct worker *w, struct err *err)
{
	size_t n = w->req.references.n, parsed = 0;
	struct image_ref *refs = calloc(n, sizeof(*refs));
	enum archive_format format =
		w->req.docker ? ARCHIVE_DOCKER : ARCHIVE_OCI;
	struct stat st;
	int rc = refs ? 0 : no_memory(err);

	worker_jail(w->store.fd, -1, false);
	if (!rc && worker_out_watch(&w->out))
		rc = no_memory(err);
	for (size_t i = 0; i < n && !rc; i++) {
		rc = image_ref_parse(w->req.references.v[i], &refs[i], err);
		parsed += !rc;
		if (!rc)
			rc = tell_saved(w, &refs[i], err);
	}
	if (!rc)
		rc = archive_save(&w->store, refs, n, format, WORKER_FILE_FD,
				  err);
	if (!rc && fstat(WORKER_FILE_FD, &st) == 0)
		w->done.bytes = (uint64_t)st.st_size;
	for (size_t i = 0; i < parsed; i++)
		image_ref_fini(&refs[i]);
	free(refs);
	return rc;
}

/* ---- compress and expand ------------------------------------------------- */

static int do_repack(struct worker *w, struct err *err)
{
	worker_jail(w->store.fd, -1, false);
	if (worker_out_watch(&w->out))
		return no_memory(err);
	if (w->req.op == WORKER_COMPRESS)
		return repack_compress(WORKER_FILE_FD, WORKER_OUT_FD, err);
	return repack_expand(WORKER_FILE_FD, WORKER_OUT_FD, WORKER_EXPAND_MAX,
			     err);
}

/* ---- fetch and extract ------------------------------------------------- */

/* Trusted besides the host's, which have to be told then, too. */
static int read_roots(const char *path, struct buf *roots, struct err *err)
{
	const char *host = http_host_roots();
	int rc = path ? roots_add_file(roots, path, err) : 0;

	if (!rc && path && host)
		(void)roots_add_file(roots, host, NULL); /* or there are none */
	return rc;
}

static int do_fetch(struct worker *w, struct err *err)
{
	struct http *h = NULL;
	struct buf roots;
	int rc;

	buf_init(&roots, 2 * ROOTS_MAX);
	rc = read_roots(w->req.ca_certs, &roots, err);
	if (!rc) {
		worker_jail(-1, -1, true);
		if (worker_out_watch(&w->out))
			rc = no_memory(err);
	}
	if (!rc)
		rc = http_new(w->req.ca_certs ? (const char *)buf_data(&roots)
					      : NULL,
			      buf_len(&roots), &h, err);
	if (!rc)
		rc = fetch(h, w->req.url, w->req.document, WORKER_OUT_FD,
			   &w->out, err);
	(void)http_free(h);
	buf_fini(&roots);
	return rc;
}

static int do_extract(struct worker *w, struct err *err)
{
	worker_jail(WORKER_OUT_FD, -1, false);
	if (worker_out_watch(&w->out))
		return no_memory(err);
	return extract(WORKER_FILE_FD, WORKER_OUT_FD, err);
}

/* ---- the process --------------------------------------------------------- */

static int read_request(struct worker_request *ret, struct err *err)
{
	struct buf b;
	int rc;

	buf_init(&b, WORKER_REQUEST_MAX);
	rc = io_read_all(WORKER_REQUEST_FD, &b);
	if (rc)
		rc = err_sys(err, ERR_INVALID, -rc, "read the request");
	else
		rc = worker_request_parse((const char *)buf_data(&b),
					  buf_len(&b), ret, err);
	if (b.data)
		explicit_bzero(b.data, b.cap); /* it may hold a password */
	buf_fini(&b);
	(void)close(WORKER_REQUEST_FD);
	return rc;
}

static int open_store(struct worker *w, struct err *err)
{
	/* a store is made where there is none, but not a home */
	autoclose int home = open_dir(w->req.home, err);
	autofree char *own = NULL;
	int rc;

	if (home < 0)
		return home;
	if (!w->req.cache) {
		own = str_fmt("%s/cache", w->req.home);
		if (!own)
			return no_memory(err);
	}
	rc = image_store_open(own ? own : w->req.cache, &w->store, err);
	if (rc)
		return rc;
	w->store_open = true;
	return image_store_lock(&w->store, false, err);
}

static int work(struct worker *w, struct err *err)
{
	int rc = read_request(&w->req, err);

	if (!rc && w->req.op == WORKER_FETCH)
		return do_fetch(w, err);
	if (!rc && w->req.op == WORKER_EXTRACT)
		return do_extract(w, err);
	if (!rc)
		rc = open_store(w, err);
	if (rc)
		return rc;
	switch (w->req.op) {
	case WORKER_PULL:
		return do_pull(w, err);
	case WORKER_LOAD:
		return do_load(w, err);
	case WORKER_SAVE:
		return do_save(w, err);
	case WORKER_COMPRESS:
	case WORKER_EXPAND:
		return do_repack(w, err);
	case WORKER_FETCH:
	case WORKER_EXTRACT:
	case WORKER_OP_COUNT:
	default:
		return err_set(err, ERR_INVALID, EINVAL, "no such operation");
	}
}

/* Descriptors are not for credential helpers. */
static void prepare_process(void)
{
	for (int fd = WORKER_REQUEST_FD; fd <= WORKER_OUT_FD; fd++)
		(void)io_set_cloexec(fd, true); /* or it is not open */
	(void)close_range(WORKER_OUT_FD + 1, ~0u, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
	(void)umask(077);
}

int main(void)
{
	struct worker w = { .done = { .type = WORKER_DONE } };
	struct err err = { .kind = ERR_NONE };
	int rc;

	prepare_process();
	worker_out_init(&w.out, WORKER_EVENT_FD);
	rc = work(&w, &err);
	if (w.store_open)
		image_store_close(&w.store);
	if (rc)
		worker_out_error(&w.out, &err);
	else
		worker_out_event(&w.out, &w.done);
	worker_event_fini(&w.done);
	worker_request_fini(&w.req);
	return rc ? EXIT_FAILURE : EXIT_SUCCESS;
}
