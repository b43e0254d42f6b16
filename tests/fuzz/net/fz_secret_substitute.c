/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Placeholders in a stream that is cut anywhere, against a simple version that
 * has all of it: the same bytes come out, and no more is kept back than was
 * said. The input: secrets (places, length of the placeholder, the
 * placeholder), a zero, a seed for the cuts, the text.
 */
#include "secret_fuzz.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_OUT (8u << 20)

/* The longest placeholder at the front of data. */
static const struct secret_config *longest(const struct secrets_config *c,
					   const uint8_t *data, size_t len)
{
	const struct secret_config *best = NULL;

	for (size_t i = 0; i < c->n; i++) {
		const struct secret_config *t = &c->v[i];
		const size_t n = strlen(t->placeholder);

		if (n <= len && !memcmp(data, t->placeholder, n) &&
		    (!best || n > strlen(best->placeholder)))
			best = t;
	}
	return best;
}

static bool goes_in(const struct secret_config *t, enum secret_place place)
{
	if (strcmp(t->allowed.v[0].name, FUZZ_HOST) != 0)
		return false;
	switch (place) {
	case SECRET_IN_HEADER:
		return t->headers;
	case SECRET_IN_QUERY:
		return t->query_params;
	case SECRET_IN_BASIC:
		return t->basic_auth;
	case SECRET_IN_BODY:
		return t->body;
	}
	return false;
}

/* The first with this placeholder that goes in here. */
static const struct secret_config *value_for(const struct secrets_config *c,
					     const char *placeholder,
					     enum secret_place place)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->v[i].placeholder, placeholder) &&
		    goes_in(&c->v[i], place))
			return &c->v[i];
	return NULL;
}

/* A value is the secret's name between < and >. */
static int simply(const struct secrets_config *c, enum secret_place place,
		  const uint8_t *data, size_t len, struct buf *out)
{
	int n = 0;

	for (size_t at = 0; at < len;) {
		const struct secret_config *t = longest(c, data + at, len - at);
		const struct secret_config *v =
			t ? value_for(c, t->placeholder, place) : NULL;
		const size_t step = t ? strlen(t->placeholder) : 1;

		if (v)
			must(buf_printf(out, "<%s>", v->env_var) == 0);
		else
			must(buf_append(out, data + at, step) == 0);
		n += v != NULL;
		at += step;
	}
	return n;
}

static int in_parts(const struct secret_scope *s, enum secret_place place,
		    uint32_t seed, const uint8_t *data, size_t len,
		    struct buf *out)
{
	size_t from = 0, to = 0, used;
	int n = 0, rc;

	while (from < len) {
		const size_t before = to;
		uint8_t *copy;

		to += fuzz_step(&seed, len - to);
		copy = fuzz_copy(data + from, to - from);
		rc = secret_substitute_part(s, place, copy, to - from,
					    to == len, &used, out);
		free(copy);
		must(rc >= 0 && used <= to - from);
		from += used;
		n += rc;
		must(to > before);
		must(to - from <= secret_scope_carry(s, place));
		must(to < len || from == len);
	}
	return n;
}

static void compare(struct secret_bench *b, const struct secret_scope *s,
		    enum secret_place place, uint32_t seed, const uint8_t *data,
		    size_t len)
{
	struct buf want, out, parts;
	int n;

	buf_init(&want, MAX_OUT);
	buf_init_secret(&out, MAX_OUT);
	buf_init_secret(&parts, MAX_OUT);
	n = simply(&b->config, place, data, len, &want);
	must(secret_substitute(s, place, data, len, &out) == n);
	must(in_parts(s, place, seed, data, len, &parts) == n);
	must(fuzz_same(&want, &out) && fuzz_same(&want, &parts));
	must(secret_present(s, place, data, len) == (n > 0));
	buf_fini(&want);
	buf_fini(&out);
	buf_fini(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct secret_bench b;
	struct secret_scope *s;
	uint32_t seed;

	if (size > FUZZ_MAX_TEXT)
		size = FUZZ_MAX_TEXT;
	secret_bench_init(&b);
	fuzz_secrets(&b, &data, &size);
	seed = fuzz_byte(&data, &size);
	s = fuzz_scope(&b);
	for (int place = 0; place <= SECRET_IN_BODY; place++)
		compare(&b, s, (enum secret_place)place, seed, data, size);
	secret_scope_free(s);
	secret_bench_fini(&b);
	return 0;
}
