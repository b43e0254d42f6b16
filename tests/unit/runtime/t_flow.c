/* SPDX-License-Identifier: Apache-2.0 */
/* Relay: slow readers, a slow guest, held input, detach, capture, startup. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/io.h"
#include "fixture.h"

#define CHUNK 32768u

static uint8_t chunk[CHUNK];

/* Count the bytes of stdout frames a peer gets, checking their order. */
static size_t drain_stdout(struct world *w, struct peer *p, uint8_t *next)
{
	size_t total = 0;
	struct got g;

	while (peer_got(w, p, &g)) {
		struct view d;

		if (strcmp(g.type, MSG_T_EXEC_STDOUT) != 0)
			continue;
		assert_int_equal(msg_decode_data(g.payload, NULL, &d), 0);
		assert_int_equal(d.p[0], *next);
		(*next)++;
		total += d.len;
	}
	return total;
}

static void test_slow_reader(void **state)
{
	struct world *w = *state;
	struct peer slow, other;
	uint8_t n = 0, next = 0;
	size_t sent = 0;
	struct got g;

	world_ready(w);
	peer_connect(w, &slow);
	peer_connect(w, &other);
	peer_exec(w, &slow, slow.start, false);
	peer_exec(w, &other, other.start, false);
	expect_guest(w, slow.start, MSG_T_EXEC_REQUEST, NULL);
	expect_guest(w, other.start, MSG_T_EXEC_REQUEST, NULL);
	/* the guest sends until it is asked to pause */
	while (!guest_got(w, &g)) {
		memset(chunk, n++, CHUNK);
		guest_data(w, slow.start, MSG_T_EXEC_STDOUT, chunk, CHUNK);
		sent += CHUNK;
		assert_true(sent < 4u << 20);
	}
	assert_string_equal(g.type, MSG_T_EXEC_PAUSE);
	assert_int_equal(g.id, slow.start);
	assert_int_equal(g.flags, FRAME_RELAY);
	/* what was under way still arrives, and no second pause is sent */
	for (int i = 0; i < 32; i++, sent += CHUNK) {
		memset(chunk, n++, CHUNK);
		guest_data(w, slow.start, MSG_T_EXEC_STDOUT, chunk, CHUNK);
	}
	expect_guest_silent(w);
	/* meanwhile nobody else notices */
	guest_data(w, other.start, MSG_T_EXEC_STDOUT, "quick", 5);
	expect_peer(w, &other, other.start, MSG_T_EXEC_STDOUT, NULL);
	assert_int_equal(drain_stdout(w, &slow, &next), sent);
	expect_guest(w, slow.start, MSG_T_EXEC_RESUME, NULL);
	peer_close(w, &slow);
	peer_close(w, &other);
}

/* A guest that ignores the pause costs that client its connection. */
static void test_reader_gives_up(void **state)
{
	struct world *w = *state;
	struct peer slow, other;
	struct buf b;

	world_ready(w);
	peer_connect(w, &slow);
	peer_connect(w, &other);
	peer_exec(w, &slow, slow.start, false);
	buf_init(&b, FRAME_BUF_MAX);
	memset(chunk, 'x', CHUNK);
	for (int i = 0; i < 100; i++)
		put_data(&b, slow.start, MSG_T_EXEC_STDOUT, chunk, CHUNK);
	for (int i = 0; i < 20; i++) /* 64 MB */
		guest_bytes(w, &b);
	peer_read(w, &slow);
	assert_true(slow.eof);
	assert_string_equal(w->broken, "");
	peer_exec(w, &other, other.start, false);
	guest_data(w, other.start, MSG_T_EXEC_STDOUT, "quick", 5);
	expect_peer(w, &other, other.start, MSG_T_EXEC_STDOUT, NULL);
	buf_fini(&b);
	peer_close(w, &slow);
	peer_close(w, &other);
}

