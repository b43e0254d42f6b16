/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandboxes made from images: what they inherit, their writable layer, the
 * files that their disks consist of.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/image_int.h"
#include "api/snapshot_int.h"
#include "base/user.h"
#include "image/ext4.h"
#include "store/labels.h"

#define TMP_SHARE 4u /* of the memory */
#define TMP_MIN_MIB 1u
#define TMP_MAX_MIB 512u

/* What a boot needs of the image. */
static int add_image(const struct image_store *s, const struct image *img,
		     const char *user, struct boot_plan *p, struct err *err)
{
	char *path = image_store_merged_path(s, &img->manifest_digest);
	int rc = path ? strv_take(&p->lower, path) : -ENOMEM;

	for (size_t i = 0; !rc && i < img->nlayers; i++) {
		path = image_store_layer_path(s, &img->layers[i].diff_id);
		rc = path ? strv_take(&p->lower, path) : -ENOMEM;
	}
	if (rc)
		return api_no_memory(err);
	image_mark_used(s, &img->manifest_digest);
	/* one that is not known is told by the guest */
	if (user)
		(void)user_lookup(user, img->passwd, &p->uid, &p->gid);
	return 0;
}

/* ---- inheritance -------------------------------------------------------- */

/* The guest's own names are not for images, and neither is what is no entry. */
static bool is_env_entry(const char *entry)
{
	size_t n = strcspn(entry, "=");

	return n && entry[n] && !str_starts(entry, "MSB_");
}

/* The image's entries first, without those that the user gave another value;
 * then the user's. */
static int inherit_env(struct sandbox_config *c, const struct strv *env)
{
	struct strv all = { 0 };
	int rc = 0;

	for (size_t i = 0; !rc && i < env->n; i++) {
		size_t n = strcspn(env->v[i], "=");
		autofree char *key = str_fmt("%.*s", (int)n, env->v[i]);

		if (!key)
			rc = -ENOMEM;
		else if (is_env_entry(env->v[i]) && !strv_env_get(&c->env, key))
			rc = strv_env_set(&all, env->v[i]);
	}
	for (size_t i = 0; !rc && i < c->env.n; i++)
		rc = strv_env_set(&all, c->env.v[i]);
	if (rc) {
		strv_fini(&all);
		return rc;
	}
	strv_fini(&c->env);
	c->env = all;
	return 0;
}

/* Likewise. Labels that a sandbox cannot have are left to the image. */
static int inherit_labels(struct sandbox_config *c, const struct strv *labels)
{
	int rc = 0;

	for (size_t i = 0; rc != -ENOMEM && i < labels->n; i++)
		if (!labels_have(&c->labels, labels->v[i]))
			rc = labels_add(&c->labels, labels->v[i], NULL);
	labels_sort(&c->labels);
	return rc == -ENOMEM ? rc : 0;
}

static int inherit_words(struct strv *to, const struct strv *from)
{
	return to->n ? 0 : strv_copy(to, from);
}

/* "1000:" is 1000: what comes after the colon is optional in images. */
static int inherit_user(struct sandbox_config *c, const char *user,
			struct err *err)
{
	autofree char *copy = NULL;
	size_t len = user ? strlen(user) : 0;
	int rc;

	if (len && user[len - 1] == ':')
		len--;
	if (c->user || !len)
		return 0;
	copy = str_fmt("%.*s", (int)len, user);
	if (!copy)
		return api_no_memory(err);
	rc = user_check(copy, err);
	if (rc) {
		err_prefix(err, "the image's user");
		return rc;
	}
	c->user = take_ptr(copy);
	return 0;
}

/* Images may name their directory without the "/" in front. */
static int inherit_workdir(struct sandbox_config *c, const char *workdir,
			   bool given)
{
	char *path;

	if (given || !workdir || !*workdir)
		return 0;
	path = str_fmt("%s%s", *workdir == '/' ? "" : "/", workdir);
	if (!path)
		return -ENOMEM;
	free(c->workdir);
	c->workdir = path;
	return 0;
}

