/* SPDX-License-Identifier: Apache-2.0 */
/* msb run, msb create. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/command.h"
#include "cli/grammar.h"
#include "cli/newbox.h"
#include "cli/secret.h"
#include "cli/show.h"
#include "cli/ui.h"

static bool print_name(const char *name)
{
	struct buf b;

	buf_init(&b, 256);
	(void)buf_printf(&b, "%s\n", name);
	return !ui_print(&b);
}

/* Limits of the whole sandbox: create, and a command of the runtime's own. */
static bool add_sandbox_rlimits(struct cli *cli, msb_config_t *c)
{
	struct err err = { 0 };
	msb_error_t *e = NULL;
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_RLIMIT, &pos))) {
		struct rlimit_arg r;

		if (grammar_rlimit(text, &r, &err)) {
			ui_grammar_error(&err);
			return false;
		}
		if (!cli_ok(msb_config_add_rlimit(c, r.resource, r.soft, r.hard,
						  &e),
			    &e))
			return false;
	}
	return true;
}

/* --- run in an existing sandbox --- */

/*
 * The sandbox of that name, or NULL: *ret_failed tells whether there is none
 * or looking failed.
 */
static msb_sandbox_t *existing(struct cli *cli, bool *ret_failed)
{
	const char *name = cli_text(cli, O_NAME);
	msb_error_t *e = NULL;
	msb_sandbox_t *s;

	*ret_failed = false;
	if (!name || cli_has(cli, O_REPLACE) || cli_has(cli, O_REPLACE_GRACE))
		return NULL;
	if (msb_sandbox_get(cli->m, name, &s, &e) >= 0)
		return s;
	if (e && msb_error_kind(e) == MSB_ERR_SANDBOX_NOT_FOUND) {
		msb_error_free(e);
		return NULL;
	}
	ui_library_error(e, NULL);
	*ret_failed = true;
	return NULL;
}

static int reuse_detached(struct cli *cli, msb_sandbox_t *s,
			  const struct command_options *o)
{
	msb_status_t status = msb_sandbox_status(s);
	msb_error_t *e = NULL;

	if (status != MSB_STATUS_RUNNING && status != MSB_STATUS_DRAINING &&
	    !cli_ok(msb_sandbox_start(s, false, &e), &e))
		return EXIT_MSB;
	if (!command_run_detached(cli, s, o))
		return EXIT_MSB;
	return print_name(msb_sandbox_name(s)) ? 0 : EXIT_MSB;
}

/* Run in s, which is stopped afterwards if it had to be started for this. */
static int run_held(struct cli *cli, msb_sandbox_t *s, bool with_entrypoint,
		    const struct command_options *o)
{
	struct command_end end;
	msb_error_t *e = NULL;
	int rc;

	ui_spinner_start(cli_has(cli, O_QUIET), "Starting",
			 msb_sandbox_name(s));
	rc = msb_sandbox_hold(s, &e);
	ui_spinner_stop();
	if (rc < 0) {
		ui_library_error(e, msb_sandbox_log_dir(s));
		return EXIT_MSB;
	}
	show_relaxed_layers(s);
	end = command_run(cli, s, with_entrypoint, o);
	if (end.detached)
		rc = msb_sandbox_release(s, &e);
	else
		rc = msb_sandbox_drop(s, STOP_TIMEOUT_S * 1000, NULL, &e);
	if (rc < 0) {
		ui_warn("failed to %s sandbox: %s",
			end.detached ? "release" : "stop",
			e ? msb_error_text(e) : "out of memory");
		msb_error_free(e);
	}
	return end.code;
}

static int reuse(struct cli *cli, msb_sandbox_t *s,
		 const struct command_options *o)
{
	/* an installed command always gives them */
	bool flags =
		!cli_has(cli, O_INSTALLED) && newbox_has_creation_options(cli);
	bool snapshot = cli_has(cli, O_SNAPSHOT);
	int code;

	secrets_hide(cli);
	if (flags || snapshot)
		ui_warn("sandbox '%s' already exists; %s%s%s ignored (use "
			"--replace to recreate)",
			msb_sandbox_name(s), snapshot ? "--from-snapshot" : "",
			flags && snapshot ? " and " : "",
			flags ? "creation flags" : "");
	if (cli_has(cli, O_DETACH))
		code = reuse_detached(cli, s, o);
	else
		code = run_held(cli, s, true, o);
	msb_sandbox_free(s);
	return code;
}

/* --- run in a new sandbox --- */

