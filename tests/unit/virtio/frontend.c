/* SPDX-License-Identifier: Apache-2.0 */
/* The front end's half of vhost-user, for tests. */
#include "frontend.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define DEADLINE_MS 20000

static void on_fault(void *ctx, const char *why)
{
	struct frontend *fe = ctx;

	fe->faults++;
	snprintf(fe->why, sizeof(fe->why), "%s", why);
}

static void on_disconnect(void *ctx, const char *why)
{
	struct frontend *fe = ctx;

	fe->disconnects++;
	snprintf(fe->why, sizeof(fe->why), "%s", why);
}

static void serve_connection(struct frontend *fe, struct virtio_device *dev,
			     unsigned flags)
{
	const struct vhost_user_events events = {
		.ctx = fe, .on_fault = on_fault, .on_disconnect = on_disconnect
	};
	int pair[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	fe->sock = pair[0];
	assert_int_equal(io_set_nonblock(fe->sock, true), 0);
	assert_int_equal(vhost_user_serve(fe->loop, dev, pair[1], flags,
					  &events, &fe->vu),
			 0);
}

void fe_open(struct frontend *fe, struct virtio_device *dev, unsigned flags)
{
	uint8_t *host;

	memset(fe, 0, sizeof(*fe));
	for (unsigned i = 0; i < FE_QUEUES; i++)
		fe->kick[i] = fe->call[i] = -1;
	fe->memfd = io_memfd("guest", NULL, 0);
	assert_true(fe->memfd >= 0);
	assert_int_equal(ftruncate(fe->memfd, FE_MEM_LEN), 0);
	host = mmap(NULL, FE_MEM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED,
		    fe->memfd, 0);
	assert_ptr_not_equal(host, MAP_FAILED);
	drv_mem_init(&fe->mem, host, FE_GPA, FE_MEM_LEN);
	assert_int_equal(loop_new(&fe->loop), 0);
	serve_connection(fe, dev, flags);
}

static void close_queues(struct frontend *fe)
{
	for (unsigned i = 0; i < FE_QUEUES; i++) {
		close_fd(&fe->kick[i]);
		close_fd(&fe->call[i]);
	}
}

void fe_reconnect(struct frontend *fe, struct virtio_device *dev,
		  unsigned flags)
{
	fe->vu = vhost_user_free(fe->vu);
	close_fd(&fe->sock);
	close_queues(fe);
	fe->mem.next = 0;
	serve_connection(fe, dev, flags);
}

void fe_close(struct frontend *fe)
{
	fe->vu = vhost_user_free(fe->vu);
	close_queues(fe);
	close_fd(&fe->sock);
	close_fd(&fe->memfd);
	munmap(fe->mem.host, FE_MEM_LEN);
	fe->loop = loop_free(fe->loop);
}

void fe_pump(struct frontend *fe)
{
	for (int i = 0; i < 8; i++)
		assert_int_equal(loop_turn(fe->loop, 0), 0);
}

void fe_wait(struct frontend *fe, const unsigned *cond, unsigned want)
{
	uint64_t deadline = clock_mono_ms() + DEADLINE_MS;

	while (__atomic_load_n(cond, __ATOMIC_SEQ_CST) < want) {
		assert_true(clock_mono_ms() < deadline);
		assert_int_equal(loop_turn(fe->loop, 1), 0);
	}
}

void fe_send(struct frontend *fe, uint32_t request, uint32_t flags,
	     const void *payload, uint32_t size, const int *fds, size_t nfds)
{
	uint8_t out[VU_HEADER_LEN + 4096];

	assert_true(size <= 4096);
	le32_put(out, request);
	le32_put(out + 4, flags);
	le32_put(out + 8, size);
	if (size)
		memcpy(out + VU_HEADER_LEN, payload, size);
	/* fails when the server hung up; the reply will tell */
	(void)io_send_fds(fe->sock, out, VU_HEADER_LEN + size, fds, nfds);
}

static bool receive(struct frontend *fe, void *data, size_t len)
{
	uint64_t deadline = clock_mono_ms() + DEADLINE_MS;
	uint8_t *p = data;

	while (len) {
		ssize_t n = io_read(fe->sock, p, len);

		if (n == -EAGAIN) {
			assert_true(clock_mono_ms() < deadline);
			assert_int_equal(loop_turn(fe->loop, 1), 0);
			continue;
		}
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

int fe_reply(struct frontend *fe, uint32_t request, void *payload, size_t max)
{
	uint8_t header[VU_HEADER_LEN];
	uint32_t size;

	if (!receive(fe, header, sizeof(header)))
		return -1;
	assert_int_equal(le32_get(header), request);
	assert_int_equal(le32_get(header + 4), VU_VERSION | VU_FLAG_REPLY);
	size = le32_get(header + 8);
	assert_true(size <= max);
	return receive(fe, payload, size) ? (int)size : -1;
}

int64_t fe_ack(struct frontend *fe, uint32_t request, const void *payload,
	       uint32_t size, const int *fds, size_t nfds)
{
	uint8_t v[8];

	fe_send(fe, request, VU_VERSION | VU_FLAG_NEED_REPLY, payload, size,
		fds, nfds);
	if (fe_reply(fe, request, v, sizeof(v)) != 8)
		return -1;
	return (int64_t)le64_get(v);
}

int64_t fe_ack_u64(struct frontend *fe, uint32_t request, uint64_t v)
{
	uint8_t p[8];

	le64_put(p, v);
	return fe_ack(fe, request, p, sizeof(p), NULL, 0);
}

int64_t fe_ack_state(struct frontend *fe, uint32_t request, uint32_t index,
		     uint32_t num)
{
	uint8_t p[8];

	le32_put(p, index);
	le32_put(p + 4, num);
	return fe_ack(fe, request, p, sizeof(p), NULL, 0);
}

uint64_t fe_get_u64(struct frontend *fe, uint32_t request)
{
	uint8_t v[8];

	fe_send(fe, request, VU_VERSION, NULL, 0, NULL, 0);
	assert_int_equal(fe_reply(fe, request, v, sizeof(v)), 8);
	return le64_get(v);
}

void fe_negotiate(struct frontend *fe, uint64_t device_features)
{
	uint64_t f = device_features | VIRTIO_BIT_VERSION_1 |
		     VU_F_PROTOCOL_FEATURES | VIRTIO_BIT_EVENT_IDX |
		     VIRTIO_BIT_INDIRECT_DESC;

	assert_int_equal(fe_ack(fe, VU_SET_OWNER, NULL, 0, NULL, 0), 0);
	assert_int_equal(fe_get_u64(fe, VU_GET_FEATURES) & f, f);
	f = fe_get_u64(fe, VU_GET_PROTOCOL_FEATURES);
	assert_int_equal(fe_ack_u64(fe, VU_SET_PROTOCOL_FEATURES, f), 0);
	/* flags instead of event indexes are covered elsewhere */
	assert_int_equal(fe_ack_u64(fe, VU_SET_FEATURES,
				    device_features | VIRTIO_BIT_VERSION_1 |
					    VU_F_PROTOCOL_FEATURES |
					    VIRTIO_BIT_INDIRECT_DESC),
			 0);
}

int64_t fe_set_memory(struct frontend *fe)
{
	uint8_t p[VU_MEM_HEAD_LEN + VU_REGION_LEN] = { 0 };

	le32_put(p, 1);
	le64_put(p + 8, FE_GPA);
	le64_put(p + 16, FE_MEM_LEN);
	le64_put(p + 24, FE_USER);
	return fe_ack(fe, VU_SET_MEM_TABLE, p, sizeof(p), &fe->memfd, 1);
}

static int64_t set_fd(struct frontend *fe, uint32_t request, unsigned i, int fd)
{
	uint8_t p[8];

	le64_put(p, i);
	return fe_ack(fe, request, p, sizeof(p), &fd, 1);
}

void fe_queue(struct frontend *fe, unsigned i, uint16_t size, bool enable)
{
	struct drv_queue *q = &fe->q[i];
	uint8_t addr[VU_ADDR_LEN] = { 0 };
	int pair[2];

	drv_queue_init(q, &fe->mem, size);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	close_fd(&fe->call[i]);
	close_fd(&fe->kick[i]);
	fe->call[i] = pair[0];
	fe->kick[i] = eventfd(0, EFD_CLOEXEC);
	assert_true(fe->kick[i] >= 0);
	assert_int_equal(set_fd(fe, VU_SET_VRING_CALL, i, pair[1]), 0);
	(void)close(pair[1]);
	assert_int_equal(fe_ack_state(fe, VU_SET_VRING_NUM, i, size), 0);
	assert_int_equal(fe_ack_state(fe, VU_SET_VRING_BASE, i, 0), 0);
	le32_put(addr, i);
	le64_put(addr + 8, q->rings.desc - FE_GPA + FE_USER);
	le64_put(addr + 16, q->rings.used - FE_GPA + FE_USER);
	le64_put(addr + 24, q->rings.avail - FE_GPA + FE_USER);
	assert_int_equal(
		fe_ack(fe, VU_SET_VRING_ADDR, addr, sizeof(addr), NULL, 0), 0);
	assert_int_equal(set_fd(fe, VU_SET_VRING_KICK, i, fe->kick[i]), 0);
	if (enable)
		assert_int_equal(fe_ack_state(fe, VU_SET_VRING_ENABLE, i, 1),
				 0);
}

void fe_kick(struct frontend *fe, unsigned i)
{
	const uint64_t one = 1;

	assert_int_equal(io_write(fe->kick[i], &one, sizeof(one)), sizeof(one));
}

unsigned fe_interrupts(struct frontend *fe, unsigned i)
{
	uint8_t drop[8];
	unsigned n = 0;

	while (recv(fe->call[i], drop, sizeof(drop), MSG_DONTWAIT) ==
	       (ssize_t)sizeof(drop))
		n++;
	return n;
}

unsigned fe_count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n - 3; /* ".", ".." and the directory itself */
}
