/* SPDX-License-Identifier: Apache-2.0 */
/* Every command and option of msb. */
#include "cli/commands.h"
#include "cli/cli.h"

enum { GROUP_NONE, GROUP_VERBOSITY, GROUP_TTY };

const char *const cli_formats[] = { "json", NULL };

static const struct option global_options[] = {
	{ .id = O_ERROR,
	  .kind = OPT_SWITCH,
	  .name = "error",
	  .help = "Show errors of msb's own workings on stderr",
	  .group = GROUP_VERBOSITY },
	{ .id = O_WARN,
	  .kind = OPT_SWITCH,
	  .name = "warn",
	  .help = "Show warnings and errors",
	  .group = GROUP_VERBOSITY },
	{ .id = O_INFO,
	  .kind = OPT_SWITCH,
	  .name = "info",
	  .help = "Show what is being done",
	  .group = GROUP_VERBOSITY },
	{ .id = O_DEBUG,
	  .kind = OPT_SWITCH,
	  .name = "debug",
	  .help = "Show details",
	  .group = GROUP_VERBOSITY },
	{ .id = O_TRACE,
	  .kind = OPT_SWITCH,
	  .name = "trace",
	  .help = "Show everything",
	  .group = GROUP_VERBOSITY },
	{ .id = O_TREE,
	  .kind = OPT_SWITCH,
	  .name = "tree",
	  .help = "Print the tree of commands and options" },
	{ .id = OPT_ID_HELP,
	  .kind = OPT_SWITCH,
	  .letter = 'h',
	  .name = "help",
	  .help = "Print help" },
	END,
};

static const struct option version_options[] = {
	{ .id = OPT_ID_VERSION,
	  .kind = OPT_SWITCH,
	  .letter = 'V',
	  .name = "version",
	  .help = "Print the version" },
	END,
};

#define RLIMIT_OPTION(help_)                                                   \
	{                                                                      \
		.id = O_RLIMIT, .kind = OPT_LIST, .name = "rlimit",            \
		.value = "NAME=SOFT[:HARD]", .help = (help_)                   \
	}
#define TIMEOUT_OPTION                                                         \
	{                                                                      \
		.id = O_TIMEOUT, .kind = OPT_TEXT, .name = "timeout",          \
		.value = "DURATION",                                           \
		.help = "Kill the command after this time (e.g. 30s, 5m, 1h)"  \
	}
#define TTY_OPTIONS                                                            \
	{ .id = O_TTY,                                                         \
	  .kind = OPT_SWITCH,                                                  \
	  .letter = 't',                                                       \
	  .name = "tty",                                                       \
	  .help = "Give the command a terminal, even when ours is none",       \
	  .group = GROUP_TTY },                                                \
	{                                                                      \
		.id = O_NO_TTY, .kind = OPT_SWITCH, .name = "no-tty",          \
		.help = "Never give the command a terminal",                   \
		.group = GROUP_TTY                                             \
	}
#define DETACH_KEYS_OPTION                                                     \
	{                                                                      \
		.id = O_DETACH_KEYS, .kind = OPT_TEXT, .name = "detach-keys",  \
		.value = "KEYS",                                               \
		.help = "Keys that leave the command running (default: "       \
			"ctrl-])"                                              \
	}

static const struct option run_options[] = {
	{ .id = O_DETACH,
	  .kind = OPT_SWITCH,
	  .letter = 'd',
	  .name = "detach",
	  .help = "Run in the background and print the sandbox's name" },
	TTY_OPTIONS,
	TIMEOUT_OPTION,
	RLIMIT_OPTION("Resource limit of the command (e.g. nofile=1024)"),
	DETACH_KEYS_OPTION,
	{ .id = O_INSTALLED,
	  .kind = OPT_SWITCH,
	  .name = "installed",
	  .help = "Not a word about options that an existing sandbox ignores",
	  .flags = OPT_HIDDEN },
	END,
};

static const struct option create_options[] = {
	RLIMIT_OPTION("Resource limit of the sandbox (e.g. nofile=1024)"),
	END,
};

static const struct option exec_options[] = {
	TTY_OPTIONS,
	ENV_OPTION,
	{ .id = O_WORKDIR,
	  .kind = OPT_TEXT,
	  .letter = 'w',
	  .name = "workdir",
	  .value = "PATH",
	  .help = "Working directory of the command" },
	{ .id = O_USER,
	  .kind = OPT_TEXT,
	  .letter = 'u',
	  .name = "user",
	  .value = "USER[:GROUP]",
	  .help = "Run the command as this user" },
	TIMEOUT_OPTION,
	RLIMIT_OPTION("Resource limit of the command (e.g. nofile=1024)"),
	DETACH_KEYS_OPTION,
	QUIET_OPTION("No progress"),
	END,
};

