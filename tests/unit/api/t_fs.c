/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a guest whose agent answers what it likes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/copy_int.h"
#include "api/fs_int.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"

/* The guest's side: all it says is written before it is asked. */
struct guest {
	struct msb_fs fs;
	struct buf out;
	int fd, mine;
	uint32_t id; /* of the next answer */
};

static void begin(struct guest *g)
{
	static const struct msg_ready told = { .boot_time_ns = 1 };
	uint8_t range[8];
	struct buf ready;
	int fds[2];

	memset(g, 0, sizeof(*g));
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	g->fd = fds[0];
	g->mine = fds[1];
	g->id = 100;
	buf_init(&g->out, FRAME_BUF_MAX);
	buf_init(&ready, 256);
	be32_put(range, 100);
	be32_put(range + 4, 200);
	(void)buf_append(&g->out, range, sizeof(range));
	msg_encode_ready(&ready, &told);
	(void)frame_put(&g->out, 0, 6, MSG_T_READY, &ready);
	buf_fini(&ready);
}

static void says(struct guest *g, const char *type, struct buf *payload)
{
	assert_int_equal(frame_put(&g->out, g->id, 6, type, payload), 0);
	buf_reset(payload);
}

static void answers(struct guest *g, const struct msg_fs_response *m)
{
	struct buf b;

	buf_init(&b, FRAME_LEN_MAX);
	msg_encode_fs_response(&b, m);
	says(g, MSG_T_FS_RESPONSE, &b);
	buf_fini(&b);
	g->id++;
}

static void answers_handle(struct guest *g, uint64_t handle)
{
	answers(g, &(struct msg_fs_response){ .ok = true,
					      .data = MSG_FS_DATA_HANDLE,
					      .handle = handle });
}

static void answers_list(struct guest *g, const char *const *paths, size_t n,
			 const char *kind)
{
	struct msg_fs_response m = { .ok = true,
				     .data = MSG_FS_DATA_LIST,
				     .list_count = n };
	struct buf items;

	buf_init(&items, FRAME_LEN_MAX);
	for (size_t i = 0; i < n; i++)
		msg_encode_fs_info(&items, &(struct msg_fs_info){
						   .path = view_cstr(paths[i]),
						   .kind = view_cstr(kind),
						   .mode = 0104755 });
	m.list_items = view_buf(&items);
	answers(g, &m);
	buf_fini(&items);
}

static void sends(struct guest *g, const char *text)
{
	struct buf b;

	buf_init(&b, FRAME_LEN_MAX);
	msg_encode_data(&b, text, strlen(text));
	says(g, MSG_T_FS_DATA, &b);
	buf_fini(&b);
}

/* Everything is said; the other side may go. */
static void connect_to(struct guest *g)
{
	struct err err = { 0 };

	assert_int_equal(
		io_write_full(g->fd, buf_data(&g->out), buf_len(&g->out)), 0);
	buf_fini(&g->out);
	g->fs.wait_ms = 5000;
	assert_int_equal(
		agent_open(g->mine, clock_mono_ms() + 5000, &g->fs.c, &err), 0);
}

static void end(struct guest *g)
{
	fs_disconnect(&g->fs);
	close_fd(&g->fd);
}

/* --- names --- */