static int inherit(struct sandbox_config *c, const struct oci_config *from,
		   bool workdir_given, struct err *err)
{
	int rc = inherit_env(c, &from->env);

	if (!rc)
		rc = inherit_labels(c, &from->labels);
	if (!rc)
		rc = inherit_words(&c->entrypoint, &from->entrypoint);
	if (!rc)
		rc = inherit_words(&c->cmd, &from->cmd);
	if (!rc)
		rc = inherit_workdir(c, from->workdir, workdir_given);
	return rc ? api_no_memory(err) : inherit_user(c, from->user, err);
}

/* ---- defaults ----------------------------------------------------------- */

/* /tmp in memory, unless something is mounted there already. */
static int default_tmp(struct sandbox_config *c, struct err *err)
{
	struct mount_config m = { .kind = MOUNT_TMPFS };

	for (size_t i = 0; i < c->nmounts; i++)
		if (!strcmp(c->mounts[i].guest, "/tmp"))
			return 0;
	m.size_mib = c->memory_mib / TMP_SHARE;
	if (m.size_mib < TMP_MIN_MIB)
		m.size_mib = TMP_MIN_MIB;
	if (m.size_mib > TMP_MAX_MIB)
		m.size_mib = TMP_MAX_MIB;
	m.guest = strdup("/tmp");
	return m.guest ? mounts_add(c, &m, err) : api_no_memory(err);
}

static int settle(struct sandbox_config *c, const struct image *img,
		  bool workdir_given, struct err *err)
{
	int rc = inherit(c, &img->config, workdir_given, err);

	if (!rc)
		rc = default_tmp(c, err);
	if (rc)
		return rc;
	free(c->root.manifest_digest);
	c->root.manifest_digest = strdup(img->manifest_digest.text);
	return c->root.manifest_digest ? 0 : api_no_memory(err);
}

/* ---- when it is made ----------------------------------------------------- */

/* What the reference names now. */
static int find_named(msb_t *m, const struct image_store *s,
		      const msb_config_t *given, struct root_config *r,
		      struct image *ret, struct err *err)
{
	struct image_ref ref;
	int rc = image_reference_parse(r->reference, &ref, err);

	if (rc)
		return rc;
	rc = image_resolve(m, s, &ref, given->image_options, ret, NULL, err);
	image_ref_fini(&ref);
	r->upper_size_mib = given->upper_size_mib ? given->upper_size_mib
						  : m->cfg.upper_size_mib;
	return rc;
}

/* What a snapshot was taken above: that very image, wherever it comes from. */
static int find_pinned(msb_t *m, const struct image_store *s,
		       const msb_config_t *given, const struct root_config *r,
		       struct image *ret, struct err *err)
{
	struct digest digest;
	struct image img;
	struct image_ref ref;
	int rc;

	if (digest_parse(r->manifest_digest, &digest))
		return err_set(err, ERR_INVALID, EINVAL,
			       "the snapshot names no image");
	rc = image_store_find_digest(s, &digest, ret, err);
	if (rc != -ENOENT)
		return rc;
	rc = image_reference_parse(r->reference, &ref, err);
	if (rc)
		return rc;
	rc = image_resolve(m, s, &ref, given->image_options, &img, NULL, err);
	image_ref_fini(&ref);
	if (!rc) {
		image_fini(&img);
		rc = image_store_find_digest(s, &digest, ret, err);
	}
	if (!rc)
		return 0;
	if (rc == -ENOENT) /* it is another one by now */
		err_clear(err);
	return err_set(err, ERR_SNAPSHOT_IMAGE_MISSING, ENOENT, "%.200s (%s)",
		       r->reference, digest.text);
}

