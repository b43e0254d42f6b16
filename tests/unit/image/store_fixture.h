/* SPDX-License-Identifier: Apache-2.0 */
/* An image store in a directory of its own, and images to put into it. */
#ifndef MSB_TESTS_IMAGE_STORE_FIXTURE_H
#define MSB_TESTS_IMAGE_STORE_FIXTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/str.h"
#include "image/store.h"

struct fixture {
	char path[64];
	int home;
	struct image_store store;
};

static inline int fixture_make(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char cache[sizeof(f->path) + 8];

	if (!f)
		return -1;
	(void)snprintf(f->path, sizeof(f->path), "/tmp/msb-unit-XXXXXX");
	*state = f;
	if (!mkdtemp(f->path))
		return -1;
	f->home = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	(void)snprintf(cache, sizeof(cache), "%s/cache", f->path);
	return image_store_open(cache, &f->store, NULL);
}

static inline int fixture_remove(void **state)
{
	struct fixture *f = *state;
	int rc;

	image_store_close(&f->store);
	rc = io_remove_tree(AT_FDCWD, f->path);
	(void)close(f->home);
	free(f);
	return rc;
}

/* As much of an EROFS image as the store looks at. */
static inline int put_erofs(const char *path, uint64_t size, uint64_t disk)
{
	uint8_t sb[128] = { 0 };
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), rc;

	if (fd < 0)
		return -1;
	le32_put(sb, 0xe0f5e1e2);
	sb[12] = 12;
	le16_put(sb + 14, 1);
	le32_put(sb + 36, (uint32_t)(disk / 4096));
	le32_put(sb + 40, (uint32_t)(size / 4096 - 1));
	memcpy(sb + 64, IMAGE_VOLUME, strlen(IMAGE_VOLUME));
	rc = ftruncate(fd, (off_t)size) < 0 ||
	     pwrite(fd, sb, sizeof(sb), 1024) != (ssize_t)sizeof(sb);
	(void)close(fd);
	return rc;
}

/*
 * An image whose layers are named by letters ("ab": two layers), with files in
 * place and its record put. img may be NULL.
 */
static inline int put_image(const struct image_store *s, const char *letters,
			    struct image *ret)
{
	struct image img = { 0 };
	char manifest[4096], config[4096], ids[2048] = "";
	size_t n = strlen(letters);
	char *path;
	int rc = 0;

	img.layers = calloc(n + 1, sizeof(*img.layers));
	if (!img.layers)
		return -1;
	img.merged_size = 8192;
	for (size_t i = 0; i < n; i++) {
		struct image_layer *l = &img.layers[i];

		digest_of(&letters[i], 1, &l->diff_id);
		l->blob = l->diff_id;
		l->blob_size = 100 + i;
		l->image_size = 4096u * (unsigned)(letters[i] - 'a' + 2);
		l->media_type =
			strdup("application/vnd.oci.image.layer.v1.tar");
		img.nlayers++;
		(void)snprintf(ids + strlen(ids), sizeof(ids) - strlen(ids),
			       "%s\"%s\"", i ? "," : "", l->diff_id.text);
		path = image_store_layer_path(s, &l->diff_id);
		rc |= put_erofs(path, l->image_size, l->image_size);
		free(path);
	}
	(void)snprintf(config, sizeof(config),
		       "{\"os\":\"linux\",\"architecture\":\"amd64\","
		       "\"config\":{\"Env\":[\"A=%s\"]},"
		       "\"rootfs\":{\"diff_ids\":[%s]}}",
		       letters, ids);
	digest_of(config, strlen(config), &img.config_digest);
	(void)snprintf(manifest, sizeof(manifest), "{\"config\":\"%s\"}",
		       img.config_digest.text);
	digest_of(manifest, strlen(manifest), &img.manifest_digest);
	img.manifest = strdup(manifest);
	img.config_text = strdup(config);
	img.media_type = strdup(OCI_MEDIA_MANIFEST);
	img.passwd = strdup("root:x:0:0:root:/root:/bin/sh\n");
	img.created_unix_ms = 1700000000123;
	uint64_t total = img.merged_size;
	for (size_t i = 0; i < n; i++)
		total += img.layers[i].image_size;
	path = image_store_merged_path(s, &img.manifest_digest);
	rc |= put_erofs(path, img.merged_size, total);
	free(path);
	rc |= image_store_put(s, &img, NULL);
	if (ret)
		*ret = img;
	else
		image_fini(&img);
	return rc;
}

#endif
