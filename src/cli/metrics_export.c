/* SPDX-License-Identifier: Apache-2.0 */
/* Samples for programs: JSON and OpenMetrics text. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "cli/metrics.h"
#include "cli/show.h"

const char *sample_state_name(msb_metrics_state_t state)
{
	switch (state) {
	case MSB_METRICS_RUNNING:
		return "running";
	case MSB_METRICS_STALLED:
		return "stalled";
	case MSB_METRICS_EXITED:
		break;
	}
	return "exited";
}

const char *sample_time(int64_t unix_ms, char *buf, size_t size)
{
	char whole[TIME_SIZE];
	size_t date;

	(void)show_json_time(unix_ms, whole, sizeof(whole));
	date = strcspn(whole, "+");
	(void)snprintf(buf, size, "%.*s.%03u%s", (int)date, whole,
		       (unsigned)(unix_ms % 1000 + 1000) % 1000, whole + date);
	return buf;
}

/* --- JSON --- */

static struct json *number_or_null(uint64_t n)
{
	return n ? jval_number(n) : jval_string(NULL);
}

static void add_usage(struct json *o, const msb_metrics_t *m)
{
	(void)jval_add(o, "cpu_percent", jval_decimal(m->cpu_percent, 2));
	(void)jval_add(o, "cpu_time_secs",
		       jval_decimal((double)m->cpu_time_us / 1e6, 6));
	(void)jval_add(o, "disk_read_bytes", jval_number(m->disk_read_bytes));
	(void)jval_add(o, "disk_read_bytes_per_sec",
		       jval_number(m->disk_read_rate));
	(void)jval_add(o, "disk_write_bytes", jval_number(m->disk_write_bytes));
	(void)jval_add(o, "disk_write_bytes_per_sec",
		       jval_number(m->disk_write_rate));
	(void)jval_add(o, "memory_bytes", jval_number(m->memory_bytes));
	(void)jval_add(o, "memory_limit_bytes",
		       jval_number(m->memory_limit_bytes));
	(void)jval_add(o, "guest_memory_bytes",
		       number_or_null(m->guest_memory_bytes));
	(void)jval_add(o, "guest_memory_total_bytes",
		       number_or_null(m->guest_memory_total_bytes));
	(void)jval_add(o, "net_rx_bytes", jval_number(m->net_rx_bytes));
	(void)jval_add(o, "net_rx_bytes_per_sec", jval_number(m->net_rx_rate));
	(void)jval_add(o, "net_tx_bytes", jval_number(m->net_tx_bytes));
	(void)jval_add(o, "net_tx_bytes_per_sec", jval_number(m->net_tx_rate));
}

struct json *sample_json(const msb_metrics_t *m)
{
	struct json *o = jval_object();
	char time[TIME_SIZE];

	add_usage(o, m);
	(void)jval_add(o, "cpus", jval_number(m->cpus));
	(void)jval_add(o, "interval_ms", jval_number(m->interval_ms));
	(void)jval_add(o, "name", jval_string(m->name));
	(void)jval_add(o, "started_at",
		       jval_string(sample_time(m->started_unix_ms, time,
					       sizeof(time))));
	(void)jval_add(o, "state", jval_string(sample_state_name(m->state)));
	(void)jval_add(o, "timestamp",
		       jval_string(sample_time(m->sampled_unix_ms, time,
					       sizeof(time))));
	if (jval_add(o, "uptime_secs",
		     jval_decimal((double)m->uptime_ms / 1e3, 3)))
		return jval_free(o);
	return o;
}

/* --- OpenMetrics text --- */

/* Values of samples, each a metric family. */
enum field {
	F_CPU_TIME,
	F_CPU_USAGE,
	F_CPUS,
	F_DISK_READ,
	F_DISK_WRITTEN,
	F_GUEST_MEMORY,
	F_GUEST_MEMORY_SIZE,
	F_MEMORY,
	F_MEMORY_LIMIT,
	F_NET_RX,
	F_NET_TX,
	F_SAMPLE_TIME,
	F_START_TIME,
	F_STATE,
	F_UPTIME,
};

struct family {
	enum field field;
	bool counter;
	bool live; /* means nothing once the sandbox has ended */
	const char *name, *unit, *help;
};

/*
 * A state is a gauge per possible one rather than a set of states:
 * node_exporter rejects a file with a type that the older text format does not
 * have.
 */
static const struct family families[] = {
	{ F_STATE, false, false, "state", NULL,
	  "1 for the state the sandbox is in, 0 for the others." },
	{ F_CPUS, false, true, "cpus", NULL, "Virtual CPUs." },
	{ F_CPU_TIME, true, false, "cpu_seconds", "seconds",
	  "CPU time of the host used since the start." },
	{ F_CPU_USAGE, false, true, "cpu_usage_ratio", "ratio",
	  "CPU time per time over the last sampling interval; 1 is a whole "
	  "CPU." },
	{ F_MEMORY, false, true, "memory_bytes", "bytes",
	  "Memory of the host in use." },
	{ F_MEMORY_LIMIT, false, true, "memory_limit_bytes", "bytes",
	  "Memory the machine was given." },
	{ F_GUEST_MEMORY, false, true, "guest_memory_bytes", "bytes",
	  "Memory in use, as the guest says." },
	{ F_GUEST_MEMORY_SIZE, false, true, "guest_memory_size_bytes", "bytes",
	  "All memory, as the guest says." },
	{ F_DISK_READ, true, false, "disk_read_bytes", "bytes",
	  "Read by the guest from disks and shared directories." },
	{ F_DISK_WRITTEN, true, false, "disk_written_bytes", "bytes",
	  "Written by the guest to disks and shared directories." },
	{ F_NET_RX, true, false, "network_receive_bytes", "bytes",
	  "Received by the guest." },
	{ F_NET_TX, true, false, "network_transmit_bytes", "bytes",
	  "Sent by the guest." },
	{ F_UPTIME, false, true, "uptime_seconds", "seconds",
	  "Time since the start, at the last sample." },
	{ F_START_TIME, false, false, "start_time_seconds", "seconds",
	  "When the sandbox started, in seconds since 1970." },
	{ F_SAMPLE_TIME, false, false, "sample_time_seconds", "seconds",
	  "When the last sample was taken, in seconds since 1970." },
};