/* Dropping a client in the middle of its frame leaves the stream in step. */
static void test_client_leaves_inside_a_frame(void **state)
{
	struct world *w = *state;
	struct peer a, b;
	struct buf f;

	world_ready(w);
	peer_connect(w, &a);
	peer_connect(w, &b);
	buf_init(&f, FRAME_BUF_MAX);
	put_data(&f, a.start, MSG_T_FS_DATA, chunk, CHUNK);
	relay_from_guest(w->relay, buf_data(&f), 1000);
	peer_close(w, &a);
	relay_from_guest(w->relay, buf_data(&f) + 1000, buf_len(&f) - 1000);
	guest_data(w, b.start, MSG_T_FS_DATA, "next", 4);
	expect_peer(w, &b, b.start, MSG_T_FS_DATA, NULL);
	buf_fini(&f);
	peer_close(w, &b);
}

/* With the guest's queue full clients are not read; then all is in order. */
static void test_slow_guest(void **state)
{
	struct world *w = *state;
	size_t total = 0, frames = 0;
	struct peer a, b;
	struct buf f;
	struct got g;

	world_ready(w);
	peer_connect(w, &a);
	peer_connect(w, &b);
	w->guest_room = 1000; /* ends inside a frame */
	buf_init(&f, 16u << 20);
	for (int i = 0; i < 100; i++)
		put_data(&f, a.start, MSG_T_EXEC_STDIN, chunk, CHUNK);
	peer_bytes(w, &a, &f); /* more than fits anywhere: gets stuck */
	peer_msg(w, &b, b.start, MSG_T_PING);
	assert_true(w->was_full);
	assert_int_equal(buf_len(&w->to_guest), 1000);
	w->guest_room = SIZE_MAX;
	relay_guest_writable(w->relay);
	world_turn(w);
	while (guest_got(w, &g)) {
		if (g.id == b.start) {
			assert_string_equal(g.type, MSG_T_PING);
			frames++;
		} else {
			assert_string_equal(g.type, MSG_T_EXEC_STDIN);
			total += g.raw.len;
		}
	}
	assert_int_equal(frames, 1);
	assert_true(total > 1u << 20);
	buf_fini(&f);
	peer_close(w, &a);
	peer_close(w, &b);
}

static void guest_control(struct world *w, uint32_t id, const char *type)
{
	struct buf b;

	buf_init(&b, 256);
	put_msg(&b, id, type, NULL);
	guest_bytes(w, &b);
	buf_fini(&b);
}

/* What the guest uses is between the relay and the agent. */
static void test_usage(void **state)
{
	const struct msg_usage u = { 1, 2, 3, 4 };
	struct world *w = *state;
	struct buf b, payload;
	struct peer a;
	struct got g;

	world_ready(w);
	peer_connect(w, &a);
	relay_ask_usage(w->relay);
	expect_guest(w, 0, MSG_T_USAGE_REQUEST, &g);
	assert_int_equal(g.flags, FRAME_RELAY);
	buf_init(&b, 4096);
	buf_init(&payload, 4096);
	msg_encode_usage(&payload, &u);
	put_msg(&b, 0, MSG_T_USAGE, &payload);
	guest_bytes(w, &b);
	assert_int_equal(w->usages, 1);
	assert_memory_equal(&w->usage, &u, sizeof(u));
	guest_control(w, 0, MSG_T_USAGE); /* without its numbers */
	buf_reset(&b);
	put_msg(&b, a.start, MSG_T_USAGE, &payload); /* as if for a client */
	guest_bytes(w, &b);
	assert_int_equal(w->usages, 1);
	expect_peer_silent(w, &a);
	buf_fini(&b);
	buf_fini(&payload);
	peer_close(w, &a);
}