static int new_detached(struct cli *cli, struct newbox *b)
{
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	bool ok;

	if (!cli_ok(msb_config_set_startup(b->config, cli->args.rest,
					   cli->args.nrest, &e),
		    &e) ||
	    !add_sandbox_rlimits(cli, b->config) ||
	    !newbox_create(cli, b, true, &s))
		return EXIT_MSB;
	ok = print_name(msb_sandbox_name(s));
	msb_sandbox_free(s);
	return ok ? 0 : EXIT_MSB;
}

static int new_attached(struct cli *cli, struct newbox *b,
			const struct command_options *o)
{
	struct command_end end;
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int rc;

	msb_config_set_attached(b->config, true);
	if (!newbox_create(cli, b, false, &s))
		return EXIT_MSB;
	newbox_fini(b); /* secrets are not kept in memory meanwhile */
	end = command_run(cli, s, true, o);
	if (end.detached)
		rc = msb_sandbox_release(s, &e);
	else
		rc = msb_sandbox_stop(s, STOP_TIMEOUT_S * 1000, NULL, &e);
	if (rc < 0) {
		ui_warn("failed to %s sandbox: %s",
			end.detached ? "release" : "stop",
			e ? msb_error_text(e) : "out of memory");
		msb_error_free(e);
	}
	msb_sandbox_free(s);
	return end.code;
}

static int run_new(struct cli *cli, struct command_options *o)
{
	struct newbox b;
	int code;

	if (!newbox_build(cli, &b))
		return EXIT_MSB;
	msb_config_set_ephemeral(b.config, !b.name);
	o->workdir = cli_text(cli, O_WORKDIR);
	code = cli_has(cli, O_DETACH) ? new_detached(cli, &b)
				      : new_attached(cli, &b, o);
	newbox_fini(&b);
	return code;
}

/* What only makes sense while somebody follows the command. */
static int check_detached(const struct cli *cli)
{
	static const int foreground[] = { O_TTY, O_TIMEOUT, O_DETACH_KEYS };

	if (!cli_has(cli, O_DETACH))
		return 0;
	for (size_t i = 0; i < cli->args.nitems; i++)
		for (size_t k = 0; k < ARRAY_SIZE(foreground); k++)
			if (cli->args.items[i].opt->id == foreground[k])
				return cli_usage(
					cli,
					"'--%s' cannot be used with '--detach'",
					cli->args.items[i].opt->name);
	return 0;
}

int cmd_run(struct cli *cli)
{
	struct command_options o;
	msb_sandbox_t *s;
	bool failed;
	int code = newbox_check_usage(cli);

	if (!code)
		code = check_detached(cli);
	if (code)
		return code;
	if (!command_options_parse(cli, &o))
		return EXIT_MSB;
	code = EXIT_MSB;
	if (cli_open(cli)) {
		s = existing(cli, &failed);
		if (s)
			code = reuse(cli, s, &o);
		else if (!failed)
			code = run_new(cli, &o);
	}
	command_options_fini(&o);
	return code;
}

int cmd_create(struct cli *cli)
{
	msb_sandbox_t *s;
	struct newbox b;
	int code = newbox_check_usage(cli);
	bool ok = false;

	if (code)
		return code;
	if (!cli_open(cli) || !newbox_build(cli, &b))
		return 1;
	if (add_sandbox_rlimits(cli, b.config) &&
	    newbox_create(cli, &b, true, &s)) {
		ok = b.name || print_name(msb_sandbox_name(s));
		msb_sandbox_free(s);
	}
	newbox_fini(&b);
	return ok ? 0 : 1;
}

/* --- exec, attach --- */

int cmd_exec(struct cli *cli)
{
	struct command_options o;
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int code = EXIT_MSB;

	if (!command_options_parse(cli, &o))
		return EXIT_MSB;
	if (cli_open(cli) &&
	    cli_ok(msb_sandbox_get(cli->m, cli->args.words[0], &s, &e), &e)) {
		code = run_held(cli, s, false, &o);
		msb_sandbox_free(s);
	}
	command_options_fini(&o);
	return code;
}

int cmd_attach(struct cli *cli)
{
	struct command_options o;
	int code = EXIT_MSB;
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	msb_exec_t *x;

	if (!command_options_parse(cli, &o))
		return EXIT_MSB;
	if (cli_open(cli) &&
	    cli_ok(msb_sandbox_get(cli->m, cli->args.words[0], &s, &e), &e)) {
		if (cli_ok(msb_sandbox_attach(s, &x, &e), &e))
			code = command_follow(msb_sandbox_name(s), x, &o).code;
		msb_sandbox_free(s);
	}
	command_options_fini(&o);
	return code;
}
