/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as an envelope, its payload decoded by the type's decoder and by
 * those that keep cursors; what was accepted is iterated to its end.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/frame.h"
#include "protocol/msg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t scratch_data[1 << 20];
static struct cbor_scratch scratch;

static void touch(struct view v)
{
	unsigned sum = 0;

	for (size_t i = 0; i < v.len; i++)
		sum += v.p[i];
	if (sum == 0xffffffffu) /* keeps the reads */
		abort();
}

static void exec_request(struct view p)
{
	struct msg_exec_request m;
	struct msg_rlimit r;
	struct view v;

	if (msg_decode_exec_request(p, &scratch, &m))
		return;
	touch(m.cmd);
	touch(m.cwd);
	for (size_t i = 0; i < m.nargs; i++) {
		if (cbor_get_string(&m.args, &v))
			abort();
		touch(v);
	}
	for (size_t i = 0; i < m.nenv; i++) {
		if (cbor_get_string(&m.env, &v))
			abort();
		touch(v);
	}
	for (size_t i = 0; i < m.nrlimits; i++)
		if (msg_next_rlimit(&m.rlimits, &r))
			abort();
	touch(m.cmd);
}

static void fs(struct view p)
{
	struct msg_fs_request req, req2;
	struct msg_fs_response res;
	struct msg_fs_info info;
	struct buf b;

	if (!msg_decode_fs_response(p, &scratch, &res)) {
		touch(res.error);
		for (size_t i = 0;
		     res.data == MSG_FS_DATA_LIST && i < res.list_count; i++) {
			if (msg_next_fs_info(&res.list, &info))
				abort();
			touch(info.path);
		}
	}
	if (msg_decode_fs_request(p, &scratch, &req))
		return;
	buf_init(&b, 4 << 20);
	msg_encode_fs_request(&b, &req);
	if (b.failed || msg_decode_fs_request(view_buf(&b), NULL, &req2) ||
	    req2.op != req.op || req2.path.len != req.path.len)
		abort();
	buf_fini(&b);
}

static void others(struct view p)
{
	struct msg_relay_attached attached;
	struct msg_stdin_error stdin_error;
	struct msg_init_resolved resolved;
	struct msg_tcp_connect connect;
	struct msg_exec_failed failed;
	struct msg_id_range range;
	struct msg_exited exited;
	struct msg_resize resize;
	struct msg_error error;
	struct msg_ready ready;
	struct view v;
	struct msg_usage usage;
	uint64_t u64;
	uint32_t u32;
	int32_t i32;

	(void)msg_decode_relay_attached(p, &attached);
	(void)msg_decode_init_resolved(p, &resolved);
	(void)msg_decode_tcp_connect(p, &scratch, &connect);
	(void)msg_decode_id_range(p, &range);
	(void)msg_decode_exited(p, &exited);
	(void)msg_decode_resize(p, &resize);
	(void)msg_decode_ready(p, &scratch, &ready);
	(void)msg_decode_clock_sync(p, &u64);
	(void)msg_decode_usage(p, &usage);
	(void)msg_decode_touched(p, &u64);
	(void)msg_decode_exec_started(p, &u32);
	(void)msg_decode_signal(p, &i32);
	if (!msg_decode_stdin_error(p, &scratch, &stdin_error))
		touch(stdin_error.message);
	if (!msg_decode_exec_failed(p, &scratch, &failed))
		touch(failed.message);
	if (!msg_decode_error(p, &scratch, &error))
		touch(error.message);
	if (!msg_decode_data(p, &scratch, &v))
		touch(v);
	if (!msg_decode_tcp_failed(p, &scratch, &v))
		touch(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct view body = { data, size };
	struct envelope e;

	if (size > sizeof(scratch_data) / 32)
		return 0;
	cbor_scratch_init(&scratch, scratch_data, sizeof(scratch_data));
	if (!envelope_parse(body, &scratch, &e)) {
		enum msg_type type;

		touch(e.type);
		(void)msg_type_find(e.type, &type);
		body = e.payload;
	}
	/* Without an envelope the bytes themselves are the payload. */
	exec_request(body);
	fs(body);
	others(body);
	return 0;
}
