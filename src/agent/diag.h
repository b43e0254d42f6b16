/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's own messages: lines "agentd: ..." in the guest's kernel log. */
#ifndef MSB_AGENT_DIAG_H
#define MSB_AGENT_DIAG_H

#include "base/compiler.h"

/*
 * PID 1 writes to /dev/kmsg with a priority that "quiet" still shows, and to
 * stderr when that is not there; any other process writes to stderr. Control
 * characters become '?', so text from the guest cannot forge lines.
 */
void diag(const char *fmt, ...) MSB_PRINTF(1, 2);

#endif
