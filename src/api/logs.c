/* SPDX-License-Identifier: Apache-2.0 */
/* What a sandbox has logged. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stddef.h>
#include <string.h>

#include "api/api_int.h"
#include "api/cancel.h"
#include "base/clock.h"
#include "base/io.h"
#include "logs/reader.h"

#define BOOT_ERROR "boot-error.json"
#define BOOT_ERROR_MAX (1u << 20)
#define SOURCES_ALL                                                            \
	(MSB_LOG_STDOUT | MSB_LOG_STDERR | MSB_LOG_OUTPUT | MSB_LOG_SYSTEM)
#define SOURCES_DEFAULT (SOURCES_ALL & ~MSB_LOG_SYSTEM)

/* One bit for each stream, and the streams are one list. */
_Static_assert(MSB_LOG_TEXTS_MAX == SCAN_TEXTS, "numbers of texts differ");
_Static_assert(MSB_LOG_STDOUT == 1 << LOG_STDOUT &&
		       MSB_LOG_STDERR == 1 << LOG_STDERR &&
		       MSB_LOG_OUTPUT == 1 << LOG_OUTPUT &&
		       MSB_LOG_SYSTEM == 1 << LOG_SYSTEM,
	       "sources of log entries differ");

struct msb_log {
	int dirfd;	   /* of the logs */
	int runtime_dirfd; /* -1: there is none, so nothing lives */
	struct log_reader *reader;
	struct err err; /* of the call being made: to clear one takes longer
			   than to read an entry */
};

static bool is_alive(void *ctx)
{
	const struct msb_log *l = ctx;

	/* what cannot be told is taken for alive: nothing is lost by waiting */
	return l->runtime_dirfd >= 0 && runtime_alive(l->runtime_dirfd) != 0;
}

static int not_found(const char *name, struct err *err)
{
	return err_set(err, ERR_SANDBOX_NOT_FOUND, ENOENT,
		       "no logs directory for sandbox \"%s\" (sandbox not "
		       "found?)",
		       name);
}

static int open_dirs(const msb_t *m, const char *name, struct msb_log *l,
		     char **ret_path, struct err *err)
{
	if (!sandbox_name_valid(name))
		return not_found(name, err);
	l->dirfd = home_sandbox_open(&m->home, name, SANDBOX_LOG_DIR);
	if (l->dirfd == -ENOENT || l->dirfd == -ENOTDIR)
		return not_found(name, err);
	if (l->dirfd < 0)
		return err_sys(err, ERR_IO, -l->dirfd,
			       "open the logs of sandbox '%s'", name);
	l->runtime_dirfd =
		home_sandbox_open(&m->home, name, SANDBOX_RUNTIME_DIR);
	*ret_path = home_sandbox_path(&m->home, name, SANDBOX_LOG_DIR);
	return *ret_path ? 0 : api_no_memory(err);
}

static int read_texts(const msb_log_options_t *o,
		      struct log_text texts[SCAN_TEXTS], struct err *err)
{
	if (o->contains_count > SCAN_TEXTS)
		return err_set(err, ERR_INVALID, EINVAL,
			       "more than %d texts to look for in a log",
			       SCAN_TEXTS);
	for (size_t i = 0; i < o->contains_count; i++)
		texts[i] = (struct log_text){ o->contains[i].data,
					      o->contains[i].len };
	return 0;
}

/* The caller's options, of whichever version of the library he knows. */
static int read_options(const msb_log_options_t *o, struct msb_log *l,
			struct log_text texts[SCAN_TEXTS],
			struct log_reader_options *ret, struct err *err)
{
	msb_log_options_t mine = { .struct_size = sizeof(mine) };

	if (o && o->struct_size > sizeof(mine))
		return err_set(err, ERR_INVALID, EINVAL,
			       "log options of a newer version");
	if (o)
		memcpy(&mine, o, o->struct_size);
	if (mine.sources & ~(unsigned)SOURCES_ALL)
		return err_set(err, ERR_INVALID, EINVAL,
			       "unknown sources of log entries: 0x%x",
			       mine.sources & ~(unsigned)SOURCES_ALL);
	if (mine.cursor && mine.has_tail)
		return err_set(err, ERR_INVALID, EINVAL,
			       "a cursor and a tail exclude each other");
	*ret = (struct log_reader_options){
		.streams = mine.sources ? mine.sources : SOURCES_DEFAULT,
		.has_since = mine.has_since,
		.has_until = mine.has_until,
		.has_tail = mine.has_tail,
		.since_ns = mine.since_unix_ns,
		.until_ns = mine.until_unix_ns,
		.tail = mine.tail,
		.cursor = mine.cursor,
		.texts = texts,
		.ntexts = (unsigned)mine.contains_count,
		.follow = mine.follow,
		.is_alive = is_alive,
		.ctx = l,
	};
	return read_texts(&mine, texts, err);
}

