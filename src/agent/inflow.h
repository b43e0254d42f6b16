/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue of data from the host for something that takes it slower.
 *
 * The channel is shared by all, so it never waits for one consumer: beyond a
 * moderate amount the relay is asked to keep back what more there is for this
 * session. What is under way then still arrives, and a limit guards against a
 * relay that does not listen.
 */
#ifndef MSB_AGENT_INFLOW_H
#define MSB_AGENT_INFLOW_H

#include <stdbool.h>

#include "agent/chan.h"

struct inflow {
	struct chan *chan;
	struct buf queue;
	uint32_t id; /* of the session */
	bool paused; /* the relay was asked to wait */
};

void inflow_init(struct inflow *f, struct chan *chan, uint32_t id);
void inflow_fini(struct inflow *f); /* harmless when done already */
/* 0, or -ENOSPC when the queue cannot take all of it (then it takes none). */
int inflow_append(struct inflow *f, const void *data, size_t len);
void inflow_consume(struct inflow *f, size_t len);

static inline bool inflow_empty(const struct inflow *f)
{
	return !buf_len(&f->queue);
}

#endif
