/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry of metrics: one shared memory object per home directory, in
 * which every running sandbox has a slot. Whoever starts a sandbox reserves a
 * slot and writes down what it knows; the sandbox's runtime writes samples;
 * anybody of this user reads, without a lock and without a disk.
 *
 *   | header | an entry per slot ........ | slot | slot | ... (a page each)
 *     ^------- written by launchers only    ^ mapped by one runtime
 *
 * A runtime sees the page of its slot and nothing else, so one that its guest
 * has taken over can lie about itself, and that is all. What it writes is
 * checked by whoever reads it.
 *
 * Rules:
 * 1. An entry's state, generation and holder are one word: every change of
 *    hands is one compare-and-swap, and no two are alike.
 * 2. A slot is given to somebody else only when its holder has gone, as the
 *    host's kernel says, or when that was never a runtime. A mapping of its
 *    page ends with its holder.
 * 3. Names are changed under their life-cycle lock only, so a name that is
 *    reserved again supersedes what it had before.
 */
#ifndef MSB_METRICS_METRICS_H
#define MSB_METRICS_METRICS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

#define METRICS_NAME_MAX 128 /* of a sandbox */
#define METRICS_SHM_NAME_MAX 40
#define METRICS_DEFAULT_CAPACITY 1024u
#define METRICS_MAX_CAPACITY 65536u
#define METRICS_SLOT_LEN 4096u

/* What a runtime says. Counters begin with the sandbox's start. */
struct metrics_sample {
	int64_t started_unix_ms, sampled_unix_ms;
	uint64_t started_mono_ms, sampled_mono_ms;
	uint64_t cpu_time_us;
	double cpu_percent;
	uint64_t memory_bytes;
	uint64_t guest_memory_bytes, guest_memory_total_bytes;
	uint64_t disk_read_bytes, disk_write_bytes;
	uint64_t net_rx_bytes, net_tx_bytes;
	/* bytes per second, since the sample before */
	uint64_t disk_read_rate, disk_write_rate, net_rx_rate, net_tx_rate;
};

/* What is known when it starts. */
struct metrics_facts {
	char name[METRICS_NAME_MAX + 1];
	uint32_t cpus;
	uint32_t interval_ms;
	uint64_t memory_limit_bytes;
};

/* ---- launchers and readers ----------------------------------------------- */

struct metrics_registry;

/* Name of the object for shm_unlink(); home: the path of the directory. */
void metrics_registry_name(const char *home, char name[METRICS_SHM_NAME_MAX]);

/*
 * Open the registry of a home directory. capacity 0: only when there is one
 * (-ENOENT, without a message). Else it is made with so many slots; one that
 * exists keeps its number. 0 or -errno.
 */
int metrics_registry_open(const char *home, uint32_t capacity,
			  struct metrics_registry **ret, struct err *err);
struct metrics_registry *metrics_registry_close(struct metrics_registry *r);
/* Borrowed, for the runtime. */
int metrics_registry_fd(const struct metrics_registry *r);

struct metrics_ticket {
	uint32_t slot;
	uint64_t generation;
	uint64_t offset; /* of its page */
};

/* A slot for a sandbox that is about to start; 0 or -errno with err. */
int metrics_reserve(struct metrics_registry *r, const struct metrics_facts *f,
		    struct metrics_ticket *ret, struct err *err);
/* The runtime runs. */
void metrics_hand_over(struct metrics_registry *r,
		       const struct metrics_ticket *t, pid_t runtime);
/* It does not, after all. */
void metrics_give_back(struct metrics_registry *r,
		       const struct metrics_ticket *t);
/* The runtime of name has ended; forget: its last sample is of no use. */
void metrics_release(struct metrics_registry *r, const char *name, bool forget);

/* Whether the host still has this process; one that only waits for its parent
 * to notice its end counts as gone. */
bool metrics_process_gone(pid_t pid);

struct metrics_reading {
	struct metrics_facts facts;
	struct metrics_sample sample; /* plausible, whoever wrote it */
	pid_t pid;
	bool ended; /* by its own account, or by who looked after it */
};

/* Slots from here on have never been used. */
uint32_t metrics_used(const struct metrics_registry *r);
/* 1, or 0: the slot has no sample. */
int metrics_read(const struct metrics_registry *r, uint32_t slot,
		 struct metrics_reading *ret);
/* The same for the slot of a sandbox. */
int metrics_find(const struct metrics_registry *r, const char *name,
		 struct metrics_reading *ret);

/* ---- runtime ------------------------------------------------------------- */

struct metrics_slot;

struct metrics_writer {
	struct metrics_slot *slot; /* mapped; NULL: none */
	uint64_t generation, seq;
};

/* Map the page at offset. fd is borrowed. 0; -ESTALE: it is somebody else's;
 * -errno. */
int metrics_writer_open(int fd, uint64_t offset, uint64_t generation,
			struct metrics_writer *ret);
/* 0; -ESTALE: the slot has been given to somebody else, nothing is written. */
int metrics_write(struct metrics_writer *w, const struct metrics_sample *s);
/* Say that there will be no other sample, and unmap. */
void metrics_writer_close(struct metrics_writer *w);

#endif
