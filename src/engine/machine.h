/* SPDX-License-Identifier: Apache-2.0 */
/* What each engine implements behind engine.h. */
#ifndef MSB_ENGINE_MACHINE_H
#define MSB_ENGINE_MACHINE_H

#include "engine/engine.h"
#include "engine/host.h"

struct machine_ops {
	void (*kill)(struct machine *m);
	void (*free)(struct machine *m);
	int (*pid)(const struct machine *m);
	/* ret is zero; NULL: all of it is this process's */
	void (*usage)(struct machine *m, struct machine_usage *ret);
	void (*describe)(const struct machine *m, struct buf *json);
	void (*exits)(const struct machine *m, struct buf *json); /* or NULL */
	size_t (*relaxed)(const struct machine *m, char *buf, size_t len);
};

/* First member of every engine's own machine. */
struct machine {
	const struct machine_ops *ops;
};

/* The parts of engine.h that decide from facts; exposed for their tests. */
int engine_select_from(const struct host_facts *f, enum engine_kind asked,
		       enum engine_kind *ret_kind, char *reason,
		       size_t reason_len, struct err *err);

#endif
