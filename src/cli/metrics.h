/* SPDX-License-Identifier: Apache-2.0 */
/* Samples of what sandboxes use, and the forms they are shown in. */
#ifndef MSB_CLI_METRICS_H
#define MSB_CLI_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/json.h"

struct sample {
	msb_metrics_t m; /* its name is owned by the sample */
	char *name;	 /* owned */
};

struct samples {
	struct sample *v; /* owned */
	size_t n, cap;
	bool failed; /* out of memory */
};

enum metrics_sort {
	SORT_NAME,
	SORT_CPU,
	SORT_MEMORY,
	SORT_DISK,
	SORT_NET,
	SORT_UPTIME,
	SORT_COUNT
};
/* As --sort takes them, NULL-terminated. */
extern const char *const samples_sort_names[SORT_COUNT + 1];

/* What is asked for. */
struct metrics_query {
	struct cli *cli;
	const char *name;    /* NULL: all that run */
	const char **labels; /* those wanted, owned list of borrowed text */
	size_t nlabels;
	bool exited; /* and those that ended */
	enum metrics_sort sort;
};

/*
 * The latest samples, sorted, in place of those there were. 0, or the library's
 * error with *ret_err.
 */
int samples_read(const struct metrics_query *q, struct samples *s,
		 msb_error_t **ret_err);
void samples_fini(struct samples *s);
/* What is said when there are no samples. */
const char *samples_none(const struct metrics_query *q);

/* "running", "stalled", "exited" */
const char *sample_state_name(msb_metrics_state_t state);
/* "2026-05-22T10:11:12.345+00:00" */
const char *sample_time(int64_t unix_ms, char *buf, size_t size);

/*
 * Append the table; one of at most columns, with less in it, when columns is
 * not 0 and there is such a one. Nothing without samples. 0 or -ENOMEM.
 */
int samples_table(const struct samples *s, size_t columns, bool colors,
		  struct buf *out);

/* An object with sorted keys, NULL when out of memory. */
struct json *sample_json(const msb_metrics_t *m);

/* Append a whole document of OpenMetrics text. */
void samples_open_metrics(const struct samples *s, struct buf *out);

/*
 * Show samples every interval_ms: on a terminal a table in place, else one
 * table below the other, or new samples as lines of JSON. Until a signal, or
 * until the sandbox asked for has ended: exit code.
 */
int samples_watch(const struct metrics_query *q, uint64_t interval_ms,
		  bool json);

#endif
