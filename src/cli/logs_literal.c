/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most telling piece of plain text that a regular expression, or each of
 * its alternatives, cannot match without. One pass over its top level: what
 * stands in groups and classes is skipped, a repetition takes the character in
 * front of it away, and what is not understood (or not worth it) leaves no text
 * at all.
 */
#include "cli/logs_literal.h"

#include <errno.h>
#include <string.h>

#define PATTERN_MAX (64u << 10)

struct scan {
	const char *p;
	struct log_literal *found;
	struct buf run;	 /* text that stands together */
	size_t last;	 /* bytes of its last character */
	bool plain;	 /* nothing but text so far */
	bool unknown;	 /* flags, odd escapes */
	bool failed;	 /* out of memory */
	struct buf best; /* of the runs before */
};

/* How rare a text is likely to be: numbers tell more than words do. */
static size_t weight(const struct buf *text)
{
	const uint8_t *p = buf_data(text);
	size_t w = 0;

	for (size_t i = 0; i < buf_len(text); i++)
		w += p[i] == ' ' ? 1 : p[i] >= 'a' && p[i] <= 'z' ? 2 : 3;
	return w;
}

static void end_run(struct scan *s)
{
	s->failed = s->failed || s->run.failed;
	if (weight(&s->run) > weight(&s->best)) {
		struct buf t = s->best;

		s->best = s->run;
		s->run = t;
	}
	buf_reset(&s->run);
	s->last = 0;
}

/* The text of this alternative, and the next one from nothing. */
static void end_alternative(struct scan *s)
{
	struct log_literal *l = s->found;

	end_run(s);
	if (buf_len(&s->best) && l->n < LOG_LITERALS) {
		l->text[l->n++] = s->best;
		buf_init(&s->best, PATTERN_MAX);
	} else {
		s->unknown = true;
	}
}

static void not_text(struct scan *s)
{
	s->plain = false;
	end_run(s);
}

static void add(struct scan *s, const char *c, size_t n)
{
	(void)buf_append(&s->run, c, n);
	s->last = n;
}

/* One character of the pattern as it is. */
static void take_character(struct scan *s)
{
	size_t n = 1;

	while (((uint8_t)s->p[n] & 0xc0) == 0x80)
		n++;
	add(s, s->p, n);
	s->p += n;
}

/* The character in front may be missing. */
static void take_repetition(struct scan *s, size_t n)
{
	s->run.len -= s->last;
	not_text(s);
	s->p += n;
}

/* \Q...\E: not worth understanding, but none of it is syntax. */
static void skip_quotation(struct scan *s)
{
	const char *end = strstr(s->p + 2, "\\E");

	s->unknown = true;
	s->p = end ? end + 2 : s->p + strlen(s->p);
}

static void take_escape(struct scan *s)
{
	static const char named[] = "nrtfae", meant[] = "\n\r\t\f\a\033";
	static const char classes[] = "dDwWsSbBAzZhHvVRXGK";
	char c = s->p[1];
	const char *at;

	if (!c) {
		s->unknown = true; /* the compiler will say why */
		s->p++;
		return;
	}
	if (c == 'Q') {
		skip_quotation(s);
		return;
	}
	at = strchr(named, c);
	if (at) {
		add(s, &meant[at - named], 1);
	} else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
		   (c >= 'A' && c <= 'Z')) {
		if (!strchr(classes, c))
			s->unknown = true; /* \x41, \p{L}, \1 */
		not_text(s);
	} else if ((uint8_t)c >= 0x80) {
		s->p++;
		take_character(s);
		return;
	} else {
		add(s, &c, 1);
	}
	s->p += 2;
}

/* "{2,3}" is a repetition, "{a" is text. Length, or 0. */
static size_t braces(const char *p)
{
	size_t n = 1 + strspn(p + 1, "0123456789, ");

	return p[n] == '}' ? n + 1 : 0;
}

