/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues (virtio 1.2, 5.3.2): 0/1 port 0 in/out, 2/3 control in/out, 4/5 port
 * 1 in/out, as seen from the guest.
 *
 * A request on an output queue that the receiver did not take completely is
 * put back and popped again later, with the bytes already taken skipped: no
 * request is ever held between callbacks, so a queue may stop at any time.
 */
#include "virtio/dev/console.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"

#define F_MULTIPORT (1ull << VIRTIO_CONSOLE_F_MULTIPORT)
#define PORTS 2u
#define CONTROL_LEN 8u /* id:4 event:2 value:2 */
#define CHUNK 32768u   /* the largest write of Linux's driver */
/* One request; Linux makes none above 1 MiB. Its parts may all be the same
 * memory, so its length alone costs a hostile driver nothing. */
#define MAX_OUTPUT (4u << 20)
/* Bytes taken from one queue before others get their turn on the loop. */
#define TURN_BUDGET (256u * 1024)

enum queue {
	Q_LOG_IN,
	Q_LOG_OUT,
	Q_CONTROL_IN,
	Q_CONTROL_OUT,
	Q_AGENT_IN,
	Q_AGENT_OUT,
	Q_COUNT
};

enum port_id { PORT_LOG, PORT_AGENT };

/* What the guest is still to be told about a port, in this order. */
enum pending {
	TELL_ADD = 1,
	TELL_CONSOLE = 2,
	TELL_NAME = 4,
	TELL_OPEN = 8,
};

struct vconsole {
	struct virtio_device dev;
	struct vconsole_events events;
	uint8_t config[sizeof(struct virtio_console_config)];
	unsigned pending[PORTS]; /* enum pending */
	bool agent_open;
	bool agent_blocked; /* on_data took less than all */
	bool write_blocked; /* vconsole_write() took less than all */
	size_t agent_skip;  /* taken from the agent's oldest request */
	struct deferred more;
	bool more_queue[Q_COUNT]; /* for which queues */
	/* apart, because callbacks of output write input */
	struct iovec iov_in[VQ_MAX_IOV], iov_out[VQ_MAX_IOV];
	uint8_t chunk[CHUNK];
};

static struct vconsole *of(struct virtio_device *d)
{
	return container_of(d, struct vconsole, dev);
}

static struct virtqueue *queue(struct vconsole *c, enum queue q)
{
	return &c->dev.queues[q];
}

/* Pop, and fault the device when the driver broke the ring. */
static bool take(struct vconsole *c, enum queue q, struct vq_chain *ret)
{
	bool in = q == Q_CONTROL_IN || q == Q_AGENT_IN;
	int rc = vq_pop(queue(c, q), in ? c->iov_in : c->iov_out, ret);

	if (rc < 0)
		virtio_fault(&c->dev, "console: broken ring or request");
	return rc > 0;
}

static void run_more(struct deferred *d);

static void continue_later(struct vconsole *c, enum queue q)
{
	c->more_queue[q] = true;
	loop_defer(c->dev.loop, &c->more, run_more);
}

