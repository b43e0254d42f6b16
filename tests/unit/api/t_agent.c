/* SPDX-License-Identifier: Apache-2.0 */
/* The public client of an agent: many threads and streams, and hostile peers,
 * against a scripted one on the other end of a socket. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/agent_int.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"

#define FIRST 100u
#define LONG_MS 20000

struct peer {
	int fd; /* of the scripted side */
	msb_agent_t *a;
};

static void peer_send(const struct peer *p, uint32_t id, uint8_t flags,
		      const char *text)
{
	struct buf b;

	buf_init(&b, FRAME_BUF_MAX);
	assert_int_equal(frame_put_raw(&b, id, flags, text, strlen(text)), 0);
	assert_int_equal(io_write_full(p->fd, buf_data(&b), buf_len(&b)), 0);
	buf_fini(&b);
}

static void greet(int fd, uint32_t first, uint32_t end)
{
	static const struct msg_ready ready = {
		.boot_time_ns = 1,
		.init_time_ns = 2,
		.ready_time_ns = 3,
		.agent_version = { (const uint8_t *)"0.9", 3 },
	};
	struct buf out, payload;
	uint8_t range[8];

	be32_put(range, first);
	be32_put(range + 4, end);
	buf_init(&out, 4096);
	buf_init(&payload, 256);
	msg_encode_ready(&payload, &ready);
	(void)buf_append(&out, range, sizeof(range));
	(void)frame_put(&out, 0, PROTO_GENERATION, MSG_T_READY, &payload);
	assert_int_equal(io_write_full(fd, buf_data(&out), buf_len(&out)), 0);
	buf_fini(&payload);
	buf_fini(&out);
}

/* A client whose ids are [first, end). */
static struct peer peer_with(uint32_t first, uint32_t end)
{
	struct agent_client c;
	struct peer p;
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	greet(fds[0], first, end);
	assert_int_equal(
		agent_open(fds[1], clock_mono_ms() + LONG_MS, &c, NULL), 0);
	p.fd = fds[0];
	p.a = agent_new(&c);
	assert_non_null(p.a);
	assert_int_equal(agent_run(p.a), 0);
	return p;
}

static struct peer peer_make(void)
{
	return peer_with(FIRST, FIRST + 1000);
}

static void peer_end(struct peer *p)
{
	msb_agent_free(p->a);
	if (p->fd >= 0)
		(void)close(p->fd);
}

/* The next frame the client sends: its id; body is of len bytes at most. */
static uint32_t peer_recv(const struct peer *p, uint8_t *flags, char *body,
			  size_t size)
{
	uint8_t head[FRAME_HEAD_SIZE];
	size_t len;

	assert_int_equal(io_read_full(p->fd, head, sizeof(head)), 0);
	len = be32_get(head) - FRAME_LEN_MIN;
	assert_true(len < size);
	assert_int_equal(io_read_full(p->fd, body, len), 0);
	body[len] = 0;
	if (flags)
		*flags = head[8];
	return be32_get(head + 4);
}

static msb_agent_stream_t *stream(const struct peer *p, const char *body)
{
	msb_agent_stream_t *st;

	assert_int_equal(msb_agent_stream_open(p->a, MSB_AGENT_SESSION_START,
					       body, strlen(body), &st, NULL),
			 0);
	return st;
}

static void expect(msb_agent_stream_t *st, uint8_t flags, const char *text)
{
	msb_agent_frame_t f = { .struct_size = sizeof(f) };

	assert_int_equal(msb_agent_stream_next(st, LONG_MS, &f, NULL), 1);
	assert_int_equal(f.id, msb_agent_stream_id(st));
	assert_int_equal(f.flags, flags);
	assert_int_equal(f.len, strlen(text));
	assert_memory_equal(f.body, text, f.len);
	msb_agent_frame_clear(&f);
	assert_null(f.body);
	msb_agent_frame_clear(&f);
}

