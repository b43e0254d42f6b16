/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests and indexes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "image/oci.h"
#include "image/oci_json.h"

#define MEDIA_TYPE_MAX 255u

#define WHAT "the manifest"

static int no_memory(struct err *err)
{
	(void)err_sys(err, ERR_NO_MEMORY, ENOMEM, "read " WHAT);
	return -ENOMEM;
}

static bool one_of(const char *text, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(*list, text))
			return true;
	return false;
}

bool oci_media_is_index(const char *media_type)
{
	static const char *const list[] = { OCI_MEDIA_INDEX,
					    OCI_MEDIA_DOCKER_LIST, NULL };

	return one_of(media_type, list);
}

bool oci_media_is_manifest(const char *media_type)
{
	static const char *const list[] = { OCI_MEDIA_MANIFEST,
					    OCI_MEDIA_DOCKER_MANIFEST, NULL };

	return one_of(media_type, list);
}

/* Configurations of images; Docker of old called its own an octet stream. */
static bool is_image_config(const char *media_type)
{
	static const char *const list[] = {
		"", OCI_MEDIA_CONFIG,
		"application/vnd.docker.container.image.v1+json",
		"application/octet-stream", NULL
	};

	return one_of(media_type, list);
}

static int read_descriptor(const json_t *o, const char *where,
			   struct oci_descriptor *ret, struct err *err)
{
	const char *media_type, *digest;

	if (!json_is_object(o))
		return oci_json_bad(err, WHAT, where, "is not an object");
	if (oci_json_text(o, "mediaType", &media_type) ||
	    (media_type && strlen(media_type) > MEDIA_TYPE_MAX))
		return oci_json_bad(err, WHAT, where,
				    "has a media type that is not one");
	if (oci_json_text(o, "digest", &digest) || !digest ||
	    digest_parse(digest, &ret->digest))
		return oci_json_bad(err, WHAT, where,
				    "has no digest, or none that is known");
	if (oci_json_u64(o, "size", OCI_MAX_BLOB, &ret->size))
		return oci_json_bad(err, WHAT, where,
				    "has no size, or an impossible one");
	ret->media_type = strdup(media_type ? media_type : "");
	return ret->media_type ? 0 : no_memory(err);
}

static int read_config(const json_t *root, struct oci_manifest *m,
		       struct err *err)
{
	const json_t *config = json_object_get(root, "config");
	int rc = read_descriptor(config, "config", &m->config, err);

	if (rc)
		return rc;
	if (!is_image_config(m->config.media_type))
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "this is not an image: its configuration is of "
			       "type '%s'",
			       m->config.media_type);
	if (m->config.size > OCI_DOCUMENT_MAX)
		return oci_json_bad(err, WHAT, "config", "is too large");
	return 0;
}

static int read_layers(const json_t *layers, struct oci_manifest *m,
		       struct err *err)
{
	size_t n = json_array_size(layers);

	if (n > OCI_MAX_LAYERS)
		return err_set(err, ERR_IMAGE, EFBIG,
			       "the image has %zu layers, %u are possible", n,
			       OCI_MAX_LAYERS);
	m->layers = calloc(n ? n : 1, sizeof(*m->layers));
	if (!m->layers)
		return no_memory(err);
	for (size_t i = 0; i < n; i++) {
		struct oci_descriptor *d = &m->layers[i];
		int rc = read_descriptor(json_array_get(layers, i), "layers", d,
					 err);

		if (rc)
			return rc;
		m->nlayers = i + 1;
		if (strstr(d->media_type, "encrypted"))
			return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
				       "the image has encrypted layers");
	}
	return 0;
}

/* A name that does not fit is that of no platform we know. */
static void copy_name(const json_t *o, const char *member, char ret[32])
{
	const char *text = json_string_value(json_object_get(o, member));

	if (text && strlen(text) < 32)
		memcpy(ret, text, strlen(text) + 1);
}

