/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets inside of Basic credentials (RFC 7617). */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "net/http/request_int.h"

/* Of credentials with their values. */
#define MAX_CREDENTIALS (4 * HTTP_MAX_HEAD + 4 * SECRET_MAX_VALUE)

struct basic {
	size_t code, code_len; /* where the base64 is in the value */
};

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static size_t skip_blanks(const uint8_t *value, size_t len, size_t at)
{
	while (at < len && is_blank(value[at]))
		at++;
	return at;
}

/* [blanks] "Basic" blanks base64 [blanks] */
static bool find_code(const uint8_t *value, size_t len, struct basic *ret)
{
	static const char scheme[] = "Basic";
	size_t at = skip_blanks(value, len, 0), end = len;

	if (len - at <= strlen(scheme) ||
	    strncasecmp((const char *)value + at, scheme, strlen(scheme)) != 0)
		return false;
	at += strlen(scheme);
	if (!is_blank(value[at]))
		return false;
	at = skip_blanks(value, len, at);
	while (end > at && is_blank(value[end - 1]))
		end--;
	*ret = (struct basic){ at, end - at };
	return end > at;
}

static int violation(struct request_ctx *ctx, const char *location)
{
	ctx->found.location = location;
	return -EPERM;
}

/* Decoded credentials with their values, encoded again. 0: there is no
 * placeholder in them, and nothing was appended. */
static int replace(struct request_ctx *ctx, const uint8_t *value, size_t len,
		   const struct basic *b, const struct buf *decoded,
		   struct buf *out)
{
	struct buf changed;
	int n;

	buf_init_secret(&changed, MAX_CREDENTIALS);
	n = secret_substitute(ctx->scope, SECRET_IN_BASIC, buf_data(decoded),
			      buf_len(decoded), &changed);
	if (n > 0 &&
	    (buf_append(out, value, b->code) ||
	     base64_encode(buf_data(&changed), buf_len(&changed), out) ||
	     buf_append(out, value + b->code + b->code_len,
			len - b->code - b->code_len)))
		n = -ENOMEM;
	buf_fini(&changed);
	return n;
}

static int basic_value(struct request_ctx *ctx, const uint8_t *value,
		       size_t len, struct buf *out)
{
	struct buf decoded;
	struct basic b;
	int n = 0;

	if (!find_code(value, len, &b))
		return 0;
	buf_init(&decoded, b.code_len + 2);
	switch (base64_decode(value + b.code, b.code_len, &decoded)) {
	case 0:
		if (secret_scan_text(ctx->scope, SECRET_BASIC,
				     buf_data(&decoded), buf_len(&decoded),
				     &ctx->found))
			n = violation(ctx, "authorization_basic");
		else
			n = replace(ctx, value, len, &b, &decoded, out);
		break;
	case -EINVAL: /* a placeholder may stand for all of the code */
		break;
	default:
		n = -ENOMEM;
	}
	buf_fini(&decoded);
	return n;
}

int authorization_value(struct request_ctx *ctx, const void *value, size_t len,
			struct buf *out)
{
	int n = basic_value(ctx, value, len, out);

	if (n)
		return n;
	if (secret_scan_text(ctx->scope, SECRET_RAW, value, len, &ctx->found))
		return violation(ctx, ctx->found.form == SECRET_BASIC
					      ? "authorization_basic"
					      : "header");
	return secret_substitute(ctx->scope, SECRET_IN_HEADER, value, len, out);
}
