/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of frames: a message's type and payload, and back. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "api/agent_int.h"

#define BODY_MAX (FRAME_LEN_MAX - FRAME_LEN_MIN)
#define HEAD_MAX 256u /* of a body, around its payload */

/* One item, whole and nothing behind it. */
static bool is_item(struct view v)
{
	struct cbor c;

	cbor_init(&c, v, NULL);
	return cbor_skip(&c) == 0 && cbor_at_end(&c);
}

static int encode(const char *type, struct view payload, struct buf *out,
		  struct err *err)
{
	enum msg_type known;
	bool large = payload.len > BODY_MAX;

	if (msg_type_find(view_cstr(type), &known))
		return err_set(err, ERR_INVALID, EINVAL,
			       "there is no message '%.100s'", type);
	if (!large && !is_item(payload))
		return err_set(err, ERR_INVALID, EINVAL,
			       "the payload of %s is not one CBOR item", type);
	if (!large) {
		cbor_put_map(out, 3);
		cbor_put_text(out, "v");
		cbor_put_uint(out, PROTO_GENERATION);
		cbor_put_text(out, "t");
		cbor_put_text(out, type);
		cbor_put_text(out, "p");
		cbor_put_bytes(out, payload.p, payload.len);
	}
	if (large || buf_len(out) > BODY_MAX)
		return err_set(err, ERR_INVALID, EMSGSIZE,
			       "a frame takes at most %u bytes", BODY_MAX);
	return out->failed ? api_no_memory(err) : 0;
}

int msb_agent_encode(const char *type, const void *payload, size_t len,
		     void **ret_body, size_t *ret_len, msb_error_t **ret_err)
{
	struct err err = { 0 };
	struct buf out;
	int rc;

	buf_init(&out, BODY_MAX + HEAD_MAX);
	rc = encode(type, (struct view){ payload, len }, &out, &err);
	if (!rc) {
		*ret_len = buf_len(&out);
		*ret_body = buf_take_str(&out);
		rc = *ret_body ? 0 : api_no_memory(&err);
	}
	buf_fini(&out);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

int msb_agent_decode(const void *body, size_t len, msb_agent_message_t *ret,
		     msb_error_t **ret_err)
{
	struct err err = { 0 };
	struct envelope e;
	int rc = 0;

	if (ret->struct_size < sizeof(*ret))
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "struct_size is not set");
	else if (envelope_parse((struct view){ body, len }, NULL, &e) ||
		 e.v > UINT_MAX || !is_item(e.payload))
		rc = err_set(&err, ERR_PROTOCOL, EPROTO,
			     "the frame's body is not a message");
	if (rc)
		return api_fail_err(&err, rc, ret_err);
	ret->version = (unsigned)e.v;
	ret->type = (const char *)e.type.p;
	ret->type_len = e.type.len;
	ret->payload = e.payload.p;
	ret->payload_len = e.payload.len;
	return 0;
}
