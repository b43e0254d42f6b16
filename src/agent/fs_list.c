/* SPDX-License-Identifier: Apache-2.0 */
/* Contents of directories: page by page, or whole. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/fs_int.h"
#include "base/cleanup.h"

#define PAGE_DEFAULT 128
/* More than this per reply would only make the client wait. */
#define PAGE_MAX 4096
#define STEP_ENTRIES 128
/* Encoded entries of one reply, leaving room for what is around them. */
#define REPLY_MAX (FRAME_LEN_MAX - 1024)
#define DENTS_SIZE 16384

/* Encoded entries so far. */
struct listing {
	struct buf items;
	size_t count;
};

static void add_entry(struct listing *l, int dir, const char *dir_path,
		      const char *name)
{
	size_t len = strlen(dir_path);
	const char *slash = len && dir_path[len - 1] == '/' ? "" : "/";
	autofree char *path = str_fmt("%s%s%s", dir_path, slash, name);
	struct msg_fs_info info = { .path = view_cstr(path),
				    .kind = view_cstr("other") };
	struct stat st;

	if (!path) {
		l->items.failed = true;
		return;
	}
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		fs_info_fill(&info, view_cstr(path), &st);
	msg_encode_fs_info(&l->items, &info);
	l->count++;
}

static bool is_dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/*
 * Up to max further entries. What the kernel handed out beyond is given back
 * by seeking, so no position is kept but the descriptor's own. Returns whether
 * the directory may have more, or -errno; -EFBIG when the reply is full.
 */
static int list_some(struct listing *l, int fd, const char *path, size_t max)
{
	_Alignas(struct dirent64) char dents[DENTS_SIZE];
	size_t end = l->count + max;

	for (;;) {
		ssize_t n = getdents64(fd, dents, sizeof(dents));

		if (n <= 0)
			return n < 0 ? -errno : 0;
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(dents + at);

			at += e->d_reclen;
			if (!is_dots(e->d_name))
				add_entry(l, fd, path, e->d_name);
			if (l->items.failed)
				return -EFBIG;
			if (l->count < end)
				continue;
			if (at < n && lseek(fd, e->d_off, SEEK_SET) < 0)
				return -errno;
			return 1;
		}
	}
}

static void send_list(struct agent *a, uint32_t id, const struct listing *l)
{
	struct msg_fs_response m = { .ok = true,
				     .data = MSG_FS_DATA_LIST,
				     .list_items = view_buf(&l->items),
				     .list_count = l->count };

	fs_send_response(a, id, &m);
}

void fs_read_dir(struct fs_service *s, uint32_t id,
		 const struct msg_fs_request *r)
{
	struct fs_handle *h = fs_handle_get(s, id, r->handle);
	size_t limit = r->limit.set ? r->limit.v : PAGE_DEFAULT;
	struct listing l = { 0 };
	int rc;

	if (!h)
		return;
	if (!h->dir) {
		fs_send_failed(s->a, id, "handle %" PRIu64 " is a file",
			       r->handle);
		return;
	}
	limit = limit < 1 ? 1 : limit > PAGE_MAX ? PAGE_MAX : limit;
	buf_init(&l.items, REPLY_MAX);
	rc = list_some(&l, h->fd, h->path, limit);
	if (rc < 0)
		fs_send_errno(s->a, id, "readdir", -rc);
	else
		send_list(s->a, id, &l);
	buf_fini(&l.items);
}

struct fs_listing {
	struct fs_stream stream;
	struct listing l;
	int fd;	    /* owned */
	char *path; /* owned */
};

static bool list_step(struct fs_stream *one)
{
	struct fs_listing *f = container_of(one, struct fs_listing, stream);
	struct agent *a = one->service->a;
	int rc = list_some(&f->l, f->fd, f->path, STEP_ENTRIES);

	if (rc > 0)
		return true;
	if (rc == -EFBIG)
		fs_send_failed(a, one->session.id,
			       "readdir: directory too large for one reply, "
			       "list it page by page");
	else if (rc < 0)
		fs_send_errno(a, one->session.id, "readdir", -rc);
	else
		send_list(a, one->session.id, &f->l);
	return false;
}

static void list_fini(struct fs_stream *one)
{
	struct fs_listing *f = container_of(one, struct fs_listing, stream);

	buf_fini(&f->l.items);
	close_fd(&f->fd);
	free(f->path);
}

void fs_list(struct fs_service *s, uint32_t id, char *path)
{
	autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	autofree char *owned = path;
	struct fs_listing *f;

	if (fd < 0) {
		fs_send_errno(s->a, id, "readdir", errno);
		return;
	}
	f = (struct fs_listing *)fs_stream_new(s, id, sizeof(*f));
	if (!f)
		return;
	buf_init(&f->l.items, REPLY_MAX);
	f->fd = take_fd(&fd);
	f->path = take_ptr(owned);
	f->stream.step = list_step;
	f->stream.fini = list_fini;
	fs_stream_start(&f->stream);
}
