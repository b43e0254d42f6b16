/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest against a scratch directory. The input is a configuration
 * byte and a list of requests: opcode:1 node:1 handle:1 flags:1 len:2 body.
 * node and handle choose among what earlier replies gave, so that sequences
 * get anywhere; flags & 1 puts the handle at the start of the body, & 2 a node
 * there, & 4 cuts the reply buffer, & 8 makes the length in the header lie.
 * Nothing may change next to the scratch directory, no descriptor may leak, no
 * quota may be exceeded.
 */
#include <fcntl.h>
#include <ftw.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "fs/fs.h"

#define KNOWN 16
#define MAX_REQUESTS 200
#define BODY_MAX 8192
#define QUOTA 2000
#define POPULATED 18 /* bytes in files */

static char top[64];
static int top_fd = -1;

struct guest {
	struct fs_server *s;
	uint64_t node[KNOWN], fh[KNOWN];
	unsigned nnodes, nfhs;
	bool limited;
};

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void cleanup_top(void)
{
	(void)io_remove_tree(AT_FDCWD, top);
}

static void write_file(const char *path, const char *text)
{
	require(io_write_file_at(top_fd, path, text, strlen(text), 0644) == 0);
}

static void once(void)
{
	const struct rlimit size = { 1 << 20, 1 << 20 };
	const char *base = getenv("TMPDIR");
	int n;

	if (top_fd >= 0)
		return;
	n = snprintf(top, sizeof(top), "%s/msb-fuzz-XXXXXX",
		     base ? base : "/tmp");
	require(n > 0 && (size_t)n < sizeof(top));
	require(mkdtemp(top) != NULL);
	require(atexit(cleanup_top) == 0);
	top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	require(top_fd >= 0);
	write_file("outside", "untouched");
	/* no filling of the disk */
	require(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
	require(setrlimit(RLIMIT_FSIZE, &size) == 0);
}

static void populate(void)
{
	require(io_remove_tree(top_fd, "x") == 0);
	require(mkdirat(top_fd, "x", 0755) == 0);
	require(mkdirat(top_fd, "x/d", 0755) == 0);
	write_file("x/f", "some text");
	write_file("x/d/g", "more text");
	require(symlinkat("..", top_fd, "x/up") == 0);
	require(symlinkat("../../outside", top_fd, "x/d/out") == 0);
	require(mkfifoat(top_fd, "x/p", 0666) == 0);
}

static bool is_untouched(void)
{
	char text[16] = { 0 };
	struct stat st;
	int fd = openat(top_fd, "outside", O_RDONLY | O_CLOEXEC);

	require(fd >= 0);
	require(read(fd, text, sizeof(text)) == 9);
	require(fstat(fd, &st) == 0);
	(void)close(fd);
	require(fstatat(top_fd, "x", &st, AT_SYMLINK_NOFOLLOW) == 0);
	return !strcmp(text, "untouched") && S_ISDIR(st.st_mode);
}

static off_t tree_size;

static int add_size(const char *path, const struct stat *st, int type,
		    struct FTW *at)
{
	(void)path;
	(void)at;
	if (type == FTW_F && S_ISREG(st->st_mode))
		tree_size += st->st_size / (off_t)st->st_nlink;
	return 0;
}

static bool is_within_quota(void)
{
	char path[sizeof(top) + 2];

	tree_size = 0;
	(void)snprintf(path, sizeof(path), "%s/x", top);
	require(nftw(path, add_size, 8, FTW_PHYS) == 0);
	return tree_size <= POPULATED + QUOTA;
}

static void learn(struct guest *g, uint32_t opcode, const uint8_t *body,
		  size_t len)
{
	switch (opcode) {
	case FUSE_LOOKUP:
	case FUSE_MKDIR:
	case FUSE_MKNOD:
	case FUSE_SYMLINK:
	case FUSE_LINK:
	case FUSE_CREATE:
	case FUSE_TMPFILE:
		if (len >= 128)
			g->node[g->nnodes++ % KNOWN] = le64_get(body);
		if (len >= 144)
			g->fh[g->nfhs++ % KNOWN] = le64_get(body + 128);
		break;
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		if (len >= 16)
			g->fh[g->nfhs++ % KNOWN] = le64_get(body);
		break;
	default:
		break;
	}
}

static void request(struct guest *g, const uint8_t *h, const uint8_t *body,
		    size_t len)
{
	static uint8_t in[40 + BODY_MAX], out[70000];
	struct fuse_in_header head = { .len = (uint32_t)(40 + len),
				       .opcode = h[0],
				       .unique = 9,
				       .nodeid = g->node[h[1] % KNOWN],
				       .uid = h[1] >> 4,
				       .gid = h[1] >> 4 };
	size_t room = h[3] & 4 ? h[3] : sizeof(out);
	struct iovec iv[2] = { { in, 40 + len / 2 },
			       { in + 40 + len / 2, len - len / 2 } };
	struct iovec ov[2] = { { out, room / 2 },
			       { out + room / 2, room - room / 2 } };
	ssize_t n;

	if (h[3] & 8)
		head.len += h[2];
	memcpy(in, &head, 40);
	memcpy(in + 40, body, len);
	if (h[3] & 1 && len >= 8)
		memcpy(in + 40, &g->fh[h[2] % KNOWN], 8);
	if (h[3] & 2 && len >= 8)
		memcpy(in + 40, &g->node[h[2] % KNOWN], 8);
	n = fs_handle(g->s, iv, 2, ov, 2);
	require(n == 0 || (n >= 16 && (size_t)n <= room));
	if (n > 16)
		learn(g, h[0], out + 16, (size_t)n - 16);
}

static bool start(struct guest *g, uint8_t bits)
{
	struct fuse_init_in init = { .major = 7, .minor = 38, .flags = ~0u };
	struct fs_config cfg = { .follow_symlinks = true,
				 .strict_or_relaxed = true,
				 .readonly = bits & 4,
				 .noexec = bits & 8,
				 .file = bits & 16 ? "f" : NULL,
				 .negative_ms = bits & 32 ? 1000 : 0,
				 .max_inodes = bits & 64 ? 8 : 0 };
	char path[sizeof(top) + 2];

	(void)snprintf(path, sizeof(path), "%s/x", top);
	cfg.path = path;
	cfg.stat_virt = (enum fs_stat_virt)((bits & 3) % 3);
	cfg.host_perms = bits & 128 && cfg.stat_virt != FS_STAT_OFF
				 ? FS_PERMS_MIRROR
				 : FS_PERMS_PRIVATE;
	if (bits & 32 && !cfg.file) {
		cfg.quota_bytes = bits & 64 ? QUOTA + POPULATED : QUOTA;
		cfg.quota_whole = bits & 64;
		g->limited = true;
	}
	if (fs_server_new(&cfg, &g->s, NULL))
		return false;
	for (unsigned i = 0; i < KNOWN; i++)
		g->node[i] = FUSE_ROOT_ID;
	request(g, (const uint8_t[]){ FUSE_INIT, 0, 0, 0 },
		(const uint8_t *)&init, sizeof(init));
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest g = { 0 };
	int low;

	if (!size)
		return 0;
	once();
	populate();
	low = dup(top_fd);
	(void)close(low);
	require(start(&g, *data++));
	size--;
	for (unsigned i = 0; i < MAX_REQUESTS && size >= 6; i++) {
		size_t len = le16_get(data + 4);

		if (len > size - 6)
			len = size - 6;
		if (len > BODY_MAX)
			len = BODY_MAX;
		request(&g, data, data + 6, len);
		data += 6 + len;
		size -= 6 + len;
	}
	g.s = fs_server_free(g.s);
	require(dup(top_fd) == low); /* the lowest free one, as before */
	(void)close(low);
	require(is_untouched());
	require(!g.limited || is_within_quota());
	return 0;
}
