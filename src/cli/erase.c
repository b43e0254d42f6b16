/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what is in a home. */
#include "cli/erase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/alias_dir.h"
#include "cli/bars.h"
#include "cli/ui.h"

/* All there may be in a home; anything else is not ours. */
static const char *const own[] = {
	"bin",	     "cache",	"config.json", "db",  "lib", "logs",	"run",
	"sandboxes", "secrets", "snapshots",   "ssh", "tls", "volumes",
};

static void told(const char *what, size_t n)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%zu %s%s", n, what,
		       n == 1		     ? ""
		       : str_ends(what, "x") ? "es"
					     : "s");
	if (n)
		ui_success("Removed", text, NULL, 0);
}

static bool remove_below(struct cli *cli, const char *name)
{
	autofree char *path = str_fmt("%s/%s", msb_home(cli->m), name);
	int rc = path ? io_remove_tree(AT_FDCWD, path) : -ENOMEM;

	if (rc)
		ui_error("cannot remove '%s': %s", path ? path : name,
			 strerror(-rc));
	return !rc;
}

/* ---- parts --------------------------------------------------------------- */

static bool end_sandbox(msb_sandbox_t *s)
{
	msb_error_t *e = NULL;
	int rc = 0;

	ui_spinner_start(false, "Removing", msb_sandbox_name(s));
	if (msb_sandbox_status(s) == MSB_STATUS_RUNNING)
		rc = msb_sandbox_stop(s, STOP_TIMEOUT_S * 1000, NULL, &e);
	if (rc >= 0)
		rc = msb_sandbox_remove(s, true, &e);
	ui_spinner_stop();
	/* an ephemeral one goes by itself when it is stopped */
	if (rc < 0 && e && msb_error_kind(e) == MSB_ERR_SANDBOX_NOT_FOUND) {
		msb_error_free(e);
		return true;
	}
	return cli_ok(rc, &e);
}

static bool erase_sandboxes(struct cli *cli)
{
	msb_error_t *e = NULL;
	size_t removed = 0;
	msb_list_t *l;
	bool ok = true;

	if (!cli_ok(msb_sandbox_list(cli->m, &l, &e), &e))
		return false;
	for (size_t i = 0; i < msb_list_count(l); i++) {
		msb_sandbox_t *s;

		/* a handle of our own, to change it */
		if (msb_sandbox_get(cli->m,
				    msb_sandbox_name(msb_list_item(l, i)), &s,
				    NULL) < 0)
			continue; /* gone meanwhile */
		if (end_sandbox(s))
			removed++;
		else
			ok = false;
		msb_sandbox_free(s);
	}
	msb_list_free(l);
	told("sandbox", removed);
	return ok;
}

static bool erase_volumes(struct cli *cli)
{
	msb_error_t *e = NULL;
	msb_volume_list_t *l;
	size_t removed = 0;
	bool ok = true;

	if (!cli_ok(msb_volume_list(cli->m, &l, &e), &e))
		return false;
	for (size_t i = 0; i < msb_volume_list_count(l); i++) {
		const char *name = msb_volume_name(msb_volume_list_item(l, i));

		if (cli_ok(msb_volume_remove(cli->m, name, &e), &e))
			removed++;
		else
			ok = false;
	}
	msb_volume_list_free(l);
	told("volume", removed);
	return ok;
}

static bool erase_snapshots(struct cli *cli)
{
	msb_snapshot_list_t *l;
	msb_error_t *e = NULL;
	size_t removed = 0;
	bool ok = true;

	if (!cli_ok(msb_snapshot_list(cli->m, &l, &e), &e))
		return false;
	for (size_t i = 0; i < msb_snapshot_list_count(l); i++) {
		const char *path =
			msb_snapshot_path(msb_snapshot_list_item(l, i));

		if (cli_ok(msb_snapshot_remove(cli->m, path, true, &e), &e))
			removed++;
		else
			ok = false;
	}
	msb_snapshot_list_free(l);
	told("snapshot", removed);
	return ok;
}

static bool erase_cache(struct cli *cli)
{
	msb_image_freed_t freed = { .struct_size = sizeof(freed) };
	msb_error_t *e = NULL;
	char size[24];
	int rc;

	ui_spinner_start(false, "Removing", "images");
	rc = msb_image_prune(cli->m, &freed, &e);
	ui_spinner_stop();
	if (!cli_ok(rc, &e))
		return false;
	if (freed.references || freed.bytes)
		ui_success("Removed", "images",
			   bytes_text(freed.bytes, size, sizeof(size)), 0);
	return true;
}

