/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding images. Whatever is not whole counts as not there: a file may have
 * been cut short by a full disk, a crash, or a person.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "image/erofs_format.h"
#include "image/store_int.h"

static bool superblock_sound(const uint8_t *sb, uint64_t size,
			     uint64_t disk_size)
{
	static const char volume[16] = IMAGE_VOLUME;
	uint64_t root =
		(uint64_t)le32_get(sb + EROFS_SB_META_BLOCK) * EROFS_BLOCK +
		(uint64_t)le16_get(sb + EROFS_SB_ROOT_NID) * EROFS_SLOT;

	return le32_get(sb + EROFS_SB_MAGIC) == EROFS_MAGIC &&
	       sb[EROFS_SB_BLOCK_BITS] == EROFS_BLOCK_BITS &&
	       !memcmp(sb + EROFS_SB_VOLUME, volume, sizeof(volume)) &&
	       (uint64_t)le32_get(sb + EROFS_SB_BLOCKS) * EROFS_BLOCK ==
		       disk_size &&
	       root + EROFS_SLOT <= size;
}

bool store_erofs_sound(const struct image_store *s, const char *path,
		       uint64_t size, uint64_t disk_size)
{
	autoclose int fd = openat(
		s->fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t sb[EROFS_SB_SIZE];
	struct iovec iov = { sb, sizeof(sb) };
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       size > 0 && (uint64_t)st.st_size == size &&
	       io_preadv(fd, &iov, 1, EROFS_SB_OFFSET, 0) ==
		       (ssize_t)sizeof(sb) &&
	       superblock_sound(sb, size, disk_size);
}

static bool files_sound(const struct image_store *s, const struct image *img)
{
	uint64_t total = img->merged_size;
	char path[STORE_PATH_MAX];

	for (size_t i = 0; i < img->nlayers; i++) {
		const struct image_layer *l = &img->layers[i];

		store_layer_file(&l->diff_id, path);
		if (!store_erofs_sound(s, path, l->image_size, l->image_size) ||
		    !add_u64(total, l->image_size, &total))
			return false;
	}
	store_merged_file(&img->manifest_digest, path);
	return store_erofs_sound(s, path, img->merged_size, total);
}

int store_record_load(const struct image_store *s, const struct digest *m,
		      struct image *ret)
{
	char path[STORE_PATH_MAX];
	struct image img;
	struct buf text;
	int rc;

	store_record_file(m, path);
	buf_init(&text, STORE_RECORD_MAX);
	rc = io_read_file_at(s->fd, path, &text);
	if (!rc)
		rc = store_record_parse((const char *)buf_data(&text),
					buf_len(&text), &img);
	buf_fini(&text);
	if (!rc && !digest_eq(&img.manifest_digest, m)) {
		image_fini(&img);
		return -ENOENT;
	}
	switch (rc) {
	case 0:
		*ret = img;
		return 0;
	case -ENOTDIR:
	case -EISDIR:
	case -ELOOP:
	case -EFBIG:
	case -ENOSPC: /* larger than the buffer may get */
	case -EINVAL:
		return -ENOENT;
	default:
		return rc;
	}
}

int image_store_find_digest(const struct image_store *s,
			    const struct digest *manifest, struct image *ret,
			    struct err *err)
{
	struct image img;
	int rc = store_record_load(s, manifest, &img);

	if (rc == -ENOENT)
		return rc;
	if (rc)
		return store_err(err, -rc, "read a record in '%s'", s->path);
	if (files_sound(s, &img)) {
		*ret = img;
		return 0;
	}
	image_fini(&img);
	return -ENOENT;
}

int image_store_find(const struct image_store *s, const struct image_ref *ref,
		     struct image *ret, struct err *err)
{
	struct image_name name;
	struct digest manifest;
	int rc = store_name_load(s, ref, &name);

	if (rc == -ENOENT && ref->has_digest)
		return image_store_find_digest(s, &ref->digest, ret, err);
	if (rc == -ENOENT)
		return rc;
	if (rc)
		return store_err(err, -rc, "read a name in '%s'", s->path);
	manifest = name.manifest_digest;
	image_name_fini(&name);
	return image_store_find_digest(s, &manifest, ret, err);
}

int image_store_put(const struct image_store *s, const struct image *img,
		    struct err *err)
{
	autofree char *text = store_record_format(img);
	char path[STORE_PATH_MAX];
	autoclose int fd = -1;
	int rc = -ENOMEM;

	if (text) {
		fd = store_open_dir(s->fd, STORE_MANIFESTS, true);
		store_record_file(&img->manifest_digest, path);
		rc = fd < 0 ? fd
			    : store_write_file(s, fd, strrchr(path, '/') + 1,
					       text, strlen(text));
	}
	return rc ? store_err(err, -rc, "record an image in '%s'", s->path) : 0;
}
