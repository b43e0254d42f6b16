/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving images as archives. A layer's tar is written in its place, behind room
 * for its header: what it is called is known only when it is there.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "image/archive.h"
#include "image/oci_json.h"
#include "image/store_int.h"

#define BLOCK 512u
#define RECORD 10240u /* what tar pads an archive to */
#define HASH_CHUNK (256u << 10)

/* A layer in the archive. */
struct saved_layer {
	struct digest diff_id; /* as the image has it */
	struct digest digest;  /* of the tar as it was written */
	uint64_t size;
};

/* An image in it, with the names it was asked for by. */
struct saved_image {
	struct image image;
	char *config; /* as it was written */
	struct digest config_digest;
	char *manifest; /* OCI */
	struct strv names;
};

struct saver {
	const struct image_store *store;
	enum archive_format format;
	int out;
	uint64_t at; /* where the next member starts */
	struct saved_layer *layers;
	size_t nlayers;
	struct saved_image *images;
	size_t nimages;
	struct strv written; /* names of documents */
};

static int no_memory(struct err *err)
{
	(void)store_err(err, ENOMEM, "save an image");
	return -ENOMEM;
}

static int put(const struct saver *s, uint64_t at, const void *data, size_t len,
	       struct err *err)
{
	while (len) {
		struct iovec iov = { (void *)(uintptr_t)data, len };
		ssize_t n = io_pwritev(s->out, &iov, 1, (off_t)at, 0);

		if (n < 0)
			return store_err(err, (int)-n, "write the archive");
		data = (const char *)data + n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* Octal when it fits, else GNU's big-endian form. */
static void put_size(uint8_t field[12], uint64_t size)
{
	if (size < 1ull << 33) {
		(void)snprintf((char *)field, 12, "%011llo",
			       (unsigned long long)(size & 077777777777));
		return;
	}
	memset(field, 0, 12);
	field[0] = 0x80;
	be64_put(field + 4, size);
}

/* Every member is a regular file whose name fits the plain header. */
static int put_header(const struct saver *s, uint64_t at, const char *name,
		      uint64_t size, struct err *err)
{
	static const char magic[8] = { 'u', 's', 't', 'a', 'r', 0, '0', '0' };
	uint8_t h[BLOCK] = { 0 };
	unsigned sum = 0;

	memcpy(h, name, strnlen(name, 99));
	memcpy(h + 100, "0000644", 8);
	memcpy(h + 108, "0000000", 8);
	memcpy(h + 116, "0000000", 8);
	put_size(h + 124, size);
	memcpy(h + 136, "00000000000", 12);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, magic, sizeof(magic));
	for (size_t i = 0; i < BLOCK; i++)
		sum += h[i];
	(void)snprintf((char *)h + 148, 8, "%06o", sum & 0777777);
	return put(s, at, h, sizeof(h), err);
}

static uint64_t padded(uint64_t size, uint64_t to)
{
	return (size + to - 1) / to * to;
}

static int put_file(struct saver *s, const char *name, const char *text,
		    struct err *err)
{
	size_t len = strlen(text);
	int rc = put_header(s, s->at, name, len, err);

	if (!rc)
		rc = put(s, s->at + BLOCK, text, len, err);
	if (!rc)
		s->at += BLOCK + padded(len, BLOCK);
	return rc;
}

static int hash_range(const struct saver *s, uint64_t at, uint64_t len,
		      struct digest *ret, struct err *err)
{
	autofree uint8_t *chunk = malloc(HASH_CHUNK);
	struct hasher h;

