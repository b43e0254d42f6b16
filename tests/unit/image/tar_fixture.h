/* SPDX-License-Identifier: Apache-2.0 */
/* Small tar archives, made in memory. */
#ifndef MSB_TESTS_IMAGE_TAR_FIXTURE_H
#define MSB_TESTS_IMAGE_TAR_FIXTURE_H

#include <stdio.h>
#include <string.h>

#include "base/buf.h"

/* A member of the archive; type as in its header, link or NULL. */
static inline void tar_add(struct buf *tar, const char *name, char type,
			   const char *link, const void *data, size_t len)
{
	static const char zero[512];
	char h[512] = { 0 };
	unsigned sum = 0;

	for (size_t i = 0; i < 99 && name[i]; i++)
		h[i] = name[i];
	(void)snprintf(h + 100, 8, "%07o", type == '5' ? 0755u : 0644u);
	memcpy(h + 108, "0000000", 8);
	memcpy(h + 116, "0000000", 8);
	(void)snprintf(h + 124, 12, "%011o", (unsigned)len);
	(void)snprintf(h + 136, 12, "%011o", 0u);
	memset(h + 148, ' ', 8);
	h[156] = type;
	for (size_t i = 0; link && i < 99 && link[i]; i++)
		h[157 + i] = link[i];
	memcpy(h + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	(void)snprintf(h + 148, 8, "%06o", sum);
	(void)buf_append(tar, h, sizeof(h));
	(void)buf_append(tar, data, len);
	(void)buf_append(tar, zero, (512 - len % 512) % 512);
}

static inline void tar_file(struct buf *tar, const char *name, const char *text)
{
	tar_add(tar, name, '0', NULL, text, strlen(text));
}

static inline void tar_end(struct buf *tar)
{
	static const char zero[1024];

	(void)buf_append(tar, zero, sizeof(zero));
}

#endif
