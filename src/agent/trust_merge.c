/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bundle of certificates with ours in it. It may be anything an image has
 * there, so nothing is assumed but lines. Only whole lines are taken away, and
 * all that mark a section are, paired or not: what remains has none, and so the
 * next start finds exactly the section of this one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "agent/trust.h"
#include "base/cleanup.h"

#define SECTION_BEGIN "# >>> microsandbox certificates >>>"
#define SECTION_END "# <<< microsandbox certificates <<<"
#define CERT_BEGIN "-----BEGIN CERTIFICATE-----"
#define CERT_END "-----END CERTIFICATE-----"

struct blocks {
	struct view *v; /* owned; what they point at is not */
	size_t n;
};

static struct view rest_from(struct view text, size_t at)
{
	return (struct view){ text.p + at, text.len - at };
}

/* The next certificate of text, from its first dash to its last; text moves
 * behind it. */
static bool next_block(struct view *text, struct view *ret)
{
	const size_t end_len = sizeof(CERT_END) - 1;
	const uint8_t *begin, *end;

	if (!text->p || !text->len)
		return false;
	begin = memmem(text->p, text->len, CERT_BEGIN, sizeof(CERT_BEGIN) - 1);
	if (!begin)
		return false;
	end = memmem(begin, text->len - (size_t)(begin - text->p), CERT_END,
		     end_len);
	if (!end)
		return false;
	*ret = (struct view){ begin, (size_t)(end - begin) + end_len };
	*text = rest_from(*text, (size_t)(end - text->p) + end_len);
	return true;
}

static int compare(const void *a, const void *b)
{
	const struct view *x = a, *y = b;

	if (x->len != y->len)
		return x->len < y->len ? -1 : 1;
	return memcmp(x->p, y->p, x->len);
}

/* All certificates of a text, to be looked up. */
static int index_blocks(struct view text, struct blocks *ret)
{
	struct view at = text, block;
	size_t n = 0;

	while (next_block(&at, &block))
		n++;
	ret->v = calloc(n + 1, sizeof(*ret->v));
	if (!ret->v)
		return -ENOMEM;
	for (at = text; ret->n < n && next_block(&at, &block);)
		ret->v[ret->n++] = block;
	qsort(ret->v, ret->n, sizeof(*ret->v), compare);
	return 0;
}

static bool has_block(const struct blocks *b, struct view block)
{
	return bsearch(&block, b->v, b->n, sizeof(*b->v), compare) != NULL;
}

/* The first line of text without its end, which moves behind it. */
static struct view next_line(struct view *text)
{
	const uint8_t *end = memchr(text->p, '\n', text->len);
	struct view line = { text->p,
			     end ? (size_t)(end - text->p) : text->len };

	*text = rest_from(*text, line.len + (end != NULL));
	return line;
}

/* The text without sections of ours, and without lines that mark some. */
static void drop_sections(struct view text, struct buf *out)
{
	size_t begin = SIZE_MAX;

	while (text.len) {
		const uint8_t *p = text.p;
		struct view line = next_line(&text);

		if (view_is(line, SECTION_BEGIN)) {
			begin = buf_len(out);
		} else if (!view_is(line, SECTION_END)) {
			(void)buf_append(out, p, (size_t)(text.p - p));
		} else if (begin != SIZE_MAX) {
			out->len = out->head + begin;
			begin = SIZE_MAX;
		}
	}
}

/* The text without the certificates in gone, where they are lines alone. */
static void drop_blocks(struct view text, const struct blocks *gone,
			struct buf *out)
{
	const uint8_t *start = text.p;
	struct view at = text, block;

	if (!text.len)
		return;
	while (next_block(&at, &block)) {
		const bool alone = (block.p == text.p || block.p[-1] == '\n') &&
				   (!at.len || *at.p == '\n');

		if (!alone || !has_block(gone, block))
			continue;
		(void)buf_append(out, start, (size_t)(block.p - start));
		start = at.p + (at.len > 0);
	}
	(void)buf_append(out, start, (size_t)(text.p + text.len - start));
}

/* Those of pem that are neither in known nor, if given, in also. */
static void add_missing(struct view pem, const struct blocks *known,
			const struct blocks *also, bool *open, struct buf *out)
{
	struct view block;

	while (next_block(&pem, &block)) {
		if (has_block(known, block) || (also && has_block(also, block)))
			continue;
		if (!*open && buf_len(out) &&
		    buf_data(out)[buf_len(out) - 1] != '\n')
			(void)buf_str(out, "\n");
		if (!*open)
			(void)buf_str(out, SECTION_BEGIN "\n");
		*open = true;
		(void)buf_append(out, block.p, block.len);
		(void)buf_str(out, "\n");
	}
}

static int merge(struct view kept, const struct trust *t,
		 const struct blocks *ca, struct buf *out)
{
	struct blocks known = { 0 };
	bool open = false;
	int rc = index_blocks(kept, &known);

	if (rc)
		return rc;
	(void)buf_append(out, kept.p, kept.len);
	add_missing(t->ca, &known, NULL, &open, out);
	add_missing(t->host_cas, &known, ca, &open, out);
	if (open)
		(void)buf_str(out, SECTION_END "\n");
	free(known.v);
	return out->failed ? -ENOSPC : 0;
}

/* The authority of an earlier start, if it is another one now. */
static int drop_last(struct view text, const struct trust *t,
		     const struct blocks *ca, struct buf *out)
{
	struct blocks last = { 0 };
	int rc = index_blocks(t->last_ca, &last);

	if (rc)
		return rc;
	for (size_t i = 0; i < last.n;)
		if (has_block(ca, last.v[i]))
			last.v[i] = last.v[--last.n];
		else
			i++;
	qsort(last.v, last.n, sizeof(*last.v), compare);
	drop_blocks(text, &last, out);
	free(last.v);
	return out->failed ? -ENOMEM : 0;
}

int trust_merge(struct view text, const struct trust *t, struct buf *out)
{
	MSB_CLEANUP(buf_fini) struct buf own = { .max = text.len + 1 };
	MSB_CLEANUP(buf_fini) struct buf kept = { .max = text.len + 1 };
	struct blocks ca = { 0 };
	int rc = index_blocks(t->ca, &ca);

	if (!rc) {
		drop_sections(text, &own);
		rc = own.failed ? -ENOMEM
				: drop_last(view_buf(&own), t, &ca, &kept);
	}
	if (!rc)
		rc = merge(view_buf(&kept), t, &ca, out);
	free(ca.v);
	return rc;
}