int image_root_settle(msb_t *m, const struct image_store *s,
		      const msb_config_t *given, struct sandbox_config *c,
		      struct boot_plan *p, struct err *err)
{
	struct image img = { .manifest = NULL };
	int rc = given->snapshot ? find_pinned(m, s, given, &c->root, &img, err)
				 : find_named(m, s, given, &c->root, &img, err);

	if (rc)
		return rc;
	rc = settle(c, &img, given->workdir_given, err);
	if (!rc)
		rc = add_image(s, &img, c->user, p, err);
	image_fini(&img);
	return rc;
}

int image_root_make_upper(const msb_t *m, const msb_config_t *given,
			  const struct sandbox_config *c, struct err *err)
{
	autoclose int dirfd = home_sandbox_open(&m->home, c->name, NULL);
	autoclose int fd = -1;

	if (dirfd < 0)
		return path_err(err, -dirfd, "open the directory of", c->name);
	fd = openat(dirfd, SANDBOX_UPPER,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return path_err(err, errno, "make the writable layer of",
				c->name);
	if (given->snapshot)
		return snapshot_copy_upper(given->snapshot,
					   c->root.manifest_digest, fd, err);
	return ext4_create(fd, (uint64_t)c->root.upper_size_mib << 20, err);
}

/* ---- disks of a boot ---------------------------------------------------- */

/* The image is not in the cache any more, or not whole. */
static int repair(msb_t *m, const struct image_store *s,
		  const struct root_config *r, const struct digest *digest,
		  struct image *ret, struct err *err)
{
	struct image_ref ref;
	struct image img;
	int rc = image_reference_parse(r->reference, &ref, err);

	if (rc)
		return rc;
	rc = image_resolve(m, s, &ref, NULL, &img, NULL, err);
	image_ref_fini(&ref);
	if (rc) {
		err_prefix(err,
			   "the image '%.200s' that the sandbox was made from "
			   "is damaged or missing, and could not be got again",
			   r->reference);
		return rc;
	}
	image_fini(&img);
	rc = image_store_find_digest(s, digest, ret, err);
	if (rc == -ENOENT)
		return err_set(err, ERR_IMAGE, ENOENT,
			       "the image that the sandbox was made from, %s, "
			       "is damaged or missing, and '%.200s' is another "
			       "one now",
			       digest->text, r->reference);
	return rc;
}

static int check_upper(const msb_t *m, const char *name, struct err *err)
{
	autoclose int dirfd = home_sandbox_open(&m->home, name, NULL);

	if (dirfd >= 0 && faccessat(dirfd, SANDBOX_UPPER, R_OK | W_OK, 0) == 0)
		return 0;
	return path_err(err, dirfd < 0 ? -dirfd : errno,
			"open the writable layer of", name);
}

static int plan(msb_t *m, const struct image_store *s,
		const struct sandbox_config *c, struct boot_plan *p,
		struct err *err)
{
	struct digest digest;
	struct image img;
	int rc;

	if (!c->root.reference || !c->root.manifest_digest ||
	    digest_parse(c->root.manifest_digest, &digest))
		return err_set(err, ERR_INVALID, EINVAL,
			       "the stored configuration names no image");
	rc = image_store_find_digest(s, &digest, &img, err);
	if (rc == -ENOENT)
		rc = repair(m, s, &c->root, &digest, &img, err);
	if (rc)
		return rc;
	rc = add_image(s, &img, c->user, p, err);
	image_fini(&img);
	return rc;
}

int image_root_plan(msb_t *m, const struct sandbox_config *c,
		    struct boot_plan *p, struct err *err)
{
	struct image_store s;
	int rc = check_upper(m, c->name, err);

	if (rc)
		return rc;
	rc = image_store_of(m, &s, err);
	if (rc)
		return rc;
	rc = image_store_lock(&s, false, err);
	if (!rc)
		rc = plan(m, &s, c, p, err);
	image_store_close(&s);
	return rc;
}
