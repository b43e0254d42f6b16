/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time of a uml machine: the guest's kernel is a process, and so is each
 * address space of the guest, a child of that kernel. A child that ended takes
 * what it used since the last look with it, and those of other vCPUs' threads
 * are not to be seen; whoever asks is told so.
 */
#ifndef MSB_ENGINE_UML_USAGE_H
#define MSB_ENGINE_UML_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define UML_USAGE_CHILDREN 512

struct uml_child {
	pid_t pid;
	uint64_t ns;
};

struct uml_usage {
	pid_t kernel;
	int children_fd;  /* of its first thread; -1: it cannot be seen */
	bool all_visible; /* there is no other thread that has children */
	unsigned vcpus;
	uint64_t look_ns;		 /* when the last look was, monotonic */
	uint64_t kernel_ns, children_ns; /* used so far; they never go back */
	size_t nchildren;		 /* at the last look */
	struct uml_child child[UML_USAGE_CHILDREN];
};

/* The kernel is our child and was not waited for. */
void uml_usage_init(struct uml_usage *u, pid_t kernel, unsigned vcpus);
void uml_usage_fini(struct uml_usage *u);
/* Count what was used since the last look, from what is open. *ret_missed: some
 * child's time is, or may be, missing. */
void uml_usage_look(struct uml_usage *u, bool *ret_missed);

#endif
