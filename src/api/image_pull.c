/* SPDX-License-Identifier: Apache-2.0 */
/* Getting images into the cache, and out of it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "api/image_int.h"

int image_store_of(const msb_t *m, struct image_store *ret, struct err *err)
{
	return image_store_open(m->home.place[HOME_CACHE], ret, err);
}

int image_reference_parse(const char *text, struct image_ref *ret,
			  struct err *err)
{
	int rc = image_ref_parse(text, ret, err);

	if (rc)
		err_prefix(err, "invalid image reference");
	return rc;
}

/* In words of the library's user, who has asked for an image. */
static int not_found(struct err *err, const struct image_ref *ref)
{
	autofree char *text = image_ref_short(ref);

	return err_set(err, ERR_IMAGE, ENOENT, "image not cached: %.300s",
		       text ? text : "?");
}

/* ---- what comes with the product ---------------------------------------- */

/* Path of the archive of docker.io/library/NAME:latest, or NULL. */
static char *shipped(const msb_t *m, const struct image_ref *ref)
{
	static const char library[] = "library/";

	if (ref->has_digest || strcmp(ref->registry, "docker.io") != 0 ||
	    !str_starts(ref->repository, library) ||
	    strcmp(ref->tag, "latest") != 0)
		return NULL;
	return artefact_find_image(m, ref->repository + strlen(library));
}

static int load_shipped(msb_t *m, const char *path, const char *canonical,
			const struct msb_image_options *o, struct err *err)
{
	struct worker_request r = { .op = WORKER_LOAD,
				    .input = (char *)(uintptr_t)path };
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct worker_event done;
	int rc;

	if (fd < 0)
		return path_err(err, errno, "open", path);
	if (strv_add(&r.references, canonical))
		return api_no_memory(err);
	rc = image_worker_run(m, &r, fd, o, &done, err);
	strv_fini(&r.references);
	if (!rc)
		worker_event_fini(&done);
	return rc;
}

/* ---- pulling ------------------------------------------------------------ */

static int fetch(msb_t *m, const char *canonical,
		 const struct msb_image_options *o, struct err *err)
{
	struct worker_request r = { .op = WORKER_PULL,
				    .reference = (char *)(uintptr_t)canonical };
	struct worker_event done;
	int rc;

	if (o) {
		r.always = o->policy == MSB_PULL_ALWAYS;
		r.force = o->force;
		r.insecure = o->insecure;
		r.ca_certs = o->ca_certs;
		r.username = o->username;
		r.password = o->password;
	}
	rc = image_worker_run(m, &r, -1, o, &done, err);
	if (!rc)
		worker_event_fini(&done);
	return rc;
}

/* From the product or its registry; afterwards it is in the cache. */
static int obtain(msb_t *m, const struct image_ref *ref,
		  const struct msb_image_options *o, struct err *err)
{
	bool asked = o && (o->force || o->policy == MSB_PULL_ALWAYS);
	autofree char *canonical = image_ref_canonical(ref);
	autofree char *path = asked ? NULL : shipped(m, ref);

	if (!canonical)
		return api_no_memory(err);
	if (path)
		return load_shipped(m, path, canonical, o, err);
	if (o && o->policy == MSB_PULL_NEVER)
		return not_found(err, ref);
	return fetch(m, canonical, o, err);
}

int image_resolve(msb_t *m, const struct image_store *s,
		  const struct image_ref *ref,
		  const struct msb_image_options *o, struct image *ret,
		  bool *ret_cached, struct err *err)
{
	const msb_image_event_t done = { .struct_size = sizeof(done),
					 .kind = MSB_IMAGE_DONE };
	bool asked = o && (o->force || o->policy == MSB_PULL_ALWAYS);
	int rc = asked ? -ENOENT : image_store_find(s, ref, ret, err);

	if (ret_cached)
		*ret_cached = rc == 0;
	if (rc != -ENOENT)
		return rc;
	rc = obtain(m, ref, o, err);
	if (rc)
		return rc;
	rc = image_store_find(s, ref, ret, err);
	if (rc == -ENOENT)
		return not_found(err, ref);
	if (!rc)
		(void)image_options_tell(o, &done); /* too late to cancel */
	return rc;
}

