/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of msb volume. */
#include "cli/cli.h"
#include "cli/commands.h"

static const char *const kinds[] = { "dir", "directory", "disk", NULL };

static const struct option create_options[] = {
	{ .id = O_KIND,
	  .kind = OPT_CHOICE,
	  .name = "kind",
	  .value = "KIND",
	  .help = "dir (default), or disk: an ext4 disk of its own",
	  .choices = kinds },
	{ .id = O_SIZE,
	  .kind = OPT_TEXT,
	  .name = "size",
	  .value = "SIZE",
	  .help = "Quota of a dir, size of a disk (e.g. 512M, 10G)" },
	{ .id = O_SIZE,
	  .kind = OPT_TEXT,
	  .name = "quota",
	  .value = "SIZE",
	  .help = "Another name of --size",
	  .flags = OPT_HIDDEN },
	{ .id = O_LABEL,
	  .kind = OPT_LIST,
	  .letter = 'l',
	  .name = "label",
	  .value = "KEY=VALUE",
	  .help = "Label of the volume" },
	QUIET_OPTION("Do not print the name"),
	END,
};

static const struct option list_options[] = {
	FORMAT_OPTION,
	QUIET_OPTION("Only names"),
	END,
};

static const struct option inspect_options[] = {
	FORMAT_OPTION,
	END,
};

static const struct option remove_options[] = {
	QUIET_OPTION("No success lines"),
	END,
};

static const struct option prune_options[] = {
	{ .id = O_YES,
	  .kind = OPT_SWITCH,
	  .letter = 'y',
	  .name = "yes",
	  .help = "Do not ask" },
	{ .id = O_YES,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Another name of --yes",
	  .flags = OPT_HIDDEN },
	FORMAT_OPTION,
	QUIET_OPTION("No output"),
	END,
};

const struct command cli_volume_commands[] = {
	{ .name = "create",
	  .summary = "Make a volume and print its name",
	  .groups = { create_options },
	  .words = { { .name = "NAME",
		       .required = true,
		       .help = "Name of the new volume" } },
	  .run = cmd_volume_create },
	{ .name = "list",
	  .aliases = { "ls" },
	  .summary = "List volumes",
	  .groups = { list_options },
	  .run = cmd_volume_list },
	{ .name = "inspect",
	  .summary = "Show what is known of a volume",
	  .groups = { inspect_options },
	  .words = { { .name = "NAME",
		       .required = true,
		       .what = VALUE_VOLUME,
		       .help = "Name of a volume" } },
	  .run = cmd_volume_inspect },
	{ .name = "remove",
	  .aliases = { "rm" },
	  .summary = "Remove volumes with all they hold",
	  .groups = { remove_options },
	  .words = { { .name = "NAME",
		       .required = true,
		       .many = true,
		       .what = VALUE_VOLUME,
		       .help = "Names of volumes" } },
	  .run = cmd_volume_remove },
	{ .name = "prune",
	  .summary = "Remove the volumes that no sandbox is configured with",
	  .groups = { prune_options },
	  .run = cmd_volume_prune },
	END,
};
