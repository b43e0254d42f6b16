/* SPDX-License-Identifier: Apache-2.0 */
/* The table of samples, in the widest form that a window has room for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "cli/bars.h"
#include "cli/metrics.h"
#include "cli/show.h"
#include "cli/table.h"
#include "cli/ui.h"

#define CELL_SIZE 80
#define NAME_MIN 12
#define OUTPUT_MAX (64u << 20)

enum column {
	C_NONE,
	C_NAME,
	C_STATE,
	C_CPU,
	C_CPU_OR_STATE,
	C_MEMORY,
	C_GUEST_MEMORY,
	C_DISK_READ,
	C_DISK_WRITE,
	C_NET_RX,
	C_NET_TX,
	C_DISK_READ_RATE,
	C_DISK_WRITE_RATE,
	C_NET_RX_RATE,
	C_NET_TX_RATE,
	C_DISK_RATE,
	C_NET_RATE,
	C_UPTIME,
	C_TIMESTAMP,
	C_COUNT
};

static const char *const headers[C_COUNT] = {
	[C_NAME] = "NAME",
	[C_STATE] = "STATE",
	[C_CPU] = "CPU",
	[C_CPU_OR_STATE] = "CPU",
	[C_MEMORY] = "MEMORY",
	[C_GUEST_MEMORY] = "GUEST MEM",
	[C_DISK_READ] = "DISK READ",
	[C_DISK_WRITE] = "DISK WRITE",
	[C_NET_RX] = "NET RX",
	[C_NET_TX] = "NET TX",
	[C_DISK_READ_RATE] = "DISK READ",
	[C_DISK_WRITE_RATE] = "DISK WRITE",
	[C_NET_RX_RATE] = "NET RX",
	[C_NET_TX_RATE] = "NET TX",
	[C_DISK_RATE] = "DISK",
	[C_NET_RATE] = "NET",
	[C_UPTIME] = "UPTIME",
	[C_TIMESTAMP] = "TIMESTAMP",
};

/* From the widest to the narrowest; each ends with C_NONE. */
static const enum column layouts[][TABLE_MAX_COLUMNS] = {
	{ C_NAME, C_STATE, C_CPU, C_MEMORY, C_GUEST_MEMORY, C_DISK_READ,
	  C_DISK_WRITE, C_NET_RX, C_NET_TX, C_UPTIME, C_TIMESTAMP },
	{ C_NAME, C_STATE, C_CPU, C_MEMORY, C_GUEST_MEMORY, C_DISK_READ,
	  C_DISK_WRITE, C_NET_RX, C_NET_TX, C_UPTIME },
	{ C_NAME, C_STATE, C_CPU, C_MEMORY, C_DISK_READ_RATE, C_DISK_WRITE_RATE,
	  C_NET_RX_RATE, C_NET_TX_RATE, C_UPTIME },
	{ C_NAME, C_CPU_OR_STATE, C_MEMORY, C_DISK_READ_RATE, C_DISK_WRITE_RATE,
	  C_NET_RX_RATE, C_NET_TX_RATE },
	{ C_NAME, C_CPU_OR_STATE, C_MEMORY, C_DISK_RATE, C_NET_RATE },
	{ C_NAME, C_CPU_OR_STATE, C_MEMORY },
};

static void put_total(char *cell, uint64_t bytes, uint64_t rate)
{
	char total[24], speed[24];

	(void)snprintf(cell, CELL_SIZE, "%s (%s/s)",
		       bytes_text(bytes, total, sizeof(total)),
		       bytes_text(rate, speed, sizeof(speed)));
}

static void put_rate(char *cell, uint64_t rate)
{
	char speed[24];

	(void)snprintf(cell, CELL_SIZE, "%s/s",
		       bytes_text(rate, speed, sizeof(speed)));
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	uint64_t s;

	return __builtin_add_overflow(a, b, &s) ? UINT64_MAX : s;
}

static enum table_style state_style(msb_metrics_state_t state)
{
	switch (state) {
	case MSB_METRICS_RUNNING:
		return STYLE_GREEN_BOLD;
	case MSB_METRICS_STALLED:
		return STYLE_YELLOW_BOLD;
	case MSB_METRICS_EXITED:
		break;
	}
	return STYLE_DIM;
}

static void put_cpu(char *cell, const msb_metrics_t *m)
{
	(void)snprintf(cell, CELL_SIZE, "%.2f / %uc", m->cpu_percent / 100,
		       m->cpus);
}

static void put_memory(char *cell, const msb_metrics_t *m)
{
	char used[24], limit[24];

	(void)snprintf(cell, CELL_SIZE, "%s / %s",
		       bytes_text(m->memory_bytes, used, sizeof(used)),
		       bytes_text(m->memory_limit_bytes, limit, sizeof(limit)));
}

