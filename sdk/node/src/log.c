/* SPDX-License-Identifier: Apache-2.0 */
/* Logs and metrics. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* ---- logs -----------------------------------------------------------------
 */

/*
 * home, sandbox, sources, since, until (ns as text: more than a number has),
 * tail (-1: all), cursor, follow
 */
#define LOG_ARGS "Hsnzznzb"

static int open_log(struct op *o, msb_log_t **ret)
{
	const union arg *a = o->a;
	msb_log_options_t lo = {
		.struct_size = sizeof(lo),
		.sources = (unsigned)a[2].n,
		.has_since = a[3].s != NULL,
		.since_unix_ns = a[3].s ? strtoll(a[3].s, NULL, 10) : 0,
		.has_until = a[4].s != NULL,
		.until_unix_ns = a[4].s ? strtoll(a[4].s, NULL, 10) : 0,
		.has_tail = a[5].n >= 0,
		.tail = a[5].n >= 0 ? (uint64_t)a[5].n : 0,
		.cursor = a[6].s,
		.follow = a[7].b,
	};

	return msb_log_open(a[0].h->p, a[1].s, &lo, ret, &o->err);
}

static int run_log_open(struct op *o)
{
	return open_log(o, (msb_log_t **)&o->p);
}

static napi_value done_log(napi_env env, struct op *o)
{
	void *p = o->p;

	(void)env;
	o->p = NULL;
	return handle_new(o->addon, HANDLE_LOG, p, o->a[0].h);
}

static void clear_log(struct op *o)
{
	msb_log_free(o->p);
}

static const char *source_name(unsigned source)
{
	return source == MSB_LOG_STDOUT	  ? "stdout"
	       : source == MSB_LOG_STDERR ? "stderr"
	       : source == MSB_LOG_OUTPUT ? "output"
					  : "system";
}

static napi_value entry_value(napi_env env, unsigned source, int64_t time_ns,
			      uint64_t session, const char *cursor,
			      napi_value data)
{
	napi_value o, ns;

	if (!data || napi_create_object(env, &o) ||
	    napi_create_bigint_int64(env, time_ns, &ns))
		return NULL;
	set_value(env, o, "timeNs", ns);
	set_string(env, o, "source", source_name(source));
	set_number(env, o, "session", (double)session);
	set_value(env, o, "data", data);
	set_string(env, o, "cursor", cursor);
	return o;
}

/* logNext(log): an entry; undefined: none now; null: there will be none. */
static napi_value log_next(napi_env env, napi_callback_info info)
{
	msb_log_entry_t entry = { .struct_size = sizeof(entry) };
	msb_error_t *e = NULL;
	char *cursor = NULL;
	struct handle *h;
	napi_value v;
	int rc;

	if (!get_args(env, info, 1, &v))
		return NULL;
	h = handle_get(env, v, HANDLE_LOG);
	if (!h)
		return NULL;
	rc = msb_log_next(h->p, 0, &entry, &e);
	if (!rc)
		return msb_log_ended(h->p) || msb_log_fd(h->p) < 0
			       ? value_string(env, NULL)
			       : NULL;
	if (rc > 0)
		rc = msb_log_cursor(h->p, &cursor, &e);
	if (rc < 0) {
		throw_error(h->addon, e);
		return NULL;
	}
	v = entry_value(env, entry.source, entry.time_unix_ns, entry.session,
			cursor, value_copy(env, entry.data, entry.len));
	msb_free(cursor);
	return v;
}

struct entry {
	unsigned source;
	int64_t time_ns;
	uint64_t session;
	char *cursor;
	void *data;
	size_t len;
};