/* Next thing to tell about a port; false when there is none. */
static bool next_control(struct vconsole *c, enum port_id port, uint8_t *msg,
			 size_t *ret_len)
{
	static const struct {
		enum pending what;
		uint16_t event, value;
	} steps[] = {
		{ TELL_ADD, VIRTIO_CONSOLE_PORT_ADD, 1 },
		{ TELL_CONSOLE, VIRTIO_CONSOLE_CONSOLE_PORT, 1 },
		{ TELL_NAME, VIRTIO_CONSOLE_PORT_NAME, 1 },
		{ TELL_OPEN, VIRTIO_CONSOLE_PORT_OPEN, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		if (!(c->pending[port] & steps[i].what))
			continue;
		c->pending[port] &= ~(unsigned)steps[i].what;
		le32_put(msg, port);
		le16_put(msg + 4, steps[i].event);
		le16_put(msg + 6, steps[i].value);
		*ret_len = CONTROL_LEN;
		if (steps[i].what == TELL_NAME) {
			memcpy(msg + CONTROL_LEN, VCONSOLE_AGENT_PORT,
			       sizeof(VCONSOLE_AGENT_PORT) - 1);
			*ret_len += sizeof(VCONSOLE_AGENT_PORT) - 1;
		}
		return true;
	}
	return false;
}

/* Tell the guest what is pending, as far as it has posted buffers. */
static void flush_control(struct vconsole *c)
{
	struct virtqueue *vq = queue(c, Q_CONTROL_IN);
	uint8_t msg[CONTROL_LEN + sizeof(VCONSOLE_AGENT_PORT)];
	struct vq_chain chain;
	size_t len;

	while (c->pending[PORT_LOG] || c->pending[PORT_AGENT]) {
		enum port_id port =
			c->pending[PORT_LOG] ? PORT_LOG : PORT_AGENT;

		if (!take(c, Q_CONTROL_IN, &chain)) {
			if (!vq_enable_kick(vq))
				break;
			continue;
		}
		if (chain.write_len < sizeof(msg)) {
			virtio_fault(&c->dev, "console: control buffer");
			return;
		}
		if (!next_control(c, port, msg, &len))
			len = 0;
		(void)iov_write(chain.writable, chain.nwrite, 0, msg, len);
		vq_push(vq, &chain, (uint32_t)len);
	}
	vq_signal(vq);
}

static void set_open(struct vconsole *c, bool open)
{
	if (c->agent_open == open)
		return;
	c->agent_open = open;
	c->write_blocked = false;
	c->events.on_open(c->events.ctx, open);
}

static void handle_control(struct vconsole *c, const uint8_t *msg)
{
	uint32_t port = le32_get(msg);
	uint16_t event = le16_get(msg + 4), value = le16_get(msg + 6);

	if (event == VIRTIO_CONSOLE_DEVICE_READY) {
		if (value)
			c->pending[PORT_LOG] = c->pending[PORT_AGENT] =
				TELL_ADD;
		return;
	}
	if (port >= PORTS)
		return;
	if (event == VIRTIO_CONSOLE_PORT_READY && value)
		c->pending[port] |= TELL_OPEN | (port == PORT_LOG ? TELL_CONSOLE
								  : TELL_NAME);
	else if (event == VIRTIO_CONSOLE_PORT_OPEN && port == PORT_AGENT)
		set_open(c, value != 0);
}

static void serve_control(struct vconsole *c)
{
	struct virtqueue *vq = queue(c, Q_CONTROL_OUT);
	unsigned budget = vq->size;

	do {
		struct vq_chain chain;

		vq_disable_kick(vq);
		while (budget && take(c, Q_CONTROL_OUT, &chain)) {
			uint8_t msg[CONTROL_LEN];

			budget--;
			if (iov_read(chain.readable, chain.nread, 0, msg,
				     sizeof(msg)) != sizeof(msg)) {
				virtio_fault(&c->dev, "console: short control");
				return;
			}
			vq_push(vq, &chain, 0);
			/* Linux waits for this one in a busy loop */
			vq_signal(vq);
			handle_control(c, msg);
		}
		if (!budget) {
			continue_later(c, Q_CONTROL_OUT);
			break;
		}
	} while (vq_enable_kick(vq));
	flush_control(c);
}

/*
 * Hand one output request to its receiver, from byte *skip on. True when all
 * of it was taken.
 */
static bool deliver(struct vconsole *c, enum queue q, const struct vq_chain *ch,
		    size_t *skip)
{
	while (*skip < ch->read_len) {
		size_t n = iov_read(ch->readable, ch->nread, *skip, c->chunk,
				    CHUNK);
		size_t taken = n;

		if (q == Q_LOG_OUT)
			c->events.on_console(c->events.ctx, c->chunk, n);
		else
			taken = c->events.on_data(c->events.ctx, c->chunk, n);
		*skip += taken;
		if (taken < n)
			return false;
	}
	return true;
}

/* Output of a port; false when the receiver is full or the turn is over. */
static bool drain_output(struct vconsole *c, enum queue q, size_t *skip)
{
	struct virtqueue *vq = queue(c, q);
	size_t done = 0;
	struct vq_chain chain;

	while (take(c, q, &chain)) {
		if (chain.nwrite || chain.read_len > MAX_OUTPUT) {
			virtio_fault(&c->dev, "console: output request");
			return false;
		}
		if (!deliver(c, q, &chain, skip)) {
			vq_unpop(vq);
			c->agent_blocked = true;
			return false;
		}
		*skip = 0;
		vq_push(vq, &chain, 0);
		done += chain.read_len;
		if (q == Q_LOG_OUT)
			vq_signal(vq); /* Linux waits in a busy loop */
		if (done >= TURN_BUDGET) {
			continue_later(c, q);
			return false;
		}
	}
	return true;
}

static void serve_output(struct vconsole *c, enum queue q)
{
	struct virtqueue *vq = queue(c, q);
	size_t none = 0, *skip = q == Q_AGENT_OUT ? &c->agent_skip : &none;

	if (q == Q_AGENT_OUT && c->agent_blocked)
		return; /* kicks stay off until vconsole_resume() */
	do
		vq_disable_kick(vq);
	while (drain_output(c, q, skip) && vq_enable_kick(vq));
	vq_signal(vq);
}

static void run_more(struct deferred *d)
{
	struct vconsole *c = container_of(d, struct vconsole, more);

	for (unsigned q = 0; q < Q_COUNT; q++) {
		if (!c->more_queue[q])
			continue;
		c->more_queue[q] = false;
		c->dev.ops->queue_ready(&c->dev, q);
	}
}

void vconsole_resume(struct vconsole *c)
{
	if (!c->agent_blocked)
		return;
	c->agent_blocked = false;
	if (queue(c, Q_AGENT_OUT)->ready)
		continue_later(c, Q_AGENT_OUT);
}

size_t vconsole_write(struct vconsole *c, const void *data, size_t len)
{
	struct virtqueue *vq = queue(c, Q_AGENT_IN);
	const uint8_t *p = data;
	size_t done = 0;
	struct vq_chain chain;

	if (!c->agent_open)
		return 0;
	while (done < len) {
		size_t n;

		if (!take(c, Q_AGENT_IN, &chain)) {
			if (vq_enable_kick(vq))
				continue;
			c->write_blocked = true;
			break;
		}
		if (chain.nread || !chain.nwrite) {
			virtio_fault(&c->dev, "console: input request");
			break;
		}
		n = iov_write(chain.writable, chain.nwrite, 0, p + done,
			      len - done);
		vq_push(vq, &chain, (uint32_t)n);
		done += n;
	}
	vq_signal(vq);
	return done;
}

static void input_ready(struct vconsole *c)
{
	if (!c->write_blocked || !c->agent_open)
		return;
	c->write_blocked = false;
	vq_disable_kick(queue(c, Q_AGENT_IN));
	c->events.on_writable(c->events.ctx);
}

static void console_queue_ready(struct virtio_device *d, unsigned q)
{
	struct vconsole *c = of(d);

	switch ((enum queue)q) {
	case Q_LOG_OUT:
	case Q_AGENT_OUT:
		serve_output(c, (enum queue)q);
		break;
	case Q_CONTROL_IN:
		flush_control(c);
		break;
	case Q_CONTROL_OUT:
		serve_control(c);
		break;
	case Q_AGENT_IN:
		input_ready(c);
		break;
	case Q_LOG_IN: /* its buffers are never filled */
	case Q_COUNT:
		break;
	}
}

static int console_start(struct virtio_device *d)
{
	return virtio_has(d, F_MULTIPORT) ? 0 : -ENOTSUP;
}

static void console_stop(struct virtio_device *d)
{
	struct vconsole *c = of(d);

	loop_defer_cancel(&c->more);
	memset(c->more_queue, 0, sizeof(c->more_queue));
	memset(c->pending, 0, sizeof(c->pending));
	c->agent_skip = 0;
	c->agent_blocked = false;
	set_open(c, false);
}

static void console_free(struct virtio_device *d)
{
	free(of(d));
}

static const struct virtio_device_ops console_ops = {
	.id = VIRTIO_ID_CONSOLE,
	.name = "console",
	.start = console_start,
	.queue_ready = console_queue_ready,
	.stop = console_stop,
	.free = console_free,
};

int vconsole_new(const struct vconsole_events *events, struct vconsole **ret)
{
	struct vconsole *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->events = *events;
	le32_put(c->config +
			 offsetof(struct virtio_console_config, max_nr_ports),
		 PORTS);
	c->dev = (struct virtio_device){ .ops = &console_ops,
					 .features = F_MULTIPORT,
					 .config = c->config,
					 .config_len = sizeof(c->config),
					 .nqueues = Q_COUNT };
	*ret = c;
	return 0;
}

struct vconsole *vconsole_free(struct vconsole *c)
{
	if (c)
		console_free(&c->dev);
	return NULL;
}

struct virtio_device *vconsole_device(struct vconsole *c)
{
	return &c->dev;
}