static void names_are_one_part_of_a_path(void **state)
{
	static const char *const good[][2] = { { "/a/b", "b" },
					       { "b", "b" },
					       { "/a/...", "..." },
					       { "/a/b\\c", "b\\c" },
					       { "/a/ ", " " } };
	static const char *const bad[] = { "",	 "/",	  "/a/",  ".",
					   "..", "/a/..", "/a/.", "/../.." };
	char name[FS_NAME_MAX + 1], long_path[300];
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(
			fs_name_take(view_cstr(good[i][0]), name, &err), 0);
		assert_string_equal(name, good[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(fs_name_take(view_cstr(bad[i]), name, &err),
				 -EPROTO);
	assert_int_equal(
		fs_name_take((struct view){ (const uint8_t *)"a/b\0c", 5 },
			     name, &err),
		-EPROTO);
	memset(long_path, 'x', sizeof(long_path));
	assert_int_equal(
		fs_name_take((struct view){ (uint8_t *)long_path, 256 }, name,
			     &err),
		-EPROTO);
	assert_int_equal(
		fs_name_take((struct view){ (uint8_t *)long_path, 255 }, name,
			     &err),
		0);
}

static void links_are_judged_by_where_they_lead(void **state)
{
	static const char *const stay[][2] = {
		{ "l", "a" },	     { "l", "a/b/./c" },
		{ "l", "." },	     { "d/l", ".." },
		{ "d/l", "../x/y" }, { "d/e/l", "../../a" },
		{ "d/l", "./../a" }, { "l", "a..b" },
		{ "l", "..a" },	     { "d/e/l", "..//../a" },
	};
	static const char *const leave[][2] = {
		{ "l", "/a" },	   { "l", ".." },
		{ "l", "../a" },   { "d/l", "../.." },
		{ "l", "a/../b" }, { "d/l", "a/../../.." },
		{ "l", "" },	   { "d/l", "/" },
		{ "l", "./.." },   { "d/e/l", "../../../a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stay); i++)
		assert_true(copy_link_stays(stay[i][0], stay[i][1]));
	for (size_t i = 0; i < ARRAY_SIZE(leave); i++)
		assert_false(copy_link_stays(leave[i][0], leave[i][1]));
}

/* --- answers --- */

static int count(void *ctx, const char *name, const msb_fs_info_t *info,
		 struct err *err)
{
	(void)err;
	assert_true(*name);
	assert_int_equal(info->mode, 04755);
	(*(int *)ctx)++;
	return 0;
}

static void a_listing_is_read_page_by_page(void **state)
{
	static const char *const first[] = { "/d/a", "/d/b" };
	static const char *const second[] = { "/d/c" };
	struct err err = { 0 };
	struct guest g;
	int n = 0;

	(void)state;
	begin(&g);
	answers_handle(&g, 7);
	answers_list(&g, first, 2, "file");
	answers_list(&g, second, 1, "dir");
	answers_list(&g, NULL, 0, "");
	answers(&g, &(struct msg_fs_response){ .ok = true });
	connect_to(&g);
	assert_int_equal(fs_list_dir(&g.fs, "/d", count, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_false(g.fs.broken);
	end(&g);
}

static void a_listing_with_a_bad_name_ends_the_connection(void **state)
{
	static const char *const names[] = { "/d/a", "/d/.." };
	struct err err = { 0 };
	struct guest g;
	int n = 0;

	(void)state;
	begin(&g);
	answers_handle(&g, 7);
	answers_list(&g, names, 2, "file");
	connect_to(&g);
	assert_int_equal(fs_list_dir(&g.fs, "/d", count, &n, &err), -EPROTO);
	assert_int_equal(err.kind, ERR_PROTOCOL);
	assert_int_equal(n, 1);
	assert_true(g.fs.broken);
	end(&g);
}

static void a_page_larger_than_asked_for_is_refused(void **state)
{
	static const char *many[600];
	struct err err = { 0 };
	struct guest g;
	int n = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = "/d/x";
	begin(&g);
	answers_handle(&g, 7);
	answers_list(&g, many, ARRAY_SIZE(many), "file");
	connect_to(&g);
	assert_int_equal(fs_list_dir(&g.fs, "/d", count, &n, &err), -EPROTO);
	assert_int_equal(n, 0);
	end(&g);
}

static void unknown_kinds_and_sizes_are_refused(void **state)
{
	static const char *const name[] = { "/d/a" };
	struct err err = { 0 };
	msb_fs_info_t info;
	struct guest g;
	int n = 0;

	(void)state;
	begin(&g);
	answers_handle(&g, 7);
	answers_list(&g, name, 1, "door");
	connect_to(&g);
	assert_int_equal(fs_list_dir(&g.fs, "/d", count, &n, &err), -EPROTO);
	end(&g);
	begin(&g);
	answers(&g,
		&(struct msg_fs_response){ .ok = true,
					   .data = MSG_FS_DATA_STAT,
					   .stat = { .path = view_cstr("/f"),
						     .kind = view_cstr("file"),
						     .size = UINT64_MAX } });
	connect_to(&g);
	assert_int_equal(fs_stat(&g.fs, "/f", true, &info, &err), -EPROTO);
	end(&g);
}

static int append(void *ctx, const void *data, size_t len, struct err *err)
{
	(void)err;
	return buf_append(ctx, data, len);
}

static void more_data_than_asked_for_is_refused(void **state)
{
	struct err err = { 0 };
	struct guest g;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	begin(&g);
	sends(&g, "abc");
	answers(&g, &(struct msg_fs_response){ .ok = true });
	sends(&g, "abc");
	sends(&g, "def");
	connect_to(&g);
	assert_int_equal(fs_get(&g.fs, 7, 0, 3, false, append, &b, &err), 0);
	assert_int_equal(fs_get(&g.fs, 7, 0, 5, false, append, &b, &err),
			 -EPROTO);
	assert_int_equal(buf_len(&b), 6);
	assert_true(g.fs.broken);
	assert_int_equal(fs_get(&g.fs, 7, 0, 5, false, append, &b, &err),
			 -ECONNRESET);
	buf_fini(&b);
	end(&g);
}

static void a_handle_may_be_closed_with_its_last_read(void **state)
{
	struct err err = { 0 };
	struct guest g;
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	begin(&g);
	/* the close, which is the second request, is answered in between */
	sends(&g, "abc");
	g.id++;
	answers(&g, &(struct msg_fs_response){ .ok = true });
	g.id = 100;
	sends(&g, "def");
	answers(&g, &(struct msg_fs_response){
			    .error = view_cstr("read: no (os error 5)") });
	connect_to(&g);
	assert_int_equal(
		fs_get(&g.fs, 7, 0, UINT64_MAX, true, append, &b, &err), -EIO);
	assert_int_equal(buf_len(&b), 6);
	assert_false(g.fs.broken);
	buf_fini(&b);
	end(&g);
}

static void errors_have_the_guests_number(void **state)
{
	static const struct {
		const char *text;
		int want;
	} cases[] = { { "open: no (os error 13)", EACCES },
		      { "(os error 2)", ENOENT },
		      { "something", EIO },
		      { "(os error 99999)", EIO },
		      { "(os error -1)", EIO } };
	struct err err = { 0 };
	msb_fs_info_t info;
	struct guest g;

	(void)state;
	begin(&g);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		answers(&g, &(struct msg_fs_response){
				    .error = view_cstr(cases[i].text) });
	connect_to(&g);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(fs_stat(&g.fs, "/f", true, &info, &err),
				 -cases[i].want);
		assert_int_equal(err.kind, cases[i].want == ENOENT
						   ? ERR_FS_NOT_FOUND
						   : ERR_FS);
	}
	end(&g);
}

static void long_errors_are_cut(void **state)
{
	static const size_t lengths[] = { 200, 511, 512, 513, 4000 };
	char text[4001];
	struct err err = { 0 };
	msb_fs_info_t info;
	struct guest g;

	(void)state;
	memset(text, 'x', sizeof(text));
	begin(&g);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		answers(&g, &(struct msg_fs_response){
				    .error = { (const uint8_t *)text,
					       lengths[i] } });
	connect_to(&g);
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		err_clear(&err);
		assert_int_equal(fs_stat(&g.fs, "/f", true, &info, &err), -EIO);
		assert_int_equal(strlen(err.msg),
				 lengths[i] < sizeof(err.msg)
					 ? lengths[i]
					 : sizeof(err.msg) - 1);
	}
	end(&g);
}

static void a_write_that_fails_early_says_why(void **state)
{
	const struct msg_fs_request m = { .op = MSG_FS_WRITE, .handle = 7 };
	struct err err = { 0 };
	struct guest g;
	uint32_t id;

	(void)state;
	begin(&g);
	answers(&g, &(struct msg_fs_response){
			    .error = view_cstr("write: full (os error 28)") });
	connect_to(&g);
	assert_int_equal(fs_begin(&g.fs, &m, &id, &err), 0);
	assert_int_equal(fs_put(&g.fs, id, "x", 1, &err), -ENOSPC);
	assert_false(g.fs.broken);
	end(&g);
}

static void answers_that_are_none(void **state)
{
	struct err err = { 0 };
	msb_fs_info_t info;
	struct guest g;
	struct buf b;
	uint64_t handle;

	(void)state;
	buf_init(&b, 100);
	begin(&g);
	(void)buf_str(&b, "rubbish");
	says(&g, MSG_T_FS_RESPONSE, &b);
	connect_to(&g);
	assert_int_equal(fs_stat(&g.fs, "/f", true, &info, &err), -EPROTO);
	end(&g);
	begin(&g);
	answers(&g, &(struct msg_fs_response){ .ok = true });
	connect_to(&g);
	assert_int_equal(fs_open_handle(&g.fs, "/f", NULL, &handle, &err),
			 -EPROTO);
	end(&g);
	begin(&g);
	connect_to(&g);
	(void)shutdown(g.fd, SHUT_WR);
	assert_int_equal(fs_stat(&g.fs, "/f", true, &info, &err), -ECONNRESET);
	buf_fini(&b);
	end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_one_part_of_a_path),
		cmocka_unit_test(links_are_judged_by_where_they_lead),
		cmocka_unit_test(a_listing_is_read_page_by_page),
		cmocka_unit_test(a_listing_with_a_bad_name_ends_the_connection),
		cmocka_unit_test(a_page_larger_than_asked_for_is_refused),
		cmocka_unit_test(unknown_kinds_and_sizes_are_refused),
		cmocka_unit_test(more_data_than_asked_for_is_refused),
		cmocka_unit_test(a_handle_may_be_closed_with_its_last_read),
		cmocka_unit_test(errors_have_the_guests_number),
		cmocka_unit_test(long_errors_are_cut),
		cmocka_unit_test(a_write_that_fails_early_says_why),
		cmocka_unit_test(answers_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
