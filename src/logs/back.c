/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a chain of log files backwards, in blocks from the end.
 *
 * A line of text that has no time belongs to the nearest one before it that
 * has: they pass or do not pass together, so a tail begins with a line that
 * has a time, at the price of a few entries too many.
 */
#include "logs/back.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "logs/limits.h"

#define BLOCK (64u << 10)

struct back {
	const struct chain *c;
	unsigned file; /* being read */
	uint8_t *buf;  /* owned; bytes [at, at + len) of the file */
	size_t cap, len;
	uint64_t at;
	bool skipping; /* the line that ends at at + len is too long */
};

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, ENOMEM, "Cannot allocate memory");
}

static int back_init(struct back *b, const struct chain *c, unsigned file,
		     uint64_t offset, struct err *err)
{
	memset(b, 0, sizeof(*b));
	b->c = c;
	b->file = file;
	b->at = offset;
	b->buf = calloc(1, BLOCK);
	b->cap = BLOCK;
	return b->buf ? 0 : no_memory(err);
}

/* The block in front of the buffer is put there. */
static int read_before(struct back *b, struct err *err)
{
	size_t n = b->at < BLOCK ? (size_t)b->at : BLOCK, got = 0;

	if (b->cap - b->len < n) {
		uint8_t *p = realloc(b->buf, 2 * b->cap); /* len is bounded */

		if (!p)
			return no_memory(err);
		b->buf = p;
		b->cap *= 2;
	}
	memmove(b->buf + n, b->buf, b->len);
	while (got < n) {
		struct iovec iov = { .iov_base = b->buf + got,
				     .iov_len = n - got };
		ssize_t rc = io_preadv(b->c->files.f[b->file].fd, &iov, 1,
				       (off_t)(b->at - n + got), 0);

		if (rc <= 0) /* it has been cut */
			return err_sys(err, ERR_IO, rc ? (int)-rc : EIO,
				       "read %s", chain_file_name(b->c->kind));
		got += (size_t)rc;
	}
	b->at -= n;
	b->len += n;
	return 0;
}

/*
 * Length of the line at the end of the buffer, without what is in front of it;
 * 0: its beginning is not in the buffer.
 */
static size_t last_line(const struct back *b)
{
	const uint8_t *nl =
		b->len > 1 ? memrchr(b->buf, '\n', b->len - 1) : NULL;

	if (nl)
		return (size_t)(b->buf + b->len - (nl + 1));
	return b->at ? 0 : b->len;
}

/* Of len bytes at the end of the buffer. */
static bool too_long(const struct back *b, size_t len)
{
	return len > LINE_MAX_BYTES &&
	       len - (b->buf[b->len - 1] == '\n') > LINE_MAX_BYTES;
}

/*
 * The line before: 1, *ret_line with its newline, if it has one, and *ret_off;
 * 0 at the beginning of the chain.
 */
static int back_line(struct back *b, const uint8_t **ret_line, size_t *ret_len,
		     uint64_t *ret_off, struct err *err)
{
	for (;;) {
		size_t n = last_line(b);
		int rc;

		if (n) {
			bool skip = b->skipping || too_long(b, n);

			b->skipping = false;
			b->len -= n;
			if (skip)
				continue;
			*ret_line = b->buf + b->len;
			*ret_len = n;
			*ret_off = b->at + b->len;
			return 1;
		}
		if (b->at) {
			if (b->len > LINE_MAX_BYTES + 1) {
				b->skipping = true;
				b->len = 1; /* a newline or not: no matter */
			}
			rc = read_before(b, err);
			if (rc)
				return rc;
			continue;
		}
		if (!b->file)
			return 0;
		b->skipping = false;
		b->at = b->c->files.f[--b->file].size;
	}
}

/* Behind the last line that is complete, in the youngest file. */
static int find_end(struct chain *c, uint64_t *ret, struct err *err)
{
	struct back b;
	const uint8_t *line = NULL;
	size_t len = 0;
	uint64_t off = 0;
	int rc;

	*ret = c->files.f[c->files.n - 1].size;
	if (c->final || !*ret)
		return 0;
	rc = back_init(&b, c, c->files.n - 1, *ret, err);
	/* one that is too long is passed over, with or without its end */
	if (!rc)
		rc = back_line(&b, &line, &len, &off, err);
	if (rc > 0 && b.file == c->files.n - 1 && off + len == *ret &&
	    line[len - 1] != '\n')
		*ret = off;
	free(b.buf);
	return rc < 0 ? rc : 0;
}

/* ---- what a line's time depends on ----------------------------------------
 */

struct context_search {
	struct text_context found;
	bool has_uptime; /* of the nearest line that has one, and no other time
			  */
	int64_t uptime_ns;
};

static void look_at(struct context_search *s, const struct text_line *l)
{
	struct text_context *t = &s->found;

	if (l->kind == TEXT_UPTIME && !t->has_last && !s->has_uptime) {
		s->has_uptime = true;
		s->uptime_ns = l->ns;
	}
	if ((l->kind == TEXT_DATED || l->kind == TEXT_BOOT) && !t->has_last &&
	    !s->has_uptime) {
		t->has_last = true;
		t->last_ns = l->ns;
	}
	if ((l->kind == TEXT_BOOT || l->kind == TEXT_BOOT_AGAIN) &&
	    !t->has_boot) {
		t->has_boot = true;
		t->boot_ns = l->ns;
	}
	if (t->has_boot && !t->has_last && s->has_uptime &&
	    !__builtin_add_overflow(t->boot_ns, s->uptime_ns, &t->last_ns))
		t->has_last = true;
}

