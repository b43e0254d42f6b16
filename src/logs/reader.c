/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The logs of a sandbox in the order of time.
 *
 * Each chain of files gives its entries in its own order. The next of all is
 * the one with the least key, which is an entry's time, or that of an earlier
 * entry of its chain if that was later: so a clock that is set back neither
 * reorders a file nor keeps other files waiting. Among equal ones, exec.log
 * comes first. A chain that has nothing now keeps nobody waiting either.
 */
#include "logs/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "logs/back.h"
#include "logs/chain.h"
#include "logs/cursor.h"
#include "logs/json_text.h"
#include "logs/limits.h"
#include "logs/watch.h"

/* How often somebody who follows looks at chains that had nothing, while
 * others have plenty. */
#define GLANCE_EVERY 4096u
/* Entries are older than the moment they can be read: a follower that is to
 * stop at a time waits for so long past it. */
#define UNTIL_GRACE_NS ((int64_t)(500 * NSEC_PER_MSEC))

struct log_reader {
	struct chain chain[CHAIN_COUNT];
	bool dry[CHAIN_COUNT]; /* had nothing when it was last looked at */
	unsigned n;
	struct log_filter filter;
	uint8_t *texts; /* owned; what the filter looks for */
	uint64_t skip;	/* entries in front of the tail */
	bool follow, ended;
	bool final;		    /* what is there now is all */
	bool waited;		    /* once */
	const struct chain *failed; /* in r->chain; NULL: none */
	unsigned since_glance;
	bool (*is_alive)(void *ctx);
	void *ctx;
	struct log_watch watch;

	struct log_line line; /* the last entry */
	struct buf data;      /* its data, when it had to be unescaped */
	struct buf json;
	struct stamp_cache stamp;
};

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, ENOMEM, "Cannot allocate memory");
}

struct log_reader *log_reader_free(struct log_reader *r)
{
	if (!r)
		return NULL;
	for (unsigned i = 0; i < r->n; i++)
		chain_close(&r->chain[i]);
	log_watch_close(&r->watch);
	buf_fini(&r->data);
	buf_fini(&r->json);
	free(r->texts);
	free(r);
	return NULL;
}

/* ---- where to begin -------------------------------------------------------
 */

static int open_chains(struct log_reader *r, int dirfd, struct err *err)
{
	const bool system = r->filter.streams & 1u << LOG_SYSTEM;
	unsigned n = system ? CHAIN_COUNT : 1;

	while (r->n < n) {
		struct chain *c = &r->chain[r->n];
		int rc = chain_open(c, (enum chain_kind)r->n, dirfd, err);

		r->n++; /* it is to be closed in either case */
		if (rc)
			return rc;
		c->follow = r->follow;
		c->final = r->final;
	}
	return 0;
}

static int start_at_cursor(struct log_reader *r, const char *text,
			   struct err *err)
{
	struct cursor cursor;
	int rc = cursor_parse(text, r->n, &cursor, err);

	for (unsigned i = 0; !rc && i < r->n; i++) {
		const struct chain_place *p = &cursor.at[i];
		struct chain *c = &r->chain[i];
		int at;

		if (!p->identity)
			continue;
		at = log_files_find(&c->files, p->identity);
		if (at < 0 || p->offset > c->files.f[at].size)
			return err_set(err, ERR_INVALID_CURSOR, ESTALE,
				       "%s generation %llx is not in the "
				       "current rotation chain",
				       chain_file_name(c->kind),
				       (unsigned long long)p->identity);
		rc = chain_resume(c, (unsigned)at, p->offset, err);
	}
	return rc;
}

/* Each chain begins where its own last entries do; of all these, the first are
 * too many. */
static int start_at_tail(struct log_reader *r, uint64_t n, struct err *err)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < r->n; i++) {
		uint64_t count;
		int rc = chain_tail(&r->chain[i], &r->filter, n, &count, err);

		if (rc)
			return rc;
		all += count;
	}
	r->skip = all > n ? all - n : 0;
	return 0;
}

