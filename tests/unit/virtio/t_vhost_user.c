/* SPDX-License-Identifier: Apache-2.0 */
/* The vhost-user back end against a front end that behaves, and one that does
 * not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "frontend.h"

/* Copies what it may read to what it may write. */
struct echo {
	struct virtio_device dev;
	uint8_t config[12];
	struct iovec iov[VQ_MAX_IOV];
	unsigned starts, stops, queue_stops, served, written_at;
};

static struct echo *of(struct virtio_device *d)
{
	return container_of(d, struct echo, dev);
}

static void echo_ready(struct virtio_device *d, unsigned q)
{
	struct echo *e = of(d);
	struct virtqueue *vq = &d->queues[q];
	uint8_t data[256];
	struct vq_chain c;
	int rc;

	do {
		vq_disable_kick(vq);
		while ((rc = vq_pop(vq, e->iov, &c)) > 0) {
			size_t n = iov_read(c.readable, c.nread, 0, data,
					    sizeof(data));

			n = iov_write(c.writable, c.nwrite, 0, data, n);
			vq_push(vq, &c, (uint32_t)n);
			__atomic_add_fetch(&e->served, 1, __ATOMIC_SEQ_CST);
		}
		if (rc < 0)
			virtio_fault(d, "echo: bad request");
		vq_signal(vq);
	} while (vq_enable_kick(vq));
}

static int echo_start(struct virtio_device *d)
{
	of(d)->starts++;
	return 0;
}

static void echo_stop(struct virtio_device *d)
{
	of(d)->stops++;
}

static void echo_queue_stop(struct virtio_device *d, unsigned q)
{
	(void)q;
	of(d)->queue_stops++;
}

static void echo_config(struct virtio_device *d, size_t off, size_t len)
{
	of(d)->written_at = (unsigned)(off * 100 + len);
}

static void echo_free(struct virtio_device *d)
{
	free(of(d));
}

static const struct virtio_device_ops echo_ops = {
	.id = 4242,
	.name = "echo",
	.start = echo_start,
	.queue_ready = echo_ready,
	.queue_stop = echo_queue_stop,
	.stop = echo_stop,
	.config_written = echo_config,
	.free = echo_free,
};

static const struct virtio_device_ops echo_thread_ops = {
	.id = 4242,
	.name = "echo",
	.wants_thread = true,
	.start = echo_start,
	.queue_ready = echo_ready,
	.queue_stop = echo_queue_stop,
	.stop = echo_stop,
	.config_written = echo_config,
	.free = echo_free,
};

struct fixture {
	struct frontend fe;
	struct echo *e;
};

static struct echo *echo_new(const struct virtio_device_ops *ops)
{
	struct echo *e = calloc(1, sizeof(*e));

	assert_non_null(e);
	memcpy(e->config, "CONFIGSPACE!", 12);
	e->dev.ops = ops;
	e->dev.features = 1 << 3;
	e->dev.config = e->config;
	e->dev.config_len = sizeof(e->config);
	e->dev.nqueues = 2;
	return e;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->e = echo_new(&echo_ops);
	fe_open(&f->fe, &f->e->dev, 0);
	*state = f;
	return 0;
}

static int setup_thread(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->e = echo_new(&echo_thread_ops);
	fe_open(&f->fe, &f->e->dev, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fe_close(&f->fe);
	f->e->dev.ops->free(&f->e->dev);
	free(f);
	return 0;
}

/* Post "ping" on a queue and expect it back. */
static void ping(struct fixture *f, unsigned q)
{
	struct drv_seg seg[2] = { { drv_alloc(&f->fe.mem, 4), 4, false },
				  { drv_alloc(&f->fe.mem, 4), 4, true } };
	unsigned want = __atomic_load_n(&f->e->served, __ATOMIC_SEQ_CST) + 1;
	uint32_t id, len;

	memcpy(drv_ptr(&f->fe.mem, seg[0].gpa), "ping", 4);
	drv_add(&f->fe.q[q], seg, 2, false);
	fe_kick(&f->fe, q);
	fe_wait(&f->fe, &f->e->served, want);
	assert_true(drv_used(&f->fe.q[q], &id, &len));
	assert_int_equal(len, 4);
	assert_memory_equal(drv_ptr(&f->fe.mem, seg[1].gpa), "ping", 4);
}

static void a_device_serves_as_uml_sets_it_up(void **state)
{
	struct fixture *f = *state;

	fe_negotiate(&f->fe, 1 << 3);
	assert_int_equal(fe_get_u64(&f->fe, VU_GET_QUEUE_NUM), 2);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	fe_queue(&f->fe, 1, 256, true);
	assert_int_equal(f->e->starts, 1);
	assert_true(virtio_has(&f->e->dev, 1 << 3));
	for (unsigned i = 0; i < 200; i++)
		ping(f, i % 2);
	fe_pump(&f->fe);
	assert_int_equal(fe_interrupts(&f->fe, 0), 100);
	assert_int_equal(fe_interrupts(&f->fe, 1), 100);
	assert_int_equal(f->e->stops, 0);
}

static void requests_posted_before_the_start_are_served(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg;

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 4, false);
	seg = (struct drv_seg){ drv_alloc(&f->fe.mem, 4), 4, false };
	drv_add(&f->fe.q[0], &seg, 1, false);
	fe_pump(&f->fe);
	assert_int_equal(f->e->served, 0); /* not enabled */
	assert_int_equal(fe_ack_state(&f->fe, VU_SET_VRING_ENABLE, 0, 1), 0);
	assert_int_equal(f->e->served, 1);
}