/* A program that does not read holds up its own input, nothing else. */
static void test_held_input(void **state)
{
	struct world *w = *state;
	struct peer a, b;
	struct buf f;
	struct got g;

	world_ready(w);
	peer_connect(w, &a);
	peer_connect(w, &b);
	peer_exec(w, &a, a.start, false);
	expect_guest(w, a.start, MSG_T_EXEC_REQUEST, NULL);
	guest_control(w, a.start, MSG_T_EXEC_PAUSE);
	buf_init(&f, 4096);
	put_msg(&f, a.start, MSG_T_EXEC_SIGNAL, NULL); /* passes */
	put_data(&f, a.start, MSG_T_EXEC_STDIN, "1", 1);
	put_data(&f, a.start, MSG_T_EXEC_STDIN, "2", 1);
	peer_bytes(w, &a, &f);
	expect_guest(w, a.start, MSG_T_EXEC_SIGNAL, NULL);
	expect_guest_silent(w);
	peer_msg(w, &b, b.start, MSG_T_PING);
	expect_guest(w, b.start, MSG_T_PING, NULL);
	expect_peer_silent(w, &a); /* control frames are not for clients */
	guest_control(w, a.start, MSG_T_EXEC_RESUME);
	expect_guest(w, a.start, MSG_T_EXEC_STDIN, NULL);
	expect_guest(w, a.start, MSG_T_EXEC_STDIN, NULL);
	/* the end of the program lets the rest go as well */
	guest_control(w, a.start, MSG_T_EXEC_PAUSE);
	buf_reset(&f);
	put_data(&f, a.start, MSG_T_EXEC_STDIN, "3", 1);
	put_msg(&f, a.start + 1, MSG_T_PING, NULL);
	peer_bytes(w, &a, &f);
	expect_guest_silent(w);
	guest_exited(w, a.start, 0);
	expect_guest(w, a.start, MSG_T_EXEC_STDIN, NULL);
	expect_guest(w, a.start + 1, MSG_T_PING, NULL);
	(void)g;
	buf_fini(&f);
	peer_close(w, &a);
	peer_close(w, &b);
}

/* A client that dies while its input is held is noticed, and what it said
 * before, behind that input, counts. */
static void test_close_while_held(void **state)
{
	struct world *w = *state;
	struct peer a;
	struct buf f;

	world_ready(w);
	peer_connect(w, &a);
	peer_exec(w, &a, a.start, false);
	peer_exec(w, &a, a.start + 1, false);
	buf_reset(&w->to_guest);
	guest_control(w, a.start, MSG_T_EXEC_PAUSE);
	buf_init(&f, 4096);
	put_data(&f, a.start, MSG_T_EXEC_STDIN, "never", 5);
	put_msg(&f, a.start, MSG_T_RELAY_DETACH, NULL);
	peer_bytes(w, &a, &f);
	expect_guest_silent(w);
	peer_close(w, &a);
	expect_guest(w, a.start + 1, MSG_T_EXEC_SIGNAL, NULL);
	expect_guest(w, 0, MSG_T_CLIENT_DISCONNECTED, NULL);
	expect_guest_silent(w);
	assert_int_equal(relay_sessions(w->relay), 1); /* the detached one */
	buf_fini(&f);
}