static void put_rates(char *cell, enum column column, const msb_metrics_t *m)
{
	switch ((int)column) {
	case C_DISK_READ_RATE:
		put_rate(cell, m->disk_read_rate);
		break;
	case C_DISK_WRITE_RATE:
		put_rate(cell, m->disk_write_rate);
		break;
	case C_NET_RX_RATE:
		put_rate(cell, m->net_rx_rate);
		break;
	case C_NET_TX_RATE:
		put_rate(cell, m->net_tx_rate);
		break;
	case C_DISK_RATE:
		put_rate(cell, sum(m->disk_read_rate, m->disk_write_rate));
		break;
	case C_NET_RATE:
		put_rate(cell, sum(m->net_rx_rate, m->net_tx_rate));
		break;
	default:
		break;
	}
}

/* Text of a cell; cell has CELL_SIZE bytes. */
static const char *cell_text(enum column column, const msb_metrics_t *m,
			     char *cell)
{
	*cell = 0;
	switch (column) {
	case C_STATE:
		return sample_state_name(m->state);
	case C_CPU_OR_STATE:
		if (m->state != MSB_METRICS_RUNNING)
			return sample_state_name(m->state);
		MSB_FALLTHROUGH;
	case C_CPU:
		put_cpu(cell, m);
		break;
	case C_MEMORY:
		put_memory(cell, m);
		break;
	case C_GUEST_MEMORY:
		if (!m->guest_memory_total_bytes)
			return "-";
		(void)bytes_text(m->guest_memory_bytes, cell, CELL_SIZE);
		break;
	case C_DISK_READ:
		put_total(cell, m->disk_read_bytes, m->disk_read_rate);
		break;
	case C_DISK_WRITE:
		put_total(cell, m->disk_write_bytes, m->disk_write_rate);
		break;
	case C_NET_RX:
		put_total(cell, m->net_rx_bytes, m->net_rx_rate);
		break;
	case C_NET_TX:
		put_total(cell, m->net_tx_bytes, m->net_tx_rate);
		break;
	case C_UPTIME:
		(void)ui_duration(m->uptime_ms, cell, CELL_SIZE);
		break;
	case C_TIMESTAMP:
		(void)sample_time(m->sampled_unix_ms, cell, CELL_SIZE);
		break;
	case C_DISK_READ_RATE:
	case C_DISK_WRITE_RATE:
	case C_NET_RX_RATE:
	case C_NET_TX_RATE:
	case C_DISK_RATE:
	case C_NET_RATE:
		put_rates(cell, column, m);
		break;
	case C_NONE:
	case C_NAME:
	case C_COUNT:
		break;
	}
	return cell;
}

static enum table_style cell_style(enum column column, const msb_metrics_t *m)
{
	if (column == C_STATE ||
	    (column == C_CPU_OR_STATE && m->state != MSB_METRICS_RUNNING))
		return state_style(m->state);
	return column == C_TIMESTAMP ? STYLE_DIM : STYLE_PLAIN;
}

static void put_row(struct table *t, const enum column *layout,
		    const msb_metrics_t *m, size_t name_max)
{
	autofree char *name = text_fit(m->name, name_max);
	char cell[CELL_SIZE];

	if (!name) {
		t->failed = true;
		return;
	}
	table_row(t);
	for (size_t c = 0; c < t->columns; c++)
		table_set(t, c,
			  layout[c] == C_NAME ? name
					      : cell_text(layout[c], m, cell),
			  cell_style(layout[c], m));
}

/*
 * columns: of the window, or 0; names take at most a third of it. to_measure:
 * as wide as it likes to be, else it is made to fit.
 */
static int print_layout(const struct samples *s, const enum column *layout,
			size_t columns, bool to_measure, bool colors,
			struct buf *out)
{
	size_t name_max = columns ? columns / 3 : SIZE_MAX;
	const char *header[TABLE_MAX_COLUMNS];
	struct table t;
	size_t n = 0;
	int rc;

	for (; n < TABLE_MAX_COLUMNS && layout[n] != C_NONE; n++)
		header[n] = headers[layout[n]];
	table_init(&t, header, n);
	if (name_max < NAME_MIN)
		name_max = NAME_MIN;
	for (size_t i = 0; i < s->n; i++)
		put_row(&t, layout, &s->v[i].m, name_max);
	t.max_width = to_measure ? 0 : columns;
	rc = table_print(&t, colors, out);
	table_fini(&t);
	return rc;
}

/* Is every line of uncoloured text at most so wide? Its lines are cut apart. */
static bool fits(struct buf *b, size_t columns)
{
	char *rest = buf_take_str(b), *line = rest;
	bool ok = rest != NULL;

	for (; ok && *line; line += strlen(line) + 1) {
		char *end = strchrnul(line, '\n');
		bool last = !*end;

		*end = 0;
		ok = text_width(line) <= columns;
		if (last)
			break;
	}
	free(rest);
	return ok;
}

int samples_table(const struct samples *s, size_t columns, bool colors,
		  struct buf *out)
{
	size_t which = 0;

	for (; columns && which + 1 < ARRAY_SIZE(layouts); which++) {
		struct buf plain;
		int rc;
		bool ok;

		buf_init(&plain, OUTPUT_MAX);
		rc = print_layout(s, layouts[which], columns, true, false,
				  &plain);
		ok = !rc && fits(&plain, columns);
		buf_fini(&plain);
		if (rc)
			return rc;
		if (ok)
			break;
	}
	return print_layout(s, layouts[which], columns, false, colors, out);
}