/* An empty text is in all data. */
static int set_texts(struct log_reader *r, const struct log_reader_options *o)
{
	struct log_filter *f = &r->filter;
	uint8_t *to;
	size_t len = 0;

	for (unsigned i = 0; i < o->ntexts; i++) {
		if (!o->texts[i].len)
			return 0;
		if (__builtin_add_overflow(len, o->texts[i].len, &len))
			return -ENOMEM;
	}
	if (!len)
		return 0;
	r->texts = to = malloc(len);
	if (!to)
		return -ENOMEM;
	for (unsigned i = 0; i < o->ntexts; i++) {
		memcpy(to, o->texts[i].p, o->texts[i].len);
		f->texts[i] = (struct log_text){ to, o->texts[i].len };
		to += o->texts[i].len;
	}
	f->ntexts = o->ntexts;
	scan_init(&f->scan, f->texts, f->ntexts);
	return 0;
}

static int set_filter(struct log_reader *r, const struct log_reader_options *o)
{
	struct log_filter *f = &r->filter;

	f->streams = o->streams;
	f->has_since = o->has_since;
	f->has_until = o->has_until;
	f->since_ns = o->since_ns;
	f->until_ns = o->until_ns;
	return set_texts(r, o);
}

static int start(struct log_reader *r, int dirfd,
		 const struct log_reader_options *o, struct err *err)
{
	int rc = set_filter(r, o);

	if (rc)
		return no_memory(err);
	rc = r->follow ? log_watch_open(&r->watch, o->dir_path) : 0;
	if (rc)
		return err_sys(err, ERR_IO, -rc, "watch the logs");
	/* asked before the files are opened: what it has left is then there */
	r->final = !o->is_alive(o->ctx);
	rc = open_chains(r, dirfd, err);
	if (!rc && o->cursor)
		rc = start_at_cursor(r, o->cursor, err);
	else if (!rc && o->has_tail)
		rc = start_at_tail(r, o->tail, err);
	return rc;
}

int log_reader_open(int dirfd, const struct log_reader_options *o,
		    struct log_reader **ret, struct err *err)
{
	struct log_reader *r = calloc(1, sizeof(*r));
	int rc;

