/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places in several chains of log files as text: base64 of the count, a byte,
 * then for each chain the identity of a file and an offset in it, both 64 bits,
 * little-endian.
 */
#include "logs/cursor.h"

#include <errno.h>
#include <string.h>

#include "base/base64.h"
#include "base/buf.h"
#include "base/bytes.h"

#define PLACE_SIZE 16u
#define RAW_MAX (1 + PLACE_SIZE * CHAIN_COUNT)
#define TEXT_MAX 4096u /* of one that somebody made up */

char *cursor_format(const struct cursor *c)
{
	uint8_t raw[RAW_MAX];
	struct buf out;

	raw[0] = (uint8_t)c->n;
	for (unsigned i = 0; i < c->n; i++) {
		uint8_t *p = raw + 1 + (size_t)i * PLACE_SIZE;

		le64_put(p, c->at[i].identity);
		le64_put(p + 8, c->at[i].offset);
	}
	buf_init(&out, TEXT_MAX);
	(void)base64_encode(raw, 1 + (size_t)c->n * PLACE_SIZE, &out);
	return buf_take_str(&out);
}

static int wrong(struct err *err, const char *why)
{
	return err_set(err, ERR_INVALID_CURSOR, EINVAL, "%s", why);
}

static int read_places(const struct buf *raw, unsigned n, struct cursor *ret,
		       struct err *err)
{
	const uint8_t *p = buf_data(raw);
	size_t len = buf_len(raw);

	if (!len || len != 1 + (size_t)p[0] * PLACE_SIZE)
		return err_set(err, ERR_INVALID_CURSOR, EINVAL,
			       "cursor payload has unexpected length (%zu "
			       "bytes)",
			       len);
	if (p[0] != n)
		return wrong(err, "cursor is one of other sources");
	ret->n = n;
	for (unsigned i = 0; i < n; i++) {
		ret->at[i].identity = le64_get(p + 1 + i * PLACE_SIZE);
		ret->at[i].offset = le64_get(p + 9 + i * PLACE_SIZE);
	}
	return 0;
}

int cursor_parse(const char *text, unsigned n, struct cursor *ret,
		 struct err *err)
{
	size_t len = strlen(text);
	struct buf raw;
	int rc;

	buf_init(&raw, TEXT_MAX);
	rc = len > TEXT_MAX ? -EINVAL : base64_decode_strict(text, len, &raw);
	if (rc == -ENOMEM)
		rc = err_set(err, ERR_NO_MEMORY, ENOMEM,
			     "Cannot allocate memory");
	else if (rc)
		rc = wrong(err, "cursor is not valid base64");
	else
		rc = read_places(&raw, n, ret, err);
	buf_fini(&raw);
	return rc;
}
