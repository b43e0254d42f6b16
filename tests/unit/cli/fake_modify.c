/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the stand-in's sandboxes: every call is recorded, and what is told
 * of it is one change of each kind. FAKE_STALE: so many tries find that
 * somebody else was faster. FAKE_NO_CHANGES: everything was as asked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "fake.h"

int msb_sandbox_refresh(msb_sandbox_t *s, msb_error_t **ret_err)
{
	(void)s;
	(void)ret_err;
	return 0;
}

int msb_sandbox_config(const msb_sandbox_t *s, msb_config_t **ret,
		       msb_error_t **ret_err)
{
	return msb_config_new(fake_home(s), ret, ret_err);
}

static int removal(msb_config_t *c, const char *what, const char *text)
{
	fake_called(c->m, "remove_%s %s", what, text);
	return !str_eq(text, "none");
}

int msb_config_remove_env(msb_config_t *c, const char *key)
{
	return removal(c, "env", key);
}

int msb_config_remove_label(msb_config_t *c, const char *key)
{
	return removal(c, "label", key);
}

int msb_config_remove_port(msb_config_t *c, const char *port, msb_error_t **e)
{
	if (str_eq(port, "x"))
		return fake_fail(e, MSB_ERR_INVALID, EINVAL,
				 "invalid config: ", "no port");
	return removal(c, "port", port);
}

int msb_sandbox_modify(msb_sandbox_t *s, const msb_config_t *c, bool dry_run,
		       msb_change_fn fn, void *ctx, msb_error_t **ret_err)
{
	static const msb_change_t changes[] = {
		{ sizeof(changes[0]), "label", "app", false, MSB_CHANGE_NOW },
		{ sizeof(changes[0]), "env", "A", true,
		  MSB_CHANGE_NEW_COMMANDS },
		{ sizeof(changes[0]), "policy", NULL, false, MSB_CHANGE_NOW },
		{ sizeof(changes[0]), "port", "127.0.0.1:80:80/tcp", false,
		  MSB_CHANGE_NEXT_START },
	};
	static unsigned tries;
	const char *stale = getenv("FAKE_STALE");

	for (size_t i = 0; i < c->env.n; i++)
		fake_called(c->m, "env %s", c->env.v[i]);
	for (size_t i = 0; i < c->labels.n; i++)
		fake_called(c->m, "label %s", c->labels.v[i]);
	fake_called(c->m, "modify %s dry_run=%d", msb_sandbox_name(s), dry_run);
	if (stale && tries++ < strtoul(stale, NULL, 10))
		return fake_fail(ret_err, MSB_ERR_SANDBOX_STATE, ESTALE, "",
				 "changed meanwhile");
	if (getenv("FAKE_NO_CHANGES"))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		fn(ctx, &changes[i]);
	return ARRAY_SIZE(changes);
}
