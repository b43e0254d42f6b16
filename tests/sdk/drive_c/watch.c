/* SPDX-License-Identifier: Apache-2.0 */
/* Driver for C: logs and metrics. */
#include <string.h>
#include <time.h>

#include "drive.h"

static const struct {
	unsigned bit;
	const char *name;
} sources[] = {
	{ MSB_LOG_STDOUT, "stdout" },
	{ MSB_LOG_STDERR, "stderr" },
	{ MSB_LOG_OUTPUT, "output" },
	{ MSB_LOG_SYSTEM, "system" },
};
#define NSOURCES (sizeof(sources) / sizeof(sources[0]))

/* ---- logs ---------------------------------------------------------------- */

static unsigned source_bits(const struct request *rq)
{
	const json_t *list = json_object_get(rq->args, "sources");
	unsigned bits = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = json_string_value(json_array_get(list, i));

		for (size_t k = 0; name && k < NSOURCES; k++)
			if (strcmp(name, sources[k].name) == 0 ||
			    strcmp(name, "all") == 0)
				bits |= sources[k].bit;
	}
	return bits;
}

static msb_log_t *open_log(struct request *rq)
{
	json_int_t tail = int_arg(rq, "tail", -1);
	json_int_t since = int_arg(rq, "since_ms", -1);
	json_int_t until = int_arg(rq, "until_ms", -1);
	const msb_log_options_t o = {
		.struct_size = sizeof(o),
		.sources = source_bits(rq),
		.has_tail = tail >= 0,
		.tail = (uint64_t)tail,
		.has_since = since >= 0,
		.since_unix_ns = since * 1000000,
		.has_until = until >= 0,
		.until_unix_ns = until * 1000000,
		.cursor = text_arg(rq, "cursor"),
		.follow = bool_arg(rq, "follow", false),
	};
	const char *name = text_arg(rq, "name");
	struct object *s = name ? NULL : sandbox_arg(rq);
	msb_log_t *l = NULL;

	if (name || s)
		(void)msb_log_open(home, name ? name : msb_sandbox_name(s->p),
				   &o, &l, &rq->err);
	object_put(s);
	return l;
}

static json_t *entry_json(struct request *rq, msb_log_t *l,
			  const msb_log_entry_t *e)
{
	const char *source = "";
	char *cursor = NULL;
	json_t *ok;

	for (size_t k = 0; k < NSOURCES; k++)
		if (e->source == sources[k].bit)
			source = sources[k].name;
	if (msb_log_cursor(l, &cursor, &rq->err))
		return NULL;
	ok = json_pack("{s:I, s:s, s:I, s:o, s:s}", "timestamp_ms",
		       (json_int_t)(e->time_unix_ns / 1000000), "source",
		       source, "session", (json_int_t)e->session, "data",
		       bytes_json(e->data, e->len), "cursor", cursor);
	msb_free(cursor);
	return ok;
}

/* NULL at the end, and after a failure, with rq->err. */
static json_t *next_entry(struct request *rq, msb_log_t *l)
{
	msb_log_entry_t e = { .struct_size = sizeof(e) };
	int rc;

	do
		rc = msb_log_next(l, -1, &e, &rq->err);
	while (!rc && !msb_log_ended(l));
	return rc > 0 ? entry_json(rq, l, &e) : NULL;
}

static json_t *op_logs(struct request *rq)
{
	msb_log_t *l = open_log(rq);
	json_t *all, *entry;

	if (!l)
		return NULL;
	all = json_array();
	while ((entry = next_entry(rq, l)) != NULL)
		(void)json_array_append_new(all, entry);
	msb_log_free(l);
	if (rq->err) {
		json_decref(all);
		return NULL;
	}
	return all;
}

static json_t *op_log_open(struct request *rq)
{
	msb_log_t *l = open_log(rq);

	if (!l)
		return NULL;
	object_keep(rq, object_new(OBJECT_LOG, l));
	return json_null();
}

static json_t *op_log_next(struct request *rq)
{
	struct object *l = object_arg(rq, "log", OBJECT_LOG);
	json_t *ok;

	if (!l)
		return NULL;
	ok = next_entry(rq, l->p);
	object_put(l);
	return !ok && !rq->err ? json_null() : ok;
}

/* ---- metrics ------------------------------------------------------------- */

static json_t *sample_json(const msb_metrics_t *m)
{
	return json_pack("{s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "cpu_percent", m->cpu_percent, "memory_bytes",
			 (json_int_t)m->memory_bytes, "memory_limit_bytes",
			 (json_int_t)m->memory_limit_bytes, "disk_read_bytes",
			 (json_int_t)m->disk_read_bytes, "disk_write_bytes",
			 (json_int_t)m->disk_write_bytes, "net_rx_bytes",
			 (json_int_t)m->net_rx_bytes, "net_tx_bytes",
			 (json_int_t)m->net_tx_bytes, "uptime_ms",
			 (json_int_t)m->uptime_ms, "timestamp_ms",
			 (json_int_t)m->sampled_unix_ms);
}

static json_t *op_metrics(struct request *rq)
{
	msb_metrics_t m = { .struct_size = sizeof(m) };
	struct object *s = sandbox_arg(rq);
	int rc = s ? msb_sandbox_metrics(s->p, &m, &rq->err) : -1;
	json_t *ok = rc ? NULL : sample_json(&m);

	object_put(s);
	return ok;
}

static int add_sample(void *ctx, const msb_metrics_t *sample)
{
	return json_object_set_new(ctx, sample->name, sample_json(sample));
}

static json_t *op_metrics_all(struct request *rq)
{
	json_t *all = json_object();

	if (msb_metrics_all(home, 0, add_sample, all, &rq->err)) {
		json_decref(all);
		return NULL;
	}
	return all;
}

static json_t *op_metrics_stream(struct request *rq)
{
	json_int_t ms = int_arg(rq, "interval_ms", 1000);
	const struct timespec pause = { .tv_sec = ms / 1000,
					.tv_nsec = ms % 1000 * 1000000 };
	json_int_t count = int_arg(rq, "count", 1);
	json_t *all = json_array();

	for (json_int_t i = 0; i < count; i++) {
		json_t *sample = op_metrics(rq);

		if (!sample) {
			json_decref(all);
			return NULL;
		}
		(void)json_array_append_new(all, sample);
		(void)nanosleep(&pause, NULL);
	}
	return all;
}

const struct op watch_ops[] = {
	{ "logs", op_logs },
	{ "log_open", op_log_open },
	{ "log_next", op_log_next },
	{ "metrics", op_metrics },
	{ "metrics_all", op_metrics_all },
	{ "metrics_stream", op_metrics_stream },
	{ NULL, NULL },
};
