/* SPDX-License-Identifier: Apache-2.0 */
/* Placeholders become values. */
#include <errno.h>

#include "net/secrets/secrets_int.h"

/*
 * The next placeholder from *pos on that has a value for this place, and *pos
 * is where it is. -1: there is none, and *pos is where the end of data may be
 * the beginning of one, or len. Others are stepped over: what is in them is
 * theirs.
 */
static int next_one(const struct secret_scope *s, enum secret_place place,
		    const uint8_t *data, size_t len, bool end, size_t *pos)
{
	const struct placeholders *p = s->placeholders;
	bool more;

	for (;;) {
		int at;

		*pos = placeholder_next(p, data, *pos, len);
		if (*pos == len)
			return -1;
		at = placeholder_at(p, data + *pos, len - *pos, &more);
		if (more && !end)
			return -1;
		if (at >= 0 && s->v[at].in[place])
			return at;
		*pos += at >= 0 ? p->v[at].len : 1;
	}
}

int secret_substitute_part(const struct secret_scope *s,
			   enum secret_place place, const void *data,
			   size_t len, bool end, size_t *used, struct buf *out)
{
	const uint8_t *in = data;
	size_t from = 0, pos = 0;
	int n = 0, at;

	if (!s->has[place]) {
		*used = len;
		return buf_append(out, data, len) ? -ENOMEM : 0;
	}
	while ((at = next_one(s, place, in, len, end, &pos)) >= 0) {
		const struct secret *t = s->v[at].in[place];

		if (buf_append(out, in + from, pos - from) ||
		    buf_append(out, t->value, t->value_len))
			return -ENOMEM;
		pos += s->placeholders->v[at].len;
		from = pos;
		n++;
	}
	*used = pos;
	return buf_append(out, in + from, pos - from) ? -ENOMEM : n;
}

int secret_substitute(const struct secret_scope *s, enum secret_place place,
		      const void *data, size_t len, struct buf *out)
{
	size_t used;

	return secret_substitute_part(s, place, data, len, true, &used, out);
}

bool secret_present(const struct secret_scope *s, enum secret_place place,
		    const void *data, size_t len)
{
	size_t pos = 0;

	return s->has[place] && next_one(s, place, data, len, true, &pos) >= 0;
}