static int refuse(struct err *err, const char *what)
{
	return err_set(err, ERR_INVALID, EINVAL, "invalid --grep regex: %s",
		       what);
}

/* "[:alpha:]" at p. Length, or 0. */
static size_t named_class(const char *p)
{
	size_t n = 2 + (p[1] == ':' && p[2] == '^');

	if (p[1] != ':')
		return 0;
	n += strspn(p + n, "abcdefghijklmnopqrstuvwxyz");
	return p[n] == ':' && p[n + 1] == ']' ? n + 2 : 0;
}

/* Move behind a class: [...]. */
static int skip_class(const char **p, struct err *err)
{
	const char *q = *p + 1;

	if (*q == '^')
		q++;
	if (*q == ']')
		q++;
	for (; *q && *q != ']'; q++) {
		if (*q == '\\' && q[1]) {
			q++;
		} else if (*q == '[' && named_class(q)) {
			q += named_class(q) - 1;
		} else if (*q == '[') {
			return refuse(err, "'[' in a class: write \\[");
		} else if ((*q == '&' || *q == '-' || *q == '~') &&
			   q[1] == *q) {
			return refuse(err, "a class made of two classes (&&, "
					   "--, ~~) is not supported");
		}
	}
	*p = *q ? q + 1 : q;
	return 0;
}

/* Move behind a group, with what it holds. */
static int skip_group(struct scan *s, struct err *err)
{
	size_t depth = 0;
	int rc = 0;

	do {
		if (*s->p == '\\' && s->p[1] == 'Q') {
			skip_quotation(s);
		} else if (*s->p == '\\' && s->p[1]) {
			s->p += 2;
		} else if (*s->p == '[') {
			rc = skip_class(&s->p, err);
		} else if (*s->p == '(') {
			/* (?i), (?#, (*VERB): anything is possible then */
			if (s->p[1] == '*' ||
			    (s->p[1] == '?' &&
			     !(s->p[2] && strchr(":=!<P|>", s->p[2]))))
				s->unknown = true;
			depth++;
			s->p++;
		} else if (*s->p) {
			depth -= *s->p == ')';
			s->p++;
		}
	} while (!rc && depth && *s->p);
	return rc;
}

static int take_item(struct scan *s, struct err *err)
{
	size_t n;

	switch (*s->p) {
	case '\\':
		take_escape(s);
		return 0;
	case '[':
		not_text(s);
		return skip_class(&s->p, err);
	case '(':
		not_text(s);
		return skip_group(s, err);
	case '*':
	case '?':
		take_repetition(s, 1);
		return 0;
	case '{':
		n = braces(s->p);
		take_repetition(s, n ? n : 1);
		return 0;
	case '|':
		end_alternative(s);
		s->p++;
		return 0;
	case '+':
	case '.':
	case '^':
	case '$':
	case ')':
		not_text(s);
		s->p++;
		return 0;
	default:
		take_character(s);
		return 0;
	}
}

int log_literal_init(struct log_literal *l, const char *pattern,
		     struct err *err)
{
	struct scan s = { .p = pattern, .found = l, .plain = true };
	int rc = 0;

	memset(l, 0, sizeof(*l));
	if (strlen(pattern) > PATTERN_MAX)
		return refuse(err, "it is too long");
	buf_init(&s.run, PATTERN_MAX);
	buf_init(&s.best, PATTERN_MAX);
	while (!rc && *s.p)
		rc = take_item(&s, err);
	end_alternative(&s);
	buf_fini(&s.run);
	buf_fini(&s.best);
	if (!rc && s.failed)
		rc = err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	if (rc || s.unknown)
		log_literal_fini(l);
	l->whole = s.plain && l->n;
	return rc;
}

void log_literal_fini(struct log_literal *l)
{
	for (unsigned i = 0; i < l->n; i++)
		buf_fini(&l->text[i]);
	l->n = 0;
}
