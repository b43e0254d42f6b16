/* SPDX-License-Identifier: Apache-2.0 */
/* msb start, stop, restart, remove. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/select.h"
#include "cli/show.h"
#include "cli/ui.h"

/* Errors of start and remove stay silent with -q; the exit code tells. */
static int failed(const struct cli *cli, msb_error_t *e, const char *log_dir)
{
	if (cli_has(cli, O_QUIET))
		msb_error_free(e);
	else
		ui_library_error(e, log_dir);
	return 1;
}

static bool is_down(msb_status_t status)
{
	return !status_is_up(status);
}

static int start_one(struct cli *cli, const char *name)
{
	uint64_t begin = clock_mono_ms();
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int rc = select_get(cli, name, cli_has(cli, O_QUIET), &s);

	if (rc <= 0)
		return rc;
	ui_spinner_start(cli_has(cli, O_QUIET), "Starting", name);
	rc = msb_sandbox_start(s, false, &e);
	ui_spinner_stop();
	if (rc >= 0)
		show_relaxed_layers(s);
	if (rc < 0)
		rc = failed(cli, e, msb_sandbox_log_dir(s));
	else if (!cli_has(cli, O_QUIET))
		ui_success("Started", name, NULL, clock_mono_ms() - begin);
	msb_sandbox_free(s);
	return rc > 0;
}

int cmd_start(struct cli *cli)
{
	return select_each(cli, is_down, start_one);
}

static const char *stop_note(msb_stop_result_t result)
{
	switch (result) {
	case MSB_STOP_NOT_RUNNING:
		return "was not running";
	case MSB_STOP_GRACEFUL:
		return "graceful";
	case MSB_STOP_FORCED:
		return "forced";
	}
	return NULL;
}

static int stop(struct cli *cli, msb_sandbox_t *s, msb_stop_result_t *result)
{
	uint64_t seconds = STOP_TIMEOUT_S;
	msb_error_t *e = NULL;
	int rc;

	(void)args_number(&cli->args, O_STOP_TIMEOUT, &seconds);
	if (cli_has(cli, O_FORCE))
		seconds = 0;
	ui_spinner_start(cli_has(cli, O_QUIET), "Stopping",
			 msb_sandbox_name(s));
	rc = msb_sandbox_stop(s, seconds * 1000, result, &e);
	ui_spinner_stop();
	if (rc < 0) {
		ui_library_error(e, NULL);
		return 1;
	}
	if (*result == MSB_STOP_FORCED && seconds)
		ui_warn("%s did not stop within %llus and was killed; pending "
			"writes may be lost",
			msb_sandbox_name(s), (unsigned long long)seconds);
	return 0;
}

static int stop_one(struct cli *cli, const char *name)
{
	uint64_t begin = clock_mono_ms();
	msb_stop_result_t result;
	msb_sandbox_t *s;
	int rc = select_get(cli, name, false, &s);

	if (rc <= 0)
		return rc;
	rc = stop(cli, s, &result);
	if (!rc && !cli_has(cli, O_QUIET))
		ui_success("Stopped", name, stop_note(result),
			   clock_mono_ms() - begin);
	msb_sandbox_free(s);
	return rc;
}

int cmd_stop(struct cli *cli)
{
	return select_each(cli, status_is_up, stop_one);
}

static int restart_one(struct cli *cli, const char *name)
{
	uint64_t begin = clock_mono_ms();
	msb_stop_result_t result;
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int rc = select_get(cli, name, false, &s);

	if (rc <= 0)
		return rc;
	/* better not to stop what cannot be started again */
	rc = msb_sandbox_check_start(s, &e);
	if (rc < 0)
		ui_library_error(e, NULL);
	else
		rc = stop(cli, s, &result);
	if (!rc) {
		ui_spinner_start(cli_has(cli, O_QUIET), "Starting", name);
		rc = msb_sandbox_start(s, false, &e);
		ui_spinner_stop();
		if (rc >= 0)
			show_relaxed_layers(s);
		if (rc < 0)
			ui_library_error(e, msb_sandbox_log_dir(s));
		else if (!cli_has(cli, O_QUIET))
			ui_success("Restarted", name, NULL,
				   clock_mono_ms() - begin);
	}
	msb_sandbox_free(s);
	return rc != 0;
}

int cmd_restart(struct cli *cli)
{
	return select_each(cli, NULL, restart_one);
}

static int remove_one(struct cli *cli, const char *name)
{
	uint64_t begin = clock_mono_ms();
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int rc = select_get(cli, name, cli_has(cli, O_QUIET), &s);

	if (rc <= 0)
		return rc;
	ui_spinner_start(cli_has(cli, O_QUIET), "Removing", name);
	rc = msb_sandbox_remove(s, cli_has(cli, O_FORCE), &e);
	ui_spinner_stop();
	if (rc < 0)
		rc = failed(cli, e, NULL);
	else if (!cli_has(cli, O_QUIET))
		ui_success("Removed", name, NULL, clock_mono_ms() - begin);
	msb_sandbox_free(s);
	return rc > 0;
}

int cmd_remove(struct cli *cli)
{
	return select_each(cli, NULL, remove_one);
}
