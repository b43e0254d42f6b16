/* SPDX-License-Identifier: Apache-2.0 */
/* The program: from argv to a command, and the outcome of parsing. */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/help.h"
#include "cli/ui.h"

#define HELP_MAX (1u << 20)

bool cli_open(struct cli *cli)
{
	msb_error_t *e = NULL;

	return cli_ok(msb_open(NULL, &cli->m, &e), &e);
}

bool cli_ok(int rc, msb_error_t **e)
{
	if (rc >= 0)
		return true;
	ui_library_error(*e, NULL);
	*e = NULL;
	return false;
}

int cli_each(struct cli *cli, int (*fn)(struct cli *cli, const char *name))
{
	int code = 0;

	if (!cli_open(cli))
		return 1;
	for (size_t i = 0; i < cli->args.nwords; i++)
		if (fn(cli, cli->args.words[i]))
			code = 1;
	return code;
}

static int usage_error(const struct args *args, const char *message,
		       const char *hint)
{
	struct buf b;

	ui_error("%s", message);
	if (*hint)
		ui_context("%s", hint);
	buf_init(&b, HELP_MAX);
	help_usage(args, &b);
	if (buf_cstr(&b))
		ui_context("usage: %s", buf_cstr(&b));
	buf_fini(&b);
	return EXIT_USAGE;
}

int cli_usage(const struct cli *cli, const char *fmt, ...)
{
	char message[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	return usage_error(&cli->args, message, "");
}

/* Works also where the rest of the command line is wrong. */
static bool wants_tree(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (!strcmp(argv[i], "--tree"))
			return true;
	return false;
}

static int print_tree(int argc, char **argv)
{
	struct buf b;

	buf_init(&b, HELP_MAX);
	help_tree(&cli_root, argc, argv, &b);
	return ui_print(&b) ? 1 : 0;
}

static int print_version(void)
{
	struct buf b;

	buf_init(&b, 64);
	(void)buf_printf(&b, "msb %s\n", msb_version());
	return ui_print(&b) ? 1 : 0;
}

static int print_empty(const struct args *args)
{
	struct buf b;

	buf_init(&b, HELP_MAX);
	help_print(args, ui_colors(STDERR_FILENO), ui_columns(STDERR_FILENO),
		   &b);
	if (buf_cstr(&b))
		(void)fputs(buf_cstr(&b), stderr);
	buf_fini(&b);
	return EXIT_USAGE;
}

static void set_verbosity(const struct args *args)
{
	static const struct {
		int id;
		enum log_level level;
	} levels[] = {
		{ O_WARN, LOG_WARN },
		{ O_INFO, LOG_INFO },
		{ O_DEBUG, LOG_DEBUG },
		{ O_TRACE, LOG_TRACE },
	};
	enum log_level level = LOG_ERROR;

	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (args_has(args, levels[i].id))
			level = levels[i].level;
	log_init(level, NULL, NULL);
}

static void ignore(int sig)
{
	(void)sig;
}

/* A reader that went away, or a file that may not grow, is an error of write,
 * not a death. A handler, unlike SIG_IGN, is not inherited by programs that are
 * started. */
static void no_death_by_write(void)
{
	struct sigaction sa = { .sa_handler = ignore, .sa_flags = SA_RESTART };

	(void)sigemptyset(&sa.sa_mask);
	(void)sigaction(SIGPIPE, &sa, NULL);
	(void)sigaction(SIGXFSZ, &sa, NULL);
}

/* A file opened later must not end up as one of the standard streams. */
static void open_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			(void)open("/dev/null", O_RDWR);
}

static int run(struct cli *cli)
{
	int code;

	set_verbosity(&cli->args);
	code = args_command(&cli->args)->run(cli);
	if (cli->m) {
		if (!cli->no_catalogue)
			msb_reconcile(cli->m);
		msb_close(cli->m);
	}
	return code;
}

static int failure_code(const struct args *args)
{
	int code = args_command(args)->failure;

	return code ? code : 1;
}

int cli_main(int argc, char **argv)
{
	struct cli cli = { .m = NULL };
	struct parse_error err;
	int code = 1;

	open_standard_streams();
	no_death_by_write();
	if (wants_tree(argc, argv))
		return print_tree(argc, argv);
	switch (args_parse(&cli_root, argc, argv, &cli.args, &err)) {
	case PARSE_OK:
		code = run(&cli);
		break;
	case PARSE_HELP:
		code = cli_help(&cli.args);
		break;
	case PARSE_VERSION:
		code = print_version();
		break;
	case PARSE_EMPTY:
		code = print_empty(&cli.args);
		break;
	case PARSE_UNAVAILABLE:
		ui_error("%s is not available yet", err.message);
		code = failure_code(&cli.args);
		break;
	case PARSE_USAGE:
		code = usage_error(&cli.args, err.message, err.hint);
		break;
	case PARSE_NO_MEMORY:
		ui_error("out of memory");
		break;
	}
	args_fini(&cli.args);
	return code;
}
