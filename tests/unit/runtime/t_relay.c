/* SPDX-License-Identifier: Apache-2.0 */
/* Relay: handshake, ranges, validation, sessions, disconnects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "fixture.h"

static void expect_disconnected(struct world *w, uint32_t start, uint32_t end)
{
	struct msg_id_range range;
	struct got g;

	expect_guest(w, 0, MSG_T_CLIENT_DISCONNECTED, &g);
	assert_int_equal(msg_decode_id_range(g.payload, &range), 0);
	assert_int_equal(range.id_start, start);
	assert_int_equal(range.id_end_exclusive, end);
}

static void expect_kill(struct world *w, uint32_t id)
{
	struct got g;
	int32_t sig;

	expect_guest(w, id, MSG_T_EXEC_SIGNAL, &g);
	assert_int_equal(msg_decode_signal(g.payload, &sig), 0);
	assert_int_equal(sig, 9);
}

/* The worked example of the protocol: 8 bytes, then the frame verbatim. */
static void test_handshake(void **state)
{
	static const uint8_t range[] = { 0, 0, 0, 1, 1, 0xff, 0xff, 0xff };
	struct world *w = *state;
	struct peer a, b;

	world_ready(w);
	peer_raw(w, &a);
	peer_read(w, &a);
	assert_int_equal(buf_len(&a.in), 8 + 86);
	assert_memory_equal(buf_data(&a.in), range, 8);
	assert_int_equal(be32_get(buf_data(&a.in) + 8), 82);
	peer_connect(w, &b);
	assert_int_equal(b.start, RELAY_ID_STEP + 1);
	assert_int_equal(b.end, 2 * RELAY_ID_STEP);
	peer_close(w, &a);
	peer_close(w, &b);
}

static void test_forwards_unchanged(void **state)
{
	struct world *w = *state;
	struct buf b, sent;
	struct peer p;
	struct got g;

	world_ready(w);
	peer_connect(w, &p);
	buf_init(&sent, 4096);
	put_exec(&sent, p.start, false);
	peer_bytes(w, &p, &sent);
	assert_true(guest_got(w, &g));
	assert_int_equal(g.raw.len, buf_len(&sent));
	assert_memory_equal(g.raw.p, buf_data(&sent), g.raw.len);
	/* and back, with a key no one knows and garbage around it */
	buf_init(&b, 4096);
	assert_int_equal(frame_put_raw(&b, p.start, 0x70, "\xff\x00junk", 6),
			 0);
	guest_bytes(w, &b);
	assert_true(peer_got(w, &p, &g));
	assert_int_equal(g.raw.len, buf_len(&b));
	assert_memory_equal(g.raw.p, buf_data(&b), g.raw.len);
	buf_fini(&b);
	buf_fini(&sent);
	peer_close(w, &p);
}

static void test_range_violation(void **state)
{
	struct world *w = *state;
	struct peer a, b;
	struct got g;

	world_ready(w);
	peer_connect(w, &a);
	peer_connect(w, &b);
	peer_exec(w, &a, b.start + 5, false);
	expect_peer_eof(w, &a);
	expect_disconnected(w, a.start, a.end);
	peer_exec(w, &b, b.start, false);
	expect_guest(w, b.start, MSG_T_EXEC_REQUEST, NULL);
	guest_exited(w, b.start, 0);
	expect_peer(w, &b, b.start, MSG_T_EXEC_EXITED, &g);
	assert_int_equal(g.flags, FRAME_TERMINAL);
	/* the end of a range does not belong to it */
	peer_msg(w, &b, b.end, MSG_T_PING);
	expect_peer_eof(w, &b);
	peer_close(w, &a);
	peer_close(w, &b);
}

static void test_shutdown_frames(void **state)
{
	struct world *w = *state;
	struct peer a, b, c;

	world_ready(w);
	peer_connect(w, &a);
	peer_connect(w, &b);
	peer_connect(w, &c);
	peer_msg(w, &b, 0, MSG_T_SHUTDOWN);
	expect_guest(w, 0, MSG_T_SHUTDOWN, NULL);
	assert_int_equal(w->shutdowns, 1);
	peer_msg(w, &b, b.start + 9, MSG_T_SHUTDOWN);
	expect_guest(w, b.start + 9, MSG_T_SHUTDOWN, NULL);
	assert_int_equal(w->shutdowns, 2);
	/* id 0 without the flag, and a foreign id with it */
	peer_msg(w, &a, 0, MSG_T_PING);
	expect_peer_eof(w, &a);
	peer_msg(w, &c, b.start, MSG_T_SHUTDOWN);
	expect_peer_eof(w, &c);
	assert_int_equal(w->shutdowns, 2);
	expect_peer_silent(w, &b);
	peer_close(w, &a);
	peer_close(w, &b);
	peer_close(w, &c);
}

