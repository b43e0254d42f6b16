/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of images. The manifest and the configuration are kept as they came,
 * so a record is checked against its own name by hashing.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "image/erofs_format.h"
#include "image/oci_json.h"
#include "image/store_int.h"

#define WHAT "an image's record"

void image_fini(struct image *img)
{
	free(img->manifest);
	free(img->config_text);
	free(img->media_type);
	oci_config_fini(&img->config);
	for (size_t i = 0; i < img->nlayers; i++)
		free(img->layers[i].media_type);
	free(img->layers);
	free(img->passwd);
	free(img->group);
	memset(img, 0, sizeof(*img));
}

uint64_t image_size(const struct image *img)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < img->nlayers; i++)
		sum += img->layers[i].blob_size;
	return sum;
}

/* Lines that JSON cannot hold are nothing a user's name is looked up in. */
static json_t *users_json(const char *text)
{
	autofree char *kept = NULL;
	size_t n = 0, len;

	if (!text)
		return json_null();
	len = strnlen(text, STORE_USERS_MAX);
	kept = malloc(len + 1);
	if (!kept)
		return NULL;
	for (size_t at = 0; at < len;) {
		const char *line = text + at;
		const char *nl = memchr(line, '\n', len - at);
		size_t size = nl ? (size_t)(nl - line) + 1 : len - at;

		if (utf8_valid(line, size)) {
			memcpy(kept + n, line, size);
			n += size;
		}
		at += size;
	}
	return json_stringn(kept, n);
}

static json_t *layer_json(const struct image_layer *l)
{
	return json_pack("{s:s, s:s, s:s, s:I, s:I}", "diff_id",
			 l->diff_id.text, "blob", l->blob.text, "media_type",
			 l->media_type, "blob_size", (json_int_t)l->blob_size,
			 "image_size", (json_int_t)l->image_size);
}

char *store_record_format(const struct image *img)
{
	autojson json_t *root = NULL;
	json_t *layers = json_array();

	for (size_t i = 0; i < img->nlayers; i++)
		if (json_array_append_new(layers,
					  layer_json(&img->layers[i]))) {
			json_decref(layers);
			return NULL;
		}
	root = json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:I, s:I, s:o, "
		"s:o}",
		"builder", IMAGE_BUILDER, "manifest_digest",
		img->manifest_digest.text, "config_digest",
		img->config_digest.text, "media_type", img->media_type,
		"manifest", img->manifest, "config", img->config_text, "layers",
		layers, "merged_size", (json_int_t)img->merged_size, "created",
		(json_int_t)img->created_unix_ms, "passwd",
		users_json(img->passwd), "group", users_json(img->group));
	return root ? json_dumps(root, JSON_INDENT(1)) : NULL;
}

static int read_digest(const json_t *o, const char *member, struct digest *ret)
{
	const char *text;

	if (oci_json_text(o, member, &text) || !text)
		return -EINVAL;
	return digest_parse(text, ret);
}

/* A text that may be absent when max is not 0. */
static int read_text(const json_t *o, const char *member, size_t max,
		     char **ret)
{
	const char *text;

	if (oci_json_text(o, member, &text) || (!text && !max) ||
	    (max && text && strlen(text) > max))
		return -EINVAL;
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int read_layer(const json_t *o, struct image_layer *l)
{
	int rc = read_digest(o, "diff_id", &l->diff_id);

	rc = rc ? rc : read_digest(o, "blob", &l->blob);
	rc = rc ? rc
		: oci_json_u64(o, "blob_size", OCI_MAX_BLOB, &l->blob_size);
	rc = rc ? rc : oci_json_u64(o, "image_size", INT64_MAX, &l->image_size);
	if (!rc && l->image_size % EROFS_BLOCK)
		rc = -EINVAL;
	return rc ? rc : read_text(o, "media_type", 0, &l->media_type);
}

static int read_layers(const json_t *root, struct image *img)
{
	json_t *list;
	size_t n;

	if (oci_json_array(root, "layers", &list) || !list)
		return -EINVAL;
	n = json_array_size(list);
	/* One diff_id per layer: the configuration has said how many. */
	if (n != img->config.ndiff_ids)
		return -EINVAL;
	img->layers = calloc(n ? n : 1, sizeof(*img->layers));
	if (!img->layers)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int rc = read_layer(json_array_get(list, i), &img->layers[i]);

		if (rc)
			return rc;
		img->nlayers = i + 1;
		if (!digest_eq(&img->layers[i].diff_id,
			       &img->config.diff_ids[i]))
			return -EINVAL;
	}
	return 0;
}

/* The texts are what their digests say. */
static bool text_matches(const char *text, const struct digest *want)
{
	struct digest sum;
	struct hasher h;

	hasher_init(&h, digest_alg(want));
	hasher_add(&h, text, strlen(text));
	hasher_done(&h, &sum);
	return digest_eq(&sum, want);
}

static int read_texts(const json_t *root, struct image *img)
{
	int rc = read_digest(root, "manifest_digest", &img->manifest_digest);

	rc = rc ? rc : read_digest(root, "config_digest", &img->config_digest);
	rc = rc ? rc : read_text(root, "manifest", 0, &img->manifest);
	rc = rc ? rc : read_text(root, "config", 0, &img->config_text);
	rc = rc ? rc : read_text(root, "media_type", 0, &img->media_type);
	rc = rc ? rc : read_text(root, "passwd", STORE_USERS_MAX, &img->passwd);
	rc = rc ? rc : read_text(root, "group", STORE_USERS_MAX, &img->group);
	if (rc)
		return rc;
	if (!text_matches(img->manifest, &img->manifest_digest) ||
	    !text_matches(img->config_text, &img->config_digest))
		return -EINVAL;
	return oci_config_parse(img->config_text, strlen(img->config_text),
				&img->config, NULL);
}

static int read_record(const json_t *root, struct image *img)
{
	uint64_t builder, created;
	int rc;

	if (oci_json_u64(root, "builder", INT32_MAX, &builder) ||
	    builder != IMAGE_BUILDER ||
	    oci_json_u64(root, "created", INT64_MAX, &created) ||
	    oci_json_u64(root, "merged_size", INT64_MAX, &img->merged_size) ||
	    img->merged_size % EROFS_BLOCK)
		return -EINVAL;
	img->created_unix_ms = (int64_t)created;
	rc = read_texts(root, img);
	return rc ? rc : read_layers(root, img);
}

int store_record_parse(const char *text, size_t len, struct image *ret)
{
	struct image img = { 0 };
	autojson json_t *root = NULL;
	int rc = oci_json_load(text, len, STORE_RECORD_MAX, WHAT, &root, NULL);

	if (!rc)
		rc = read_record(root, &img);
	if (rc) {
		image_fini(&img);
		return rc == -ENOMEM ? rc : -EINVAL;
	}
	*ret = img;
	return 0;
}
