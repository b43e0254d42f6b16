/* SPDX-License-Identifier: Apache-2.0 */
/* msb self update, msb self downgrade. */
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/alias_dir.h"
#include "cli/bars.h"
#include "cli/cli.h"
#include "cli/ui.h"

/* ---- waiting ------------------------------------------------------------- */

static int on_progress(void *ctx, const msb_image_event_t *e)
{
	bool *shown = ctx;

	if (e->kind != MSB_IMAGE_DOWNLOAD || !e->total)
		return 0;
	if (!*shown)
		bars_show(1, &e->total);
	*shown = true;
	bars_update(0, BAR_DOWNLOAD, e->bytes, e->total);
	return 0;
}

static int install(const msb_release_t *r, bool again, msb_error_t **e)
{
	msb_image_options_t *o = msb_image_options_new();
	autofree char *target = str_fmt("v%s", msb_release_version(r));
	bool shown = false;
	int rc;

	if (o) /* else nobody is told */
		msb_image_options_set_progress(o, on_progress, &shown);
	ui_spinner_start(false, "Installing", target ? target : "");
	rc = msb_release_install(r, again, o, e);
	ui_spinner_stop();
	msb_image_options_free(o);
	return rc;
}

/* ---- what is said -------------------------------------------------------- */

static int failed(const char *what, msb_error_t *e)
{
	ui_error("%s failed: %s", what,
		 e ? msb_error_message(e) : "out of memory");
	msb_error_free(e);
	return 1;
}

static void tell_place(const struct cli *cli)
{
	autofree char *bin = str_fmt("%s/bin", msb_home(cli->m));

	if (!bin)
		return;
	ui_done("Installed as %s/msb.", bin);
	if (!alias_dir_leads_to("msb", bin))
		ui_context("msb is found elsewhere on PATH, or not at all; "
			   "to have it found here, put %s in front",
			   bin);
}

/* ---- the commands -------------------------------------------------------- */

static msb_release_t *find(struct cli *cli, bool older, msb_error_t **e)
{
	const msb_release_query_t q = {
		.struct_size = sizeof(q),
		.source = cli_text(cli, O_FROM),
		.ca_certs = cli_text(cli, O_CA_CERTS),
		.version = cli->args.nwords ? cli->args.words[0] : NULL,
		.older = older,
	};
	msb_release_t *r = NULL;
	int rc;

	ui_spinner_start(false, "Looking", "for releases");
	rc = msb_release_find(cli->m, &q, &r, e);
	ui_spinner_stop();
	return rc < 0 ? NULL : r;
}

static int use(struct cli *cli, const msb_release_t *r, const char *what,
	       const char *done)
{
	uint64_t begin = clock_mono_ms();
	msb_error_t *e = NULL;
	char took[32];

	if (install(r, cli_has(cli, O_FORCE), &e) < 0)
		return failed(what, e);
	ui_done("%s v%s in %s.", done, msb_release_version(r),
		ui_duration(clock_mono_ms() - begin, took, sizeof(took)));
	tell_place(cli);
	return 0;
}

int cmd_self_update(struct cli *cli)
{
	msb_error_t *e = NULL;
	msb_release_t *r;
	int code = 0;

	if (!cli_open(cli))
		return 1;
	ui_info("Current version: v%s", msb_version());
	r = find(cli, false, &e);
	if (!r)
		return failed("update", e);
	ui_info("Latest version: v%s", msb_release_version(r));
	if (cli_has(cli, O_FORCE) || msb_release_order(r) > 0)
		code = use(cli, r, "update", "Updated to");
	else if (!msb_release_order(r))
		ui_done("Already up to date.");
	else
		ui_done("This is newer than the latest release; msb downgrade "
			"goes back.");
	msb_release_free(r);
	return code;
}

int cmd_self_downgrade(struct cli *cli)
{
	msb_error_t *e = NULL;
	msb_release_t *r;
	int code = 1;

	if (!cli_open(cli))
		return 1;
	ui_info("Current version: v%s", msb_version());
	r = find(cli, true, &e);
	if (!r)
		return failed("downgrade", e);
	ui_info("Chosen version: v%s", msb_release_version(r));
	if (msb_release_order(r) < 0 || cli_has(cli, O_FORCE))
		code = use(cli, r, "downgrade", "Went back to");
	else
		ui_error("downgrade failed: v%s is not older (--force installs "
			 "it all the same)",
			 msb_release_version(r));
	msb_release_free(r);
	return code;
}
