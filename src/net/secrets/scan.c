/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placeholders where they must not be. Each form has a track: the stream
 * decoded that way, of which the latest bytes are kept, so that a placeholder
 * that began there is seen when it is complete. As long as nothing is there to
 * be decoded, a track's bytes are the raw ones, which need one look.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/secrets/secrets_int.h"

#define BLOCK 1024u /* decoded at a time; on the stack */

struct track {
	uint8_t *tail; /* room for the longest placeholder less 1 */
	size_t n;
};

#define FORMS (SECRET_BASIC + 1)

struct secret_scan {
	const struct secret_scope *scope;
	struct track tracks[FORMS];
	struct unescape percent, json;
	struct credentials basic;
	uint8_t tails[]; /* allocated with it */
};

struct look {
	const struct secret_scope *scope;
	const struct standing *found; /* the strictest so far, or NULL */
	enum secret_form form;
};

static size_t keep(const struct secret_scope *s)
{
	return s->placeholders->longest - 1;
}

/* --- one track --- */

/*
 * Placeholders of data that begin before its byte `starts`. last: nothing is
 * known to follow, so what is there counts, also if it could become another
 * one.
 */
static void look_at(struct look *l, enum secret_form form, const uint8_t *data,
		    size_t len, size_t starts, bool last)
{
	const struct placeholders *p = l->scope->placeholders;
	size_t pos = 0;
	bool more;

	while ((pos = placeholder_next(p, data, pos, starts)) < starts) {
		const int at = placeholder_at(p, data + pos, len - pos, &more);
		const struct standing *s = at < 0 ? NULL : &l->scope->v[at];

		pos++;
		if (!s || !s->blocked || (more && !last) ||
		    (l->found && l->found->action >= s->action))
			continue;
		l->found = s;
		l->form = form;
	}
}

static void track_keep(struct track *t, size_t room, const uint8_t *data,
		       size_t len)
{
	size_t old = len < room ? room - len : 0;

	if (old > t->n)
		old = t->n;
	memmove(t->tail, t->tail + t->n - old, old);
	if (len > room) {
		data += len - room;
		len = room;
	}
	if (len)
		memcpy(t->tail + old, data, len);
	t->n = old + len;
}

static void track_feed(struct track *t, struct look *l, enum secret_form form,
		       const uint8_t *data, size_t len, bool last)
{
	uint8_t joined[2 * SECRET_MAX_PLACEHOLDER];
	const size_t room = keep(l->scope);
	const size_t head = len < room ? len : room;

	if (t->n) {
		memcpy(joined, t->tail, t->n);
		if (head)
			memcpy(joined + t->n, data, head);
		look_at(l, form, joined, t->n + head, t->n, last);
	}
	look_at(l, form, data, len, len, last);
	track_keep(t, room, data, len);
}

/* --- the forms --- */

static void feed_unescaped(struct secret_scan *s, struct look *l,
			   enum secret_form form, struct unescape *u,
			   const uint8_t *data, size_t len)
{
	struct track *t = &s->tracks[form];
	const size_t room = keep(s->scope);
	uint8_t block[BLOCK];

	while (len) {
		if (unescape_idle(u) && u->unchanged >= room) {
			const uint8_t *at =
				memchr(data, u->json ? '\\' : '%', len);
			const size_t raw = at ? (size_t)(at - data) : len;

			track_keep(t, room, data, raw);
			data += raw;
			len -= raw;
		}
		size_t n = unescape(u, &data, &len, block, sizeof(block));
		track_feed(t, l, form, block, n, false);
	}
	track_feed(t, l, form, block, 0, true);
}

static void feed_basic(struct secret_scan *s, struct look *l,
		       const uint8_t *data, size_t len)
{
	struct track *t = &s->tracks[SECRET_BASIC];
	uint8_t block[BLOCK];
	bool ended;

	do {
		size_t n = credentials_decode(&s->basic, &data, &len, block,
					      sizeof(block), &ended);
		if (n || t->n)
			track_feed(t, l, SECRET_BASIC, block, n, ended || !len);
		if (ended)
			t->n = 0;
	} while (len);
}

static bool finish(const struct look *l, struct secret_found *ret)
{
	const struct secret *t;

	if (!l->found)
		return false;
	t = l->found->blocked;
	ret->action = l->found->action;
	ret->env_var = t->c->env_var;
	ret->placeholder = t->c->placeholder;
	ret->form = l->form;
	return true;
}

bool secret_scan_push(struct secret_scan *s, const void *data, size_t len,
		      struct secret_found *ret)
{
	struct look l = { .scope = s->scope };

	if (!s->scope->blocks || !len)
		return false;
	track_feed(&s->tracks[SECRET_RAW], &l, SECRET_RAW, data, len, true);
	feed_unescaped(s, &l, SECRET_PERCENT, &s->percent, data, len);
	feed_unescaped(s, &l, SECRET_JSON, &s->json, data, len);
	feed_basic(s, &l, data, len);
	return finish(&l, ret);
}

/* --- life --- */

static void init(struct secret_scan *s, const struct secret_scope *scope,
		 uint8_t *tails)
{
	s->scope = scope;
	unescape_init(&s->percent, false);
	unescape_init(&s->json, true);
	for (unsigned i = 0; i < FORMS; i++)
		s->tracks[i].tail = tails + i * keep(scope);
}

int secret_scan_new(const struct secret_scope *scope, struct secret_scan **ret)
{
	const size_t tails = scope->blocks ? FORMS * keep(scope) : 0;
	struct secret_scan *s = calloc(1, sizeof(*s) + tails);

	if (!s)
		return -ENOMEM;
	s->scope = scope;
	if (scope->blocks)
		init(s, scope, s->tails);
	*ret = s;
	return 0;
}

struct secret_scan *secret_scan_free(struct secret_scan *s)
{
	free(s);
	return NULL;
}

bool secret_scan_text(const struct secret_scope *scope, enum secret_form form,
		      const void *data, size_t len, struct secret_found *ret)
{
	uint8_t tails[FORMS * SECRET_MAX_PLACEHOLDER];
	struct secret_scan s = { 0 };
	struct look l = { .scope = scope };

	if (!scope->blocks || !len)
		return false;
	if (form == SECRET_BASIC) {
		look_at(&l, form, data, len, len, true);
		return finish(&l, ret);
	}
	init(&s, scope, tails);
	return secret_scan_push(&s, data, len, ret);
}
