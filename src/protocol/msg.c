/* SPDX-License-Identifier: Apache-2.0 */
/* Message type table and the payloads of core.* and core.tcp.*. */
#include "protocol/msg.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "protocol/msg_int.h"

#define TERM FRAME_TERMINAL
#define START FRAME_SESSION_START

static const struct msg_info table[] = {
	[MSG_READY] = { MSG_T_READY, 1, 0, MSG_FROM_GUEST },
	[MSG_SHUTDOWN] = { MSG_T_SHUTDOWN, 1, FRAME_SHUTDOWN, MSG_TO_GUEST },
	[MSG_CLIENT_DISCONNECTED] = { MSG_T_CLIENT_DISCONNECTED, 1, 0,
				      MSG_TO_GUEST },
	[MSG_EXEC_REQUEST] = { MSG_T_EXEC_REQUEST, 1, START, MSG_TO_GUEST },
	[MSG_EXEC_STARTED] = { MSG_T_EXEC_STARTED, 1, 0, MSG_FROM_GUEST },
	[MSG_EXEC_STDIN] = { MSG_T_EXEC_STDIN, 1, 0, MSG_TO_GUEST },
	[MSG_EXEC_STDIN_ERROR] = { MSG_T_EXEC_STDIN_ERROR, 1, 0,
				   MSG_FROM_GUEST },
	[MSG_EXEC_STDOUT] = { MSG_T_EXEC_STDOUT, 1, 0, MSG_FROM_GUEST },
	[MSG_EXEC_STDERR] = { MSG_T_EXEC_STDERR, 1, 0, MSG_FROM_GUEST },
	[MSG_EXEC_EXITED] = { MSG_T_EXEC_EXITED, 1, TERM, MSG_FROM_GUEST },
	[MSG_EXEC_FAILED] = { MSG_T_EXEC_FAILED, 1, TERM, MSG_FROM_GUEST },
	[MSG_EXEC_RESIZE] = { MSG_T_EXEC_RESIZE, 1, 0, MSG_TO_GUEST },
	[MSG_EXEC_SIGNAL] = { MSG_T_EXEC_SIGNAL, 1, 0, MSG_TO_GUEST },
	[MSG_FS_REQUEST] = { MSG_T_FS_REQUEST, 2, START, MSG_TO_GUEST },
	[MSG_FS_RESPONSE] = { MSG_T_FS_RESPONSE, 2, TERM, MSG_FROM_GUEST },
	[MSG_FS_DATA] = { MSG_T_FS_DATA, 2, 0, MSG_TO_GUEST | MSG_FROM_GUEST },
	[MSG_INIT_RESOLVED] = { MSG_T_INIT_RESOLVED, 1, 0, MSG_FROM_GUEST },
	[MSG_INIT_ACK] = { MSG_T_INIT_ACK, 1, 0, MSG_TO_GUEST },
	[MSG_CLOCK_SYNC] = { MSG_T_CLOCK_SYNC, 1, 0, MSG_TO_GUEST },
	[MSG_TCP_CONNECT] = { MSG_T_TCP_CONNECT, 4, START, MSG_TO_GUEST },
	[MSG_TCP_CONNECTED] = { MSG_T_TCP_CONNECTED, 4, 0, MSG_FROM_GUEST },
	[MSG_TCP_DATA] = { MSG_T_TCP_DATA, 4, 0,
			   MSG_TO_GUEST | MSG_FROM_GUEST },
	[MSG_TCP_EOF] = { MSG_T_TCP_EOF, 4, 0, MSG_TO_GUEST | MSG_FROM_GUEST },
	[MSG_TCP_CLOSE] = { MSG_T_TCP_CLOSE, 4, 0, MSG_TO_GUEST },
	[MSG_TCP_CLOSED] = { MSG_T_TCP_CLOSED, 4, TERM, MSG_FROM_GUEST },
	[MSG_TCP_FAILED] = { MSG_T_TCP_FAILED, 4, TERM, MSG_FROM_GUEST },
	[MSG_ERROR] = { MSG_T_ERROR, 5, TERM, MSG_FROM_GUEST | MSG_FROM_RELAY },
	[MSG_PING] = { MSG_T_PING, 6, 0, MSG_TO_GUEST },
	[MSG_PONG] = { MSG_T_PONG, 6, TERM, MSG_FROM_GUEST },
	[MSG_TOUCH] = { MSG_T_TOUCH, 6, 0, MSG_TO_GUEST },
	[MSG_TOUCHED] = { MSG_T_TOUCHED, 6, TERM, MSG_FROM_GUEST },
	[MSG_BOOTSTRAP] = { MSG_T_BOOTSTRAP, 7, 0, MSG_TO_GUEST },
	[MSG_RELAY_DETACH] = { MSG_T_RELAY_DETACH, 6, FRAME_RELAY,
			       MSG_TO_RELAY },
	[MSG_RELAY_ATTACH] = { MSG_T_RELAY_ATTACH, 6, FRAME_RELAY,
			       MSG_TO_RELAY },
	[MSG_RELAY_ATTACHED] = { MSG_T_RELAY_ATTACHED, 6, FRAME_RELAY | TERM,
				 MSG_FROM_RELAY },
	[MSG_RELAY_MODIFY] = { MSG_T_RELAY_MODIFY, 6, FRAME_RELAY,
			       MSG_TO_RELAY },
	[MSG_RELAY_MODIFIED] = { MSG_T_RELAY_MODIFIED, 6, FRAME_RELAY | TERM,
				 MSG_FROM_RELAY },
	[MSG_EXEC_PAUSE] = { MSG_T_EXEC_PAUSE, 6, FRAME_RELAY,
			     MSG_TO_GUEST | MSG_FROM_GUEST },
	[MSG_EXEC_RESUME] = { MSG_T_EXEC_RESUME, 6, FRAME_RELAY,
			      MSG_TO_GUEST | MSG_FROM_GUEST },
	[MSG_USAGE_REQUEST] = { MSG_T_USAGE_REQUEST, 6, FRAME_RELAY,
				MSG_TO_GUEST },
	[MSG_USAGE] = { MSG_T_USAGE, 6, FRAME_RELAY, MSG_FROM_GUEST },
};
static_assert(ARRAY_SIZE(table) == MSG_TYPE_COUNT,
	      "table[] doesn't match enum msg_type");

