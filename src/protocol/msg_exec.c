/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of core.exec.*. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "protocol/msg_int.h"

#define DEFAULT_ROWS 24
#define DEFAULT_COLS 80

static const struct field rlimit_fields[] = {
	FIELD(struct msg_rlimit, resource, "resource", F_TEXT, F_MUST),
	FIELD(struct msg_rlimit, soft, "soft", F_U64, F_MUST),
	FIELD(struct msg_rlimit, hard, "hard", F_U64, F_MUST),
};

static const struct field request_fields[] = {
	FIELD(struct msg_exec_request, cmd, "cmd", F_STRING, F_MUST),
	FIELD(struct msg_exec_request, args, "args", F_ITEM, 0),
	FIELD(struct msg_exec_request, env, "env", F_ITEM, 0),
	FIELD(struct msg_exec_request, cwd, "cwd", F_OPT_STRING, 0),
	FIELD(struct msg_exec_request, user, "user", F_OPT_STRING, 0),
	FIELD(struct msg_exec_request, tty, "tty", F_BOOL, 0),
	FIELD(struct msg_exec_request, rows, "rows", F_U16, 0),
	FIELD(struct msg_exec_request, cols, "cols", F_U16, 0),
	FIELD(struct msg_exec_request, rlimits, "rlimits", F_ITEM, 0),
};

static int get_rlimit(struct cbor *c, struct msg_rlimit *ret)
{
	struct cbor it;

	if (cbor_enter_map(c, &it, NULL))
		return -EBADMSG;
	return fields_get(&it, rlimit_fields, ARRAY_SIZE(rlimit_fields), ret);
}

/*
 * Turn a cursor over one array item (or an empty one: the key was missing)
 * into a cursor over its checked elements. The check reads the elements once,
 * so it gives back the scratch it used.
 */
static int enter_list(struct cbor *item, size_t *ret_count, bool rlimits)
{
	struct cbor outer = *item, it;
	struct msg_rlimit limit;
	struct view v;
	uint8_t *mark;
	int rc = 0;

	*ret_count = 0;
	if (cbor_at_end(item))
		return 0;
	if (cbor_enter_array(&outer, item, ret_count))
		return -EBADMSG;
	mark = item->scratch ? item->scratch->p : NULL;
	for (it = *item; !rc && !cbor_at_end(&it);)
		rc = rlimits ? get_rlimit(&it, &limit)
			     : cbor_get_string(&it, &v);
	if (item->scratch)
		item->scratch->p = mark;
	return rc ? -EBADMSG : 0;
}

int msg_decode_exec_request(struct view payload, struct cbor_scratch *scratch,
			    struct msg_exec_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->rows = DEFAULT_ROWS;
	ret->cols = DEFAULT_COLS;
	if (fields_decode(payload, scratch, request_fields,
			  ARRAY_SIZE(request_fields), ret) ||
	    enter_list(&ret->args, &ret->nargs, false) ||
	    enter_list(&ret->env, &ret->nenv, false) ||
	    enter_list(&ret->rlimits, &ret->nrlimits, true))
		return -EBADMSG;
	return 0;
}

int msg_next_rlimit(struct cbor *rlimits, struct msg_rlimit *ret)
{
	if (cbor_at_end(rlimits))
		return -ENOENT;
	return get_rlimit(rlimits, ret);
}

static void put_strings(struct buf *b, const char *key,
			const char *const *items, size_t n)
{
	cbor_put_text(b, key);
	cbor_put_array(b, n);
	for (size_t i = 0; i < n; i++)
		cbor_put_string(b, items[i], strlen(items[i]));
}

static void put_opt_string(struct buf *b, const char *key, const char *text)
{
	cbor_put_text(b, key);
	if (text)
		cbor_put_string(b, text, strlen(text));
	else
		cbor_put_null(b);
}

void msg_encode_exec_request(struct buf *b, const struct msg_exec_params *m)
{
	cbor_put_map(b, ARRAY_SIZE(request_fields));
	put_opt_string(b, "cmd", m->cmd);
	put_strings(b, "args", m->args, m->nargs);
	put_strings(b, "env", m->env, m->nenv);
	put_opt_string(b, "cwd", m->cwd);
	put_opt_string(b, "user", m->user);
	cbor_put_text(b, "tty");
	cbor_put_bool(b, m->tty);
	cbor_put_text(b, "rows");
	cbor_put_uint(b, m->rows);
	cbor_put_text(b, "cols");
	cbor_put_uint(b, m->cols);
	cbor_put_text(b, "rlimits");
	cbor_put_array(b, m->nrlimits);
	for (size_t i = 0; i < m->nrlimits; i++)
		fields_encode(b, rlimit_fields, ARRAY_SIZE(rlimit_fields),
			      &m->rlimits[i]);
}

struct started {
	uint32_t pid;
};

static const struct field started_fields[] = {
	FIELD(struct started, pid, "pid", F_U32, F_MUST),
};

void msg_encode_exec_started(struct buf *b, uint32_t pid)
{
	struct started m = { pid };

	fields_encode(b, started_fields, ARRAY_SIZE(started_fields), &m);
}

int msg_decode_exec_started(struct view payload, uint32_t *ret_pid)
{
	struct started m;
	int rc = fields_decode(payload, NULL, started_fields,
			       ARRAY_SIZE(started_fields), &m);

	if (!rc)
		*ret_pid = m.pid;
	return rc;
}

