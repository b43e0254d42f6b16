/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a command in a sandbox and following it. */
#include "cli/command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/grammar.h"
#include "cli/tty.h"
#include "cli/ui.h"

#define DEFAULT_DETACH_KEYS "ctrl-]"

static bool wrong(const struct err *err)
{
	ui_grammar_error(err);
	return false;
}

static bool add_rlimits(struct cli *cli, msb_exec_options_t *x)
{
	struct err err = { 0 };
	msb_error_t *e = NULL;
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_RLIMIT, &pos))) {
		struct rlimit_arg r;

		if (grammar_rlimit(text, &r, &err))
			return wrong(&err);
		if (!cli_ok(msb_exec_options_add_rlimit(x, r.resource, r.soft,
							r.hard, &e),
			    &e))
			return false;
	}
	return true;
}

/* -e, -w and -u of exec; those of run describe the sandbox. */
static bool add_own(struct cli *cli, msb_exec_options_t *x)
{
	const char *cwd = cli_text(cli, O_WORKDIR);
	const char *user = cli_text(cli, O_USER);
	struct err err = { 0 };
	msb_error_t *e = NULL;
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_ENV, &pos))) {
		autofree char *key = NULL;
		const char *value;

		if (grammar_env(text, getenv, &key, &value, &err))
			return wrong(&err);
		if (!cli_ok(msb_exec_options_add_env(x, key, value, &e), &e))
			return false;
	}
	if (cwd && !cli_ok(msb_exec_options_set_cwd(x, cwd, &e), &e))
		return false;
	return !user || cli_ok(msb_exec_options_set_user(x, user, &e), &e);
}

/* TERM of the guest's terminal. */
static const char *term_name(void)
{
	const char *term = getenv("TERM");

	if (!term || !term[strspn(term, " \t")] || !strcmp(term, "dumb"))
		return "xterm";
	return term;
}

static void decide_tty(struct cli *cli, struct command_options *o)
{
	bool in = isatty(STDIN_FILENO), out = isatty(STDOUT_FILENO);
	unsigned rows, cols;

	o->tty =
		!cli_has(cli, O_NO_TTY) && (cli_has(cli, O_TTY) || (in && out));
	o->interactive = in || o->tty;
	if (o->tty) {
		tty_size(&rows, &cols);
		msb_exec_options_set_tty(o->exec, true, rows, cols,
					 term_name());
	}
}

bool command_options_parse(struct cli *cli, struct command_options *ret)
{
	bool is_run = args_command(&cli->args)->run == cmd_run;
	const char *keys = cli_text(cli, O_DETACH_KEYS);
	const char *timeout = cli_text(cli, O_TIMEOUT);
	struct command_options o = { .exec = msb_exec_options_new() };
	struct err err = { 0 };
	bool ok = o.exec != NULL;

	if (!ok)
		ui_error("out of memory");
	if (ok && timeout &&
	    grammar_duration("--timeout", timeout, &o.timeout_s, &err))
		ok = wrong(&err);
	if (ok && o.timeout_s > UINT64_MAX / 2000) {
		ui_error("--timeout: duration too long: %s", timeout);
		ok = false;
	}
	if (ok && grammar_detach_keys(keys ? keys : DEFAULT_DETACH_KEYS,
				      o.detach_keys, &o.ndetach_keys, &err))
		ok = wrong(&err);
	ok = ok && add_rlimits(cli, o.exec) && (is_run || add_own(cli, o.exec));
	if (!ok) {
		command_options_fini(&o);
		return false;
	}
	decide_tty(cli, &o);
	*ret = o;
	return true;
}

void command_options_fini(struct command_options *o)
{
	msb_exec_options_free(o->exec);
	o->exec = NULL;
}