int msb_image_pull(msb_t *m, const char *reference,
		   const msb_image_options_t *o, bool *ret_cached,
		   msb_error_t **ret_err)
{
	struct image_store s;
	struct image_ref ref;
	struct image img;
	struct err err = { 0 };
	int rc = image_reference_parse(reference, &ref, &err);

	if (rc)
		return api_fail_err(&err, rc, ret_err);
	rc = image_store_of(m, &s, &err);
	if (!rc) {
		rc = image_store_lock(&s, false, &err);
		if (!rc)
			rc = image_resolve(m, &s, &ref, o, &img, ret_cached,
					   &err);
		if (!rc)
			image_fini(&img);
		image_store_close(&s);
	}
	image_ref_fini(&ref);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

/* ---- archives ----------------------------------------------------------- */

/* Canonical forms of what a user wrote. */
static int add_references(struct strv *out, const char *const *references,
			  size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		struct image_ref ref;
		char *text;
		int rc = image_reference_parse(references[i], &ref, err);

		if (rc)
			return rc;
		text = image_ref_canonical(&ref);
		image_ref_fini(&ref);
		if (!text || strv_take(out, text))
			return api_no_memory(err);
	}
	return 0;
}

int msb_image_load(msb_t *m, int fd, const char *input,
		   const char *const *references, size_t n,
		   const msb_image_options_t *o, msb_image_list_t **ret_loaded,
		   msb_error_t **ret_err)
{
	struct worker_request r = { .op = WORKER_LOAD,
				    .input = (char *)(uintptr_t)input };
	struct worker_event done;
	struct err err = { 0 };
	int rc = add_references(&r.references, references, n, &err);

	if (!rc)
		rc = image_worker_run(m, &r, fd, o, &done, &err);
	strv_fini(&r.references);
	if (rc)
		return api_fail_err(&err, rc, ret_err);
	if (ret_loaded)
		rc = image_list_of(m, &done, ret_loaded, &err);
	worker_event_fini(&done);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

/* All of them are in the cache, or the first that is not is named. */
static int check_cached(const struct image_store *s, const struct strv *names,
			struct err *err)
{
	for (size_t i = 0; i < names->n; i++) {
		struct image_ref ref;
		struct image img;
		int rc = image_reference_parse(names->v[i], &ref, err);

		if (rc)
			return rc;
		rc = image_store_find(s, &ref, &img, err);
		if (!rc)
			image_fini(&img);
		else if (rc == -ENOENT)
			rc = not_found(err, &ref);
		image_ref_fini(&ref);
		if (rc)
			return rc;
	}
	return 0;
}

int msb_image_save(msb_t *m, const char *const *references, size_t n,
		   msb_archive_t format, int fd, const msb_image_options_t *o,
		   msb_error_t **ret_err)
{
	struct worker_request r = { .op = WORKER_SAVE,
				    .docker = format == MSB_ARCHIVE_DOCKER };
	struct worker_event done;
	struct image_store s;
	struct err err = { 0 };
	int rc = add_references(&r.references, references, n, &err);

	if (!rc && !n)
		rc = err_set(&err, ERR_INVALID, EINVAL, "no image to save");
	if (!rc)
		rc = image_store_of(m, &s, &err);
	if (!rc) {
		rc = image_store_lock(&s, false, &err);
		if (!rc)
			rc = check_cached(&s, &r.references, &err);
		if (!rc)
			rc = image_worker_run(m, &r, fd, o, &done, &err);
		if (!rc)
			worker_event_fini(&done);
		image_store_close(&s);
	}
	strv_fini(&r.references);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}
