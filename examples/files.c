/* SPDX-License-Identifier: Apache-2.0 */
/* Files of a guest: write, list, look at, read. */
#include "common.h"

static int show(void *ctx, const char *name, const msb_fs_info_t *info)
{
	(void)ctx;
	printf("%s %llu %o\n", name, (unsigned long long)info->size,
	       (unsigned)info->mode);
	return 0;
}

int main(void)
{
	static const char text[] = "written by the host\n";
	msb_fs_info_t info;
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	void *data;
	size_t len;
	msb_fs_t *fs;
	msb_t *m;

	check(msb_open(NULL, &m, &e), e);
	s = new_sandbox(m);
	check(msb_fs_connect(s, &fs, &e), e);
	check(msb_fs_mkdir(fs, "/data/in", -1, &e), e);
	check(msb_fs_write_file(fs, "/data/in/note", text, strlen(text), 0640,
				false, &e),
	      e);
	check(msb_fs_list(fs, "/data/in", show, NULL, &e), e);
	check(msb_fs_read_file(fs, "/data/in/note", 0, &data, &len, &e), e);
	printf("%.*s", (int)len, (const char *)data);
	msb_free(data);
	/* What is not there is an error of a kind of its own. */
	if (msb_fs_stat(fs, "/data/none", true, &info, &e) < 0) {
		printf("%s\n", msb_error_kind_name(msb_error_kind(e)));
		msb_error_free(e);
	}
	msb_fs_free(fs);
	msb_sandbox_free(s);
	msb_close(m);
	return 0;
}
