/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a release's archive holds, nothing appears outside of its place. */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "image/fetch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char place[] = "/tmp/msb-fuzz-extract-XXXXXX";
	struct err err = { 0 };
	struct stat st;
	int top, in = io_memfd("archive", data, len), dir = -1;

	if (in < 0)
		return 0;
	if (!mkdtemp(place)) {
		(void)close(in);
		return 0;
	}
	top = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (top >= 0 && mkdirat(top, "in", 0700) == 0)
		dir = openat(top, "in", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0) {
		(void)lseek(in, 0, SEEK_SET);
		if (extract(in, dir, &err) && !*err.msg)
			abort();
		/* two links for itself, one for the only directory */
		if (fstat(top, &st) < 0 ||
		    (st.st_nlink != 3 && st.st_nlink > 1))
			abort();
	}
	close_fd(&dir);
	close_fd(&top);
	(void)close(in);
	(void)io_remove_tree(AT_FDCWD, place);
	return 0;
}
