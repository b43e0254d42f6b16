/* SPDX-License-Identifier: Apache-2.0 */
/* msb install, msb uninstall. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/alias.h"
#include "cli/alias_dir.h"
#include "cli/cli.h"
#include "cli/grammar.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/ui.h"

static bool wrong(const struct err *err)
{
	ui_grammar_error(err);
	return false;
}

/* ---- what is to be installed --------------------------------------------- */

struct install {
	struct alias alias;
	char *name, *image, *home;    /* owned */
	struct alias_option *options; /* owned */
};

static void install_fini(struct install *i)
{
	free(i->name);
	free(i->image);
	free(i->home);
	free(i->options);
}

/* Options in the order in which they stand in the script. */
static bool take_options(const struct cli *cli, struct install *i)
{
	static const struct {
		int id;
		const char *flag;
	} kept[] = {
		{ O_CPUS, "-c" },    { O_MEMORY, "-m" },     { O_VOLUME, "-v" },
		{ O_WORKDIR, "-w" }, { O_SHELL, "--shell" }, { O_ENV, "-e" },
	};
	size_t n = 0;

	i->options = calloc(cli->args.nitems + 1, sizeof(*i->options));
	if (!i->options) {
		ui_error("out of memory");
		return false;
	}
	for (size_t k = 0; k < ARRAY_SIZE(kept); k++) {
		const char *value;
		size_t pos = 0;

		while ((value = args_next(&cli->args, kept[k].id, &pos)))
			i->options[n++] =
				(struct alias_option){ .flag = kept[k].flag,
						       .value = value };
	}
	i->alias.options = i->options;
	i->alias.noptions = n;
	return true;
}

/* The command may be called from anywhere. */
static bool take_image(const char *word, struct install *i)
{
	i->image = *word == '.' ? realpath(word, NULL) : strdup(word);
	if (!i->image)
		ui_error("cannot use '%s': %s", word, strerror(errno));
	i->alias.image = i->image;
	return i->image != NULL;
}

static bool take_name(const struct cli *cli, struct install *i)
{
	const char *given = cli_text(cli, O_NAME);
	struct err err = { 0 };

	i->name = given ? strdup(given) : alias_derive_name(i->image);
	if (!i->name) {
		ui_error("out of memory");
		return false;
	}
	i->alias.name = i->name;
	return alias_check_name(i->name, &err) ? wrong(&err) : true;
}

/* A home that is not where msb looks by itself goes into the script. */
static bool take_home(struct install *i)
{
	const char *given = getenv("MSB_HOME"), *user = getenv("HOME");
	autofree char *usual = NULL;

	if (!given || !*given)
		return true;
	i->home = realpath(given, NULL);
	usual = str_fmt("%s/.microsandbox", user ? user : "");
	if (!i->home || !usual) {
		ui_error("cannot use '%s': %s", given, strerror(errno));
		return false;
	}
	if (strcmp(i->home, usual) != 0)
		i->alias.home = i->home;
	return true;
}

static bool install_init(const struct cli *cli, struct install *i)
{
	i->alias.tmp = cli_has(cli, O_TMP);
	i->alias.command = cli->args.rest;
	i->alias.ncommand = cli->args.nrest;
	return take_image(cli->args.words[0], i) && take_name(cli, i) &&
	       take_home(i) && take_options(cli, i);
}

/* ---- checks: better now than each time the command is called ------------- */

static char *any_value(const char *name)
{
	return (char *)(uintptr_t)name; /* it is looked up when it runs */
}

static bool check_lists(const struct cli *cli)
{
	struct err err = { 0 };
	const char *text;
	size_t pos = 0;

	while ((text = args_next(&cli->args, O_ENV, &pos))) {
		autofree char *key = NULL;
		const char *value;

		if (grammar_env(text, any_value, &key, &value, &err))
			return wrong(&err);
	}
	pos = 0;
	while ((text = args_next(&cli->args, O_VOLUME, &pos))) {
		struct mount_arg mount;

		if (grammar_mount(MOUNT_ARG_VOLUME, text, &mount, &err))
			return wrong(&err);
		mount_arg_fini(&mount);
	}
	return true;
}

