/* SPDX-License-Identifier: Apache-2.0 */
/* Builder of a sandbox's configuration: where its root comes from. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/image_int.h"

/* No reference to a registry begins like this. */
static bool is_path_like(const char *text)
{
	return text[0] == '/' || text[0] == '.';
}

static bool is_disk_image(const char *path)
{
	return str_ends(path, ".qcow2") || str_ends(path, ".raw") ||
	       str_ends(path, ".vmdk");
}

static int check_host_path(const char *path, bool disk, struct err *err)
{
	const char *what = disk ? "disk image" : "rootfs bind path";
	struct stat st;

	if (stat(path, &st) < 0) {
		if (errno == ENOENT || errno == ENOTDIR)
			return err_set(err, ERR_INVALID, ENOENT,
				       "%s does not exist: %.300s", what, path);
		return err_sys(err, ERR_INVALID, errno,
			       "%s cannot be used: %.300s", what, path);
	}
	if (disk && !S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, EINVAL,
			       "%s is not a regular file: %.300s", what, path);
	if (!disk && !S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID, ENOTDIR,
			       "%s is not a directory: %.300s", what, path);
	return 0;
}

int root_check(const struct root_config *r, struct err *err)
{
	if (r->kind == ROOT_BIND || r->kind == ROOT_DISK)
		return check_host_path(r->path, r->kind == ROOT_DISK, err);
	return 0;
}

static int set_host_root(msb_config_t *c, const char *path, bool disk,
			 const char *format, const char *fstype,
			 struct err *err)
{
	enum disk_format disk_format = disk_format_of(path);
	autofree char *real = NULL, *fs = NULL;
	int rc = check_host_path(path, disk, err);

	/* by the name that was given: a link may lead to any */
	if (!rc && (format || fstype))
		rc = disk_format_parse(format, fstype, path, &disk_format, &fs,
				       err);
	if (!rc)
		rc = host_path_canonical(path, &real, err);
	if (rc)
		return rc;
	if (faccessat(AT_FDCWD, real, disk ? R_OK | W_OK : R_OK | X_OK,
		      AT_EACCESS) < 0)
		return err_sys(err, ERR_PERMISSION, errno,
			       disk ? "disk image cannot be written: %.300s"
				    : "rootfs bind path cannot be read: %.300s",
			       real);
	root_config_fini(&c->c.root);
	c->c.root.kind = disk ? ROOT_DISK : ROOT_BIND;
	c->c.root.format = disk_format;
	c->c.root.path = take_ptr(real);
	c->c.root.fstype = take_ptr(fs);
	return 0;
}

static int set_reference(msb_config_t *c, const char *image, struct err *err)
{
	struct image_ref ref;
	int rc = image_reference_parse(image, &ref, err);
	char *copy;

	if (rc)
		return rc;
	image_ref_fini(&ref);
	copy = strdup(image);
	if (!copy)
		return api_no_memory(err);
	root_config_fini(&c->c.root);
	c->c.root.kind = ROOT_OCI;
	c->c.root.reference = copy;
	return 0;
}

int config_set_root(msb_config_t *c, enum root_kind kind, const char *source,
		    const char *format, const char *fstype, struct err *err)
{
	if (c->snapshot)
		return err_set(err, ERR_INVALID, EINVAL,
			       "from_snapshot is mutually exclusive with "
			       "explicit rootfs configuration");
	if (!*source)
		return err_set(err, ERR_INVALID, EINVAL,
			       "image source is required");
	if (kind == ROOT_OCI && is_path_like(source))
		return err_set(err, ERR_INVALID, EINVAL,
			       "'%.200s' is a path, not a reference", source);
	if (kind == ROOT_OCI)
		return set_reference(c, source, err);
	return set_host_root(c, source, kind == ROOT_DISK, format, fstype, err);
}

int msb_config_set_image(msb_config_t *c, const char *image, msb_error_t **e)
{
	enum root_kind kind = !is_path_like(image)   ? ROOT_OCI
			      : is_disk_image(image) ? ROOT_DISK
						     : ROOT_BIND;
	struct err err = { 0 };
	int rc = config_set_root(c, kind, image, NULL, NULL, &err);

	return rc ? api_fail_err(&err, rc, e) : 0;
}

int msb_config_set_image_options(msb_config_t *c, const msb_image_options_t *o,
				 msb_error_t **e)
{
	msb_image_options_t *copy = msb_image_options_new();
	struct err err = { 0 };

	if (!copy || image_options_copy(copy, o)) {
		free(copy);
		return api_fail_err(&err, api_no_memory(&err), e);
	}
	msb_image_options_free(c->image_options);
	c->image_options = copy;
	return 0;
}

int msb_config_set_oci_upper_size_mib(msb_config_t *c, uint32_t mib,
				      msb_error_t **e)
{
	struct err err = { 0 };
	int rc = 0;

	if (!mib)
		rc = err_set(&err, ERR_INVALID, ERANGE,
			     "oci upper_size must be greater than 0");
	else if (mib < SANDBOX_UPPER_MIN_MIB || mib > SANDBOX_UPPER_MAX_MIB)
		rc = err_set(&err, ERR_INVALID, ERANGE,
			     "oci upper_size must be from %u to %u MiB; got %u",
			     SANDBOX_UPPER_MIN_MIB, SANDBOX_UPPER_MAX_MIB, mib);
	else
		c->upper_size_mib = mib;
	return rc ? api_fail_err(&err, rc, e) : 0;
}
