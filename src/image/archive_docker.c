/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `docker save` makes: manifest.json is an array of
 * {"Config": FILE, "RepoTags": [NAME...], "Layers": [FILE...]}. There is no
 * manifest as registries have it, so one is made.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "image/archive_load_int.h"
#include "image/oci_json.h"
#include "image/store_int.h"

#define WHAT "'manifest.json'"
#define HASH_CHUNK (256u << 10)
#define BLOBS "blobs/sha256/"

static int plan_image(struct archive_loader *l, const json_t *entry,
		      struct err *err)
{
	struct archive_item *item;
	struct strv tags = { 0 };
	int rc = archive_plan_add(&l->plan, &item, err);

	if (rc)
		return rc;
	item->docker = entry;
	rc = oci_json_strv(entry, "RepoTags", OCI_MAX_ENTRIES, &tags);
	if (rc)
		rc = oci_json_bad(err, WHAT, "RepoTags",
				  "is not an array of strings");
	for (size_t i = 0; !rc && i < tags.n; i++) {
		if (!strcmp(tags.v[i], "<none>:<none>"))
			continue;
		rc = archive_plan_name(&l->plan, item, tags.v[i], err);
		if (!rc)
			rc = oci_json_bad(err, WHAT, "RepoTags",
					  "has an entry that is no reference");
		else if (rc > 0)
			rc = 0;
	}
	strv_fini(&tags);
	return rc;
}

/* A file that is named by a digest has to hash to it. */
static int check_name(const char *path, const char *text, size_t len,
		      struct err *err)
{
	const char *base = strrchr(path, '/');
	char name[DIGEST_TEXT_MAX + 1];
	struct digest want, got;

	base = base ? base + 1 : path;
	if (strcspn(base, ".") != 64)
		return 0;
	(void)snprintf(name, sizeof(name), "sha256:%.64s", base);
	if (digest_parse(name, &want))
		return 0;
	digest_of(text, len, &got);
	if (digest_eq(&got, &want))
		return 0;
	return err_set(err, ERR_IMAGE, EBADMSG,
		       "digest mismatch of '%.200s': it is %s", path, got.text);
}

static int read_config(const struct archive_loader *l, const json_t *entry,
		       char **ret_text, size_t *ret_len, struct err *err)
{
	const char *path;
	int rc;

	if (oci_json_text(entry, "Config", &path) || !path)
		return oci_json_bad(err, WHAT, "Config", "is not a string");
	rc = archive_input_text(&l->input, path, ret_text, ret_len, err);
	if (rc)
		return rc;
	rc = check_name(path, *ret_text, *ret_len, err);
	if (rc) {
		free(*ret_text);
		*ret_text = NULL;
	}
	return rc;
}

/* 1 when the image is for this platform. */
static int fits(const struct archive_loader *l, const json_t *entry,
		struct err *err)
{
	autofree char *text = NULL;
	struct oci_config config;
	size_t len;
	int rc = read_config(l, entry, &text, &len, err);

	if (!rc)
		rc = oci_config_parse(text, len, &config, err);
	if (rc)
		return rc;
	rc = archive_platform_fits(config.os, config.arch, l->load);
	oci_config_fini(&config);
	return rc;
}

