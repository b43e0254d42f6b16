/* SPDX-License-Identifier: Apache-2.0 */
/* msb metrics: samples, once or again and again. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/grammar.h"
#include "cli/metrics.h"
#include "cli/show.h"
#include "cli/ui.h"

#define OUTPUT_MAX (64u << 20)
#define DEFAULT_INTERVAL_MS 1000u
#define MIN_INTERVAL_MS 100u
#define MAX_INTERVAL_MS (24u * 3600 * 1000)

const char *const samples_sort_names[SORT_COUNT + 1] = {
	[SORT_NAME] = "name", [SORT_CPU] = "cpu", [SORT_MEMORY] = "memory",
	[SORT_DISK] = "disk", [SORT_NET] = "net", [SORT_UPTIME] = "uptime",
	[SORT_COUNT] = NULL,
};

/* --- reading --- */

void samples_fini(struct samples *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i].name);
	free(s->v);
	*s = (struct samples){ .v = NULL };
}

static bool grow(struct samples *s)
{
	size_t cap = s->cap ? 2 * s->cap : 16;
	struct sample *v = reallocarray(s->v, cap, sizeof(*v));

	if (!v)
		return false;
	s->v = v;
	s->cap = cap;
	return true;
}

static int keep(void *ctx, const msb_metrics_t *m)
{
	struct samples *s = ctx;
	struct sample *one;

	if (s->n == s->cap && !grow(s)) {
		s->failed = true;
		return 1;
	}
	one = &s->v[s->n];
	one->m = *m;
	if (!isfinite(one->m.cpu_percent) || one->m.cpu_percent < 0)
		one->m.cpu_percent = 0;
	one->name = strdup(m->name);
	if (!one->name) {
		s->failed = true;
		return 1;
	}
	one->m.name = one->name;
	s->n++;
	return 0;
}

static int read_one(const struct metrics_query *q, struct samples *s,
		    msb_error_t **ret_err)
{
	msb_metrics_t m = { .struct_size = sizeof(m) };
	msb_sandbox_t *box;
	int rc;

	rc = msb_sandbox_get(q->cli->m, q->name, &box, ret_err);
	if (rc < 0)
		return rc;
	rc = msb_sandbox_metrics(box, &m, ret_err);
	if (rc >= 0)
		(void)keep(s, &m);
	msb_sandbox_free(box);
	return rc;
}

/* Those of samples whose sandboxes are in the list; its order counts for
 * nothing. */
static void keep_listed(struct samples *s, const msb_list_t *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		size_t at = 0, n = msb_list_count(l);

		while (at < n && strcmp(msb_sandbox_name(msb_list_item(l, at)),
					s->v[i].name) != 0)
			at++;
		if (at == n)
			free(s->v[i].name);
		else
			s->v[kept++] = s->v[i];
	}
	s->n = kept;
}

static int read_all(const struct metrics_query *q, struct samples *s,
		    msb_error_t **ret_err)
{
	msb_list_t *l = NULL;
	int rc = 0;

	if (q->nlabels)
		rc = msb_sandbox_list_labelled(q->cli->m, q->labels, q->nlabels,
					       &l, ret_err);
	if (rc < 0)
		return rc;
	rc = msb_metrics_all(q->cli->m, q->exited ? MSB_METRICS_WITH_EXITED : 0,
			     keep, s, ret_err);
	if (l) {
		keep_listed(s, l);
		msb_list_free(l);
	}
	return rc;
}

/* What it is sorted by, greatest first; a name decides between equals. */
static double rank(const msb_metrics_t *m, enum metrics_sort sort)
{
	switch (sort) {
	case SORT_CPU:
		return m->cpu_percent;
	case SORT_MEMORY:
		return (double)m->memory_bytes;
	case SORT_DISK:
		return (double)m->disk_read_rate + (double)m->disk_write_rate;
	case SORT_NET:
		return (double)m->net_rx_rate + (double)m->net_tx_rate;
	case SORT_UPTIME:
		return (double)m->uptime_ms;
	case SORT_NAME:
	case SORT_COUNT:
		break;
	}
	return 0;
}

static int compare(const void *a, const void *b, void *ctx)
{
	const struct sample *x = a, *y = b;
	const enum metrics_sort *sort = ctx;
	double rx = rank(&x->m, *sort), ry = rank(&y->m, *sort);

	if (rx > ry || rx < ry)
		return rx > ry ? -1 : 1;
	return strcmp(x->name, y->name);
}