static void test_detach_and_attach(void **state)
{
	struct msg_relay_attached m;
	struct world *w = *state;
	struct peer a, b;
	struct got g;

	world_ready(w);
	peer_connect(w, &a);
	peer_exec(w, &a, a.start, true);
	peer_msg(w, &a, a.start, MSG_T_RELAY_DETACH);
	expect_peer_silent(w, &a);
	peer_close(w, &a);
	buf_reset(&w->to_guest);
	guest_data(w, a.start, MSG_T_EXEC_STDOUT, "unseen", 6);
	peer_connect(w, &b);
	peer_msg(w, &b, b.start, MSG_T_RELAY_ATTACH);
	expect_peer(w, &b, b.start, MSG_T_RELAY_ATTACHED, &g);
	assert_int_equal(g.flags, FRAME_RELAY | FRAME_TERMINAL);
	assert_int_equal(msg_decode_relay_attached(g.payload, &m), 0);
	assert_int_equal(m.id, a.start);
	assert_true(m.tty);
	/* its frames flow to and from the new client */
	guest_data(w, a.start, MSG_T_EXEC_STDOUT, "seen", 4);
	expect_peer(w, &b, a.start, MSG_T_EXEC_STDOUT, NULL);
	peer_msg(w, &b, a.start, MSG_T_EXEC_RESIZE);
	expect_guest(w, a.start, MSG_T_EXEC_RESIZE, NULL);
	/* there is no second one */
	peer_msg(w, &b, b.start, MSG_T_RELAY_ATTACH);
	expect_peer(w, &b, b.start, MSG_T_ERROR, &g);
	assert_int_equal(g.flags, FRAME_RELAY | FRAME_TERMINAL);
	/* now it is this client's, and dies with it */
	peer_close(w, &b);
	expect_guest(w, a.start, MSG_T_EXEC_SIGNAL, NULL);
}

/* Asked of the relay itself: the guest sees nothing of it. */
static void test_modify(void **state)
{
	struct world *w = *state;
	struct msg_error m;
	struct peer a;
	struct got g;
	struct buf b;

	world_ready(w);
	peer_connect(w, &a);
	buf_reset(&w->to_guest);
	buf_init(&b, FRAME_BUF_MAX);
	put_data(&b, a.start, MSG_T_RELAY_MODIFY, "{\"x\":1}", 7);
	peer_bytes(w, &a, &b);
	expect_peer(w, &a, a.start, MSG_T_RELAY_MODIFIED, &g);
	assert_int_equal(g.flags, FRAME_RELAY | FRAME_TERMINAL);
	assert_string_equal(w->modified, "{\"x\":1}");
	w->refuse_modify = true;
	buf_reset(&b);
	put_data(&b, a.start + 1, MSG_T_RELAY_MODIFY, "no", 2);
	peer_bytes(w, &a, &b);
	expect_peer(w, &a, a.start + 1, MSG_T_ERROR, &g);
	assert_int_equal(g.flags, FRAME_RELAY | FRAME_TERMINAL);
	assert_int_equal(msg_decode_error(g.payload, NULL, &m), 0);
	assert_true(view_is(m.kind, MSG_ERROR_PAYLOAD));
	assert_true(view_is(m.message, "not so"));
	/* without a text there is nothing to do */
	w->modified[0] = 0;
	peer_msg(w, &a, a.start + 2, MSG_T_RELAY_MODIFY);
	expect_peer(w, &a, a.start + 2, MSG_T_ERROR, NULL);
	assert_string_equal(w->modified, "");
	assert_int_equal(buf_len(&w->to_guest), 0);
	buf_fini(&b);
	peer_close(w, &a);
}

static void test_foreign_sessions_are_safe(void **state)
{
	struct world *w = *state;
	struct peer a, b;

	world_ready(w);
	peer_connect(w, &a);
	peer_connect(w, &b);
	peer_exec(w, &a, a.start, false);
	buf_reset(&w->to_guest);
	peer_msg(w, &b, a.start, MSG_T_RELAY_DETACH);
	expect_peer_eof(w, &b);
	assert_int_equal(relay_sessions(w->relay), 1);
	peer_close(w, &a);
	peer_close(w, &b);
}

/* An answer of the relay waits for the end of the guest's frame. */
static void test_answer_between_frames(void **state)
{
	struct world *w = *state;
	struct peer p;
	struct buf f;

	world_ready(w);
	peer_connect(w, &p);
	buf_init(&f, FRAME_BUF_MAX);
	put_data(&f, p.start + 4, MSG_T_FS_DATA, chunk, CHUNK);
	relay_from_guest(w->relay, buf_data(&f), 20000);
	peer_msg(w, &p, p.start, MSG_T_RELAY_ATTACH);
	relay_from_guest(w->relay, buf_data(&f) + 20000, buf_len(&f) - 20000);
	expect_peer(w, &p, p.start + 4, MSG_T_FS_DATA, NULL);
	expect_peer(w, &p, p.start, MSG_T_ERROR, NULL);
	buf_fini(&f);
	peer_close(w, &p);
}

