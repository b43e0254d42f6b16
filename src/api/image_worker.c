/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running msb-image, and following what it says. It handles strangers' bytes,
 * so nothing of what it says is believed unchecked; it lives no longer than we
 * read from it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "api/cancel.h"
#include "api/image_int.h"
#include "api/process.h"
#include "base/buf.h"
#include "base/io.h"

#define READ_SIZE 65536u

enum { WORKER_FDS = 4 }; /* request, events, file, output */

struct worker {
	const struct msb_image_options *o;
	int events;
	pid_t pid;
	size_t nlayers; /* of the last "resolved" */
	struct buf in;
	struct worker_event last; /* valid when ended */
	bool ended;
};

/* ---- starting ----------------------------------------------------------- */

static int make_request(const struct worker_request *r, struct err *err)
{
	char *text = worker_request_format(r);
	int fd;

	if (!text)
		return api_no_memory(err);
	fd = io_memfd("msb-image-request", text, strlen(text));
	explicit_bzero(text, strlen(text)); /* may hold a password */
	free(text);
	return fd < 0 ? err_sys(err, ERR_IO, -fd, "make a request") : fd;
}

static int start(struct worker *w, const msb_t *m,
		 const struct worker_request *r, int file_fd, int out_fd,
		 struct err *err)
{
	char *argv[] = { (char *)(uintptr_t)WORKER_PROGRAM, NULL };
	int fds[WORKER_FDS] = { -1, -1, -1, -1 }, events[2];
	autofree char *path = NULL;
	int rc = artefact_find_worker(m, &path, err);

	if (rc)
		return rc;
	if (pipe2(events, O_CLOEXEC) < 0)
		return err_sys(err, ERR_IO, errno, "make a pipe");
	w->events = events[0];
	fds[WORKER_EVENT_FD - PROGRAM_FIRST_FD] = events[1];
	rc = make_request(r, err);
	if (rc >= 0) {
		fds[WORKER_REQUEST_FD - PROGRAM_FIRST_FD] = rc;
		if (file_fd >= 0)
			fds[WORKER_FILE_FD - PROGRAM_FIRST_FD] =
				fcntl(file_fd, F_DUPFD_CLOEXEC, 0);
		if (out_fd >= 0)
			fds[WORKER_OUT_FD - PROGRAM_FIRST_FD] =
				fcntl(out_fd, F_DUPFD_CLOEXEC, 0);
		rc = program_spawn(path, argv, environ, fds, WORKER_FDS,
				   &w->pid);
		if (rc)
			(void)err_sys(err, ERR_RUNTIME, -rc, "start '%s'",
				      path);
	}
	for (size_t i = 0; i < WORKER_FDS; i++)
		close_fd(&fds[i]);
	return rc;
}

/* ---- following ---------------------------------------------------------- */

static int nonsense(struct err *err)
{
	return err_set(err, ERR_IMAGE, EPROTO,
		       "what " WORKER_PROGRAM " says makes no sense");
}

static int cancelled(struct err *err)
{
	return err_set(err, ERR_IMAGE, ECANCELED, "cancelled");
}

static int tell_resolved(struct worker *w, const struct worker_event *from,
			 msb_image_event_t *to, struct err *err)
{
	autofree uint64_t *sizes = calloc(from->nlayers + 1, sizeof(*sizes));

	if (!sizes)
		return api_no_memory(err);
	for (size_t i = 0; i < from->nlayers; i++)
		sizes[i] = from->layers[i].size;
	w->nlayers = to->layer_count = from->nlayers;
	to->layer_bytes = sizes;
	return image_options_tell(w->o, to) ? cancelled(err) : 0;
}

static msb_image_event_kind_t kind_of(const struct worker_event *e)
{
	switch (e->type) {
	case WORKER_RESOLVING:
		return MSB_IMAGE_RESOLVING;
	case WORKER_RESOLVED:
		return MSB_IMAGE_RESOLVED;
	case WORKER_DOWNLOAD:
		return MSB_IMAGE_DOWNLOAD;
	case WORKER_UNPACK:
		return MSB_IMAGE_UNPACK;
	case WORKER_LAYER:
		if (e->state == WORKER_LAYER_WAITING)
			return MSB_IMAGE_WAITING;
		return e->state == WORKER_LAYER_CACHED ? MSB_IMAGE_CACHED
						       : MSB_IMAGE_LAYER;
	case WORKER_MERGING:
		return MSB_IMAGE_MERGING;
	case WORKER_NOTE:
		return MSB_IMAGE_NOTE;
	case WORKER_DONE:
	case WORKER_ERROR:
	case WORKER_EVENT_COUNT:
	default:
		return MSB_IMAGE_DONE;
	}
}

static int on_event(struct worker *w, const struct worker_event *from,
		    struct err *err)
{
	msb_image_event_t to = {
		.struct_size = sizeof(to),
		.kind = kind_of(from),
		.reference = from->reference,
		.layer = from->layer,
		.layer_count = w->nlayers,
		.bytes = from->bytes,
		.total = from->total,
		.message = from->message,
	};
	bool of_layer = from->type == WORKER_DOWNLOAD ||
			from->type == WORKER_UNPACK ||
			from->type == WORKER_LAYER;

