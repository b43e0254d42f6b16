/* SPDX-License-Identifier: Apache-2.0 */
/* A head on its way out: the guest's own bytes but for the secrets. */
#include <errno.h>
#include <string.h>

#include "net/http/h1_int.h"

static void append(struct buf *out, const char *from, const char *to)
{
	buf_append(out, from, (size_t)(to - from));
}

static int emit_request(struct request_ctx *ctx, const struct h1_head *head,
			struct buf *out)
{
	const char *end = head->request.p + head->request.n;
	int rc = 0;

	if (!head->query.p) {
		append(out, head->request.p, end);
	} else {
		append(out, head->request.p, head->query.p);
		rc = query_value(ctx, head->query.p, head->query.n, out);
		append(out, head->query.p + head->query.n, end);
	}
	buf_str(out, "\r\n");
	return rc < 0 ? rc : 0;
}

/* Only the value is another: blanks around it stay. */
static int emit_authorization(struct request_ctx *ctx, const struct h1_line *l,
			      struct buf *out)
{
	const char *end = l->all.p + l->all.n;
	int rc = secret_substitute(ctx->scope, SECRET_IN_HEADER, l->name.p,
				   l->name.n, out);

	if (rc < 0)
		return rc;
	append(out, l->name.p + l->name.n, l->value.p);
	rc = authorization_value(ctx, l->value.p, l->value.n, out);
	append(out, l->value.p + l->value.n, end);
	return rc;
}

static int emit_field(struct request_ctx *ctx, const struct h1_line *l,
		      uint64_t length, struct buf *out)
{
	int rc = 0;

	if (h1_name_is(l, "content-length") && length != H1_SAME_LENGTH) {
		append(out, l->all.p, l->value.p);
		buf_printf(out, "%llu", (unsigned long long)length);
	} else if (h1_name_is(l, "authorization")) {
		rc = emit_authorization(ctx, l, out);
	} else {
		rc = secret_substitute(ctx->scope, SECRET_IN_HEADER, l->all.p,
				       l->all.n, out);
	}
	buf_str(out, "\r\n");
	return rc < 0 ? rc : 0;
}

/* The caller's limit is that of its connection, not of a head. */
static int hand_over(struct request_ctx *ctx, struct buf *head, struct buf *out)
{
	if (head->failed) {
		ctx->why = "its head is too long with its secrets";
		return -EPROTO;
	}
	return buf_append(out, buf_data(head), buf_len(head)) ? -ENOMEM : 0;
}

int h1_head_emit(struct request_ctx *ctx, const struct h1_head *head,
		 uint64_t length, struct buf *out)
{
	struct h1_text rest = head->fields;
	struct h1_line line;
	struct buf b;
	int rc;

	if (secret_scope_idle(ctx->scope))
		return buf_append(out, head->text.p, head->text.n) ? -ENOMEM
								   : 0;
	buf_init_secret(&b, H1_MAX_SENT_HEAD);
	rc = emit_request(ctx, head, &b);
	while (!rc && h1_line_next(&rest, &line))
		rc = emit_field(ctx, &line, length, &b);
	buf_str(&b, "\r\n");
	if (!rc || (rc == -ENOMEM && b.failed))
		rc = hand_over(ctx, &b, out);
	buf_fini(&b);
	return rc;
}

static bool has_it(const struct request_ctx *ctx, struct h1_text t,
		   const struct secret_found *what)
{
	struct secret_found f = { 0 };

	return t.n && secret_scan_text(ctx->scope, SECRET_RAW, t.p, t.n, &f) &&
	       f.env_var == what->env_var;
}

void h1_head_locate(struct request_ctx *ctx, const struct h1_head *head)
{
	const struct secret_found what = ctx->found;
	struct h1_text rest = head->fields;
	struct h1_line line;

	if (what.form == SECRET_BASIC)
		ctx->found.location = "authorization_basic";
	else if (has_it(ctx, head->query, &what))
		ctx->found.location = "query";
	while (!ctx->found.location && h1_line_next(&rest, &line))
		if (has_it(ctx, line.all, &what))
			ctx->found.location = "header";
}
