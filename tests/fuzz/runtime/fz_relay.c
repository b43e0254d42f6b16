/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay between a hostile guest and hostile clients. The input is a list of
 * steps: who speaks (1 byte), how much (2 bytes), and the bytes. Text "@A" and
 * "@B" where an id belongs stands for one of that client's ids.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/log.h"
#include "runtime/relay_int.h"

static int on_modify(void *ctx, const void *text, size_t len, struct err *err)
{
	(void)ctx;
	(void)err;
	/* every byte is there to be read */
	return memchr(text, 'x', len) ? -EINVAL : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct relay *relay;
	struct loop *loop;
	int peer[2];
	struct relay_client *client[2];
	bool choke;
};

static size_t on_send(void *ctx, const void *data, size_t len)
{
	const struct world *w = ctx;
	struct frame f;

	(void)frame_parse(data, len, &f);
	return w->choke ? len / 2 : len;
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static void on_broken(void *ctx, const char *why)
{
	(void)ctx;
	(void)why;
}

static void on_exit_(void *ctx, const struct relay_exit *e)
{
	(void)ctx;
	(void)e;
}

static void no_log(void *ctx, const char *line, unsigned long len)
{
	(void)ctx;
	(void)line;
	(void)len;
}

static void say_ready(struct world *w)
{
	struct msg_ready m = { 1, 2, 3, { 0 } };
	struct buf p, b;

	buf_init(&p, 256);
	buf_init(&b, 512);
	msg_encode_ready(&p, &m);
	if (!frame_put(&b, 0, 6, MSG_T_READY, &p))
		relay_from_guest(w->relay, buf_data(&b), buf_len(&b));
	buf_fini(&p);
	buf_fini(&b);
}

static bool connect_client(struct world *w, unsigned i)
{
	int sv[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       sv) < 0)
		return false;
	w->peer[i] = sv[0];
	relay_add_client(w->relay, sv[1]);
	w->client[i] = w->relay->slot[i].client;
	return true;
}

/* Put real ids where the input asks for them, so that frames find sessions. */
static void place_ids(struct world *w, uint8_t *p, size_t len)
{
	for (size_t i = 0; i + 4 <= len; i++)
		if (p[i] == '@' && (p[i + 1] == 'A' || p[i + 1] == 'B')) {
			uint32_t start, end;

			relay_range(p[i + 1] - 'A', &start, &end);
			be32_put(p + i, start + (p[i + 3] & 3u));
		}
	(void)w;
}

static void step(struct world *w, uint8_t who, uint8_t *p, size_t len)
{
	unsigned i = who >> 2 & 1;
	char sink[4096];

	switch (who & 3) {
	case 0:
		relay_from_guest(w->relay, p, len);
		break;
	case 1:
	case 2:
		/* the client may have lost its connection, or a new one may
		 * have its place */
		if (w->relay->slot[i].client)
			client_input(w->relay->slot[i].client, p, len);
		break;
	default:
		w->choke = who & 8;
		if (!w->choke)
			relay_guest_writable(w->relay);
		if (who & 16 && w->relay->slot[i].client)
			client_drop(w->relay->slot[i].client, NULL);
		if (who & 32)
			while (read(w->peer[i], sink, sizeof(sink)) > 0)
				;
		(void)loop_turn(w->loop, 0);
		break;
	}
}

static void run_steps(struct world *w, const uint8_t *data, size_t size)
{
	while (size >= 3) {
		uint8_t who = data[0];
		size_t len = (size_t)(data[1] << 8 | data[2]);
		uint8_t *copy;

		data += 3;
		size -= 3;
		if (len > size)
			len = size;
		copy = malloc(len + 1);
		if (!copy)
			return;
		memcpy(copy, data, len);
		place_ids(w, copy, len);
		step(w, who, copy, len);
		free(copy);
		data += len;
		size -= len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .peer = { -1, -1 } };
	struct relay_config cfg = { .ctx = &w,
				    .guest_send = on_send,
				    .on_ready = nothing,
				    .on_shutdown = nothing,
				    .on_modify = on_modify,
				    .on_guest_broken = on_broken,
				    .on_quiet = nothing,
				    .on_exit = on_exit_ };
	const struct msg_exec_params startup = { .cmd = "init" };

	log_init(LOG_ERROR, no_log, NULL);
	if (loop_new(&w.loop))
		return 0;
	cfg.loop = w.loop;
	if (relay_new(&cfg, &w.relay)) {
		loop_free(w.loop);
		return 0;
	}
	if (size && data[0] & 0x80)
		say_ready(&w);
	if (connect_client(&w, 0) && connect_client(&w, 1)) {
		(void)relay_exec_start(w.relay, &startup);
		run_steps(&w, data, size);
	}
	relay_free(w.relay);
	loop_free(w.loop);
	for (int i = 0; i < 2; i++)
		if (w.peer[i] >= 0)
			(void)close(w.peer[i]);
	return 0;
}
