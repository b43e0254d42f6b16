/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of msb snapshot. */
#include "cli/cli.h"
#include "cli/commands.h"

static const struct option create_options[] = {
	{ .id = O_FROM,
	  .kind = OPT_TEXT,
	  .name = "from",
	  .value = "SANDBOX",
	  .what = VALUE_STOPPED,
	  .help = "The stopped sandbox to keep" },
	{ .id = O_LABEL,
	  .kind = OPT_LIST,
	  .letter = 'l',
	  .name = "label",
	  .value = "KEY=VALUE",
	  .help = "Label of the snapshot" },
	{ .id = O_INTEGRITY,
	  .kind = OPT_SWITCH,
	  .name = "integrity",
	  .help = "Record a digest of the contents, to verify them later" },
	{ .id = O_FORCE,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Replace a snapshot of that name" },
	QUIET_OPTION("Print nothing"),
	END,
};

static const struct option list_options[] = {
	FORMAT_OPTION,
	QUIET_OPTION("Only digests"),
	END,
};

static const struct option inspect_options[] = {
	{ .id = O_VERIFY,
	  .kind = OPT_SWITCH,
	  .name = "verify",
	  .help = "Read the contents and compare their digest" },
	FORMAT_OPTION,
	END,
};

static const struct option verify_options[] = {
	FORMAT_OPTION,
	END,
};

static const struct option remove_options[] = {
	{ .id = O_FORCE,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Also one that others were made from" },
	QUIET_OPTION("No success lines"),
	END,
};

static const struct option export_options[] = {
	{ .id = O_WITH_PARENTS,
	  .kind = OPT_SWITCH,
	  .name = "with-parents",
	  .help = "Also those it was made from" },
	{ .id = O_PLAIN_TAR,
	  .kind = OPT_SWITCH,
	  .name = "plain-tar",
	  .help = "Without compression" },
	{ .id = O_UNAVAILABLE,
	  .kind = OPT_SWITCH,
	  .name = "with-image",
	  .flags = OPT_UNAVAILABLE },
	END,
};

#define SNAPSHOT_WORD                                                          \
	{                                                                      \
		.name = "SNAPSHOT", .required = true, .what = VALUE_SNAPSHOT,  \
		.help = "Name, path or digest of a snapshot"                   \
	}

const struct command cli_snapshot_commands[] = {
	{ .name = "create",
	  .aliases = { "save" },
	  .summary = "Keep what a stopped sandbox wrote above its image",
	  .groups = { create_options },
	  .words = { { .name = "DEST",
		       .required = true,
		       .help = "Name, or path of a directory to make" } },
	  .run = cmd_snapshot_create },
	{ .name = "list",
	  .aliases = { "ls" },
	  .summary = "List snapshots",
	  .groups = { list_options },
	  .run = cmd_snapshot_list },
	{ .name = "inspect",
	  .summary = "Show what is known of a snapshot",
	  .groups = { inspect_options },
	  .words = { SNAPSHOT_WORD },
	  .run = cmd_snapshot_inspect },
	{ .name = "verify",
	  .summary = "Read a snapshot and compare it with its digest",
	  .groups = { verify_options },
	  .words = { SNAPSHOT_WORD },
	  .run = cmd_snapshot_verify },
	{ .name = "remove",
	  .aliases = { "rm" },
	  .summary = "Remove snapshots",
	  .groups = { remove_options },
	  .words = { { .name = "SNAPSHOT",
		       .what = VALUE_SNAPSHOT,
		       .required = true,
		       .many = true,
		       .help = "Names, paths or digests of snapshots" } },
	  .run = cmd_snapshot_remove },
	{ .name = "reindex",
	  .summary = "Get to know the snapshots in a directory",
	  .words = { { .name = "DIR",
		       .what = VALUE_DIR,
		       .help = "Default: the home's own" } },
	  .run = cmd_snapshot_reindex },
	{ .name = "export",
	  .summary = "Write a snapshot into an archive",
	  .groups = { export_options },
	  .words = { SNAPSHOT_WORD,
		     { .name = "FILE",
		       .what = VALUE_FILE,
		       .required = true,
		       .help = "The archive to write" } },
	  .run = cmd_snapshot_export },
	{ .name = "import",
	  .aliases = { "load" },
	  .summary = "Read a snapshot from an archive",
	  .words = { { .name = "FILE",
		       .what = VALUE_FILE,
		       .required = true,
		       .help = "The archive to read" },
		     { .name = "DEST",
		       .help = "Name or path (default: from its digest)" } },
	  .run = cmd_snapshot_import },
	END,
};
