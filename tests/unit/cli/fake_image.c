/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in library's images and registries. There are two images: "alpine",
 * and "ghcr.io/org/app:v1", whose files are missing. A pull takes FAKE_PULL_MS
 * of time between its events; one of "alpine" is cached, one of "broken" fails.
 * Removing "used" fails, and any reference with "missing" in it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "fake.h"

struct msb_image {
	const char *reference, *canonical, *digest, *json;
	int64_t size;
};

struct msb_image_list {
	size_t n;
};

struct msb_image_options {
	msb_pull_policy_t policy;
	bool force, insecure;
	char ca_certs[64];
	msb_image_progress_fn progress;
	void *ctx;
};

#define DIGEST                                                                 \
	"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abc" \
	"def"

static const struct msb_image images[] = {
	{ "alpine", "docker.io/library/alpine:latest", DIGEST,
	  "{\"reference\":\"alpine\",\"digest\":\"" DIGEST "\","
	  "\"size_bytes\":1572864,\"architecture\":\"amd64\",\"os\":\"linux\","
	  "\"layer_count\":1,\"created_at\":\"2026-05-22T10:11:12+00:00\","
	  "\"config\":{\"cmd\":[\"sh\",\"-c\"],\"digest\":\"" DIGEST "\","
	  "\"entrypoint\":null,\"env\":[\"A=b\"],\"labels\":{},"
	  "\"stop_signal\":null,\"user\":\"web\",\"working_dir\":\"/srv\"},"
	  "\"layers\":[{\"blob_digest\":\"" DIGEST "\","
	  "\"compressed_size_bytes\":1572864,\"diff_id\":\"" DIGEST "\","
	  "\"erofs_size_bytes\":4096,\"media_type\":\"application/x\","
	  "\"position\":0}]}",
	  1572864 },
	{ "ghcr.io/org/app:v1", "ghcr.io/org/app:v1", DIGEST,
	  "{\"reference\":\"ghcr.io/org/app:v1\",\"digest\":\"" DIGEST "\","
	  "\"size_bytes\":null,\"architecture\":null,\"os\":null,"
	  "\"layer_count\":null,"
	  "\"created_at\":\"2026-05-22T10:11:12+00:00\"}",
	  -1 },
};

msb_image_options_t *msb_image_options_new(void)
{
	return calloc(1, sizeof(msb_image_options_t));
}

