/* SPDX-License-Identifier: Apache-2.0 */
/* File operations for clients: the ones that are done at once. */
#include "agent/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/fs_int.h"
#include "base/cleanup.h"
#include "base/io.h"

void fs_send_response(struct agent *a, uint32_t id,
		      const struct msg_fs_response *m)
{
	MSB_CLEANUP(buf_fini) struct buf b = { .max = FRAME_LEN_MAX };

	msg_encode_fs_response(&b, m);
	if (agent_send(a, id, MSG_T_FS_RESPONSE, &b) && m->ok)
		fs_send_failed(a, id, "reply does not fit a frame");
}

void fs_send_ok(struct agent *a, uint32_t id)
{
	fs_send_response(a, id, &(struct msg_fs_response){ .ok = true });
}

void fs_send_failed(struct agent *a, uint32_t id, const char *fmt, ...)
{
	struct msg_fs_response m = { .ok = false };
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m.error = view_cstr(text);
	fs_send_response(a, id, &m);
}

void fs_send_errno(struct agent *a, uint32_t id, const char *prefix, int sys)
{
	char text[160];

	fs_send_failed(a, id, "%s: %s", prefix,
		       agent_errno_text(sys, text, sizeof(text)));
}

void fs_send_result(struct agent *a, uint32_t id, const char *prefix, int rc)
{
	if (rc)
		fs_send_errno(a, id, prefix, -rc);
	else
		fs_send_ok(a, id);
}

static void send_path(struct agent *a, uint32_t id, const char *path)
{
	struct msg_fs_response m = { .ok = true,
				     .data = MSG_FS_DATA_PATH,
				     .path = view_cstr(path) };

	fs_send_response(a, id, &m);
}

static void send_stat(struct agent *a, uint32_t id, const char *path,
		      const struct stat *st)
{
	struct msg_fs_response m = { .ok = true, .data = MSG_FS_DATA_STAT };

	fs_info_fill(&m.stat, view_cstr(path), st);
	fs_send_response(a, id, &m);
}

static void send_handle(struct agent *a, uint32_t id, uint64_t number)
{
	struct msg_fs_response m = { .ok = true,
				     .data = MSG_FS_DATA_HANDLE,
				     .handle = number };

	fs_send_response(a, id, &m);
}

/* "<canonical directory>/<base>"; NULL with errno set. */
static char *join_real(const char *dir, const char *base)
{
	char *real = realpath(dir, NULL);
	char *joined;

	if (!real)
		return NULL;
	joined = str_fmt("%s/%s", strcmp(real, "/") ? real : "", base);
	free(real);
	return joined;
}

/* The canonical name of a file that may yet have to be created. */
static char *real_path(const char *path)
{
	char *found = realpath(path, NULL);
	const char *slash, *base;
	char parent[PATH_MAX];

	if (found || errno != ENOENT)
		return found;
	slash = strrchr(path, '/');
	base = slash ? slash + 1 : path;
	if (!*base || !strcmp(base, ".") || !strcmp(base, "..") ||
	    base - path >= PATH_MAX) {
		errno = ENOENT;
		return NULL;
	}
	/* with its slash, so that "/" needs no case of its own */
	memcpy(parent, path, (size_t)(base - path));
	parent[base - path] = 0;
	return join_real(*parent ? parent : ".", base);
}

static void op_real_path(struct fs_service *s, uint32_t id, const char *path)
{
	autofree char *real = real_path(path);

	if (real)
		send_path(s->a, id, real);
	else
		fs_send_errno(s->a, id, "realpath", errno);
}

static void op_stat(struct fs_service *s, uint32_t id, const char *path,
		    bool follow)
{
	struct stat st;

	if (fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		fs_send_errno(s->a, id, "stat", errno);
	else
		send_stat(s->a, id, path, &st);
}

static void op_read_link(struct fs_service *s, uint32_t id, const char *path)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n < 0) {
		fs_send_errno(s->a, id, "readlink", errno);
		return;
	}
	target[n] = 0;
	send_path(s->a, id, target);
}

