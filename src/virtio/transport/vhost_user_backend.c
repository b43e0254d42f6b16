/* SPDX-License-Identifier: Apache-2.0 */
/* One vhost-user message after the other: a table of requests. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "virtio/transport/vhost_user.h"
#include "virtio/transport/vhost_user_backend.h"

#define TRANSPORT_FEATURES                                                     \
	(VIRTIO_BIT_VERSION_1 | VIRTIO_BIT_EVENT_IDX |                         \
	 VIRTIO_BIT_INDIRECT_DESC | VU_F_PROTOCOL_FEATURES)
#define PROTOCOL_FEATURES                                                      \
	(VU_PROTOCOL_F_MQ | VU_PROTOCOL_F_REPLY_ACK |                          \
	 VU_PROTOCOL_F_BACKEND_REQ | VU_PROTOCOL_F_CONFIG |                    \
	 VU_PROTOCOL_F_RESET_DEVICE)

/* The ring that a vring-state payload speaks of, or NULL. */
static struct vu_ring *state_ring(struct vu_backend *b, const struct vu_msg *m)
{
	uint32_t i = le32_get(m->payload);

	return i < b->dev->nqueues ? &b->ring[i] : NULL;
}

static int reply_u64(struct vu_reply *reply, uint64_t v)
{
	reply->size = VU_U64_LEN;
	le64_put(reply->payload, v);
	return 1;
}

static int get_features(struct vu_backend *b, struct vu_msg *m,
			struct vu_reply *reply)
{
	(void)m;
	return reply_u64(reply, b->dev->features | TRANSPORT_FEATURES);
}

static int set_features(struct vu_backend *b, struct vu_msg *m,
			struct vu_reply *reply)
{
	uint64_t f = le64_get(m->payload);

	(void)reply;
	if (f & ~(b->dev->features | TRANSPORT_FEATURES))
		return -EINVAL;
	if (b->running && f != b->features)
		return -EBUSY;
	b->features = f;
	return vu_update_all(b);
}

static uint64_t offered(const struct vu_backend *b)
{
	return b->flags & VHOST_USER_NO_ACKS
		       ? PROTOCOL_FEATURES & ~VU_PROTOCOL_F_REPLY_ACK
		       : PROTOCOL_FEATURES;
}

static int get_protocol_features(struct vu_backend *b, struct vu_msg *m,
				 struct vu_reply *reply)
{
	(void)m;
	return reply_u64(reply, offered(b));
}

static int set_protocol_features(struct vu_backend *b, struct vu_msg *m,
				 struct vu_reply *reply)
{
	uint64_t f = le64_get(m->payload);

	(void)reply;
	if (f & ~offered(b))
		return -EINVAL;
	b->protocol_features = f;
	return 0;
}

static int get_queue_num(struct vu_backend *b, struct vu_msg *m,
			 struct vu_reply *reply)
{
	(void)m;
	return reply_u64(reply, b->dev->nqueues);
}

/* Ownership needs no act of ours: there is one connection at a time. */
static int set_owner(struct vu_backend *b, struct vu_msg *m,
		     struct vu_reply *reply)
{
	(void)b;
	(void)m;
	(void)reply;
	return 0;
}

static int reset_device(struct vu_backend *b, struct vu_msg *m,
			struct vu_reply *reply)
{
	(void)m;
	(void)reply;
	vu_stop_all(b);
	for (unsigned i = 0; i < b->dev->nqueues; i++) {
		b->ring[i].enable = VU_ENABLE_UNSAID;
		b->ring[i].base = 0;
		close_fd(&b->ring[i].kick_fd);
	}
	return 0;
}

static int set_mem_table(struct vu_backend *b, struct vu_msg *m,
			 struct vu_reply *reply)
{
	int rc, rc_update;

	(void)reply;
	vu_stop_all(b);
	rc = vu_mem_set(b, m);
	rc_update = vu_update_all(b); /* with the old one if it failed */
	return rc ? rc : rc_update;
}

static int set_vring_num(struct vu_backend *b, struct vu_msg *m,
			 struct vu_reply *reply)
{
	struct vu_ring *r = state_ring(b, m);
	uint32_t n = le32_get(m->payload + 4);

	(void)reply;
	if (!r || n == 0 || n > VQ_MAX_SIZE || (n & (n - 1)))
		return -EINVAL;
	if (r->served.running && n != r->size)
		return -EBUSY;
	r->size = (uint16_t)n;
	return vu_ring_update(r);
}

static int set_vring_addr(struct vu_backend *b, struct vu_msg *m,
			  struct vu_reply *reply)
{
	struct vu_ring *r = state_ring(b, m);