static int keep_entry(struct op *o, msb_log_t *l, const msb_log_entry_t *from)
{
	struct entry *e = items_add(o->state, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->data = malloc(from->len ? from->len : 1);
	if (!e->data)
		return -ENOMEM;
	if (from->len)
		memcpy(e->data, from->data, from->len);
	e->len = from->len;
	e->source = from->source;
	e->time_ns = from->time_unix_ns;
	e->session = from->session;
	return msb_log_cursor(l, &e->cursor, &o->err);
}

static int run_logs(struct op *o)
{
	msb_log_entry_t entry = { .struct_size = sizeof(entry) };
	msb_log_t *l;
	int rc;

	o->state = calloc(1, sizeof(struct items));
	rc = o->state ? open_log(o, &l) : -ENOMEM;
	if (rc)
		return rc;
	while ((rc = msb_log_next(l, 0, &entry, &o->err)) > 0) {
		rc = keep_entry(o, l, &entry);
		if (rc < 0)
			break;
	}
	msb_log_free(l);
	return rc;
}

static napi_value done_logs(napi_env env, struct op *o)
{
	struct items *items = o->state;
	struct entry *e = (void *)items->v;
	napi_value list;

	if (napi_create_array_with_length(env, items->n, &list))
		return NULL;
	for (uint32_t i = 0; i < items->n; i++) {
		napi_value v = entry_value(
			env, e[i].source, e[i].time_ns, e[i].session,
			e[i].cursor, value_copy(env, e[i].data, e[i].len));

		if (!v || napi_set_element(env, list, i, v))
			return NULL;
	}
	return list;
}

static void clear_logs(struct op *o)
{
	struct items *items = o->state;
	struct entry *e = items ? (void *)items->v : NULL;

	for (size_t i = 0; e && i < items->n; i++) {
		free(e[i].data);
		msb_free(e[i].cursor);
	}
	free(e);
	free(items);
}

/* ---- metrics --------------------------------------------------------------
 */

static napi_value metrics_value(napi_env env, const msb_metrics_t *m)
{
	napi_value o;

	if (napi_create_object(env, &o))
		return NULL;
	set_string(env, o, "name", m->name);
	set_string(env, o, "state",
		   m->state == MSB_METRICS_RUNNING   ? "running"
		   : m->state == MSB_METRICS_STALLED ? "stalled"
						     : "exited");
	set_number(env, o, "cpus", m->cpus);
	set_number(env, o, "cpuPercent", m->cpu_percent);
	set_number(env, o, "cpuTimeUs", (double)m->cpu_time_us);
	set_number(env, o, "memoryBytes", (double)m->memory_bytes);
	set_number(env, o, "memoryLimitBytes", (double)m->memory_limit_bytes);
	set_number(env, o, "guestMemoryBytes", (double)m->guest_memory_bytes);
	set_number(env, o, "guestMemoryTotalBytes",
		   (double)m->guest_memory_total_bytes);
	set_number(env, o, "diskReadBytes", (double)m->disk_read_bytes);
	set_number(env, o, "diskWriteBytes", (double)m->disk_write_bytes);
	set_number(env, o, "netRxBytes", (double)m->net_rx_bytes);
	set_number(env, o, "netTxBytes", (double)m->net_tx_bytes);
	set_number(env, o, "uptimeMs", (double)m->uptime_ms);
	set_number(env, o, "startedMs", (double)m->started_unix_ms);
	set_number(env, o, "sampledMs", (double)m->sampled_unix_ms);
	set_number(env, o, "intervalMs", m->interval_ms);
	return o;
}

/* sandbox */
static int run_metrics(struct op *o)
{
	msb_metrics_t *m = calloc(1, sizeof(*m));

	o->state = m;
	if (!m)
		return -ENOMEM;
	m->struct_size = sizeof(*m);
	return msb_sandbox_metrics(o->a[0].h->p, m, &o->err);
}

static napi_value done_metrics(napi_env env, struct op *o)
{
	return metrics_value(env, o->state);
}

static void clear_state(struct op *o)
{
	free(o->state);
}

static int on_metrics(void *ctx, const msb_metrics_t *sample)
{
	msb_metrics_t *m = items_add(ctx, sizeof(*m));

	if (!m)
		return 1;
	*m = *sample;
	m->name = strdup(sample->name);
	return 0;
}

/* home */
static int run_metrics_all(struct op *o)
{
	o->state = calloc(1, sizeof(struct items));
	return o->state ? msb_metrics_all(o->a[0].h->p, 0, on_metrics, o->state,
					  &o->err)
			: -ENOMEM;
}

static napi_value done_metrics_all(napi_env env, struct op *o)
{
	const struct items *items = o->state;
	const msb_metrics_t *m = (const void *)items->v;
	napi_value list;

	if (napi_create_array_with_length(env, items->n, &list))
		return NULL;
	for (uint32_t i = 0; i < items->n; i++)
		(void)napi_set_element(env, list, i, metrics_value(env, &m[i]));
	return list;
}

static void clear_metrics_all(struct op *o)
{
	struct items *items = o->state;
	const msb_metrics_t *m = items ? (const void *)items->v : NULL;

	for (size_t i = 0; m && i < items->n; i++)
		free((char *)m[i].name);
	free(items ? items->v : NULL);
	free(items);
}

const struct function functions_log[] = {
	{ "logOpen", LOG_ARGS "c", run_log_open, done_log, clear_log },
	{ "logs", LOG_ARGS "c", run_logs, done_logs, clear_logs },
	{ "metrics", "B", run_metrics, done_metrics, clear_state },
	{ "metricsAll", "H", run_metrics_all, done_metrics_all,
	  clear_metrics_all },
	{ NULL, NULL, NULL, NULL, NULL },
};

const struct sync_function sync_log[] = {
	{ "logNext", log_next },
	{ NULL, NULL },
};