static bool check_config(const struct cli *cli, msb_config_t *c,
			 const struct alias *a)
{
	const char *memory = cli_text(cli, O_MEMORY);
	const char *workdir = cli_text(cli, O_WORKDIR);
	const char *shell = cli_text(cli, O_SHELL);
	struct err err = { 0 };
	msb_error_t *e = NULL;
	uint64_t cpus;
	uint32_t mib;

	if (memory) {
		if (grammar_size(memory, &mib, &err))
			return wrong(&err);
		if (!cli_ok(msb_config_set_memory_mib(c, mib, &e), &e))
			return false;
	}
	if (args_number(&cli->args, O_CPUS, &cpus) &&
	    !cli_ok(msb_config_set_cpus(c, (unsigned)cpus, &e), &e))
		return false;
	if (shell && grammar_shell(shell, &err))
		return wrong(&err);
	return (!workdir ||
		cli_ok(msb_config_set_workdir(c, workdir, &e), &e)) &&
	       cli_ok(msb_config_set_image(c, a->image, &e), &e) &&
	       check_lists(cli);
}

static bool check(const struct cli *cli, const struct alias *a)
{
	msb_error_t *e = NULL;
	msb_config_t *c;
	bool ok;

	if (!cli_ok(msb_config_new(cli->m, &c, &e), &e))
		return false;
	ok = check_config(cli, c, a);
	msb_config_free(c);
	return ok;
}

/* ---- install ------------------------------------------------------------- */

static bool pull(struct cli *cli, const char *reference)
{
	struct progress p = { .verb = "Pulling" };
	msb_image_options_t *o = msb_image_options_new();
	msb_error_t *e = NULL;
	bool cached;
	int rc;

	if (!o) {
		ui_error("out of memory");
		return false;
	}
	msb_image_options_set_progress(o, progress_event, &p);
	ui_spinner_start(false, p.verb, reference);
	rc = msb_image_pull(cli->m, reference, o, &cached, &e);
	ui_spinner_stop();
	msb_image_options_free(o);
	if (rc < 0)
		ui_failure(p.verb, reference);
	return cli_ok(rc, &e);
}

static bool write_script(int dir, const struct alias *a, bool force)
{
	struct err err = { 0 };
	struct buf b;
	int rc;

	buf_init(&b, ALIAS_SCRIPT_MAX);
	alias_format(a, &b);
	if (b.failed)
		rc = err_set(&err, ERR_INVALID, E2BIG,
			     "this is too long for a command");
	else
		rc = alias_dir_write(dir, a->name, buf_data(&b), buf_len(&b),
				     force, &err);
	buf_fini(&b);
	return rc ? wrong(&err) : true;
}

/* What one may not expect of the new command. */
static void hints(const struct cli *cli, const struct alias *a, const char *bin)
{
	msb_sandbox_t *s;
	struct buf b;

	if (!a->tmp && msb_sandbox_get(cli->m, a->name, &s, NULL) >= 0) {
		msb_sandbox_free(s);
		ui_warn("sandbox '%s' exists already; %s runs in it as it is "
			"(msb remove %s makes room for a new one)",
			a->name, a->name, a->name);
	}
	if (!alias_dir_on_path(bin)) {
		buf_init(&b, 4 * PATH_MAX);
		(void)buf_str(&b, "export PATH=\"");
		for (const char *c = bin; *c; c++)
			(void)buf_printf(&b, "%s%c",
					 strchr("\\\"$`", *c) ? "\\" : "", *c);
		(void)buf_str(&b, ":$PATH\"");
		ui_context("to call it by its name: %s",
			   buf_cstr(&b) ? buf_cstr(&b) : bin);
		buf_fini(&b);
	}
	if (!alias_dir_finds("msb"))
		ui_warn("there is no msb on PATH, which %s needs", a->name);
}

static int install(struct cli *cli, const struct alias *a)
{
	bool force = cli_has(cli, O_FORCE);
	uint64_t begin = clock_mono_ms();
	autofree char *bin = str_fmt("%s/bin", msb_home(cli->m));
	struct err err = { 0 };
	autoclose int dir = -1;

	if (!bin) {
		ui_error("out of memory");
		return 1;
	}
	dir = alias_dir_open(bin, true, &err);
	if (dir < 0 || alias_dir_check_free(dir, a->name, force, &err)) {
		ui_grammar_error(&err);
		return 1;
	}
	if (!cli_has(cli, O_NO_PULL) && !alias_image_is_path(a->image) &&
	    !pull(cli, a->image))
		return 1;
	if (!write_script(dir, a, force))
		return 1;
	ui_success("Installed", a->name, NULL, clock_mono_ms() - begin);
	hints(cli, a, bin);
	return 0;
}

