/* SPDX-License-Identifier: Apache-2.0 */
/* msb ping, msb touch. */
#include "base/buf.h"
#include "cli/cli.h"
#include "cli/select.h"
#include "cli/ui.h"

#define ANSWER_TIMEOUT_S 5u
#define LINE_MAX_BYTES 512u

static uint64_t timeout_ms(const struct cli *cli)
{
	uint64_t seconds = ANSWER_TIMEOUT_S;

	(void)args_number(&cli->args, O_STOP_TIMEOUT, &seconds);
	return seconds * 1000;
}

static int print_answer(const char *name, uint64_t us)
{
	struct buf b;

	buf_init(&b, LINE_MAX_BYTES);
	(void)buf_printf(&b, "%s: %llu.%03llu ms\n", name,
			 (unsigned long long)us / 1000,
			 (unsigned long long)us % 1000);
	return ui_print(&b) ? 1 : 0;
}

static int ping_one(struct cli *cli, const char *name)
{
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	uint64_t us;
	int rc = select_get(cli, name, false, &s);

	if (rc <= 0)
		return rc;
	rc = cli_ok(msb_sandbox_ping(s, timeout_ms(cli), &us, &e), &e) ? 0 : 1;
	if (!rc && !cli_has(cli, O_QUIET))
		rc = print_answer(name, us);
	msb_sandbox_free(s);
	return rc;
}

int cmd_ping(struct cli *cli)
{
	return select_each(cli, status_is_up, ping_one);
}

static int touch_one(struct cli *cli, const char *name)
{
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int rc = select_get(cli, name, false, &s);

	if (rc <= 0)
		return rc;
	rc = cli_ok(msb_sandbox_touch(s, timeout_ms(cli), &e), &e) ? 0 : 1;
	if (!rc && !cli_has(cli, O_QUIET))
		ui_success("Touched", name, NULL, 0);
	msb_sandbox_free(s);
	return rc;
}

int cmd_touch(struct cli *cli)
{
	return select_each(cli, status_is_up, touch_one);
}
