/* SPDX-License-Identifier: Apache-2.0 */
/* MBR and GPT tables: the input is a disk, from its first sector on. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "virtio/disk/disk.h"

#define DISK_LEN (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void discard_line(void *ctx, const char *line, size_t len)
{
	(void)ctx;
	(void)line;
	(void)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sector[DISK_SECTOR];
	struct iovec v = { sector, sizeof(sector) };
	struct err err = { 0 };
	struct disk *d, *fs;
	int fd;

	if (size > DISK_LEN)
		return 0;
	log_init(LOG_ERROR, discard_line, NULL);
	fd = io_memfd("disk", data, size);
	if (fd < 0 || ftruncate(fd, DISK_LEN) < 0 ||
	    disk_raw(fd, true, &d, &err))
		return 0;
	if (disk_file_system(d, &fs, &err))
		return 0;
	if (disk_size(fs) > DISK_LEN || disk_read(fs, &v, 1, 0))
		abort(); /* a part that is not there was chosen */
	disk_free(fs);
	return 0;
}