/* What the lines in front of a place say about the time of those behind it. */
static int context_before(struct chain *c, unsigned i, uint64_t offset,
			  struct text_context *ret, struct err *err)
{
	const bool kernel = c->kind == CHAIN_KERNEL;
	struct context_search s = { 0 };
	const uint8_t *line = NULL;
	struct text_line l;
	struct back b;
	uint64_t off = 0;
	size_t len = 0;
	int rc = back_init(&b, c, i, offset, err);

	while (!rc && (!s.found.has_last || (kernel && !s.found.has_boot))) {
		rc = back_line(&b, &line, &len, &off, err);
		if (rc <= 0)
			break;
		rc = text_line_parse(&c->exec.scratch, kernel, line, len, &l)
			     ? 0
			     : no_memory(err);
		if (!rc)
			look_at(&s, &l);
	}
	free(b.buf);
	*ret = s.found;
	return rc;
}

int chain_resume(struct chain *c, unsigned i, uint64_t offset, struct err *err)
{
	struct text_context t = { 0 };
	int rc = c->kind == CHAIN_EXEC ? 0
				       : context_before(c, i, offset, &t, err);

	if (!rc)
		chain_start(c, i, offset, &t);
	return rc;
}

/* ---- tails --------------------------------------------------------------- */

struct tail {
	struct back back;
	const struct log_filter *filter;
	uint64_t count;
	unsigned file; /* where they begin */
	uint64_t off;
	/* of text, when only some times pass */
	uint64_t pending; /* entries whose time comes from a line before */
	bool has_context; /* context is that of the lines now being read */
	struct text_context context;
};

static void begin_at(struct tail *t, uint64_t off, uint64_t more)
{
	t->count += more;
	t->file = t->back.file;
	t->off = off;
}

static int add_exec(struct tail *t, struct chain *c, const uint8_t *line,
		    size_t len, uint64_t off)
{
	struct log_line l;

	if (chain_parse(c, t->filter, NULL, 0, line, len, &l))
		begin_at(t, off, 1);
	return 0;
}

/* The time of a line that says how long the machine has been up. */
static int date_uptime(struct tail *t, struct chain *c, uint64_t off,
		       struct text_line *l, struct err *err)
{
	int rc = 0;

	if (!t->has_context)
		rc = context_before(c, t->back.file, off, &t->context, err);
	t->has_context = !rc;
	l->kind = !rc && t->context.has_boot &&
				  !__builtin_add_overflow(t->context.boot_ns,
							  l->ns, &l->ns)
			  ? TEXT_DATED
			  : TEXT_UNDATED;
	return rc;
}

static int add_text(struct tail *t, struct chain *c, const uint8_t *line,
		    size_t len, uint64_t off, struct err *err)
{
	const struct log_filter *f = t->filter;
	struct log_line entry = { 0 };
	struct text_line l;
	int rc = 0;

	if (!text_line_parse(&c->exec.scratch, c->kind == CHAIN_KERNEL, line,
			     len, &l))
		return no_memory(err);
	if (l.kind == TEXT_BOOT || l.kind == TEXT_BOOT_AGAIN)
		t->has_context = false;
	if (l.kind == TEXT_NONE || l.kind == TEXT_BOOT_AGAIN)
		return 0;
	entry.data = l.body;
	entry.len = l.len;
	t->pending += filter_contains(f, &c->scratch, &entry);
	if (l.kind == TEXT_UPTIME && filter_has_times(f))
		rc = date_uptime(t, c, off, &l, err);
	if (rc || (l.kind == TEXT_UNDATED && filter_has_times(f)))
		return rc;
	if (filter_passes_time(f, l.ns))
		begin_at(t, off, t->pending);
	t->pending = 0;
	return 0;
}

/* Entries at the beginning of all, without a line before that has a time. */
static void add_undated(struct tail *t, const struct chain *c)
{
	if (t->pending && filter_passes_time(t->filter, c->files.f[0].mtime_ns))
		begin_at(t, 0, t->pending);
}

int chain_tail(struct chain *c, const struct log_filter *f, uint64_t n,
	       uint64_t *ret_count, struct err *err)
{
	struct tail t = { .filter = f };
	const uint8_t *line = NULL;
	uint64_t off = 0;
	size_t len = 0;
	int rc;

	*ret_count = 0;
	if (!c->files.n)
		return 0;
	t.file = c->files.n - 1;
	rc = find_end(c, &t.off, err);
	if (!rc)
		rc = back_init(&t.back, c, t.file, t.off, err);
	while (!rc && t.count < n) {
		rc = back_line(&t.back, &line, &len, &off, err);
		if (rc <= 0)
			break;
		rc = c->kind == CHAIN_EXEC
			     ? add_exec(&t, c, line, len, off)
			     : add_text(&t, c, line, len, off, err);
	}
	free(t.back.buf);
	if (rc < 0)
		return rc;
	if (t.count < n)
		add_undated(&t, c);
	*ret_count = t.count;
	return chain_resume(c, t.file, t.off, err);
}
