/* SPDX-License-Identifier: Apache-2.0 */
/* Every message against frames written by hand: both directions. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/frame.h"
#include "protocol/msg.h"
#include "vectors.h"

#define V(text) view_cstr(text)

struct fixture {
	struct buf payload, frame;
	uint8_t wire[512];
	size_t wire_len;
	struct envelope env;
	uint8_t scratch_data[512];
	struct cbor_scratch scratch;
};

#define BYTES(text)                                                            \
	{                                                                      \
		(text), sizeof(text) - 1                                       \
	}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	buf_init(&f->payload, FRAME_LEN_MAX);
	buf_init(&f->frame, FRAME_BUF_MAX);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->payload);
	buf_fini(&f->frame);
	free(f);
	return 0;
}

/* Decode the frame around the vector; the payload is left in f->env. */
static void wire_in(struct fixture *f, const char *hex, uint32_t id,
		    uint8_t flags, const char *type)
{
	struct frame frame;

	f->wire_len = strlen(hex) / 2;
	assert_true(f->wire_len <= sizeof(f->wire));
	for (size_t i = 0; i < f->wire_len; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		f->wire[i] = (uint8_t)byte;
	}
	assert_int_equal(frame_parse(f->wire, f->wire_len, &frame), 1);
	assert_int_equal(frame.raw.len, f->wire_len);
	assert_int_equal(frame.id, id);
	assert_int_equal(frame.flags, flags);
	cbor_scratch_init(&f->scratch, f->scratch_data,
			  sizeof(f->scratch_data));
	assert_int_equal(envelope_parse(frame.body, &f->scratch, &f->env), 0);
	assert_true(view_is(f->env.type, type));
}

/* f->payload in a frame must give the bytes of the last wire_in. */
static void wire_out(struct fixture *f, uint32_t id, unsigned generation,
		     const char *type)
{
	assert_int_equal(
		frame_put(&f->frame, id, generation, type, &f->payload), 0);
	assert_int_equal(buf_len(&f->frame), f->wire_len);
	assert_memory_equal(buf_data(&f->frame), f->wire, f->wire_len);
	buf_reset(&f->frame);
	buf_reset(&f->payload);
}

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

static void fs_stat(void **state)
{
	struct msg_fs_request in = { .op = MSG_FS_STAT,
				     .path = V("/etc/hosts"),
				     .follow_symlink = true };
	struct msg_fs_response out = { .ok = true, .data = MSG_FS_DATA_STAT };
	struct msg_fs_response r;
	struct fixture *f = *state;
	struct msg_fs_request m;

	wire_in(f, V_FS_STAT, 3, 2, MSG_T_FS_REQUEST);
	assert_int_equal(msg_decode_fs_request(f->env.payload, NULL, &m), 0);
	assert_int_equal(m.op, MSG_FS_STAT);
	assert_true(view_is(m.path, "/etc/hosts"));
	assert_true(m.follow_symlink);
	msg_encode_fs_request(&f->payload, &in);
	wire_out(f, 3, 1, MSG_T_FS_REQUEST);

	wire_in(f, V_FS_STAT_OK, 3, 1, MSG_T_FS_RESPONSE);
	assert_int_equal(msg_decode_fs_response(f->env.payload, NULL, &r), 0);
	assert_true(r.ok);
	assert_int_equal(r.data, MSG_FS_DATA_STAT);
	assert_true(view_is(r.stat.path, "/etc/hosts"));
	assert_true(view_is(r.stat.kind, "file"));
	assert_int_equal(r.stat.size, 174);
	assert_int_equal(r.stat.mode, 33188);
	assert_int_equal(r.stat.modified.v, 0x6553f100);
	out.stat = r.stat;
	msg_encode_fs_response(&f->payload, &out);
	wire_out(f, 3, 1, MSG_T_FS_RESPONSE);

	wire_in(f, V_FS_STAT_ERR, 3, 1, MSG_T_FS_RESPONSE);
	assert_int_equal(msg_decode_fs_response(f->env.payload, NULL, &r), 0);
	assert_false(r.ok);
	assert_int_equal(r.data, MSG_FS_DATA_NONE);
	out = (struct msg_fs_response){
		.error = V("stat: No such file or directory (os error 2)")
	};
	msg_encode_fs_response(&f->payload, &out);
	wire_out(f, 3, 1, MSG_T_FS_RESPONSE);
}

