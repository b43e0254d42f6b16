/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue of data from the host for something that takes it slower.
 *
 * There is no flow control towards the client in the protocol, and the channel
 * is shared by all. So:
 *  - a moderate amount is queued without further ado;
 *  - beyond it the whole channel is held back as long as this consumer keeps
 *    taking data: a large input to a busy consumer is paced, not stored;
 *  - a consumer that takes nothing for a while must not stop the others: the
 *    channel goes on and the queue may grow up to a hard limit.
 */
#ifndef MSB_AGENT_INFLOW_H
#define MSB_AGENT_INFLOW_H

#include <stdbool.h>

#include "agent/chan.h"

struct inflow {
	struct loop *loop;
	struct chan *chan;
	struct timer timer;
	struct buf queue;
	bool holding, stalled, progress;
};

void inflow_init(struct inflow *f, struct loop *loop, struct chan *chan);
void inflow_fini(struct inflow *f); /* harmless when done already */
/* 0, or -ENOSPC when the queue cannot take all of it (then it takes none). */
int inflow_append(struct inflow *f, const void *data, size_t len);
void inflow_consume(struct inflow *f, size_t len);

static inline bool inflow_empty(const struct inflow *f)
{
	return !buf_len(&f->queue);
}

#endif