const struct msg_info *msg_info(enum msg_type type)
{
	return (unsigned)type < MSG_TYPE_COUNT ? &table[type] : NULL;
}

int msg_type_find(struct view name, enum msg_type *ret)
{
	for (unsigned i = 0; i < MSG_TYPE_COUNT; i++) {
		if (view_is(name, table[i].name)) {
			*ret = (enum msg_type)i;
			return 0;
		}
	}
	return -ENOENT;
}

void msg_encode_empty(struct buf *b)
{
	cbor_put_map(b, 0);
}

void msg_encode_null(struct buf *b)
{
	cbor_put_null(b);
}

static const struct field ready_fields[] = {
	FIELD(struct msg_ready, boot_time_ns, "boot_time_ns", F_U64, F_MUST),
	FIELD(struct msg_ready, init_time_ns, "init_time_ns", F_U64, F_MUST),
	FIELD(struct msg_ready, ready_time_ns, "ready_time_ns", F_U64, F_MUST),
	FIELD(struct msg_ready, agent_version, "agent_version", F_OPT_TEXT,
	      F_OMIT),
};

void msg_encode_ready(struct buf *b, const struct msg_ready *m)
{
	fields_encode(b, ready_fields, ARRAY_SIZE(ready_fields), m);
}

int msg_decode_ready(struct view payload, struct cbor_scratch *scratch,
		     struct msg_ready *ret)
{
	memset(ret, 0, sizeof(*ret));
	return fields_decode(payload, scratch, ready_fields,
			     ARRAY_SIZE(ready_fields), ret);
}

static const struct field range_fields[] = {
	FIELD(struct msg_id_range, id_start, "id_start", F_U32, F_MUST),
	FIELD(struct msg_id_range, id_end_exclusive, "id_end_exclusive", F_U32,
	      F_MUST),
};

void msg_encode_id_range(struct buf *b, const struct msg_id_range *m)
{
	fields_encode(b, range_fields, ARRAY_SIZE(range_fields), m);
}

int msg_decode_id_range(struct view payload, struct msg_id_range *ret)
{
	return fields_decode(payload, NULL, range_fields,
			     ARRAY_SIZE(range_fields), ret);
}

static const struct field attached_fields[] = {
	FIELD(struct msg_relay_attached, id, "id", F_U32, F_MUST),
	FIELD(struct msg_relay_attached, tty, "tty", F_BOOL, F_MUST),
};

void msg_encode_relay_attached(struct buf *b,
			       const struct msg_relay_attached *m)
{
	fields_encode(b, attached_fields, ARRAY_SIZE(attached_fields), m);
}

int msg_decode_relay_attached(struct view payload,
			      struct msg_relay_attached *ret)
{
	return fields_decode(payload, NULL, attached_fields,
			     ARRAY_SIZE(attached_fields), ret);
}

static const struct field usage_fields[] = {
	FIELD(struct msg_usage, memory_total_bytes, "memory_total_bytes", F_U64,
	      F_MUST),
	FIELD(struct msg_usage, memory_used_bytes, "memory_used_bytes", F_U64,
	      F_MUST),
	FIELD(struct msg_usage, busy_us, "busy_us", F_U64, F_MUST),
	FIELD(struct msg_usage, forks, "forks", F_U64, F_MUST),
};

void msg_encode_usage(struct buf *b, const struct msg_usage *m)
{
	fields_encode(b, usage_fields, ARRAY_SIZE(usage_fields), m);
}

int msg_decode_usage(struct view payload, struct msg_usage *ret)
{
	return fields_decode(payload, NULL, usage_fields,
			     ARRAY_SIZE(usage_fields), ret);
}

/* A payload that is one unsigned number. */
struct number {
	uint64_t v;
};

static const struct field clock_fields[] = {
	FIELD(struct number, v, "unix_time_nanos", F_U64, F_MUST),
};

