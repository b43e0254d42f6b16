/* SPDX-License-Identifier: Apache-2.0 */
/* The agent client against a scripted peer on the other end of a socket. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/agent_client.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

struct peer {
	int fd;	  /* of the scripted side */
	int mine; /* of the client, until it is opened */
};

static struct peer peer_make(void)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	return (struct peer){ .fd = fds[0], .mine = fds[1] };
}

static void peer_range(const struct peer *p, uint32_t start, uint32_t end)
{
	uint8_t b[8];

	be32_put(b, start);
	be32_put(b + 4, end);
	assert_int_equal(io_write_full(p->fd, b, sizeof(b)), 0);
}

static void peer_frame(const struct peer *p, uint32_t id, unsigned generation,
		       const char *type, const struct buf *payload)
{
	struct buf out, empty;

	buf_init(&empty, 16);
	msg_encode_empty(&empty);
	buf_init(&out, FRAME_BUF_MAX);
	assert_int_equal(frame_put(&out, id, generation, type,
				   payload ? payload : &empty),
			 0);
	assert_int_equal(io_write_full(p->fd, buf_data(&out), buf_len(&out)),
			 0);
	buf_fini(&out);
	buf_fini(&empty);
}

static void peer_data(const struct peer *p, uint32_t id, const char *text)
{
	struct buf b;

	buf_init(&b, 65536);
	msg_encode_data(&b, text, strlen(text));
	peer_frame(p, id, 1, MSG_T_EXEC_STDOUT, &b);
	buf_fini(&b);
}

/* A message of a type that does not exist. */
static void peer_future(const struct peer *p, uint32_t id)
{
	struct buf body, out;

	buf_init(&body, 256);
	buf_init(&out, 256);
	cbor_put_map(&body, 3);
	cbor_put_text(&body, "v");
	cbor_put_uint(&body, 6);
	cbor_put_text(&body, "t");
	cbor_put_text(&body, "core.from.the.future");
	cbor_put_text(&body, "p");
	cbor_put_bytes(&body, "\xa0", 1);
	assert_int_equal(
		frame_put_raw(&out, id, 0, buf_data(&body), buf_len(&body)), 0);
	assert_int_equal(io_write_full(p->fd, buf_data(&out), buf_len(&out)),
			 0);
	buf_fini(&body);
	buf_fini(&out);
}

static void peer_ready(const struct peer *p, unsigned generation)
{
	struct msg_ready m = { .boot_time_ns = 1 };
	struct buf b;

	buf_init(&b, 256);
	msg_encode_ready(&b, &m);
	peer_frame(p, 0, generation, MSG_T_READY, &b);
	buf_fini(&b);
}

static uint64_t soon(void)
{
	return clock_mono_ms() + 20000;
}

static struct peer connected(struct agent_client *c, uint32_t start,
			     uint32_t end)
{
	struct peer p = peer_make();

	peer_range(&p, start, end);
	peer_ready(&p, 6);
	assert_int_equal(agent_open(p.mine, soon(), c, NULL), 0);
	return p;
}

static void handshake_gives_range_and_generation(void **state)
{
	static const unsigned offered[] = { 1, 4, 6, 9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(offered); i++) {
		struct peer p = peer_make();
		struct agent_client c;

		peer_range(&p, 33554432, 67108862);
		peer_ready(&p, offered[i]);
		assert_int_equal(agent_open(p.mine, soon(), &c, NULL), 0);
		assert_int_equal(c.id_start, 33554432);
		assert_int_equal(c.id_end, 67108862);
		assert_int_equal(c.generation, offered[i] < 6 ? offered[i] : 6);
		agent_close(&c);
		(void)close(p.fd);
	}
}

static void expect_open_fails(struct peer *p, uint64_t deadline, int rc,
			      const char *want)
{
	struct agent_client c;
	struct err err = { 0 };

	assert_int_equal(agent_open(p->mine, deadline, &c, &err), rc);
	assert_non_null(strstr(err.msg, want));
	if (p->fd >= 0)
		(void)close(p->fd);
}

static void bad_handshakes_are_told_apart(void **state)
{
	struct peer p;

	(void)state;
	p = peer_make();
	close_fd(&p.fd);
	expect_open_fails(&p, soon(), -ECONNRESET, "read id range: the relay");
	p = peer_make();
	expect_open_fails(&p, clock_mono_ms(), -ETIMEDOUT,
			  "read id range: timed out");
	p = peer_make();
	peer_range(&p, 5, 5);
	expect_open_fails(&p, soon(), -EPROTO,
			  "invalid relay id range: start=5, end=5");
	p = peer_make();
	peer_range(&p, 1, 9);
	expect_open_fails(&p, clock_mono_ms(), -ETIMEDOUT,
			  "read ready frame: timed out");
	p = peer_make();
	peer_range(&p, 1, 9);
	peer_data(&p, 1, "x");
	expect_open_fails(&p, soon(), -EPROTO, "first frame is not core.ready");
	p = peer_make();
	peer_range(&p, 1, 9);
	assert_int_equal(io_write_full(p.fd, "\xff\xff\xff\xff", 4), 0);
	expect_open_fails(&p, soon(), -EPROTO, "a length that cannot be");
}

