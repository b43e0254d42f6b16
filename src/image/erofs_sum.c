/* SPDX-License-Identifier: Apache-2.0 */
/* The checksum of an EROFS superblock. */
#include "base/bytes.h"
#include "image/erofs_format.h"

#define CRC32C_POLY 0x82f63b78u /* Castagnoli, reflected */

static uint32_t crc32c(uint32_t crc, const uint8_t *data, size_t len)
{
	while (len--) {
		crc ^= *data++;
		for (int i = 0; i < 8; i++)
			crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLY : 0);
	}
	return crc;
}

uint32_t erofs_checksum(const uint8_t block[EROFS_BLOCK])
{
	static const uint8_t zero[4];
	const uint8_t *sum = block + EROFS_SB_OFFSET + EROFS_SB_CHECKSUM;
	uint32_t crc =
		crc32c(UINT32_MAX, block + EROFS_SB_OFFSET, EROFS_SB_CHECKSUM);

	crc = crc32c(crc, zero, sizeof(zero));
	sum += sizeof(zero);
	return crc32c(crc, sum, (size_t)(block + EROFS_BLOCK - sum));
}
