/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks in start-up files of shells. */
#include "cli/shell_rc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/io.h"
#include "base/str.h"

#define BEGIN "# >>> microsandbox >>>"
#define END "# <<< microsandbox <<<"
#define FISH_FILE ".config/fish/conf.d/microsandbox.fish"
#define RC_MAX (4u << 20)

static const char *const files[] = { ".profile", ".bash_profile", ".bashrc",
				     ".zshrc" };

/* ---- text ---------------------------------------------------------------- */

static bool has(const char *line, size_t len, const char *what)
{
	return memmem(line, len, what, strlen(what)) != NULL;
}

int shell_rc_strip(const char *text, size_t len, struct buf *out,
		   size_t *ret_line)
{
	size_t line = 0, begun = 0;
	int blocks = 0;

	while (len) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) + 1 : len;

		line++;
		if (begun) {
			if (has(text, n, BEGIN)) /* the one before is open */
				break;
			if (has(text, n, END))
				begun = 0;
		} else if (has(text, n, BEGIN)) {
			begun = line;
			blocks++;
		} else {
			(void)buf_append(out, text, n);
		}
		text += n;
		len -= n;
	}
	*ret_line = begun;
	return begun ? -EINVAL : blocks;
}

/* ---- files --------------------------------------------------------------- */

static int rc_err(struct err *err, int rc, const char *what, const char *path)
{
	return err_sys(err, ERR_IO, -rc, "%s '%s'", what, path);
}

/* The file without its blocks: their number, 0 also when it is not there. */
static int strip_file(const char *path, struct buf *out, struct err *err)
{
	autoclose int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	struct buf in;
	size_t line;
	int rc;

	if (fd < 0)
		return errno == ENOENT ? 0 : rc_err(err, -errno, "read", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0; /* whatever it is, no installer wrote into it */
	buf_init(&in, RC_MAX);
	rc = io_read_all(fd, &in);
	if (rc) {
		rc = rc_err(err, rc, "read", path);
	} else {
		rc = shell_rc_strip((const char *)buf_data(&in), buf_len(&in),
				    out, &line);
		if (rc < 0)
			rc = err_set(err, ERR_INVALID, EINVAL,
				     "the microsandbox block in line %zu of "
				     "'%s' has no end (" END "); remove it by "
				     "hand",
				     line, path);
	}
	buf_fini(&in);
	if (!rc || rc < 0)
		return rc;
	return out->failed ? rc_err(err, -ENOMEM, "read", path) : rc;
}

static int write_beside(const char *tmp, const struct buf *b,
			const struct stat *st)
{
	autoclose int fd =
		open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0600);
	int rc = fd < 0 ? -errno : io_write_full(fd, buf_data(b), buf_len(b));

	/* the owner first: a change of it may take bits of the mode away */
	if (!rc && fchown(fd, st->st_uid, st->st_gid) < 0)
		rc = -errno;
	if (!rc && fchmod(fd, st->st_mode & 07777) < 0)
		rc = -errno;
	if (!rc && fsync(fd) < 0)
		rc = -errno;
	return rc;
}

static int replace(const char *path, const struct buf *b, struct err *err)
{
	autofree char *real = realpath(path, NULL);
	autofree char *tmp = real ? str_fmt("%s.msb.tmp", real) : NULL;
	struct stat st;
	int rc;

	if (!tmp || stat(real, &st) < 0)
		return rc_err(err, -errno, "replace", path);
	(void)unlink(tmp); /* of one that was killed */
	rc = write_beside(tmp, b, &st);
	if (!rc && rename(tmp, real) < 0)
		rc = -errno;
	if (!rc)
		return 0;
	(void)unlink(tmp);
	return rc_err(err, rc, "replace", path);
}

/* All of them; with fn, not only a look. */
static int go_through(const char *user_home, void (*fn)(const char *path),
		      struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		autofree char *path = str_fmt("%s/%s", user_home, files[i]);
		struct buf b;
		int rc;

		if (!path)
			return rc_err(err, -ENOMEM, "read", files[i]);
		buf_init(&b, RC_MAX);
		rc = strip_file(path, &b, err);
		if (rc > 0 && fn) {
			rc = replace(path, &b, err);
			if (!rc)
				fn(path);
		}
		buf_fini(&b);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int shell_rc_check(const char *user_home, struct err *err)
{
	return go_through(user_home, NULL, err);
}

int shell_rc_clean(const char *user_home, void (*fn)(const char *path),
		   struct err *err)
{
	autofree char *fish = str_fmt("%s/" FISH_FILE, user_home);
	int rc = go_through(user_home, fn, err);

	if (rc || !fish)
		return rc;
	if (unlink(fish) == 0)
		fn(fish);
	else if (errno != ENOENT && errno != ENOTDIR)
		return rc_err(err, -errno, "remove", fish);
	return 0;
}