int archive_docker_plan(struct archive_loader *l, struct err *err)
{
	autofree char *text = NULL;
	size_t len;
	int rc = archive_input_text(&l->input, "manifest.json", &text, &len,
				    err);

	if (!rc)
		rc = oci_json_load(text, len, OCI_DOCUMENT_MAX, WHAT,
				   &l->plan.root, err);
	if (rc)
		return rc;
	if (!json_is_array(l->plan.root))
		return err_set(err, ERR_IMAGE, EINVAL, WHAT " is not an array");
	/* each of them costs reading a configuration, also when it is skipped
	 */
	if (json_array_size(l->plan.root) > ARCHIVE_MAX_IMAGES)
		return err_set(err, ERR_IMAGE, EFBIG,
			       WHAT " has more than %u images",
			       ARCHIVE_MAX_IMAGES);
	for (size_t i = 0; i < json_array_size(l->plan.root); i++) {
		const json_t *entry = json_array_get(l->plan.root, i);

		rc = fits(l, entry, err);
		if (rc < 0)
			return rc;
		if (!rc) {
			l->plan.skipped++;
			continue;
		}
		rc = plan_image(l, entry, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int hash_file(const struct archive_file *f, struct digest *ret,
		     struct err *err)
{
	autofree uint8_t *chunk = malloc(HASH_CHUNK);
	uint64_t at = 0;
	struct hasher h;
	ssize_t n;

	if (!chunk)
		return store_err(err, ENOMEM, "read a layer");
	hasher_init(&h, DIGEST_SHA256);
	while ((n = archive_file_read(f, at, chunk, HASH_CHUNK)) > 0) {
		hasher_add(&h, chunk, (size_t)n);
		at += (uint64_t)n;
	}
	if (n < 0)
		return store_err(err, (int)-n, "read a layer");
	hasher_done(&h, ret);
	return 0;
}

/*
 * A layer's digest without reading it, where its name or the configuration
 * tells it; it is checked when the layer is unpacked.
 */
static int layer_digest(const struct archive_file *f, const char *path,
			bool compressed, const struct digest *diff_id,
			struct digest *ret, struct err *err)
{
	char text[DIGEST_TEXT_MAX + 1];

	if (str_starts(path, BLOBS)) {
		(void)snprintf(text, sizeof(text), "sha256:%.70s",
			       path + strlen(BLOBS));
		if (!digest_parse(text, ret))
			return 0;
	}
	if (!compressed) {
		*ret = *diff_id;
		return 0;
	}
	return hash_file(f, ret, err);
}

static json_t *layer_json(const char *suffix, const struct digest *digest,
			  uint64_t size)
{
	return json_pack("{s:s+, s:s, s:I}", "mediaType", OCI_MEDIA_LAYER,
			 suffix, "digest", digest->text, "size",
			 (json_int_t)size);
}

/* One layer of the manifest that is being made. */
static int add_layer(const struct archive_loader *l, const char *path,
		     const struct digest *diff_id, json_t *layers,
		     struct err *err)
{
	struct archive_file f;
	uint8_t magic[4] = { 0 };
	struct digest digest;
	const char *suffix = "";
	int rc = archive_input_file(&l->input, path, &f, err);

	if (rc)
		return rc;
	if (archive_file_read(&f, 0, magic, sizeof(magic)) ==
	    (ssize_t)sizeof(magic)) {
		if (!memcmp(magic, "\x1f\x8b", 2))
			suffix = "+gzip";
		else if (!memcmp(magic, "\x28\xb5\x2f\xfd", 4))
			suffix = "+zstd";
	}
	rc = f.size > ARCHIVE_LAYER_MAX
		     ? err_set(err, ERR_IMAGE, EFBIG,
			       "'%.200s' is larger than %llu GiB", path,
			       ARCHIVE_LAYER_MAX >> 30)
		     : layer_digest(&f, path, *suffix, diff_id, &digest, err);
	(void)close(f.fd);
	if (!rc &&
	    json_array_append_new(layers, layer_json(suffix, &digest, f.size)))
		rc = store_err(err, ENOMEM, "read the archive");
	return rc;
}

static int make_manifest(const struct archive_loader *l,
			 const struct oci_config *config,
			 struct archive_texts *t, struct err *err)
{
	autojson json_t *layers = json_array(), *root = NULL;
	struct digest digest;
	int rc = 0;

	if (config->ndiff_ids != t->layers.n)
		return err_set(err, ERR_IMAGE, EINVAL,
			       WHAT " lists %zu layers, but the configuration "
				    "%zu",
			       t->layers.n, config->ndiff_ids);
	for (size_t i = 0; !rc && i < t->layers.n; i++)
		rc = add_layer(l, t->layers.v[i], &config->diff_ids[i], layers,
			       err);
	if (rc)
		return rc;
	digest_of(t->config, t->config_len, &digest);
	root = json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:O}", "schemaVersion",
			 2, "mediaType", OCI_MEDIA_MANIFEST, "config",
			 "mediaType", OCI_MEDIA_CONFIG, "digest", digest.text,
			 "size", (json_int_t)t->config_len, "layers", layers);
	t->manifest = root ? json_dumps(root, JSON_COMPACT) : NULL;
	if (!t->manifest)
		return store_err(err, ENOMEM, "read the archive");
	t->manifest_len = strlen(t->manifest);
	return 0;
}

int archive_docker_texts(const struct archive_loader *l,
			 const struct archive_item *item,
			 struct archive_texts *ret, struct err *err)
{
	struct oci_config config;
	int rc = read_config(l, item->docker, &ret->config, &ret->config_len,
			     err);

	if (!rc &&
	    oci_json_strv(item->docker, "Layers", OCI_MAX_LAYERS, &ret->layers))
		rc = oci_json_bad(err, WHAT, "Layers",
				  "is not an array of strings, or too long");
	if (!rc)
		rc = oci_config_parse(ret->config, ret->config_len, &config,
				      err);
	if (rc)
		return rc;
	rc = make_manifest(l, &config, ret, err);
	oci_config_fini(&config);
	return rc;
}
