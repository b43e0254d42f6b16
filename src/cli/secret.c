/* SPDX-License-Identifier: Apache-2.0 */
/* From the options about TLS and secrets to the configuration of a sandbox. */
#include "cli/secret.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/str.h"
#include "cli/grammar.h"
#include "cli/ui.h"

/* ---- TLS ----------------------------------------------------------------- */

typedef int (*add_text_fn)(msb_config_t *c, const char *text, msb_error_t **e);

static bool each(struct cli *cli, msb_config_t *c, int id, add_text_fn add)
{
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, id, &pos))) {
		msb_error_t *e = NULL;

		if (!cli_ok(add(c, text, &e), &e))
			return false;
	}
	return true;
}

static bool set_ports(struct cli *cli, msb_config_t *c)
{
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_TLS_PORT, &pos))) {
		msb_error_t *e = NULL;
		uint32_t port;

		if (str_to_u32(text, &port) || !port || port > UINT16_MAX) {
			ui_error("invalid value '%s' for "
				 "'--tls-intercept-port <PORT>': expected a "
				 "whole number from 1 to 65535",
				 text);
			return false;
		}
		if (!cli_ok(msb_config_add_tls_port(c, (uint16_t)port, &e), &e))
			return false;
	}
	return true;
}

static int add_upstream_ca(msb_config_t *c, const char *text, msb_error_t **e)
{
	return msb_config_add_tls_upstream_ca(c, NULL, text, e);
}

static int no_verify(msb_config_t *c, const char *text, msb_error_t **e)
{
	return msb_config_set_tls_verify_upstream(c, text, false, e);
}

/* HOST=FILE */
static bool set_scoped_cas(struct cli *cli, msb_config_t *c)
{
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_TLS_UPSTREAM_CA_FOR, &pos))) {
		const char *eq = strchr(text, '=');
		autofree char *host = NULL;
		msb_error_t *e = NULL;

		if (!eq || eq == text || !eq[1]) {
			ui_error("tls-upstream-ca-cert-for must be in format "
				 "HOST=FILE");
			return false;
		}
		host = strndup(text, (size_t)(eq - text));
		if (!host) {
			ui_error("out of memory");
			return false;
		}
		if (!cli_ok(msb_config_add_tls_upstream_ca(c, host, eq + 1, &e),
			    &e))
			return false;
	}
	return true;
}

bool tls_set(struct cli *cli, msb_config_t *c)
{
	const char *cert = cli_text(cli, O_TLS_CA_CERT);
	const char *key = cli_text(cli, O_TLS_CA_KEY);
	msb_error_t *e = NULL;

	if (cli_has(cli, O_TRUST_HOST_CAS))
		msb_config_set_trust_host_cas(c, true);
	if (cli_has(cli, O_TLS_INTERCEPT))
		msb_config_set_tls_intercept(c);
	if (cli_has(cli, O_NO_BLOCK_QUIC))
		msb_config_set_tls_block_quic(c, false);
	if ((cert || key) &&
	    !cli_ok(msb_config_set_tls_ca(c, cert, key, &e), &e))
		return false;
	return set_ports(cli, c) &&
	       each(cli, c, O_TLS_BYPASS, msb_config_add_tls_bypass) &&
	       each(cli, c, O_TLS_UPSTREAM_CA, add_upstream_ca) &&
	       set_scoped_cas(cli, c) &&
	       each(cli, c, O_TLS_NO_VERIFY, no_verify);
}

/* ---- secrets ------------------------------------------------------------- */

static bool wrong(const struct err *err)
{
	ui_grammar_error(err);
	return false;
}

/* All places chosen for env; 0 = none were. */
static bool places_of(const struct cli *cli, const char *env, unsigned *ret)
{
	const char *text;
	size_t pos = 0;

	*ret = 0;
	while ((text = args_next(&cli->args, O_SECRET_INJECT, &pos))) {
		unsigned places = 0;
		struct err err = { 0 };
		size_t len;

		if (grammar_secret_places(text, &len, &places, &err))
			return wrong(&err);
		if (strlen(env) == len && !strncmp(env, text, len))
			*ret |= places;
	}
	return true;
}

static bool add_secret(struct cli *cli, msb_config_t *c,
		       const struct secret_arg *a)
{
	msb_secret_t s = { .struct_size = sizeof(s),
			   .env = a->env,
			   .value = a->value,
			   .from_file = a->path,
			   .hosts = a->hosts,
			   .nhosts = a->nhosts };
	msb_error_t *e = NULL;

	if (!a->value && !a->path)
		s.from_env = a->env;
	if (!places_of(cli, a->env, &s.places))
		return false;
	if (a->value)
		ui_warn("the value of secret %s can be seen in the list of "
			"processes; better: --secret %s@HOST, with the value "
			"in the environment",
			a->env, a->env);
	return cli_ok(msb_config_add_secret(c, &s, &e), &e);
}

/* argv is ours, and nobody needs this word again. */
static void hide(const char *text)
{
	grammar_secret_hide((char *)(uintptr_t)text);
}

void secrets_hide(const struct cli *cli)
{
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_SECRET, &pos)))
		hide(text);
}

static bool add_secrets(struct cli *cli, msb_config_t *c, bool file)
{
	const int id = file ? O_SECRET_FILE : O_SECRET;
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, id, &pos))) {
		struct secret_arg a;
		struct err err = { 0 };
		bool ok;

		if (grammar_secret(text, file, &a, &err))
			return wrong(&err);
		if (!file)
			hide(text);
		ok = add_secret(cli, c, &a);
		secret_arg_fini(&a);
		if (!ok)
			return false;
	}
	return true;
}

/* Is there a secret with this name? Its values are hidden by now, names are
 * not. */
static bool has_secret(const struct cli *cli, int id, const char *env,
		       size_t len)
{
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, id, &pos)))
		if (strcspn(text, "=@") == len && !strncmp(text, env, len))
			return true;
	return false;
}

static bool check_injects(const struct cli *cli)
{
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_SECRET_INJECT, &pos))) {
		size_t len = strcspn(text, "=");

		if (has_secret(cli, O_SECRET, text, len) ||
		    has_secret(cli, O_SECRET_FILE, text, len))
			continue;
		ui_error("--secret-inject: there is no secret '%.*s'", (int)len,
			 text);
		return false;
	}
	return true;
}

bool secrets_set(struct cli *cli, msb_config_t *c)
{
	static const char *const any[] = { "*" };
	const char *action = cli_text(cli, O_SECRET_VIOLATION);
	msb_error_t *e = NULL;

	if (action) {
		bool pass = !strcmp(action, "passthrough");

		if (!cli_ok(msb_config_set_secret_violation(
				    c, action, pass ? any : NULL, pass, &e),
			    &e))
			return false;
	}
	return add_secrets(cli, c, false) && add_secrets(cli, c, true) &&
	       check_injects(cli);
}
