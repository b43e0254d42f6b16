/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in library's logs: $MSB_HOME/logs/NAME has a line for each entry,
 * "NANOSECONDS SOURCE SESSION DATA-IN-HEX", and NAME.boot is the record of a
 * failed boot. "missed OFFSET" and "failed" are failures, "end" is the end of
 * the sandbox. A line of JSON is the entry's line in quotes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "fake.h"

struct msb_log {
	msb_log_options_t o;
	char *contains, *path; /* texts, joined by | */
	FILE *f;
	long start; /* of what is told */
	bool ended;
	char line[8192], data[4096], json[8300];
};

struct line {
	int64_t ns;
	unsigned source;
	uint64_t session;
	size_t len;
};

static bool parse_line(struct msb_log *l, struct line *ret)
{
	const char *hex;
	int at = 0;

	if (sscanf(l->line, "%" SCNd64 " %u %" SCNu64 " %n", &ret->ns,
		   &ret->source, &ret->session, &at) < 3)
		return false;
	hex = l->line + at;
	for (ret->len = 0;
	     sscanf(hex, "%2hhx", (unsigned char *)l->data + ret->len) == 1;
	     ret->len++)
		hex += 2;
	return true;
}

static bool holds_one(const struct msb_log *l, size_t len)
{
	const char *p = l->contains;

	for (; p && *p; p += strcspn(p, "|"), p += *p != 0)
		if (memmem(l->data, len, p, strcspn(p, "|")))
			return true;
	return !p;
}

static bool wanted(const struct msb_log *l, const struct line *e)
{
	return (e->source & l->o.sources) &&
	       (!l->o.has_since || e->ns >= l->o.since_unix_ns) &&
	       (!l->o.has_until || e->ns < l->o.until_unix_ns) &&
	       holds_one(l, e->len);
}

/* A whole line, else the place stays where it is. */
static bool next_line(struct msb_log *l)
{
	long at = ftell(l->f);

	clearerr(l->f);
	if (fgets(l->line, sizeof(l->line), l->f) && strchr(l->line, '\n')) {
		l->line[strcspn(l->line, "\n")] = 0;
		return true;
	}
	(void)fseek(l->f, at, SEEK_SET);
	return false;
}

static void go_to_tail(struct msb_log *l)
{
	uint64_t n = 0;
	struct line e;

	while (next_line(l))
		n += parse_line(l, &e) && wanted(l, &e);
	rewind(l->f);
	while (n > l->o.tail && next_line(l))
		n -= parse_line(l, &e) && wanted(l, &e);
	if (!l->o.tail)
		(void)fseek(l->f, 0, SEEK_END);
}

int msb_log_open(msb_t *m, const char *sandbox, const msb_log_options_t *o,
		 msb_log_t **ret, msb_error_t **ret_err)
{
	msb_log_t *l = calloc(1, sizeof(*l));

	l->path = str_fmt("%s/logs/%s", m->home, sandbox);
	l->f = fopen(l->path, "re");
	if (!l->f) {
		msb_log_free(l);
		return fake_fail(ret_err, MSB_ERR_SANDBOX_NOT_FOUND, ENOENT,
				 "sandbox not found: ", sandbox);
	}
	if (o) {
		l->o = *o;
		for (size_t i = 0; i < o->contains_count; i++) {
			char *before = l->contains;

			l->contains = str_fmt(
				"%s%s%.*s", before ? before : "",
				before ? "|" : "", (int)o->contains[i].len,
				(const char *)o->contains[i].data);
			free(before);
		}
		fake_called(m,
			    "log_open %s sources=%u since=%" PRId64
			    " until=%" PRId64 " tail=%" PRId64
			    " contains=%s follow=%d",
			    sandbox, o->sources,
			    o->has_since ? o->since_unix_ns : -1,
			    o->has_until ? o->until_unix_ns : -1,
			    o->has_tail ? (int64_t)o->tail : -1,
			    l->contains ? l->contains : "-", o->follow);
	}
	if (!l->o.sources)
		l->o.sources = MSB_LOG_STDOUT | MSB_LOG_STDERR | MSB_LOG_OUTPUT;
	if (l->o.has_tail)
		go_to_tail(l);
	*ret = l;
	return 0;
}

void msb_log_free(msb_log_t *l)
{
	if (!l)
		return;
	if (l->f)
		(void)fclose(l->f);
	free(l->contains);
	free(l->path);
	free(l);
}

int msb_log_next(msb_log_t *l, int timeout_ms, msb_log_entry_t *ret,
		 msb_error_t **ret_err)
{
	struct line e;

	(void)timeout_ms;
	while (next_line(l)) {
		if (!strcmp(l->line, "end")) {
			l->ended = true;
			return 0;
		}
		if (str_starts(l->line, "missed "))
			return fake_fail(
				ret_err, MSB_ERR_MISSED_ROTATION, 0,
				"log stream missed rotation: ", l->line + 7);
		if (!strcmp(l->line, "failed"))
			return fake_fail(ret_err, MSB_ERR_IO, EIO,
					 "io error: ", "exec.log");
		if (!parse_line(l, &e) || !wanted(l, &e))
			continue;
		ret->source = e.source;
		ret->time_unix_ns = e.ns;
		ret->session = e.session;
		ret->data = l->data;
		ret->len = e.len;
		return 1;
	}
	l->ended = !l->o.follow;
	return 0;
}

bool msb_log_ended(const msb_log_t *l)
{
	return l->ended;
}

int msb_log_fd(const msb_log_t *l)
{
	(void)l;
	return -1;
}

int msb_log_json(msb_log_t *l, const char **ret, size_t *ret_len,
		 msb_error_t **ret_err)
{
	(void)ret_err;
	*ret_len =
		(size_t)snprintf(l->json, sizeof(l->json), "\"%s\"", l->line);
	*ret = l->json;
	return 0;
}

int msb_log_boot_error(const msb_log_t *l, char **ret, msb_error_t **ret_err)
{
	char *path = str_fmt("%s.boot", l->path);
	struct buf b;

	(void)ret_err;
	buf_init(&b, 65536);
	*ret = NULL;
	if (!io_read_file_at(-1, path, &b))
		*ret = buf_take_str(&b);
	buf_fini(&b);
	free(path);
	return 0;
}