static void a_stopped_ring_goes_on_where_it_stood(void **state)
{
	struct fixture *f = *state;
	uint8_t st[8] = { 0 }, kick[8] = { 0 };

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	for (unsigned i = 0; i < 5; i++)
		ping(f, 0);
	fe_send(&f->fe, VU_GET_VRING_BASE, VU_VERSION, st, sizeof(st), NULL, 0);
	assert_int_equal(fe_reply(&f->fe, VU_GET_VRING_BASE, st, sizeof(st)),
			 8);
	assert_int_equal(le32_get(st + 4), 5);
	assert_int_equal(f->e->stops, 1);
	assert_int_equal(f->e->queue_stops, 1);
	assert_int_equal(fe_ack(&f->fe, VU_SET_VRING_KICK, kick, sizeof(kick),
				&f->fe.kick[0], 1),
			 0);
	assert_int_equal(f->e->starts, 2);
	ping(f, 0);
	/* disabling is the other way to stop */
	assert_int_equal(fe_ack_state(&f->fe, VU_SET_VRING_ENABLE, 0, 0), 0);
	assert_int_equal(f->e->stops, 2);
	assert_int_equal(fe_ack_state(&f->fe, VU_SET_VRING_ENABLE, 0, 1), 0);
	ping(f, 0);
}

