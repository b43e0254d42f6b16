/* SPDX-License-Identifier: Apache-2.0 */
/* What each message from the host leads to. */
#ifndef MSB_AGENT_DISPATCH_H
#define MSB_AGENT_DISPATCH_H

#include "agent/agent.h"

/* Nothing a frame contains is fatal. */
void dispatch_frame(struct agent *a, const struct frame *f);

#endif
