/* SPDX-License-Identifier: Apache-2.0 */
/* msb modify. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/grammar.h"
#include "cli/network.h"
#include "cli/newbox.h"
#include "cli/show.h"
#include "cli/ui.h"

#define TRIES 8 /* against others that change the same sandbox */

static const struct {
	const char *json, *text;
} times[] = {
	[MSB_CHANGE_NOW] = { "now", "now" },
	[MSB_CHANGE_NEW_COMMANDS] = { "new_commands", "new commands" },
	[MSB_CHANGE_NEXT_START] = { "next_start", "next start" },
};

/* ---- what to change ------------------------------------------------------ */

/* A duration, or "none" (0). */
static bool set_duration(struct cli *cli, msb_config_t *c, int id,
			 const char *flag,
			 int (*set)(msb_config_t *c, uint64_t s,
				    msb_error_t **e))
{
	const char *text = cli_text(cli, id);
	struct err err = { 0 };
	msb_error_t *e = NULL;
	uint64_t s = 0;

	if (!text)
		return true;
	if (strcmp(text, "none") != 0 &&
	    grammar_duration(flag, text, &s, &err)) {
		ui_grammar_error(&err);
		return false;
	}
	return cli_ok(set(c, s, &e), &e);
}

/* What is not there need not be removed, but is more likely a mistake. */
static bool removed(int rc, const char *what, const char *text, msb_error_t **e)
{
	if (!cli_ok(rc, e))
		return false;
	if (!rc)
		ui_error("there is no %s '%s'", what, text);
	return rc > 0;
}

static bool remove_all(struct cli *cli, msb_config_t *c)
{
	msb_error_t *e = NULL;
	const char *text;
	size_t pos;

	for (pos = 0; (text = args_next(&cli->args, O_ENV_RM, &pos));)
		if (!removed(msb_config_remove_env(c, text),
			     "environment variable", text, &e))
			return false;
	for (pos = 0; (text = args_next(&cli->args, O_LABEL_RM, &pos));)
		if (!removed(msb_config_remove_label(c, text), "label", text,
			     &e))
			return false;
	for (pos = 0; (text = args_next(&cli->args, O_PORT_RM, &pos));)
		if (!removed(msb_config_remove_port(c, text, &e),
			     "published port", text, &e))
			return false;
	return true;
}

static bool change(struct cli *cli, msb_config_t *c)
{
	return remove_all(cli, c) &&
	       newbox_add_env(cli, c, O_ENV, msb_config_add_env) &&
	       newbox_add_labels(cli, c) &&
	       set_duration(cli, c, O_MAX_DURATION, "--max-duration",
			    msb_config_set_max_duration_s) &&
	       set_duration(cli, c, O_IDLE_TIMEOUT, "--idle-timeout",
			    msb_config_set_idle_timeout_s) &&
	       network_set(cli, c);
}

/* ---- what was changed ---------------------------------------------------- */

struct report {
	struct table table;
	struct json *all; /* NULL: a table */
	bool later;	  /* something waits for the next start */
	bool warned;
};

static const char *verb_of(const msb_change_t *c)
{
	if (c->removed)
		return "removed";
	return strcmp(c->field, "port") != 0 ? "set" : "added";
}

static void on_change(void *ctx, const msb_change_t *c)
{
	struct report *r = ctx;
	struct json *o;

	r->later |= c->when == MSB_CHANGE_NEXT_START;
	if (!r->all) {
		table_row(&r->table);
		table_set(&r->table, 0, c->field, STYLE_PLAIN);
		table_set(&r->table, 1, c->name ? c->name : "-", STYLE_PLAIN);
		table_set(&r->table, 2, verb_of(c), STYLE_PLAIN);
		table_set(&r->table, 3, times[c->when].text,
			  c->when == MSB_CHANGE_NOW ? STYLE_GREEN
						    : STYLE_YELLOW_BOLD);
		return;
	}
	o = jval_object();
	(void)jval_add(o, "applies", jval_string(times[c->when].json));
	(void)jval_add(o, "change", jval_string(verb_of(c)));
	(void)jval_add(o, "field", jval_string(c->field));
	if (jval_add(o, "name", jval_string(c->name)))
		o = jval_free(o);
	if (jval_append(r->all, o))
		r->table.failed = true; /* said at the end */
}