static void expect_error(msb_agent_stream_t *st, msb_error_kind_t kind)
{
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	msb_error_t *e = NULL;

	assert_true(msb_agent_stream_next(st, LONG_MS, &f, &e) < 0);
	assert_int_equal(msb_error_kind(e), kind);
	msb_error_free(e);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static void the_handshake_is_told(void **state)
{
	struct peer p = peer_make();
	msb_agent_ready_t r = { .struct_size = sizeof(r) };
	msb_agent_ready_t part = { .struct_size = 16, .ready_time_ns = 77 };
	msb_agent_message_t m = { .struct_size = sizeof(m) };
	uint32_t first, end;
	const void *body;
	size_t len;

	(void)state;
	msb_agent_id_range(p.a, &first, &end);
	assert_int_equal(first, FIRST);
	assert_int_equal(end, FIRST + 1000);
	msb_agent_ready(p.a, &r);
	assert_int_equal(r.boot_time_ns, 1);
	assert_int_equal(r.init_time_ns, 2);
	assert_int_equal(r.ready_time_ns, 3);
	assert_int_equal(r.generation, PROTO_GENERATION);
	assert_string_equal(r.agent_version, "0.9");
	msb_agent_ready(p.a, &part); /* of an older program */
	assert_int_equal(part.boot_time_ns, 1);
	assert_int_equal(part.ready_time_ns, 77);
	body = msb_agent_ready_bytes(p.a, &len);
	assert_int_equal(msb_agent_decode(body, len, &m, NULL), 0);
	assert_int_equal(m.type_len, strlen(MSG_T_READY));
	assert_memory_equal(m.type, MSG_T_READY, m.type_len);
	peer_end(&p);
}

struct asking {
	const struct peer *p;
	char answer[32];
};

static void *ask(void *arg)
{
	struct asking *q = arg;
	msb_agent_frame_t f = { .struct_size = sizeof(f) };

	if (msb_agent_request(q->p->a, 0, "?", 1, LONG_MS, &f, NULL) == 0 &&
	    f.len < sizeof(q->answer))
		memcpy(q->answer, f.body, f.len);
	msb_agent_frame_clear(&f);
	return NULL;
}

/* Many threads ask at once, and are answered in another order. */
static void answers_go_to_whom_they_are_for(void **state)
{
	struct peer p = peer_make();
	struct asking q[16] = { 0 };
	pthread_t t[16];
	uint32_t id[16];
	char body[8];

	(void)state;
	for (size_t i = 0; i < 16; i++) {
		q[i].p = &p;
		assert_int_equal(pthread_create(&t[i], NULL, ask, &q[i]), 0);
		id[i] = peer_recv(&p, NULL, body, sizeof(body));
	}
	for (size_t i = 16; i-- > 0;) {
		char text[16];

		(void)snprintf(text, sizeof(text), "answer %zu", i);
		peer_send(&p, id[i], MSB_AGENT_TERMINAL, text);
	}
	for (size_t i = 0; i < 16; i++) {
		char text[16];

		assert_int_equal(pthread_join(t[i], NULL), 0);
		(void)snprintf(text, sizeof(text), "answer %zu", i);
		assert_string_equal(q[i].answer, text);
	}
	peer_end(&p);
}

static void a_stream_ends_with_its_last_frame(void **state)
{
	struct peer p = peer_make();
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	msb_agent_stream_t *st = stream(&p, "go"), *other = stream(&p, "on");
	char body[8];
	uint8_t flags;
	uint32_t id;

	(void)state;
	id = peer_recv(&p, &flags, body, sizeof(body));
	assert_int_equal(id, msb_agent_stream_id(st));
	assert_int_equal(flags, MSB_AGENT_SESSION_START);
	assert_string_equal(body, "go");
	(void)peer_recv(&p, NULL, body, sizeof(body));
	assert_false(readable(msb_agent_stream_fd(st), 0));
	assert_int_equal(msb_agent_stream_next(st, 0, &f, NULL), 0);
	peer_send(&p, id, 0, "one");
	assert_true(readable(msb_agent_stream_fd(st), LONG_MS));
	assert_false(readable(msb_agent_stream_fd(other), 0));
	expect(st, 0, "one");
	assert_false(readable(msb_agent_stream_fd(st), 0));
	peer_send(&p, id, 0, "");
	peer_send(&p, id, MSB_AGENT_TERMINAL, "two");
	peer_send(&p, id, 0, "behind the end");
	expect(st, 0, "");
	assert_false(msb_agent_stream_ended(st));
	expect(st, MSB_AGENT_TERMINAL, "two");
	assert_true(msb_agent_stream_ended(st));
	assert_true(readable(msb_agent_stream_fd(st), 0));
	assert_int_equal(msb_agent_stream_next(st, -1, &f, NULL), 0);
	assert_int_equal(msb_agent_send(p.a, id, 0, "more", 4, NULL), 0);
	assert_int_equal(peer_recv(&p, &flags, body, sizeof(body)), id);
	assert_int_equal(flags, 0);
	msb_agent_stream_free(st);
	msb_agent_stream_free(other);
	peer_end(&p);
}

static void what_would_break_the_connection_is_refused(void **state)
{
	struct peer p = peer_make();
	msb_agent_frame_t none = { 0 };
	msb_agent_stream_t *st;
	msb_error_t *e = NULL;
	char body[8];
	uint8_t flags;
	void *large = calloc(1, MSB_AGENT_FRAME_MAX);

	(void)state;
	assert_non_null(large);
	assert_int_equal(msb_agent_send(p.a, FIRST - 1, 0, "", 0, &e), -EINVAL);
	assert_int_equal(msb_error_kind(e), MSB_ERR_INVALID);
	msb_error_free(e);
	assert_int_equal(msb_agent_send(p.a, FIRST + 1000, 0, "", 0, NULL),
			 -EINVAL);
	assert_int_equal(msb_agent_send(p.a, 0, 0, "", 0, NULL), -EINVAL);
	assert_int_equal(msb_agent_send(p.a, FIRST, 0x40, "", 0, NULL),
			 -EINVAL);
	assert_int_equal(msb_agent_stream_open(p.a, 0, large,
					       MSB_AGENT_FRAME_MAX, &st, &e),
			 -EMSGSIZE);
	assert_int_equal(msb_error_kind(e), MSB_ERR_INVALID);
	msb_error_free(e);
	assert_int_equal(msb_agent_request(p.a, 0, "", 0, 0, &none, NULL),
			 -EINVAL);
	assert_int_equal(
		msb_agent_send(p.a, 0, MSB_AGENT_SHUTDOWN, "x", 1, NULL), 0);
	assert_int_equal(peer_recv(&p, &flags, body, sizeof(body)), 0);
	assert_int_equal(flags, MSB_AGENT_SHUTDOWN);
	free(large);
	peer_end(&p);
}

static void an_unanswered_request_keeps_its_id(void **state)
{
	struct peer p = peer_with(5, 7); /* two ids */
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	msb_agent_stream_t *st;
	msb_error_t *e = NULL;
	char body[8];

	(void)state;
	assert_int_equal(msb_agent_request(p.a, 0, "?", 1, 0, &f, &e),
			 -ETIMEDOUT);
	assert_int_equal(msb_error_kind(e), MSB_ERR_TIMEOUT);
	msb_error_free(e);
	assert_int_equal(peer_recv(&p, NULL, body, sizeof(body)), 5);
	st = stream(&p, "a");
	assert_int_equal(msb_agent_stream_id(st), 6);
	assert_int_equal(msb_agent_request(p.a, 0, "?", 1, 0, &f, &e), -EMFILE);
	assert_int_equal(msb_error_kind(e), MSB_ERR_AGENT);
	msb_error_free(e);
	peer_send(&p, 5, MSB_AGENT_TERMINAL, "late");
	peer_send(&p, 6, 0, "x"); /* behind it: it has been seen */
	expect(st, 0, "x");
	msb_agent_stream_free(st);
	st = stream(&p, "b");
	assert_int_equal(msb_agent_stream_id(st), 5);
	msb_agent_stream_free(st);
	peer_end(&p);
}

static void *wait_for_it(void *arg)
{
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	msb_error_t *e = NULL;
	static msb_error_kind_t kind;

	(void)msb_agent_stream_next(arg, -1, &f, &e);
	kind = msb_error_kind(e);
	msb_error_free(e);
	return &kind;
}

static void closing_ends_every_wait(void **state)
{
	struct peer p = peer_make();
	msb_agent_stream_t *st = stream(&p, "a");
	msb_error_t *e = NULL;
	pthread_t t;
	void *kind;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, wait_for_it, st), 0);
	msb_agent_close(p.a);
	msb_agent_close(p.a);
	assert_int_equal(pthread_join(t, &kind), 0);
	assert_int_equal(*(msb_error_kind_t *)kind, MSB_ERR_AGENT_CLOSED);
	expect_error(st, MSB_ERR_AGENT_CLOSED);
	assert_true(readable(msb_agent_stream_fd(st), 0));
	assert_true(msb_agent_send(p.a, FIRST, 0, "", 0, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_AGENT_CLOSED);
	msb_error_free(e);
	peer_end(&p);
	msb_agent_stream_free(st); /* behind its client */
}