static void put_label_value(struct buf *b, const char *text)
{
	for (; *text; text++) {
		if (*text == '\n')
			(void)buf_str(b, "\\n");
		else if (*text == '\\' || *text == '"')
			(void)buf_printf(b, "\\%c", *text);
		else
			(void)buf_append(b, text, 1);
	}
}

/* "msb_sandbox_x_total{sandbox="box"", open for more labels. */
static void put_series(struct buf *b, const struct family *f,
		       const msb_metrics_t *m)
{
	(void)buf_printf(b, "msb_sandbox_%s%s{sandbox=\"", f->name,
			 f->counter ? "_total" : "");
	put_label_value(b, m->name);
	(void)buf_str(b, "\"");
}

static void put_states(struct buf *b, const struct family *f,
		       const msb_metrics_t *m)
{
	static const msb_metrics_state_t all[] = { MSB_METRICS_RUNNING,
						   MSB_METRICS_STALLED,
						   MSB_METRICS_EXITED };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		put_series(b, f, m);
		(void)buf_printf(b, ",state=\"%s\"} %d\n",
				 sample_state_name(all[i]), m->state == all[i]);
	}
}

static void put_integer(struct buf *b, uint64_t v)
{
	(void)buf_printf(b, "} %" PRIu64 "\n", v);
}

static void put_seconds(struct buf *b, uint64_t ms)
{
	(void)buf_printf(b, "} %" PRIu64 ".%03u\n", ms / 1000,
			 (unsigned)(ms % 1000));
}

static void put_unix_time(struct buf *b, int64_t unix_ms)
{
	put_seconds(b, unix_ms > 0 ? (uint64_t)unix_ms : 0);
}

static void put_value(struct buf *b, enum field field, const msb_metrics_t *m)
{
	switch (field) {
	case F_CPU_TIME:
		(void)buf_printf(b, "} %" PRIu64 ".%06u\n",
				 m->cpu_time_us / 1000000,
				 (unsigned)(m->cpu_time_us % 1000000));
		break;
	case F_CPU_USAGE:
		(void)buf_printf(b, "} %.4f\n", m->cpu_percent / 100);
		break;
	case F_CPUS:
		put_integer(b, m->cpus);
		break;
	case F_DISK_READ:
		put_integer(b, m->disk_read_bytes);
		break;
	case F_DISK_WRITTEN:
		put_integer(b, m->disk_write_bytes);
		break;
	case F_GUEST_MEMORY:
		put_integer(b, m->guest_memory_bytes);
		break;
	case F_GUEST_MEMORY_SIZE:
		put_integer(b, m->guest_memory_total_bytes);
		break;
	case F_MEMORY:
		put_integer(b, m->memory_bytes);
		break;
	case F_MEMORY_LIMIT:
		put_integer(b, m->memory_limit_bytes);
		break;
	case F_NET_RX:
		put_integer(b, m->net_rx_bytes);
		break;
	case F_NET_TX:
		put_integer(b, m->net_tx_bytes);
		break;
	case F_SAMPLE_TIME:
		put_unix_time(b, m->sampled_unix_ms);
		break;
	case F_START_TIME:
		put_unix_time(b, m->started_unix_ms);
		break;
	case F_UPTIME:
		put_seconds(b, m->uptime_ms);
		break;
	case F_STATE:
		break;
	}
}

static bool has_value(const struct family *f, const msb_metrics_t *m)
{
	if (f->live && m->state == MSB_METRICS_EXITED)
		return false;
	switch (f->field) {
	case F_CPU_USAGE: /* of long ago */
		return m->state == MSB_METRICS_RUNNING;
	case F_GUEST_MEMORY:
	case F_GUEST_MEMORY_SIZE:
		return m->guest_memory_total_bytes != 0;
	case F_CPU_TIME:
	case F_CPUS:
	case F_DISK_READ:
	case F_DISK_WRITTEN:
	case F_MEMORY:
	case F_MEMORY_LIMIT:
	case F_NET_RX:
	case F_NET_TX:
	case F_SAMPLE_TIME:
	case F_START_TIME:
	case F_STATE:
	case F_UPTIME:
		break;
	}
	return true;
}

static void put_family(struct buf *b, const struct family *f,
		       const struct samples *s)
{
	bool first = true;

	for (size_t i = 0; i < s->n; i++) {
		const msb_metrics_t *m = &s->v[i].m;

		if (!has_value(f, m))
			continue;
		if (first) {
			(void)buf_printf(b, "# TYPE msb_sandbox_%s %s\n",
					 f->name,
					 f->counter ? "counter" : "gauge");
			if (f->unit)
				(void)buf_printf(b,
						 "# UNIT msb_sandbox_%s %s\n",
						 f->name, f->unit);
			(void)buf_printf(b, "# HELP msb_sandbox_%s %s\n",
					 f->name, f->help);
			first = false;
		}
		if (f->field == F_STATE) {
			put_states(b, f, m);
			continue;
		}
		put_series(b, f, m);
		put_value(b, f->field, m);
	}
}

void samples_open_metrics(const struct samples *s, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		put_family(out, &families[i], s);
	(void)buf_str(out, "# EOF\n");
}