static int print(struct cli *cli, struct report *r, const char *name)
{
	if (r->all) {
		if (r->table.failed)
			r->all = jval_free(r->all);
		table_fini(&r->table);
		return show_json(r->all);
	}
	if (cli_has(cli, O_QUIET)) {
		table_fini(&r->table);
		return 0;
	}
	if (show_table(&r->table, "Nothing to change."))
		return 1;
	if (r->later && !cli_has(cli, O_DRY_RUN))
		(void)fprintf(stderr,
			      "What is left for the next start: msb restart "
			      "%s\n",
			      name);
	return 0;
}

/* ---- all together -------------------------------------------------------- */

/* What is allowed but perhaps not what was meant; the first time only. */
static bool warn_once(struct cli *cli, struct report *r, const msb_config_t *c)
{
	static const int ids[] = { O_NET,      O_NO_NET,
				   O_NET_RULE, O_NET_DEFAULT,
				   O_PORT,     O_NET_DEFAULT_EGRESS,
				   O_PORT_RM,  O_NET_DEFAULT_INGRESS };
	bool network = false;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		network = network || cli_has(cli, ids[i]);
	if (!network || r->warned)
		return true;
	r->warned = true;
	return network_warn(c);
}

/* 1 done, 0 somebody else was faster, -1 after a message. */
static int try_once(struct cli *cli, msb_sandbox_t *s, struct report *r)
{
	msb_error_t *e = NULL;
	msb_config_t *c;
	int rc;

	if (!cli_ok(msb_sandbox_refresh(s, &e), &e) ||
	    !cli_ok(msb_sandbox_config(s, &c, &e), &e))
		return -1;
	if (!change(cli, c) || !warn_once(cli, r, c)) {
		msb_config_free(c);
		return -1;
	}
	rc = msb_sandbox_modify(s, c, cli_has(cli, O_DRY_RUN), on_change, r,
				&e);
	msb_config_free(c);
	if (rc < 0 && msb_error_errno(e) == ESTALE) {
		msb_error_free(e);
		return 0;
	}
	return cli_ok(rc, &e) ? 1 : -1;
}

static bool has_changes(const struct cli *cli)
{
	static const int ids[] = { O_DRY_RUN, O_FORMAT, O_QUIET };

	for (size_t i = 0; i < cli->args.nitems; i++) {
		bool change_option = true;

		for (size_t k = 0; k < ARRAY_SIZE(ids); k++)
			if (cli->args.items[i].id == ids[k])
				change_option = false;
		if (change_option)
			return true;
	}
	return false;
}

int cmd_modify(struct cli *cli)
{
	static const char *const header[] = { "SETTING", "NAME", "CHANGE",
					      "APPLIES" };
	const char *name = cli->args.words[0];
	struct report r = { .all = NULL };
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int rc = network_check_usage(cli);

	if (rc)
		return rc;
	if (!has_changes(cli))
		return cli_usage(cli, "say what to change");
	if (!cli_open(cli) ||
	    !cli_ok(msb_sandbox_get(cli->m, name, &s, &e), &e))
		return 1;
	table_init(&r.table, header, ARRAY_SIZE(header));
	if (cli_has(cli, O_FORMAT))
		r.all = jval_array();
	for (unsigned i = 0; !rc && i < TRIES; i++)
		rc = try_once(cli, s, &r);
	msb_sandbox_free(s);
	if (!rc)
		ui_error("sandbox '%s' is being changed by others", name);
	if (rc > 0)
		return print(cli, &r, name);
	table_fini(&r.table);
	jval_free(r.all);
	return 1;
}
