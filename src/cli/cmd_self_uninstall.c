/* SPDX-License-Identifier: Apache-2.0 */
/* msb self uninstall: all that msb has made, or parts of it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/erase.h"
#include "cli/json.h"
#include "cli/menu.h"
#include "cli/shell_rc.h"
#include "cli/ui.h"

#define CONFIG_MAX (1u << 20)

/* In the order of the menu; the first stands for all. */
static const struct {
	const char *name, *what;
	unsigned part;
} parts[] = {
	{ "All", "everything, and msb itself where it is in the home",
	  ERASE_ALL },
	{ "Sandboxes", "stopped first where they run", ERASE_SANDBOXES },
	{ "Volumes", "named volumes with their files", ERASE_VOLUMES },
	{ "Cache", "images that no sandbox uses", ERASE_CACHE },
	{ "Installs", "commands made by msb install", ERASE_INSTALLS },
	{ "Database", "records; only with sandboxes and volumes",
	  ERASE_DATABASE },
	{ "Logs", "of sandboxes that do not run", ERASE_LOGS },
	{ "Secrets", "logins, certificate authority, ssh keys", ERASE_SECRETS },
};
_Static_assert(ARRAY_SIZE(parts) <= MENU_MAX, "the menu has not enough lines");

/* The directory msb uses, if it is there; malloc'ed. */
static char *find_home(void)
{
	const char *given = getenv("MSB_HOME"), *user = getenv("HOME");
	autofree char *usual = NULL;

	if (given && *given)
		return realpath(given, NULL);
	usual = user && *user ? str_fmt("%s/.microsandbox", user)
			      : strdup(".microsandbox");
	return usual ? realpath(usual, NULL) : NULL;
}

/* Better nothing than the files of a person. */
static bool is_safe(const char *home)
{
	const char *user = getenv("HOME");
	autofree char *person = user && *user ? realpath(user, NULL) : NULL;
	size_t n = strlen(home);

	if (strcmp(home, "/") != 0 &&
	    (!person || strncmp(person, home, n) != 0 ||
	     (person[n] && person[n] != '/')))
		return true;
	ui_error("'%s' is not a directory of msb's alone; nothing is removed",
		 home);
	return false;
}

/* ---- choosing ------------------------------------------------------------ */

/* "Remove Sandboxes, Cache?" */
static bool confirm(unsigned chosen)
{
	char question[256] = "Remove";
	const char *before = " ";

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		size_t n = strlen(question);

		if ((chosen & parts[i].part) != parts[i].part ||
		    (i && (chosen & ERASE_ALL) == ERASE_ALL))
			continue;
		(void)snprintf(question + n, sizeof(question) - n, "%s%s",
			       before, parts[i].name);
		before = ", ";
	}
	(void)snprintf(question + strlen(question),
		       sizeof(question) - strlen(question), "?");
	return ui_confirm(question);
}

/* What to remove; 0: nothing, after a message. */
static unsigned choose(void)
{
	char lines[ARRAY_SIZE(parts)][80];
	const char *list[ARRAY_SIZE(parts)];
	bool chosen[ARRAY_SIZE(parts)];
	unsigned all = 0;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		(void)snprintf(lines[i], sizeof(lines[i]), "%-10s %s",
			       parts[i].name, parts[i].what);
		list[i] = lines[i];
	}
	rc = menu_select("What to remove: space chooses, enter goes on, "
			 "escape gives up",
			 list, ARRAY_SIZE(parts), chosen);
	for (size_t i = 0; rc > 0 && i < ARRAY_SIZE(parts); i++)
		if (chosen[i])
			all |= parts[i].part;
	if (!all || !confirm(all)) {
		ui_info("Aborted.");
		return 0;
	}
	return all;
}

/* ---- doing it ------------------------------------------------------------ */

static void told(const char *path)
{
	ui_success("Cleaned", path, NULL, 0);
}

/* What the settings have elsewhere is perhaps not ours alone. */
static void warn_of_paths(const char *home)
{
	static const char *const names[] = { "secrets", "logs" };
	autofree char *path = str_fmt("%s/config.json", home);
	struct json *root = NULL;
	struct buf b;

	buf_init(&b, CONFIG_MAX);
	if (path && !io_read_file_at(AT_FDCWD, path, &b))
		root = jval_parse((const char *)buf_data(&b), buf_len(&b));
	for (size_t i = 0; root && i < ARRAY_SIZE(names); i++) {
		const char *to =
			jval_str(jval_get(jval_get(root, "paths"), names[i]));

		if (to)
			ui_warn("%s (paths.%s in config.json) stays", to,
				names[i]);
	}
	jval_free(root);
	buf_fini(&b);
}

/* Programs in the home go with it, others do not. */
static void tell_program(const char *home)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = 0;
	if (n > 0 && (strncmp(path, home, strlen(home)) != 0 ||
		      path[strlen(home)] != '/'))
		ui_context("%s was not part of it, and stays", path);
}

static int uninstall_all(struct cli *cli, const char *home)
{
	const char *user = getenv("HOME");
	/* "home" in config.json may have put the state elsewhere */
	autofree char *state = realpath(msb_home(cli->m), NULL);
	struct err err = { 0 };

	if (!state) {
		ui_error("cannot use '%s': %s", msb_home(cli->m),
			 strerror(errno));
		return 1;
	}
	if (!is_safe(state))
		return 1;
	if (user && *user && shell_rc_check(user, &err)) {
		ui_grammar_error(&err);
		return 1;
	}
	warn_of_paths(home);
	if (!erase_parts(cli, ERASE_ALL) || !erase_home(cli, state) ||
	    (strcmp(state, home) != 0 && !erase_home(cli, home)))
		return 1;
	if (user && *user && shell_rc_clean(user, told, &err)) {
		ui_grammar_error(&err);
		return 1;
	}
	ui_done("Uninstall complete. A new shell no longer knows of msb.");
	tell_program(home);
	return 0;
}

int cmd_self_uninstall(struct cli *cli)
{
	unsigned what = ERASE_ALL;
	autofree char *home = find_home();

	if (!home) {
		ui_info("Nothing to uninstall.");
		return 0;
	}
	if (!is_safe(home))
		return 1;
	if (!cli_has(cli, O_YES)) {
		if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
			ui_error("non-interactive terminal; use --yes to "
				 "remove everything");
			return 1;
		}
		what = choose();
		if (!what)
			return 0;
	}
	if (what & ERASE_DATABASE &&
	    (what & ERASE_RECORDED) != ERASE_RECORDED) {
		ui_error("the database can only go together with sandboxes "
			 "and volumes, which are recorded in it");
		return 1;
	}
	if (!cli_open(cli))
		return 1;
	if ((what & ERASE_ALL) == ERASE_ALL)
		return uninstall_all(cli, home);
	return erase_parts(cli, what) ? 0 : 1;
}