int samples_read(const struct metrics_query *q, struct samples *s,
		 msb_error_t **ret_err)
{
	enum metrics_sort sort = q->sort;
	int rc;

	samples_fini(s);
	rc = q->name ? read_one(q, s, ret_err) : read_all(q, s, ret_err);
	if (rc < 0)
		return rc;
	if (s->failed) /* without an error object, as the library has it */
		return -ENOMEM;
	if (s->n)
		qsort_r(s->v, s->n, sizeof(*s->v), compare, &sort);
	return 0;
}

/* --- once --- */

static int print_json(const struct metrics_query *q, const struct samples *s)
{
	struct json *all;

	if (q->name)
		return show_json(sample_json(&s->v[0].m));
	all = jval_array();
	for (size_t i = 0; i < s->n; i++)
		if (jval_append(all, sample_json(&s->v[i].m)))
			all = jval_free(all);
	return show_json(all);
}

const char *samples_none(const struct metrics_query *q)
{
	return q->exited ? "No sandboxes found." : "No running sandboxes.";
}

static int print_table(const struct metrics_query *q, const struct samples *s)
{
	struct buf b;

	if (!s->n) {
		show_none(samples_none(q));
		return 0;
	}
	buf_init(&b, OUTPUT_MAX);
	if (samples_table(s, ui_columns(STDOUT_FILENO),
			  ui_colors(STDOUT_FILENO), &b))
		b.failed = true;
	return ui_print(&b) ? 1 : 0;
}

static int once(const struct metrics_query *q, const char *format)
{
	struct samples s = { .v = NULL };
	msb_error_t *e = NULL;
	struct buf b;
	int code;

	if (!cli_ok(samples_read(q, &s, &e), &e)) {
		samples_fini(&s);
		return 1;
	}
	if (!format) {
		code = print_table(q, &s);
	} else if (str_eq(format, "json")) {
		code = print_json(q, &s);
	} else {
		buf_init(&b, OUTPUT_MAX);
		samples_open_metrics(&s, &b);
		code = ui_print(&b) ? 1 : 0;
	}
	samples_fini(&s);
	return code;
}

/* --- options --- */

static enum metrics_sort sort_of(const struct cli *cli)
{
	const char *text = cli_text(cli, O_SORT);

	for (int i = 0; text && i < SORT_COUNT; i++)
		if (!strcmp(text, samples_sort_names[i]))
			return (enum metrics_sort)i;
	return SORT_NAME;
}

static bool interval_of(const struct cli *cli, uint64_t *ret_ms)
{
	const char *text = cli_text(cli, O_INTERVAL);
	struct err err = { 0 };

	*ret_ms = DEFAULT_INTERVAL_MS;
	if (!text)
		return true;
	if (grammar_grace("--interval", text, ret_ms, &err)) {
		ui_grammar_error(&err);
		return false;
	}
	if (*ret_ms >= MIN_INTERVAL_MS && *ret_ms <= MAX_INTERVAL_MS)
		return true;
	ui_error("--interval: from 100ms to 24h: %s", text);
	return false;
}

static bool labels_of(const struct cli *cli, struct metrics_query *q)
{
	size_t pos = 0;

	q->labels = calloc(cli->args.nitems + 1, sizeof(*q->labels));
	if (!q->labels) {
		ui_error("out of memory");
		return false;
	}
	while ((q->labels[q->nlabels] = args_next(&cli->args, O_LABEL, &pos)))
		q->nlabels++;
	return true;
}

static int usage(const struct cli *cli, const char *format)
{
	if (cli->args.nwords && cli_has(cli, O_ALL))
		return cli_usage(cli, "'--all' cannot be used with a name");
	if (cli->args.nwords && cli_has(cli, O_LABEL))
		return cli_usage(cli, "'--label' cannot be used with a name");
	if (cli_has(cli, O_WATCH) && str_eq(format, "openmetrics"))
		return cli_usage(cli, "'--watch' cannot be used with "
				      "'--format openmetrics'");
	return 0;
}

int cmd_metrics(struct cli *cli)
{
	const char *format = cli_text(cli, O_FORMAT);
	struct metrics_query q = {
		.cli = cli,
		.name = cli->args.nwords ? cli->args.words[0] : NULL,
		.exited = cli_has(cli, O_ALL),
		.sort = sort_of(cli),
	};
	uint64_t interval_ms;
	int code = usage(cli, format);

	if (code)
		return code;
	/* often called by programs: only shared memory is touched */
	cli->no_catalogue = !q.name && !cli_has(cli, O_LABEL);
	if (!interval_of(cli, &interval_ms) || !cli_open(cli) ||
	    !labels_of(cli, &q))
		code = 1;
	else if (cli_has(cli, O_WATCH))
		code = samples_watch(&q, interval_ms, format != NULL);
	else
		code = once(&q, format);
	free(q.labels);
	return code;
}
