/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of 4096 bytes at random places of a file, past the guest's cache:
 * fsload read|write FILE COUNT. For bench/fs.py, which builds it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096

int main(int argc, char **argv)
{
	int writing = argc == 4 && !strcmp(argv[1], "write");
	uint64_t seed = 88172645463325252u;
	struct stat st;
	void *block;
	int fd;

	if (argc != 4 || posix_memalign(&block, BLOCK, BLOCK))
		return 2;
	memset(block, 'b', BLOCK);
	fd = open(argv[2], (writing ? O_WRONLY : O_RDONLY) | O_DIRECT);
	if (fd < 0 || fstat(fd, &st) < 0 || st.st_size < BLOCK) {
		perror(argv[2]);
		return 1;
	}
	for (long i = 0; i < atol(argv[3]); i++) {
		off_t off;
		ssize_t n;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		off = (off_t)(seed % (uint64_t)(st.st_size / BLOCK)) * BLOCK;
		n = writing ? pwrite(fd, block, BLOCK, off)
			    : pread(fd, block, BLOCK, off);
		if (n != BLOCK) {
			perror(argv[1]);
			return 1;
		}
	}
	return 0;
}