static const struct field stdin_error_fields[] = {
	FIELD(struct msg_stdin_error, err_no, "errno", F_OPT_I32, 0),
	FIELD(struct msg_stdin_error, errno_name, "errno_name", F_OPT_TEXT, 0),
	FIELD(struct msg_stdin_error, message, "message", F_TEXT, F_MUST),
};

void msg_encode_stdin_error(struct buf *b, const struct msg_stdin_error *m)
{
	fields_encode(b, stdin_error_fields, ARRAY_SIZE(stdin_error_fields), m);
}

int msg_decode_stdin_error(struct view payload, struct cbor_scratch *scratch,
			   struct msg_stdin_error *ret)
{
	memset(ret, 0, sizeof(*ret));
	return fields_decode(payload, scratch, stdin_error_fields,
			     ARRAY_SIZE(stdin_error_fields), ret);
}

static const struct field exited_fields[] = {
	FIELD(struct msg_exited, code, "code", F_I32, F_MUST),
	FIELD(struct msg_exited, signal, "signal", F_OPT_I32, F_OMIT),
};

void msg_encode_exited(struct buf *b, const struct msg_exited *m)
{
	fields_encode(b, exited_fields, ARRAY_SIZE(exited_fields), m);
}

int msg_decode_exited(struct view payload, struct msg_exited *ret)
{
	memset(ret, 0, sizeof(*ret));
	return fields_decode(payload, NULL, exited_fields,
			     ARRAY_SIZE(exited_fields), ret);
}

static const char *const fail_kinds[] = {
	[MSG_FAIL_NOT_FOUND] = "not_found",
	[MSG_FAIL_PERMISSION_DENIED] = "permission_denied",
	[MSG_FAIL_NOT_EXECUTABLE] = "not_executable",
	[MSG_FAIL_BAD_CWD] = "bad_cwd",
	[MSG_FAIL_BAD_ARGS] = "bad_args",
	[MSG_FAIL_RESOURCE_LIMIT] = "resource_limit",
	[MSG_FAIL_USER_SETUP] = "user_setup_failed",
	[MSG_FAIL_OUT_OF_MEMORY] = "out_of_memory",
	[MSG_FAIL_PTY_SETUP] = "pty_setup_failed",
	[MSG_FAIL_OTHER] = "other",
};
static_assert(ARRAY_SIZE(fail_kinds) == MSG_FAIL_KIND_COUNT,
	      "fail_kinds[] doesn't match enum msg_fail_kind");

const char *msg_fail_kind_name(enum msg_fail_kind kind)
{
	if ((unsigned)kind >= MSG_FAIL_KIND_COUNT)
		kind = MSG_FAIL_OTHER;
	return fail_kinds[kind];
}

enum msg_fail_kind msg_fail_kind_find(struct view name)
{
	for (unsigned i = 0; i < MSG_FAIL_KIND_COUNT; i++)
		if (view_is(name, fail_kinds[i]))
			return (enum msg_fail_kind)i;
	return MSG_FAIL_OTHER;
}

struct failed {
	struct view kind;
	struct opt_i32 err_no;
	struct view errno_name, message, stage;
};

static const struct field failed_fields[] = {
	FIELD(struct failed, kind, "kind", F_TEXT, F_MUST),
	FIELD(struct failed, err_no, "errno", F_OPT_I32, 0),
	FIELD(struct failed, errno_name, "errno_name", F_OPT_TEXT, 0),
	FIELD(struct failed, message, "message", F_TEXT, F_MUST),
	FIELD(struct failed, stage, "stage", F_OPT_TEXT, 0),
};

void msg_encode_exec_failed(struct buf *b, const struct msg_exec_failed *m)
{
	struct failed raw = { view_cstr(msg_fail_kind_name(m->kind)), m->err_no,
			      m->errno_name, m->message, m->stage };

	fields_encode(b, failed_fields, ARRAY_SIZE(failed_fields), &raw);
}

int msg_decode_exec_failed(struct view payload, struct cbor_scratch *scratch,
			   struct msg_exec_failed *ret)
{
	struct failed raw = { 0 };

	if (fields_decode(payload, scratch, failed_fields,
			  ARRAY_SIZE(failed_fields), &raw))
		return -EBADMSG;
	ret->kind = msg_fail_kind_find(raw.kind);
	ret->err_no = raw.err_no;
	ret->errno_name = raw.errno_name;
	ret->message = raw.message;
	ret->stage = raw.stage;
	return 0;
}

static const struct field resize_fields[] = {
	FIELD(struct msg_resize, rows, "rows", F_U16, F_MUST),
	FIELD(struct msg_resize, cols, "cols", F_U16, F_MUST),
};

void msg_encode_resize(struct buf *b, const struct msg_resize *m)
{
	fields_encode(b, resize_fields, ARRAY_SIZE(resize_fields), m);
}

int msg_decode_resize(struct view payload, struct msg_resize *ret)
{
	return fields_decode(payload, NULL, resize_fields,
			     ARRAY_SIZE(resize_fields), ret);
}

struct signal_payload {
	int32_t sig;
};

static const struct field signal_fields[] = {
	FIELD(struct signal_payload, sig, "signal", F_I32, F_MUST),
};

void msg_encode_signal(struct buf *b, int32_t sig)
{
	struct signal_payload m = { sig };

	fields_encode(b, signal_fields, ARRAY_SIZE(signal_fields), &m);
}

int msg_decode_signal(struct view payload, int32_t *ret_sig)
{
	struct signal_payload m;
	int rc = fields_decode(payload, NULL, signal_fields,
			       ARRAY_SIZE(signal_fields), &m);

	if (!rc)
		*ret_sig = m.sig;
	return rc;
}
