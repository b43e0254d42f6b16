/* SPDX-License-Identifier: Apache-2.0 */
/* Every message but those of files, against frames written by hand: both
 * directions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "msgwire.h"
#include "vectors.h"

static void ready(void **state)
{
	struct fixture *f = *state;
	struct msg_ready in = { 152340000, 8120000, 161000000, { 0 } }, m;

	wire_in(f, V_READY, 0, 0, MSG_T_READY);
	assert_int_equal(f->env.v, 1);
	assert_int_equal(msg_decode_ready(f->env.payload, &f->scratch, &m), 0);
	assert_int_equal(m.boot_time_ns, in.boot_time_ns);
	assert_int_equal(m.init_time_ns, in.init_time_ns);
	assert_int_equal(m.ready_time_ns, in.ready_time_ns);
	assert_null(m.agent_version.p);
	msg_encode_ready(&f->payload, &in);
	wire_out(f, 0, 1, MSG_T_READY);

	wire_in(f, V_READY_VERSION, 0, 0, MSG_T_READY);
	assert_int_equal(msg_decode_ready(f->env.payload, &f->scratch, &m), 0);
	assert_true(view_is(m.agent_version, "0.6.14"));
	in.agent_version = V("0.6.14");
	msg_encode_ready(&f->payload, &in);
	wire_out(f, 0, 7, MSG_T_READY);
}

static void exec_request_pipe(void **state)
{
	static const char *const args[] = { "hi" };
	static const char *const env[] = { "PATH=/usr/bin:/bin" };
	const struct msg_exec_params in = {
		.cmd = "/bin/echo",
		.args = args,
		.nargs = 1,
		.env = env,
		.nenv = 1,
		.cwd = "/",
		.rows = 24,
		.cols = 80,
	};
	struct fixture *f = *state;
	struct msg_exec_request m;
	struct view v;

	wire_in(f, V_EXEC_ECHO, 1, 2, MSG_T_EXEC_REQUEST);
	assert_int_equal(
		msg_decode_exec_request(f->env.payload, &f->scratch, &m), 0);
	assert_true(view_is(m.cmd, "/bin/echo"));
	assert_true(view_is(m.cwd, "/"));
	assert_null(m.user.p);
	assert_false(m.tty);
	assert_int_equal(m.nargs, 1);
	assert_int_equal(m.nenv, 1);
	assert_int_equal(m.nrlimits, 0);
	assert_int_equal(cbor_get_string(&m.args, &v), 0);
	assert_true(view_is(v, "hi"));
	assert_true(cbor_at_end(&m.args));
	assert_int_equal(cbor_get_string(&m.env, &v), 0);
	assert_true(view_is(v, "PATH=/usr/bin:/bin"));
	msg_encode_exec_request(&f->payload, &in);
	wire_out(f, 1, 1, MSG_T_EXEC_REQUEST);
}

static void exec_request_pty(void **state)
{
	static const char *const env[] = { "TERM=xterm" };
	const struct msg_rlimit limit = { V("nofile"), 1024, 4096 };
	const struct msg_exec_params in = {
		.cmd = "sh",
		.env = env,
		.nenv = 1,
		.cwd = "/",
		.user = "1000:1000",
		.tty = true,
		.rows = 50,
		.cols = 132,
		.rlimits = &limit,
		.nrlimits = 1,
	};
	struct fixture *f = *state;
	struct msg_exec_request m;
	struct msg_rlimit r;

	wire_in(f, V_EXEC_PTY, 2, 2, MSG_T_EXEC_REQUEST);
	assert_int_equal(
		msg_decode_exec_request(f->env.payload, &f->scratch, &m), 0);
	assert_true(view_is(m.user, "1000:1000"));
	assert_true(m.tty);
	assert_int_equal(m.rows, 50);
	assert_int_equal(m.cols, 132);
	assert_int_equal(m.nrlimits, 1);
	assert_int_equal(msg_next_rlimit(&m.rlimits, &r), 0);
	assert_true(view_is(r.resource, "nofile"));
	assert_int_equal(r.soft, 1024);
	assert_int_equal(r.hard, 4096);
	assert_int_equal(msg_next_rlimit(&m.rlimits, &r), -ENOENT);
	msg_encode_exec_request(&f->payload, &in);
	wire_out(f, 2, 1, MSG_T_EXEC_REQUEST);
}

static void exec_stream(void **state)
{
	struct fixture *f = *state;
	struct view data;
	uint32_t pid;

	wire_in(f, V_STARTED, 1, 0, MSG_T_EXEC_STARTED);
	assert_int_equal(msg_decode_exec_started(f->env.payload, &pid), 0);
	assert_int_equal(pid, 42);
	msg_encode_exec_started(&f->payload, 42);
	wire_out(f, 1, 1, MSG_T_EXEC_STARTED);

	wire_in(f, V_STDIN, 1, 0, MSG_T_EXEC_STDIN);
	assert_int_equal(msg_decode_data(f->env.payload, NULL, &data), 0);
	assert_true(view_is(data, "hi\n"));
	msg_encode_data(&f->payload, "hi\n", 3);
	wire_out(f, 1, 1, MSG_T_EXEC_STDIN);

	wire_in(f, V_STDIN_EOF, 1, 0, MSG_T_EXEC_STDIN);
	assert_int_equal(msg_decode_data(f->env.payload, NULL, &data), 0);
	assert_int_equal(data.len, 0);
	msg_encode_data(&f->payload, NULL, 0);
	wire_out(f, 1, 1, MSG_T_EXEC_STDIN);

	wire_in(f, V_STDOUT, 1, 0, MSG_T_EXEC_STDOUT);
	assert_int_equal(msg_decode_data(f->env.payload, NULL, &data), 0);
	assert_true(view_is(data, "hi\n"));
	assert_int_equal(
		frame_put_data(&f->frame, 1, 1, MSG_T_EXEC_STDOUT, "hi\n", 3),
		0);
	assert_int_equal(buf_len(&f->frame), f->wire_len);
	assert_memory_equal(buf_data(&f->frame), f->wire, f->wire_len);
}

static void exec_stdin_error(void **state)
{
	struct msg_stdin_error in = {
		.err_no = { true, EPIPE },
		.errno_name = V("EPIPE"),
		.message = V("io error: Broken pipe (os error 32)"),
	};
	struct fixture *f = *state;
	struct msg_stdin_error m;

	wire_in(f, V_STDIN_ERROR, 1, 0, MSG_T_EXEC_STDIN_ERROR);
	assert_int_equal(msg_decode_stdin_error(f->env.payload, NULL, &m), 0);
	assert_true(m.err_no.set);
	assert_int_equal(m.err_no.v, EPIPE);
	assert_true(view_is(m.errno_name, "EPIPE"));
	msg_encode_stdin_error(&f->payload, &in);
	wire_out(f, 1, 1, MSG_T_EXEC_STDIN_ERROR);
}

static void exec_exited(void **state)
{
	struct msg_exited in = { .code = 0 }, m;
	struct fixture *f = *state;

	wire_in(f, V_EXITED_0, 1, 1, MSG_T_EXEC_EXITED);
	assert_int_equal(msg_decode_exited(f->env.payload, &m), 0);
	assert_int_equal(m.code, 0);
	assert_false(m.signal.set);
	msg_encode_exited(&f->payload, &in);
	wire_out(f, 1, 1, MSG_T_EXEC_EXITED);

	wire_in(f, V_EXITED_M1, 1, 1, MSG_T_EXEC_EXITED);
	assert_int_equal(msg_decode_exited(f->env.payload, &m), 0);
	assert_int_equal(m.code, -1);
	in.code = -1;
	msg_encode_exited(&f->payload, &in);
	wire_out(f, 1, 1, MSG_T_EXEC_EXITED);

	in.signal = (struct opt_i32){ true, 9 };
	msg_encode_exited(&f->payload, &in);
	assert_int_equal(msg_decode_exited(view_buf(&f->payload), &m), 0);
	assert_int_equal(m.code, -1);
	assert_true(m.signal.set);
	assert_int_equal(m.signal.v, 9);
}

static void exec_failed(void **state)
{
	struct msg_exec_failed in = {
		.kind = MSG_FAIL_NOT_FOUND,
		.err_no = { true, ENOENT },
		.errno_name = V("ENOENT"),
		.message = V("spawn \"nosuch\": No such file or directory "
			     "(os error 2)"),
		.stage = V("Command::spawn"),
	};
	struct fixture *f = *state;
	struct msg_exec_failed m;

	wire_in(f, V_FAILED_NOT_FOUND, 1, 1, MSG_T_EXEC_FAILED);
	assert_int_equal(msg_decode_exec_failed(f->env.payload, NULL, &m), 0);
	assert_int_equal(m.kind, MSG_FAIL_NOT_FOUND);
	assert_int_equal(m.err_no.v, ENOENT);
	assert_true(view_is(m.stage, "Command::spawn"));
	msg_encode_exec_failed(&f->payload, &in);
	wire_out(f, 1, 1, MSG_T_EXEC_FAILED);

	wire_in(f, V_FAILED_USER, 1, 1, MSG_T_EXEC_FAILED);
	assert_int_equal(msg_decode_exec_failed(f->env.payload, NULL, &m), 0);
	assert_int_equal(m.kind, MSG_FAIL_OTHER);
	assert_false(m.err_no.set);
	assert_null(m.errno_name.p);
	assert_null(m.stage.p);
	in = (struct msg_exec_failed){
		.kind = MSG_FAIL_OTHER,
		.message = V("exec session error: guest user not found: bob"),
	};
	msg_encode_exec_failed(&f->payload, &in);
	wire_out(f, 1, 1, MSG_T_EXEC_FAILED);
}

static void fail_kinds_have_names_and_unknown_ones_are_other(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MSG_FAIL_KIND_COUNT; i++) {
		enum msg_fail_kind kind = (enum msg_fail_kind)i;

		assert_int_equal(
			msg_fail_kind_find(V(msg_fail_kind_name(kind))), kind);
	}
	assert_int_equal(msg_fail_kind_find(V("gremlins")), MSG_FAIL_OTHER);
}

static void exec_control(void **state)
{
	struct msg_resize size = { 50, 132 }, m;
	struct fixture *f = *state;
	int32_t sig;

	wire_in(f, V_RESIZE, 2, 0, MSG_T_EXEC_RESIZE);
	assert_int_equal(msg_decode_resize(f->env.payload, &m), 0);
	assert_int_equal(m.rows, 50);
	assert_int_equal(m.cols, 132);
	msg_encode_resize(&f->payload, &size);
	wire_out(f, 2, 1, MSG_T_EXEC_RESIZE);

	wire_in(f, V_SIGNAL, 1, 0, MSG_T_EXEC_SIGNAL);
	assert_int_equal(msg_decode_signal(f->env.payload, &sig), 0);
	assert_int_equal(sig, 9);
	msg_encode_signal(&f->payload, 9);
	wire_out(f, 1, 1, MSG_T_EXEC_SIGNAL);
}

static void shutdown_and_disconnect(void **state)
{
	struct msg_id_range range = { 0, 0 }, m;
	struct fixture *f = *state;

	wire_in(f, V_SHUTDOWN, 0, 4, MSG_T_SHUTDOWN);
	msg_encode_null(&f->payload);
	wire_out(f, 0, 1, MSG_T_SHUTDOWN);

	wire_in(f, V_DISCONNECTED, 0, 0, MSG_T_CLIENT_DISCONNECTED);
	assert_int_equal(msg_decode_id_range(f->env.payload, &m), 0);
	relay_range(0, &range.id_start, &range.id_end_exclusive);
	assert_int_equal(m.id_start, range.id_start);
	assert_int_equal(m.id_end_exclusive, range.id_end_exclusive);
	msg_encode_id_range(&f->payload, &range);
	wire_out(f, 0, 1, MSG_T_CLIENT_DISCONNECTED);
}

static void clock_ping_touch(void **state)
{
	struct fixture *f = *state;
	uint64_t v;

	wire_in(f, V_CLOCK, 0, 0, MSG_T_CLOCK_SYNC);
	assert_int_equal(f->env.v, 6);
	assert_int_equal(msg_decode_clock_sync(f->env.payload, &v), 0);
	assert_true(v == 0x17979cfe362a0000ull);
	msg_encode_clock_sync(&f->payload, v);
	wire_out(f, 0, 6, MSG_T_CLOCK_SYNC);

	wire_in(f, V_PING, 7, 0, MSG_T_PING);
	msg_encode_empty(&f->payload);
	wire_out(f, 7, 6, MSG_T_PING);
	wire_in(f, V_PONG, 7, 1, MSG_T_PONG);
	msg_encode_empty(&f->payload);
	wire_out(f, 7, 6, MSG_T_PONG);

	wire_in(f, V_TOUCHED, 8, 1, MSG_T_TOUCHED);
	assert_int_equal(msg_decode_touched(f->env.payload, &v), 0);
	assert_int_equal(v, 17);
	msg_encode_touched(&f->payload, 17);
	wire_out(f, 8, 6, MSG_T_TOUCHED);
}

static void tcp(void **state)
{
	const char *text = "connect 127.0.0.1:1: Connection refused (os error "
			   "111)";
	struct msg_tcp_connect in = { V("127.0.0.1"), 8080 }, m;
	struct fixture *f = *state;
	struct view v;

	wire_in(f, V_TCP_CONNECT, 9, 2, MSG_T_TCP_CONNECT);
	assert_int_equal(msg_decode_tcp_connect(f->env.payload, NULL, &m), 0);
	assert_true(view_is(m.host, "127.0.0.1"));
	assert_int_equal(m.port, 8080);
	msg_encode_tcp_connect(&f->payload, &in);
	wire_out(f, 9, 6, MSG_T_TCP_CONNECT);

	wire_in(f, V_TCP_CONNECTED, 9, 0, MSG_T_TCP_CONNECTED);
	msg_encode_empty(&f->payload);
	wire_out(f, 9, 6, MSG_T_TCP_CONNECTED);

	wire_in(f, V_TCP_FAILED, 9, 1, MSG_T_TCP_FAILED);
	assert_int_equal(msg_decode_tcp_failed(f->env.payload, NULL, &v), 0);
	assert_true(view_is(v, text));
	msg_encode_tcp_failed(&f->payload, V(text));
	wire_out(f, 9, 6, MSG_T_TCP_FAILED);
}

static void error(void **state)
{
	struct msg_error in = { V(MSG_ERROR_PAYLOAD), V("bad"),
				V(MSG_T_EXEC_REQUEST) };
	struct fixture *f = *state;
	struct msg_error m;

	wire_in(f, V_ERROR, 10, 1, MSG_T_ERROR);
	assert_int_equal(msg_decode_error(f->env.payload, NULL, &m), 0);
	assert_true(view_is(m.kind, MSG_ERROR_PAYLOAD));
	assert_true(view_is(m.message, "bad"));
	assert_true(view_is(m.offending_type, MSG_T_EXEC_REQUEST));
	msg_encode_error(&f->payload, &in);
	wire_out(f, 10, 6, MSG_T_ERROR);

	in.offending_type = V(NULL);
	msg_encode_error(&f->payload, &in);
	assert_int_equal(msg_decode_error(view_buf(&f->payload), NULL, &m), 0);
	assert_null(m.offending_type.p);
}

static void boot_handshake(void **state)
{
	struct msg_init_resolved in = { 1000, 1000 }, m;
	struct fixture *f = *state;

	wire_in(f, V_RESOLVED, 0, 0, MSG_T_INIT_RESOLVED);
	assert_int_equal(msg_decode_init_resolved(f->env.payload, &m), 0);
	assert_int_equal(m.uid, 1000);
	assert_int_equal(m.gid, 1000);
	msg_encode_init_resolved(&f->payload, &in);
	wire_out(f, 0, 7, MSG_T_INIT_RESOLVED);
	wire_in(f, V_INIT_ACK, 0, 0, MSG_T_INIT_ACK);
	msg_encode_empty(&f->payload);
	wire_out(f, 0, 7, MSG_T_INIT_ACK);
}

static void relay_extension(void **state)
{
	struct msg_relay_attached in = { 33554433, true }, m;
	struct fixture *f = *state;
	struct frame frame;

	msg_encode_relay_attached(&f->payload, &in);
	assert_int_equal(frame_put(&f->frame, 5, PROTO_GENERATION,
				   MSG_T_RELAY_ATTACHED, &f->payload),
			 0);
	assert_int_equal(
		frame_parse(buf_data(&f->frame), buf_len(&f->frame), &frame),
		1);
	assert_int_equal(frame.flags, FRAME_RELAY | FRAME_TERMINAL);
	assert_int_equal(msg_decode_relay_attached(view_buf(&f->payload), &m),
			 0);
	assert_int_equal(m.id, in.id);
	assert_true(m.tty);
}

static void usage_extension(void **state)
{
	struct msg_usage in = { UINT64_MAX, 2, 3, 4 }, m;
	struct fixture *f = *state;
	struct frame frame;

	msg_encode_usage(&f->payload, &in);
	assert_int_equal(frame_put(&f->frame, 0, PROTO_GENERATION, MSG_T_USAGE,
				   &f->payload),
			 0);
	assert_int_equal(
		frame_parse(buf_data(&f->frame), buf_len(&f->frame), &frame),
		1);
	assert_int_equal(frame.flags, FRAME_RELAY);
	assert_int_equal(msg_decode_usage(view_buf(&f->payload), &m), 0);
	assert_memory_equal(&m, &in, sizeof(m));
	/* none of its numbers may be missing */
	buf_reset(&f->payload);
	msg_encode_empty(&f->payload);
	assert_int_equal(msg_decode_usage(view_buf(&f->payload), &m), -EBADMSG);
}

