/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics: slots of sandboxes, and what is in them. */
#include "api/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

/* A sample that old is one that was missed, however short the interval. */
#define FRESH_MIN_MS 1000u
#define FRESH_INTERVALS 3u
#define FD_ABOVE_STANDARD 3

/* The home without links and relative parts: it has one registry, however it
 * is spelled. */
static const char *home_text(const msb_t *m, char buf[PATH_MAX])
{
	char link[32];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", m->home.fd);
	n = readlink(link, buf, PATH_MAX - 1);
	if (n <= 0)
		return m->home.path;
	buf[n] = 0;
	return buf;
}

/* The registry, opened on first use. NULL without an error: there is none, and
 * create is false. */
static struct metrics_registry *registry(msb_t *m, bool create, struct err *err)
{
	uint32_t capacity = m->cfg.metrics_capacity ? m->cfg.metrics_capacity
						    : METRICS_DEFAULT_CAPACITY;
	struct metrics_registry *r;
	char buf[PATH_MAX];

	(void)pthread_mutex_lock(&m->lock);
	if (!m->metrics) /* err says why not */
		(void)metrics_registry_open(home_text(m, buf),
					    create ? capacity : 0, &m->metrics,
					    err);
	r = m->metrics;
	(void)pthread_mutex_unlock(&m->lock);
	return r;
}

/* ---- start and end ------------------------------------------------------- */

void metrics_launch_begin(msb_t *m, const struct sandbox_config *c,
			  struct metrics_launch *ret)
{
	struct metrics_facts facts = {
		.cpus = c->cpus,
		.interval_ms = sandbox_metrics_interval_ms(c),
		.memory_limit_bytes = (uint64_t)c->memory_mib << 20,
	};
	struct err err = { 0 };

	*ret = (struct metrics_launch){ .interval_ms = facts.interval_ms };
	(void)snprintf(facts.name, sizeof(facts.name), "%s", c->name);
	if (!facts.interval_ms) {
		metrics_end(m, c->name, true); /* of an earlier start */
		return;
	}
	ret->registry = registry(m, true, &err);
	if (ret->registry &&
	    metrics_reserve(ret->registry, &facts, &ret->ticket, &err))
		ret->registry = NULL;
	if (!ret->registry)
		(void)snprintf(ret->why_not, sizeof(ret->why_not), "%.199s",
			       err.msg);
}

int metrics_launch_fd(const struct metrics_launch *l)
{
	return l->registry ? fcntl(metrics_registry_fd(l->registry),
				   F_DUPFD_CLOEXEC, FD_ABOVE_STANDARD)
			   : -1;
}

json_t *metrics_launch_object(const struct metrics_launch *l)
{
	if (!l->interval_ms)
		return json_null();
	if (!l->registry)
		return json_pack("{s:s}", "unavailable", l->why_not);
	return json_pack("{s:I,s:I,s:I}", "offset",
			 (json_int_t)l->ticket.offset, "generation",
			 (json_int_t)l->ticket.generation, "interval_ms",
			 (json_int_t)l->interval_ms);
}

void metrics_launch_spawned(const struct metrics_launch *l, pid_t runtime)
{
	if (l->registry)
		metrics_hand_over(l->registry, &l->ticket, runtime);
}

void metrics_launch_failed(const struct metrics_launch *l)
{
	if (l->registry)
		metrics_give_back(l->registry, &l->ticket);
}

void metrics_end(msb_t *m, const char *name, bool forget)
{
	struct metrics_registry *r = registry(m, false, NULL);

	if (r)
		metrics_release(r, name, forget);
}

/* ---- reading ------------------------------------------------------------- */

static bool is_fresh(const struct metrics_reading *r)
{
	uint64_t limit = (uint64_t)r->facts.interval_ms * FRESH_INTERVALS;
	uint64_t now = clock_mono_ms();

	if (limit < FRESH_MIN_MS)
		limit = FRESH_MIN_MS;
	/* one from the future is a lie: what counts then is the lock */
	return r->sample.sampled_mono_ms <= now &&
	       now - r->sample.sampled_mono_ms <= limit;
}

/*
 * What has a fresh sample and a process runs. Any other case is looked into: a
 * process may be in another container, its number may have a new owner, and
 * what it says about itself is what the guest wants when it was taken over.
 */
static msb_metrics_state_t state_of(const msb_t *m,
				    const struct metrics_reading *r)
{
	bool fresh = is_fresh(r);
	autoclose int dirfd = -1;

	if (r->ended)
		return MSB_METRICS_EXITED;
	if (fresh && !metrics_process_gone(r->pid))
		return MSB_METRICS_RUNNING;
	dirfd = home_sandbox_open(&m->home, r->facts.name, SANDBOX_RUNTIME_DIR);
	if (dirfd < 0 || runtime_alive(dirfd) != 1)
		return MSB_METRICS_EXITED;
	return fresh ? MSB_METRICS_RUNNING : MSB_METRICS_STALLED;
}

