/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile front end: any messages, any descriptors, any rings, against the
 * console and the block device. The input is a program for the front end:
 *
 *   device:1, then steps, each starting with an operation byte:
 *   0 request:1 flags:1 nfds:1 size:2 payload   a message
 *   1 offset:4 length:1 bytes                   write to guest memory
 *   2 queue:1                                   kick
 *   3                                           negotiate, memory, all rings
 *   4                                           hang up
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "virtio/dev/block.h"
#include "virtio/dev/console.h"
#include "virtio/transport/vhost_user_backend.h"

#define MEM_LEN (64u * 1024)
#define GPA 0x10000ull
#define QUEUE_LEN 8u
#define RING_SPACE 512u /* per queue, from the start of memory on */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *p;
	size_t left;
};

struct world {
	struct loop *loop;
	struct virtio_device *dev;
	struct vconsole *console;
	int memfd;
	uint8_t *mem;
	int kick;
	struct vu_backend backend;
};

static const uint8_t *take(struct input *in, size_t n)
{
	const uint8_t *p = in->p;

	if (in->left < n)
		return NULL;
	in->p += n;
	in->left -= n;
	return p;
}

static void on_fault(struct vu_backend *b, const char *why)
{
	(void)b;
	(void)why;
}

static void on_console(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	(void)data;
	(void)len;
}

static size_t on_data(void *ctx, const void *data, size_t len)
{
	struct world *w = ctx;

	/* an echo that takes odd amounts */
	return vconsole_write(w->console, data, len > 3 ? len - len / 3 : len);
}

static void on_writable(void *ctx)
{
	struct world *w = ctx;

	vconsole_resume(w->console);
	(void)vconsole_write(w->console, "hello", 5);
}

static void on_open(void *ctx, bool open)
{
	if (open)
		on_writable(ctx);
}

static int make_device(struct world *w, bool console)
{
	const struct vconsole_events events = { .ctx = w,
						.on_console = on_console,
						.on_data = on_data,
						.on_writable = on_writable,
						.on_open = on_open };
	struct vblock_config config = { .serial = "fuzz" };
	int rc, fd;

	if (console) {
		rc = vconsole_new(&events, &w->console);
		if (!rc)
			w->dev = vconsole_device(w->console);
		return rc;
	}
	fd = io_memfd("disk", NULL, 0);
	if (fd < 0 || ftruncate(fd, MEM_LEN) < 0 ||
	    disk_raw(fd, false, &config.disk, NULL))
		return -1;
	return vblock_new(&config, &w->dev);
}

static void add_fd(struct vu_msg *m, int fd)
{
	if (fd >= 0)
		m->fds[m->nfds++] = fd;
}

/* What a front end could send: its memory, a kick, a socket, a pipe's end. */
static void add_fds(struct world *w, struct vu_msg *m, uint8_t kinds)
{
	int pair[2];

	for (unsigned n = kinds >> 5; n; n--) {
		switch ((kinds >> 1) & 3) {
		case 0:
			add_fd(m, dup(w->memfd));
			break;
		case 1:
			add_fd(m, dup(w->kick));
			break;
		case 2:
			if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) {
				add_fd(m, pair[0]);
				(void)close(pair[1]);
			}
			break;
		default:
			if (pipe(pair) == 0) {
				add_fd(m, pair[0]);
				(void)close(pair[1]);
			}
			break;
		}
	}
}

static void send_message(struct world *w, struct vu_msg *m)
{
	struct vu_reply reply = { .size = 0 };

	(void)vu_backend_handle(&w->backend, m, &reply);
	if (reply.size > sizeof(reply.payload))
		abort();
	for (size_t i = 0; i < m->nfds; i++)
		close_fd(&m->fds[i]);
}

static void step_message(struct world *w, struct input *in)
{
	const uint8_t *head = take(in, 5), *payload;
	struct vu_msg m = { .nfds = 0 };

	if (!head)
		return;
	m.request = head[0];
	m.flags = head[1];
	m.size = le16_get(head + 3) % (VU_MAX_PAYLOAD + 1);
	payload = take(in, m.size);
	if (payload)
		memcpy(m.payload, payload, m.size);
	add_fds(w, &m, head[2]);
	send_message(w, &m);
}

