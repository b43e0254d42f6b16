/* SPDX-License-Identifier: Apache-2.0 */
/* msb copy. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/grammar.h"
#include "cli/show.h"
#include "cli/ui.h"

struct end {
	struct copy_arg arg;
	msb_sandbox_t *s; /* NULL: the host */
	bool borrowed;	  /* s is the other end's */
};

static bool end_parse(const char *text, struct end *ret)
{
	struct err err = { 0 };

	if (!grammar_copy(text, &ret->arg, &err))
		return true;
	ui_grammar_error(&err);
	return false;
}

static bool end_open(struct cli *cli, struct end *e, const struct end *other)
{
	msb_error_t *err = NULL;
	int rc;

	if (!e->arg.sandbox)
		return true;
	if (other && other->s && str_eq(other->arg.sandbox, e->arg.sandbox)) {
		e->s = other->s;
		e->borrowed = true;
		return true;
	}
	if (!cli_ok(msb_sandbox_get(cli->m, e->arg.sandbox, &e->s, &err), &err))
		return false;
	ui_spinner_start(cli_has(cli, O_QUIET), "Starting", e->arg.sandbox);
	rc = msb_sandbox_hold(e->s, &err);
	ui_spinner_stop();
	if (rc >= 0) {
		show_relaxed_layers(e->s);
		return true;
	}
	ui_library_error(err, msb_sandbox_log_dir(e->s));
	return false;
}

/* False when a sandbox that was started for this could not be stopped. */
static bool end_close(struct end *e)
{
	msb_error_t *err = NULL;
	int rc = 0;

	if (e->s && !e->borrowed) {
		rc = msb_sandbox_drop(e->s, STOP_TIMEOUT_S * 1000, NULL, &err);
		if (rc < 0)
			ui_warn("failed to stop sandbox: %s",
				err ? msb_error_text(err) : "out of memory");
		msb_error_free(err);
		msb_sandbox_free(e->s);
	}
	copy_arg_fini(&e->arg);
	return rc >= 0;
}

static void on_skipped(void *ctx, const char *path, const char *why)
{
	(void)ctx;
	ui_error("not copied: %s: %s", path, why);
}

static int copy(struct cli *cli, const struct end *from, const struct end *to)
{
	const msb_copy_options_t o = { .struct_size = sizeof(o),
				       .skipped = on_skipped };
	msb_error_t *e = NULL;
	int64_t rc;

	ui_spinner_start(cli_has(cli, O_QUIET), "Copying", cli->args.words[0]);
	rc = msb_copy(from->s, from->arg.path, to->s, to->arg.path, &o, &e);
	ui_spinner_stop();
	if (rc < 0)
		ui_library_error(e, NULL);
	return rc ? 1 : 0;
}

int cmd_copy(struct cli *cli)
{
	struct end from = { .s = NULL }, to = { .s = NULL };
	int code = 1;

	if (!end_parse(cli->args.words[0], &from))
		return 1;
	if (!end_parse(cli->args.words[1], &to)) {
		copy_arg_fini(&from.arg);
		return 1;
	}
	if (!from.arg.sandbox && !to.arg.sandbox)
		code = cli_usage(cli, "neither side is in a sandbox: write "
				      "NAME:/path for a path in one");
	else if (cli_open(cli) && end_open(cli, &from, NULL) &&
		 end_open(cli, &to, &from))
		code = copy(cli, &from, &to);
	if (!end_close(&to))
		code = 1;
	if (!end_close(&from))
		code = 1;
	return code;
}
