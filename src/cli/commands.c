/* SPDX-License-Identifier: Apache-2.0 */
/* Every command and option of msb. */
#include "cli/commands.h"
#include "cli/cli.h"

/* Known, refused with "not available yet", not shown. */
#define LATER(kind_, name_)                                                    \
	{                                                                      \
		.id = O_UNAVAILABLE + __COUNTER__, .kind = (kind_),            \
		.name = (name_),                                               \
		.value = (kind_) == OPT_SWITCH ? NULL : "VALUE",               \
		.flags = OPT_UNAVAILABLE | OPT_CREATION                        \
	}

enum { GROUP_NONE, GROUP_VERBOSITY, GROUP_TTY };

const char *const cli_formats[] = { "json", NULL };
static const char *const pull_policies[] = { "always", "if-missing", "never",
					     NULL };
static const char *const log_levels[] = { "error", "warn",  "info",
					  "debug", "trace", NULL };
static const char *const engines[] = { "auto", "kvm", "uml", NULL };
static const char *const jails[] = { "strict", "relaxed", NULL };
static const char *const modes[] = { "auto", "ptrace", "seccomp", NULL };

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

#define NAME_OPTION(help_)                                                     \
	{                                                                      \
		.id = O_NAME, .kind = OPT_TEXT, .letter = 'n', .name = "name", \
		.value = "NAME", .help = (help_)                               \
	}
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

