/* SPDX-License-Identifier: Apache-2.0 */
/* The options of msb metrics. */
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/metrics.h"

static const char *const formats[] = { "json", "openmetrics", NULL };

const struct option cli_metrics_options[] = {
	{ .id = O_FORMAT,
	  .kind = OPT_CHOICE,
	  .name = "format",
	  .value = "FORMAT",
	  .help = "Output format: json, openmetrics",
	  .choices = formats },
	{ .id = O_WATCH,
	  .kind = OPT_SWITCH,
	  .letter = 'w',
	  .name = "watch",
	  .help = "Go on showing them: in place on a terminal, else one below "
		  "the other" },
	{ .id = O_WATCH,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "follow",
	  .help = "Another name of --watch",
	  .flags = OPT_HIDDEN },
	{ .id = O_INTERVAL,
	  .kind = OPT_TEXT,
	  .name = "interval",
	  .value = "DURATION",
	  .help = "Time between two readings (e.g. 500ms, 5s; default: 1s)",
	  .needs = O_WATCH },
	{ .id = O_ALL,
	  .kind = OPT_SWITCH,
	  .letter = 'a',
	  .name = "all",
	  .help = "Also the last known of sandboxes that have ended" },
	{ .id = O_SORT,
	  .kind = OPT_CHOICE,
	  .name = "sort",
	  .value = "KEY",
	  .help = "Order: name (default), cpu, memory, disk, net, uptime",
	  .choices = samples_sort_names },
	END,
};
