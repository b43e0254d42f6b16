/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a vhost-user back end, and the thread it runs on.
 *
 * Everything but creation, vhost_user_free() and the reports happens on the
 * serving loop. Reports cross over through an eventfd watched on the owner's
 * loop, so nothing is left behind when the server is freed.
 */
#include "virtio/transport/vhost_user.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "virtio/thread.h"
#include "virtio/transport/vhost_user_backend.h"

#define MESSAGES_PER_TURN 32

struct report {
	bool pending;
	char why[120];
};

struct vhost_user {
	struct virtio_device *dev;    /* borrowed */
	struct virtio_thread *thread; /* NULL: served on the owner's loop */
	struct loop *loop;	      /* the serving one */
	int listen_fd, conn_fd;
	struct watch listen_watch, conn_watch;
	struct vu_reader reader;
	struct vu_backend backend;
	unsigned flags;
	struct vhost_user_events events;
	int report_fd;
	struct watch report_watch;
	pthread_mutex_t lock;
	struct report fault, disconnect; /* guarded by lock */
	int rc;				 /* of serve_begin */
};

static void report(struct vhost_user *vu, struct report *r, const char *why)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&vu->lock);
	r->pending = true;
	snprintf(r->why, sizeof(r->why), "%s", why);
	pthread_mutex_unlock(&vu->lock);
	(void)io_write(vu->report_fd, &one, sizeof(one)); /* cannot be full */
}

static void on_backend_fault(struct vu_backend *b, const char *why)
{
	struct vhost_user *vu = container_of(b, struct vhost_user, backend);

	report(vu, &vu->fault, why);
}

/* One per turn, because the server may be freed in the callback. */
static void on_report(struct watch *w, uint32_t events)
{
	struct vhost_user *vu =
		container_of(w, struct vhost_user, report_watch);
	void (*call)(void *ctx, const char *why) = NULL;
	struct report fault, gone;
	void *ctx = vu->events.ctx;
	uint64_t count;

	(void)events;
	pthread_mutex_lock(&vu->lock);
	fault = vu->fault;
	gone = vu->disconnect;
	if (fault.pending)
		vu->fault.pending = false;
	else
		vu->disconnect.pending = false;
	if (!fault.pending || !gone.pending)
		(void)io_read(w->fd, &count, sizeof(count)); /* resets it */
	pthread_mutex_unlock(&vu->lock);
	if (fault.pending)
		call = vu->events.on_fault;
	else if (gone.pending)
		call = vu->events.on_disconnect;
	if (call)
		call(ctx, fault.pending ? fault.why : gone.why);
}

static void on_connection(struct watch *w, uint32_t events);

static void disconnect(struct vhost_user *vu, const char *why)
{
	if (vu->conn_fd < 0)
		return;
	loop_unwatch(&vu->conn_watch);
	close_fd(&vu->conn_fd);
	vu_reader_next(&vu->reader);
	vu_backend_reset(&vu->backend);
	report(vu, &vu->disconnect, why);
	if (vu->listen_fd >= 0 &&
	    loop_watch(vu->loop, &vu->listen_watch, vu->listen_fd, EPOLLIN,
		       on_connection) < 0)
		close_fd(&vu->listen_fd); /* refuse rather than leave waiting */
}

static void disconnect_rc(struct vhost_user *vu, const char *what, int rc)
{
	char why[120], text[64];

	snprintf(why, sizeof(why), "%s (request %u, %u bytes): %s", what,
		 vu->reader.msg.request, vu->reader.msg.size,
		 strerror_r(-rc, text, sizeof(text)));
	disconnect(vu, why);
}

/* False when the connection is gone. */
static bool handle_message(struct vhost_user *vu)
{
	struct vu_msg *m = &vu->reader.msg;
	struct vu_reply reply = { .size = 0 };
	int rc = vu_backend_handle(&vu->backend, m, &reply);

	if (rc < 0) {
		if (!(m->flags & VU_FLAG_NEED_REPLY) || rc == -EPROTO) {
			disconnect_rc(vu, "message refused", rc);
			return false;
		}
		reply.size = VU_U64_LEN;
		le64_put(reply.payload, 1);
	}
	if (rc != 0)
		rc = vu_send_reply(vu->conn_fd, m->request, &reply);
	if (rc < 0) {
		disconnect_rc(vu, "cannot reply", rc);
		return false;
	}
	vu_reader_next(&vu->reader);
	return true;
}