/* What describes a new sandbox; run and create. */
static const struct option sandbox_options[] = {
	NAME_OPTION("Name of the sandbox; without one it is made up"),
	{ .id = O_CPUS,
	  .kind = OPT_UINT,
	  .letter = 'c',
	  .name = "cpus",
	  .value = "N",
	  .help = "Number of virtual CPUs",
	  .flags = OPT_CREATION,
	  .max = 255 },
	{ .id = O_MEMORY,
	  .kind = OPT_TEXT,
	  .letter = 'm',
	  .name = "memory",
	  .value = "SIZE",
	  .help = "Amount of memory (e.g. 512M, 1G)",
	  .flags = OPT_CREATION },
	{ .id = O_UPPER_SIZE,
	  .kind = OPT_TEXT,
	  .name = "oci-upper-size",
	  .value = "SIZE",
	  .help = "Size of the writable layer above an image (e.g. 4G, 8192M)",
	  .flags = OPT_CREATION },
	{ .id = O_PULL,
	  .kind = OPT_TEXT,
	  .name = "pull",
	  .value = "POLICY",
	  .choices = pull_policies,
	  .help = "When to pull the image: always, if-missing, never "
		  "(default: if-missing)",
	  .flags = OPT_CREATION },
	{ .id = O_VOLUME,
	  .kind = OPT_LIST,
	  .letter = 'v',
	  .name = "volume",
	  .value = "SRC:DST[:OPTS]",
	  .what = VALUE_MOUNT,
	  .help = "Share a host directory, a file or a named volume (OPTS: "
		  "ro, noexec, nosuid, nodev, stat-virt=, host-perms=, "
		  "quota=, follow-root-symlinks)",
	  .flags = OPT_CREATION },
	{ .id = O_MOUNT_DIR,
	  .kind = OPT_LIST,
	  .name = "mount-dir",
	  .value = "SRC:DST[:OPTS]",
	  .what = VALUE_DIR,
	  .help = "The same, of a host directory only",
	  .flags = OPT_CREATION },
	{ .id = O_MOUNT_FILE,
	  .kind = OPT_LIST,
	  .name = "mount-file",
	  .value = "SRC:DST[:OPTS]",
	  .what = VALUE_FILE,
	  .help = "The same, of a host file only",
	  .flags = OPT_CREATION },
	{ .id = O_MOUNT_NAMED,
	  .kind = OPT_LIST,
	  .name = "mount-named",
	  .value = "NAME:DST[:OPTS]",
	  .what = VALUE_MOUNT,
	  .help = "The same, of a named volume only; made if missing (OPTS: "
		  "also kind=dir|disk, size=)",
	  .flags = OPT_CREATION },
	{ .id = O_MOUNT_DISK,
	  .kind = OPT_LIST,
	  .name = "mount-disk",
	  .value = "FILE:DST[:OPTS]",
	  .what = VALUE_FILE,
	  .help = "Mount a disk image (OPTS: ro, noexec, nosuid, nodev, "
		  "format=raw|qcow2, fstype=)",
	  .flags = OPT_CREATION },
	{ .id = O_TMPFS,
	  .kind = OPT_LIST,
	  .name = "tmpfs",
	  .value = "PATH[:SIZE][:OPTS]",
	  .help = "Mount a file system in the guest's memory",
	  .flags = OPT_CREATION },
	{ .id = O_ENV,
	  .kind = OPT_LIST,
	  .letter = 'e',
	  .name = "env",
	  .value = "KEY[=VALUE]",
	  .what = VALUE_VARIABLE,
	  .help = "Set an environment variable, or pass on the host's",
	  .flags = OPT_CREATION },
	{ .id = O_LABEL,
	  .kind = OPT_LIST,
	  .letter = 'l',
	  .name = "label",
	  .value = "K=V",
	  .what = VALUE_LABEL,
	  .help = "Label to find the sandbox by; repeatable",
	  .flags = OPT_CREATION },
	{ .id = O_WORKDIR,
	  .kind = OPT_TEXT,
	  .letter = 'w',
	  .name = "workdir",
	  .value = "PATH",
	  .help = "Working directory in the guest",
	  .flags = OPT_CREATION },
	{ .id = O_USER,
	  .kind = OPT_TEXT,
	  .letter = 'u',
	  .name = "user",
	  .value = "USER[:GROUP]",
	  .help = "Run commands as this user (e.g. nobody, 1000:1000)",
	  .flags = OPT_CREATION },
	{ .id = O_HOSTNAME,
	  .kind = OPT_TEXT,
	  .letter = 'H',
	  .name = "hostname",
	  .value = "NAME",
	  .help = "Host name in the guest (default: the sandbox's name)",
	  .flags = OPT_CREATION },
	{ .id = O_SHELL,
	  .kind = OPT_TEXT,
	  .name = "shell",
	  .value = "SHELL",
	  .help = "Shell of interactive sessions and scripts (default: "
		  "/bin/sh)",
	  .flags = OPT_CREATION },
	{ .id = O_ENTRYPOINT,
	  .kind = OPT_TEXT,
	  .name = "entrypoint",
	  .value = "PROGRAM",
	  .help = "Program that gets the command as its arguments",
	  .flags = OPT_CREATION },
	{ .id = O_SCRIPT,
	  .kind = OPT_LIST,
	  .name = "script",
	  .value = "NAME=BODY",
	  .help = "Shell snippet to have as a command (\\n, \\t are decoded)",
	  .flags = OPT_CREATION },
	{ .id = O_SCRIPT_RAW,
	  .kind = OPT_LIST,
	  .name = "script-raw",
	  .value = "NAME=BODY",
	  .help = "The same, taken as it is",
	  .flags = OPT_CREATION },
	{ .id = O_SCRIPT_PATH,
	  .kind = OPT_LIST,
	  .name = "script-path",
	  .value = "NAME:PATH",
	  .what = VALUE_KEY_FILE,
	  .help = "The same from a host file",
	  .flags = OPT_CREATION },
	{ .id = O_INIT,
	  .kind = OPT_TEXT,
	  .name = "init",
	  .value = "PATH",
	  .help = "Hand PID 1 to this program after set-up, or to the one "
		  "found with `auto`",
	  .flags = OPT_CREATION },
	{ .id = O_INIT_ARG,
	  .kind = OPT_LIST,
	  .name = "init-arg",
	  .value = "ARG",
	  .help = "Argument of the init program",
	  .flags = OPT_CREATION | OPT_HYPHEN,
	  .needs = O_INIT },
	{ .id = O_INIT_ENV,
	  .kind = OPT_LIST,
	  .name = "init-env",
	  .value = "KEY[=VALUE]",
	  .what = VALUE_VARIABLE,
	  .help = "Environment variable of the init program only",
	  .flags = OPT_CREATION,
	  .needs = O_INIT },
	{ .id = O_MAX_DURATION,
	  .kind = OPT_TEXT,
	  .name = "max-duration",
	  .value = "DURATION",
	  .help = "Stop the sandbox after this time (e.g. 30s, 5m, 1h)",
	  .flags = OPT_CREATION },
	{ .id = O_IDLE_TIMEOUT,
	  .kind = OPT_TEXT,
	  .name = "idle-timeout",
	  .value = "DURATION",
	  .help = "Stop the sandbox when nothing happened for this time",
	  .flags = OPT_CREATION },
	{ .id = O_LOG_LEVEL,
	  .kind = OPT_TEXT,
	  .name = "log-level",
	  .value = "LEVEL",
	  .choices = log_levels,
	  .help = "Verbosity of the runtime's log: error, warn, info, debug, "
		  "trace",
	  .flags = OPT_CREATION },
	{ .id = O_ENGINE,
	  .kind = OPT_CHOICE,
	  .name = "engine",
	  .value = "ENGINE",
	  .help = "What runs the guest: auto, kvm, uml",
	  .flags = OPT_CREATION,
	  .choices = engines },
	{ .id = O_ENGINE_MODE,
	  .kind = OPT_CHOICE,
	  .name = "engine-mode",
	  .value = "MODE",
	  .help = "How uml follows guest processes: auto, ptrace, seccomp",
	  .flags = OPT_CREATION,
	  .choices = modes },
	{ .id = O_ENGINE_JAIL,
	  .kind = OPT_CHOICE,
	  .name = "engine-jail",
	  .value = "JAIL",
	  .help = "strict, or relaxed: run without jail layers the host "
		  "forbids",
	  .flags = OPT_CREATION,
	  .choices = jails },
	{ .id = O_SNAPSHOT,
	  .kind = OPT_TEXT,
	  .name = "from-snapshot",
	  .value = "SNAPSHOT",
	  .what = VALUE_SNAPSHOT,
	  .help = "Begin with what a snapshot kept, instead of with an image" },
	{ .id = O_SNAPSHOT,
	  .kind = OPT_TEXT,
	  .name = "snapshot",
	  .value = "SNAPSHOT",
	  .what = VALUE_SNAPSHOT,
	  .help = "Another name of --from-snapshot",
	  .flags = OPT_HIDDEN },
	{ .id = O_REPLACE,
	  .kind = OPT_SWITCH,
	  .name = "replace",
	  .help = "Replace an existing sandbox of that name" },
	{ .id = O_REPLACE_GRACE,
	  .kind = OPT_TEXT,
	  .name = "replace-with-timeout",
	  .value = "DURATION",
	  .help = "The same, with this time to stop before it is killed "
		  "(default: 10s)" },
	{ .id = O_REPLACE_GRACE,
	  .kind = OPT_TEXT,
	  .name = "replace-with-grace",
	  .value = "DURATION",
	  .help = "Another name of --replace-with-timeout",
	  .flags = OPT_HIDDEN },
	QUIET_OPTION("No progress and success lines"),
	END,
};

static const struct option later_options[] = {
	LATER(OPT_TEXT, "root-disk"),
	LATER(OPT_TEXT, "security"),
	END,
};

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
	{ .id = O_ENV,
	  .kind = OPT_LIST,
	  .letter = 'e',
	  .name = "env",
	  .value = "KEY[=VALUE]",
	  .what = VALUE_VARIABLE,
	  .help = "Set an environment variable, or pass on the host's" },
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
	  .groups = { run_options, sandbox_options, cli_network_options,
		      cli_tls_options, later_options },
	  .titles = { NULL, "Options of a new sandbox", "Network options",
		      "TLS options" },
	  .words = { IMAGE_WORD },
	  .rest = "The command; default: the entrypoint, or a shell on a "
		  "terminal",
	  .failure = EXIT_MSB,
	  .run = cmd_run },
	{ .name = "create",
	  .summary = "Create and boot a sandbox without running a command",
	  .groups = { create_options, sandbox_options, cli_network_options,
		      cli_tls_options, later_options },
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
