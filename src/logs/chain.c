/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One log with its rotated siblings, read forwards.
 *
 * The files are those of one moment; each but the last is complete. At the end
 * of the last one, a follower looks whether its name still leads to it. If not,
 * it was rotated away: the files that came after it are opened and put behind
 * it, and only then it is read once more to its end, as lines may have come
 * between the last look and the rotation. When it is no longer among them, more
 * files came and went than are kept.
 */
#include "logs/chain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "logs/json_text.h"
#include "logs/limits.h"

#define BLOCK (256u << 10)

static const char *const file_name[] = { "exec.log", "runtime.log",
					 "kernel.log" };

_Static_assert(ARRAY_SIZE(file_name) == CHAIN_COUNT,
	       "file_name[] does not match enum chain_kind");

const char *chain_file_name(enum chain_kind kind)
{
	return file_name[kind];
}

int chain_open(struct chain *c, enum chain_kind kind, int dirfd,
	       struct err *err)
{
	int rc;

	memset(c, 0, sizeof(*c));
	c->kind = kind;
	c->dirfd = dirfd;
	c->key = INT64_MIN;
	exec_parser_init(&c->exec);
	buf_init(&c->scratch, 4 * LINE_MAX_BYTES);
	c->buf = malloc(BLOCK);
	if (!c->buf)
		return err_set(err, ERR_NO_MEMORY, ENOMEM,
			       "Cannot allocate memory");
	c->cap = BLOCK;
	rc = log_files_open(dirfd, file_name[kind], &c->files);
	return rc ? err_sys(err, ERR_IO, -rc, "open %s", file_name[kind]) : 0;
}

void chain_close(struct chain *c)
{
	log_files_close(&c->files);
	free(c->buf);
	exec_parser_fini(&c->exec);
	buf_fini(&c->scratch);
}

void chain_start(struct chain *c, unsigned i, uint64_t offset,
		 const struct text_context *text)
{
	log_files_drop(&c->files, i);
	c->off = offset;
	c->text = *text;
}

bool chain_takes_rest(const struct chain *c, unsigned file)
{
	return c->final || file + 1 < c->files.n;
}

struct chain_place chain_place(const struct chain *c)
{
	struct chain_place p = { 0 };

	if (!c->files.n)
		return p;
	p.identity = c->files.f[0].identity;
	p.offset = c->have ? c->line_off : c->skipping ? c->skip_off : c->off;
	return p;
}

/* ---- bytes --------------------------------------------------------------- */

static void take(struct chain *c, size_t n)
{
	c->pos += n;
	c->off += n;
	c->seen = c->seen > n ? c->seen - n : 0;
	c->whole = c->whole > n ? c->whole - n : 0;
}

/* Room behind what is left of the block, which goes to the front. */
static int make_room(struct chain *c)
{
	size_t left = c->end - c->pos;
	uint8_t *p;

	if (c->pos)
		memmove(c->buf, c->buf + c->pos, left);
	c->pos = 0;
	c->end = left;
	if (c->cap - left >= BLOCK / 2)
		return 0;
	p = realloc(c->buf, 2 * c->cap); /* left is bounded, so this is */
	if (!p)
		return -ENOMEM;
	c->buf = p;
	c->cap *= 2;
	return 0;
}

/* Bytes appended to the block; 0 at the end of the file. */
static ssize_t read_more(struct chain *c, struct err *err)
{
	const struct log_file *f = &c->files.f[0];
	uint64_t at = c->off + (c->end - c->pos);
	struct iovec iov;
	uint8_t *last;
	ssize_t n;

	if (make_room(c))
		return err_set(err, ERR_NO_MEMORY, ENOMEM,
			       "Cannot allocate memory");
	iov.iov_base = c->buf + c->end;
	iov.iov_len = c->cap - c->end;
	/* those who do not follow read what there was when they began */
	if (!c->follow && c->files.n == 1 &&
	    iov.iov_len > (f->size > at ? f->size - at : 0))
		iov.iov_len = f->size > at ? (size_t)(f->size - at) : 0;
	n = iov.iov_len ? io_preadv(f->fd, &iov, 1, (off_t)at, 0) : 0;
	if (n < 0)
		return err_sys(err, ERR_IO, (int)-n, "read %s",
			       file_name[c->kind]);
	last = n ? memrchr(c->buf + c->end, '\n', (size_t)n) : NULL;
	c->end += (size_t)n;
	if (last)
		c->whole = (size_t)(last + 1 - (c->buf + c->pos));
	return n;
}