static void a_token_ends_a_wait(void **state)
{
	struct peer p = peer_make();
	msb_agent_stream_t *st = stream(&p, "a");
	msb_cancel_t *token = msb_cancel_new();

	(void)state;
	assert_non_null(token);
	msb_cancel_trigger(token);
	(void)msb_cancel_use(token);
	expect_error(st, MSB_ERR_CANCELLED);
	(void)msb_cancel_use(NULL);
	peer_send(&p, FIRST, MSB_AGENT_TERMINAL, "still there");
	expect(st, MSB_AGENT_TERMINAL, "still there");
	msb_cancel_free(token);
	msb_agent_stream_free(st);
	peer_end(&p);
}

static void what_came_before_the_end_is_given(void **state)
{
	struct peer p = peer_make();
	msb_agent_stream_t *st = stream(&p, "a");
	msb_error_t *e = NULL;

	(void)state;
	peer_send(&p, FIRST, 0, "last words");
	/* and a frame that is never completed */
	assert_int_equal(io_write_full(p.fd, "\0\0\1\0\0\0", 6), 0);
	close_fd(&p.fd);
	expect(st, 0, "last words");
	expect_error(st, MSB_ERR_AGENT);
	assert_true(msb_agent_stream_open(p.a, 0, "", 0, &st, &e) < 0);
	assert_int_equal(msb_error_kind(e), MSB_ERR_AGENT);
	msb_error_free(e);
	msb_agent_stream_free(st);
	peer_end(&p);
}

