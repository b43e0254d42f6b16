/* SPDX-License-Identifier: Apache-2.0 */
/* Options of commands that take sandboxes by their labels. */
#include "cli/cli.h"
#include "cli/commands.h"

const struct option cli_select_options[] = {
	{ .id = O_LABEL,
	  .kind = OPT_LIST,
	  .letter = 'l',
	  .name = "label",
	  .value = "K[=V]",
	  .help = "Sandboxes that have this label; repeatable, all must be "
		  "there" },
	END,
};