	(void)reply;
	if (!r)
		return -EINVAL;
	if (r->served.running)
		return -EBUSY;
	/* flags and the log address serve migration, which is not offered */
	r->addr.desc = le64_get(m->payload + 8);
	r->addr.used = le64_get(m->payload + 16);
	r->addr.avail = le64_get(m->payload + 24);
	r->have_addr = true;
	return vu_ring_update(r);
}

static int set_vring_base(struct vu_backend *b, struct vu_msg *m,
			  struct vu_reply *reply)
{
	struct vu_ring *r = state_ring(b, m);
	uint32_t base = le32_get(m->payload + 4);

	(void)reply;
	if (!r || base > UINT16_MAX)
		return -EINVAL;
	if (r->served.running)
		return -EBUSY;
	r->base = (uint16_t)base;
	return 0;
}

/* Also the way to stop a ring: it runs again when it gets a new kick. */
static int get_vring_base(struct vu_backend *b, struct vu_msg *m,
			  struct vu_reply *reply)
{
	struct vu_ring *r = state_ring(b, m);

	if (!r)
		return -EINVAL;
	vu_ring_stop(r);
	close_fd(&r->kick_fd);
	close_fd(&r->call.fd);
	reply->size = VU_STATE_LEN;
	le32_put(reply->payload, r->served.index);
	le32_put(reply->payload + 4, r->base);
	return 1;
}

/* The ring of a message whose payload says index and "no descriptor". */
static struct vu_ring *fd_ring(struct vu_backend *b, const struct vu_msg *m)
{
	uint64_t v = le64_get(m->payload);
	uint64_t i = v & VU_VRING_INDEX_MASK;
	bool no_fd = v & VU_VRING_NO_FD;

	if (v & ~(VU_VRING_INDEX_MASK | VU_VRING_NO_FD))
		return NULL;
	if (i >= b->dev->nqueues || m->nfds != (no_fd ? 0 : 1))
		return NULL;
	return &b->ring[i];
}

static int set_vring_kick(struct vu_backend *b, struct vu_msg *m,
			  struct vu_reply *reply)
{
	struct vu_ring *r = fd_ring(b, m);
	struct stat st;

	(void)reply;
	if (!r || m->nfds == 0) /* we do not poll rings */
		return -EINVAL;
	if (fstat(m->fds[0], &st) < 0)
		return -errno;
	/* eventfd, pipe or socket: watching a file could mean to wait for a
	 * file system the front end controls */
	if ((st.st_mode & S_IFMT) && !S_ISFIFO(st.st_mode) &&
	    !S_ISSOCK(st.st_mode))
		return -EPERM;
	vu_ring_stop(r);
	close_fd(&r->kick_fd);
	r->kick_fd = take_fd(&m->fds[0]);
	return vu_ring_update(r);
}

static int set_vring_call(struct vu_backend *b, struct vu_msg *m,
			  struct vu_reply *reply)
{
	struct vu_ring *r = fd_ring(b, m);
	int rc;

	(void)reply;
	if (!r)
		return -EINVAL;
	rc = vu_signal_set(b, &r->call, m);
	/* an interrupt may have gone to the old one, or to none */
	if (!rc && r->served.running)
		vu_signal_send(&r->call);
	return rc;
}

static int set_vring_err(struct vu_backend *b, struct vu_msg *m,
			 struct vu_reply *reply)
{
	struct vu_ring *r = fd_ring(b, m);

	(void)reply;
	return r ? vu_signal_set(b, &r->err, m) : -EINVAL;
}

static int set_vring_enable(struct vu_backend *b, struct vu_msg *m,
			    struct vu_reply *reply)
{
	struct vu_ring *r = state_ring(b, m);
	uint32_t on = le32_get(m->payload + 4);

	(void)reply;
	if (!r || on > 1)
		return -EINVAL;
	r->enable = on ? VU_ENABLE_ON : VU_ENABLE_OFF;
	return vu_ring_update(r);
}

static int set_backend_req_fd(struct vu_backend *b, struct vu_msg *m,
			      struct vu_reply *reply)
{
	struct stat st;

	(void)reply;
	if (m->nfds != 1)
		return -EINVAL;
	if (fstat(m->fds[0], &st) < 0)
		return -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	close_fd(&b->req_fd);
	b->req_fd = take_fd(&m->fds[0]);
	return 0;
}

/* offset and length of a config message, checked; the part in [0, max). */
static int config_range(const struct vu_msg *m, size_t max, uint32_t *ret_off,
			uint32_t *ret_len)
{
	uint32_t off = le32_get(m->payload), len = le32_get(m->payload + 4);

	if (len != m->size - VU_CONFIG_HEAD_LEN || off > max || len > max - off)
		return -EINVAL;
	*ret_off = off;
	*ret_len = len;
	return 0;
}

/* What the device does not have reads as zero: front ends ask for the whole
 * structure of the newest standard they know. */