static void on_message(struct watch *w, uint32_t events)
{
	struct vhost_user *vu = container_of(w, struct vhost_user, conn_watch);

	(void)events;
	for (int i = 0; i < MESSAGES_PER_TURN; i++) {
		int rc = vu_reader_fill(&vu->reader, vu->conn_fd);

		if (rc == -EAGAIN)
			return;
		if (rc == 0 || rc == -ECONNRESET) {
			disconnect(vu, "");
			return;
		}
		if (rc < 0) {
			disconnect_rc(vu, "broken message", rc);
			return;
		}
		if (!handle_message(vu))
			return;
	}
}

static int connection_begin(struct vhost_user *vu, int fd)
{
	int rc = loop_watch(vu->loop, &vu->conn_watch, fd, EPOLLIN, on_message);

	vu_mem_clear(&vu->backend); /* of an earlier front end */
	if (rc)
		(void)close(fd);
	else
		vu->conn_fd = fd;
	return rc;
}

static void on_connection(struct watch *w, uint32_t events)
{
	struct vhost_user *vu =
		container_of(w, struct vhost_user, listen_watch);
	int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return; /* gone again, or no descriptors: the watch stays */
	if (connection_begin(vu, fd) == 0)
		loop_unwatch(w); /* others wait in the backlog */
}

static void serve_begin(void *ctx)
{
	struct vhost_user *vu = ctx;

	vu_backend_init(&vu->backend, vu->dev, vu->loop, vu->flags,
			on_backend_fault);
	if (vu->listen_fd >= 0)
		vu->rc = loop_watch(vu->loop, &vu->listen_watch, vu->listen_fd,
				    EPOLLIN, on_connection);
	else
		vu->rc = connection_begin(vu, take_fd(&vu->conn_fd));
}

static void serve_end(void *ctx)
{
	struct vhost_user *vu = ctx;

	loop_unwatch(&vu->listen_watch);
	close_fd(&vu->listen_fd);
	disconnect(vu, "");
	vu_mem_clear(&vu->backend);
	vu->dev->transport = NULL;
	vu->dev->transport_ctx = NULL;
	vu->dev->loop = NULL;
	vu->dev->mem = NULL;
}

static int is_listening(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) < 0)
		return -errno;
	return on;
}

static int start_thread(struct vhost_user *vu)
{
	char name[16];
	int rc;

	snprintf(name, sizeof(name), "virtio-%s", vu->dev->ops->name);
	rc = virtio_thread_start(name, &vu->thread);
	if (!rc)
		vu->loop = virtio_thread_loop(vu->thread);
	return rc;
}

static int serve(struct vhost_user *vu, struct loop *loop, int fd)
{
	int listening = is_listening(fd), rc;

	*(listening > 0 ? &vu->listen_fd : &vu->conn_fd) = fd;
	if (listening < 0)
		return listening;
	rc = io_set_nonblock(fd, true);
	if (rc)
		return rc;
	vu->report_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vu->report_fd < 0)
		return -errno;
	rc = loop_watch(loop, &vu->report_watch, vu->report_fd, EPOLLIN,
			on_report);
	if (rc)
		return rc;
	if (vu->dev->ops->wants_thread) {
		rc = start_thread(vu);
		if (rc)
			return rc;
		virtio_thread_call(vu->thread, serve_begin, vu);
	} else {
		vu->loop = loop;
		serve_begin(vu);
	}
	return vu->rc;
}

int vhost_user_serve(struct loop *loop, struct virtio_device *dev, int fd,
		     unsigned flags, const struct vhost_user_events *events,
		     struct vhost_user **ret)
{
	struct vhost_user *vu = calloc(1, sizeof(*vu));
	int rc;

	if (!vu || dev->nqueues > VIRTIO_MAX_QUEUES) {
		rc = vu ? -EINVAL : -ENOMEM;
		free(vu);
		(void)close(fd);
		return rc;
	}
	vu->dev = dev;
	vu->listen_fd = vu->conn_fd = vu->report_fd = -1;
	vu->backend.req_fd = -1;
	vu->flags = flags;
	if (events)
		vu->events = *events;
	pthread_mutex_init(&vu->lock, NULL);
	rc = serve(vu, loop, fd);
	if (rc) {
		vhost_user_free(vu);
		return rc;
	}
	*ret = vu;
	return 0;
}

struct vhost_user *vhost_user_free(struct vhost_user *vu)
{
	if (!vu)
		return NULL;
	if (vu->thread)
		virtio_thread_call(vu->thread, serve_end, vu);
	else if (vu->loop)
		serve_end(vu);
	vu->thread = virtio_thread_stop(vu->thread);
	loop_unwatch(&vu->report_watch);
	close_fd(&vu->report_fd);
	close_fd(&vu->listen_fd);
	close_fd(&vu->conn_fd);
	pthread_mutex_destroy(&vu->lock);
	free(vu);
	return NULL;
}
