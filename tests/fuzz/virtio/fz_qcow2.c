/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile qcow2 image, used by a hostile guest: the input is a few bytes of
 * what the guest does, then the file.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "virtio/disk/disk.h"

#define STEPS 16u
#define STEP_LEN 4u
#define FILE_MAX (1u << 20)
#define DATA_MAX 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* kind:1 where:2 length:1 */
static void step(struct disk *d, const uint8_t *s, uint8_t *buf)
{
	uint64_t sectors = disk_size(d) / DISK_SECTOR;
	uint64_t off = (uint64_t)(s[1] << 8 | s[2]) * sectors / 65536;
	uint64_t len = s[3] % 128 + 1u;
	struct iovec iov[2];

	if (len > sectors - off)
		len = sectors - off;
	off *= DISK_SECTOR;
	len *= DISK_SECTOR;
	iov[0] = (struct iovec){ buf, len / 3 };
	iov[1] = (struct iovec){ buf + len / 3, len - len / 3 };
	switch (s[0] % 6) {
	case 0:
		(void)disk_read(d, iov, 2, off);
		break;
	case 1:
	case 2:
		(void)disk_write(d, iov, 2, off, s[0] & 0x80);
		break;
	case 3:
		(void)disk_zero(d, off, len, s[0] & 0x80);
		break;
	case 4:
		(void)disk_discard(d, off, len);
		break;
	default:
		(void)disk_flush(d);
		break;
	}
}

static void use(const uint8_t *steps, const uint8_t *file, size_t len,
		bool read_only)
{
	int fd = io_memfd("image", file, len);
	uint8_t *buf = calloc(1, DATA_MAX);
	struct err err = { 0 };
	struct disk *d, *fs;

	if (fd < 0 || !buf || disk_qcow2(fd, read_only, &d, &err)) {
		free(buf);
		return;
	}
	for (unsigned i = 0; i < STEPS; i++)
		step(d, steps + (size_t)i * STEP_LEN, buf);
	if (disk_file_system(d, &fs, &err) == 0) {
		step(fs, steps, buf);
		disk_free(fs);
	}
	free(buf);
}

static void discard_line(void *ctx, const char *line, size_t len)
{
	(void)ctx;
	(void)line;
	(void)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const size_t head = STEPS * STEP_LEN;

	if (size < head || size > FILE_MAX)
		return 0;
	log_init(LOG_ERROR, discard_line, NULL);
	use(data, data + head, size - head, true);
	use(data, data + head, size - head, false);
	return 0;
}