static void test_bad_lengths(void **state)
{
	static const uint32_t bad[] = { 0, 3, 4, 4194305, UINT32_MAX };
	struct world *w = *state;

	world_ready(w);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t head[9] = { 0 };
		struct peer p;
		struct buf b;

		peer_connect(w, &p);
		be32_put(head, bad[i]);
		be32_put(head + 4, p.start);
		buf_init(&b, 16);
		(void)buf_append(&b, head, sizeof(head));
		peer_bytes(w, &p, &b);
		expect_peer_eof(w, &p);
		buf_fini(&b);
		peer_close(w, &p);
	}
	assert_string_equal(w->broken, "");
}

static void test_split_and_joined(void **state)
{
	struct world *w = *state;
	struct peer p;
	struct buf b;

	world_ready(w);
	peer_connect(w, &p);
	buf_init(&b, 4096);
	put_exec(&b, p.start, false);
	for (size_t i = 0; i < buf_len(&b); i++) {
		expect_guest_silent(w);
		assert_int_equal(write(p.fd, buf_data(&b) + i, 1), 1);
		world_turn(w);
	}
	expect_guest(w, p.start, MSG_T_EXEC_REQUEST, NULL);
	buf_reset(&b);
	put_exec(&b, p.start + 1, false);
	put_data(&b, p.start + 1, MSG_T_EXEC_STDIN, "x", 1);
	put_msg(&b, p.start + 2, MSG_T_PING, NULL);
	peer_bytes(w, &p, &b);
	expect_guest(w, p.start + 1, MSG_T_EXEC_REQUEST, NULL);
	expect_guest(w, p.start + 1, MSG_T_EXEC_STDIN, NULL);
	expect_guest(w, p.start + 2, MSG_T_PING, NULL);
	buf_fini(&b);
	peer_close(w, &p);
}

static void test_largest_frame(void **state)
{
	struct world *w = *state;
	struct buf body, b;
	struct peer p;
	struct got g;

	world_ready(w);
	peer_connect(w, &p);
	buf_init(&body, FRAME_BUF_MAX);
	buf_init(&b, FRAME_BUF_MAX);
	memset(buf_reserve(&body, FRAME_LEN_MAX - 5), 'z', FRAME_LEN_MAX - 5);
	buf_commit(&body, FRAME_LEN_MAX - 5);
	assert_int_equal(
		frame_put_raw(&b, p.start, 0, buf_data(&body), buf_len(&body)),
		0);
	peer_bytes(w, &p, &b);
	assert_true(guest_got(w, &g));
	assert_int_equal(g.raw.len, FRAME_BUF_MAX);
	guest_bytes(w, &b);
	assert_true(peer_got(w, &p, &g));
	assert_int_equal(g.raw.len, FRAME_BUF_MAX);
	buf_fini(&b);
	buf_fini(&body);
	peer_close(w, &p);
}

/* No range, the reason, the end. */
static void expect_refusal(struct world *w)
{
	static const uint8_t no_range[8];
	struct msg_error m;
	struct envelope e;
	struct peer p;
	struct frame f;

	peer_raw(w, &p);
	expect_peer_eof(w, &p);
	assert_true(buf_len(&p.in) > sizeof(no_range));
	assert_memory_equal(buf_data(&p.in), no_range, sizeof(no_range));
	buf_consume(&p.in, sizeof(no_range));
	assert_int_equal(frame_parse(buf_data(&p.in), buf_len(&p.in), &f), 1);
	assert_int_equal(f.raw.len, buf_len(&p.in));
	assert_int_equal(f.id, 0);
	assert_int_equal(envelope_parse(f.body, NULL, &e), 0);
	assert_true(view_is(e.type, MSG_T_ERROR));
	assert_int_equal(msg_decode_error(e.payload, NULL, &m), 0);
	assert_true(view_is(m.kind, MSG_ERROR_BUSY));
	peer_close(w, &p);
}

static void test_129th_client(void **state)
{
	struct world *w = *state;
	struct peer *p = calloc(RELAY_MAX_CLIENTS, sizeof(*p)), extra;

	assert_non_null(p);
	world_ready(w);
	for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++) {
		peer_connect(w, &p[i]);
		assert_int_equal(relay_slot(p[i].start), i);
	}
	expect_refusal(w);
	peer_close(w, &p[5]);
	peer_connect(w, &extra);
	assert_int_equal(relay_slot(extra.start), 5);
	peer_close(w, &extra);
	for (unsigned i = 0; i < RELAY_MAX_CLIENTS; i++)
		if (i != 5)
			peer_close(w, &p[i]);
	free(p);
}