static json_t *log_entry(struct world *w, size_t line)
{
	char *text, *save = NULL;
	json_t *o = NULL;
	struct buf b;

	buf_init(&b, 1u << 20);
	assert_int_equal(io_read_file_at(w->dirfd, "exec.log", &b), 0);
	text = strtok_r((char *)(uintptr_t)buf_cstr(&b), "\n", &save);
	for (size_t i = 0; text && i < line; i++)
		text = strtok_r(NULL, "\n", &save);
	if (text)
		o = json_loads(text, 0, NULL);
	buf_fini(&b);
	return o;
}

static void expect_entry(struct world *w, size_t line, const char *s,
			 const char *d, int id)
{
	json_t *o = log_entry(w, line);

	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "s")), s);
	assert_string_equal(json_string_value(json_object_get(o, "d")), d);
	assert_int_equal(json_integer_value(json_object_get(o, "id")), id);
	json_decref(o);
}

static void test_capture(void **state)
{
	struct world *w = *state;
	struct peer a, b;

	world_ready(w);
	peer_connect(w, &a);
	peer_connect(w, &b);
	peer_exec(w, &a, a.start, false);
	peer_exec(w, &b, b.start, true);
	guest_data(w, a.start, MSG_T_EXEC_STDOUT, "gr\xc3", 3);
	guest_data(w, a.start, MSG_T_EXEC_STDERR, "err", 3);
	guest_data(w, a.start, MSG_T_EXEC_STDOUT, "\xbc\xc3\x9f\xc3", 4);
	guest_data(w, b.start, MSG_T_EXEC_STDOUT, "pty\r\n", 5);
	guest_data(w, a.start + 1, MSG_T_EXEC_STDOUT, "untracked", 9);
	guest_data(w, a.start, MSG_T_EXEC_STDIN, "no output", 9);
	guest_exited(w, a.start, 0);
	peer_exec(w, &a, a.start, false); /* the id comes back, the log's not */
	guest_data(w, a.start, MSG_T_EXEC_STDOUT, "third", 5);
	peer_close(w, &a);
	guest_data(w, a.start, MSG_T_EXEC_STDOUT, "orphan", 6);
	peer_close(w, &b);
	w->relay = relay_free(w->relay);
	w->logs = logs_free(w->logs);
	expect_entry(w, 0, "stdout", "gr", 1);
	expect_entry(w, 1, "stderr", "err", 1);
	expect_entry(w, 2, "stdout", "\xc3\xbc\xc3\x9f", 1);
	expect_entry(w, 3, "output", "pty\r\n", 2);
	expect_entry(w, 4, "stdout", "ww==", 1);
	expect_entry(w, 5, "stdout", "third", 3);
	expect_entry(w, 6, "stdout", "orphan", 3);
	assert_null(log_entry(w, 7));
}

static uint32_t start_internal(struct world *w)
{
	struct msg_exec_params m = { .cmd = "server", .rows = 24, .cols = 80 };
	struct msg_exec_request req;
	struct view data;
	struct got g;
	uint32_t id;

	assert_int_equal(relay_exec_start(w->relay, &m), 0);
	assert_true(guest_got(w, &g));
	id = g.id;
	assert_string_equal(g.type, MSG_T_EXEC_REQUEST);
	assert_int_equal(g.flags, FRAME_SESSION_START);
	assert_int_equal(msg_decode_exec_request(g.payload, NULL, &req), 0);
	assert_true(view_is(req.cmd, "server"));
	expect_guest(w, id, MSG_T_EXEC_STDIN, &g);
	assert_int_equal(msg_decode_data(g.payload, NULL, &data), 0);
	assert_int_equal(data.len, 0);
	/* outside every client's range */
	assert_true(id > RELAY_MAX_CLIENTS * RELAY_ID_STEP);
	return id;
}

