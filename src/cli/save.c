/* SPDX-License-Identifier: Apache-2.0 */
/* msb save: an archive as a file that is there whole or not at all. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/ui.h"

#define COPY_SIZE (64u << 10)

/* Where the archive is made before it is moved or copied to its place. */
struct output {
	const char *path; /* NULL: standard output */
	bool stream;	  /* it is copied there, not moved */
	char *temporary;  /* owned; name of the file, NULL when it has none */
	int fd;
};

static bool failed(const char *what, const char *path)
{
	ui_error("cannot %s '%s': %s", what, path, strerror(errno));
	return false;
}

static bool open_nameless(struct output *o, const char *dir)
{
	o->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	return o->fd >= 0;
}

/* A file beside the one to be, on file systems that have no nameless ones. */
static bool open_beside(struct output *o, const char *dir)
{
	const mode_t mask = umask(0);

	(void)umask(mask);
	o->temporary = str_fmt("%s/.msb-save-XXXXXX", dir);
	o->fd = o->temporary ? mkostemp(o->temporary, O_CLOEXEC) : -1;
	if (o->fd >= 0)
		(void)fchmod(o->fd, 0666 & ~mask);
	return o->fd >= 0;
}

/* The directory of path; malloc'ed. */
static char *dir_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return str_fmt(".");
	return str_fmt("%.*s", (int)(slash - path + (slash == path)), path);
}

static bool output_open(struct output *o)
{
	const char *tmp = getenv("TMPDIR");
	autofree char *dir = NULL;
	struct stat st;

	o->stream =
		!o->path || (stat(o->path, &st) == 0 && !S_ISREG(st.st_mode));
	dir = o->stream ? str_fmt("%s", tmp && *tmp ? tmp : "/tmp")
			: dir_of(o->path);
	if (!dir) {
		ui_error("out of memory");
		return false;
	}
	return open_nameless(o, dir) || open_beside(o, dir) ||
	       failed("make a file in", dir);
}

static bool copy_out(const struct output *o)
{
	static char data[COPY_SIZE];
	autoclose int to = o->path ? open(o->path, O_WRONLY | O_CLOEXEC)
				   : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
	int rc = to < 0 ? -errno : 0;
	off_t at = 0;

	while (!rc) {
		struct iovec v = { data, sizeof(data) };
		ssize_t n = io_preadv(o->fd, &v, 1, at, 0);

		if (n <= 0) {
			rc = (int)n;
			break;
		}
		rc = io_write_full(to, data, (size_t)n);
		at += n;
	}
	errno = -rc;
	return !rc || failed("write", o->path ? o->path : "standard output");
}

/* Give it its name; an old file of that name is replaced at once. */
static bool move_out(struct output *o)
{
	autofree char *dir = dir_of(o->path);
	char fd_path[32];

	if (fsync(o->fd) < 0)
		return failed("write", o->path);
	if (!o->temporary) {
		(void)snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d",
			       o->fd);
		o->temporary =
			dir ? str_fmt("%s/.msb-save-%d", dir, (int)getpid())
			    : NULL;
		if (!o->temporary)
			return failed("write", o->path);
		if (linkat(AT_FDCWD, fd_path, AT_FDCWD, o->temporary,
			   AT_SYMLINK_FOLLOW) < 0)
			return failed("write", o->path);
	}
	if (rename(o->temporary, o->path) < 0)
		return failed("write", o->path);
	free(o->temporary);
	o->temporary = NULL;
	return true;
}

static void output_close(struct output *o)
{
	if (o->temporary)
		(void)unlink(o->temporary); /* of a failure */
	free(o->temporary);
	close_fd(&o->fd);
}

static bool save(struct cli *cli, struct output *out)
{
	const char *format = cli_text(cli, O_ARCHIVE_FORMAT);
	struct progress p = { .quiet = cli_has(cli, O_QUIET),
			      .verb = "Saving" };
	msb_image_options_t *o = msb_image_options_new();
	uint64_t begin = clock_mono_ms();
	msb_error_t *e = NULL;
	int rc = -ENOMEM;

	if (o) {
		msb_image_options_set_progress(o, progress_event, &p);
		ui_spinner_start(p.quiet, p.verb, cli->args.words[0]);
		rc = msb_image_save(cli->m, cli->args.words, cli->args.nwords,
				    format && !strcmp(format, "oci")
					    ? MSB_ARCHIVE_OCI
					    : MSB_ARCHIVE_DOCKER,
				    out->fd, o, &e);
		ui_spinner_stop();
	}
	msb_image_options_free(o);
	if (!cli_ok(rc, &e))
		return false;
	if (!(out->stream ? copy_out(out) : move_out(out)))
		return false;
	for (size_t i = 0; !p.quiet && i < cli->args.nwords; i++)
		ui_success("Saved", cli->args.words[i], NULL,
			   clock_mono_ms() - begin);
	return true;
}

int cmd_save(struct cli *cli)
{
	struct output out = { .path = cli_text(cli, O_OUTPUT), .fd = -1 };
	bool ok;

	if (out.path && !strcmp(out.path, "-"))
		out.path = NULL;
	if (!out.path && isatty(STDOUT_FILENO))
		return cli_usage(cli, "standard output is a terminal; name a "
				      "file with '--output'");
	ok = cli_open(cli) && output_open(&out) && save(cli, &out);
	output_close(&out);
	return ok ? 0 : 1;
}