static void a_ready_that_lacks_something_is_refused(void **state)
{
	struct peer p = peer_make();

	(void)state;
	peer_range(&p, 1, 9);
	peer_frame(&p, 0, 6, MSG_T_READY, NULL);
	expect_open_fails(&p, soon(), -EPROTO, "core.ready is not complete");
	p = peer_make(); /* what is not said of all is not said to all */
	peer_range(&p, 1, 9);
	peer_frame(&p, 1, 6, MSG_T_READY, NULL);
	expect_open_fails(&p, soon(), -EPROTO, "first frame is not core.ready");
}

static void peer_refuses(const struct peer *p, const char *kind)
{
	struct msg_error m = { .kind = view_cstr(kind),
			       .message = view_cstr("not today") };
	struct buf b;

	peer_range(p, 0, 0);
	buf_init(&b, 256);
	msg_encode_error(&b, &m);
	peer_frame(p, 0, 6, MSG_T_ERROR, &b);
	buf_fini(&b);
}

static void a_full_relay_is_an_error_of_its_own(void **state)
{
	struct peer p = peer_make();
	struct err err = { 0 };
	struct agent_client c;

	(void)state;
	peer_refuses(&p, MSG_ERROR_BUSY);
	close_fd(&p.fd);
	assert_int_equal(agent_open(p.mine, soon(), &c, &err), -EBUSY);
	assert_int_equal(err.kind, ERR_AGENT_BUSY);
	p = peer_make();
	peer_refuses(&p, "mood");
	expect_open_fails(&p, soon(), -ECONNREFUSED, "refuses: not today");
	p = peer_make();
	peer_range(&p, 0, 0);
	peer_ready(&p, 6);
	expect_open_fails(&p, soon(), -EPROTO, "no ids, and no reason");
	p = peer_make();
	peer_range(&p, 0, 0);
	expect_open_fails(&p, clock_mono_ms(), -ETIMEDOUT,
			  "read refusal: timed out");
}

static void ids_wrap_and_skip_what_is_pending(void **state)
{
	struct agent_client c;
	struct peer p = connected(&c, 10, 13);
	struct agent_frame f;
	uint32_t id;

	(void)state;
	for (uint32_t want = 10; want < 13; want++) {
		assert_int_equal(agent_id_new(&c, &id), 0);
		assert_int_equal(id, want);
	}
	assert_int_equal(agent_id_new(&c, &id), -EMFILE);
	peer_frame(&p, 11, 6, MSG_T_PONG, NULL); /* terminal: 11 is free */
	assert_int_equal(agent_next(&c, soon(), &f), 1);
	assert_int_equal(agent_id_new(&c, &id), 0);
	assert_int_equal(id, 11);
	agent_close(&c);
	(void)close(p.fd);
}

static void frames_in_any_pieces(void **state)
{
	struct agent_client c;
	struct peer p = connected(&c, 1, 100);
	struct agent_frame f;
	struct view data;
	struct buf out, payload;
	uint32_t id;

	(void)state;
	assert_int_equal(agent_id_new(&c, &id), 0);
	buf_init(&out, 4096);
	buf_init(&payload, 4096);
	msg_encode_data(&payload, "piecemeal", 9);
	assert_int_equal(frame_put(&out, id, 1, MSG_T_EXEC_STDOUT, &payload),
			 0);
	for (size_t i = 0; i + 1 < buf_len(&out); i++) {
		assert_int_equal(io_write_full(p.fd, buf_data(&out) + i, 1), 0);
		assert_int_equal(agent_next(&c, 0, &f), 0);
	}
	assert_int_equal(
		io_write_full(p.fd, buf_data(&out) + buf_len(&out) - 1, 1), 0);
	peer_data(&p, id, "second");
	assert_int_equal(agent_next(&c, soon(), &f), 1);
	assert_true(f.known && f.type == MSG_EXEC_STDOUT && f.id == id);
	assert_int_equal(msg_decode_data(f.payload, NULL, &data), 0);
	assert_memory_equal(data.p, "piecemeal", 9);
	assert_int_equal(agent_next(&c, 0, &f), 1);
	assert_int_equal(msg_decode_data(f.payload, NULL, &data), 0);
	assert_memory_equal(data.p, "second", 6);
	assert_int_equal(agent_next(&c, 0, &f), 0);
	buf_fini(&out);
	buf_fini(&payload);
	agent_close(&c);
	(void)close(p.fd);
}

