/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptor of a snapshot, and the archive of one: the input is read as
 * both. What is taken for a descriptor must be what it is written as.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/snapshot_int.h"
#include "api/snapshot_tar.h"
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void descriptor(const uint8_t *data, size_t len)
{
	struct snapshot_desc d;
	struct err err;
	struct buf b;

	if (snapshot_desc_decode((const char *)data, len, &d, &err))
		return;
	buf_init(&b, SNAPSHOT_JSON_MAX);
	if (snapshot_desc_encode(&d, &b) || buf_len(&b) != len ||
	    memcmp(buf_data(&b), data, len) != 0 || strchr(d.upper_file, '/'))
		abort();
	buf_fini(&b);
	snapshot_desc_fini(&d);
}

static void archive(const uint8_t *data, size_t len)
{
	int fd = io_memfd("archive", data, len), to;
	struct tar_index t;
	struct err err;

	if (fd < 0)
		return;
	if (!tar_index_read(fd, &t, &err)) {
		for (size_t i = 0; i < t.n; i++) {
			const struct tar_member *m = &t.members[i];

			if (m->offset > len || m->stored > len - m->offset ||
			    strstr(m->name, "..") == m->name)
				abort();
			to = m->size < 1u << 20 ? io_memfd("file", "", 0) : -1;
			if (to >= 0) {
				(void)tar_extract(fd, m, to, &err);
				(void)close(to);
			}
		}
		tar_index_fini(&t);
	}
	(void)close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	descriptor(data, len);
	archive(data, len);
	return 0;
}
