/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a guest answers to a client that reads and writes its files. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/fs_int.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"

#define INPUT_MAX 65536u /* fits the socket's buffer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void greet(int fd)
{
	static const struct msg_ready ready = { .boot_time_ns = 1 };
	struct buf out, payload;
	uint8_t range[8];

	be32_put(range, 1);
	be32_put(range + 4, 100);
	buf_init(&out, 4096);
	buf_init(&payload, 256);
	msg_encode_ready(&payload, &ready);
	(void)buf_append(&out, range, sizeof(range));
	(void)frame_put(&out, 0, PROTO_GENERATION, MSG_T_READY, &payload);
	(void)io_write_full(fd, buf_data(&out), buf_len(&out));
	buf_fini(&payload);
	buf_fini(&out);
}

static int on_entry(void *ctx, const char *name, const msb_fs_info_t *info,
		    struct err *err)
{
	(void)ctx;
	(void)err;
	if (!*name || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, "..") || info->mode > 07777)
		abort();
	return 0;
}

static int on_data(void *ctx, const void *data, size_t len, struct err *err)
{
	size_t *left = ctx;

	(void)data;
	(void)err;
	if (len > *left)
		abort();
	*left -= len;
	return 0;
}

static void use(struct msb_fs *fs)
{
	const struct msg_fs_request write = { .op = MSG_FS_WRITE };
	struct err err = { 0 };
	msb_fs_info_t info;
	uint64_t handle;
	size_t left = 1000;
	uint32_t id;
	char *path;

	(void)fs_stat(fs, "/", true, &info, &err);
	if (!fs_path_answer(fs, MSG_FS_READ_LINK, "/l", &path, &err)) {
		if (!*path)
			abort();
		free(path);
	}
	(void)fs_list_dir(fs, "/d", on_entry, NULL, &err);
	(void)fs_open_handle(fs, "/f", NULL, &handle, &err);
	(void)fs_get(fs, 1, 0, left, true, on_data, &left, &err);
	if (!fs_begin(fs, &write, &id, &err) &&
	    !fs_put(fs, id, "data", 4, &err) && !fs_put(fs, id, "", 0, &err))
		(void)fs_end(fs, &id, 1, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct msb_fs fs = { .wait_ms = 10000 };
	int fds[2];

	if (len > INPUT_MAX ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return 0;
	greet(fds[0]);
	(void)io_write_full(fds[0], data, len);
	(void)shutdown(fds[0], SHUT_WR);
	if (!agent_open(fds[1], clock_mono_ms() + 10000, &fs.c, NULL)) {
		use(&fs);
		fs_disconnect(&fs);
	}
	(void)close(fds[0]);
	return 0;
}