	if (!chunk)
		return no_memory(err);
	hasher_init(&h, DIGEST_SHA256);
	while (len) {
		struct iovec iov = { chunk,
				     len < HASH_CHUNK ? len : HASH_CHUNK };
		ssize_t n = io_preadv(s->out, &iov, 1, (off_t)at, 0);

		if (n <= 0)
			return store_err(err, n ? (int)-n : EIO,
					 "read the archive back");
		hasher_add(&h, chunk, (size_t)n);
		len -= (uint64_t)n;
		at += (uint64_t)n;
	}
	hasher_done(&h, ret);
	return 0;
}

/* The tar of a layer at the next member's place. */
static int write_tar(const struct saver *s, const struct digest *diff_id,
		     uint64_t *ret_size, struct err *err)
{
	char path[STORE_PATH_MAX];
	autoclose int fd = -1;
	off_t end;
	int rc;

	store_layer_file(diff_id, path);
	fd = openat(s->store->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return store_err(err, errno, "open '%s/%s'", s->store->path,
				 path);
	if (lseek(s->out, (off_t)(s->at + BLOCK), SEEK_SET) < 0)
		return store_err(err, errno, "write the archive");
	rc = layer_to_tar(fd, s->out, err);
	if (rc)
		return rc;
	end = lseek(s->out, 0, SEEK_CUR);
	if (end < 0 || (uint64_t)end < s->at + BLOCK)
		return store_err(err, end < 0 ? errno : EIO,
				 "write the archive");
	*ret_size = (uint64_t)end - s->at - BLOCK;
	return 0;
}

/* What Docker's layout has beside each layer. */
static int put_docker_extras(struct saver *s, const char *hex, struct err *err)
{
	char name[128], text[128];
	int rc;

	(void)snprintf(name, sizeof(name), "%s/VERSION", hex);
	rc = put_file(s, name, "1.0", err);
	if (rc)
		return rc;
	(void)snprintf(name, sizeof(name), "%s/json", hex);
	(void)snprintf(text, sizeof(text), "{\"id\":\"%s\"}", hex);
	return put_file(s, name, text, err);
}

static void layer_name(const struct saver *s, const struct digest *d,
		       char ret[128])
{
	if (s->format == ARCHIVE_DOCKER)
		(void)snprintf(ret, 128, "%s/layer.tar", digest_hex(d));
	else
		(void)snprintf(ret, 128, "blobs/sha256/%s", digest_hex(d));
}

static const struct saved_layer *find_layer(const struct saver *s,
					    const struct digest *diff_id)
{
	for (size_t i = 0; i < s->nlayers; i++)
		if (digest_eq(&s->layers[i].diff_id, diff_id))
			return &s->layers[i];
	return NULL;
}

/* Once for all images that have it. */
static int save_layer(struct saver *s, const struct digest *diff_id,
		      struct err *err)
{
	struct saved_layer *v, layer = { .diff_id = *diff_id };
	char name[128];
	int rc;

	if (find_layer(s, diff_id))
		return 0;
	v = reallocarray(s->layers, s->nlayers + 1, sizeof(*v));
	if (!v)
		return no_memory(err);
	s->layers = v;
	rc = write_tar(s, diff_id, &layer.size, err);
	if (!rc)
		rc = hash_range(s, s->at + BLOCK, layer.size, &layer.digest,
				err);
	if (rc)
		return rc;
	layer_name(s, &layer.digest, name);
	rc = put_header(s, s->at, name, layer.size, err);
	if (rc)
		return rc;
	s->at += BLOCK + padded(layer.size, BLOCK);
	v[s->nlayers++] = layer;
	return s->format == ARCHIVE_DOCKER
		       ? put_docker_extras(s, digest_hex(&layer.digest), err)
		       : 0;
}

/* The configuration, with the layers that are in the archive. */
static int make_config(const struct saver *s, struct saved_image *img,
		       struct err *err)
{
	const struct image *image = &img->image;
	autojson json_t *root = NULL;
	json_t *ids = NULL;
	bool same = true;
	int rc;

	for (size_t i = 0; i < image->nlayers; i++) {
		const struct digest *id = &image->layers[i].diff_id;

		same = same && digest_eq(&find_layer(s, id)->digest, id);
	}
	if (same) {
		img->config = strdup(image->config_text);
	} else {
		rc = oci_json_load(image->config_text,
				   strlen(image->config_text), OCI_DOCUMENT_MAX,
				   "the configuration", &root, err);
		if (rc)
			return rc;
		ids = json_array();
		for (size_t i = 0; i < image->nlayers; i++)
			(void)json_array_append_new(
				ids,
				json_string(
					find_layer(s, &image->layers[i].diff_id)
						->digest.text));
		if (json_array_size(ids) != image->nlayers) {
			json_decref(ids);
			return no_memory(err);
		}
		if (json_object_set_new(json_object_get(root, "rootfs"),
					"diff_ids", ids))
			return no_memory(err);
		img->config = json_dumps(root, JSON_COMPACT);
	}
	if (!img->config)
		return no_memory(err);
	digest_of(img->config, strlen(img->config), &img->config_digest);
	return 0;
}

/* Whether the registry's own manifest describes what is in the archive. */
static bool manifest_fits(const struct saver *s, const struct saved_image *img)
{
	const struct image *image = &img->image;

	if (!digest_eq(&img->config_digest, &image->config_digest))
		return false;
	for (size_t i = 0; i < image->nlayers; i++) {
		const struct image_layer *l = &image->layers[i];

		if (!digest_eq(&find_layer(s, &l->diff_id)->digest, &l->blob))
			return false;
	}
	return true;
}

static json_t *layers_json(const struct saver *s, const struct image *image)
{
	json_t *list = json_array();

	for (size_t i = 0; i < image->nlayers; i++) {
		const struct saved_layer *l =
			find_layer(s, &image->layers[i].diff_id);

		(void)json_array_append_new(
			list,
			json_pack("{s:s, s:s, s:I}", "mediaType",
				  OCI_MEDIA_LAYER, "digest", l->digest.text,
				  "size", (json_int_t)l->size));
	}
	if (json_array_size(list) == image->nlayers)
		return list;
	json_decref(list);
	return NULL;
}

static int make_manifest(const struct saver *s, struct saved_image *img,
			 struct err *err)
{
	autojson json_t *root = NULL;

	if (manifest_fits(s, img)) {
		img->manifest = strdup(img->image.manifest);
	} else {
		root = json_pack("{s:i, s:s, s:{s:s, s:s, s:I}, s:o}",
				 "schemaVersion", 2, "mediaType",
				 OCI_MEDIA_MANIFEST, "config", "mediaType",
				 OCI_MEDIA_CONFIG, "digest",
				 img->config_digest.text, "size",
				 (json_int_t)strlen(img->config), "layers",
				 layers_json(s, &img->image));
		img->manifest = root ? json_dumps(root, JSON_COMPACT) : NULL;
	}
	return img->manifest ? 0 : no_memory(err);
}

/* Images that differ only in how they were compressed share documents. */
static int put_once(struct saver *s, const char *name, const char *text,
		    struct err *err)
{
	for (size_t i = 0; i < s->written.n; i++)
		if (!strcmp(s->written.v[i], name))
			return 0;
	return strv_add(&s->written, name) ? no_memory(err)
					   : put_file(s, name, text, err);
}

static int put_blob(struct saver *s, const char *text, struct err *err)
{
	struct digest digest;
	char name[128];

	digest_of(text, strlen(text), &digest);
	(void)snprintf(name, sizeof(name), "blobs/sha256/%s",
		       digest_hex(&digest));
	return put_once(s, name, text, err);
}

static int save_image(struct saver *s, struct saved_image *img, struct err *err)
{
	char name[128];
	int rc = 0;

	for (size_t i = 0; !rc && i < img->image.nlayers; i++)
		rc = save_layer(s, &img->image.layers[i].diff_id, err);
	rc = rc ? rc : make_config(s, img, err);
	if (rc)
		return rc;
	if (s->format == ARCHIVE_DOCKER) {
		(void)snprintf(name, sizeof(name), "%s.json",
			       digest_hex(&img->config_digest));
		return put_once(s, name, img->config, err);
	}
	rc = put_blob(s, img->config, err);
	rc = rc ? rc : make_manifest(s, img, err);
	return rc ? rc : put_blob(s, img->manifest, err);
}

static json_t *strings_json(const struct strv *list)
{
	json_t *array = json_array();

	for (size_t i = 0; i < list->n; i++)
		(void)json_array_append_new(array, json_string(list->v[i]));
	if (json_array_size(array) == list->n)
		return array;
	json_decref(array);
	return NULL;
}

/* Docker's list of images. */
static json_t *docker_json(const struct saver *s)
{
	json_t *root = json_array();

	for (size_t i = 0; i < s->nimages; i++) {
		const struct saved_image *img = &s->images[i];
		json_t *layers = json_array();
		char name[128];

		for (size_t n = 0; n < img->image.nlayers; n++) {
			const struct saved_layer *l =
				find_layer(s, &img->image.layers[n].diff_id);

			layer_name(s, &l->digest, name);
			(void)json_array_append_new(layers, json_string(name));
		}
		(void)snprintf(name, sizeof(name), "%s.json",
			       digest_hex(&img->config_digest));
		(void)json_array_append_new(
			root,
			json_pack("{s:s, s:o, s:o}", "Config", name, "RepoTags",
				  strings_json(&img->names), "Layers", layers));
	}
	return root;
}

static json_t *platform_json(const struct image *image)
{
	const struct oci_config *c = &image->config;

	if (*c->variant)
		return json_pack("{s:s, s:s, s:s}", "architecture", c->arch,
				 "os", c->os, "variant", c->variant);
	return json_pack("{s:s, s:s}", "architecture", c->arch, "os", c->os);
}

/* One entry per name, as tools that copy images by name look for them. */
static json_t *oci_json(const struct saver *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->nimages; i++) {
		const struct saved_image *img = &s->images[i];
		bool kept = manifest_fits(s, img);
		struct digest digest;

		digest_of(img->manifest, strlen(img->manifest), &digest);
		for (size_t n = 0; n < img->names.n; n++)
			(void)json_array_append_new(
				list,
				json_pack("{s:s, s:s, s:I, s:o, s:{s:s}}",
					  "mediaType",
					  kept ? img->image.media_type
					       : OCI_MEDIA_MANIFEST,
					  "digest", digest.text, "size",
					  (json_int_t)strlen(img->manifest),
					  "platform",
					  platform_json(&img->image),
					  "annotations",
					  "org.opencontainers.image.ref.name",
					  img->names.v[n]));
	}
	return json_pack("{s:i, s:s, s:o}", "schemaVersion", 2, "mediaType",
			 OCI_MEDIA_INDEX, "manifests", list);
}

/* The list of images, and the end of the archive. */
static int finish(struct saver *s, struct err *err)
{
	autojson json_t *root =
		s->format == ARCHIVE_DOCKER ? docker_json(s) : oci_json(s);
	autofree char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	int rc = 0;

	if (!text)
		return no_memory(err);
	if (s->format == ARCHIVE_OCI)
		rc = put_file(s, "oci-layout",
			      "{\"imageLayoutVersion\":\"1.0.0\"}", err);
	rc = rc ? rc
		: put_file(s,
			   s->format == ARCHIVE_DOCKER ? "manifest.json"
						       : "index.json",
			   text, err);
	if (rc)
		return rc;
	/* Two empty blocks, and empty ones up to a whole record. */
	s->at = padded(s->at + 2 * BLOCK, RECORD);
	return ftruncate(s->out, (off_t)s->at) < 0
		       ? store_err(err, errno, "write the archive")
		       : 0;
}

/* The name in the archive, NULL in *ret when there can be none. */
static int name_in_archive(const struct saver *s, const struct image_ref *ref,
			   char **ret, struct err *err)
{
	struct image_ref plain = *ref;

	*ret = NULL;
	if (s->format == ARCHIVE_OCI) {
		*ret = image_ref_canonical(ref);
	} else if (ref->tag) {
		/* Docker knows tags alone, and "latest" is spelt out. */
		plain.has_digest = false;
		*ret = image_ref_short(&plain);
		if (*ret && !strcmp(ref->tag, "latest")) {
			char *shortened = *ret;

			*ret = str_fmt("%s:latest", shortened);
			free(shortened);
		}
	} else {
		return 0;
	}
	return *ret ? 0 : no_memory(err);
}

static int add_ref(struct saver *s, const struct image_ref *ref,
		   struct err *err)
{
	struct saved_image *img = NULL;
	struct image found;
	char *name;
	int rc = image_store_find(s->store, ref, &found, err);