static const struct field touched_fields[] = {
	FIELD(struct number, v, "activity_seq", F_U64, F_MUST),
};

void msg_encode_clock_sync(struct buf *b, uint64_t unix_time_ns)
{
	struct number m = { unix_time_ns };

	fields_encode(b, clock_fields, ARRAY_SIZE(clock_fields), &m);
}

int msg_decode_clock_sync(struct view payload, uint64_t *ret_unix_time_ns)
{
	struct number m;
	int rc = fields_decode(payload, NULL, clock_fields,
			       ARRAY_SIZE(clock_fields), &m);

	if (!rc)
		*ret_unix_time_ns = m.v;
	return rc;
}

void msg_encode_touched(struct buf *b, uint64_t activity_seq)
{
	struct number m = { activity_seq };

	fields_encode(b, touched_fields, ARRAY_SIZE(touched_fields), &m);
}

int msg_decode_touched(struct view payload, uint64_t *ret_activity_seq)
{
	struct number m;
	int rc = fields_decode(payload, NULL, touched_fields,
			       ARRAY_SIZE(touched_fields), &m);

	if (!rc)
		*ret_activity_seq = m.v;
	return rc;
}

static const struct field user_fields[] = {
	FIELD(struct msg_init_resolved, uid, "uid", F_U32, F_MUST),
	FIELD(struct msg_init_resolved, gid, "gid", F_U32, F_MUST),
};

struct resolved {
	struct cbor default_user;
};

static const struct field resolved_fields[] = {
	FIELD(struct resolved, default_user, "default_user", F_ITEM, F_MUST),
};

void msg_encode_init_resolved(struct buf *b, const struct msg_init_resolved *m)
{
	cbor_put_map(b, 1);
	cbor_put_text(b, resolved_fields[0].key);
	fields_encode(b, user_fields, ARRAY_SIZE(user_fields), m);
}

int msg_decode_init_resolved(struct view payload, struct msg_init_resolved *ret)
{
	struct resolved raw;
	struct cbor it;

	if (fields_decode(payload, NULL, resolved_fields,
			  ARRAY_SIZE(resolved_fields), &raw) ||
	    cbor_enter_map(&raw.default_user, &it, NULL))
		return -EBADMSG;
	return fields_get(&it, user_fields, ARRAY_SIZE(user_fields), ret);
}

static const struct field error_fields[] = {
	FIELD(struct msg_error, kind, "kind", F_TEXT, F_MUST),
	FIELD(struct msg_error, message, "message", F_TEXT, F_MUST),
	FIELD(struct msg_error, offending_type, "offending_type", F_OPT_TEXT,
	      F_OMIT),
};

void msg_encode_error(struct buf *b, const struct msg_error *m)
{
	fields_encode(b, error_fields, ARRAY_SIZE(error_fields), m);
}

int msg_decode_error(struct view payload, struct cbor_scratch *scratch,
		     struct msg_error *ret)
{
	memset(ret, 0, sizeof(*ret));
	return fields_decode(payload, scratch, error_fields,
			     ARRAY_SIZE(error_fields), ret);
}

struct data {
	struct view data;
};

static const struct field data_fields[] = {
	FIELD(struct data, data, "data", F_DATA, F_MUST),
};

void msg_encode_data(struct buf *b, const void *data, size_t len)
{
	struct data m = { { data, len } };

	fields_encode(b, data_fields, ARRAY_SIZE(data_fields), &m);
}

int msg_decode_data(struct view payload, struct cbor_scratch *scratch,
		    struct view *ret_data)
{
	struct data m;
	int rc = fields_decode(payload, scratch, data_fields,
			       ARRAY_SIZE(data_fields), &m);

	if (!rc)
		*ret_data = m.data;
	return rc;
}

static const struct field connect_fields[] = {
	FIELD(struct msg_tcp_connect, host, "host", F_TEXT, F_MUST),
	FIELD(struct msg_tcp_connect, port, "port", F_U16, F_MUST),
};

void msg_encode_tcp_connect(struct buf *b, const struct msg_tcp_connect *m)
{
	fields_encode(b, connect_fields, ARRAY_SIZE(connect_fields), m);
}

int msg_decode_tcp_connect(struct view payload, struct cbor_scratch *scratch,
			   struct msg_tcp_connect *ret)
{
	return fields_decode(payload, scratch, connect_fields,
			     ARRAY_SIZE(connect_fields), ret);
}

struct failure {
	struct view error;
};

static const struct field failure_fields[] = {
	FIELD(struct failure, error, "error", F_TEXT, F_MUST),
};

void msg_encode_tcp_failed(struct buf *b, struct view error)
{
	struct failure m = { error };

	fields_encode(b, failure_fields, ARRAY_SIZE(failure_fields), &m);
}

int msg_decode_tcp_failed(struct view payload, struct cbor_scratch *scratch,
			  struct view *ret_error)
{
	struct failure m;
	int rc = fields_decode(payload, scratch, failure_fields,
			       ARRAY_SIZE(failure_fields), &m);

	if (!rc)
		*ret_error = m.error;
	return rc;
}
