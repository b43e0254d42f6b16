/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One slot: samples of one writer, for any number of readers. A sample is
 * written between two changes of seq; who reads the same even number before and
 * after has what belongs together.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "metrics/metrics_int.h"

/* A writer needs less than a microsecond; one that died in there is given up
 * on, and one that means to hold us up, too. */
#define READ_TRIES 4096u
#define UNIX_MS_MAX 253402300799999ll /* end of the year 9999 */
#define PERCENT_MAX 1e7

#define LOAD(p) atomic_load_explicit(p, memory_order_relaxed)
#define STORE(p, v) atomic_store_explicit(p, v, memory_order_relaxed)

void slot_reset(struct metrics_slot *s, uint64_t generation)
{
	uint64_t seq = LOAD(&s->seq) | 1; /* also that of a dead writer */

	STORE(&s->seq, seq);
	atomic_thread_fence(memory_order_release);
	STORE(&s->generation, generation);
	STORE(&s->ended, 0);
	for (unsigned i = 0; i < SLOT_FIELD_COUNT; i++)
		STORE(&s->field[i], 0);
	atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
}

/* --- writing --- */

int metrics_writer_open(int fd, uint64_t offset, uint64_t generation,
			struct metrics_writer *ret)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* a page that is not there would be a SIGBUS */
	if (!S_ISREG(st.st_mode) || offset % METRICS_SLOT_LEN ||
	    st.st_size < (off_t)METRICS_SLOT_LEN ||
	    offset > (uint64_t)st.st_size - METRICS_SLOT_LEN)
		return -EINVAL;
	p = mmap(NULL, METRICS_SLOT_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 (off_t)offset);
	if (p == MAP_FAILED)
		return -errno;
	*ret = (struct metrics_writer){ .slot = p, .generation = generation };
	if (LOAD(&ret->slot->generation) != generation) {
		(void)munmap(p, METRICS_SLOT_LEN);
		ret->slot = NULL;
		return -ESTALE;
	}
	ret->seq = LOAD(&ret->slot->seq) & ~1ull;
	return 0;
}

static void store_fields(struct metrics_slot *s, const struct metrics_sample *v)
{
	uint64_t percent;

	memcpy(&percent, &v->cpu_percent, sizeof(percent));
	STORE(&s->field[SLOT_STARTED_UNIX_MS], (uint64_t)v->started_unix_ms);
	STORE(&s->field[SLOT_SAMPLED_UNIX_MS], (uint64_t)v->sampled_unix_ms);
	STORE(&s->field[SLOT_STARTED_MONO_MS], v->started_mono_ms);
	STORE(&s->field[SLOT_SAMPLED_MONO_MS], v->sampled_mono_ms);
	STORE(&s->field[SLOT_CPU_TIME_US], v->cpu_time_us);
	STORE(&s->field[SLOT_CPU_PERCENT], percent);
	STORE(&s->field[SLOT_MEMORY_BYTES], v->memory_bytes);
	STORE(&s->field[SLOT_GUEST_MEMORY_BYTES], v->guest_memory_bytes);
	STORE(&s->field[SLOT_GUEST_MEMORY_TOTAL_BYTES],
	      v->guest_memory_total_bytes);
	STORE(&s->field[SLOT_DISK_READ_BYTES], v->disk_read_bytes);
	STORE(&s->field[SLOT_DISK_WRITE_BYTES], v->disk_write_bytes);
	STORE(&s->field[SLOT_NET_RX_BYTES], v->net_rx_bytes);
	STORE(&s->field[SLOT_NET_TX_BYTES], v->net_tx_bytes);
	STORE(&s->field[SLOT_DISK_READ_RATE], v->disk_read_rate);
	STORE(&s->field[SLOT_DISK_WRITE_RATE], v->disk_write_rate);
	STORE(&s->field[SLOT_NET_RX_RATE], v->net_rx_rate);
	STORE(&s->field[SLOT_NET_TX_RATE], v->net_tx_rate);
}