static void a_new_memory_table_does_not_reset_the_device(void **state)
{
	struct fixture *f = *state;

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	ping(f, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	ping(f, 0);
	assert_int_equal(f->e->starts, 1);
	assert_int_equal(f->e->stops, 0);
	assert_int_equal(f->e->queue_stops, 1);
}

static void a_refused_memory_table_leaves_the_old_one(void **state)
{
	struct fixture *f = *state;
	uint8_t p[VU_MEM_HEAD_LEN + 2 * VU_REGION_LEN] = { 0 };
	int fds[2] = { f->fe.memfd, f->fe.memfd };

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	le32_put(p, 2); /* the second overlaps the first */
	for (unsigned i = 0; i < 2; i++) {
		le64_put(p + 8 + 32 * i, 0x1000 * i);
		le64_put(p + 16 + 32 * i, 0x2000);
	}
	assert_int_equal(fe_ack(&f->fe, VU_SET_MEM_TABLE, p, sizeof(p), fds, 2),
			 1);
	ping(f, 0);
	assert_int_equal(f->e->stops, 0);
}

static void memory_must_be_a_memory_file_of_sufficient_size(void **state)
{
	struct fixture *f = *state;
	uint8_t p[VU_MEM_HEAD_LEN + VU_REGION_LEN] = { 0 };
	int fds[2] = { open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		       f->fe.memfd };

	fe_negotiate(&f->fe, 0);
	le32_put(p, 1);
	le64_put(p + 16, 4096);
	assert_int_equal(fe_ack(&f->fe, VU_SET_MEM_TABLE, p, sizeof(p), fds, 1),
			 1);
	le64_put(p + 32, FE_MEM_LEN - 4095);
	assert_int_equal(
		fe_ack(&f->fe, VU_SET_MEM_TABLE, p, sizeof(p), fds + 1, 1), 1);
	le64_put(p + 32, UINT64_MAX - 4095); /* offset + size wraps */
	assert_int_equal(
		fe_ack(&f->fe, VU_SET_MEM_TABLE, p, sizeof(p), fds + 1, 1), 1);
	le64_put(p + 32, FE_MEM_LEN - 4096);
	assert_int_equal(
		fe_ack(&f->fe, VU_SET_MEM_TABLE, p, sizeof(p), fds + 1, 1), 0);
	/* number of regions and of descriptors differ */
	assert_int_equal(fe_ack(&f->fe, VU_SET_MEM_TABLE, p, sizeof(p), fds, 2),
			 1);
	le32_put(p, 2);
	assert_int_equal(
		fe_ack(&f->fe, VU_SET_MEM_TABLE, p, sizeof(p), fds + 1, 1), 1);
	(void)close(fds[0]);
}

static void a_broken_ring_faults_the_device_until_a_reset(void **state)
{
	struct fixture *f = *state;

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	fe_queue(&f->fe, 1, 16, true);
	ping(f, 0);
	drv_publish(&f->fe.q[0], 999);
	fe_kick(&f->fe, 0);
	fe_wait(&f->fe, &f->fe.faults, 1);
	assert_string_equal(f->fe.why, "echo: bad request");
	assert_true(f->e->dev.broken);
	/* the other queue is dead too */
	drv_publish(&f->fe.q[1], 0);
	fe_kick(&f->fe, 1);
	fe_pump(&f->fe);
	assert_int_equal(f->e->served, 1);
	assert_int_equal(f->fe.faults, 1);
	assert_int_equal(fe_ack(&f->fe, VU_RESET_DEVICE, NULL, 0, NULL, 0), 0);
	assert_int_equal(f->e->stops, 1);
	assert_false(f->e->dev.broken);
	fe_queue(&f->fe, 0, 16, true);
	ping(f, 0);
}

static void config_space_is_read_and_written(void **state)
{
	struct fixture *f = *state;
	uint8_t p[VU_CONFIG_HEAD_LEN + 20] = { 0 }, in[300];

	fe_negotiate(&f->fe, 0);
	le32_put(p, 6);
	le32_put(p + 4, 20); /* beyond its end */
	fe_send(&f->fe, VU_GET_CONFIG, VU_VERSION, p, sizeof(p), NULL, 0);
	assert_int_equal(fe_reply(&f->fe, VU_GET_CONFIG, in, sizeof(in)),
			 sizeof(p));
	assert_memory_equal(in, p, VU_CONFIG_HEAD_LEN);
	assert_memory_equal(in + VU_CONFIG_HEAD_LEN, "SPACE!\0\0", 8);
	le32_put(p, 1);
	le32_put(p + 4, 2);
	memcpy(p + VU_CONFIG_HEAD_LEN, "xy", 2);
	assert_int_equal(fe_ack(&f->fe, VU_SET_CONFIG, p,
				VU_CONFIG_HEAD_LEN + 2, NULL, 0),
			 0);
	assert_memory_equal(f->e->config, "CxyFIG", 6);
	assert_int_equal(f->e->written_at, 102);
	le32_put(p, 11);
	assert_int_equal(fe_ack(&f->fe, VU_SET_CONFIG, p,
				VU_CONFIG_HEAD_LEN + 2, NULL, 0),
			 1);
}

static void config_changes_are_announced(void **state)
{
	struct fixture *f = *state;
	int pair[2];
	uint8_t msg[64];

	fe_negotiate(&f->fe, 0);
	virtio_config_changed(&f->e->dev); /* nobody to tell yet */
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(
		fe_ack(&f->fe, VU_SET_BACKEND_REQ_FD, NULL, 0, &pair[1], 1), 0);
	(void)close(pair[1]);
	virtio_config_changed(&f->e->dev);
	assert_int_equal(recv(pair[0], msg, sizeof(msg), MSG_DONTWAIT), 12);
	assert_int_equal(le32_get(msg), 2);
	assert_int_equal(le32_get(msg + 4), VU_VERSION);
	assert_int_equal(le32_get(msg + 8), 0);
	(void)close(pair[0]);
}

static void eventfds_for_interrupts_need_a_trusted_front_end(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC);
	uint8_t p[8] = { 0 };
	uint64_t count;

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_ack(&f->fe, VU_SET_VRING_CALL, p, 8, &fd, 1), 1);
	fe_reconnect(&f->fe, &f->e->dev, VHOST_USER_EVENTFD_CALL);
	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	assert_int_equal(fe_ack(&f->fe, VU_SET_VRING_CALL, p, 8, &fd, 1), 0);
	/* one at once: the old descriptor may have swallowed one */
	assert_int_equal(read(fd, &count, sizeof(count)), 8);
	ping(f, 0);
	fe_pump(&f->fe);
	assert_int_equal(read(fd, &count, sizeof(count)), 8);
	(void)close(fd);
}

