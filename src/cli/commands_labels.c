/* SPDX-License-Identifier: Apache-2.0 */
/* Selecting sandboxes by their labels; asking their agents. */
#include "cli/cli.h"
#include "cli/commands.h"

const struct option cli_select_options[] = {
	{ .id = O_LABEL,
	  .kind = OPT_LIST,
	  .letter = 'l',
	  .name = "label",
	  .value = "K[=V]",
	  .what = VALUE_LABEL,
	  .help = "Sandboxes that have this label; repeatable, all must be "
		  "there" },
	END,
};

const struct option cli_ping_options[] = {
	{ .id = O_STOP_TIMEOUT,
	  .kind = OPT_UINT,
	  .letter = 't',
	  .name = "timeout",
	  .value = "SECONDS",
	  .help = "Time to wait for an answer (default: 5)",
	  .max = 86400 },
	QUIET_OPTION("Nothing but errors"),
	END,
};