int metrics_write(struct metrics_writer *w, const struct metrics_sample *s)
{
	if (!w->slot || LOAD(&w->slot->generation) != w->generation)
		return -ESTALE;
	STORE(&w->slot->seq, w->seq + 1);
	/* whoever sees a field of the new sample sees the odd number, too */
	atomic_thread_fence(memory_order_release);
	store_fields(w->slot, s);
	w->seq += 2;
	atomic_store_explicit(&w->slot->seq, w->seq, memory_order_release);
	return 0;
}

void metrics_writer_close(struct metrics_writer *w)
{
	if (!w->slot)
		return;
	if (LOAD(&w->slot->generation) == w->generation)
		STORE(&w->slot->ended, 1);
	(void)munmap(w->slot, METRICS_SLOT_LEN);
	w->slot = NULL;
}

/* --- reading --- */

static void load_fields(const struct metrics_slot *s, struct metrics_sample *v)
{
	uint64_t percent = LOAD(&s->field[SLOT_CPU_PERCENT]);

	memcpy(&v->cpu_percent, &percent, sizeof(percent));
	v->started_unix_ms = (int64_t)LOAD(&s->field[SLOT_STARTED_UNIX_MS]);
	v->sampled_unix_ms = (int64_t)LOAD(&s->field[SLOT_SAMPLED_UNIX_MS]);
	v->started_mono_ms = LOAD(&s->field[SLOT_STARTED_MONO_MS]);
	v->sampled_mono_ms = LOAD(&s->field[SLOT_SAMPLED_MONO_MS]);
	v->cpu_time_us = LOAD(&s->field[SLOT_CPU_TIME_US]);
	v->memory_bytes = LOAD(&s->field[SLOT_MEMORY_BYTES]);
	v->guest_memory_bytes = LOAD(&s->field[SLOT_GUEST_MEMORY_BYTES]);
	v->guest_memory_total_bytes =
		LOAD(&s->field[SLOT_GUEST_MEMORY_TOTAL_BYTES]);
	v->disk_read_bytes = LOAD(&s->field[SLOT_DISK_READ_BYTES]);
	v->disk_write_bytes = LOAD(&s->field[SLOT_DISK_WRITE_BYTES]);
	v->net_rx_bytes = LOAD(&s->field[SLOT_NET_RX_BYTES]);
	v->net_tx_bytes = LOAD(&s->field[SLOT_NET_TX_BYTES]);
	v->disk_read_rate = LOAD(&s->field[SLOT_DISK_READ_RATE]);
	v->disk_write_rate = LOAD(&s->field[SLOT_DISK_WRITE_RATE]);
	v->net_rx_rate = LOAD(&s->field[SLOT_NET_RX_RATE]);
	v->net_tx_rate = LOAD(&s->field[SLOT_NET_TX_RATE]);
}

static int64_t plausible_time(int64_t ms)
{
	if (ms < 0)
		return 0;
	return ms > UNIX_MS_MAX ? UNIX_MS_MAX : ms;
}

/* What follows may divide, subtract and format without a thought. */
static void make_plausible(struct metrics_sample *v)
{
	v->started_unix_ms = plausible_time(v->started_unix_ms);
	v->sampled_unix_ms = plausible_time(v->sampled_unix_ms);
	if (v->started_mono_ms > v->sampled_mono_ms)
		v->started_mono_ms = v->sampled_mono_ms;
	if (!isfinite(v->cpu_percent) || v->cpu_percent < 0)
		v->cpu_percent = 0;
	if (v->cpu_percent > PERCENT_MAX)
		v->cpu_percent = PERCENT_MAX;
}

int slot_read(const struct metrics_slot *s, uint64_t generation,
	      struct metrics_sample *ret, bool *ret_ended)
{
	for (unsigned tries = 0; tries < READ_TRIES; tries++) {
		uint64_t seq =
			atomic_load_explicit(&s->seq, memory_order_acquire);

		if (seq & 1)
			continue;
		if (LOAD(&s->generation) != generation)
			return 0;
		*ret_ended = LOAD(&s->ended) != 0;
		load_fields(s, ret);
		atomic_thread_fence(memory_order_acquire);
		if (LOAD(&s->seq) != seq)
			continue;
		if (!ret->sampled_unix_ms)
			return 0;
		make_plausible(ret);
		return 1;
	}
	return 0;
}