static int copy_text(const json_t *o, const char *member, char **ret)
{
	const char *text = json_string_value(json_object_get(o, member));

	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int read_entry(const json_t *o, struct oci_index_entry *e,
		      struct err *err)
{
	const json_t *platform, *annotations;
	const char *type;
	int rc = read_descriptor(o, "manifests", &e->desc, err);

	if (rc)
		return rc;
	platform = json_object_get(o, "platform");
	copy_name(platform, "os", e->platform.os);
	copy_name(platform, "architecture", e->platform.arch);
	copy_name(platform, "variant", e->platform.variant);
	annotations = json_object_get(o, "annotations");
	if (copy_text(annotations, "org.opencontainers.image.ref.name",
		      &e->ref_name) ||
	    copy_text(annotations, "io.containerd.image.name", &e->full_name))
		return no_memory(err);
	type = json_string_value(
		json_object_get(annotations, "vnd.docker.reference.type"));
	e->attestation = strstr(e->desc.media_type, "attestation") ||
			 (type && strstr(type, "attestation")) ||
			 (!strcmp(e->platform.os, "unknown") &&
			  !strcmp(e->platform.arch, "unknown"));
	return 0;
}

static void entry_fini(struct oci_index_entry *e)
{
	free(e->desc.media_type);
	free(e->ref_name);
	free(e->full_name);
}

static int read_entries(const json_t *entries, struct oci_manifest *m,
			struct err *err)
{
	size_t n = json_array_size(entries);

	if (n > OCI_MAX_ENTRIES)
		return err_set(err, ERR_IMAGE, EFBIG,
			       "the index has %zu entries, %u are possible", n,
			       OCI_MAX_ENTRIES);
	m->entries = calloc(n ? n : 1, sizeof(*m->entries));
	if (!m->entries)
		return no_memory(err);
	for (size_t i = 0; i < n; i++) {
		m->nentries = i + 1;
		int rc = read_entry(json_array_get(entries, i), &m->entries[i],
				    err);

		if (rc)
			return rc;
	}
	return 0;
}

static int check_schema(const json_t *root, const char *media_type,
			struct err *err)
{
	const json_t *schema = json_object_get(root, "schemaVersion");
	bool old = media_type &&
		   strstr(media_type, "docker.distribution.manifest.v1");

	if (old || json_integer_value(schema) == 1)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "the image has a manifest of Docker's schema 1, "
			       "which is not supported");
	if (schema && json_integer_value(schema) != 2)
		return oci_json_bad(err, WHAT, "schemaVersion", "is not 2");
	return 0;
}

/*
 * The media type decides, else what is there. A document that is both would be
 * one thing to us and another one to somebody else, so it is refused.
 */
static int find_kind(const json_t *root, const char *media_type,
		     enum oci_kind *ret, struct err *err)
{
	bool manifests = json_object_get(root, "manifests") != NULL;
	bool layers = json_object_get(root, "layers") != NULL ||
		      json_object_get(root, "config") != NULL;

	if (manifests == layers)
		return err_set(err, ERR_IMAGE, EINVAL, "%s",
			       manifests ? "the manifest is an index as well"
					 : "the manifest has neither layers "
					   "nor manifests");
	*ret = manifests ? OCI_INDEX : OCI_MANIFEST;
	if (!media_type)
		return 0;
	if (!oci_media_is_index(media_type) &&
	    !oci_media_is_manifest(media_type))
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "'%.100s' is not a kind of image", media_type);
	if (oci_media_is_index(media_type) != manifests)
		return oci_json_bad(err, WHAT, "mediaType",
				    "is not what its contents are");
	return 0;
}

static int read_manifest(const json_t *root, struct oci_manifest *m,
			 struct err *err)
{
	const char *media_type;
	json_t *list;
	int rc;

	if (!json_is_object(root))
		return err_set(err, ERR_IMAGE, EINVAL,
			       "the manifest is not an object");
	if (oci_json_text(root, "mediaType", &media_type))
		return oci_json_bad(err, WHAT, "mediaType", "is not text");
	rc = check_schema(root, media_type, err);
	if (!rc)
		rc = find_kind(root, media_type, &m->kind, err);
	if (rc)
		return rc;
	m->media_type = strdup(media_type	      ? media_type
			       : m->kind == OCI_INDEX ? OCI_MEDIA_INDEX
						      : OCI_MEDIA_MANIFEST);
	if (!m->media_type)
		return no_memory(err);
	if (m->kind == OCI_INDEX) {
		if (oci_json_array(root, "manifests", &list) || !list)
			return oci_json_bad(err, WHAT, "manifests",
					    "is not an array");
		return read_entries(list, m, err);
	}
	if (oci_json_array(root, "layers", &list) || !list)
		return oci_json_bad(err, WHAT, "layers", "is not an array");
	rc = read_config(root, m, err);
	return rc ? rc : read_layers(list, m, err);
}

int oci_manifest_parse(const char *text, size_t len, struct oci_manifest *ret,
		       struct err *err)
{
	struct oci_manifest m = { 0 };
	autojson json_t *root = NULL;
	int rc = oci_json_load(text, len, OCI_DOCUMENT_MAX, WHAT, &root, err);

	if (rc)
		return rc;
	rc = read_manifest(root, &m, err);
	if (rc) {
		oci_manifest_fini(&m);
		return rc;
	}
	*ret = m;
	return 0;
}

void oci_manifest_fini(struct oci_manifest *m)
{
	free(m->media_type);
	free(m->config.media_type);
	for (size_t i = 0; i < m->nlayers; i++)
		free(m->layers[i].media_type);
	free(m->layers);
	for (size_t i = 0; i < m->nentries; i++)
		entry_fini(&m->entries[i]);
	free(m->entries);
	memset(m, 0, sizeof(*m));
}

int oci_index_choose(const struct oci_manifest *m, const char *arch)
{
	for (size_t i = 0; i < m->nentries; i++) {
		const struct oci_index_entry *e = &m->entries[i];

		if (!e->attestation && !strcmp(e->platform.os, "linux") &&
		    !strcmp(e->platform.arch, arch))
			return (int)i;
	}
	return -ENOENT;
}