static void op_mkdir(struct fs_service *s, uint32_t id, const char *path,
		     const struct opt_u32 *mode)
{
	int rc = io_mkdir_p(AT_FDCWD, path, 0777);

	if (rc)
		fs_send_errno(s->a, id, "mkdir", -rc);
	else if (mode->set && chmod(path, mode->v & 07777) < 0)
		fs_send_errno(s->a, id, "chmod", errno);
	else
		fs_send_ok(s->a, id);
}

static void add_handle(struct fs_service *s, uint32_t id, int fd, char *path,
		       int flags, bool dir)
{
	struct fs_handle *h;
	int rc = fs_handle_add(s, id, fd, path, &h);

	if (rc == -EMFILE) {
		fs_send_failed(s->a, id,
			       "too many open filesystem handles for relay "
			       "client: %u",
			       relay_slot(id));
		return;
	}
	if (rc) {
		fs_send_errno(s->a, id, "open", -rc);
		return;
	}
	h->dir = dir;
	h->can_read = (flags & O_ACCMODE) != O_WRONLY;
	h->can_write = (flags & O_ACCMODE) != O_RDONLY;
	h->append = flags & O_APPEND;
	send_handle(s->a, id, h->number);
}

/*
 * Never waits for the other end of a FIFO or for a device; reading those does
 * not work anyway, as they have no offsets.
 */
static int open_file(struct fs_service *s, const char *path, int flags,
		     mode_t mode)
{
	int fd;

	flags |= O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	fd = open(path, flags, mode);
	if (fd < 0 && errno == EMFILE && files_raise(&s->a->files))
		fd = open(path, flags, mode);
	return fd < 0 ? -errno : fd;
}

/* Takes path. */
static void op_open_file(struct fs_service *s, uint32_t id, char *path,
			 const struct msg_fs_open *o)
{
	int flags = fs_open_flags(o);
	mode_t mode = o->mode.set ? o->mode.v & 07777 : 0666;
	int fd = flags < 0 ? flags : open_file(s, path, flags, mode);

	if (fd >= 0) {
		add_handle(s, id, fd, path, flags, false);
		return;
	}
	free(path);
	fs_send_errno(s->a, id, "open", -fd);
}

/* Takes path. */
static void op_open_dir(struct fs_service *s, uint32_t id, char *path)
{
	int fd = open_file(s, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd >= 0) {
		add_handle(s, id, fd, path, O_RDONLY, true);
		return;
	}
	free(path);
	fs_send_errno(s->a, id, "opendir", -fd);
}

static void path_op(struct fs_service *s, uint32_t id,
		    const struct msg_fs_request *r, char *owned)
{
	autofree char *path = owned;
	struct agent *a = s->a;
	int rc;

	switch ((int)r->op) {
	case MSG_FS_REAL_PATH:
		op_real_path(s, id, path);
		break;
	case MSG_FS_STAT:
		op_stat(s, id, path, r->follow_symlink);
		break;
	case MSG_FS_SET_STAT:
		rc = fs_set_path_attrs(path, r->follow_symlink, &r->attrs);
		fs_send_result(a, id, "setstat", rc);
		break;
	case MSG_FS_LIST:
		fs_list(s, id, take_ptr(path));
		break;
	case MSG_FS_READ_LINK:
		op_read_link(s, id, path);
		break;
	case MSG_FS_MKDIR:
		op_mkdir(s, id, path, &r->mode);
		break;
	case MSG_FS_REMOVE:
		rc = unlink(path) < 0 ? -errno : 0;
		fs_send_result(a, id, "remove", rc);
		break;
	case MSG_FS_REMOVE_DIR:
		if (r->recursive) {
			fs_remove_tree(s, id, path);
			break;
		}
		rc = rmdir(path) < 0 ? -errno : 0;
		fs_send_result(a, id, "remove_dir", rc);
		break;
	case MSG_FS_OPEN_FILE:
		op_open_file(s, id, take_ptr(path), &r->options);
		break;
	case MSG_FS_OPEN_DIR:
		op_open_dir(s, id, take_ptr(path));
		break;
	default:
		fs_send_failed(a, id, "unknown operation");
	}
}