/* First the kills, then the range; files and tcp need no kill. */
static void test_disconnect(void **state)
{
	struct world *w = *state;
	struct peer p;
	struct buf b;

	world_ready(w);
	peer_connect(w, &p);
	peer_exec(w, &p, p.start, false);
	peer_exec(w, &p, p.start + 7, true);
	buf_init(&b, 4096);
	put_msg(&b, p.start + 8, MSG_T_FS_REQUEST, NULL);
	peer_bytes(w, &p, &b);
	expect_guest(w, p.start, MSG_T_EXEC_REQUEST, NULL);
	expect_guest(w, p.start + 7, MSG_T_EXEC_REQUEST, NULL);
	expect_guest(w, p.start + 8, MSG_T_FS_REQUEST, NULL);
	guest_exited(w, p.start, 0); /* ended: nothing to kill */
	assert_int_equal(relay_sessions(w->relay), 2);
	peer_close(w, &p);
	expect_kill(w, p.start + 7);
	expect_disconnected(w, p.start, p.end);
	expect_guest_silent(w);
	assert_int_equal(relay_sessions(w->relay), 0);
	assert_int_equal(w->quiets, 1);
	guest_exited(w, p.start + 7, -1); /* nobody is there: no harm */
	buf_fini(&b);
}

/* Late frames of a dead client never reach the one that took its slot. */
static void test_slot_reuse(void **state)
{
	struct world *w = *state;
	struct peer old, new;

	world_ready(w);
	peer_connect(w, &old);
	peer_exec(w, &old, old.start, false);
	peer_exec(w, &old, old.start + 3, false);
	peer_close(w, &old);
	peer_connect(w, &new);
	assert_int_equal(relay_slot(new.start), relay_slot(old.start));
	assert_true(new.start > old.start + 3);
	guest_data(w, old.start, MSG_T_EXEC_STDOUT, "late", 4);
	guest_data(w, old.start + 1, MSG_T_FS_DATA, "late", 4);
	guest_exited(w, old.start, -1);
	guest_exited(w, old.start + 3, -1);
	guest_data(w, 0, MSG_T_EXEC_STDOUT, "to nobody", 9);
	expect_peer_silent(w, &new);
	buf_reset(&w->to_guest);
	peer_exec(w, &new, new.start, false);
	guest_data(w, new.start, MSG_T_EXEC_STDOUT, "mine", 4);
	expect_peer(w, &new, new.start, MSG_T_EXEC_STDOUT, NULL);
	peer_close(w, &new);
}

static void test_id_in_use(void **state)
{
	struct world *w = *state;
	struct peer p;
	struct got g;

	world_ready(w);
	peer_connect(w, &p);
	peer_exec(w, &p, p.start, false);
	expect_guest(w, p.start, MSG_T_EXEC_REQUEST, NULL);
	peer_exec(w, &p, p.start, false);
	expect_guest_silent(w);
	expect_peer(w, &p, p.start, MSG_T_ERROR, &g);
	assert_int_equal(g.flags, FRAME_TERMINAL);
	peer_close(w, &p);
	expect_kill(w, p.start); /* the first one is still known */
}

/* Whoever has a command under way hears why it ends, nobody else. */
static void test_commands_that_fail(void **state)
{
	struct world *w = *state;
	struct peer p, idle;
	struct msg_error m;
	struct got g;
	struct buf b;

	world_ready(w);
	peer_connect(w, &p);
	peer_connect(w, &idle);
	peer_exec(w, &p, p.start, false);
	peer_exec(w, &p, p.start + 1, true);
	peer_exec(w, &p, p.start + 2, true);
	buf_init(&b, 4096);
	put_msg(&b, p.start + 3, MSG_T_FS_REQUEST, NULL);
	peer_bytes(w, &p, &b);
	buf_fini(&b);
	guest_exited(w, p.start + 1, 0);
	expect_peer(w, &p, p.start + 1, MSG_T_EXEC_EXITED, NULL);
	relay_fail_commands(w->relay, "kind", "why");
	world_turn(w);
	expect_peer(w, &p, p.start, MSG_T_ERROR, &g);
	assert_int_equal(g.flags, FRAME_TERMINAL);
	assert_int_equal(msg_decode_error(g.payload, NULL, &m), 0);
	assert_true(view_is(m.kind, "kind") && view_is(m.message, "why"));
	expect_peer(w, &p, p.start + 2, MSG_T_ERROR, NULL);
	expect_peer_silent(w, &p);
	expect_peer_silent(w, &idle);
	peer_close(w, &p);
	peer_close(w, &idle);
	relay_fail_commands(w->relay, "kind", "nobody is there");
}

