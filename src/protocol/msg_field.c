/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding of maps by field tables. */
#include "protocol/msg_int.h"

#include <errno.h>

static const void *member(const struct field *f, const void *in)
{
	return (const uint8_t *)in + f->offset;
}

static bool is_absent(const struct field *f, const void *in)
{
	const void *p = member(f, in);

	switch (f->type) {
	case F_OPT_U32:
		return !((const struct opt_u32 *)p)->set;
	case F_OPT_U64:
		return !((const struct opt_u64 *)p)->set;
	case F_OPT_I32:
		return !((const struct opt_i32 *)p)->set;
	case F_OPT_I64:
		return !((const struct opt_i64 *)p)->set;
	case F_OPT_TEXT:
	case F_OPT_STRING:
		return !((const struct view *)p)->p;
	case F_BOOL:
	case F_U16:
	case F_U32:
	case F_U64:
	case F_I32:
	case F_TEXT:
	case F_STRING:
	case F_DATA:
	case F_ITEM:
		break;
	}
	return false;
}

static void put_value(struct buf *b, const struct field *f, const void *in)
{
	const void *p = member(f, in);
	const struct view *v = p;

	switch (f->type) {
	case F_BOOL:
		cbor_put_bool(b, *(const bool *)p);
		break;
	case F_U16:
		cbor_put_uint(b, *(const uint16_t *)p);
		break;
	case F_U32:
		cbor_put_uint(b, *(const uint32_t *)p);
		break;
	case F_U64:
		cbor_put_uint(b, *(const uint64_t *)p);
		break;
	case F_I32:
		cbor_put_int(b, *(const int32_t *)p);
		break;
	case F_OPT_U32:
		cbor_put_uint(b, ((const struct opt_u32 *)p)->v);
		break;
	case F_OPT_U64:
		cbor_put_uint(b, ((const struct opt_u64 *)p)->v);
		break;
	case F_OPT_I32:
		cbor_put_int(b, ((const struct opt_i32 *)p)->v);
		break;
	case F_OPT_I64:
		cbor_put_int(b, ((const struct opt_i64 *)p)->v);
		break;
	case F_TEXT:
	case F_OPT_TEXT:
		cbor_put_lossy(b, v->p, v->len);
		break;
	case F_STRING:
	case F_OPT_STRING:
		cbor_put_string(b, v->p, v->len);
		break;
	case F_DATA:
		cbor_put_bytes(b, v->p, v->len);
		break;
	case F_ITEM:
		break;
	}
}

static bool is_written(const struct field *f, const void *in)
{
	return f->type != F_ITEM && !((f->flags & F_OMIT) && is_absent(f, in));
}

size_t fields_count(const struct field *f, size_t n, const void *in)
{
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += is_written(&f[i], in);
	return count;
}

void fields_put(struct buf *b, const struct field *f, size_t n, const void *in)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_written(&f[i], in))
			continue;
		cbor_put_text(b, f[i].key);
		if (is_absent(&f[i], in))
			cbor_put_null(b);
		else
			put_value(b, &f[i], in);
	}
}

void fields_encode(struct buf *b, const struct field *f, size_t n,
		   const void *in)
{
	cbor_put_map(b, fields_count(f, n, in));
	fields_put(b, f, n, in);
}

static int get_uint(struct cbor *it, uint64_t max, uint64_t *ret)
{
	uint64_t v;

	if (cbor_get_u64(it, &v) || v > max)
		return -EBADMSG;
	*ret = v;
	return 0;
}

static int get_i32(struct cbor *it, int32_t *ret)
{
	int64_t v;

	if (cbor_get_i64(it, &v) || v < INT32_MIN || v > INT32_MAX)
		return -EBADMSG;
	*ret = (int32_t)v;
	return 0;
}

static int get_item(struct cbor *it, struct cbor *ret)
{
	const uint8_t *start = it->p;

	if (cbor_skip(it))
		return -EBADMSG;
	*ret = (struct cbor){ start, it->p, it->scratch };
	return 0;
}

/* Unsigned members of every width; they share the range check. */
static int get_unsigned(struct cbor *it, const struct field *f, void *p)
{
	uint64_t v, max = UINT64_MAX;

	if (f->type == F_U16)
		max = UINT16_MAX;
	else if (f->type == F_U32 || f->type == F_OPT_U32)
		max = UINT32_MAX;
	if (get_uint(it, max, &v))
		return -EBADMSG;
	if (f->type == F_U16)
		*(uint16_t *)p = (uint16_t)v;
	else if (f->type == F_U32)
		*(uint32_t *)p = (uint32_t)v;
	else if (f->type == F_U64)
		*(uint64_t *)p = v;
	else if (f->type == F_OPT_U32)
		*(struct opt_u32 *)p = (struct opt_u32){ true, (uint32_t)v };
	else
		*(struct opt_u64 *)p = (struct opt_u64){ true, v };
	return 0;
}

static int get_value(struct cbor *it, const struct field *f, void *out)
{
	void *p = (uint8_t *)out + f->offset;
	struct opt_i64 i64 = { .set = true };
	struct opt_i32 i32 = { .set = true };

	switch (f->type) {
	case F_BOOL:
		return cbor_get_bool(it, p);
	case F_U16:
	case F_U32:
	case F_U64:
	case F_OPT_U32:
	case F_OPT_U64:
		return get_unsigned(it, f, p);
	case F_I32:
		return get_i32(it, p);
	case F_OPT_I32:
		if (get_i32(it, &i32.v))
			return -EBADMSG;
		*(struct opt_i32 *)p = i32;
		return 0;
	case F_OPT_I64:
		if (cbor_get_i64(it, &i64.v))
			return -EBADMSG;
		*(struct opt_i64 *)p = i64;
		return 0;
	case F_TEXT:
	case F_OPT_TEXT:
		return cbor_get_text(it, p);
	case F_STRING:
	case F_OPT_STRING:
		return cbor_get_string(it, p);
	case F_DATA:
		return cbor_get_bytes(it, p);
	case F_ITEM:
		return get_item(it, p);
	}
	return -EBADMSG;
}

static const struct field *find(const struct field *f, size_t n,
				struct view key)
{
	for (size_t i = 0; i < n; i++)
		if (view_is(key, f[i].key))
			return &f[i];
	return NULL;
}

int fields_get(struct cbor *it, const struct field *f, size_t n, void *out)
{
	uint32_t seen = 0;
	struct view key;

	while (!cbor_at_end(it)) {
		const struct field *known;
		enum cbor_type type;

		if (cbor_next_key(it, &key) || cbor_peek(it, &type))
			return -EBADMSG;
		known = find(f, n, key);
		if (!known || type == CBOR_NULL) {
			if (cbor_skip(it))
				return -EBADMSG;
			continue;
		}
		if (get_value(it, known, out))
			return -EBADMSG;
		seen |= 1u << (known - f);
	}
	for (size_t i = 0; i < n; i++)
		if ((f[i].flags & F_MUST) && !(seen & 1u << i))
			return -EBADMSG;
	return 0;
}

int fields_decode(struct view payload, struct cbor_scratch *scratch,
		  const struct field *f, size_t n, void *out)
{
	struct cbor c, it;

	cbor_init(&c, payload, scratch);
	if (cbor_enter_map(&c, &it, NULL) || !cbor_at_end(&c))
		return -EBADMSG;
	return fields_get(&it, f, n, out);
}