static void frames_that_cannot_be_end_the_client(void **state)
{
	static const char *const bad[] = { "\0\0\0\4xxxxxxx",
					   "\xff\xff\xff\xff", "\0\x40\0\1" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct peer p = peer_make();
		msb_agent_stream_t *st = stream(&p, "a");

		peer_send(&p, 0, MSB_AGENT_TERMINAL, "for all");
		peer_send(&p, FIRST + 7, MSB_AGENT_TERMINAL, "for nobody");
		peer_send(&p, FIRST, 0x7c, "\xff no message");
		assert_int_equal(io_write_full(p.fd, bad[i], 4), 0);
		expect(st, 0x7c, "\xff no message");
		expect_error(st, MSB_ERR_PROTOCOL);
		msb_agent_stream_free(st);
		peer_end(&p);
	}
}

/* Until all of it has been taken: how much fits into the client. */
static void *pour(void *arg)
{
	const struct peer *p = arg;
	static char block[65536];
	struct buf b;

	buf_init(&b, 2 * sizeof(block));
	(void)frame_put_raw(&b, FIRST, 0, block, sizeof(block));
	for (size_t i = 0; i < 2 * (MSB_AGENT_QUEUE_MAX / sizeof(block)); i++)
		if (io_write_full(p->fd, buf_data(&b), buf_len(&b)))
			break;
	buf_fini(&b);
	return NULL;
}

static void what_nobody_takes_stops_the_peer(void **state)
{
	size_t n = 2 * (MSB_AGENT_QUEUE_MAX / 65536);
	struct peer p = peer_make();
	msb_agent_stream_t *st = stream(&p, "a");
	size_t queued = 0;
	pthread_t t;

	(void)state;
	assert_int_equal(pthread_create(&t, NULL, pour, &p), 0);
	while (queued < MSB_AGENT_QUEUE_MAX) {
		(void)pthread_mutex_lock(&p.a->lock);
		queued = p.a->queued;
		(void)pthread_mutex_unlock(&p.a->lock);
	}
	assert_true(queued < MSB_AGENT_QUEUE_MAX + 4 * 65536);
	for (size_t i = 0; i < n; i++) {
		msb_agent_frame_t f = { .struct_size = sizeof(f) };

		assert_int_equal(msb_agent_stream_next(st, LONG_MS, &f, NULL),
				 1);
		assert_int_equal(f.len, 65536);
		msb_agent_frame_clear(&f);
	}
	assert_int_equal(pthread_join(t, NULL), 0);
	msb_agent_stream_free(st);
	peer_end(&p);
}

