/* SPDX-License-Identifier: Apache-2.0 */
/* Content digests, "sha256:<hex>" (OCI image spec, descriptor). */
#ifndef MSB_IMAGE_DIGEST_H
#define MSB_IMAGE_DIGEST_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>

#define DIGEST_TEXT_MAX (7 + 128) /* "sha512:" and its hex digits */

enum digest_alg { DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

/* Text in canonical form; always valid once it was parsed or finished. */
struct digest {
	char text[DIGEST_TEXT_MAX + 1];
};

/* 0, or -EINVAL: unknown algorithm, wrong length, upper case. */
int digest_parse(const char *text, struct digest *ret);
enum digest_alg digest_alg(const struct digest *d);
bool digest_eq(const struct digest *a, const struct digest *b);
/* "sha256_<hex>", a safe file name. */
void digest_file_name(const struct digest *d, char ret[DIGEST_TEXT_MAX + 1]);
const char *digest_hex(const struct digest *d); /* borrowed from d */

struct hasher {
	enum digest_alg alg;
	union {
		struct sha256_ctx sha256;
		struct sha512_ctx sha512; /* also sha384 */
	} ctx;
};

void hasher_init(struct hasher *h, enum digest_alg alg);
void hasher_add(struct hasher *h, const void *data, size_t len);
void hasher_done(struct hasher *h, struct digest *ret);
void digest_of(const void *data, size_t len, struct digest *ret); /* sha256 */

#endif
