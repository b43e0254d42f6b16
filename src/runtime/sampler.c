/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of what this sandbox takes of the host. */
#include "runtime/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/sandbox.h"

#define NSEC_PER_USEC 1000ull
#define USEC_PER_SEC 1e6
/* What the guest has to have done to be asked, and how often it is at most. */
#define ASK_CPU_NS NSEC_PER_MSEC
#define ASK_PAUSE_NS (200 * NSEC_PER_MSEC)
#define TICK_US 10000u /* of the guest's own account */
#define BUSY_MAX_US (1ull << 50)

static uint64_t own_cpu_ns(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts) < 0)
		return 0;
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* Resident memory that is this process's alone: "size resident shared ...", in
 * pages. What is shared is program text, and guest memory that is counted by
 * its file. */
static uint64_t own_memory(const struct sampler *p)
{
	unsigned long long resident, shared;
	char text[128], *end;
	ssize_t n = p->statm_fd < 0
			    ? -1
			    : pread(p->statm_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	(void)strtoull(text, &end, 10);
	resident = strtoull(end, &end, 10);
	shared = strtoull(end, &end, 10);
	return resident > shared
		       ? (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE)
		       : 0;
}

static void add_device(const struct virtio_device *d, uint64_t *read,
		       uint64_t *written)
{
	if (!d)
		return;
	*read += atomic_load_explicit(&d->read_bytes, memory_order_relaxed);
	*written +=
		atomic_load_explicit(&d->written_bytes, memory_order_relaxed);
}

static void count_devices(const struct sandbox *s, struct metrics_sample *v)
{
	for (size_t i = 0; i < s->ndisks; i++)
		add_device(s->disks[i].device, &v->disk_read_bytes,
			   &v->disk_write_bytes);
	for (size_t i = 0; i < s->nshares; i++)
		add_device(s->shares[i].device, &v->disk_read_bytes,
			   &v->disk_write_bytes);
	add_device(s->nic, &v->net_rx_bytes, &v->net_tx_bytes);
}

static uint64_t per_second(uint64_t now, uint64_t before, double seconds)
{
	return now > before ? (uint64_t)((double)(now - before) / seconds) : 0;
}

/* What follows from two samples; the first has a rate of zero. */
static void add_rates(struct metrics_sample *v, const struct metrics_sample *o,
		      double seconds)
{
	v->cpu_percent = (double)(v->cpu_time_us - o->cpu_time_us) * 100.0 /
			 (seconds * USEC_PER_SEC);
	v->disk_read_rate =
		per_second(v->disk_read_bytes, o->disk_read_bytes, seconds);
	v->disk_write_rate =
		per_second(v->disk_write_bytes, o->disk_write_bytes, seconds);
	v->net_rx_rate = per_second(v->net_rx_bytes, o->net_rx_bytes, seconds);
	v->net_tx_rate = per_second(v->net_tx_bytes, o->net_tx_bytes, seconds);
}

/*
 * CPU time of the machine: what the host can be asked for, and what the guest
 * says of programs that the host cannot be asked for any more; no more than
 * there was.
 */
static uint64_t machine_cpu_ns(struct sandbox *s, uint64_t now_ns,
			       struct machine_usage *m)
{
	struct guest_usage *g = &s->sampler.guest;
	uint64_t max_ns = (now_ns - s->started_ns) * s->spec.config.cpus, ns;

	if (s->machine)
		machine_usage(s->machine, m);
	g->missed |= m->programs_missed;
	ns = m->cpu_ns + g->missed_ns;
	return m->programs_apart && ns > max_ns ? max_ns : ns;
}

/* CPU time that tells whether the guest does anything: that of its kernel, if
 * that is a process of its own, for the samples themselves take some. */
static uint64_t active_ns(const struct machine_usage *m)
{
	return m->programs_apart ? m->cpu_ns : own_cpu_ns();
}

static uint64_t cpu_time_us(struct sandbox *s, uint64_t now_ns,
			    struct machine_usage *m)
{
	uint64_t us =
		(own_cpu_ns() + machine_cpu_ns(s, now_ns, m)) / NSEC_PER_USEC;
	uint64_t before = s->sampler.last.cpu_time_us;

	return us > before ? us : before;
}

static void take_sample(struct sandbox *s, struct metrics_sample *v)
{
	struct sampler *p = &s->sampler;
	uint64_t now_ns = clock_mono_ns();
	uint64_t wall_ms = clock_wall_ns() / NSEC_PER_MSEC;
	uint64_t up_ms = (now_ns - s->started_ns) / NSEC_PER_MSEC;
	struct machine_usage machine = { 0 };
	uint64_t cpu_us = cpu_time_us(s, now_ns, &machine);

	*v = (struct metrics_sample){
		/* the host's clock may be set meanwhile */
		.started_unix_ms = p->last_ns ? p->last.started_unix_ms
					      : (int64_t)(wall_ms - up_ms),
		.sampled_unix_ms = (int64_t)wall_ms,
		.started_mono_ms = s->started_ns / NSEC_PER_MSEC,
		.sampled_mono_ms = now_ns / NSEC_PER_MSEC,
		.cpu_time_us = cpu_us,
		.memory_bytes = own_memory(p) + machine.memory_bytes,
		.guest_memory_bytes = p->guest.said.memory_used_bytes,
		.guest_memory_total_bytes = p->guest.said.memory_total_bytes,
	};
	count_devices(s, v);
	p->active_ns = active_ns(&machine);
	if (p->last_ns && now_ns > p->last_ns)
		add_rates(v, &p->last,
			  (double)(now_ns - p->last_ns) / NSEC_PER_SEC);
	p->last = *v;
	p->last_ns = now_ns;
}

/* --- the guest's own view --- */

/*
 * Only one question at a time, and none of a guest that has done nothing since
 * it answered the last: to answer is work, and an idle guest is to stay idle.
 */
static void ask_guest(struct sandbox *s)
{
	struct guest_usage *g = &s->sampler.guest;
	uint64_t now_ns = s->sampler.last_ns;

	if (s->state != RUNNING || g->asked ||
	    s->sampler.active_ns - g->active_ns < ASK_CPU_NS ||
	    now_ns - g->asked_ns < ASK_PAUSE_NS)
		return;
	g->asked = true;
	g->asked_ns = now_ns;
	relay_ask_usage(s->relay);
}

/* Memory as it can be: no more than the machine was given. */
static void take_memory(const struct sandbox *s, struct msg_usage *u)
{
	uint64_t max = (uint64_t)s->spec.config.memory_mib << 20;

	if (u->memory_total_bytes > max)
		u->memory_total_bytes = max;
	if (u->memory_used_bytes > u->memory_total_bytes)
		u->memory_used_bytes = u->memory_total_bytes;
}

/*
 * Programs came and went between two looks at the host's processes: what the
 * guest was busy in that time, and the host knows nothing of, was theirs. The
 * guest counts the time its programs waited for a CPU of the host as theirs.
 */
static void take_missed(struct guest_usage *g, const struct msg_usage *u,
			uint64_t host_ns)
{
	uint64_t busy_us =
		u->busy_us > g->said.busy_us ? u->busy_us - g->said.busy_us : 0;
	uint64_t seen_us = (host_ns - g->machine_ns) / NSEC_PER_USEC;

	if (busy_us > BUSY_MAX_US) /* nothing runs that long in between */
		return;
	if (busy_us > seen_us + TICK_US)
		g->missed_ns += (busy_us - seen_us) * NSEC_PER_USEC;
}

void sampler_on_usage(struct sandbox *s, const struct msg_usage *u)
{
	struct guest_usage *g = &s->sampler.guest;
	struct machine_usage m = { 0 };
	uint64_t now_ns = clock_mono_ns();

	if (!g->asked) /* then it is a lie, or late */
		return;
	g->asked = false;
	(void)machine_cpu_ns(s, now_ns, &m);
	if (m.programs_apart && (g->missed || u->forks != g->said.forks))
		take_missed(g, u, m.cpu_ns);
	g->missed = false;
	g->machine_ns = m.cpu_ns;
	g->said = *u;
	take_memory(s, &g->said);
	g->active_ns = active_ns(&m);
}

/* False: there will be no other. */
static bool sample(struct sandbox *s)
{
	struct metrics_sample v;

	take_sample(s, &v);
	if (!metrics_write(&s->sampler.writer, &v)) {
		ask_guest(s);
		return true;
	}
	log_warn("metrics", "the slot was given to another sandbox; there are "
			    "no samples any more");
	metrics_writer_close(&s->sampler.writer);
	return false;
}

static void on_sample(struct timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, sampler.timer);

	if (sample(s))
		loop_timer(s->loop, t, s->spec.metrics.interval_ms, on_sample);
}

