/* SPDX-License-Identifier: Apache-2.0 */
/* msb help: as text for a terminal, or as manual pages. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/ui.h"

#define HELP_MAX (1u << 20)

int cli_help(const struct args *args)
{
	struct buf b;

	buf_init(&b, HELP_MAX);
	help_print(args, ui_colors(STDOUT_FILENO), ui_columns(STDOUT_FILENO),
		   &b);
	return ui_print(&b) ? 1 : 0;
}

/* That of the pages: today, or when a build is to give the same every time,
 * what SOURCE_DATE_EPOCH says. */
static void man_date(char *buf, size_t size)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t t = time(NULL);
	struct tm tm;
	uint64_t s;

	if (epoch && !str_to_u64(epoch, &s) && s < INT32_MAX)
		t = (time_t)s;
	if (!gmtime_r(&t, &tm) || !strftime(buf, size, "%Y-%m-%d", &tm))
		buf[0] = 0;
}

static int print_man(const struct args *args)
{
	char date[32];
	struct buf b;

	man_date(date, sizeof(date));
	buf_init(&b, HELP_MAX);
	man_page(args, date, &b);
	return ui_print(&b) ? 1 : 0;
}

/* --- all pages, as files --- */

static int write_file(int dirfd, const char *name, struct buf *b)
{
	autoclose int fd = -1;
	int rc = b->failed ? -ENOMEM : 0;

	if (!rc)
		fd = openat(dirfd, name,
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (!rc && fd < 0)
		rc = -errno;
	if (!rc)
		rc = io_write_full(fd, buf_data(b), buf_len(b));
	if (rc)
		ui_error("%s: %s", name, strerror(-rc));
	buf_fini(b);
	return rc;
}

static int write_page(int dirfd, const struct args *a, const char *date)
{
	const struct command *cmd = args_command(a);
	struct args parent = *a;
	char page[128], name[128], file[160];
	struct buf b;
	int rc;

	man_name(a, page, sizeof(page));
	(void)snprintf(file, sizeof(file), "%s.1", page);
	buf_init(&b, HELP_MAX);
	man_page(a, date, &b);
	rc = write_file(dirfd, file, &b);
	parent.depth--;
	/* a command's other names lead to its page */
	for (size_t i = 0; !rc && i < MAX_ALIASES && cmd->aliases[i]; i++) {
		man_name(&parent, name, sizeof(name));
		(void)snprintf(file, sizeof(file), "%s-%s.1", name,
			       cmd->aliases[i]);
		buf_init(&b, HELP_MAX);
		(void)buf_printf(&b, ".so man1/%s.1\n", page);
		rc = write_file(dirfd, file, &b);
	}
	return rc;
}

/* A page for each command that help shows. */
static int write_pages(const char *dir)
{
	struct args a = { .path = { &cli_root }, .depth = 1 };
	const struct command *next[MAX_DEPTH + 1] = { NULL, cli_root.sub };
	autoclose int dirfd = -1;
	char date[32];
	int rc;

	if (mkdir(dir, 0755) == 0 || errno == EEXIST)
		dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0) {
		ui_error("%s: %s", dir, strerror(errno));
		return 1;
	}
	man_date(date, sizeof(date));
	rc = write_page(dirfd, &a, date);
	while (!rc && a.depth) {
		const struct command *c = next[a.depth];

		if (!c || !c->name) {
			a.depth--;
			continue;
		}
		next[a.depth]++;
		if (!command_shown(c))
			continue;
		a.path[a.depth++] = c;
		rc = write_page(dirfd, &a, date);
		if (c->sub && a.depth < MAX_DEPTH)
			next[a.depth] = c->sub;
		else
			a.depth--;
	}
	return rc ? 1 : 0;
}

/* The command that the words name, from the program on. */
static bool find(struct cli *cli, struct args *ret)
{
	*ret = (struct args){ .path = { &cli_root }, .depth = 1 };
	for (size_t i = 0; i < cli->args.nwords; i++) {
		const char *word = cli->args.words[i];
		const struct command *at = args_command(ret);
		const struct command *c = command_find(at, word);
		const char *close;

		if (c && c->unavailable) {
			ui_error("msb %s is not available yet", c->name);
			return false;
		}
		if (c && ret->depth < MAX_DEPTH) {
			ret->path[ret->depth++] = c;
			continue;
		}
		close = command_suggest(at, word);
		ui_error("unknown command '%s'", word);
		if (close)
			ui_context("did you mean '%s'?", close);
		return false;
	}
	return true;
}

int cmd_help(struct cli *cli)
{
	const char *dir = cli_text(cli, O_MAN_DIR);
	struct args about;

	if (dir && cli->args.nwords)
		return cli_usage(cli,
				 "'--man-dir' cannot be used with a command");
	if (dir)
		return write_pages(dir);
	if (!find(cli, &about))
		return EXIT_USAGE;
	return cli_has(cli, O_MAN) ? print_man(&about) : cli_help(&about);
}