static bool erase_installs(struct cli *cli)
{
	autofree char *bin = str_fmt("%s/bin", msb_home(cli->m));
	struct strv names = { 0 };
	struct err err = { 0 };
	size_t removed = 0;
	autoclose int dir = bin ? alias_dir_open(bin, false, &err) : -ENOMEM;

	if (dir == -ENOENT)
		return true;
	if (dir < 0 || alias_dir_names(dir, &names, &err)) {
		strv_fini(&names);
		ui_grammar_error(&err);
		return false;
	}
	for (size_t i = 0; i < names.n; i++) {
		struct alias_info info;

		if (alias_dir_read(dir, names.v[i], &info))
			continue; /* not made by msb install */
		alias_info_fini(&info);
		removed += unlinkat(dir, names.v[i], 0) == 0;
	}
	strv_fini(&names);
	told("installed command", removed);
	return true;
}

static bool erase_logs(struct cli *cli)
{
	msb_error_t *e = NULL;
	size_t removed = 0;
	msb_list_t *l;

	if (!cli_ok(msb_sandbox_list(cli->m, &l, &e), &e))
		return false;
	for (size_t i = 0; i < msb_list_count(l); i++) {
		const msb_sandbox_t *s = msb_list_item(l, i);
		const char *dir = msb_sandbox_log_dir(s);

		if (msb_sandbox_status(s) != MSB_STATUS_STOPPED &&
		    msb_sandbox_status(s) != MSB_STATUS_CRASHED)
			continue;
		/* the next start wants the directory */
		if (!io_remove_tree(AT_FDCWD, dir) && !mkdir(dir, 0700))
			removed++;
	}
	msb_list_free(l);
	told("log", removed);
	return remove_below(cli, "logs");
}

static bool erase_secrets(struct cli *cli)
{
	bool ok = remove_below(cli, "secrets");

	ok = remove_below(cli, "tls") && ok;
	ok = remove_below(cli, "ssh") && ok;
	if (ok)
		ui_success("Removed", "secrets", NULL, 0);
	return ok;
}

static bool erase_database(struct cli *cli)
{
	autofree char *path = str_fmt("%s/db", msb_home(cli->m));
	int rc;

	/* nobody may write into it any more, and least of all we */
	msb_close(cli->m);
	cli->m = NULL;
	rc = path ? io_remove_tree(AT_FDCWD, path) : -ENOMEM;
	if (rc)
		ui_error("cannot remove the database: %s", strerror(-rc));
	else
		ui_success("Removed", "database", NULL, 0);
	return !rc;
}

bool erase_parts(struct cli *cli, unsigned what)
{
	static const struct {
		unsigned part;
		bool (*erase)(struct cli *cli);
	} steps[] = {
		{ ERASE_SANDBOXES, erase_sandboxes },
		{ ERASE_VOLUMES, erase_volumes },
		{ ERASE_ALL, erase_snapshots },
		{ ERASE_CACHE, erase_cache },
		{ ERASE_INSTALLS, erase_installs },
		{ ERASE_LOGS, erase_logs },
		{ ERASE_SECRETS, erase_secrets },
	};
	bool ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		if ((what & steps[i].part) == steps[i].part)
			ok = steps[i].erase(cli) && ok;
	if (ok && what == ERASE_ALL)
		msb_home_forget(cli->m);
	if (ok && what & ERASE_DATABASE)
		ok = erase_database(cli);
	return ok;
}

/* ---- the whole ----------------------------------------------------------- */

bool erase_home(struct cli *cli, const char *home)
{
	autoclose int dir = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (cli->m) /* of a home that is not to come into being again */
		msb_close(cli->m);
	cli->m = NULL;
	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(own); i++) {
		int rc = io_remove_tree(dir, own[i]);

		if (rc) {
			ui_error("cannot remove '%s/%s': %s", home, own[i],
				 strerror(-rc));
			return false;
		}
	}
	if (rmdir(home) == 0 || errno == ENOENT)
		ui_success("Removed", home, NULL, 0);
	else if (errno == ENOTEMPTY || errno == EEXIST)
		ui_warn("%s stays, as it holds files that are not msb's", home);
	else
		ui_warn("cannot remove %s: %s", home, strerror(errno));
	return true;
}