	if (!r)
		return no_memory(err);
	r->watch = (struct log_watch)LOG_WATCH_INIT;
	buf_init(&r->data, LINE_MAX_BYTES + 1);
	buf_init(&r->json, 8 * LINE_MAX_BYTES);
	r->follow = o->follow;
	r->is_alive = o->is_alive;
	r->ctx = o->ctx;
	rc = start(r, dirfd, o, err);
	if (rc) {
		log_reader_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

/* ---- the next entry -------------------------------------------------------
 */

static int fill(struct log_reader *r, struct err *err)
{
	for (unsigned i = 0; i < r->n; i++) {
		int rc;

		if (r->chain[i].have || r->dry[i])
			continue;
		rc = chain_next(&r->chain[i], &r->filter, err);
		if (rc < 0) {
			r->failed = &r->chain[i];
			return rc;
		}
		r->dry[i] = rc == 0;
	}
	return 0;
}

static void look_again(struct log_reader *r)
{
	memset(r->dry, 0, sizeof(r->dry));
	r->since_glance = 0;
}

/* Make the next entry the last one: 1, or 0 when there is none now. */
static int take_next(struct log_reader *r, struct err *err)
{
	struct chain *least = NULL;
	int rc;

	if (r->follow && ++r->since_glance == GLANCE_EVERY)
		look_again(r);
	rc = fill(r, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < r->n; i++) {
		struct chain *c = &r->chain[i];

		if (c->have && (!least || c->key < least->key))
			least = c;
	}
	if (!least)
		return 0;
	least->have = false;
	r->line = least->line;
	return 1;
}

static int next_now(struct log_reader *r, struct err *err)
{
	int rc;

	while ((rc = take_next(r, err)) > 0 && r->skip)
		r->skip--;
	if (rc < 0)
		r->ended = true;
	return rc;
}

static bool past_until(const struct log_reader *r)
{
	return r->filter.has_until &&
	       (int64_t)clock_wall_ns() - UNTIL_GRACE_NS > r->filter.until_ns;
}

/* Nobody writes any more: what is there now is all. */
static void note_end(struct log_reader *r)
{
	if (!r->is_alive(r->ctx))
		for (unsigned i = 0; i < r->n; i++)
			r->chain[i].final = true;
	else if (!past_until(r))
		return;
	r->final = true;
}

static int wait_next(struct log_reader *r, int timeout_ms, struct err *err)
{
	const uint64_t begin = clock_mono_ms();
	/* the first time somebody has to wait, is there anything to wait for?
	 */
	bool look = log_watch_wait(&r->watch, 0) || !r->waited;

	r->waited = true;
	for (;;) {
		uint64_t spent;
		int rc;

		if (look)
			note_end(r);
		look_again(r);
		rc = next_now(r, err);
		if (rc || r->final)
			return rc;
		spent = clock_mono_ms() - begin;
		if (timeout_ms >= 0 && spent >= (unsigned)timeout_ms)
			return 0;
		look = log_watch_wait(&r->watch,
				      timeout_ms < 0 ? -1
						     : timeout_ms - (int)spent);
	}
}

/* The data as it was, if it is not so already. */
static int lend_data(struct log_reader *r, struct log_entry *ret,
		     struct err *err)
{
	const struct log_line *l = &r->line;
	uint8_t *out;

	ret->data = l->data;
	ret->len = l->len;
	if (!l->escaped)
		return 0;
	buf_reset(&r->data);
	out = buf_reserve(&r->data, l->len + 1);
	if (!out)
		return no_memory(err);
	ret->data = out;
	ret->len = json_unescape(l->data, l->len, out);
	return 0;
}

int log_reader_next(struct log_reader *r, int timeout_ms, struct log_entry *ret,
		    struct err *err)
{
	int rc;

	if (r->ended)
		return 0;
	rc = next_now(r, err);
	if (!rc && r->follow && !r->final)
		rc = wait_next(r, timeout_ms, err);
	if (!rc && (!r->follow || r->final))
		r->ended = true;
	if (rc <= 0)
		return rc;
	ret->time_ns = r->line.time_ns;
	ret->id = r->line.id;
	ret->stream = r->line.stream;
	rc = lend_data(r, ret, err);
	return rc ? rc : 1;
}

bool log_reader_ended(const struct log_reader *r)
{
	return r->ended;
}

const char *log_reader_failed(const struct log_reader *r, uint64_t *ret_offset)
{
	if (!r->failed)
		return NULL;
	*ret_offset = chain_place(r->failed).offset;
	return chain_file_name(r->failed->kind);
}

int log_reader_fd(const struct log_reader *r)
{
	return r->watch.epoll_fd;
}

/* ---- the last entry -------------------------------------------------------
 */

/* True when it had to become base64. */
static bool put_data(struct buf *out, const struct log_line *l)
{
	if (l->escaped) {
		(void)buf_append(out, l->data, l->len);
		return false;
	}
	if (json_put_text(out, l->data, l->len) || out->failed)
		return false;
	(void)base64_encode(l->data, l->len, out);
	return true;
}

int log_reader_json(struct log_reader *r, const char **ret, size_t *ret_len,
		    struct err *err)
{
	const struct log_line *l = &r->line;
	struct buf *out = &r->json;
	char stamp[STAMP_LEN];

	buf_reset(out);
	(void)buf_str(out, "{\"d\":\"");
	(void)buf_str(out, put_data(out, l) ? "\",\"e\":\"b64\",\"id\":"
					    : "\",\"e\":null,\"id\":");
	if (l->id)
		json_put_number(out, l->id);
	else
		(void)buf_str(out, "null");
	(void)buf_str(out, ",\"s\":\"");
	(void)buf_str(out, log_stream_name(l->stream));
	(void)buf_str(out, "\",\"t\":\"");
	stamp_format(&r->stamp, l->time_ns, stamp);
	(void)buf_append(out, stamp, sizeof(stamp));
	(void)buf_str(out, "\"}");
	*ret = buf_cstr(out);
	*ret_len = buf_len(out);
	return *ret ? 0 : no_memory(err);
}

char *log_reader_cursor(const struct log_reader *r)
{
	struct cursor c = { .n = r->n };

	for (unsigned i = 0; i < r->n; i++)
		c.at[i] = chain_place(&r->chain[i]);
	return cursor_format(&c);
}