static void a_ring_without_kick_or_with_a_file_as_kick_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t p[8] = { 0 };
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_ack(&f->fe, VU_SET_VRING_KICK, p, 8, &fd, 1), 1);
	le64_put(p, VU_VRING_NO_FD);
	assert_int_equal(fe_ack(&f->fe, VU_SET_VRING_KICK, p, 8, NULL, 0), 1);
	le64_put(p, 2);
	assert_int_equal(
		fe_ack(&f->fe, VU_SET_VRING_KICK, p, 8, &f->fe.memfd, 1), 1);
	(void)close(fd);
}

static void running_rings_cannot_be_reconfigured(void **state)
{
	struct fixture *f = *state;
	uint8_t addr[VU_ADDR_LEN] = { 0 };

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	assert_int_equal(fe_ack_state(&f->fe, VU_SET_VRING_NUM, 0, 8), 1);
	assert_int_equal(fe_ack_state(&f->fe, VU_SET_VRING_BASE, 0, 8), 1);
	assert_int_equal(
		fe_ack(&f->fe, VU_SET_VRING_ADDR, addr, sizeof(addr), NULL, 0),
		1);
	assert_int_equal(fe_ack_u64(&f->fe, VU_SET_FEATURES, 0), 1);
	assert_int_equal(fe_ack_u64(&f->fe, VU_SET_FEATURES, 1ull << 50), 1);
	ping(f, 0);
}

static void a_device_of_virtio_0_9_does_not_start(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		fe_ack_u64(&f->fe, VU_SET_FEATURES, VU_F_PROTOCOL_FEATURES), 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	assert_int_equal(f->e->starts, 0);
}

static void rings_enable_themselves_without_protocol_features(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(
		fe_ack_u64(&f->fe, VU_SET_FEATURES, VIRTIO_BIT_VERSION_1), 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, false);
	ping(f, 0);
}

static void messages_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	uint8_t msg[VU_HEADER_LEN] = { 0 };

	le32_put(msg, VU_GET_FEATURES);
	le32_put(msg + 4, VU_VERSION);
	for (size_t i = 0; i < sizeof(msg); i++) {
		assert_int_equal(io_write(f->fe.sock, msg + i, 1), 1);
		fe_pump(&f->fe);
	}
	assert_int_equal(fe_reply(&f->fe, VU_GET_FEATURES, msg, 8), 8);
}

/* Every request with every length that is not its own, with descriptors that
 * must not stay open. */
static void wrong_lengths_and_flags_end_the_connection(void **state)
{
	static const uint32_t lengths[] = { 0,	 1,   7,   8,	9,   11,
					    12,	 39,  40,  41,	264, 265,
					    268, 269, 512, 513, 4096 };
	struct fixture *f = *state;
	uint8_t junk[4096];
	unsigned before = fe_count_fds(), hung_up = 0;

	memset(junk, 0xff, sizeof(junk));
	for (uint32_t req = 0; req < 45; req++) {
		for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
			int fds[3] = { f->fe.memfd, f->fe.memfd, f->fe.memfd };

			if (req == VU_GET_FEATURES || req == VU_SET_OWNER)
				continue;
			fe_send(&f->fe, req, VU_VERSION, junk, lengths[i], fds,
				3);
			/* it hangs up at once, or answers this one as well */
			fe_send(&f->fe, VU_GET_QUEUE_NUM, 0, NULL, 0, NULL, 0);
			fe_wait(&f->fe, &f->fe.disconnects, ++hung_up);
			fe_reconnect(&f->fe, &f->e->dev, 0);
			assert_int_equal(fe_count_fds(), before);
		}
	}
	assert_int_equal(f->e->starts, 0);
}

static void unknown_requests_are_refused_politely_when_asked(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(fe_ack(&f->fe, 99, NULL, 0, &f->fe.memfd, 1), 1);
	assert_int_equal(fe_ack(&f->fe, VU_SET_OWNER, NULL, 0, NULL, 0), 0);
	fe_send(&f->fe, 99, VU_VERSION, NULL, 0, NULL, 0);
	fe_wait(&f->fe, &f->fe.disconnects, 1);
	assert_non_null(strstr(f->fe.why, "request 99"));
}

