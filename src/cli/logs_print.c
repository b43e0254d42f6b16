/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log entries as text.
 *
 * An entry is what a command wrote at once, so a line may be spread over
 * several entries, and so may an escape sequence or be cut between two: how far
 * a sequence has come is remembered for the streams seen last.
 */
#include "cli/logs_print.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "cli/table.h"

#define FLUSH_BYTES (256u << 10)
#define BUFFER_MAX (1u << 30)
#define ESCAPE_MAX 4096u /* a longer "sequence" was none */
#define REPLACEMENT "\xef\xbf\xbd"
#define ESC '\033'
#define BEL '\a'

enum escape_state {
	ESCAPE_NONE,
	ESCAPE_BEGUN,	  /* ESC */
	ESCAPE_REST,	  /* ESC and a character */
	ESCAPE_CSI,	  /* ESC [ */
	ESCAPE_OSC,	  /* ESC ] */
	ESCAPE_OSC_ENDING /* ESC ] ... ESC */
};

void log_printer_init(struct log_printer *p, const struct log_layout *layout,
		      int fd)
{
	memset(p, 0, sizeof(*p));
	p->layout = *layout;
	p->fd = fd;
	p->second = INT64_MIN;
	buf_init(&p->out, BUFFER_MAX);
	buf_init(&p->text, BUFFER_MAX);
	buf_init(&p->plain, BUFFER_MAX);
}

void log_printer_fini(struct log_printer *p)
{
	buf_fini(&p->out);
	buf_fini(&p->text);
	buf_fini(&p->plain);
}

