/* SPDX-License-Identifier: Apache-2.0 */
/* Time: monotonic for durations, wall clock only for what people read. */
#ifndef MSB_BASE_CLOCK_H
#define MSB_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NSEC_PER_SEC 1000000000ull
#define NSEC_PER_MSEC 1000000ull

uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);
uint64_t clock_boot_ns(void);
uint64_t clock_wall_ns(void);

/*
 * Any RFC 3339 time, also with an offset, as nanoseconds since 1970; the first
 * or last that there is for one that does not fit. False: it is none.
 */
bool clock_parse_rfc3339(const void *text, size_t len, int64_t *ret_ns);
/* A number of n digits, at most 9, and nothing else. */
bool clock_digits(const uint8_t *p, unsigned n, unsigned *ret);
/* "2026-01-02T03:04:05.678Z" with 0, 3 or 6 fraction digits. buf >= 32. */
void clock_format_rfc3339(uint64_t wall_ns, int digits, char *buf, size_t len);

#endif