static void a_peer_that_reads_no_replies_is_dropped(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 100000 && !f->fe.disconnects; i++) {
		fe_send(&f->fe, VU_GET_FEATURES, VU_VERSION, NULL, 0, NULL, 0);
		assert_int_equal(loop_turn(f->fe.loop, 0), 0);
	}
	assert_int_equal(f->fe.disconnects, 1);
}

static void hanging_up_stops_the_device_and_closes_everything(void **state)
{
	struct fixture *f = *state;
	unsigned before = fe_count_fds();

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	ping(f, 0);
	close_fd(&f->fe.sock);
	fe_wait(&f->fe, &f->fe.disconnects, 1);
	assert_string_equal(f->fe.why, "");
	assert_int_equal(f->e->stops, 1);
	/* the memory is given back by whoever frees or connects next */
	/* kick and our end of call remain; both ends of the connection left */
	assert_int_equal(fe_count_fds(), before);
}

static void a_listening_server_takes_one_connection_after_the_other(
	void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct vhost_user *own = f->fe.vu;
	socklen_t len = sizeof(sa);

	own = vhost_user_free(own);
	close_fd(&f->fe.sock);
	/* an abstract name chosen by the kernel */
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa_family_t)),
			 0);
	assert_int_equal(listen(fd, 4), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(vhost_user_serve(f->fe.loop, &f->e->dev, fd, 0, NULL,
					  &f->fe.vu),
			 0);
	for (unsigned i = 0; i < 3; i++) {
		f->fe.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(
			connect(f->fe.sock, (struct sockaddr *)&sa, len), 0);
		assert_int_equal(io_set_nonblock(f->fe.sock, true), 0);
		f->fe.mem.next = 0;
		fe_negotiate(&f->fe, 0);
		assert_int_equal(fe_set_memory(&f->fe), 0);
		fe_queue(&f->fe, 0, 16, true);
		ping(f, 0);
		close_fd(&f->fe.sock);
		fe_wait(&f->fe, &f->e->stops, i + 1);
	}
}

/* Both with and without a thread of its own. */
static void memory_that_vanishes_faults_the_device(void **state)
{
	struct fixture *f = *state;

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	ping(f, 0);
	assert_int_equal(ftruncate(f->fe.memfd, 0), 0);
	fe_kick(&f->fe, 0);
	fe_wait(&f->fe, &f->fe.faults, 1);
	assert_string_equal(f->fe.why, "guest memory was truncated");
	assert_int_equal(fe_ack(&f->fe, VU_RESET_DEVICE, NULL, 0, NULL, 0), 0);
	assert_int_equal(ftruncate(f->fe.memfd, FE_MEM_LEN), 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	ping(f, 0);
}

static void a_thread_serves_and_is_joined(void **state)
{
	struct fixture *f = *state;

	fe_negotiate(&f->fe, 0);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	fe_queue(&f->fe, 0, 16, true);
	for (unsigned i = 0; i < 100; i++)
		ping(f, 0);
	drv_publish(&f->fe.q[0], 999);
	fe_kick(&f->fe, 0);
	fe_wait(&f->fe, &f->fe.faults, 1);
	f->fe.vu = vhost_user_free(f->fe.vu);
	assert_int_equal(f->e->stops, 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_device_serves_as_uml_sets_it_up),
		T(requests_posted_before_the_start_are_served),
		T(a_stopped_ring_goes_on_where_it_stood),
		T(a_new_memory_table_does_not_reset_the_device),
		T(a_refused_memory_table_leaves_the_old_one),
		T(memory_must_be_a_memory_file_of_sufficient_size),
		T(a_broken_ring_faults_the_device_until_a_reset),
		T(config_space_is_read_and_written),
		T(config_changes_are_announced),
		T(eventfds_for_interrupts_need_a_trusted_front_end),
		T(a_ring_without_kick_or_with_a_file_as_kick_is_refused),
		T(running_rings_cannot_be_reconfigured),
		T(a_device_of_virtio_0_9_does_not_start),
		T(rings_enable_themselves_without_protocol_features),
		T(messages_may_come_in_pieces),
		T(wrong_lengths_and_flags_end_the_connection),
		T(unknown_requests_are_refused_politely_when_asked),
		T(a_peer_that_reads_no_replies_is_dropped),
		T(hanging_up_stops_the_device_and_closes_everything),
		T(a_listening_server_takes_one_connection_after_the_other),
		T(memory_that_vanishes_faults_the_device),
		cmocka_unit_test_setup_teardown(
			memory_that_vanishes_faults_the_device, setup_thread,
			teardown),
		cmocka_unit_test_setup_teardown(a_thread_serves_and_is_joined,
						setup_thread, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
