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

static const struct option cli_self_uninstall_options[] = {
	{ .id = O_YES,
	  .kind = OPT_SWITCH,
	  .letter = 'y',
	  .name = "yes",
	  .help = "Remove everything without asking" },
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
	{ .name = "uninstall",
	  .summary = "Remove what msb has made, and msb itself",
	  .details = "Shows what there is to choose from; with --yes all of "
		     "it goes: sandboxes, which\nare stopped first, volumes, "
		     "snapshots, images, settings, and the lines of an\n"
		     "installer in the start-up files of shells.",
	  .groups = { cli_self_uninstall_options },
	  .run = cmd_self_uninstall },
	END,
};