static void fs_read(void **state)
{
	struct msg_fs_request in = { .op = MSG_FS_OPEN_FILE,
				     .path = V("/tmp/a"),
				     .options = { .read = true } };
	struct msg_fs_response out = { .ok = true,
				       .data = MSG_FS_DATA_HANDLE,
				       .handle = 1 };
	struct msg_fs_response r;
	struct fixture *f = *state;
	struct msg_fs_request m;
	struct view data;

	wire_in(f, V_FS_OPEN, 4, 2, MSG_T_FS_REQUEST);
	assert_int_equal(msg_decode_fs_request(f->env.payload, NULL, &m), 0);
	assert_int_equal(m.op, MSG_FS_OPEN_FILE);
	assert_true(m.options.read);
	assert_false(m.options.write);
	assert_false(m.options.mode.set);
	msg_encode_fs_request(&f->payload, &in);
	wire_out(f, 4, 1, MSG_T_FS_REQUEST);

	wire_in(f, V_FS_HANDLE, 4, 1, MSG_T_FS_RESPONSE);
	assert_int_equal(msg_decode_fs_response(f->env.payload, NULL, &r), 0);
	assert_int_equal(r.data, MSG_FS_DATA_HANDLE);
	assert_int_equal(r.handle, 1);
	msg_encode_fs_response(&f->payload, &out);
	wire_out(f, 4, 1, MSG_T_FS_RESPONSE);

	wire_in(f, V_FS_READ, 5, 2, MSG_T_FS_REQUEST);
	assert_int_equal(msg_decode_fs_request(f->env.payload, NULL, &m), 0);
	assert_int_equal(m.op, MSG_FS_READ);
	assert_int_equal(m.handle, 1);
	assert_false(m.len.set);
	in = (struct msg_fs_request){ .op = MSG_FS_READ, .handle = 1 };
	msg_encode_fs_request(&f->payload, &in);
	wire_out(f, 5, 1, MSG_T_FS_REQUEST);

	wire_in(f, V_FS_DATA, 5, 0, MSG_T_FS_DATA);
	assert_int_equal(msg_decode_data(f->env.payload, NULL, &data), 0);
	assert_true(view_is(data, "abc"));
	msg_encode_data(&f->payload, "abc", 3);
	wire_out(f, 5, 1, MSG_T_FS_DATA);

	wire_in(f, V_FS_OK, 5, 1, MSG_T_FS_RESPONSE);
	assert_int_equal(msg_decode_fs_response(f->env.payload, NULL, &r), 0);
	assert_true(r.ok);
	assert_int_equal(r.data, MSG_FS_DATA_NONE);
	out = (struct msg_fs_response){ .ok = true };
	msg_encode_fs_response(&f->payload, &out);
	wire_out(f, 5, 1, MSG_T_FS_RESPONSE);
}

/* Every operation survives a round trip with all its fields set. */
static void fs_every_op(void **state)
{
	struct fixture *f = *state;

	for (unsigned op = 0; op < MSG_FS_OP_COUNT; op++) {
		const struct msg_fs_request in = {
			.op = (enum msg_fs_op)op,
			.path = V("/a"),
			.target = V("/b\xff"),
			.follow_symlink = true,
			.recursive = true,
			.handle = 77,
			.offset = 1ull << 40,
			.len = { true, 5 },
			.limit = { true, 6 },
			.mode = { true, 0755 },
			.attrs = { .mode = { true, 0600 },
				   .size = { true, 9 },
				   .mtime = { true, -3 } },
			.options = { .write = true,
				     .create_new = true,
				     .mode = { true, 0640 } },
		};
		struct msg_fs_request m;
		struct buf again;

		buf_reset(&f->payload);
		msg_encode_fs_request(&f->payload, &in);
		assert_int_equal(
			msg_decode_fs_request(view_buf(&f->payload), NULL, &m),
			0);
		assert_int_equal(m.op, in.op);
		/* What was decoded encodes to the same bytes. */
		buf_init(&again, 4096);
		msg_encode_fs_request(&again, &m);
		assert_int_equal(buf_len(&again), buf_len(&f->payload));
		assert_memory_equal(buf_data(&again), buf_data(&f->payload),
				    buf_len(&again));
		buf_fini(&again);
		switch (in.op) {
		case MSG_FS_COPY:
		case MSG_FS_RENAME:
		case MSG_FS_SYMLINK:
			assert_true(view_is(m.path, "/a"));
			assert_true(view_is(m.target, "/b\xff"));
			break;
		case MSG_FS_SET_STAT:
		case MSG_FS_FSET_STAT:
			assert_int_equal(m.attrs.mode.v, 0600);
			assert_false(m.attrs.uid.set);
			assert_int_equal(m.attrs.mtime.v, -3);
			break;
		case MSG_FS_READ:
		case MSG_FS_WRITE:
			assert_int_equal(m.handle, 77);
			assert_true(m.offset == 1ull << 40);
			assert_int_equal(m.len.v, 5);
			break;
		case MSG_FS_REMOVE_DIR:
			assert_true(m.recursive);
			break;
		case MSG_FS_READ_DIR:
			assert_int_equal(m.limit.v, 6);
			break;
		case MSG_FS_OPEN_FILE:
			assert_true(m.options.create_new);
			assert_int_equal(m.options.mode.v, 0640);
			break;
		case MSG_FS_MKDIR:
			assert_int_equal(m.mode.v, 0755);
			break;
		case MSG_FS_REAL_PATH:
		case MSG_FS_STAT:
		case MSG_FS_LIST:
		case MSG_FS_READ_LINK:
		case MSG_FS_REMOVE:
		case MSG_FS_OPEN_DIR:
			assert_true(view_is(m.path, "/a"));
			break;
		case MSG_FS_CLOSE_HANDLE:
		case MSG_FS_FSTAT:
			assert_int_equal(m.handle, 77);
			break;
		case MSG_FS_OP_COUNT:
			fail();
		}
	}
}

