/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of images and registries, and their options. */
#include "cli/cli.h"
#include "cli/commands.h"

static const char *const archive_formats[] = { "docker", "oci", NULL };

const struct option cli_pull_options[] = {
	{ .id = O_FORCE,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Download everything again, even what is in the cache" },
	{ .id = O_INSECURE,
	  .kind = OPT_SWITCH,
	  .name = "insecure",
	  .help = "Use plain http for the registry" },
	{ .id = O_CA_CERTS,
	  .kind = OPT_TEXT,
	  .name = "ca-certs",
	  .value = "PATH",
	  .what = VALUE_FILE,
	  .help = "Trust these certificates, too (PEM)" },
	QUIET_OPTION("No progress and success lines"),
	END,
};

const struct option cli_load_options[] = {
	{ .id = O_INPUT,
	  .kind = OPT_TEXT,
	  .letter = 'i',
	  .name = "input",
	  .value = "PATH",
	  .what = VALUE_FILE,
	  .help = "Archive or directory to read (default: standard input)" },
	{ .id = O_TAG,
	  .kind = OPT_LIST,
	  .letter = 't',
	  .name = "tag",
	  .value = "REFERENCE",
	  .help = "Further name of the first image" },
	QUIET_OPTION("No progress and success lines"),
	END,
};

const struct option cli_save_options[] = {
	{ .id = O_OUTPUT,
	  .kind = OPT_TEXT,
	  .letter = 'o',
	  .name = "output",
	  .value = "PATH",
	  .what = VALUE_FILE,
	  .help = "File to write (default: standard output)" },
	{ .id = O_ARCHIVE_FORMAT,
	  .kind = OPT_CHOICE,
	  .name = "format",
	  .value = "FORMAT",
	  .help = "docker (default) or oci",
	  .choices = archive_formats },
	QUIET_OPTION("No progress and success lines"),
	END,
};

const struct option cli_image_list_options[] = {
	FORMAT_OPTION,
	QUIET_OPTION("Only references"),
	END,
};

static const struct option inspect_options[] = {
	FORMAT_OPTION,
	END,
};

const struct option cli_image_remove_options[] = {
	{ .id = O_FORCE,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Remove the name of an image that sandboxes use" },
	QUIET_OPTION("No success lines, no error messages"),
	END,
};

static const struct option prune_options[] = {
	{ .id = O_YES,
	  .kind = OPT_SWITCH,
	  .letter = 'y',
	  .name = "yes",
	  .help = "Do not ask" },
	FORMAT_OPTION,
	QUIET_OPTION("No success line"),
	END,
};

const struct command cli_image_commands[] = {
	{ .name = "pull",
	  .summary = "Download an image",
	  .groups = { cli_pull_options },
	  .words = { IMAGE_REFERENCE_WORD },
	  .run = cmd_pull },
	{ .name = "list",
	  .aliases = { "ls" },
	  .summary = "List images",
	  .groups = { cli_image_list_options },
	  .run = cmd_image_list },
	{ .name = "inspect",
	  .summary = "Show the configuration and layers of an image",
	  .groups = { inspect_options },
	  .words = { IMAGE_REFERENCE_WORD },
	  .run = cmd_image_inspect },
	{ .name = "remove",
	  .aliases = { "rm" },
	  .summary = "Remove images",
	  .groups = { cli_image_remove_options },
	  .words = { IMAGE_REFERENCES_WORD },
	  .run = cmd_image_remove },
	{ .name = "prune",
	  .summary = "Remove all images that no sandbox uses",
	  .groups = { prune_options },
	  .run = cmd_image_prune },
	{ .name = "load",
	  .summary = "Load images from an archive",
	  .groups = { cli_load_options },
	  .run = cmd_load },
	{ .name = "save",
	  .summary = "Save images to an archive",
	  .groups = { cli_save_options },
	  .words = { IMAGE_REFERENCES_WORD },
	  .run = cmd_save },
	END,
};

static const struct option login_options[] = {
	{ .id = O_USERNAME,
	  .kind = OPT_TEXT,
	  .letter = 'u',
	  .name = "username",
	  .value = "USER",
	  .help = "Name to log in with" },
	{ .id = O_PASSWORD_STDIN,
	  .kind = OPT_SWITCH,
	  .name = "password-stdin",
	  .help = "Read the password or token from standard input" },
	QUIET_OPTION("No success line"),
	END,
};

static const struct option logout_options[] = {
	QUIET_OPTION("No success line"),
	END,
};

#define HOST_WORD                                                              \
	{                                                                      \
		.name = "HOST", .required = true, .what = VALUE_REGISTRY,      \
		.help = "Registry, such as ghcr.io or localhost:5000"          \
	}

const struct command cli_registry_commands[] = {
	{ .name = "login",
	  .summary = "Store the login for a registry",
	  .groups = { login_options },
	  .words = { HOST_WORD },
	  .run = cmd_registry_login },
	{ .name = "logout",
	  .summary = "Forget the login for a registry",
	  .groups = { logout_options },
	  .words = { HOST_WORD },
	  .run = cmd_registry_logout },
	{ .name = "list",
	  .aliases = { "ls" },
	  .summary = "List registries with a login",
	  .run = cmd_registry_list },
	END,
};
