/* SPDX-License-Identifier: Apache-2.0 */
/* Options of pulling, loading and saving images. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/image_int.h"

msb_image_options_t *msb_image_options_new(void)
{
	return calloc(1, sizeof(msb_image_options_t));
}

static void free_secret(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

void image_options_fini(struct msb_image_options *o)
{
	free(o->ca_certs);
	free(o->username);
	free_secret(o->password);
	memset(o, 0, sizeof(*o));
}

void msb_image_options_free(msb_image_options_t *o)
{
	if (!o)
		return;
	image_options_fini(o);
	free(o);
}

int image_options_copy(struct msb_image_options *to,
		       const struct msb_image_options *from)
{
	struct msb_image_options copy = { 0 };

	if (from) {
		copy = *from;
		copy.ca_certs = from->ca_certs ? strdup(from->ca_certs) : NULL;
		copy.username = from->username ? strdup(from->username) : NULL;
		copy.password = from->password ? strdup(from->password) : NULL;
		if (!copy.ca_certs != !from->ca_certs ||
		    !copy.username != !from->username ||
		    !copy.password != !from->password) {
			image_options_fini(&copy);
			return -ENOMEM;
		}
	}
	*to = copy;
	return 0;
}

int image_options_tell(const struct msb_image_options *o,
		       const msb_image_event_t *event)
{
	return o && o->progress ? o->progress(o->progress_ctx, event) : 0;
}

void msb_image_options_set_policy(msb_image_options_t *o, msb_pull_policy_t p)
{
	o->policy = p;
}

void msb_image_options_set_force(msb_image_options_t *o, bool on)
{
	o->force = on;
}

void msb_image_options_set_insecure(msb_image_options_t *o, bool on)
{
	o->insecure = on;
}

static int check_text(const char *what, const char *text, struct err *err)
{
	if (*text && utf8_valid(text, strlen(text)))
		return 0;
	return err_set(err, ERR_INVALID, EINVAL, "%s is %s", what,
		       *text ? "not valid UTF-8" : "empty");
}

static int replace(char **field, const char *text, struct err *err)
{
	char *copy = strdup(text);

	if (!copy)
		return api_no_memory(err);
	free_secret(*field);
	*field = copy;
	return 0;
}

static int set_ca_certs(msb_image_options_t *o, const char *path,
			struct err *err)
{
	autofree char *real = realpath(path, NULL);
	int rc;

	if (!real || access(real, R_OK) < 0)
		return err_sys(err, ERR_INVALID, errno,
			       "failed to read CA certs from `%.300s`", path);
	rc = check_text("path of CA certs", real, err);
	return rc ? rc : replace(&o->ca_certs, real, err);
}

int msb_image_options_set_ca_certs(msb_image_options_t *o, const char *path,
				   msb_error_t **e)
{
	struct err err = { 0 };
	int rc = set_ca_certs(o, path, &err);

	return rc ? api_fail_err(&err, rc, e) : 0;
}

int msb_image_options_set_login(msb_image_options_t *o, const char *username,
				const char *password, msb_error_t **e)
{
	struct err err = { 0 };
	int rc = check_text("user name", username, &err);

	if (!rc)
		rc = check_text("password", password, &err);
	if (!rc)
		rc = replace(&o->username, username, &err);
	if (!rc)
		rc = replace(&o->password, password, &err);
	return rc ? api_fail_err(&err, rc, e) : 0;
}

void msb_image_options_set_progress(msb_image_options_t *o,
				    msb_image_progress_fn fn, void *ctx)
{
	o->progress = fn;
	o->progress_ctx = ctx;
}