static int get_config(struct vu_backend *b, struct vu_msg *m,
		      struct vu_reply *reply)
{
	const struct virtio_device *dev = b->dev;
	uint32_t off, len;
	int rc = config_range(m, VU_CONFIG_MAX, &off, &len);

	if (rc)
		return rc;
	reply->size = VU_CONFIG_HEAD_LEN + len;
	memcpy(reply->payload, m->payload, VU_CONFIG_HEAD_LEN);
	memset(reply->payload + VU_CONFIG_HEAD_LEN, 0, len);
	if (off < dev->config_len)
		memcpy(reply->payload + VU_CONFIG_HEAD_LEN, dev->config + off,
		       len < dev->config_len - off ? len
						   : dev->config_len - off);
	return 1;
}

static int set_config(struct vu_backend *b, struct vu_msg *m,
		      struct vu_reply *reply)
{
	struct virtio_device *dev = b->dev;
	uint32_t off, len;
	int rc = config_range(m, dev->config_len, &off, &len);

	(void)reply;
	if (rc)
		return rc;
	if (!dev->ops->config_written)
		return -EPERM;
	memcpy(dev->config + off, m->payload + VU_CONFIG_HEAD_LEN, len);
	dev->ops->config_written(dev, off, len);
	return 0;
}

struct request {
	uint32_t min_size, max_size; /* of the payload */
	uint32_t max_fds;
	int (*handle)(struct vu_backend *b, struct vu_msg *m,
		      struct vu_reply *reply);
};

static const struct request requests[VU_REQUEST_LIMIT] = {
	[VU_GET_FEATURES] = { 0, 0, 0, get_features },
	[VU_SET_FEATURES] = { VU_U64_LEN, VU_U64_LEN, 0, set_features },
	[VU_SET_OWNER] = { 0, 0, 0, set_owner },
	[VU_RESET_OWNER] = { 0, 0, 0, reset_device },
	[VU_SET_MEM_TABLE] = { VU_MEM_HEAD_LEN,
			       VU_MEM_HEAD_LEN +
				       GMEM_MAX_REGIONS *VU_REGION_LEN,
			       GMEM_MAX_REGIONS, set_mem_table },
	[VU_SET_VRING_NUM] = { VU_STATE_LEN, VU_STATE_LEN, 0, set_vring_num },
	[VU_SET_VRING_ADDR] = { VU_ADDR_LEN, VU_ADDR_LEN, 0, set_vring_addr },
	[VU_SET_VRING_BASE] = { VU_STATE_LEN, VU_STATE_LEN, 0, set_vring_base },
	[VU_GET_VRING_BASE] = { VU_STATE_LEN, VU_STATE_LEN, 0, get_vring_base },
	[VU_SET_VRING_KICK] = { VU_U64_LEN, VU_U64_LEN, 1, set_vring_kick },
	[VU_SET_VRING_CALL] = { VU_U64_LEN, VU_U64_LEN, 1, set_vring_call },
	[VU_SET_VRING_ERR] = { VU_U64_LEN, VU_U64_LEN, 1, set_vring_err },
	[VU_GET_PROTOCOL_FEATURES] = { 0, 0, 0, get_protocol_features },
	[VU_SET_PROTOCOL_FEATURES] = { VU_U64_LEN, VU_U64_LEN, 0,
				       set_protocol_features },
	[VU_GET_QUEUE_NUM] = { 0, 0, 0, get_queue_num },
	[VU_SET_VRING_ENABLE] = { VU_STATE_LEN, VU_STATE_LEN, 0,
				  set_vring_enable },
	[VU_SET_BACKEND_REQ_FD] = { 0, VU_U64_LEN, 1, set_backend_req_fd },
	[VU_GET_CONFIG] = { VU_CONFIG_HEAD_LEN,
			    VU_CONFIG_HEAD_LEN + VU_CONFIG_MAX, 0, get_config },
	[VU_SET_CONFIG] = { VU_CONFIG_HEAD_LEN,
			    VU_CONFIG_HEAD_LEN + VU_CONFIG_MAX, 0, set_config },
	[VU_RESET_DEVICE] = { 0, 0, 0, reset_device },
};

int vu_backend_handle(struct vu_backend *b, struct vu_msg *m,
		      struct vu_reply *reply)
{
	const struct request *r;
	int rc;

	if (m->request >= VU_REQUEST_LIMIT || !requests[m->request].handle)
		return -ENOTSUP;
	r = &requests[m->request];
	if (m->size < r->min_size || m->size > r->max_size ||
	    m->nfds > r->max_fds)
		return -EPROTO;
	rc = r->handle(b, m, reply);
	vu_settle(b);
	/* an answer of its own replaces the acknowledgement */
	if (rc == 0 && (m->flags & VU_FLAG_NEED_REPLY))
		return reply_u64(reply, 0);
	return rc;
}