int msb_log_open(msb_t *m, const char *sandbox, const msb_log_options_t *o,
		 msb_log_t **ret, msb_error_t **ret_err)
{
	struct log_reader_options options;
	struct log_text texts[SCAN_TEXTS];
	autofree char *path = NULL;
	struct err err = { 0 };
	msb_log_t *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	l->dirfd = l->runtime_dirfd = -1;
	rc = read_options(o, l, texts, &options, &err);
	if (!rc)
		rc = open_dirs(m, sandbox, l, &path, &err);
	options.dir_path = path;
	if (!rc)
		rc = log_reader_open(l->dirfd, &options, &l->reader, &err);
	if (rc) {
		msb_log_free(l);
		return api_fail_err(&err, rc, ret_err);
	}
	*ret = l;
	return 0;
}

void msb_log_free(msb_log_t *l)
{
	if (!l)
		return;
	l->reader = log_reader_free(l->reader);
	close_fd(&l->dirfd);
	close_fd(&l->runtime_dirfd);
	free(l);
}

static int fail_next(const msb_log_t *l, const struct err *err, int rc,
		     msb_error_t **ret)
{
	struct api_err e = { .err = *err };
	uint64_t offset;
	const char *file = log_reader_failed(l->reader, &offset);
	autofree char *text =
		file ? str_fmt("%llu", (unsigned long long)offset) : NULL;

	api_detail(&e, "file", file);
	api_detail(&e, "offset", text);
	return api_fail(&e, rc, ret);
}

/* The reader waits by itself, unless there is a token to be heeded. */
static int next_entry(msb_log_t *l, int timeout_ms, struct log_entry *ret)
{
	struct pollfd p = { .fd = log_reader_fd(l->reader), .events = POLLIN };
	uint64_t begin = clock_mono_ms();

	if (!timeout_ms || p.fd < 0 || !cancel_in_use())
		return log_reader_next(l->reader, timeout_ms, ret, &l->err);
	for (;;) {
		int rc = log_reader_next(l->reader, 0, ret, &l->err);
		uint64_t spent = clock_mono_ms() - begin;
		int left = timeout_ms < 0 ? -1
			   : spent < (uint64_t)timeout_ms
				   ? timeout_ms - (int)spent
				   : 0;

		if (rc || !left || log_reader_ended(l->reader))
			return rc;
		rc = cancel_poll(&p, 1, left);
		if (rc < 0 && rc != -EINTR)
			return err_sys(&l->err, ERR_IO, -rc, "wait for a log");
	}
}

int msb_log_next(msb_log_t *l, int timeout_ms, msb_log_entry_t *ret,
		 msb_error_t **ret_err)
{
	struct log_entry e;
	msb_log_entry_t mine = { 0 };
	int rc = next_entry(l, timeout_ms, &e);

	if (rc < 0)
		return fail_next(l, &l->err, rc, ret_err);
	if (!rc)
		return 0;
	mine.struct_size = ret->struct_size;
	mine.source = 1u << e.stream;
	mine.time_unix_ns = e.time_ns;
	mine.session = e.id;
	mine.data = e.data;
	mine.len = e.len;
	memcpy(ret, &mine,
	       ret->struct_size < sizeof(mine) ? ret->struct_size
					       : sizeof(mine));
	return 1;
}

bool msb_log_ended(const msb_log_t *l)
{
	return log_reader_ended(l->reader);
}

int msb_log_fd(const msb_log_t *l)
{
	return log_reader_fd(l->reader);
}

int msb_log_json(msb_log_t *l, const char **ret, size_t *ret_len,
		 msb_error_t **ret_err)
{
	int rc = log_reader_json(l->reader, ret, ret_len, &l->err);

	return rc ? api_fail_err(&l->err, rc, ret_err) : 0;
}

int msb_log_cursor(const msb_log_t *l, char **ret, msb_error_t **ret_err)
{
	struct err err = { 0 };
	char *text = log_reader_cursor(l->reader);

	if (!text)
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	*ret = text;
	return 0;
}

static int read_boot_error(int dirfd, char **ret, struct err *err)
{
	json_t *o = NULL;
	struct buf b;
	int rc;

	buf_init(&b, BOOT_ERROR_MAX);
	rc = io_read_file_at(dirfd, BOOT_ERROR, &b);
	if (!rc)
		o = json_loadb((const char *)buf_data(&b), buf_len(&b), 0,
			       NULL);
	buf_fini(&b);
	*ret = NULL;
	if (rc == -ENOENT)
		return 0;
	if (rc)
		return err_sys(err, ERR_IO, -rc, "read " BOOT_ERROR);
	if (!json_is_object(o)) { /* cut off: it says nothing */
		json_decref(o);
		return 0;
	}
	*ret = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(o);
	return *ret ? 0 : api_no_memory(err);
}

int msb_log_boot_error(const msb_log_t *l, char **ret, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = read_boot_error(l->dirfd, ret, &err);

	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}