static void fs_list(void **state)
{
	struct msg_fs_response out = { .ok = true, .data = MSG_FS_DATA_LIST };
	struct msg_fs_info info = { .kind = V("file"), .mtime = { true, 5 } };
	struct msg_fs_response r;
	struct fixture *f = *state;
	struct buf items;

	buf_init(&items, 4096);
	info.path = V("/d/one");
	msg_encode_fs_info(&items, &info);
	info.path = V("/d/b\xff"
		      "d");
	msg_encode_fs_info(&items, &info);
	out.list_items = view_buf(&items);
	out.list_count = 2;
	msg_encode_fs_response(&f->payload, &out);
	buf_fini(&items);
	assert_int_equal(
		msg_decode_fs_response(view_buf(&f->payload), NULL, &r), 0);
	assert_int_equal(r.data, MSG_FS_DATA_LIST);
	assert_int_equal(r.list_count, 2);
	assert_int_equal(msg_next_fs_info(&r.list, &info), 0);
	assert_true(view_is(info.path, "/d/one"));
	assert_int_equal(info.mtime.v, 5);
	assert_int_equal(msg_next_fs_info(&r.list, &info), 0);
	assert_true(view_is(info.path, "/d/b\xef\xbf\xbd"
				       "d"));
	assert_int_equal(msg_next_fs_info(&r.list, &info), -ENOENT);

	buf_reset(&f->payload);
	out = (struct msg_fs_response){ .ok = true,
					.data = MSG_FS_DATA_PATH,
					.path = V("/real") };
	msg_encode_fs_response(&f->payload, &out);
	assert_int_equal(
		msg_decode_fs_response(view_buf(&f->payload), NULL, &r), 0);
	assert_true(view_is(r.path, "/real"));
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

/* Payload {"cmd": "a", "later": {...}, ...}: unknown keys, other order,
 * indefinite containers, strings in pieces, bytes as arrays, wide integers. */
static void tolerant_exec_request(void **state)
{
	static const uint8_t wire[] =
		"\xbf"
		"\x65later\xa1\x61x\x9f\x01\xc1\x82\x02\xfb\0\0\0\0\0\0\0\0\xff"
		"\x64rows\x1b\0\0\0\0\0\0\0\x32"
		"\x64"
		"args\x9f\x7f\x62"
		"ab\x61"
		"c\xff\x61"
		"d\xff"
		"\x63"
		"env\xf6"
		"\x63"
		"cmd\x7f\x61"
		"s\x61h\xff"
		"\x63tty\xf5"
		"\xff";
	struct fixture *f = *state;
	struct view payload = { wire, sizeof(wire) - 1 }, v;
	struct msg_exec_request m;

	assert_int_equal(msg_decode_exec_request(payload, NULL, &m), -EBADMSG);
	cbor_scratch_init(&f->scratch, f->scratch_data, payload.len);
	assert_int_equal(msg_decode_exec_request(payload, &f->scratch, &m), 0);
	assert_true(view_is(m.cmd, "sh"));
	assert_int_equal(m.rows, 50);
	assert_int_equal(m.cols, 80);
	assert_true(m.tty);
	assert_int_equal(m.nargs, 2);
	assert_int_equal(m.nenv, 0);
	assert_null(m.cwd.p);
	assert_int_equal(cbor_get_string(&m.args, &v), 0);
	assert_true(view_is(v, "abc"));
	assert_true(view_is(m.cmd, "sh"));
	assert_int_equal(cbor_get_string(&m.args, &v), 0);
	assert_true(view_is(v, "d"));
	assert_true(cbor_at_end(&m.args));
}

static void tolerant_data(void **state)
{
	static const uint8_t array[] = "\xa1\x64"
				       "data\x83\x00\x18\x19\x18\xff";
	static const uint8_t wide[] = "\xa1\x64"
				      "data\x81\x19\x01\x00";
	static const uint8_t pieces[] = "\xa1\x64"
					"data\x5f\x41"
					"a\x42"
					"bc\xff";
	static const uint8_t empty[] = "\xa1\x64"
				       "data\x80";
	struct fixture *f = *state;
	struct view data;

	cbor_scratch_init(&f->scratch, f->scratch_data, 3);
	assert_int_equal(
		msg_decode_data((struct view){ array, sizeof(array) - 1 },
				&f->scratch, &data),
		0);
	assert_int_equal(data.len, 3);
	assert_memory_equal(data.p, "\x00\x19\xff", 3);
	cbor_scratch_init(&f->scratch, f->scratch_data, 2);
	assert_int_equal(
		msg_decode_data((struct view){ array, sizeof(array) - 1 },
				&f->scratch, &data),
		-EBADMSG);
	assert_ptr_equal(f->scratch.p, f->scratch_data);
	cbor_scratch_init(&f->scratch, f->scratch_data, 8);
	assert_int_equal(
		msg_decode_data((struct view){ wide, sizeof(wide) - 1 },
				&f->scratch, &data),
		-EBADMSG);
	assert_int_equal(
		msg_decode_data((struct view){ pieces, sizeof(pieces) - 1 },
				&f->scratch, &data),
		0);
	assert_true(view_is(data, "abc"));
	assert_int_equal(
		msg_decode_data((struct view){ empty, sizeof(empty) - 1 }, NULL,
				&data),
		0);
	assert_int_equal(data.len, 0);
	assert_non_null(data.p);
}

static void refused_payloads(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		BYTES(""),
		BYTES("\xf6"),
		BYTES("\xa0"), /* cmd is mandatory */
		BYTES("\xa1\x63"
		      "cmd\xf6"), /* and not null */
		BYTES("\xa1\x63"
		      "cmd\x01"), /* and a string */
		BYTES("\xa1\x63"
		      "cmd\x61\xff"), /* of UTF-8 when text */
		BYTES("\xa1\x63"
		      "cmd\x61x\x00"), /* trailing item */
		BYTES("\xa2\x63"
		      "cmd\x61x"),	/* pair missing */
		BYTES("\xa1\x01\x61x"), /* key is no text */
		BYTES("\xa2\x63"
		      "cmd\x61x\x64rows\x1a\x00\x01\x00\x00"),
		BYTES("\xa2\x63"
		      "cmd\x61x\x64rows\x20"),
		BYTES("\xa2\x63"
		      "cmd\x61x\x64"
		      "args\x61y"),
		BYTES("\xa2\x63"
		      "cmd\x61x\x64"
		      "args\x81\x01"),
		BYTES("\xa2\x63"
		      "cmd\x61x\x67rlimits\x81\xa0"),
	};
	struct msg_exec_request m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			msg_decode_exec_request(
				(struct view){ (const uint8_t *)bad[i].bytes,
					       bad[i].len },
				NULL, &m),
			-EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ready, setup, teardown),
		cmocka_unit_test_setup_teardown(exec_request_pipe, setup,
						teardown),
		cmocka_unit_test_setup_teardown(exec_request_pty, setup,
						teardown),
		cmocka_unit_test_setup_teardown(exec_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(exec_stdin_error, setup,
						teardown),
		cmocka_unit_test_setup_teardown(exec_exited, setup, teardown),
		cmocka_unit_test_setup_teardown(exec_failed, setup, teardown),
		cmocka_unit_test(
			fail_kinds_have_names_and_unknown_ones_are_other),
		cmocka_unit_test_setup_teardown(exec_control, setup, teardown),
		cmocka_unit_test_setup_teardown(shutdown_and_disconnect, setup,
						teardown),
		cmocka_unit_test_setup_teardown(fs_stat, setup, teardown),
		cmocka_unit_test_setup_teardown(fs_read, setup, teardown),
		cmocka_unit_test_setup_teardown(fs_every_op, setup, teardown),
		cmocka_unit_test_setup_teardown(fs_list, setup, teardown),
		cmocka_unit_test_setup_teardown(clock_ping_touch, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(error, setup, teardown),
		cmocka_unit_test_setup_teardown(boot_handshake, setup,
						teardown),
		cmocka_unit_test_setup_teardown(usage_extension, setup,
						teardown),
		cmocka_unit_test_setup_teardown(relay_extension, setup,
						teardown),
		cmocka_unit_test(table_is_consistent),
		cmocka_unit_test_setup_teardown(tolerant_exec_request, setup,
						teardown),
		cmocka_unit_test_setup_teardown(tolerant_data, setup, teardown),
		cmocka_unit_test(refused_payloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
