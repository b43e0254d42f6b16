/* SPDX-License-Identifier: Apache-2.0 */
/* The query of a request's target. */
#include <errno.h>

#include "net/http/request_int.h"

#define MAX_QUERY (1u << 20) /* with its secrets */

/* A value with a blank would end the target where it stands: such bytes, which
 * no query may have, are written as percent and two digits. */
static void append_encoded(struct buf *out, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t plain = 0;

	for (size_t i = 0; i < len; i++) {
		const char coded[3] = { '%', digits[p[i] >> 4],
					digits[p[i] & 0xf] };

		if (p[i] > ' ' && p[i] != 0x7f)
			continue;
		buf_append(out, p + plain, i - plain);
		buf_append(out, coded, sizeof(coded));
		plain = i + 1;
	}
	buf_append(out, p + plain, len - plain);
}

int query_value(struct request_ctx *ctx, const void *query, size_t len,
		struct buf *out)
{
	struct buf b;
	int n;

	if (!secret_scope_has(ctx->scope, SECRET_IN_QUERY)) {
		buf_append(out, query, len);
		return out->failed ? -ENOMEM : 0;
	}
	buf_init_secret(&b, MAX_QUERY);
	n = secret_substitute(ctx->scope, SECRET_IN_QUERY, query, len, &b);
	if (n > 0)
		append_encoded(out, buf_data(&b), buf_len(&b));
	else if (n == 0)
		buf_append(out, query, len);
	buf_fini(&b);
	return n >= 0 && out->failed ? -ENOMEM : n;
}
