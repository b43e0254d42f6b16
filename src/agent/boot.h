/* SPDX-License-Identifier: Apache-2.0 */
/* From the kernel's first process to a guest that is ready. */
#ifndef MSB_AGENT_BOOT_H
#define MSB_AGENT_BOOT_H

#include "agent/agent.h"
#include "base/err.h"
#include "protocol/bootspec.h"

/* What the boot leaves for the serving agent. */
struct boot {
	struct bootspec spec; /* owned */
	int port_fd;	      /* channel to the host, given away */
	int upper_fd;	      /* see shutdown_machine() */
	enum agent_role role;
	struct timer later; /* see boot_finish() */
};

/*
 * Everything that may fail before core.ready. After a handoff this returns in
 * the child. On failure err says why, b->upper_fd is good for a shutdown.
 */
int boot_run(struct boot *b, struct err *err);
/* What only needs to be done before the first request is served, env being the
 * environment of programs; and on the loop, a little later, what hardly anybody
 * needs. */
void boot_finish(struct boot *b, struct loop *l, struct strv *env);

#endif
