/* SPDX-License-Identifier: Apache-2.0 */
/* Layout of the shared object; see metrics.h. All numbers are the host's. */
#ifndef MSB_METRICS_METRICS_INT_H
#define MSB_METRICS_METRICS_INT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>

#include "metrics/metrics.h"

#define REGISTRY_MAGIC 0x323054454d42534dull /* "MSBMET02" */
#define REGISTRY_VERSION 2u
#define HEADER_LEN 4096u
#define ENTRY_LEN 256u

enum registry_state { REGISTRY_RAW, REGISTRY_READY = 2 };

struct registry_header {
	uint64_t magic;
	uint32_t version, header_len, entry_len, slot_len, capacity;
	_Atomic uint32_t state;
	int64_t created_unix_ms;
	_Atomic uint64_t generation; /* the last one given out */
	_Atomic uint32_t used;	     /* slots below it were used once */
};
static_assert(sizeof(struct registry_header) <= HEADER_LEN, "header");

enum entry_state {
	ENTRY_FREE,	/* of no use; the holder may still be about to end */
	ENTRY_RESERVED, /* the holder is who starts the sandbox */
	ENTRY_ACTIVE,	/* the holder is the runtime */
	ENTRY_STALE,	/* the same, of a runtime that has ended */
};

/*
 * The tag of an entry: generation:40 pid:22 state:2. A pid has 22 bits at most
 * (PID_MAX_LIMIT). 0 is a slot that was never used.
 */
#define TAG_PID_BITS 22
#define TAG_GENERATION_MAX ((1ull << 40) - 1)

static inline uint64_t tag_make(uint64_t generation, pid_t pid,
				enum entry_state state)
{
	return generation << 24 |
	       ((uint64_t)pid & ((1u << TAG_PID_BITS) - 1)) << 2 |
	       (uint64_t)state;
}

static inline enum entry_state tag_state(uint64_t tag)
{
	return (enum entry_state)(tag & 3);
}

static inline pid_t tag_pid(uint64_t tag)
{
	return (pid_t)(tag >> 2 & ((1u << TAG_PID_BITS) - 1));
}

static inline uint64_t tag_generation(uint64_t tag)
{
	return tag >> 24;
}

#define NAME_WORDS (METRICS_NAME_MAX / 8)

struct registry_entry {
	_Atomic uint64_t tag;
	/* Written while the tag says RESERVED, by the holder. */
	_Atomic uint64_t cpus, interval_ms, memory_limit_bytes;
	_Atomic uint64_t name_len;
	_Atomic uint64_t name[NAME_WORDS];
	uint8_t unused[ENTRY_LEN - (5 + NAME_WORDS) * 8];
};
static_assert(sizeof(struct registry_entry) == ENTRY_LEN, "entry");

enum slot_field {
	SLOT_STARTED_UNIX_MS,
	SLOT_SAMPLED_UNIX_MS, /* 0: no sample yet */
	SLOT_STARTED_MONO_MS,
	SLOT_SAMPLED_MONO_MS,
	SLOT_CPU_TIME_US,
	SLOT_CPU_PERCENT, /* bits of a double */
	SLOT_MEMORY_BYTES,
	SLOT_GUEST_MEMORY_BYTES,
	SLOT_GUEST_MEMORY_TOTAL_BYTES,
	SLOT_DISK_READ_BYTES,
	SLOT_DISK_WRITE_BYTES,
	SLOT_NET_RX_BYTES,
	SLOT_NET_TX_BYTES,
	SLOT_DISK_READ_RATE,
	SLOT_DISK_WRITE_RATE,
	SLOT_NET_RX_RATE,
	SLOT_NET_TX_RATE,
	SLOT_FIELD_COUNT
};

/* The page of a slot. seq is odd while fields are written. */
struct metrics_slot {
	_Atomic uint64_t generation; /* by the launcher */
	_Atomic uint64_t seq;
	_Atomic uint64_t ended;
	_Atomic uint64_t field[SLOT_FIELD_COUNT];
	uint8_t unused[METRICS_SLOT_LEN - (3 + SLOT_FIELD_COUNT) * 8];
};
static_assert(sizeof(struct metrics_slot) == METRICS_SLOT_LEN, "slot");

/* slot.c: make the page ready for a new owner. */
void slot_reset(struct metrics_slot *s, uint64_t generation);
/* A consistent sample of that generation: 1, or 0 when there is none. */
int slot_read(const struct metrics_slot *s, uint64_t generation,
	      struct metrics_sample *ret, bool *ret_ended);

#endif
