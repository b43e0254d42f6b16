/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of msb self. */
#include "cli/cli.h"
#include "cli/commands.h"

#define FROM_OPTION                                                            \
	{                                                                      \
		.id = O_FROM, .kind = OPT_TEXT, .name = "from",                \
		.value = "SOURCE", .what = VALUE_DIR,                          \
		.help = "Where releases are: a directory, or a file, http or " \
			"https address (default: update.url of config.json)"   \
	}
#define CA_CERTS_OPTION                                                        \
	{                                                                      \
		.id = O_CA_CERTS, .kind = OPT_TEXT, .name = "ca-certs",        \
		.value = "FILE", .what = VALUE_FILE,                           \
		.help = "Trust these certificates, too (PEM)"                  \
	}

const struct option cli_update_options[] = {
	{ .id = O_FORCE,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Also when this is the latest version already" },
	FROM_OPTION,
	CA_CERTS_OPTION,
	END,
};

const struct option cli_downgrade_options[] = {
	{ .id = O_FORCE,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Install VERSION even if it is not older" },
	FROM_OPTION,
	CA_CERTS_OPTION,
	END,
};

const struct command cli_self_commands[] = {
	{ .name = "update",
	  .aliases = { "upgrade" },
	  .summary = "Install the latest release of msb",
	  .groups = { cli_update_options },
	  .run = cmd_self_update },
	{ .name = "downgrade",
	  .summary = "Go back to an older release of msb",
	  .groups = { cli_downgrade_options },
	  .words = { DOWNGRADE_WORD },
	  .run = cmd_self_downgrade },
	END,
};
