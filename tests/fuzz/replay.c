/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over every file of a corpus directory. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int main(int argc, char **argv)
{
	struct dirent *e;
	size_t count = 0;
	DIR *d;

	if (argc != 2 || !(d = opendir(argv[1]))) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((e = readdir(d))) {
		struct buf b;

		if (e->d_name[0] == '.')
			continue;
		buf_init(&b, 16 << 20);
		if (io_read_file_at(dirfd(d), e->d_name, &b)) {
			fprintf(stderr, "%s: cannot read\n", e->d_name);
			return 1;
		}
		(void)LLVMFuzzerTestOneInput(buf_data(&b), buf_len(&b));
		buf_fini(&b);
		count++;
	}
	(void)closedir(d);
	printf("%zu inputs replayed\n", count);
	return count ? 0 : 1; /* an empty corpus tests nothing */
}
