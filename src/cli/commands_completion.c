/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of msb completion. */
#include "cli/cli.h"
#include "cli/commands.h"

const struct command cli_completion_commands[] = {
	{ .name = "bash",
	  .summary = "Print the script for bash",
	  .details = "In ~/.bashrc:\n\n    source <(msb completion bash)\n\n"
		     "or, loaded when it is needed, as the file\n"
		     "~/.local/share/bash-completion/completions/msb",
	  .run = cmd_completion },
	{ .name = "zsh",
	  .summary = "Print the script for zsh",
	  .details = "In ~/.zshrc, below compinit:\n\n    source <(msb "
		     "completion zsh)\n\nor as the file _msb in a directory "
		     "of $fpath",
	  .run = cmd_completion },
	{ .name = "fish",
	  .summary = "Print the script for fish",
	  .details = "As the file ~/.config/fish/completions/msb.fish, or in "
		     "config.fish:\n\n    msb completion fish | source",
	  .run = cmd_completion },
	END,
};
