/* SPDX-License-Identifier: Apache-2.0 */
/* msb registry login, logout, list. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/cli.h"
#include "cli/show.h"
#include "cli/tty.h"
#include "cli/ui.h"

#define SECRET_MAX (64u << 10)

/* All of standard input, without the end of its last line. */
static int read_stdin(char *secret, size_t size)
{
	struct buf b;
	size_t len;
	int rc;

	buf_init(&b, size - 1);
	rc = io_read_all(STDIN_FILENO, &b);
	len = buf_len(&b);
	if (!rc && len && memchr(buf_data(&b), 0, len))
		rc = -EILSEQ;
	if (!rc && len) {
		memcpy(secret, buf_data(&b), len);
		while (len &&
		       (secret[len - 1] == '\n' || secret[len - 1] == '\r'))
			len--;
		secret[len] = 0;
	}
	if (b.data)
		explicit_bzero(b.data, b.cap);
	buf_fini(&b);
	return rc;
}

static bool get_secret(struct cli *cli, char *secret, size_t size)
{
	int rc;

	if (cli_has(cli, O_PASSWORD_STDIN)) {
		rc = read_stdin(secret, size);
	} else if (isatty(STDIN_FILENO)) {
		rc = tty_read_secret("Password/token: ", secret, size);
	} else {
		ui_error("standard input is no terminal; use "
			 "--password-stdin");
		return false;
	}
	if (rc)
		ui_error("read the password/token: %s", strerror(-rc));
	else if (!*secret)
		ui_error("password/token cannot be empty");
	return !rc && *secret;
}

int cmd_registry_login(struct cli *cli)
{
	const char *host = cli->args.words[0];
	const char *username = cli_text(cli, O_USERNAME);
	char *secret;
	msb_error_t *e = NULL;
	bool ok;

	if (!username)
		return cli_usage(cli, "'--username <USER>' is missing");
	secret = calloc(1, SECRET_MAX);
	if (!secret) {
		ui_error("out of memory");
		return 1;
	}
	ok = get_secret(cli, secret, SECRET_MAX) && cli_open(cli) &&
	     cli_ok(msb_registry_login(cli->m, host, username, secret, &e), &e);
	explicit_bzero(secret, SECRET_MAX);
	free(secret);
	if (ok && !cli_has(cli, O_QUIET))
		ui_success("Logged in", host, NULL, 0);
	return ok ? 0 : 1;
}

int cmd_registry_logout(struct cli *cli)
{
	const char *host = cli->args.words[0];
	msb_error_t *e = NULL;
	bool found = false;

	if (!cli_open(cli) ||
	    !cli_ok(msb_registry_logout(cli->m, host, &found, &e), &e))
		return 1;
	if (!found)
		ui_warn("no stored registry credentials found for `%s`", host);
	else if (!cli_has(cli, O_QUIET))
		ui_success("Logged out", host, NULL, 0);
	return 0;
}

static int add_row(void *ctx, const msb_registry_t *r)
{
	struct table *t = ctx;

	table_row(t);
	table_set(t, 0, r->host, STYLE_PLAIN);
	table_set(t, 1, r->username, STYLE_PLAIN);
	table_set(t, 2, r->source, STYLE_PLAIN);
	return 0;
}

int cmd_registry_list(struct cli *cli)
{
	static const char *const header[] = { "REGISTRY", "USERNAME",
					      "SOURCE" };
	msb_error_t *e = NULL;
	struct table t;
	struct buf b;
	bool ok;

	if (!cli_open(cli))
		return 1;
	table_init(&t, header, ARRAY_SIZE(header));
	ok = cli_ok(msb_registry_list(cli->m, add_row, &t, &e), &e);
	if (ok && !t.rows && !t.failed) {
		buf_init(&b, 64);
		(void)buf_str(&b, "No registries configured.\n");
		ok = !ui_print(&b);
	} else if (ok) {
		return show_table(&t, "");
	}
	table_fini(&t);
	return ok ? 0 : 1;
}