static void next_file(struct chain *c)
{
	log_files_drop(&c->files, 1);
	c->off = 0;
	c->pos = c->end = c->seen = c->whole = 0;
	c->skipping = false;
}

/* A file is as long as its whole lines, and may be cut back to them. */
static void note_cut(struct chain *c, uint64_t size)
{
	if (size >= c->off + (c->end - c->pos))
		return;
	c->end = c->pos;
	c->seen = c->whole = 0;
	c->skipping = false;
	if (size < c->off)
		c->off = size;
}

static int missed(struct chain *c, struct err *err)
{
	return err_set(err, ERR_MISSED_ROTATION, ESTALE,
		       "%s was rotated out of reach behind offset %llu",
		       file_name[c->kind],
		       (unsigned long long)chain_place(c).offset);
}

/* At the end of the last file that is known: 1 when there is more to read. */
static int look_for_more(struct chain *c, struct err *err)
{
	const char *name = file_name[c->kind];
	struct log_files now;
	uint64_t live, size;
	int rc = log_file_look(c->dirfd, name, &live, &size), at;

	if (rc)
		return err_sys(err, ERR_IO, -rc, "look at %s", name);
	if (c->files.n && live == c->files.f[0].identity)
		note_cut(c, size);
	if (!live || (c->files.n && live == c->files.f[0].identity))
		return 0;
	rc = log_files_open(c->dirfd, name, &now);
	if (rc == -EAGAIN)
		return missed(c, err);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "open %s", name);
	if (!c->files.n) {
		/* there was nothing; was this all since then? */
		if (now.n && now.f[0].number == ROTATE_KEEP) {
			log_files_close(&now);
			return missed(c, err);
		}
		c->files = now;
		return now.n > 0;
	}
	at = log_files_find(&now, c->files.f[0].identity);
	if (at < 0) {
		log_files_close(&now);
		return missed(c, err);
	}
	log_files_drop(&now, (unsigned)at + 1);
	memcpy(c->files.f + 1, now.f, now.n * sizeof(now.f[0]));
	c->files.n += now.n;
	return now.n > 0;
}

/* ---- lines --------------------------------------------------------------- */

static void date_text(struct text_context *t, const struct text_line *l,
		      int64_t mtime_ns)
{
	if (l->kind == TEXT_DATED || l->kind == TEXT_BOOT) {
		t->last_ns = l->ns;
		t->has_last = true;
	}
	if (l->kind == TEXT_BOOT || l->kind == TEXT_BOOT_AGAIN) {
		t->boot_ns = l->ns;
		t->has_boot = true;
	}
	if (l->kind == TEXT_UPTIME && t->has_boot &&
	    !__builtin_add_overflow(t->boot_ns, l->ns, &t->last_ns))
		t->has_last = true;
	if (!t->has_last) {
		t->last_ns = t->has_boot ? t->boot_ns : mtime_ns;
		t->has_last = true;
	}
}

/*
 * What lines that are passed over say about the time of those that follow is
 * what the last of them says that has a time; those without any in front of
 * them are of the time of the file.
 */
static void learn_time(struct chain *c, const uint8_t *p, size_t len)
{
	const bool kernel = c->kind == CHAIN_KERNEL;
	struct text_line l = { .kind = TEXT_NONE };
	bool any = false;

	while (len && l.kind != TEXT_DATED) {
		const uint8_t *nl = memrchr(p, '\n', len - 1);
		const uint8_t *line = nl ? nl + 1 : p;
		size_t n = (size_t)(p + len - line);

		len -= n;
		if (n - 1 > LINE_MAX_BYTES ||
		    !text_line_parse(&c->exec.scratch, kernel, line, n, &l))
			continue;
		any = any || l.kind != TEXT_NONE;
		if (l.kind == TEXT_UPTIME && c->text.has_boot)
			break;
	}
	if (any)
		date_text(&c->text, &l, c->files.f[0].mtime_ns);
}

/* Lines that cannot pass are taken as they lie. */
static void pass_over(struct chain *c, const struct scan *scan)
{
	const uint8_t *p = c->buf + c->pos, *start;
	const bool text = c->kind != CHAIN_EXEC;
	size_t at = text ? scan_next_text(scan, p, c->whole)
			 : scan_next(scan, p, c->whole);
	size_t n = c->whole;

	if (at < c->whole) {
		start = memrchr(p, '\n', at);
		n = start ? (size_t)(start + 1 - p) : 0;
	}
	if (text)
		learn_time(c, p, n);
	take(c, n);
}