/* ---- the list ------------------------------------------------------------ */

static void add_row(struct table *t, const char *name,
		    const struct alias_info *i)
{
	table_row(t);
	table_set(t, 0, name, STYLE_PLAIN);
	table_set(t, 1, i->image ? i->image : "-", STYLE_PLAIN);
	table_set(t, 2, i->mode ? i->mode : "-", STYLE_PLAIN);
	table_set(t, 3, i->command ? i->command : "-", STYLE_DIM);
}

static int list(struct cli *cli)
{
	static const char *const header[] = { "NAME", "IMAGE", "MODE",
					      "COMMAND" };
	autofree char *bin = str_fmt("%s/bin", msb_home(cli->m));
	struct err err = { 0 };
	struct strv names = { 0 };
	struct table t;
	int dir = bin ? alias_dir_open(bin, false, &err) : -ENOMEM;

	if (dir == -ENOENT)
		return 0;
	table_init(&t, header, ARRAY_SIZE(header));
	if (dir < 0 || alias_dir_names(dir, &names, &err)) {
		ui_grammar_error(&err);
		table_fini(&t);
		strv_fini(&names);
		close_fd(&dir);
		return 1;
	}
	for (size_t i = 0; i < names.n; i++) {
		struct alias_info info;

		if (alias_dir_read(dir, names.v[i], &info))
			continue; /* somebody else's file */
		add_row(&t, names.v[i], &info);
		alias_info_fini(&info);
	}
	strv_fini(&names);
	close_fd(&dir);
	return show_table(&t, NULL);
}

int cmd_install(struct cli *cli)
{
	struct install i = { .name = NULL };
	int code = 1;

	if (cli_has(cli, O_LIST) && (cli->args.nwords || cli->args.nrest))
		return cli_usage(cli, "'--list' takes no image and no command");
	if (!cli_has(cli, O_LIST) && !cli->args.nwords)
		return cli_usage(cli, "<IMAGE> is missing");
	if (!cli_open(cli))
		return 1;
	if (cli_has(cli, O_LIST))
		return list(cli);
	if (install_init(cli, &i) && check(cli, &i.alias))
		code = install(cli, &i.alias);
	install_fini(&i);
	return code;
}

/* ---- uninstall ----------------------------------------------------------- */

static int uninstall_one(int dir, const char *name)
{
	struct alias_info info;
	int rc;

	if (!alias_name_plain(name)) {
		ui_error("invalid alias name '%s'", name);
		return -1;
	}
	rc = dir < 0 ? -ENOENT : alias_dir_read(dir, name, &info);
	if (!rc) {
		alias_info_fini(&info);
		if (unlinkat(dir, name, 0) == 0) {
			ui_success("Uninstalled", name, NULL, 0);
			return 0;
		}
		ui_error("failed to remove '%s': %s", name, strerror(errno));
	} else if (rc == -ENOENT) {
		ui_error("alias '%s' not found", name);
	} else if (rc == -EINVAL) {
		ui_error("'%s' is not an msb-installed alias", name);
	} else {
		ui_error("failed to read '%s': %s", name, strerror(-rc));
	}
	return -1;
}

int cmd_uninstall(struct cli *cli)
{
	autofree char *bin = NULL;
	struct err err = { 0 };
	autoclose int dir = -1;
	int code = 0;

	if (!cli_open(cli))
		return 1;
	bin = str_fmt("%s/bin", msb_home(cli->m));
	dir = bin ? alias_dir_open(bin, false, &err) : -ENOMEM;
	if (dir < 0 && dir != -ENOENT) {
		ui_grammar_error(&err);
		return 1;
	}
	for (size_t i = 0; i < cli->args.nwords; i++)
		if (uninstall_one(dir, cli->args.words[i]))
			code = 1;
	if (code)
		ui_error("some aliases failed to uninstall");
	return code;
}
