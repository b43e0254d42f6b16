/* SPDX-License-Identifier: Apache-2.0 */
/* Content digests: parsing, and hashing through nettle. */
#include "image/digest.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/compiler.h"

#define ALG_NAME_LEN 6 /* of each "sha..." below */

static const struct alg {
	const char *name;
	size_t size; /* bytes of a digest */
} algs[] = {
	[DIGEST_SHA256] = { "sha256", SHA256_DIGEST_SIZE },
	[DIGEST_SHA384] = { "sha384", SHA384_DIGEST_SIZE },
	[DIGEST_SHA512] = { "sha512", SHA512_DIGEST_SIZE },
};

static bool is_lower_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

int digest_parse(const char *text, struct digest *ret)
{
	size_t len = strnlen(text, DIGEST_TEXT_MAX + 1);

	for (size_t i = 0; i < ARRAY_SIZE(algs); i++) {
		if (strncmp(text, algs[i].name, ALG_NAME_LEN) != 0)
			continue;
		if (len != ALG_NAME_LEN + 1 + 2 * algs[i].size ||
		    text[ALG_NAME_LEN] != ':')
			return -EINVAL;
		for (size_t n = ALG_NAME_LEN + 1; n < len; n++)
			if (!is_lower_hex(text[n]))
				return -EINVAL;
		memset(ret, 0, sizeof(*ret));
		memcpy(ret->text, text, len);
		return 0;
	}
	return -EINVAL;
}

enum digest_alg digest_alg(const struct digest *d)
{
	for (size_t i = 0; i < ARRAY_SIZE(algs); i++)
		if (!strncmp(d->text, algs[i].name, ALG_NAME_LEN))
			return (enum digest_alg)i;
	return DIGEST_SHA256;
}

bool digest_eq(const struct digest *a, const struct digest *b)
{
	return !strcmp(a->text, b->text);
}

void digest_file_name(const struct digest *d, char ret[DIGEST_TEXT_MAX + 1])
{
	char *colon;

	memcpy(ret, d->text, DIGEST_TEXT_MAX + 1);
	colon = strchr(ret, ':');
	if (colon)
		*colon = '_';
}

const char *digest_hex(const struct digest *d)
{
	return d->text + ALG_NAME_LEN + 1;
}

void hasher_init(struct hasher *h, enum digest_alg alg)
{
	h->alg = alg;
	switch (alg) {
	case DIGEST_SHA256:
		sha256_init(&h->ctx.sha256);
		break;
	case DIGEST_SHA384:
		sha384_init(&h->ctx.sha512);
		break;
	case DIGEST_SHA512:
		sha512_init(&h->ctx.sha512);
		break;
	}
}

void hasher_add(struct hasher *h, const void *data, size_t len)
{
	if (h->alg == DIGEST_SHA256)
		sha256_update(&h->ctx.sha256, len, data);
	else
		sha512_update(&h->ctx.sha512, len, data);
}

void hasher_done(struct hasher *h, struct digest *ret)
{
	static const char digits[] = "0123456789abcdef";
	const struct alg *alg = &algs[h->alg];
	uint8_t sum[SHA512_DIGEST_SIZE];
	char *p;

	switch (h->alg) {
	case DIGEST_SHA256:
		sha256_digest(&h->ctx.sha256, alg->size, sum);
		break;
	case DIGEST_SHA384:
		sha384_digest(&h->ctx.sha512, alg->size, sum);
		break;
	case DIGEST_SHA512:
		sha512_digest(&h->ctx.sha512, alg->size, sum);
		break;
	}
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->text, alg->name, ALG_NAME_LEN);
	p = ret->text + ALG_NAME_LEN;
	*p++ = ':';
	for (size_t i = 0; i < alg->size; i++) {
		*p++ = digits[sum[i] >> 4];
		*p++ = digits[sum[i] & 15];
	}
}

void digest_of(const void *data, size_t len, struct digest *ret)
{
	struct hasher h;

	hasher_init(&h, DIGEST_SHA256);
	hasher_add(&h, data, len);
	hasher_done(&h, ret);
}
