/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets made of a fuzzer's bytes. */
#ifndef MSB_TESTS_SECRET_FUZZ_H
#define MSB_TESTS_SECRET_FUZZ_H

#include "../../unit/net/secret_bench.h"

#define FUZZ_HOST "a.example.com"  /* some are for this one */
#define FUZZ_OTHER "b.example.com" /* and the others for that one */
#define FUZZ_MAX_TEXT 16384u
#define FUZZ_MAX_SECRETS 8u

void must(bool ok);
uint8_t fuzz_byte(const uint8_t **data, size_t *len); /* 0: there is none */
/* At least one; the value of each is its name between < and >. */
void fuzz_secrets(struct secret_bench *b, const uint8_t **data, size_t *len);
/* With these secrets, for FUZZ_HOST. */
struct secret_scope *fuzz_scope(struct secret_bench *b);
/* 1 to most bytes. */
size_t fuzz_step(uint32_t *seed, size_t most);
/* Of exactly this size, so that a read beyond it is noticed. */
uint8_t *fuzz_copy(const uint8_t *data, size_t len);
bool fuzz_same(const struct buf *a, const struct buf *b);

#endif
