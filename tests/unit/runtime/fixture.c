/* SPDX-License-Identifier: Apache-2.0 */
/* A relay between a fake guest and fake clients. */
#include "fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/log.h"

#define BIG (128u << 20)

static void no_log(void *ctx, const char *line, unsigned long len)
{
	(void)ctx;
	(void)line;
	(void)len;
}

static size_t on_send(void *ctx, const void *data, size_t len)
{
	struct world *w = ctx;

	if (len > w->guest_room) {
		len = w->guest_room;
		w->was_full = true;
	}
	w->guest_room -= len;
	assert_int_equal(buf_append(&w->to_guest, data, len), 0);
	return len;
}

static void on_ready(void *ctx)
{
	((struct world *)ctx)->readies++;
}

static void on_shutdown(void *ctx)
{
	((struct world *)ctx)->shutdowns++;
}

static int on_modify(void *ctx, const void *text, size_t len, struct err *err)
{
	struct world *w = ctx;

	(void)snprintf(w->modified, sizeof(w->modified), "%.*s", (int)len,
		       (const char *)text);
	return w->refuse_modify ? err_set(err, ERR_INVALID, EINVAL, "not so")
				: 0;
}

static void on_quiet(void *ctx)
{
	((struct world *)ctx)->quiets++;
}

static void on_broken(void *ctx, const char *why)
{
	struct world *w = ctx;

	(void)snprintf(w->broken, sizeof(w->broken), "%s", why);
}

static void on_exit_(void *ctx, const struct relay_exit *e)
{
	struct world *w = ctx;

	w->exits++;
	w->exit = *e;
}

static void on_usage(void *ctx, const struct msg_usage *u)
{
	struct world *w = ctx;

	w->usages++;
	w->usage = *u;
}

int world_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct relay_config cfg = { .ctx = w,
				    .guest_send = on_send,
				    .on_ready = on_ready,
				    .on_shutdown = on_shutdown,
				    .on_modify = on_modify,
				    .on_guest_broken = on_broken,
				    .on_usage = on_usage,
				    .on_quiet = on_quiet,
				    .on_exit = on_exit_ };

	if (!w)
		return -1;
	log_init(LOG_INFO, no_log, NULL);
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/msb-relay-XXXXXX");
	if (!mkdtemp(w->dir) || loop_new(&w->loop))
		return -1;
	w->dirfd = open(w->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (logs_new(w->dirfd, &w->logs))
		return -1;
	buf_init(&w->to_guest, BIG);
	w->guest_room = SIZE_MAX;
	cfg.loop = w->loop;
	cfg.logs = w->logs;
	*state = w;
	return relay_new(&cfg, &w->relay);
}

int world_down(void **state)
{
	struct world *w = *state;

	w->relay = relay_free(w->relay);
	w->logs = logs_free(w->logs);
	w->loop = loop_free(w->loop);
	buf_fini(&w->to_guest);
	(void)close(w->dirfd);
	(void)io_remove_tree(AT_FDCWD, w->dir);
	free(w);
	return 0;
}

void world_turn(struct world *w)
{
	/* level-triggered: what is left over shows up in the next turn */
	for (int i = 0; i < 16; i++)
		assert_int_equal(loop_turn(w->loop, 0), 0);
}

void world_ready(struct world *w)
{
	struct msg_ready m = { 152340000, 8120000, 161000000, { 0 } };
	struct buf p, b;

	buf_init(&p, 256);
	buf_init(&b, 512);
	msg_encode_ready(&p, &m);
	assert_int_equal(frame_put(&b, 0, 1, MSG_T_READY, &p), 0);
	guest_bytes(w, &b);
	buf_fini(&p);
	buf_fini(&b);
	assert_int_equal(w->readies, 1);
}

void put_msg(struct buf *b, uint32_t id, const char *type,
	     const struct buf *payload)
{
	struct buf empty;

	buf_init(&empty, 16);
	msg_encode_empty(&empty);
	assert_int_equal(frame_put(b, id, PROTO_GENERATION, type,
				   payload ? payload : &empty),
			 0);
	buf_fini(&empty);
}

void put_data(struct buf *b, uint32_t id, const char *type, const void *data,
	      size_t len)
{
	assert_int_equal(
		frame_put_data(b, id, PROTO_GENERATION, type, data, len), 0);
}

void put_exec(struct buf *b, uint32_t id, bool tty)
{
	struct msg_exec_params m = {
		.cmd = "sh", .tty = tty, .rows = 24, .cols = 80
	};
	struct buf p;

	buf_init(&p, 4096);
	msg_encode_exec_request(&p, &m);
	put_msg(b, id, MSG_T_EXEC_REQUEST, &p);
	buf_fini(&p);
}

void put_exited(struct buf *b, uint32_t id, int code)
{
	struct msg_exited m = { .code = code };
	struct buf p;

	buf_init(&p, 64);
	msg_encode_exited(&p, &m);
	put_msg(b, id, MSG_T_EXEC_EXITED, &p);
	buf_fini(&p);
}

void guest_bytes(struct world *w, const struct buf *b)
{
	relay_from_guest(w->relay, buf_data(b), buf_len(b));
	world_turn(w);
}