/* The descriptor may be somebody's who does not want to wait. */
static int write_all(int fd, const uint8_t *data, size_t len)
{
	while (len) {
		ssize_t n = io_write(fd, data, len);
		struct pollfd pfd = { .fd = fd, .events = POLLOUT };

		if (n == -EAGAIN) {
			(void)poll(&pfd, 1, -1);
			continue;
		}
		if (n < 0)
			return (int)n;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int log_print_flush(struct log_printer *p)
{
	int rc = p->out.failed ? -ENOMEM : 0;

	if (!rc)
		rc = write_all(p->fd, buf_data(&p->out), buf_len(&p->out));
	buf_reset(&p->out);
	return rc;
}

static int flush_when_full(struct log_printer *p)
{
	if (buf_len(&p->out) < FLUSH_BYTES && !p->out.failed)
		return 0;
	return log_print_flush(p);
}

int log_print_line(struct log_printer *p, const char *line, size_t len)
{
	uint8_t *to = buf_reserve(&p->out, len + 1);

	if (to) {
		memcpy(to, line, len);
		to[len] = '\n';
		buf_commit(&p->out, len + 1);
	}
	return flush_when_full(p);
}

/* --- what is in an entry --- */

static void only_characters(struct buf *out, const uint8_t *p, size_t len)
{
	while (len) {
		bool valid;
		size_t n = utf8_step(p, len, &valid);

		if (valid)
			(void)buf_append(out, p, n);
		else
			(void)buf_str(out, REPLACEMENT);
		p += n;
		len -= n;
	}
}

static struct log_escape *stream_of(struct log_printer *p,
				    const msb_log_entry_t *e)
{
	unsigned kind = e->source < MSB_LOG_SYSTEM ? e->source / 2 : 3;
	struct log_escape *s =
		&p->streams[(e->session * 4 + kind) % LOG_STREAMS];

	/* entries of msb itself are whole lines */
	if (s->session != e->session || s->source != e->source || !e->session)
		*s = (struct log_escape){ .session = e->session,
					  .source = e->source };
	return s;
}

/* Take c, which is part of a sequence. */
static void escape_byte(struct log_escape *s, uint8_t c)
{
	switch ((enum escape_state)s->state) {
	case ESCAPE_BEGUN:
		s->state = c == '['   ? ESCAPE_CSI
			   : c == ']' ? ESCAPE_OSC
				      : ESCAPE_REST;
		break;
	case ESCAPE_CSI:
		if (c == ESC) /* broken off by the next one */
			s->state = ESCAPE_BEGUN;
		else if (c >= 0x40 && c <= 0x7e)
			s->state = ESCAPE_NONE;
		break;
	case ESCAPE_OSC:
		if (c == BEL)
			s->state = ESCAPE_NONE;
		else if (c == ESC)
			s->state = ESCAPE_OSC_ENDING;
		break;
	case ESCAPE_OSC_ENDING:
		s->state = c == '\\'  ? ESCAPE_NONE
			   : c == ESC ? ESCAPE_OSC_ENDING
				      : ESCAPE_OSC;
		break;
	case ESCAPE_REST:
	case ESCAPE_NONE:
		break;
	}
	if (++s->len > ESCAPE_MAX)
		s->state = ESCAPE_REST;
}

static void without_escapes(struct buf *out, struct log_escape *s,
			    const uint8_t *p, size_t len)
{
	while (len) {
		const uint8_t *esc;
		size_t n;

		if (s->state == ESCAPE_REST && (*p & 0xc0) != 0x80)
			s->state = ESCAPE_NONE;
		if (s->state != ESCAPE_NONE) {
			escape_byte(s, *p++);
			len--;
			continue;
		}
		esc = memchr(p, ESC, len);
		n = esc ? (size_t)(esc - p) : len;
		(void)buf_append(out, p, n);
		p += n;
		len -= n;
		if (esc) {
			s->state = ESCAPE_BEGUN;
			s->len = 0;
			p++;
			len--;
		}
	}
}

/* What is to be shown of e, in *ret and *ret_len. */
static int body_of(struct log_printer *p, const msb_log_entry_t *e,
		   const uint8_t **ret, size_t *ret_len)
{
	*ret = e->data;
	*ret_len = e->len;
	if (!p->layout.raw && !utf8_valid(*ret, *ret_len)) {
		buf_reset(&p->text);
		only_characters(&p->text, *ret, *ret_len);
		*ret = buf_data(&p->text);
		*ret_len = buf_len(&p->text);
	}
	if (p->text.failed)
		return -ENOMEM;
	if (p->layout.strip && *ret) {
		struct log_escape *s = stream_of(p, e);

		if (s->state != ESCAPE_NONE || memchr(*ret, ESC, *ret_len)) {
			buf_reset(&p->plain);
			without_escapes(&p->plain, s, *ret, *ret_len);
			*ret = buf_data(&p->plain);
			*ret_len = buf_len(&p->plain);
		}
	}
	return p->plain.failed ? -ENOMEM : 0;
}

/* --- what is in front of lines --- */

/* "2026-05-22T10:11:12.345Z"; returns its length. */
static int put_stamp(struct log_printer *p, char *buf, size_t size,
		     int64_t unix_ns)
{
	int64_t second = unix_ns / (int64_t)NSEC_PER_SEC;
	int64_t ns = unix_ns % (int64_t)NSEC_PER_SEC;
	struct tm tm;

	if (ns < 0) {
		second--;
		ns += (int64_t)NSEC_PER_SEC;
	}
	if (second != p->second) {
		time_t t = (time_t)second;

		if (!gmtime_r(&t, &tm) || !strftime(p->stamp, sizeof(p->stamp),
						    "%Y-%m-%dT%H:%M:%S", &tm))
			p->stamp[0] = 0;
		p->second = second;
	}
	return snprintf(buf, size, "%s.%03dZ", p->stamp,
			(int)(ns / (int64_t)NSEC_PER_MSEC));
}

static const char *session_color(const struct log_printer *p, uint64_t session)
{
	static const char *const colors[] = { "\033[36m", "\033[35m",
					      "\033[32m", "\033[34m",
					      "\033[96m", "\033[95m",
					      "\033[92m", "\033[94m" };

	if (!p->layout.color_sessions || !p->layout.colors || !session)
		return NULL;
	return colors[session % ARRAY_SIZE(colors)];
}

struct prefix {
	char stamp[48];
	int stamp_len; /* 0: none */
	char id[32];
	const char *color; /* NULL: none */
};

static void make_prefix(struct log_printer *p, const msb_log_entry_t *e,
			struct prefix *ret)
{
	ret->stamp_len = 0;
	if (p->layout.timestamps)
		ret->stamp_len = put_stamp(p, ret->stamp, sizeof(ret->stamp),
					   e->time_unix_ns);
	ret->id[0] = 0;
	if (p->layout.show_id && e->session)
		(void)snprintf(ret->id, sizeof(ret->id), "[id:%3llu] ",
			       (unsigned long long)e->session);
	else if (p->layout.show_id)
		(void)snprintf(ret->id, sizeof(ret->id), "[id:sys] ");
	ret->color = session_color(p, e->session);
}

static void put_line(struct log_printer *p, const struct prefix *x, bool first,
		     const uint8_t *line, size_t len)
{
	bool dim = first && p->layout.colors;

	if (x->stamp_len && first)
		(void)buf_printf(&p->out, "%s%s%s\t",
				 dim ? style_on(STYLE_DIM) : "", x->stamp,
				 dim ? STYLE_OFF : "");
	else if (x->stamp_len)
		(void)buf_printf(&p->out, "%*s\t", x->stamp_len, "");
	if (x->color)
		(void)buf_str(&p->out, x->color);
	(void)buf_str(&p->out, x->id);
	(void)buf_append(&p->out, line, len);
	if (x->color)
		(void)buf_str(&p->out, STYLE_OFF);
}

static void put_lines(struct log_printer *p, const msb_log_entry_t *e,
		      const uint8_t *body, size_t len)
{
	struct prefix x;

	make_prefix(p, e, &x);
	for (bool first = true; len; first = false) {
		const uint8_t *end = memchr(body, '\n', len);
		size_t n = end ? (size_t)(end - body) : len;

		if (first || n)
			put_line(p, &x, first, body, n);
		if (end)
			(void)buf_str(&p->out, "\n");
		n += end != NULL;
		body += n;
		len -= n;
	}
}

int log_print_entry(struct log_printer *p, const msb_log_entry_t *e)
{
	const uint8_t *body;
	size_t len;
	int rc = body_of(p, e, &body, &len);

	if (rc)
		return rc;
	if (p->layout.timestamps || p->layout.show_id)
		put_lines(p, e, body, len);
	else
		(void)buf_append(&p->out, body, len);
	return flush_when_full(p);
}
