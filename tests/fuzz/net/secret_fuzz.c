/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets made of a fuzzer's bytes. */
#include "secret_fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OTHER_HOST 16u /* beside the places */
#define MAX_PLACEHOLDER 40u

void must(bool ok)
{
	if (!ok)
		abort();
}

uint8_t fuzz_byte(const uint8_t **data, size_t *len)
{
	if (!*len)
		return 0;
	(*len)--;
	return *(*data)++;
}

/* A length, and as many bytes; those a placeholder cannot have are others. */
static void placeholder(const uint8_t **data, size_t *len,
			char ret[MAX_PLACEHOLDER + 1])
{
	size_t n = fuzz_byte(data, len) % MAX_PLACEHOLDER + 1;

	for (size_t i = 0; i < n; i++) {
		const uint8_t c = fuzz_byte(data, len);

		ret[i] = c == 0 || c == '\r' || c == '\n' ? '$' : (char)c;
	}
	ret[n] = 0;
}

void fuzz_secrets(struct secret_bench *b, const uint8_t **data, size_t *len)
{
	char text[MAX_PLACEHOLDER + 1], name[8], value[12];
	unsigned flags = fuzz_byte(data, len), i = 0;

	do {
		placeholder(data, len, text);
		(void)snprintf(name, sizeof(name), "S%u", i);
		(void)snprintf(value, sizeof(value), "<%s>", name);
		secret_bench_add(b, name, text, value,
				 flags & OTHER_HOST ? FUZZ_OTHER : FUZZ_HOST,
				 flags & PLACE_ALL);
	} while (++i < FUZZ_MAX_SECRETS && (flags = fuzz_byte(data, len)));
}

struct secret_scope *fuzz_scope(struct secret_bench *b)
{
	struct net_addr dest = secret_bench_addr("192.0.2.1");
	struct secret_where w = { FUZZ_HOST, &dest, .tls = true,
				  .tunnel = true };
	struct secret_scope *s;

	secret_bench_start(b);
	must(secret_scope_new(b->secrets, NULL, &b->link, 0, &w, &s) == 0);
	return s;
}

size_t fuzz_step(uint32_t *seed, size_t most)
{
	size_t step;

	*seed = *seed * 1664525u + 1013904223u;
	step = (*seed >> 8) % ((*seed >> 28) < 12 ? 24 : 4096) + 1;
	return step < most ? step : most;
}

uint8_t *fuzz_copy(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	must(copy != NULL);
	if (len)
		memcpy(copy, data, len);
	return copy;
}

bool fuzz_same(const struct buf *a, const struct buf *b)
{
	return buf_len(a) == buf_len(b) &&
	       (!buf_len(a) ||
		memcmp(buf_data(a), buf_data(b), buf_len(a)) == 0);
}
