/* SPDX-License-Identifier: Apache-2.0 */
/* Letting the guest's own init be PID 1. */
#ifndef MSB_AGENT_HANDOFF_H
#define MSB_AGENT_HANDOFF_H

#include "base/err.h"
#include "protocol/bootspec.h"

/*
 * Resolve and check spec->init inside the final root, then split: returns 0 in
 * the child, which goes on as the agent. The parent becomes that init and does
 * not come back. -errno before the split when the init cannot be used.
 */
int handoff(const struct bootspec *spec, struct err *err);

#endif