/* The command of the words, started. 1, 0: nothing to run, -1: printed. */
static int start(struct cli *cli, msb_sandbox_t *s, bool with_entrypoint,
		 const struct command_options *o, bool interactive,
		 msb_exec_t **ret, int *ret_code)
{
	msb_error_t *e = NULL;
	char **argv = NULL;
	size_t n = 0;
	int rc;

	*ret_code = EXIT_MSB;
	rc = msb_sandbox_resolve_command(s, with_entrypoint, cli->args.rest,
					 cli->args.nrest, interactive, &argv,
					 &n, &e);
	if (!cli_ok(rc, &e))
		return -1;
	if (!argv)
		return 0;
	rc = msb_exec_options_set_command(o->exec, (const char *const *)argv, n,
					  &e);
	msb_free(argv);
	if (rc >= 0)
		rc = msb_exec_start(s, o->exec, ret, &e);
	if (rc >= 0)
		return 1;
	if (e && msb_error_kind(e) == MSB_ERR_EXEC_FAILED)
		*ret_code = ui_exec_failure_code(e);
	ui_library_error(e, NULL);
	return -1;
}

/*
 * A new sandbox whose working directory is not there: the command's failure to
 * start is how that shows.
 */
static void report(msb_error_t *e, const struct command_options *o)
{
	const char *kind = msb_error_detail(e, "kind");

	if (!o->workdir || !kind || strcmp(kind, "bad_cwd") != 0) {
		ui_library_error(e, NULL);
		return;
	}
	if (msb_error_errno(e) == ENOTDIR)
		ui_error("invalid config: workdir is not a directory in "
			 "guest: %s",
			 o->workdir);
	else
		ui_error("invalid config: workdir does not exist in guest: "
			 "%s: %s",
			 o->workdir, msb_error_message(e));
	msb_error_free(e);
}

struct command_end command_follow(const char *sandbox, msb_exec_t *x,
				  const struct command_options *o)
{
	const struct session_options so = {
		.tty = msb_exec_is_tty(x),
		.timeout_ms = o->timeout_s * 1000,
		.detach_keys = o->detach_keys,
		.ndetach_keys = o->ndetach_keys,
	};
	struct session_result r = session_run(x, &so);

	switch (r.end) {
	case SESSION_EXITED:
		break;
	case SESSION_DETACHED:
		(void)io_write_full(STDERR_FILENO, "\n", 1);
		ui_success("Detached", sandbox, NULL, 0);
		ui_context("come back with: msb attach %s", sandbox);
		break;
	case SESSION_TIMEOUT:
		ui_error("exec timed out after %llus",
			 (unsigned long long)o->timeout_s);
		break;
	case SESSION_FAILED:
		if (r.error)
			report(r.error, o);
		break;
	}
	msb_exec_free(x);
	return (struct command_end){ .code = r.code,
				     .detached = r.end == SESSION_DETACHED };
}

struct command_end command_run(struct cli *cli, msb_sandbox_t *s,
			       bool with_entrypoint,
			       const struct command_options *o)
{
	struct command_end end = { 0 };
	msb_exec_t *x;
	int rc = start(cli, s, with_entrypoint, o, o->interactive, &x,
		       &end.code);

	if (rc > 0)
		return command_follow(msb_sandbox_name(s), x, o);
	if (!rc) {
		ui_warn("no command provided and stdin is not a terminal");
		end.code = 0;
	}
	return end;
}

bool command_run_detached(struct cli *cli, msb_sandbox_t *s,
			  const struct command_options *o)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	msb_error_t *e = NULL;
	msb_exec_t *x;
	int code, rc = start(cli, s, true, o, false, &x, &code);

	if (rc <= 0)
		return !rc; /* nothing to run is fine */
	/* Wait until it runs: a program that is not there is told now. */
	do {
		rc = msb_exec_next(x, -1, &ev, &e);
	} while (rc >= 0 && ev.kind == MSB_EXEC_NONE);
	if (rc >= 0 && ev.kind != MSB_EXEC_EXITED)
		rc = msb_exec_detach(x, &e);
	msb_exec_free(x);
	return cli_ok(rc, &e);
}