static void two_path_op(struct fs_service *s, uint32_t id,
			const struct msg_fs_request *r, const char *path)
{
	autofree char *target = view_dup(r->target);
	int rc;

	if (!target) {
		fs_send_failed(s->a, id, "path contains a NUL byte");
		return;
	}
	switch ((int)r->op) {
	case MSG_FS_SYMLINK:
		rc = symlink(target, path) < 0 ? -errno : 0;
		fs_send_result(s->a, id, "symlink", rc);
		break;
	case MSG_FS_RENAME:
		rc = rename(path, target) < 0 ? -errno : 0;
		fs_send_result(s->a, id, "rename", rc);
		break;
	default:
		fs_copy(s, id, path, target);
	}
}

static void handle_op(struct fs_service *s, uint32_t id,
		      const struct msg_fs_request *r)
{
	struct fs_handle *h = fs_handle_get(s, id, r->handle);
	struct stat st;
	int rc;

	if (!h)
		return;
	if (r->op == MSG_FS_CLOSE_HANDLE) {
		fs_handle_close(s, h);
		fs_send_ok(s->a, id);
	} else if (r->op == MSG_FS_FSTAT) {
		if (fstat(h->fd, &st) < 0)
			fs_send_errno(s->a, id, "fstat", errno);
		else
			send_stat(s->a, id, h->path, &st);
	} else {
		rc = fs_set_fd_attrs(h->fd, &r->attrs);
		fs_send_result(s->a, id, "fsetstat", rc);
	}
}

void fs_request(struct agent *a, uint32_t id, const struct msg_fs_request *r)
{
	struct fs_service *s = a->fs;
	char *path;

	switch ((int)r->op) {
	case MSG_FS_READ:
		fs_read(s, id, r);
		return;
	case MSG_FS_WRITE:
		fs_write(s, id, r);
		return;
	case MSG_FS_READ_DIR:
		fs_read_dir(s, id, r);
		return;
	case MSG_FS_CLOSE_HANDLE:
	case MSG_FS_FSTAT:
	case MSG_FS_FSET_STAT:
		handle_op(s, id, r);
		return;
	default:
		break;
	}
	path = view_dup(r->path);
	if (!path) {
		fs_send_failed(a, id, "path contains a NUL byte");
		return;
	}
	if (r->op == MSG_FS_SYMLINK || r->op == MSG_FS_RENAME ||
	    r->op == MSG_FS_COPY) {
		two_path_op(s, id, r, path);
		free(path);
		return;
	}
	path_op(s, id, r, path);
}

int fs_service_new(struct agent *a, struct fs_service **ret)
{
	struct fs_service *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->a = a;
	list_init(&s->running);
	*ret = s;
	return 0;
}

struct range_ctx {
	uint32_t start, end;
};

static void end_in_range(struct session *s, void *ctx)
{
	const struct range_ctx *r = ctx;

	if (s->id >= r->start && s->id < r->end)
		fs_stream_end(container_of(s, struct fs_stream, session));
}

void fs_client_gone(struct agent *a, const struct msg_id_range *r)
{
	struct range_ctx ctx = { r->id_start, r->id_end_exclusive };

	session_each(&a->sessions, SESSION_FS, end_in_range, &ctx);
	fs_handle_close_range(a->fs, ctx.start, ctx.end);
}

struct fs_service *fs_service_free(struct fs_service *s)
{
	if (s) {
		/* ids are never 0xffffffff: the last slot ends before it */
		fs_client_gone(s->a, &(struct msg_id_range){ 0, UINT32_MAX });
		loop_defer_cancel(&s->run);
		chan_wait_cancel(&s->room);
		free(s);
	}
	return NULL;
}