static void test_startup_command(void **state)
{
	struct world *w = *state;
	uint32_t id;

	world_ready(w);
	id = start_internal(w);
	assert_int_equal(relay_sessions(w->relay), 1);
	guest_data(w, id, MSG_T_EXEC_STDOUT, "up\n", 3);
	guest_exited(w, id, 7);
	assert_int_equal(w->exits, 1);
	assert_true(w->exit.started);
	assert_int_equal(w->exit.code, 7);
	assert_int_equal(relay_sessions(w->relay), 0);
	w->relay = relay_free(w->relay);
	w->logs = logs_free(w->logs);
	expect_entry(w, 0, "stdout", "up\n", 1);
}

static void test_startup_command_fails(void **state)
{
	struct msg_exec_failed m = { .kind = MSG_FAIL_NOT_FOUND };
	struct world *w = *state;
	struct buf p, b;
	uint32_t id;

	world_ready(w);
	id = start_internal(w);
	m.message = view_cstr("spawn \"server\": no such file");
	buf_init(&p, 512);
	buf_init(&b, 512);
	msg_encode_exec_failed(&p, &m);
	put_msg(&b, id, MSG_T_EXEC_FAILED, &p);
	guest_bytes(w, &b);
	assert_int_equal(w->exits, 1);
	assert_false(w->exit.started);
	assert_int_equal(w->exit.failed, MSG_FAIL_NOT_FOUND);
	buf_fini(&p);
	buf_fini(&b);
}

/* One may look at it, and leaving does not end it. */
static void test_attach_to_startup(void **state)
{
	struct world *w = *state;
	struct peer p;
	uint32_t id;

	world_ready(w);
	id = start_internal(w);
	peer_connect(w, &p);
	peer_msg(w, &p, p.start, MSG_T_RELAY_ATTACH);
	expect_peer(w, &p, p.start, MSG_T_RELAY_ATTACHED, NULL);
	guest_data(w, id, MSG_T_EXEC_STDOUT, "hello", 5);
	expect_peer(w, &p, id, MSG_T_EXEC_STDOUT, NULL);
	peer_close(w, &p);
	expect_guest(w, 0, MSG_T_CLIENT_DISCONNECTED, NULL);
	expect_guest_silent(w);
	guest_exited(w, id, 0);
	assert_int_equal(w->exits, 1);
}

static void test_own_messages(void **state)
{
	struct world *w = *state;
	struct got g;
	uint64_t t;

	world_ready(w);
	relay_send_clock(w->relay, 1700000000000000000ull);
	expect_guest(w, 0, MSG_T_CLOCK_SYNC, &g);
	assert_int_equal(msg_decode_clock_sync(g.payload, &t), 0);
	assert_int_equal(t, 1700000000000000000ull);
	relay_send_shutdown(w->relay);
	expect_guest(w, 0, MSG_T_SHUTDOWN, &g);
	assert_int_equal(g.flags, FRAME_SHUTDOWN);
	assert_int_equal(g.payload.len, 1);
	assert_int_equal(g.payload.p[0], 0xf6);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_up, world_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_slow_reader),
		T(test_reader_gives_up),
		T(test_client_leaves_inside_a_frame),
		T(test_slow_guest),
		T(test_usage),
		T(test_held_input),
		T(test_close_while_held),
		T(test_detach_and_attach),
		T(test_modify),
		T(test_foreign_sessions_are_safe),
		T(test_answer_between_frames),
		T(test_capture),
		T(test_startup_command),
		T(test_startup_command_fails),
		T(test_attach_to_startup),
		T(test_own_messages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