void msb_image_options_free(msb_image_options_t *o)
{
	free(o);
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

int msb_image_options_set_ca_certs(msb_image_options_t *o, const char *path,
				   msb_error_t **e)
{
	(void)e;
	(void)snprintf(o->ca_certs, sizeof(o->ca_certs), "%s", path);
	return 0;
}

void msb_image_options_set_progress(msb_image_options_t *o,
				    msb_image_progress_fn fn, void *ctx)
{
	o->progress = fn;
	o->ctx = ctx;
}

int msb_config_set_image_options(msb_config_t *c, const msb_image_options_t *o,
				 msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_image_options %d", (int)o->policy);
	return 0;
}

int msb_config_set_oci_upper_size_mib(msb_config_t *c, uint32_t mib,
				      msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_oci_upper_size_mib %u", mib);
	return 0;
}

/* ---- pulling ------------------------------------------------------------ */

#define LAYERS 3

static void pause_between(void)
{
	const char *text = getenv("FAKE_PULL_MS");
	uint32_t ms = 0;
	struct timespec t;

	if (!text || str_to_u32(text, &ms) || !ms)
		return;
	t.tv_sec = ms / 1000;
	t.tv_nsec = (long)(ms % 1000) * 1000000;
	(void)nanosleep(&t, NULL);
}

static void tell(const msb_image_options_t *o, msb_image_event_t e)
{
	e.struct_size = sizeof(e);
	e.layer_count = LAYERS;
	if (o && o->progress)
		(void)o->progress(o->ctx, &e);
	pause_between();
}

static void tell_all(const char *reference, const msb_image_options_t *o)
{
	static const uint64_t sizes[LAYERS] = { 1000, 5 << 20, 3ull << 30 };
	const uint64_t total = sizes[0] + sizes[1] + sizes[2];

	tell(o, (msb_image_event_t){ .kind = MSB_IMAGE_RESOLVING,
				     .reference = reference });
	tell(o, (msb_image_event_t){ .kind = MSB_IMAGE_RESOLVED,
				     .reference = reference,
				     .layer_bytes = sizes,
				     .total = total });
	tell(o, (msb_image_event_t){ .kind = MSB_IMAGE_CACHED });
	for (uint64_t step = 1; step <= 4; step++)
		for (size_t i = 1; i < LAYERS; i++)
			tell(o,
			     (msb_image_event_t){ .kind = MSB_IMAGE_DOWNLOAD,
						  .layer = i,
						  .bytes = sizes[i] / 4 * step,
						  .total = sizes[i] });
	tell(o, (msb_image_event_t){ .kind = MSB_IMAGE_NOTE,
				     .message = "a \033[31mnote" });
	for (size_t i = 1; i < LAYERS; i++)
		tell(o, (msb_image_event_t){ .kind = MSB_IMAGE_LAYER,
					     .layer = i });
	tell(o, (msb_image_event_t){ .kind = MSB_IMAGE_MERGING });
	tell(o, (msb_image_event_t){ .kind = MSB_IMAGE_DONE });
}

int msb_image_pull(msb_t *m, const char *reference,
		   const msb_image_options_t *o, bool *ret_cached,
		   msb_error_t **ret_err)
{
	fake_called(m, "pull %s %d %d %s", reference, o->force, o->insecure,
		    o->ca_certs);
	if (!strcmp(reference, "broken"))
		return fake_fail(ret_err, MSB_ERR_IMAGE, EIO,
				 "image error: ", "the registry is broken");
	*ret_cached = !strcmp(reference, "alpine");
	if (!*ret_cached)
		tell_all(reference, o);
	return 0;
}

int msb_image_load(msb_t *m, int fd, const char *input,
		   const char *const *references, size_t n,
		   const msb_image_options_t *o, msb_image_list_t **ret_loaded,
		   msb_error_t **ret_err)
{
	char text[16] = "";

	(void)io_read(fd, text, sizeof(text) - 1);
	fake_called(m, "load %s <%s> %s", input, text,
		    n ? references[n - 1] : "-");
	tell_all(input, o);
	return msb_image_list(m, ret_loaded, ret_err);
}

int msb_image_save(msb_t *m, const char *const *references, size_t n,
		   msb_archive_t format, int fd, const msb_image_options_t *o,
		   msb_error_t **ret_err)
{
	const char *text = format == MSB_ARCHIVE_OCI ? "oci" : "docker";

	(void)m;
	(void)o;
	for (size_t i = 0; i < n; i++) {
		if (strstr(references[i], "missing"))
			return fake_fail(ret_err, MSB_ERR_IMAGE, ENOENT,
					 "image error: ", "image not cached");
		(void)io_write_full(fd, references[i], strlen(references[i]));
	}
	return io_write_full(fd, text, strlen(text));
}

/* ---- the cache ---------------------------------------------------------- */

int msb_image_get(msb_t *m, const char *reference, msb_image_t **ret,
		  msb_error_t **ret_err)
{
	(void)m;
	if (strstr(reference, "missing"))
		return fake_fail(ret_err, MSB_ERR_IMAGE_NOT_FOUND, ENOENT,
				 "image not found: ", reference);
	*ret = malloc(sizeof(**ret));
	if (*ret)
		**ret = images[0];
	return *ret ? 0 : -1;
}

void msb_image_free(msb_image_t *img)
{
	free(img);
}

int msb_image_list(msb_t *m, msb_image_list_t **ret, msb_error_t **ret_err)
{
	(void)m;
	(void)ret_err;
	*ret = calloc(1, sizeof(**ret));
	if (*ret)
		(*ret)->n = getenv("FAKE_NO_IMAGES") ? 0 : ARRAY_SIZE(images);
	return *ret ? 0 : -1;
}

size_t msb_image_list_count(const msb_image_list_t *l)
{
	return l->n;
}

const msb_image_t *msb_image_list_item(const msb_image_list_t *l, size_t i)
{
	return i < l->n ? &images[i] : NULL;
}

void msb_image_list_free(msb_image_list_t *l)
{
	free(l);
}

const char *msb_image_reference(const msb_image_t *img)
{
	return img->reference;
}

const char *msb_image_canonical(const msb_image_t *img)
{
	return img->canonical;
}

const char *msb_image_digest(const msb_image_t *img)
{
	return img->digest;
}

int64_t msb_image_created_unix_ms(const msb_image_t *img)
{
	(void)img;
	return 1779444672000;
}

int64_t msb_image_size_bytes(const msb_image_t *img)
{
	return img->size;
}

const char *msb_image_json(const msb_image_t *img)
{
	return img->json;
}

int msb_image_remove(msb_t *m, const char *reference, bool force,
		     msb_error_t **ret_err)
{
	fake_called(m, "rmi %s %d", reference, force);
	if (strstr(reference, "missing"))
		return fake_fail(ret_err, MSB_ERR_IMAGE_NOT_FOUND, ENOENT,
				 "image not found: ", reference);
	if (!strcmp(reference, "used") && !force)
		return fake_fail(ret_err, MSB_ERR_IMAGE_IN_USE, EBUSY,
				 "image in use by sandbox(es): ", "box");
	return 0;
}

int msb_image_prune(msb_t *m, msb_image_freed_t *ret, msb_error_t **ret_err)
{
	(void)m;
	(void)ret_err;
	ret->references = 1;
	ret->manifests = 2;
	ret->layers = 3;
	ret->merged = 4;
	ret->bytes = 5 << 20;
	return 0;
}

/* ---- registries --------------------------------------------------------- */

/* The password goes to standard output, for the test to see. */
int msb_registry_login(msb_t *m, const char *host, const char *username,
		       const char *password, msb_error_t **ret_err)
{
	(void)m;
	(void)ret_err;
	(void)printf("%s %s <%s>\n", host, username, password);
	(void)fflush(stdout);
	return 0;
}

int msb_registry_logout(msb_t *m, const char *host, bool *ret_found,
			msb_error_t **ret_err)
{
	(void)m;
	(void)ret_err;
	*ret_found = !strcmp(host, "ghcr.io");
	return 0;
}

int msb_registry_list(msb_t *m,
		      int (*fn)(void *ctx, const msb_registry_t *registry),
		      void *ctx, msb_error_t **ret_err)
{
	const msb_registry_t r = { .struct_size = sizeof(r),
				   .host = "ghcr.io",
				   .username = "me",
				   .source = "secret_name" };

	(void)m;
	(void)ret_err;
	if (!getenv("FAKE_NO_REGISTRIES"))
		(void)fn(ctx, &r);
	return 0;
}
