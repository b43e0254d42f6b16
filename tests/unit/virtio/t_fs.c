/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-fs device between a driver's rings and the file server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "driver.h"
#include "virtio/dev/fs.h"

#define REQUESTS 1u

static uint8_t memory[1 << 20];

struct fixture {
	struct drv_mem mem;
	struct drv_queue hiprio, queue;
	struct virtio_device *dev;
	struct loop *loop;
	unsigned notified, forgets_notified;
};

static struct fixture f;

static int setup(void **state)
{
	const struct fs_config cfg = { .path = "/proc/self",
				       .follow_symlinks = true,
				       .readonly = true };
	struct fs_server *server;

	(void)state;
	memset(&f, 0, sizeof(f));
	memset(memory, 0, sizeof(memory));
	drv_mem_init(&f.mem, memory, 0x10000, sizeof(memory));
	drv_queue_init(&f.hiprio, &f.mem, 16);
	drv_queue_init(&f.queue, &f.mem, 64);
	if (loop_new(&f.loop) || fs_server_new(&cfg, &server, NULL))
		return -1;
	if (vdev_fs_new("tag", server, &f.dev))
		return -1;
	f.dev->loop = f.loop;
	f.dev->mem = &f.mem.gm;
	if (f.dev->ops->start(f.dev))
		return -1;
	return drv_attach(&f.hiprio, &f.dev->queues[0], false,
			  &f.forgets_notified) ||
			       drv_attach(&f.queue, &f.dev->queues[REQUESTS],
					  false, &f.notified)
		       ? -1
		       : 0;
}

static int teardown(void **state)
{
	(void)state;
	f.dev->ops->stop(f.dev);
	f.dev->ops->free(f.dev);
	f.loop = loop_free(f.loop);
	return 0;
}

/* A request in two readable and two writable pieces; where the reply goes. */
static uint64_t post(struct drv_queue *q, uint32_t opcode, uint64_t nodeid,
		     const void *body, uint32_t len, uint32_t reply_len)
{
	struct fuse_in_header h = { .len = (uint32_t)sizeof(h) + len,
				    .opcode = opcode,
				    .unique = opcode + 100,
				    .nodeid = nodeid };
	uint64_t head = drv_alloc(&f.mem, sizeof(h));
	uint64_t data = drv_alloc(&f.mem, len + 1);
	uint64_t out = drv_alloc(&f.mem, 16 + reply_len);
	struct drv_seg seg[4] = { { head, sizeof(h), false },
				  { data, len, false },
				  { out, 16, true },
				  { out + 16, reply_len, true } };

	memcpy(drv_ptr(&f.mem, head), &h, sizeof(h));
	memcpy(drv_ptr(&f.mem, data), body, len);
	(void)drv_add(q, seg, reply_len ? 4 : 2, false);
	return out;
}

static void init(void)
{
	struct fuse_init_in a = { .major = 7, .minor = 38 };
	uint64_t out = post(&f.queue, FUSE_INIT, 0, &a, sizeof(a), 64);
	struct fuse_out_header o;
	uint32_t len;

	f.dev->ops->queue_ready(f.dev, REQUESTS);
	assert_true(drv_used(&f.queue, &(uint32_t){ 0 }, &len));
	assert_int_equal(len, 16 + 64);
	memcpy(&o, drv_ptr(&f.mem, out), sizeof(o));
	assert_int_equal(o.len, 80);
	assert_int_equal(o.error, 0);
	assert_int_equal(o.unique, FUSE_INIT + 100);
}

static void t_config(void **state)
{
	struct virtio_device *dev;
	char tag[38];

	(void)state;
	assert_int_equal(f.dev->config_len, 40);
	assert_memory_equal(f.dev->config, "tag\0", 4);
	assert_int_equal(le32_get(f.dev->config + 36), 1);
	assert_int_equal(f.dev->nqueues, 2);
	assert_true(f.dev->ops->wants_thread);
	memset(tag, 't', sizeof(tag));
	tag[37] = 0;
	assert_int_equal(vdev_fs_new(tag, NULL, &dev), -EINVAL);
	assert_int_equal(vdev_fs_new("", NULL, &dev), -EINVAL);
}

static void t_batch(void **state)
{
	struct fuse_entry_out e;
	struct fuse_forget_in forget = { .nlookup = 1 };
	uint64_t out[5];
	uint32_t len;

	(void)state;
	init();
	f.notified = 0;
	for (int i = 0; i < 5; i++)
		out[i] = post(&f.queue, FUSE_LOOKUP, FUSE_ROOT_ID, "status", 7,
			      sizeof(e));
	f.dev->ops->queue_ready(f.dev, REQUESTS);
	assert_int_equal(f.notified, 1); /* once for all of them */
	for (int i = 0; i < 5; i++) {
		assert_true(drv_used(&f.queue, &(uint32_t){ 0 }, &len));
		assert_int_equal(len, 16 + sizeof(e));
	}
	memcpy(&e, drv_ptr(&f.mem, out[4] + 16), sizeof(e));
	assert_true(e.nodeid > FUSE_ROOT_ID);
	/* not answered, but given back */
	(void)post(&f.hiprio, FUSE_FORGET, e.nodeid, &forget, sizeof(forget),
		   0);
	f.dev->ops->queue_ready(f.dev, 0);
	assert_true(drv_used(&f.hiprio, &(uint32_t){ 0 }, &len));
	assert_int_equal(len, 0);
	assert_false(f.dev->broken);
}