	if (rc == -ENOENT) {
		autofree char *text = image_ref_short(ref);

		return err_set(err, ERR_IMAGE_NOT_FOUND, ENOENT,
			       "image not found: %s", text ? text : "");
	}
	if (rc)
		return rc;
	for (size_t i = 0; i < s->nimages; i++)
		if (digest_eq(&s->images[i].image.manifest_digest,
			      &found.manifest_digest))
			img = &s->images[i];
	if (img) {
		image_fini(&found);
	} else {
		img = &s->images[s->nimages++];
		img->image = found;
	}
	rc = name_in_archive(s, ref, &name, err);
	if (!rc && name && strv_take(&img->names, name))
		rc = no_memory(err);
	return rc;
}

int archive_save(const struct image_store *s, const struct image_ref *refs,
		 size_t nrefs, enum archive_format format, int out,
		 struct err *err)
{
	struct saver saver = { .store = s, .format = format, .out = out };
	int rc = 0;

	saver.images = calloc(nrefs ? nrefs : 1, sizeof(*saver.images));
	if (!saver.images)
		return no_memory(err);
	for (size_t i = 0; !rc && i < nrefs; i++)
		rc = add_ref(&saver, &refs[i], err);
	for (size_t i = 0; !rc && i < saver.nimages; i++)
		rc = save_image(&saver, &saver.images[i], err);
	if (!rc)
		rc = finish(&saver, err);
	for (size_t i = 0; i < saver.nimages; i++) {
		image_fini(&saver.images[i].image);
		free(saver.images[i].config);
		free(saver.images[i].manifest);
		strv_fini(&saver.images[i].names);
	}
	free(saver.images);
	free(saver.layers);
	strv_fini(&saver.written);
	return rc;
}
