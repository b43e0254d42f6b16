/* SPDX-License-Identifier: Apache-2.0 */
/* Files of releases, from a directory or, through msb-image, a web server. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "api/cancel.h"
#include "api/image_int.h"
#include "api/release_int.h"
#include "base/buf.h"
#include "base/io.h"

#define DOCUMENT_MAX (1u << 20)
#define ARCHIVE_MAX (2ll << 30)
#define CHUNK ((size_t)256 << 10)

static int no_memory(struct err *err)
{
	return err_sys(err, ERR_NO_MEMORY, ENOMEM, "look for a release");
}

/* ---- the source ---------------------------------------------------------- */

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* The path of a file URL: "/a b" of "///a%20b", "//localhost/a%20b". */
static int file_url_path(const char *text, char **ret, struct err *err)
{
	static const char local[] = "localhost/";
	char *path, *to;

	if (str_starts(text, local))
		text += sizeof(local) - 2;
	path = to = *text == '/' ? strdup(text) : NULL;
	if (!path)
		return *text == '/' ? no_memory(err)
				    : err_set(err, ERR_INVALID, EINVAL,
					      "a file address begins with "
					      "file:///");
	for (const char *p = text; *p; p++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1;
		int low = high >= 0 ? hex_digit(p[2]) : -1;

		*to = *p;
		if (low >= 0) {
			*to = (char)(high << 4 | low);
			p += 2;
		}
		to++;
	}
	*to = 0;
	*ret = path;
	return 0;
}

int release_source_set(msb_release_t *r, const char *text, struct err *err)
{
	static const char file[] = "file://";
	autofree char *path = NULL;
	size_t n = strlen(text);
	int rc;

	r->is_url = str_starts(text, "http://") || str_starts(text, "https://");
	if (r->is_url) {
		while (n && text[n - 1] == '/')
			n--;
		r->source = strndup(text, n);
		return r->source ? 0 : no_memory(err);
	}
	if (str_starts(text, file)) {
		rc = file_url_path(text + sizeof(file) - 1, &path, err);
		if (rc)
			return rc;
		text = path;
	} else if (strstr(text, "://")) {
		return err_set(err, ERR_INVALID, EINVAL,
			       "'%.200s' is neither a directory nor a file, "
			       "http or https address",
			       text);
	}
	return host_path_canonical(text, &r->source, err);
}

/* ---- getting ------------------------------------------------------------- */

static int copy(int in, int out, uint64_t size)
{
	autofree uint8_t *chunk = malloc(CHUNK);

	if (!chunk)
		return -ENOMEM;
	while (size) {
		size_t want = size < CHUNK ? (size_t)size : CHUNK;
		int rc = cancel_check();

		if (!rc)
			rc = io_read_full(in, chunk, want);
		if (!rc)
			rc = io_write_full(out, chunk, want);
		if (rc)
			return rc;
		size -= want;
	}
	return 0;
}

static int get_file(const char *path, bool document, int out, struct err *err)
{
	autoclose int in = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	int rc;

	if (in < 0 || fstat(in, &st) < 0)
		return path_err(err, errno, "read", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_INVALID, EINVAL,
			       "'%.300s' is not a regular file", path);
	if (st.st_size > (document ? DOCUMENT_MAX : ARCHIVE_MAX))
		return err_set(err, ERR_INVALID, EFBIG, "'%.300s' is too large",
			       path);
	rc = copy(in, out, (uint64_t)st.st_size);
	return rc ? path_err(err, -rc, "copy", path) : 0;
}

int release_source_get(const msb_release_t *r, const char *name, bool document,
		       int out, const msb_image_options_t *o, struct err *err)
{
	autofree char *place = str_fmt("%s/%s", r->source, name);
	int rc;

	if (!place)
		return no_memory(err);
	if (!r->is_url)
		return get_file(place, document, out, err);
	rc = image_worker_fetch(r->m, place, document, r->ca_certs, out, o,
				err);
	/* it may have been images of which the worker spoke */
	if (rc && err && err->kind == ERR_IMAGE)
		err->kind = ERR_IO;
	return rc;
}

int release_source_read(const msb_release_t *r, const char *name,
			struct buf *ret, struct err *err)
{
	autoclose int fd = io_memfd("msb-release", "", 0);
	int rc;

	if (fd < 0)
		return err_sys(err, ERR_IO, -fd, "make a file in memory");
	rc = release_source_get(r, name, true, fd, NULL, err);
	if (rc)
		return rc;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(err, ERR_IO, errno, "read '%s'", name);
	rc = io_read_all(fd, ret);
	return rc ? err_sys(err, ERR_IO, -rc, "read '%s'", name) : 0;
}
