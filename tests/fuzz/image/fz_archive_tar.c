/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image archives: what the index finds lies within the file. Checksums are made
 * right first, or nothing would get past them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "image/archive_tar.h"

#define BLOCK 512u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fix_checksums(uint8_t *data, size_t len)
{
	for (size_t at = 0; at + BLOCK <= len; at += BLOCK) {
		uint8_t *h = data + at;
		unsigned sum = 0;
		char text[16];

		if (memcmp(h + 257, "ustar", 5) != 0)
			continue;
		memset(h + 148, ' ', 8);
		for (size_t i = 0; i < BLOCK; i++)
			sum += h[i];
		(void)snprintf(text, sizeof(text), "%06o", sum);
		memcpy(h + 148, text, 7);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const names[] = { "manifest.json", "index.json",
					     "a/b", "link", "a" };
	uint8_t *copy = malloc(len ? len : 1);
	struct archive_tar t;
	uint64_t offset, size;
	int fd;

	if (!copy)
		return 0;
	memcpy(copy, data, len);
	fix_checksums(copy, len);
	fd = io_memfd("archive", copy, len);
	free(copy);
	if (fd < 0)
		return 0;
	if (!archive_tar_index(fd, 0, &t, NULL)) {
		for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
			if (!archive_tar_find(&t, names[i], &offset, &size) &&
			    (offset > len || size > len - offset))
				abort();
		archive_tar_fini(&t);
	}
	(void)close(fd);
	return 0;
}