/* One kick is enough for both queues, whichever it was for. */
static void t_both_queues(void **state)
{
	const struct fuse_forget_in forget = { .nlookup = 1 };

	(void)state;
	init();
	for (unsigned q = 0; q < 2; q++) {
		uint32_t id, len;

		f.notified = f.forgets_notified = 0;
		(void)post(&f.hiprio, FUSE_FORGET, FUSE_ROOT_ID, &forget,
			   sizeof(forget), 0);
		(void)post(&f.queue, FUSE_LOOKUP, FUSE_ROOT_ID, "status", 7,
			   sizeof(struct fuse_entry_out));
		f.dev->ops->queue_ready(f.dev, q);
		assert_true(drv_used(&f.hiprio, &id, &len));
		assert_true(drv_used(&f.queue, &id, &len));
		assert_int_equal(f.notified, 1);
		assert_int_equal(f.forgets_notified, 1);
		assert_int_equal(drv_used_flags(&f.queue), 0);
		assert_int_equal(drv_used_flags(&f.hiprio), 0);
	}
}

#define WATCHED 1000
#define ANSWER_MS 60000

struct asker {
	int kick_fd;
	unsigned answered;
	atomic_bool done;
};

/* Ask for one thing at a time, and kick only when the device wants it. */
static void *ask(void *arg)
{
	struct asker *a = arg;
	const uint64_t one = 1;
	uint32_t id, len;

	for (a->answered = 0; a->answered < WATCHED; a->answered++) {
		uint64_t end = clock_mono_ms() + ANSWER_MS;

		(void)post(&f.queue, FUSE_GETATTR, FUSE_ROOT_ID,
			   &(struct fuse_getattr_in){ 0 },
			   sizeof(struct fuse_getattr_in),
			   sizeof(struct fuse_attr_out));
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!drv_used_flags(&f.queue))
			(void)io_write(a->kick_fd, &one, sizeof(one));
		while (!drv_used(&f.queue, &id, &len)) {
			if (clock_mono_ms() > end)
				goto out; /* a request was forgotten */
			(void)sched_yield();
		}
	}
out:
	atomic_store(&a->done, true);
	(void)io_write(a->kick_fd, &one, sizeof(one));
	return NULL;
}

/* Requests that follow each other closely: the device watches for them, and
 * none is lost where it stops doing so. */
static void t_close_requests(void **state)
{
	struct asker a = { .kick_fd = eventfd(0, EFD_CLOEXEC) };
	pthread_t thread;
	uint64_t count;

	(void)state;
	init();
	assert_true(a.kick_fd >= 0);
	assert_int_equal(pthread_create(&thread, NULL, ask, &a), 0);
	do {
		assert_int_equal(io_read(a.kick_fd, &count, sizeof(count)), 8);
		f.dev->ops->queue_ready(f.dev, REQUESTS);
		while (drv_used_flags(&f.queue)) /* only its turn was over */
			assert_int_equal(loop_turn(f.loop, 0), 0);
	} while (!atomic_load(&a.done));
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(a.answered, WATCHED);
	close_fd(&a.kick_fd);
}

static void t_hostile(void **state)
{
	uint8_t junk[64];
	uint32_t len;

	(void)state;
	init();
	memset(junk, 0xff, sizeof(junk));
	/* too short for a header; a reply nobody can hold; nonsense */
	struct drv_seg tiny = { drv_alloc(&f.mem, 8), 8, false };

	(void)drv_add(&f.queue, &tiny, 1, false);
	(void)post(&f.queue, FUSE_LOOKUP, FUSE_ROOT_ID, "status", 7, 8);
	(void)post(&f.queue, 0xffffffff, ~0ull, junk, sizeof(junk), 100);
	f.dev->ops->queue_ready(f.dev, REQUESTS);
	assert_true(drv_used(&f.queue, &(uint32_t){ 0 }, &len));
	assert_int_equal(len, 0);
	assert_true(drv_used(&f.queue, &(uint32_t){ 0 }, &len));
	assert_int_equal(len, 16);
	assert_true(drv_used(&f.queue, &(uint32_t){ 0 }, &len));
	assert_int_equal(len, 16);
	assert_false(f.dev->broken);
	/* a chain that repeats its memory into a giant */
	struct drv_seg giant[8];

	for (int i = 0; i < 8; i++)
		giant[i] = (struct drv_seg){ 0x10000, sizeof(memory), true };
	(void)drv_add(&f.queue, giant, 8, false);
	f.dev->ops->queue_ready(f.dev, REQUESTS);
	assert_true(f.dev->broken);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = { T(t_config), T(t_batch),
					    T(t_both_queues),
					    T(t_close_requests), T(t_hostile) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
