/* SPDX-License-Identifier: Apache-2.0 */
/* msb net explain. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "cli/network.h"
#include "cli/show.h"
#include "cli/ui.h"

static const char *text_of(const struct json *o, const char *key)
{
	const struct json *j = jval_get(o, key);

	return j && (j->type == JSON_STRING || j->type == JSON_NUMBER) ? j->text
								       : NULL;
}

/* What stands behind the colon: "443", "1-79", nothing for all of them. */
static void put_ports(struct page *p, const struct json *ports)
{
	const char *start = text_of(ports, "start");
	const char *end = text_of(ports, "end");

	if (!start || !end || (!strcmp(start, "0") && !strcmp(end, "65535")))
		return;
	(void)buf_printf(&p->b, ":%s", start);
	if (strcmp(start, end) != 0)
		(void)buf_printf(&p->b, "-%s", end);
}

/* "allowed  tcp example.com:443  rule 1 (allow@example.com)" */
static void put_answer(struct page *p, const struct json *a)
{
	bool allowed = str_eq(text_of(a, "action"), "allow");
	const char *name = text_of(a, "name");
	const char *address = text_of(a, "address");
	const char *target = name ? name : address;
	const char *by = text_of(a, "decided_by");
	const char *note = text_of(a, "note");
	bool brackets = !name && address && strchr(address, ':');
	enum table_style style = allowed ? STYLE_GREEN_BOLD : STYLE_RED_BOLD;

	(void)buf_printf(&p->b, "%s%s%s  %s ", p->colors ? style_on(style) : "",
			 allowed ? "allowed" : "denied ",
			 p->colors ? STYLE_OFF : "", text_of(a, "protocol"));
	(void)buf_str(&p->b, brackets ? "[" : "");
	text_put_safe(&p->b, target ? target : "");
	(void)buf_str(&p->b, brackets ? "]" : "");
	put_ports(p, jval_get(a, "ports"));
	(void)buf_str(&p->b, "  ");
	text_put_safe(&p->b, by ? by : "-");
	if (note)
		(void)buf_printf(&p->b, "  (%s)", note);
	(void)buf_str(&p->b, "\n");
}

static int print(const struct cli *cli, const char *text)
{
	struct json *o = jval_parse(text, strlen(text));
	const struct json *answers = jval_get(o, "answers");
	struct page p;

	if (!o) {
		ui_error("out of memory");
		return 1;
	}
	if (cli_has(cli, O_FORMAT))
		return show_json(o);
	page_init(&p);
	for (const struct json *a = answers ? answers->first : NULL; a;
	     a = a->next)
		put_answer(&p, a);
	jval_free(o);
	return page_print(&p);
}

/* The policy of the words and options. */
static int explain_options(struct cli *cli, const msb_net_question_t *q,
			   char **ret)
{
	size_t nrules = cli->args.nwords - 1;
	msb_config_t *c = NULL;
	msb_error_t *e = NULL;
	int rc = -1;

	if (!cli_ok(msb_config_new(cli->m, &c, &e), &e))
		return -1;
	if (!network_set_policy(cli, c))
		goto out;
	for (size_t i = 0; i < nrules; i++)
		if (!cli_ok(msb_config_add_net_rules(c, cli->args.words[i], &e),
			    &e))
			goto out;
	if (network_warn(c)) {
		rc = msb_config_net_explain(c, q, ret, &e);
		(void)cli_ok(rc, &e); /* says why */
	}
out:
	msb_config_free(c);
	return rc;
}

static int explain_sandbox(struct cli *cli, const char *name,
			   const msb_net_question_t *q, char **ret)
{
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int rc;

	if (!cli_ok(msb_sandbox_get(cli->m, name, &s, &e), &e))
		return -1;
	rc = msb_sandbox_net_explain(s, q, ret, &e);
	(void)cli_ok(rc, &e); /* says why */
	msb_sandbox_free(s);
	return rc;
}

int cmd_net_explain(struct cli *cli)
{
	const char *sandbox = cli_text(cli, O_SANDBOX);
	msb_net_question_t q = {
		.struct_size = sizeof(q),
		.target = cli->args.words[cli->args.nwords - 1],
		.proto = cli_text(cli, O_PROTO),
		.address = cli_text(cli, O_ADDRESS),
		.ingress = cli_has(cli, O_INGRESS),
	};
	int code = network_check_usage(cli);
	char *text = NULL;
	int rc;

	if (code)
		return code;
	if (sandbox &&
	    (cli->args.nwords > 1 || network_has_policy_options(cli)))
		return cli_usage(cli, "'--sandbox' has its own rules; no "
				      "others can be given");
	if (!cli_open(cli))
		return 1;
	rc = sandbox ? explain_sandbox(cli, sandbox, &q, &text)
		     : explain_options(cli, &q, &text);
	if (rc < 0)
		return 1;
	code = print(cli, text);
	msb_free(text);
	return code || (!rc && cli_has(cli, O_CHECK)) ? 1 : 0;
}