static void test_guest_frames_split_anywhere(void **state)
{
	struct world *w = *state;
	struct peer a, b;
	struct buf all;

	world_ready(w);
	peer_connect(w, &a);
	peer_connect(w, &b);
	peer_exec(w, &a, a.start, false);
	peer_exec(w, &b, b.start, false);
	buf_init(&all, 4096);
	put_data(&all, a.start, MSG_T_EXEC_STDOUT, "to a", 4);
	put_data(&all, b.start, MSG_T_EXEC_STDOUT, "to b", 4);
	put_data(&all, 77777, MSG_T_EXEC_STDOUT, "to a, untracked", 15);
	assert_int_equal(frame_put_raw(&all, b.start, 0, "", 0), 0);
	put_exited(&all, a.start, 3);
	for (size_t piece = 1; piece < buf_len(&all); piece++) {
		if (piece > 1) /* the exit of the last round ended it */
			peer_exec(w, &a, a.start, false);
		for (size_t at = 0; at < buf_len(&all); at += piece) {
			size_t left = buf_len(&all) - at;

			relay_from_guest(w->relay, buf_data(&all) + at,
					 left < piece ? left : piece);
		}
		expect_peer(w, &a, a.start, MSG_T_EXEC_STDOUT, NULL);
		expect_peer(w, &a, 77777, MSG_T_EXEC_STDOUT, NULL);
		expect_peer(w, &a, a.start, MSG_T_EXEC_EXITED, NULL);
		expect_peer(w, &b, b.start, MSG_T_EXEC_STDOUT, NULL);
		expect_peer(w, &b, b.start, "", NULL);
	}
	buf_fini(&all);
	peer_close(w, &a);
	peer_close(w, &b);
}

static void test_before_ready(void **state)
{
	struct world *w = *state;

	guest_data(w, 5, MSG_T_EXEC_STDOUT, "early", 5);
	guest_data(w, 0, MSG_T_EXEC_STDOUT, "early", 5);
	assert_int_equal(w->readies, 0);
	world_ready(w);
}

static void test_broken_guest_stream(void **state)
{
	struct world *w = *state;
	struct peer p;
	struct buf b;

	world_ready(w);
	peer_connect(w, &p);
	buf_init(&b, 64);
	(void)buf_append(&b, "\xff\xff\xff\xff", 4);
	guest_bytes(w, &b);
	assert_string_equal(w->broken, "impossible frame length");
	guest_data(w, p.start, MSG_T_EXEC_STDOUT, "ignored", 7);
	expect_peer_silent(w, &p);
	buf_fini(&b);
	peer_close(w, &p);
}

/* A ping is no work; a touch, a request and the end of a session are. */
static void test_activity(void **state)
{
	struct world *w = *state;
	uint64_t before;
	struct peer p;

	world_ready(w);
	peer_connect(w, &p);
	before = relay_last_activity_ms(w->relay);
	while (loop_now_ms(w->loop) == before)
		assert_int_equal(loop_turn(w->loop, 1), 0);
	peer_msg(w, &p, p.start, MSG_T_PING);
	assert_int_equal(relay_last_activity_ms(w->relay), before);
	peer_close(w, &p); /* and its end is none either */
	assert_int_equal(relay_last_activity_ms(w->relay), before);
	peer_connect(w, &p);
	assert_int_equal(relay_last_activity_ms(w->relay), before);
	peer_msg(w, &p, p.start + 1, MSG_T_TOUCH);
	assert_true(relay_last_activity_ms(w->relay) > before);
	peer_close(w, &p);
}

/* Strings in pieces are decoded too, or the session would not be killed. */
static void test_indefinite_strings(void **state)
{
	static const uint8_t body[] = {
		0xbf, 0x61, 'p', 0x5f, 0x45, 0xa1, 0x63, 'c',  'm',  'd',
		0x42, 0x61, 'x', 0xff, 0x61, 't',  0x71, 'c',  'o',  'r',
		'e',  '.',  'e', 'x',  'e',  'c',  '.',	 'r',  'e',  'q',
		'u',  'e',  's', 't',  0x61, 'v',  0x18, 0x06, 0xff,
	};
	struct world *w = *state;
	struct peer p;
	struct buf b;

	world_ready(w);
	peer_connect(w, &p);
	buf_init(&b, 256);
	assert_int_equal(frame_put_raw(&b, p.start, FRAME_SESSION_START, body,
				       sizeof(body)),
			 0);
	peer_bytes(w, &p, &b);
	assert_int_equal(relay_sessions(w->relay), 1);
	buf_reset(&w->to_guest);
	peer_close(w, &p);
	expect_kill(w, p.start);
	buf_fini(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, world_up, world_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_handshake),
		T(test_forwards_unchanged),
		T(test_range_violation),
		T(test_shutdown_frames),
		T(test_bad_lengths),
		T(test_split_and_joined),
		T(test_largest_frame),
		T(test_129th_client),
		T(test_disconnect),
		T(test_slot_reuse),
		T(test_id_in_use),
		T(test_commands_that_fail),
		T(test_guest_frames_split_anywhere),
		T(test_before_ready),
		T(test_broken_guest_stream),
		T(test_activity),
		T(test_indefinite_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