static const struct option attach_options[] = {
	DETACH_KEYS_OPTION,
	END,
};

static const struct option quiet_options[] = {
	QUIET_OPTION("No progress and success lines"),
	END,
};

static const struct option stop_options[] = {
	{ .id = O_FORCE,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Kill at once; pending writes may be lost" },
	{ .id = O_STOP_TIMEOUT,
	  .kind = OPT_UINT,
	  .letter = 't',
	  .name = "timeout",
	  .value = "SECONDS",
	  .help = "Time to stop before it is killed (default: 10)",
	  .max = 365ull * 86400 },
	QUIET_OPTION("No progress and success lines"),
	END,
};

static const struct option remove_options[] = {
	{ .id = O_FORCE,
	  .kind = OPT_SWITCH,
	  .letter = 'f',
	  .name = "force",
	  .help = "Kill a running sandbox, then remove it" },
	QUIET_OPTION("No success lines, no error messages"),
	END,
};

static const struct option list_options[] = {
	{ .id = O_RUNNING,
	  .kind = OPT_SWITCH,
	  .name = "running",
	  .help = "Only running sandboxes" },
	{ .id = O_STOPPED,
	  .kind = OPT_SWITCH,
	  .name = "stopped",
	  .help = "Only stopped sandboxes" },
	FORMAT_OPTION,
	QUIET_OPTION("Only names"),
	END,
};

static const struct option status_options[] = {
	{ .id = O_ALL,
	  .kind = OPT_SWITCH,
	  .letter = 'a',
	  .name = "all",
	  .help = "All sandboxes, not just running ones" },
	FORMAT_OPTION,
	QUIET_OPTION("Only names"),
	END,
};

static const struct option help_options[] = {
	{ .id = O_MAN,
	  .kind = OPT_SWITCH,
	  .name = "man",
	  .help = "Print it as a manual page, for man -l -" },
	{ .id = O_MAN_DIR,
	  .kind = OPT_TEXT,
	  .name = "man-dir",
	  .value = "DIR",
	  .what = VALUE_DIR,
	  .help = "Write the manual pages of all commands to this directory" },
	END,
};

static const struct option format_options[] = {
	FORMAT_OPTION,
	END,
};

#define IMAGE_WORD                                                             \
	{                                                                      \
		.name = "IMAGE", .what = VALUE_ROOT,                           \
		.help = "Image such as alpine, or a directory or disk image "  \
			"such as ./rootfs"                                     \
	}
#define NAME_WORD                                                              \
	{                                                                      \
		.name = "NAME", .required = true, .what = VALUE_SANDBOX,       \
		.help = "Name of a sandbox"                                    \
	}
#define NOT_YET(name_, ...)                                                    \
	{                                                                      \
		.name = (name_), .aliases = { __VA_ARGS__ },                   \
		.unavailable = true                                            \
	}

static const struct command commands[] = {
	{ .name = "run",
	  .summary = "Create a sandbox and run a command in it",
	  .details = "Without --name the sandbox is removed when the command "
		     "ends. With the name of an\nexisting sandbox the command "
		     "runs in that one.\n\nWithout a terminal, ctrl-c is "
		     "passed on to the command; the second one kills it.",
	  .groups = { run_options, cli_sandbox_options, cli_network_options,
		      cli_tls_options, cli_later_options },
	  .titles = { NULL, "Options of a new sandbox", "Network options",
		      "TLS options" },
	  .words = { IMAGE_WORD },
	  .rest = "The command; default: the entrypoint, or a shell on a "
		  "terminal",
	  .failure = EXIT_MSB,
	  .run = cmd_run },
	{ .name = "create",
	  .summary = "Create and boot a sandbox without running a command",
	  .groups = { create_options, cli_sandbox_options, cli_network_options,
		      cli_tls_options, cli_later_options },
	  .titles = { NULL, "Options of a new sandbox", "Network options",
		      "TLS options" },
	  .words = { IMAGE_WORD },
	  .run = cmd_create },
	{ .name = "start",
	  .summary = "Start stopped sandboxes",
	  .groups = { quiet_options, cli_select_options },
	  .words = { SELECTED_WORD_OF(VALUE_STOPPED) },
	  .run = cmd_start },
	{ .name = "stop",
	  .summary = "Stop running sandboxes",
	  .groups = { stop_options, cli_select_options },
	  .words = { SELECTED_WORD_OF(VALUE_RUNNING) },
	  .run = cmd_stop },
	{ .name = "restart",
	  .summary = "Stop sandboxes and start them again",
	  .groups = { stop_options, cli_select_options },
	  .words = { SELECTED_WORD },
	  .run = cmd_restart },
	{ .name = "exec",
	  .summary = "Run a command in a sandbox",
	  .details = "A stopped sandbox is started for the time of the "
		     "command.\n\nWithout a terminal, ctrl-c is passed on to "
		     "the command; the second one kills it.",
	  .groups = { exec_options },
	  .words = { NAME_WORD },
	  .rest = "The command, taken literally; default: that of the "
		  "sandbox, or a shell on a terminal",
	  .failure = EXIT_MSB,
	  .run = cmd_exec },
	{ .name = "attach",
	  .summary = "Come back to the command last detached from",
	  .groups = { attach_options },
	  .words = { { .name = "NAME",
		       .required = true,
		       .what = VALUE_RUNNING,
		       .help = "Name of a sandbox" } },
	  .failure = EXIT_MSB,
	  .run = cmd_attach },
	{ .name = "list",
	  .aliases = { "ls" },
	  .summary = "List all sandboxes",
	  .groups = { list_options, cli_select_options },
	  .run = cmd_list },
	{ .name = "status",
	  .aliases = { "ps" },
	  .summary = "Show running sandboxes and what they run",
	  .groups = { status_options, cli_select_options },
	  .words = { { .name = "NAME",
		       .what = VALUE_SANDBOX,
		       .help = "Only this sandbox, in whatever state" } },
	  .run = cmd_status },
	{ .name = "modify",
	  .summary = "Change a sandbox that exists, running or not",
	  .details = "Prints what has changed, and when it applies: labels, "
		     "limits of time and the network's\npolicy at once, the "
		     "environment for commands that are started from now "
		     "on, ports at\nthe next start. A new policy replaces the "
		     "old one; connections that are open go on.",
	  .groups = { cli_modify_options, cli_policy_options },
	  .titles = { NULL, "Network policy" },
	  .words = { NAME_WORD },
	  .run = cmd_modify },
	{ .name = "ping",
	  .summary = "Ask the agents of running sandboxes for an answer",
	  .details = "Prints how long each answer took. It does not keep a "
		     "sandbox from being idle.",
	  .groups = { cli_ping_options, cli_select_options },
	  .words = { SELECTED_WORD_OF(VALUE_RUNNING) },
	  .run = cmd_ping },
	{ .name = "touch",
	  .summary = "Begin the idle time of running sandboxes anew",
	  .groups = { cli_ping_options, cli_select_options },
	  .words = { SELECTED_WORD_OF(VALUE_RUNNING) },
	  .run = cmd_touch },
	{ .name = "metrics",
	  .summary = "Show what running sandboxes use",
	  .details = "CPU is in whole CPUs, MEMORY is that of the host; rates "
		     "are over the last sampling\ninterval. What a table has "
		     "no room for on a terminal is left out.",
	  .groups = { cli_metrics_options, cli_select_options },
	  .words = { { .name = "NAME",
		       .what = VALUE_RUNNING,
		       .help = "Only this sandbox" } },
	  .run = cmd_metrics },
	{ .name = "logs",
	  .summary = "Show what a sandbox has printed, and what befell it",
	  .details = cli_logs_details,
	  .groups = { cli_logs_options },
	  .words = { NAME_WORD },
	  .run = cmd_logs },
	{ .name = "inspect",
	  .summary = "Show the configuration and state of a sandbox",
	  .groups = { format_options },
	  .words = { NAME_WORD },
	  .run = cmd_inspect },
	{ .name = "remove",
	  .aliases = { "rm" },
	  .summary = "Remove sandboxes and all their state",
	  .groups = { remove_options, cli_select_options },
	  .words = { SELECTED_WORD },
	  .run = cmd_remove },
	{ .name = "pull",
	  .summary = "Download an image",
	  .groups = { cli_pull_options },
	  .words = { IMAGE_REFERENCE_WORD },
	  .run = cmd_pull },
	{ .name = "load",
	  .summary = "Load images from an archive",
	  .groups = { cli_load_options },
	  .run = cmd_load },
	{ .name = "save",
	  .summary = "Save images to an archive",
	  .groups = { cli_save_options },
	  .words = { IMAGE_REFERENCES_WORD },
	  .run = cmd_save },
	{ .name = "image",
	  .summary = "Images in the cache",
	  .sub = cli_image_commands },
	{ .name = "images",
	  .hidden = true,
	  .summary = "List images; the same as msb image list",
	  .groups = { cli_image_list_options },
	  .run = cmd_image_list },
	{ .name = "rmi",
	  .hidden = true,
	  .summary = "Remove images; the same as msb image remove",
	  .groups = { cli_image_remove_options },
	  .words = { IMAGE_REFERENCES_WORD },
	  .run = cmd_image_remove },
	{ .name = "registry",
	  .summary = "Logins at registries",
	  .sub = cli_registry_commands },
	{ .name = "copy",
	  .aliases = { "cp" },
	  .summary = "Copy files between the host and sandboxes",
	  .details = "NAME:/path is in a sandbox, anything else on the host. "
		     "A directory is copied with\nall it holds, into DST when "
		     "that is a directory, else as DST; with \"/.\" at its "
		     "end,\nits contents. A stopped sandbox is started for the "
		     "time of the copy.",
	  .groups = { quiet_options },
	  .words = { { .name = "SRC",
		       .what = VALUE_ENDPOINT,
		       .required = true,
		       .help = "What to copy: PATH or NAME:/PATH" },
		     { .name = "DST",
		       .what = VALUE_ENDPOINT,
		       .required = true,
		       .help = "Where to: PATH or NAME:/PATH" } },
	  .run = cmd_copy },
	{ .name = "volume",
	  .aliases = { "vol" },
	  .summary = "Make, list and remove named volumes",
	  .sub = cli_volume_commands },
	{ .name = "snapshot",
	  .aliases = { "snap" },
	  .summary = "Keep, list and remove states of stopped sandboxes",
	  .sub = cli_snapshot_commands },
	{ .name = "net",
	  .summary = "Network policies",
	  .sub = cli_net_commands },
	{ .name = "install",
	  .summary = "Make a command of the host that runs a sandbox",
	  .details = "Words that the command is called with come after "
		     "those given here, or take the\nplace of the image's "
		     "own. Its sandbox is made by the first call and kept, "
		     "unless\n--tmp is given.",
	  .groups = { cli_install_options },
	  .words = { IMAGE_WORD },
	  .rest = "What it runs; default: what the image says",
	  .run = cmd_install },
	{ .name = "uninstall",
	  .summary = "Remove commands made by msb install; their sandboxes "
		     "stay",
	  .words = { { .name = "NAME",
		       .required = true,
		       .many = true,
		       .what = VALUE_INSTALLED,
		       .help = "Names of installed commands" } },
	  .run = cmd_uninstall },
	{ .name = "self",
	  .summary = "The installation of msb itself",
	  .sub = cli_self_commands },
	{ .name = "update",
	  .aliases = { "upgrade" },
	  .summary = "Install the latest release; the same as msb self "
		     "update",
	  .groups = { cli_update_options },
	  .run = cmd_self_update },
	{ .name = "downgrade",
	  .summary = "Go back to an older release; the same as msb self "
		     "downgrade",
	  .groups = { cli_downgrade_options },
	  .words = { DOWNGRADE_WORD },
	  .run = cmd_self_downgrade },
	{ .name = "doctor",
	  .summary = "Check what this host offers, and say what is missing",
	  .groups = { format_options },
	  .run = cmd_doctor },
	{ .name = "help",
	  .summary = "Print help for a command",
	  .groups = { help_options },
	  .words = { { .name = "COMMAND",
		       .many = true,
		       .what = VALUE_COMMAND,
		       .help = "Names of a command and its subcommand" } },
	  .run = cmd_help },
	NOT_YET("ssh", NULL),
	{ .name = "completion",
	  .summary = "Print the completion script of a shell",
	  .sub = cli_completion_commands },
	{ .name = "__complete",
	  .hidden = true,
	  .summary = "What completion scripts ask",
	  .rest = "The words behind msb up to the cursor",
	  .run = cmd_complete },
	END,
};

const struct command cli_root = {
	.name = "msb",
	.summary = "Microsandbox CLI v" MSB_VERSION
		   ": untrusted workloads in small virtual machines",
	.groups = { global_options, version_options },
	.sub = commands,
	.sections = cli_sections,
};