void guest_data(struct world *w, uint32_t id, const char *type,
		const void *data, size_t len)
{
	struct buf b;

	buf_init(&b, FRAME_BUF_MAX);
	put_data(&b, id, type, data, len);
	guest_bytes(w, &b);
	buf_fini(&b);
}

void guest_exited(struct world *w, uint32_t id, int code)
{
	struct buf b;

	buf_init(&b, 256);
	put_exited(&b, id, code);
	guest_bytes(w, &b);
	buf_fini(&b);
}

/* Take the first frame off a buffer; it stays readable in *keep. */
static bool take(struct buf *from, struct got *ret)
{
	static struct buf keep;
	struct envelope e;
	struct frame f;
	int rc = frame_parse(buf_data(from), buf_len(from), &f);

	assert_true(rc >= 0);
	if (!rc)
		return false;
	if (!keep.max)
		buf_init(&keep, FRAME_BUF_MAX);
	buf_reset(&keep);
	assert_int_equal(buf_append(&keep, f.raw.p, f.raw.len), 0);
	buf_consume(from, f.raw.len);
	assert_int_equal(frame_parse(buf_data(&keep), buf_len(&keep), &f), 1);
	memset(ret, 0, sizeof(*ret));
	ret->id = f.id;
	ret->flags = f.flags;
	ret->raw = f.raw;
	if (!envelope_parse(f.body, NULL, &e) &&
	    e.type.len < sizeof(ret->type)) {
		memcpy(ret->type, e.type.p, e.type.len);
		ret->payload = e.payload;
	}
	return true;
}

bool guest_got(struct world *w, struct got *ret)
{
	return take(&w->to_guest, ret);
}

void expect_guest(struct world *w, uint32_t id, const char *type,
		  struct got *ret)
{
	struct got mine;

	if (!ret)
		ret = &mine;
	assert_true(guest_got(w, ret));
	assert_string_equal(ret->type, type);
	assert_int_equal(ret->id, id);
}

void expect_guest_silent(struct world *w)
{
	assert_int_equal(buf_len(&w->to_guest), 0);
}

void peer_raw(struct world *w, struct peer *p)
{
	int sv[2];

	memset(p, 0, sizeof(*p));
	buf_init(&p->in, BIG);
	assert_int_equal(socketpair(AF_UNIX,
				    SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
				    0, sv),
			 0);
	p->fd = sv[0];
	relay_add_client(w->relay, sv[1]);
	world_turn(w);
}

void peer_connect(struct world *w, struct peer *p)
{
	struct got g;

	peer_raw(w, p);
	peer_read(w, p);
	assert_true(buf_len(&p->in) > 8);
	p->start = be32_get(buf_data(&p->in));
	p->end = be32_get(buf_data(&p->in) + 4);
	buf_consume(&p->in, 8);
	assert_true(p->start < p->end);
	assert_true(peer_got(w, p, &g));
	assert_string_equal(g.type, MSG_T_READY);
}

void peer_close(struct world *w, struct peer *p)
{
	if (p->fd >= 0)
		(void)close(p->fd);
	p->fd = -1;
	buf_fini(&p->in);
	world_turn(w);
}

void peer_bytes(struct world *w, struct peer *p, const struct buf *b)
{
	size_t done = 0;

	while (done < buf_len(b)) {
		ssize_t n = send(p->fd, buf_data(b) + done, buf_len(b) - done,
				 MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break; /* the relay does not read: as the test wants */
		if (n < 0)
			break; /* the relay closed, which tests check */
		done += (size_t)n;
		world_turn(w);
	}
	world_turn(w);
}

void peer_msg(struct world *w, struct peer *p, uint32_t id, const char *type)
{
	struct buf b;

	buf_init(&b, 256);
	put_msg(&b, id, type, NULL);
	peer_bytes(w, p, &b);
	buf_fini(&b);
}

void peer_exec(struct world *w, struct peer *p, uint32_t id, bool tty)
{
	struct buf b;

	buf_init(&b, 4096);
	put_exec(&b, id, tty);
	peer_bytes(w, p, &b);
	buf_fini(&b);
}

void peer_read(struct world *w, struct peer *p)
{
	for (;;) {
		uint8_t *to = buf_reserve(&p->in, 65536);
		ssize_t n;

		assert_non_null(to);
		n = read(p->fd, to, 65536);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			p->eof = true;
			return;
		}
		buf_commit(&p->in, (size_t)n);
		world_turn(w);
	}
}

bool peer_got(struct world *w, struct peer *p, struct got *ret)
{
	peer_read(w, p);
	return take(&p->in, ret);
}

void expect_peer(struct world *w, struct peer *p, uint32_t id, const char *type,
		 struct got *ret)
{
	struct got mine;

	if (!ret)
		ret = &mine;
	assert_true(peer_got(w, p, ret));
	assert_string_equal(ret->type, type);
	assert_int_equal(ret->id, id);
}

void expect_peer_silent(struct world *w, struct peer *p)
{
	peer_read(w, p);
	assert_int_equal(buf_len(&p->in), 0);
	assert_false(p->eof);
}

void expect_peer_eof(struct world *w, struct peer *p)
{
	peer_read(w, p);
	assert_true(p->eof);
}
