/* SPDX-License-Identifier: Apache-2.0 */
/* Headings of msb --help, and which command stands below which. */
#include "cli/commands.h"

const struct section cli_sections[] = {
	{ "Run", { "run", "create", "exec", "attach", "ssh", "copy" } },
	{ "Sandboxes",
	  { "start", "stop", "restart", "remove", "modify", "touch", "ping" } },
	{ "Look", { "list", "status", "inspect", "logs", "metrics", "net" } },
	{ "Images and data",
	  { "image", "pull", "load", "save", "registry", "volume",
	    "snapshot" } },
	{ "This installation",
	  { "install", "uninstall", "self", "update", "downgrade", "doctor",
	    "completion", "help" } },
	{ NULL, { NULL } },
};
