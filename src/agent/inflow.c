/* SPDX-License-Identifier: Apache-2.0 */
/* Queue of data from the host for something that takes it slower. */
#include "agent/inflow.h"

#include <errno.h>

#define HOLD_ABOVE (1u << 20)
#define RELEASE_BELOW (256u << 10)
#define HARD_LIMIT (64u << 20)
#define STALL_MS 200

void inflow_init(struct inflow *f, struct loop *loop, struct chan *chan)
{
	*f = (struct inflow){ .loop = loop, .chan = chan };
	buf_init(&f->queue, HARD_LIMIT);
}

static void release(struct inflow *f)
{
	loop_timer_cancel(&f->timer);
	if (!f->holding)
		return;
	f->holding = false;
	chan_release(f->chan);
}

void inflow_fini(struct inflow *f)
{
	release(f);
	buf_fini(&f->queue);
}

static void on_stall(struct timer *t)
{
	struct inflow *f = container_of(t, struct inflow, timer);

	if (f->progress) {
		f->progress = false;
		loop_timer(f->loop, t, STALL_MS, on_stall);
		return;
	}
	f->stalled = true;
	release(f);
}

int inflow_append(struct inflow *f, const void *data, size_t len)
{
	if (buf_append(&f->queue, data, len)) {
		f->queue.failed = false; /* what is in it stays good */
		return -ENOSPC;
	}
	if (buf_len(&f->queue) > HOLD_ABOVE && !f->holding && !f->stalled) {
		f->holding = true;
		f->progress = false;
		chan_hold(f->chan);
		loop_timer(f->loop, &f->timer, STALL_MS, on_stall);
	}
	return 0;
}

void inflow_consume(struct inflow *f, size_t len)
{
	buf_consume(&f->queue, len);
	f->progress |= len > 0;
	if (buf_len(&f->queue) < RELEASE_BELOW) {
		f->stalled = false;
		release(f);
	}
}
