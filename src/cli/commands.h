/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of commands: pieces of them, for those that make a table. */
#ifndef MSB_CLI_COMMANDS_H
#define MSB_CLI_COMMANDS_H

#include "cli/options.h"

#define END                                                                    \
	{                                                                      \
		0                                                              \
	}
#define QUIET_OPTION(help_)                                                    \
	{                                                                      \
		.id = O_QUIET, .kind = OPT_SWITCH, .letter = 'q',              \
		.name = "quiet", .help = (help_)                               \
	}
#define ENV_OPTION                                                             \
	{                                                                      \
		.id = O_ENV, .kind = OPT_LIST, .letter = 'e', .name = "env",   \
		.value = "KEY[=VALUE]", .what = VALUE_VARIABLE,                \
		.help = "Set an environment variable, or pass on the host's"   \
	}
#define FORMAT_OPTION                                                          \
	{                                                                      \
		.id = O_FORMAT, .kind = OPT_CHOICE, .name = "format",          \
		.value = "FORMAT", .help = "Output format: json",              \
		.choices = cli_formats                                         \
	}

extern const char *const cli_formats[]; /* "json" */
/* How help arranges the commands of the program. */
extern const struct section cli_sections[];

/* Commands of a group, for the table of the program; and those of them that it
 * has, too. */
extern const struct command cli_completion_commands[];
extern const struct command cli_image_commands[];
extern const struct command cli_net_commands[];
extern const struct command cli_registry_commands[];
extern const struct command cli_self_commands[];
extern const struct command cli_snapshot_commands[];
extern const struct command cli_volume_commands[];
extern const struct option cli_image_list_options[];
extern const struct option cli_image_remove_options[];
extern const struct option cli_install_options[];
extern const struct option cli_load_options[];
extern const struct option cli_metrics_options[];
extern const struct option cli_logs_options[];
extern const char cli_logs_details[];
extern const struct option cli_network_options[];
extern const struct option cli_tls_options[];
extern const struct option cli_modify_options[];
extern const struct option cli_ping_options[];
extern const struct option cli_downgrade_options[];
extern const struct option cli_update_options[];
extern const struct option cli_policy_options[];
extern const struct option cli_pull_options[];
extern const struct option cli_sandbox_options[];
extern const struct option cli_later_options[];
extern const struct option cli_save_options[];
extern const struct option cli_select_options[];
#define IMAGE_REFERENCE_WORD                                                   \
	{                                                                      \
		.name = "REFERENCE", .required = true, .what = VALUE_IMAGE,    \
		.help = "Image, such as alpine or ghcr.io/org/app:v1"          \
	}
/* With cli_select_options. */
#define SELECTED_WORD SELECTED_WORD_OF(VALUE_SANDBOX)
#define SELECTED_WORD_OF(what_)                                                \
	{                                                                      \
		.name = "NAME", .many = true, .what = (what_),                 \
		.help = "Names of sandboxes; or --label"                       \
	}
#define DOWNGRADE_WORD                                                         \
	{                                                                      \
		.name = "VERSION", .help = "Which one; default: the newest "   \
					   "before this"                       \
	}
#define IMAGE_REFERENCES_WORD                                                  \
	{                                                                      \
		.name = "REFERENCE", .required = true, .many = true,           \
		.what = VALUE_IMAGE,                                           \
		.help = "Images, such as alpine or ghcr.io/org/app:v1"         \
	}

#endif
