/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a guest or its relay sends to a client that speaks the protocol
 * itself. The first byte says how it is cut into pieces. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/agent_int.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"

#define INPUT_MAX (1u << 20)
#define FIRST 1u
#define STREAMS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static msb_agent_t *client(void)
{
	static const struct msg_ready ready = { .boot_time_ns = 1 };
	struct buf out, payload;
	struct agent_client c;
	uint8_t range[8];
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return NULL;
	be32_put(range, FIRST);
	be32_put(range + 4, FIRST + 100);
	buf_init(&out, 4096);
	buf_init(&payload, 256);
	msg_encode_ready(&payload, &ready);
	(void)buf_append(&out, range, sizeof(range));
	(void)frame_put(&out, 0, PROTO_GENERATION, MSG_T_READY, &payload);
	(void)io_write_full(fds[0], buf_data(&out), buf_len(&out));
	buf_fini(&payload);
	buf_fini(&out);
	rc = agent_open(fds[1], clock_mono_ms() + 10000, &c, NULL);
	(void)close(fds[0]);
	return rc ? NULL : agent_new(&c);
}

/* Read every byte that is lent. */
static void touch(const void *p, size_t len)
{
	volatile unsigned sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += ((const uint8_t *)p)[i];
}

static void drain(msb_agent_stream_t *st)
{
	msb_agent_frame_t f = { .struct_size = sizeof(f) };

	while (msb_agent_stream_next(st, 0, &f, NULL) == 1) {
		msb_agent_message_t m = { .struct_size = sizeof(m) };

		touch(f.body, f.len);
		if (!msb_agent_decode(f.body, f.len, &m, NULL)) {
			touch(m.type, m.type_len);
			touch(m.payload, m.payload_len);
		}
		msb_agent_frame_clear(&f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	msb_agent_stream_t *st[STREAMS] = { 0 };
	msb_agent_t *a;
	size_t piece;
	struct buf in;

	if (len < 1 || len > INPUT_MAX || !(a = client()))
		return 0;
	piece = (size_t)data[0] * data[0] + 1;
	buf_init(&in, FRAME_BUF_MAX + INPUT_MAX);
	for (size_t i = 0; i < STREAMS; i++)
		(void)agent_stream_new(a, &st[i], NULL);
	if (st[2]) { /* nobody waits for it any more */
		agent_stream_drop(st[2], true);
		agent_unref(a);
	}
	for (size_t at = 1; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;

		(void)buf_append(&in, data + at, n);
		agent_deliver(a, &in);
		if (st[0])
			drain(st[0]);
	}
	for (size_t i = 0; i < 2; i++)
		if (st[i]) {
			drain(st[i]);
			msb_agent_stream_free(st[i]);
		}
	buf_fini(&in);
	agent_unref(a);
	return 0;
}
