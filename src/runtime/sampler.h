/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes what the sandbox takes of the host to its slot in the registry of
 * metrics, now and then, from the first moment its guest is ready. Everything
 * is opened before the jail closes; a sample is a few system calls that wait
 * for nothing, and never touches a disk. Without a slot there are no samples,
 * and that is all.
 */
#ifndef MSB_RUNTIME_SAMPLER_H
#define MSB_RUNTIME_SAMPLER_H

#include "loop/loop.h"
#include "metrics/metrics.h"
#include "protocol/msg.h"

struct sandbox;

/* What the guest was last heard of. */
struct guest_usage {
	bool asked;	     /* and has not answered yet */
	bool missed;	     /* since then time of programs was */
	uint64_t asked_ns;   /* monotonic */
	uint64_t machine_ns; /* CPU time of the machine at the answer */
	uint64_t active_ns;  /* what tells whether it did anything, then */
	uint64_t missed_ns;  /* of programs, that only the guest has seen */
	struct msg_usage said;
};

struct sampler {
	struct metrics_writer writer;
	int statm_fd; /* of this process; -1: its memory is unknown */
	struct timer timer;
	struct metrics_sample last; /* all zero before the first one */
	uint64_t last_ns;	    /* of it, monotonic */
	uint64_t active_ns;	    /* then: see guest_usage */
	struct guest_usage guest;
	int64_t started_unix_ms; /* the first sample's idea of it */
};
#define SAMPLER_INIT                                                           \
	{                                                                      \
		.statm_fd = -1                                                 \
	}

/* Before the jail closes. Closes the descriptor of the registry. */
void sampler_open(struct sandbox *s);
void sampler_start(struct sandbox *s); /* the first sample */
/* The guest has answered. */
void sampler_on_usage(struct sandbox *s, const struct msg_usage *u);
/* The last one, while the machine is still there. */
void sampler_end(struct sandbox *s);

#endif
