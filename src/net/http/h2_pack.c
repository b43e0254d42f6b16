/* SPDX-License-Identifier: Apache-2.0 */
/* HPACK (RFC 7541): what the client packed, and the same packed anew. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/http/h2_int.h"

#define ENCODER_TABLE 4096u /* every server's, until it says otherwise */
#define FIELD_COST 32u	    /* RFC 9113, 6.5.2 */

int h2_pack_init(struct h2_pack *p)
{
	memset(p, 0, sizeof(*p));
	buf_init_secret(&p->block, 2 * H2_MAX_SENT);
	if (nghttp2_hd_inflate_new(&p->inflater) ||
	    nghttp2_hd_inflate_change_table_size(p->inflater, H2_MAX_TABLE) ||
	    nghttp2_hd_deflate_new(&p->deflater, ENCODER_TABLE)) {
		h2_pack_fini(p);
		return -ENOMEM;
	}
	return 0;
}

void h2_pack_fini(struct h2_pack *p)
{
	if (p->inflater)
		nghttp2_hd_inflate_del(p->inflater);
	if (p->deflater)
		nghttp2_hd_deflate_del(p->deflater);
	free(p->nv);
	buf_fini(&p->block);
	p->inflater = NULL;
	p->deflater = NULL;
	p->nv = NULL;
}

int h2_list_add(struct h2_list *l, const struct h2_field *f)
{
	size_t cap = l->cap ? 2 * l->cap : 32;
	struct h2_field *v;

	if (l->n == l->cap) {
		v = realloc(l->v, cap * sizeof(*v));
		if (!v)
			return -ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = *f;
	return 0;
}

/* An integer with a prefix of 5 bits (RFC 7541, 5.1). How many bytes it has,
 * or -EPROTO. */
static int prefixed5(const uint8_t *data, size_t len, uint64_t *ret)
{
	uint64_t v = data[0] & 0x1f;
	size_t n = 1;

	if (v == 0x1f) {
		do {
			if (n == len || n > 4)
				return -EPROTO;
			v += (uint64_t)(data[n] & 0x7f) << (7 * (n - 1));
		} while (data[n++] & 0x80);
	}
	*ret = v;
	return (int)n;
}

/*
 * The client shrinks its table because its server asked for it, and the server
 * waits to see that: what goes on has to say so as well. The decoder checks
 * that there are no updates further on.
 */
static int follow_updates(struct h2_pack *p, struct request_ctx *ctx,
			  const uint8_t *data, size_t len)
{
	uint64_t size;

	for (unsigned i = 0; len && (*data & 0xe0) == 0x20; i++) {
		int n = prefixed5(data, len, &size);

		if (n < 0 || i == 2 || size > H2_MAX_TABLE)
			return h2_refuse(ctx, "bad size of the header table");
		if (nghttp2_hd_deflate_change_table_size(p->deflater,
							 (size_t)size))
			return -ENOMEM;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int keep_field(struct request_ctx *ctx, const nghttp2_nv *nv,
		      size_t *total, struct h2_list *l)
{
	struct h2_field f = {
		.name = buf_len(&l->text),
		.name_len = nv->namelen,
		.value_len = nv->valuelen,
		.never_indexed = nv->flags & NGHTTP2_NV_FLAG_NO_INDEX,
	};

	*total += nv->namelen + nv->valuelen + FIELD_COST;
	if (*total > HTTP_MAX_HEAD || l->n == HTTP_MAX_FIELDS)
		return h2_refuse(ctx, "the header list is too long");
	f.value = f.name + f.name_len + 2;
	(void)buf_append(&l->text, nv->name, nv->namelen);
	(void)buf_str(&l->text, ": ");
	(void)buf_append(&l->text, nv->value, nv->valuelen);
	return l->text.failed ? -ENOMEM : h2_list_add(l, &f);
}

int h2_pack_decode(struct h2_pack *p, struct request_ctx *ctx,
		   const uint8_t *data, size_t len, struct h2_list *ret)
{
	int rc = follow_updates(p, ctx, data, len), flags = 0;
	size_t total = 0;
	nghttp2_nv nv;
	ssize_t n;

	if (rc)
		return rc;
	while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
		n = nghttp2_hd_inflate_hd2(p->inflater, &nv, &flags, data, len,
					   1);
		if (n == NGHTTP2_ERR_NOMEM)
			return -ENOMEM;
		if (n < 0)
			return h2_refuse(ctx, "bad header compression");
		data += n;
		len -= (size_t)n;
		if (flags & NGHTTP2_HD_INFLATE_EMIT) {
			rc = keep_field(ctx, &nv, &total, ret);
			if (rc)
				return rc;
		} else if (!n && !(flags & NGHTTP2_HD_INFLATE_FINAL)) {
			return h2_refuse(ctx, "bad header compression");
		}
	}
	nghttp2_hd_inflate_end_headers(p->inflater);
	return 0;
}

static int room_for(struct h2_pack *p, size_t n)
{
	nghttp2_nv *nv;

	if (n <= p->nv_cap)
		return 0;
	nv = realloc(p->nv, n * sizeof(*nv));
	if (!nv)
		return -ENOMEM;
	p->nv = nv;
	p->nv_cap = n;
	return 0;
}

int h2_pack_encode(struct h2_pack *p, const struct h2_list *l)
{
	uint8_t *base = l->text.data ? l->text.data + l->text.head : NULL, *out;
	size_t bound;
	ssize_t n;

	if (room_for(p, l->n))
		return -ENOMEM;
	for (size_t i = 0; i < l->n; i++) {
		const struct h2_field *f = &l->v[i];

		p->nv[i] = (nghttp2_nv){
			.name = base + f->name,
			.namelen = f->name_len,
			.value = base + f->value,
			.valuelen = f->value_len,
			.flags = f->never_indexed ? NGHTTP2_NV_FLAG_NO_INDEX
						  : NGHTTP2_NV_FLAG_NONE,
		};
	}
	bound = nghttp2_hd_deflate_bound(p->deflater, p->nv, l->n);
	out = buf_reserve(&p->block, bound);
	if (!out)
		return -ENOMEM;
	n = nghttp2_hd_deflate_hd(p->deflater, out, bound, p->nv, l->n);
	if (n < 0)
		return -ENOMEM;
	buf_commit(&p->block, (size_t)n);
	return 0;
}
