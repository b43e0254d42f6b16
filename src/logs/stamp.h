/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 3339 times of log lines, read and written fast. */
#ifndef MSB_LOGS_STAMP_H
#define MSB_LOGS_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_LEN 24u /* "2026-01-02T03:04:05.678Z" */

/* Lines of one minute are many; zero-initialise. */
struct stamp_cache {
	char text[16]; /* "2026-01-02T03:04" */
	bool valid;
	int64_t minute_ns;
};

/*
 * Any RFC 3339 time between 1678 and 2261, also with an offset, as nanoseconds
 * since 1970. False: it is none.
 */
bool stamp_parse(const uint8_t *p, size_t len, int64_t *ret_ns);
/* The same for the STAMP_LEN bytes that our own writer uses. */
bool stamp_parse_own(struct stamp_cache *c, const uint8_t *p, int64_t *ret_ns);
/* Write STAMP_LEN bytes, no NUL. */
void stamp_format(struct stamp_cache *c, int64_t ns, char *out);

#endif