/* A peer that takes nothing: requests time out, and none is cut in two. */
static void a_full_socket_cuts_no_frame(void **state)
{
	static char block[65536];
	struct peer p = peer_make();
	msb_agent_frame_t f = { .struct_size = sizeof(f) };
	msb_error_t *e = NULL;
	size_t sent = 0;
	int rc;

	(void)state;
	do {
		rc = msb_agent_request(p.a, 0, block, sizeof(block) - 1, 0, &f,
				       &e);
		assert_int_equal(rc, -ETIMEDOUT);
		if (strstr(msb_error_message(e), "does not answer"))
			sent++;
		else
			rc = 0; /* it could not even be sent */
		msb_error_free(e);
		e = NULL;
	} while (rc);
	assert_true(sent >= AGENT_OUT_HIGH / sizeof(block));
	for (size_t i = 0; i < sent; i++) {
		static char body[65536];

		assert_int_equal(peer_recv(&p, NULL, body, sizeof(body)),
				 FIRST + i);
	}
	peer_end(&p);
}

static void messages_are_checked(void **state)
{
	msb_agent_message_t m = { .struct_size = sizeof(m) };
	msb_error_t *e = NULL;
	void *body, *large;
	size_t len;

	(void)state;
	assert_int_equal(
		msb_agent_encode(MSG_T_PING, "\xa0", 1, &body, &len, NULL), 0);
	assert_int_equal(msb_agent_decode(body, len, &m, NULL), 0);
	assert_int_equal(m.version, PROTO_GENERATION);
	assert_memory_equal(m.type, MSG_T_PING, m.type_len);
	assert_int_equal(m.payload_len, 1);
	assert_true((const char *)m.payload > (const char *)body);
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(msb_agent_decode(body, cut, &m, &e), -EPROTO);
		assert_int_equal(msb_error_kind(e), MSB_ERR_PROTOCOL);
		msb_error_free(e);
		e = NULL;
	}
	msb_free(body);
	assert_int_equal(
		msb_agent_encode("core.no", "\xa0", 1, &body, &len, NULL),
		-EINVAL);
	assert_int_equal(
		msb_agent_encode(MSG_T_PING, "\xa0\xa0", 2, &body, &len, NULL),
		-EINVAL);
	assert_int_equal(msb_agent_encode(MSG_T_PING, "", 0, &body, &len, NULL),
			 -EINVAL);
	large = calloc(1, MSB_AGENT_FRAME_MAX);
	assert_non_null(large);
	memcpy(large, "\x5a\0\x3f\xff\xfb", 5); /* a string of the rest */
	assert_int_equal(msb_agent_encode(MSG_T_PING, large,
					  MSB_AGENT_FRAME_MAX, &body, &len,
					  NULL),
			 -EMSGSIZE);
	memcpy(large, "\x5a\0\x3f\xff\xf6", 5);
	assert_int_equal(msb_agent_encode(MSG_T_PING, large,
					  MSB_AGENT_FRAME_MAX - 5, &body, &len,
					  NULL),
			 -EMSGSIZE);
	free(large);
	m.struct_size = 0;
	assert_int_equal(msb_agent_decode("", 0, &m, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_handshake_is_told),
		cmocka_unit_test(answers_go_to_whom_they_are_for),
		cmocka_unit_test(a_stream_ends_with_its_last_frame),
		cmocka_unit_test(what_would_break_the_connection_is_refused),
		cmocka_unit_test(an_unanswered_request_keeps_its_id),
		cmocka_unit_test(closing_ends_every_wait),
		cmocka_unit_test(a_token_ends_a_wait),
		cmocka_unit_test(what_came_before_the_end_is_given),
		cmocka_unit_test(frames_that_cannot_be_end_the_client),
		cmocka_unit_test(what_nobody_takes_stops_the_peer),
		cmocka_unit_test(a_full_socket_cuts_no_frame),
		cmocka_unit_test(messages_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
