/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters, put together call by call: begin, any number of rules,
 * end. A call without a rule fails with what end says.
 */
#ifndef MSB_BASE_SECCOMP_H
#define MSB_BASE_SECCOMP_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECCOMP_FILTER_MAX 640

struct seccomp_filter {
	struct sock_filter code[SECCOMP_FILTER_MAX];
	size_t len; /* past the maximum: too long, to be seen at the end */
};

/* Calls of another architecture kill the process. */
void seccomp_begin(struct seccomp_filter *f);
void seccomp_allow(struct seccomp_filter *f, const int *calls, size_t n);
/* Allow nr when its argument has none of the bits (with want: any of them);
 * EPERM otherwise. */
void seccomp_check_bits(struct seccomp_filter *f, int nr, unsigned arg,
			uint32_t bits, bool want);
/* Allow nr when its argument has one of the values; fails with sys otherwise.
 */
void seccomp_check_values(struct seccomp_filter *f, int nr, unsigned arg,
			  const uint32_t *values, size_t n, int sys);
/* Other calls fail with sys. -E2BIG when the filter has become too long. */
int seccomp_end(struct seccomp_filter *f, int sys);

/*
 * The calling thread obeys it from now on; needs no_new_privs. One that is
 * under a narrower filter of its own already, which answers with EALREADY, is
 * left alone. Async-signal-safe. 0 or -errno.
 */
int seccomp_enforce(const struct seccomp_filter *f);

#endif