static void table_is_consistent(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MSG_TYPE_COUNT; i++) {
		const struct msg_info *info = msg_info((enum msg_type)i);
		enum msg_type found;

		assert_non_null(info);
		assert_int_equal(msg_type_find(V(info->name), &found), 0);
		assert_int_equal(found, i);
		assert_true(info->generation >= 1 && info->generation <= 7);
		assert_int_not_equal(info->dir, 0);
		/* Streams start at the guest's side and end at ours. */
		if (info->flags & FRAME_SESSION_START)
			assert_int_equal(info->dir, MSG_TO_GUEST);
		if (info->flags & FRAME_TERMINAL)
			assert_int_equal(
				info->dir & (MSG_TO_GUEST | MSG_TO_RELAY), 0);
	}
	assert_null(msg_info(MSG_TYPE_COUNT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_TEST(ready),
		WIRE_TEST(exec_request_pipe),
		WIRE_TEST(exec_request_pty),
		WIRE_TEST(exec_stream),
		WIRE_TEST(exec_stdin_error),
		WIRE_TEST(exec_exited),
		WIRE_TEST(exec_failed),
		cmocka_unit_test(
			fail_kinds_have_names_and_unknown_ones_are_other),
		WIRE_TEST(exec_control),
		WIRE_TEST(shutdown_and_disconnect),
		WIRE_TEST(clock_ping_touch),
		WIRE_TEST(tcp),
		WIRE_TEST(error),
		WIRE_TEST(boot_handshake),
		WIRE_TEST(usage_extension),
		WIRE_TEST(relay_extension),
		cmocka_unit_test(table_is_consistent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
