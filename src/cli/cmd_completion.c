/* SPDX-License-Identifier: Apache-2.0 */
/* msb completion, and what its scripts ask. */
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/complete.h"
#include "cli/completion_scripts.h"
#include "cli/ui.h"

#define ANSWER_MAX (16u << 20)

static const struct {
	const char *shell, *script;
} scripts[] = {
	{ "bash", completion_bash },
	{ "zsh", completion_zsh },
	{ "fish", completion_fish },
};

int cmd_completion(struct cli *cli)
{
	const char *shell = args_command(&cli->args)->name;
	struct buf b;

	buf_init(&b, ANSWER_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
		if (!strcmp(scripts[i].shell, shell))
			(void)buf_str(&b, scripts[i].script);
	return ui_print(&b) ? 1 : 0;
}

int cmd_complete(struct cli *cli)
{
	struct buf b;

	buf_init(&b, ANSWER_MAX);
	complete_words(cli, cli->args.rest, cli->args.nrest, &b);
	/* Whoever presses a key does not wait for records to be mended. */
	if (cli->m)
		msb_close(cli->m);
	cli->m = NULL;
	return ui_print(&b) ? 1 : 0;
}
