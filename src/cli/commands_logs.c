/* SPDX-License-Identifier: Apache-2.0 */
/* The options of msb logs. */
#include "cli/cli.h"
#include "cli/commands.h"

enum { GROUP_COLOR = 8 }; /* not a group of the program's own options */

static const char *const sources[] = { "stdout", "stderr", "output",
				       "system", "all",	   NULL };
static const char *const colors[] = { "auto", "always", "never", NULL };

const char cli_logs_details[] =
	"Also of a sandbox that is stopped or has crashed. TIME is as in "
	"2026-05-22T10:11:12Z,\nor 30s, 5m, 2h, 1d: so long ago. An entry is "
	"what a command wrote at once, of one or\nseveral lines.";

const struct option cli_logs_options[] = {
	{ .id = O_TAIL,
	  .kind = OPT_UINT,
	  .name = "tail",
	  .value = "N",
	  .help = "Only the last N entries (before --grep)",
	  .max = UINT64_MAX },
	{ .id = O_SINCE,
	  .kind = OPT_TEXT,
	  .name = "since",
	  .value = "TIME",
	  .help = "Only entries of this time and later" },
	{ .id = O_UNTIL,
	  .kind = OPT_TEXT,
	  .name = "until",
	  .value = "TIME",
	  .help = "Only entries before this time" },
	{ .id = O_FOLLOW,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "follow",
	  .help = "Go on with what comes, until the sandbox has ended" },
	{ .id = O_TIMESTAMPS,
	  .kind = OPT_SWITCH,
	  .name = "timestamps",
	  .help = "Begin entries with their time" },
	{ .id = O_SOURCE,
	  .kind = OPT_LIST,
	  .name = "source",
	  .value = "SOURCE[,...]",
	  .help = "stdout, stderr, output (of a terminal), system, all "
		  "(default: all but system)",
	  .choices = sources,
	  .flags = OPT_COMMAS },
	{ .id = O_GREP,
	  .kind = OPT_TEXT,
	  .name = "grep",
	  .value = "REGEX",
	  .help = "Only entries that match",
	  .flags = OPT_HYPHEN },
	{ .id = O_JSON,
	  .kind = OPT_SWITCH,
	  .name = "json",
	  .help = "A line of JSON for each entry" },
	{ .id = O_RAW,
	  .kind = OPT_SWITCH,
	  .name = "raw",
	  .help = "The very bytes that were captured, also where they are no "
		  "text" },
	{ .id = O_SHOW_ID,
	  .kind = OPT_SWITCH,
	  .name = "show-id",
	  .help = "Begin lines with the number of their session" },
	{ .id = O_COLOR_SESSIONS,
	  .kind = OPT_SWITCH,
	  .name = "color-sessions",
	  .help = "The same, and a colour for each session" },
	{ .id = O_COLOR,
	  .kind = OPT_CHOICE,
	  .name = "color",
	  .value = "WHEN",
	  .help = "Colours, also those of the output: auto, always, never",
	  .choices = colors,
	  .group = GROUP_COLOR },
	{ .id = O_NO_COLOR,
	  .kind = OPT_SWITCH,
	  .name = "no-color",
	  .help = "The same as --color never",
	  .group = GROUP_COLOR },
	END,
};