static void strangers_and_nonsense_are_skipped(void **state)
{
	static const uint8_t garbage[] = { 0, 0, 0, 8, 0, 0, 0, 1, 0, 1, 2, 3 };
	static const uint8_t last[] = { 0, 0, 0, 6, 0, 0, 0, 1, 1, 0xff };
	struct agent_client c;
	struct peer p = connected(&c, 1, 100);
	struct agent_frame f;
	uint32_t id;

	(void)state;
	assert_int_equal(agent_id_new(&c, &id), 0);
	assert_int_equal(id, 1);
	peer_data(&p, 77, "not ours");
	assert_int_equal(io_write_full(p.fd, garbage, sizeof(garbage)), 0);
	peer_future(&p, id);
	assert_int_equal(agent_next(&c, soon(), &f), 1);
	assert_false(f.known);
	/* A terminal frame ends its stream even when it cannot be read. */
	assert_int_equal(io_write_full(p.fd, last, sizeof(last)), 0);
	assert_int_equal(agent_next(&c, soon(), &f), 1);
	assert_false(f.known);
	assert_true(f.flags & FRAME_TERMINAL);
	assert_int_equal(c.npending, 0);
	agent_close(&c);
	(void)close(p.fd);
}

static void broken_framing_and_the_end_are_errors(void **state)
{
	struct agent_client c;
	struct agent_frame f;
	struct peer p;

	(void)state;
	p = connected(&c, 1, 100);
	assert_int_equal(io_write_full(p.fd, "\0\x40\0\1", 4), 0);
	assert_int_equal(agent_next(&c, soon(), &f), -EMSGSIZE);
	agent_close(&c);
	(void)close(p.fd);
	p = connected(&c, 1, 100);
	assert_int_equal(io_write_full(p.fd, "\0\0\0\4", 4), 0);
	assert_int_equal(agent_next(&c, soon(), &f), -EBADMSG);
	agent_close(&c);
	(void)close(p.fd);
	p = connected(&c, 1, 100);
	(void)close(p.fd);
	assert_int_equal(agent_next(&c, soon(), &f), -ENODATA);
	agent_close(&c);
}

static void the_last_words_of_a_peer_are_read(void **state)
{
	struct agent_client c;
	struct peer p = connected(&c, 1, 100);
	struct agent_frame f;
	struct buf empty;
	uint32_t id;

	(void)state;
	assert_int_equal(agent_id_new(&c, &id), 0);
	peer_data(&p, id, "bye");
	(void)close(p.fd);
	buf_init(&empty, 16);
	msg_encode_empty(&empty);
	assert_int_equal(agent_send(&c, id, MSG_PING, &empty), 0);
	assert_int_equal(agent_flush(&c), 0);
	assert_true(c.write_broken);
	assert_int_equal(agent_send(&c, id, MSG_PING, &empty), 0);
	assert_int_equal(agent_flush_wait(&c, soon()), -EPIPE);
	assert_int_equal(agent_next(&c, soon(), &f), 1);
	assert_int_equal(f.type, MSG_EXEC_STDOUT);
	assert_int_equal(agent_next(&c, soon(), &f), -ENODATA);
	buf_fini(&empty);
	agent_close(&c);
}

static void newer_messages_are_not_sent_to_older_peers(void **state)
{
	struct peer p = peer_make();
	struct agent_client c;
	struct buf empty;

	(void)state;
	peer_range(&p, 1, 100);
	peer_ready(&p, 1);
	assert_int_equal(agent_open(p.mine, soon(), &c, NULL), 0);
	buf_init(&empty, 16);
	msg_encode_empty(&empty);
	assert_int_equal(agent_send(&c, 1, MSG_FS_REQUEST, &empty),
			 -EOPNOTSUPP);
	assert_int_equal(agent_send(&c, 1, MSG_EXEC_REQUEST, &empty), 0);
	buf_fini(&empty);
	agent_close(&c);
	(void)close(p.fd);
}

static void the_queue_is_bounded(void **state)
{
	struct agent_client c;
	struct peer p = connected(&c, 1, 100);
	uint8_t *chunk = calloc(1, 1u << 20);
	int rc = 0, sent = 0;

	(void)state;
	assert_non_null(chunk);
	while (!rc && sent < 64) {
		rc = agent_send_data(&c, 1, MSG_EXEC_STDIN, chunk, 1u << 20);
		sent += !rc;
	}
	assert_int_equal(rc, -ENOSPC);
	assert_in_range(sent, 4, 6);
	/* Refusing did not spoil what is queued. */
	assert_false(c.out.failed);
	assert_int_equal(agent_flush_wait(&c, clock_mono_ms()), -ETIMEDOUT);
	free(chunk);
	agent_close(&c);
	(void)close(p.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake_gives_range_and_generation),
		cmocka_unit_test(bad_handshakes_are_told_apart),
		cmocka_unit_test(a_ready_that_lacks_something_is_refused),
		cmocka_unit_test(a_full_relay_is_an_error_of_its_own),
		cmocka_unit_test(ids_wrap_and_skip_what_is_pending),
		cmocka_unit_test(frames_in_any_pieces),
		cmocka_unit_test(strangers_and_nonsense_are_skipped),
		cmocka_unit_test(broken_framing_and_the_end_are_errors),
		cmocka_unit_test(the_last_words_of_a_peer_are_read),
		cmocka_unit_test(newer_messages_are_not_sent_to_older_peers),
		cmocka_unit_test(the_queue_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
