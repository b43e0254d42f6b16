/* SPDX-License-Identifier: Apache-2.0 */
/* Queue of data from the host for something that takes it slower. */
#include "agent/inflow.h"

#include <errno.h>

#include "base/compiler.h"
#include "protocol/msg.h"

#define PAUSE_ABOVE (1u << 20)
#define RESUME_BELOW (256u << 10)
#define HARD_LIMIT (64u << 20)

void inflow_init(struct inflow *f, struct chan *chan, uint32_t id)
{
	*f = (struct inflow){ .chan = chan, .id = id };
	buf_init(&f->queue, HARD_LIMIT);
}

static void pause_input(struct inflow *f, bool pause)
{
	MSB_CLEANUP(buf_fini) struct buf b = { .max = 16 };

	if (f->paused == pause)
		return;
	f->paused = pause;
	msg_encode_empty(&b);
	/* lost for lack of memory, it costs memory: the limit holds */
	(void)chan_send(f->chan, f->id,
			pause ? MSG_T_EXEC_PAUSE : MSG_T_EXEC_RESUME, &b);
}

void inflow_fini(struct inflow *f)
{
	if (f->chan) /* a session may go on without its input */
		pause_input(f, false);
	buf_fini(&f->queue);
}

int inflow_append(struct inflow *f, const void *data, size_t len)
{
	if (buf_append(&f->queue, data, len)) {
		f->queue.failed = false; /* what is in it stays good */
		return -ENOSPC;
	}
	if (buf_len(&f->queue) > PAUSE_ABOVE)
		pause_input(f, true);
	return 0;
}

void inflow_consume(struct inflow *f, size_t len)
{
	buf_consume(&f->queue, len);
	if (buf_len(&f->queue) < RESUME_BELOW)
		pause_input(f, false);
}
