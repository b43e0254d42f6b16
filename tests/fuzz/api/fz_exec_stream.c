/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a guest sends to a client that runs a command in it. */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/exec_int.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define INPUT_MAX 65536u /* fits the socket's buffer */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void greet(int fd)
{
	static const struct msg_ready ready = { .boot_time_ns = 1 };
	struct buf out, payload;
	uint8_t range[8];

	be32_put(range, 1);
	be32_put(range + 4, 100);
	buf_init(&out, 4096);
	buf_init(&payload, 256);
	msg_encode_ready(&payload, &ready);
	(void)buf_append(&out, range, sizeof(range));
	(void)frame_put(&out, 0, PROTO_GENERATION, MSG_T_READY, &payload);
	(void)io_write_full(fd, buf_data(&out), buf_len(&out));
	buf_fini(&payload);
	buf_fini(&out);
}

/* Read every byte an event lends. */
static unsigned touch(const msb_exec_event_t *ev)
{
	unsigned sum = 0;

	for (size_t i = 0; i < ev->len; i++)
		sum += ((const uint8_t *)ev->data)[i];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	msb_exec_t *x;
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	volatile unsigned sum = 0;
	msb_error_t *e = NULL;
	int fds[2], rc;

	if (len > INPUT_MAX || exec_new("box", "cmd", &x))
		return 0;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
		msb_exec_free(x);
		return 0;
	}
	greet(fds[0]);
	(void)io_write_full(fds[0], data, len);
	(void)close(fds[0]);
	rc = agent_open(fds[1], clock_mono_ms() + 10000, &x->c, NULL);
	if (!rc)
		rc = exec_connected(x, NULL);
	if (!rc)
		rc = agent_id_new(&x->c, &x->id);
	while (!rc && ev.kind != MSB_EXEC_EXITED) {
		rc = msb_exec_next(x, -1, &ev, &e);
		if (!rc)
			sum += touch(&ev);
	}
	if (e)
		sum += (unsigned)strlen(msb_error_text(e));
	msb_error_free(e);
	msb_exec_free(x);
	return 0;
}
