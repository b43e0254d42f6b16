/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two halves of the jail: the parent and the child before exec. */
#ifndef MSB_ENGINE_UML_JAIL_INT_H
#define MSB_ENGINE_UML_JAIL_INT_H

#include <linux/filter.h>
#include <sys/resource.h>

#include "base/compiler.h"
#include "engine/uml/jail.h"

/* Ids inside the user namespace. Not 0, or exec would hand out capabilities. */
#define JAIL_INSIDE_ID 1000

enum jail_event_kind {
	JAIL_EVENT_LAYER_OFF, /* goes on without that layer */
	JAIL_EVENT_REFUSED,   /* gives up: a layer was refused */
	JAIL_EVENT_FAILED,    /* gives up: anything else */
	JAIL_EVENT_READY,     /* about to exec */
	JAIL_EVENT_PROBE,     /* result of a probe step */
};

/* One packet on the control socket. */
struct jail_event {
	enum jail_event_kind kind;
	enum jail_layer layer;
	enum jail_step step;
	int sys;
};

struct jail_limit {
	int resource;
	struct rlimit value;
};

#define JAIL_MAX_LIMITS 12

struct jail_child {
	const struct jail_plan *plan;
	int control;	  /* packet socket to the parent */
	int parent_end;	  /* the parent's end of it, which the child closes */
	int stdin_fd;	  /* reads as ended */
	bool own_user_ns; /* cloned into one */
	uid_t uid;
	gid_t gid;
	bool clear_groups;
	char cpuinfo[8192];
	size_t cpuinfo_len;
	struct jail_limit limit[JAIL_MAX_LIMITS];
	size_t nlimits;
};

MSB_NORETURN void jail_child_main(struct jail_child *c);

#endif