static void set_up_queue(struct world *w, uint32_t i)
{
	uint64_t ring = GPA + (uint64_t)RING_SPACE * i;
	struct vu_msg num = { .request = VU_SET_VRING_NUM, .size = 8 };
	struct vu_msg addr = { .request = VU_SET_VRING_ADDR, .size = 40 };
	struct vu_msg kick = { .request = VU_SET_VRING_KICK, .size = 8 };

	le32_put(num.payload, i);
	le32_put(num.payload + 4, QUEUE_LEN);
	send_message(w, &num);
	le32_put(addr.payload, i);
	le64_put(addr.payload + 8, ring);
	le64_put(addr.payload + 16, ring + 256);
	le64_put(addr.payload + 24, ring + 128);
	send_message(w, &addr);
	le64_put(kick.payload, i);
	add_fd(&kick, dup(w->kick));
	send_message(w, &kick);
}

/* Without protocol features, so that the rings run at once. */
static void step_set_up(struct world *w)
{
	struct vu_msg features = { .request = VU_SET_FEATURES, .size = 8 };
	struct vu_msg mem = { .request = VU_SET_MEM_TABLE, .size = 40 };

	le64_put(features.payload, w->dev->features | VIRTIO_BIT_VERSION_1 |
					   VIRTIO_BIT_INDIRECT_DESC);
	send_message(w, &features);
	le32_put(mem.payload, 1);
	le64_put(mem.payload + 8, GPA);
	le64_put(mem.payload + 16, MEM_LEN);
	le64_put(mem.payload + 24, GPA);
	add_fd(&mem, dup(w->memfd));
	send_message(w, &mem);
	for (uint32_t i = 0; i < w->dev->nqueues; i++)
		set_up_queue(w, i);
}

static void step_write(struct world *w, struct input *in)
{
	const uint8_t *head = take(in, 5), *bytes;
	uint32_t off;

	if (!head)
		return;
	off = le32_get(head) % MEM_LEN;
	bytes = take(in, head[4]);
	if (bytes)
		memcpy(w->mem + off, bytes,
		       head[4] < MEM_LEN - off ? head[4] : MEM_LEN - off);
}

static void run(struct world *w, struct input *in)
{
	const uint8_t *op;

	while ((op = take(in, 1))) {
		const uint8_t *q;

		switch (*op % 5) {
		case 0:
			step_message(w, in);
			break;
		case 1:
			step_write(w, in);
			break;
		case 2:
			q = take(in, 1);
			if (q && *q < w->dev->nqueues && !w->dev->broken)
				w->dev->ops->queue_ready(w->dev, *q);
			break;
		case 3:
			step_set_up(w);
			break;
		default:
			vu_backend_reset(&w->backend);
			break;
		}
		(void)loop_turn(w->loop, 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .loop = NULL };
	struct input in = { data, size };
	const uint8_t *kind = take(&in, 1);
	int lowest, after;

	if (!kind || size > 65536)
		return 0;
	lowest = dup(STDIN_FILENO);
	(void)close(lowest);
	w.memfd = io_memfd("guest", NULL, 0);
	w.kick = eventfd(0, EFD_CLOEXEC);
	if (w.memfd < 0 || w.kick < 0 || ftruncate(w.memfd, MEM_LEN) < 0 ||
	    loop_new(&w.loop) || make_device(&w, *kind & 1))
		abort();
	w.mem = mmap(NULL, MEM_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, w.memfd,
		     0);
	if (w.mem == MAP_FAILED)
		abort();
	vu_backend_init(&w.backend, w.dev, w.loop, *kind & 3, on_fault);
	run(&w, &in);
	vu_backend_reset(&w.backend);
	w.dev->ops->free(w.dev);
	loop_free(w.loop);
	(void)munmap(w.mem, MEM_LEN);
	(void)close(w.memfd);
	(void)close(w.kick);
	after = dup(STDIN_FILENO);
	if (after != lowest)
		abort(); /* a descriptor leaked */
	return close(after);
}
