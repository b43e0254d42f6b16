/* SPDX-License-Identifier: Apache-2.0 */
/* File operations against frames written by hand: both directions. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WIRE_TEST(fs_stat),
		WIRE_TEST(fs_read),
		WIRE_TEST(fs_every_op),
		WIRE_TEST(fs_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