	if (of_layer && from->layer >= w->nlayers)
		return nonsense(err);
	if (from->type == WORKER_RESOLVED)
		return tell_resolved(w, from, &to, err);
	return image_options_tell(w->o, &to) ? cancelled(err) : 0;
}

/* One line that has come in. */
static int on_line(struct worker *w, const char *line, size_t len,
		   struct err *err)
{
	struct worker_event e;
	int rc;

	if (w->ended || worker_event_parse(line, len, &e))
		return nonsense(err);
	if (e.type == WORKER_DONE || e.type == WORKER_ERROR) {
		w->last = e;
		w->ended = true;
		return 0;
	}
	rc = on_event(w, &e, err);
	worker_event_fini(&e);
	return rc;
}

static int take_lines(struct worker *w, struct err *err)
{
	for (;;) {
		const uint8_t *data = buf_data(&w->in), *end;
		size_t len = buf_len(&w->in);
		int rc;

		end = len ? memchr(data, '\n', len) : NULL;
		if (!end)
			return len > WORKER_LINE_MAX ? nonsense(err) : 0;
		len = (size_t)(end - data);
		rc = on_line(w, (const char *)data, len, err);
		if (rc)
			return rc;
		buf_consume(&w->in, len + 1);
	}
}

static int await_line(const struct worker *w, struct err *err)
{
	struct pollfd p = { .fd = w->events, .events = POLLIN };
	int rc;

	do
		rc = cancel_poll(&p, 1, -1);
	while (rc == -EINTR);
	return rc < 0 ? err_sys(err, ERR_IMAGE, -rc, "wait for " WORKER_PROGRAM)
		      : 0;
}

/* Until it has closed its end of the pipe. */
static int follow(struct worker *w, struct err *err)
{
	for (;;) {
		uint8_t *room = buf_reserve(&w->in, READ_SIZE);
		ssize_t n;
		int rc;

		if (!room)
			return api_no_memory(err);
		rc = await_line(w, err);
		if (rc)
			return rc;
		n = io_read(w->events, room, READ_SIZE);
		if (n < 0)
			return err_sys(err, ERR_IO, (int)-n, "read a pipe");
		if (!n)
			return 0;
		buf_commit(&w->in, (size_t)n);
		rc = take_lines(w, err);
		if (rc)
			return rc;
	}
}

static int outcome(struct worker *w, const char *how, struct worker_event *ret,
		   struct err *err)
{
	if (!w->ended)
		return err_set(err, ERR_IMAGE, EIO,
			       WORKER_PROGRAM " ended unexpectedly (%s)", how);
	w->ended = false; /* its last event is taken */
	if (w->last.type == WORKER_DONE) {
		*ret = w->last;
		return 0;
	}
	if (err)
		*err = w->last.err;
	worker_event_fini(&w->last);
	return err && err->sys > 0 ? -err->sys : -EIO;
}

static int run(msb_t *m, struct worker_request *r, int file_fd, int out_fd,
	       const struct msb_image_options *o, struct worker_event *ret,
	       struct err *err)
{
	struct worker w = {
		.o = o,
		.events = -1,
		.pid = -1,
		/* which tells of no layers, and speaks of the first */
		.nlayers = r->op == WORKER_FETCH,
	};
	char how[32];
	int rc;

	r->home = m->home.path;
	r->config_home = m->config_home.path;
	r->cache = m->home.place[HOME_CACHE];
	rc = start(&w, m, r, file_fd, out_fd, err);
	r->home = r->config_home = r->cache = NULL; /* were borrowed */
	if (!rc) {
		buf_init(&w.in, WORKER_LINE_MAX + 2 * READ_SIZE);
		rc = follow(&w, err);
		buf_fini(&w.in);
		if (rc) /* ours, and not reaped yet */
			(void)kill(w.pid, SIGKILL);
		program_end(w.pid, how, sizeof(how));
		if (!rc)
			rc = outcome(&w, how, ret, err);
	}
	if (w.ended)
		worker_event_fini(&w.last);
	close_fd(&w.events);
	return rc;
}

int image_worker_run(msb_t *m, struct worker_request *r, int file_fd,
		     const struct msb_image_options *o,
		     struct worker_event *ret, struct err *err)
{
	return run(m, r, file_fd, -1, o, ret, err);
}

int image_worker_repack(msb_t *m, bool expand, int in, int out, struct err *err)
{
	struct worker_request r = { .op = expand ? WORKER_EXPAND
						 : WORKER_COMPRESS };
	struct worker_event end;
	int rc = run(m, &r, in, out, NULL, &end, err);

	if (!rc)
		worker_event_fini(&end);
	return rc;
}

int image_worker_fetch(msb_t *m, char *url, bool document, char *ca_certs,
		       int out, const struct msb_image_options *o,
		       struct err *err)
{
	struct worker_request r = { .op = WORKER_FETCH,
				    .url = url,
				    .document = document,
				    .ca_certs = ca_certs };
	struct worker_event end;
	int rc = run(m, &r, -1, out, o, &end, err);

	if (!rc)
		worker_event_fini(&end);
	return rc;
}

int image_worker_extract(msb_t *m, int in, int out, struct err *err)
{
	struct worker_request r = { .op = WORKER_EXTRACT };
	struct worker_event end;
	int rc = run(m, &r, in, out, NULL, &end, err);

	if (!rc)
		worker_event_fini(&end);
	return rc;
}