/* A line that is complete in the block: its length with the newline, or 0. */
static size_t whole_line(struct chain *c, const struct scan *scan)
{
	const uint8_t *nl;
	size_t n;

	if (scan->n && c->whole && !c->skipping)
		pass_over(c, scan);
	while (c->whole) {
		nl = memchr(c->buf + c->pos + c->seen, '\n',
			    c->end - c->pos - c->seen);
		if (!nl)
			return 0;
		n = (size_t)(nl + 1 - (c->buf + c->pos));
		if (!c->skipping && n - 1 <= LINE_MAX_BYTES)
			return n;
		take(c, n);
		c->skipping = false;
	}
	return 0;
}

/* The block is without a newline. */
static void keep_short(struct chain *c)
{
	size_t left = c->end - c->pos;

	if (!c->skipping && left > LINE_MAX_BYTES) {
		c->skipping = true;
		c->skip_off = c->off;
	}
	if (c->skipping)
		take(c, left);
	c->seen = c->end - c->pos;
}

/* The next line: its length, at buf[pos]; 0 when there is none now. */
static ssize_t next_line(struct chain *c, const struct scan *scan,
			 struct err *err)
{
	for (;;) {
		size_t n = whole_line(c, scan);
		ssize_t rc;

		if (n)
			return (ssize_t)n;
		keep_short(c);
		rc = c->files.n ? read_more(c, err) : 0;
		if (!rc && c->files.n <= 1 && c->follow)
			rc = look_for_more(c, err);
		if (rc < 0)
			return rc;
		if (rc)
			continue;
		if (c->files.n && c->end > c->pos && chain_takes_rest(c, 0))
			return (ssize_t)(c->end - c->pos);
		if (c->files.n <= 1)
			return 0;
		next_file(c);
	}
}

/* ---- entries ------------------------------------------------------------- */

bool filter_contains(const struct log_filter *f, struct buf *scratch,
		     const struct log_line *l)
{
	const uint8_t *data = l->data;
	size_t len = l->len;

	if (!f->ntexts)
		return true;
	if (l->escaped) {
		uint8_t *out;

		buf_reset(scratch);
		out = buf_reserve(scratch, len + 1);
		if (!out)
			return true; /* rather too much than too little */
		len = json_unescape(data, len, out);
		data = out;
	}
	for (unsigned i = 0; i < f->ntexts; i++)
		if (memmem(data, len, f->texts[i].p, f->texts[i].len))
			return true;
	return false;
}

static bool parse_text(struct chain *c, struct text_context *t,
		       int64_t mtime_ns, const uint8_t *line, size_t len,
		       struct log_line *ret)
{
	struct text_line l;

	if (!text_line_parse(&c->exec.scratch, c->kind == CHAIN_KERNEL, line,
			     len, &l) ||
	    l.kind == TEXT_NONE)
		return false;
	date_text(t, &l, mtime_ns);
	*ret = (struct log_line){ .time_ns = t->last_ns,
				  .stream = LOG_SYSTEM,
				  .data = l.body,
				  .len = l.len };
	return l.kind != TEXT_BOOT_AGAIN;
}

bool chain_parse(struct chain *c, const struct log_filter *f,
		 struct text_context *t, int64_t mtime_ns, const uint8_t *line,
		 size_t len, struct log_line *ret)
{
	bool entry;

	if (c->kind == CHAIN_EXEC) {
		if (len && line[len - 1] == '\n')
			len--;
		entry = len && exec_line_parse(&c->exec, line, len, ret);
	} else {
		entry = parse_text(c, t, mtime_ns, line, len, ret);
	}
	return entry && (f->streams & 1u << ret->stream) &&
	       filter_passes_time(f, ret->time_ns) &&
	       filter_contains(f, &c->scratch, ret);
}

int chain_next(struct chain *c, const struct log_filter *f, struct err *err)
{
	while (!c->have) {
		ssize_t n = next_line(c, &f->scan, err);
		const uint8_t *line;

		if (n <= 0)
			return (int)n;
		line = c->buf + c->pos;
		c->line_off = c->off;
		take(c, (size_t)n);
		c->have = chain_parse(c, f, &c->text, c->files.f[0].mtime_ns,
				      line, (size_t)n, &c->line);
	}
	if (c->line.time_ns > c->key)
		c->key = c->line.time_ns;
	return 1;
}
