/* SPDX-License-Identifier: Apache-2.0 */
/* Removing images: what sandboxes were made from stays. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/image_int.h"
#include "api/snapshot_int.h"
#include "base/buf.h"

/* ---- who needs what ----------------------------------------------------- */

void image_users_fini(struct image_users *u)
{
	strv_fini(&u->configs);
	strv_fini(&u->names);
}

/* Instead of a configuration: the digest alone, which says that it is used. */
static int on_snapshot(void *ctx, msb_snapshot_t *s)
{
	struct image_users *u = ctx;
	char *name = str_fmt("snapshot %s", s->name ? s->name : s->path);
	int rc = strv_add(&u->configs, s->desc.image.text);

	msb_snapshot_free(s);
	if (rc || !name) {
		free(name);
		return -ENOMEM;
	}
	return strv_take(&u->names, name);
}

int image_users_load(msb_t *m, struct image_users *ret, struct err *err)
{
	struct image_users u = { 0 };
	struct sandbox_row *rows = NULL;
	struct catalogue *cat;
	size_t n = 0;
	int rc = api_catalogue(m, false, &cat, err);

	if (!rc && cat)
		rc = catalogue_list(cat, &rows, &n, err);
	for (size_t i = 0; !rc && i < n; i++)
		if (strv_add(&u.configs, rows[i].config) ||
		    strv_add(&u.names, rows[i].name))
			rc = api_no_memory(err);
	sandbox_rows_free(rows, n);
	if (!rc)
		rc = snapshot_each(m, on_snapshot, &u, err);
	if (rc) {
		image_users_fini(&u);
		return rc;
	}
	*ret = u;
	return 0;
}

static bool config_uses(const char *text, const struct digest *manifest)
{
	struct sandbox_config c;
	bool used;

	if (!strstr(text, manifest->text))
		return false;
	if (sandbox_config_from_json(text, &c, NULL))
		return true; /* it says so, but not how */
	used = str_eq(c.root.manifest_digest, manifest->text);
	sandbox_config_fini(&c);
	return used;
}

bool image_is_used(void *users, const struct digest *manifest)
{
	const struct image_users *u = users;

	for (size_t i = 0; i < u->configs.n; i++)
		if (config_uses(u->configs.v[i], manifest))
			return true;
	return false;
}

static int in_use(struct err *err, const struct image_users *u,
		  const struct digest *manifest)
{
	struct buf b;
	int rc;

	buf_init(&b, 400);
	for (size_t i = 0; i < u->configs.n; i++)
		if (config_uses(u->configs.v[i], manifest))
			(void)buf_printf(&b, "%s%s", buf_len(&b) ? ", " : "",
					 u->names.v[i]);
	b.failed = false; /* as many as fit */
	rc = err_set(err, ERR_IMAGE_IN_USE, EBUSY, "%s",
		     buf_cstr(&b) ? buf_cstr(&b) : "?");
	buf_fini(&b);
	return rc;
}

/* ---- removing ----------------------------------------------------------- */

/* The store locked against everybody, and who needs its images. */
struct removal {
	struct image_store s;
	struct image_users users;
};

static void removal_end(struct removal *r)
{
	image_users_fini(&r->users);
	image_store_close(&r->s);
}

static int removal_begin(msb_t *m, struct removal *ret, struct err *err)
{
	struct removal r = { 0 };
	int rc = image_store_of(m, &r.s, err);

	if (rc)
		return rc;
	rc = image_store_lock(&r.s, true, err);
	if (!rc) /* after the lock: a create may just have ended */
		rc = image_users_load(m, &r.users, err);
	if (rc) {
		image_store_close(&r.s);
		return rc;
	}
	*ret = r;
	return 0;
}

struct wanted {
	const char *canonical;
	struct digest manifest;
	bool found;
};

static int on_name(void *ctx, const struct image_name *n)
{
	struct wanted *w = ctx;

	if (strcmp(w->canonical, n->reference) != 0)
		return 0;
	w->manifest = n->manifest_digest;
	w->found = true;
	return 1;
}

static int check_unused(struct removal *r, const struct image_ref *ref,
			struct err *err)
{
	autofree char *canonical = image_ref_canonical(ref);
	struct wanted w = { .canonical = canonical };
	int rc;

	if (!canonical)
		return api_no_memory(err);
	rc = image_store_names(&r->s, on_name, &w, err);
	if (rc < 0)
		return rc;
	if (w.found && image_is_used(&r->users, &w.manifest))
		return in_use(err, &r->users, &w.manifest);
	return 0;
}

int msb_image_remove(msb_t *m, const char *reference, bool force,
		     msb_error_t **ret_err)
{
	struct image_freed freed;
	struct image_ref ref;
	struct removal r;
	struct err err = { 0 };
	int rc = image_reference_parse(reference, &ref, &err);

	if (rc)
		return api_fail_err(&err, rc, ret_err);
	rc = removal_begin(m, &r, &err);
	if (!rc) {
		rc = force ? 0 : check_unused(&r, &ref, &err);
		if (!rc)
			rc = image_store_remove_name(&r.s, &ref, image_is_used,
						     &r.users, &freed, &err);
		if (rc == -ENOENT)
			rc = err_set(&err, ERR_IMAGE_NOT_FOUND, ENOENT,
				     "%.300s", reference);
		removal_end(&r);
	}
	image_ref_fini(&ref);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

int msb_image_prune(msb_t *m, msb_image_freed_t *ret, msb_error_t **ret_err)
{
	struct image_freed freed = { 0 };
	struct removal r;
	struct err err = { 0 };
	int rc = removal_begin(m, &r, &err);

	if (!rc) {
		rc = image_store_prune(&r.s, image_is_used, &r.users, &freed,
				       &err);
		removal_end(&r);
	}
	if (rc)
		return api_fail_err(&err, rc, ret_err);
	if (ret && ret->struct_size >= sizeof(*ret)) {
		ret->references = freed.names;
		ret->manifests = freed.manifests;
		ret->layers = freed.layers;
		ret->merged = freed.merged;
		ret->bytes = freed.bytes;
	}
	return 0;
}