void sampler_open(struct sandbox *s)
{
	const struct metrics_spec *m = &s->spec.metrics;
	struct sampler *p = &s->sampler;
	int rc;

	if (m->unavailable)
		log_warn("metrics", "there are no metrics: %s", m->unavailable);
	if (!m->interval_ms)
		return;
	rc = metrics_writer_open(METRICS_FD, m->offset, m->generation,
				 &p->writer);
	(void)close(METRICS_FD); /* others have their slots there */
	if (rc) {
		log_warn("metrics", "there are no metrics: %s", strerror(-rc));
		return;
	}
	p->statm_fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	if (p->statm_fd < 0)
		log_warn("metrics", "/proc/self/statm: %s", strerror(errno));
}

void sampler_start(struct sandbox *s)
{
	if (!s->sampler.writer.slot)
		return;
	/* the guest has something better to do now than to answer */
	s->sampler.guest.asked_ns = clock_mono_ns();
	on_sample(&s->sampler.timer);
}

void sampler_end(struct sandbox *s)
{
	struct sampler *p = &s->sampler;

	loop_timer_cancel(&p->timer);
	/* one that never was ready has none */
	if (p->writer.slot && p->last_ns)
		(void)sample(s); /* it has said why not */
	metrics_writer_close(&p->writer);
	close_fd(&p->statm_fd);
}
