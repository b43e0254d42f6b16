/* SPDX-License-Identifier: Apache-2.0 */
/* A log directory for tests. */
#include "logdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"

int logdir_setup(void **state)
{
	struct logdir *d = calloc(1, sizeof(*d));

	if (!d)
		return -1;
	(void)snprintf(d->path, sizeof(d->path), "/tmp/msb-logs-XXXXXX");
	if (!mkdtemp(d->path))
		return -1;
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = d;
	return d->fd < 0 ? -1 : 0;
}

int logdir_teardown(void **state)
{
	struct logdir *d = *state;
	int rc = io_remove_tree(AT_FDCWD, d->path);

	(void)close(d->fd);
	free(d);
	return rc;
}

void logdir_add_bytes(struct logdir *d, const char *name, const void *data,
		      size_t len)
{
	int fd = openat(d->fd, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			0600);

	assert_true(fd >= 0);
	assert_int_equal(io_write_full(fd, data, len), 0);
	(void)close(fd);
}

void logdir_add(struct logdir *d, const char *name, const char *text)
{
	logdir_add_bytes(d, name, text, strlen(text));
}

void logdir_exec(struct logdir *d, const char *name, unsigned at,
		 const char *stream, const char *body)
{
	char line[512];

	(void)snprintf(line, sizeof(line),
		       "{\"t\":\"2026-01-02T03:%02u:%02u.000Z\",\"s\":\"%s\","
		       "\"d\":\"%s\",\"id\":1}\n",
		       4 + at / 60, at % 60, stream, body);
	logdir_add(d, name, line);
}

void logdir_rotate(struct logdir *d, const char *name)
{
	char from[64], to[64];

	for (int i = 4; i > 0; i--) {
		(void)snprintf(to, sizeof(to), "%s.%d", name, i);
		(void)snprintf(from, sizeof(from), "%s.%d", name, i - 1);
		(void)renameat(d->fd, i > 1 ? from : name, d->fd, to);
	}
	logdir_add(d, name, "");
}

static bool is_alive(void *ctx)
{
	return ((struct logdir *)ctx)->alive;
}

struct log_reader_options logdir_options(struct logdir *d, unsigned streams)
{
	return (struct log_reader_options){ .streams = streams,
					    .dir_path = d->path,
					    .is_alive = is_alive,
					    .ctx = d };
}

struct log_reader *logdir_open(struct logdir *d,
			       const struct log_reader_options *o)
{
	struct log_reader *r = NULL;
	struct err err = { 0 };

	if (log_reader_open(d->fd, o, &r, &err))
		fail_msg("%s", err.msg);
	return r;
}

const char *logdir_read(struct log_reader *r)
{
	static char out[65536];
	struct err err = { 0 };
	struct log_entry e;
	size_t n = 0;
	int rc;

	while ((rc = log_reader_next(r, 0, &e, &err)) > 0) {
		assert_true(n + 1 + e.len < sizeof(out));
		out[n++] = '|';
		memcpy(out + n, e.data, e.len);
		n += e.len;
	}
	if (rc < 0)
		fail_msg("%s", err.msg);
	out[n] = 0;
	return out;
}

const char *logdir_all(struct logdir *d, const struct log_reader_options *o)
{
	struct log_reader *r = logdir_open(d, o);
	const char *text = logdir_read(r);

	log_reader_free(r);
	return text;
}