static void fill(const msb_t *m, const struct metrics_reading *r,
		 const char *name, msb_metrics_t *ret)
{
	const struct metrics_sample *s = &r->sample;

	*ret = (msb_metrics_t){
		.struct_size = sizeof(*ret),
		.name = name,
		.state = state_of(m, r),
		.cpus = r->facts.cpus,
		.started_unix_ms = s->started_unix_ms,
		.sampled_unix_ms = s->sampled_unix_ms,
		.uptime_ms = s->sampled_mono_ms - s->started_mono_ms,
		.cpu_time_us = s->cpu_time_us,
		.cpu_percent = s->cpu_percent,
		.memory_bytes = s->memory_bytes,
		.memory_limit_bytes = r->facts.memory_limit_bytes,
		.guest_memory_bytes = s->guest_memory_bytes,
		.guest_memory_total_bytes = s->guest_memory_total_bytes,
		.disk_read_bytes = s->disk_read_bytes,
		.disk_write_bytes = s->disk_write_bytes,
		.net_rx_bytes = s->net_rx_bytes,
		.net_tx_bytes = s->net_tx_bytes,
		.disk_read_rate = s->disk_read_rate,
		.disk_write_rate = s->disk_write_rate,
		.net_rx_rate = s->net_rx_rate,
		.net_tx_rate = s->net_tx_rate,
		.interval_ms = r->facts.interval_ms,
	};
}

static bool is_disabled(const msb_sandbox_t *s)
{
	struct sandbox_config c;
	bool disabled;

	if (sandbox_config_of(s, &c, NULL))
		return false;
	disabled = !sandbox_metrics_interval_ms(&c);
	sandbox_config_fini(&c);
	return disabled;
}

/* Why a sandbox has no sample, in the order of what explains most. */
static int no_sample(const msb_sandbox_t *s, const struct err *cause,
		     struct err *err)
{
	const char *name = s->name;

	if (is_disabled(s))
		return err_set(err, ERR_METRICS_DISABLED, ENOTSUP, "%s", name);
	if (sandbox_alive(s->m, name) == 0)
		return err_set(err, ERR_METRICS_UNAVAILABLE, ESRCH,
			       "sandbox %s is not running; metrics are "
			       "unavailable",
			       name);
	if (cause->kind != ERR_NONE)
		return err_set(err, ERR_METRICS_UNAVAILABLE, cause->sys,
			       "sandbox %s has no live metrics slot (%.250s)",
			       name, cause->msg);
	return err_set(err, ERR_METRICS_UNAVAILABLE, ENODATA,
		       "sandbox %s has no live metrics slot", name);
}

int msb_sandbox_metrics(msb_sandbox_t *s, msb_metrics_t *ret,
			msb_error_t **ret_err)
{
	struct err cause = { 0 }, err = { 0 };
	struct metrics_registry *r;
	struct metrics_reading reading;
	msb_metrics_t all;

	if (ret->struct_size < sizeof(*ret)) {
		int rc = err_set(&err, ERR_INVALID, EINVAL,
				 "struct_size is not set");

		return api_fail_err(&err, rc, ret_err);
	}
	r = registry(s->m, false, &cause);
	if (r && metrics_find(r, s->name, &reading)) {
		fill(s->m, &reading, s->name, &all);
		if (all.state != MSB_METRICS_EXITED) {
			*ret = all;
			return 0;
		}
	}
	return api_fail_err(&err, no_sample(s, &cause, &err), ret_err);
}

/* ---- all of them --------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct metrics_reading *)a)->facts.name,
		      ((const struct metrics_reading *)b)->facts.name);
}

static void tell(const msb_t *m, const struct metrics_reading *list, size_t n,
		 unsigned flags,
		 int (*fn)(void *ctx, const msb_metrics_t *sample), void *ctx)
{
	for (size_t i = 0; i < n; i++) {
		msb_metrics_t sample;

		fill(m, &list[i], list[i].facts.name, &sample);
		if ((sample.state != MSB_METRICS_EXITED ||
		     flags & MSB_METRICS_WITH_EXITED) &&
		    fn(ctx, &sample))
			return;
	}
}

int msb_metrics_all(msb_t *m, unsigned flags,
		    int (*fn)(void *ctx, const msb_metrics_t *sample),
		    void *ctx, msb_error_t **ret_err)
{
	struct err err = { 0 };
	struct metrics_registry *r = registry(m, false, &err);
	struct metrics_reading *list;
	uint32_t used;
	size_t n = 0;

	if (!r)
		return err.kind == ERR_NONE
			       ? 0 /* nothing was ever sampled */
			       : api_fail_err(&err, -err.sys, ret_err);
	used = metrics_used(r);
	list = malloc((used + 1) * sizeof(*list));
	if (!list)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	for (uint32_t i = 0; i < used; i++)
		n += (size_t)metrics_read(r, i, &list[n]);
	qsort(list, n, sizeof(*list), by_name);
	tell(m, list, n, flags, fn, ctx);
	free(list);
	return 0;
}

void msb_home_forget(const msb_t *m)
{
	char name[METRICS_SHM_NAME_MAX], buf[PATH_MAX];

	metrics_registry_name(home_text(m, buf), name);
	(void)shm_unlink(name); /* mostly there is one */
}

int msb_config_set_metrics_interval_ms(msb_config_t *c, uint32_t ms,
				       msb_error_t **e)
{
	struct err err = { 0 };

	if (ms > SANDBOX_METRICS_MAX_MS) {
		int rc = err_set(&err, ERR_INVALID, ERANGE,
				 "the interval of metrics must be at most %u "
				 "ms",
				 SANDBOX_METRICS_MAX_MS);

		return api_fail_err(&err, rc, e);
	}
	c->c.metrics_interval_ms = ms;
	c->c.metrics_disabled = false;
	return 0;
}
