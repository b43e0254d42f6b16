/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The connection of a vhost-user back end, and the thread it runs on.
 *
 * Everything but creation, vhost_user_free() and the reports happens on the
 * serving loop.
 */
#include "virtio/transport/vhost_user.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "virtio/transport/reports.h"
#include "virtio/transport/serve.h"
#include "virtio/transport/vhost_user_backend.h"

#define MESSAGES_PER_TURN 32

struct vhost_user {
	struct virtio_device *dev; /* borrowed */
	struct serving serving;
	int listen_fd, conn_fd;
	struct watch listen_watch, conn_watch;
	struct vu_reader reader;
	struct vu_backend backend;
	unsigned flags;
	struct vhost_user_events events;
	struct reports reports;
	int rc; /* of serve_begin */
};

static void on_backend_fault(struct vu_backend *b, const char *why)
{
	struct vhost_user *vu = container_of(b, struct vhost_user, backend);

	reports_send(&vu->reports, REPORT_FAULT, why);
}

static void deliver(struct reports *r, enum report_kind kind, const char *why)
{
	const struct vhost_user *vu =
		container_of(r, struct vhost_user, reports);
	void (*call)(void *ctx, const char *why) =
		kind == REPORT_FAULT ? vu->events.on_fault
				     : vu->events.on_disconnect;

	if (call)
		call(vu->events.ctx, why);
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
	reports_send(&vu->reports, REPORT_DISCONNECT, why);
	if (vu->listen_fd >= 0 &&
	    loop_watch(vu->serving.loop, &vu->listen_watch, vu->listen_fd,
		       EPOLLIN, on_connection) < 0)
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
	int rc = loop_watch(vu->serving.loop, &vu->conn_watch, fd, EPOLLIN,
			    on_message);

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

	vu_backend_init(&vu->backend, vu->dev, vu->serving.loop, vu->flags,
			on_backend_fault);
	if (vu->listen_fd >= 0)
		vu->rc = loop_watch(vu->serving.loop, &vu->listen_watch,
				    vu->listen_fd, EPOLLIN, on_connection);
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
	device_detach(vu->dev);
}

static int is_listening(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) < 0)
		return -errno;
	return on;
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
	rc = serving_start(&vu->serving, vu->dev, loop);
	if (rc)
		return rc;
	serving_call(&vu->serving, serve_begin, vu);
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
	vu->listen_fd = vu->conn_fd = -1;
	vu->backend.req_fd = vu->backend.mem_fd = -1;
	vu->flags = flags;
	if (events)
		vu->events = *events;
	rc = reports_init(&vu->reports, loop, deliver);
	if (rc)
		(void)close(fd);
	else
		rc = serve(vu, loop, fd);
	if (rc) {
		vhost_user_free(vu);
		return rc;
	}
	*ret = vu;
	return 0;
}

uint64_t vhost_user_memory_bytes(const struct vhost_user *vu)
{
	struct stat st;

	if (vu->backend.mem_fd < 0 || fstat(vu->backend.mem_fd, &st) < 0)
		return 0;
	return (uint64_t)st.st_blocks * 512;
}

struct vhost_user *vhost_user_free(struct vhost_user *vu)
{
	if (!vu)
		return NULL;
	if (vu->serving.loop)
		serving_call(&vu->serving, serve_end, vu);
	serving_stop(&vu->serving);
	reports_fini(&vu->reports);
	close_fd(&vu->listen_fd);
	close_fd(&vu->conn_fd);
	free(vu);
	return NULL;
}
