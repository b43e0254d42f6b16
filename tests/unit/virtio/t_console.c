/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-console: port set-up, kernel log, agent stream with back-pressure. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "frontend.h"
#include "virtio/dev/console.h"

#define MULTIPORT 2u /* VIRTIO_CONSOLE_F_MULTIPORT, as a mask */
#define BUFFER 4096u

enum { LOG_IN, LOG_OUT, CONTROL_IN, CONTROL_OUT, AGENT_IN, AGENT_OUT };
enum {
	DEVICE_READY,
	PORT_ADD,
	PORT_REMOVE,
	PORT_READY,
	CONSOLE_PORT,
	RESIZE,
	PORT_OPEN,
	PORT_NAME
};

struct fixture {
	struct frontend fe;
	struct vconsole *c;
	struct buf log, data;
	size_t take; /* what on_data accepts from now on */
	unsigned opened, closed, writable;
	bool echo;
};

static void on_console(void *ctx, const void *data, size_t len)
{
	struct fixture *f = ctx;

	assert_int_equal(buf_append(&f->log, data, len), 0);
}

static size_t on_data(void *ctx, const void *data, size_t len)
{
	struct fixture *f = ctx;
	size_t n = len < f->take ? len : f->take;

	f->take -= n;
	assert_int_equal(buf_append(&f->data, data, n), 0);
	if (f->echo)
		assert_int_equal(vconsole_write(f->c, data, n), n);
	return n;
}

static void on_writable(void *ctx)
{
	((struct fixture *)ctx)->writable++;
}

static void on_open(void *ctx, bool open)
{
	struct fixture *f = ctx;

	if (open)
		f->opened++;
	else
		f->closed++;
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const struct vconsole_events events = { .ctx = f,
						.on_console = on_console,
						.on_data = on_data,
						.on_writable = on_writable,
						.on_open = on_open };

	assert_non_null(f);
	buf_init(&f->log, 16 << 20);
	buf_init(&f->data, 16 << 20);
	f->take = SIZE_MAX;
	assert_int_equal(vconsole_new(&events, &f->c), 0);
	fe_open(&f->fe, vconsole_device(f->c), 0);
	fe_negotiate(&f->fe, MULTIPORT);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	fe_close(&f->fe);
	f->c = vconsole_free(f->c);
	buf_fini(&f->log);
	buf_fini(&f->data);
	free(f);
	return 0;
}

static uint64_t post_in(struct fixture *f, unsigned q, uint32_t len)
{
	struct drv_seg seg = { drv_alloc(&f->fe.mem, len), len, true };

	drv_add(&f->fe.q[q], &seg, 1, false);
	fe_kick(&f->fe, q);
	return seg.gpa;
}

static void send_out(struct fixture *f, unsigned q, const void *data,
		     size_t len)
{
	struct drv_seg seg = { drv_alloc(&f->fe.mem, len), (uint32_t)len,
			       false };

	memcpy(drv_ptr(&f->fe.mem, seg.gpa), data, len);
	drv_add(&f->fe.q[q], &seg, 1, false);
	fe_kick(&f->fe, q);
	fe_pump(&f->fe);
}

static void send_control(struct fixture *f, uint32_t port, uint16_t event,
			 uint16_t value)
{
	uint8_t msg[8];

	le32_put(msg, port);
	le16_put(msg + 4, event);
	le16_put(msg + 6, value);
	send_out(f, CONTROL_OUT, msg, sizeof(msg));
}

static void expect_control(struct fixture *f, uint64_t at, uint32_t port,
			   uint16_t event, uint32_t want_len)
{
	const uint8_t *msg = drv_ptr(&f->fe.mem, at);
	uint32_t id, len;

	assert_true(drv_used(&f->fe.q[CONTROL_IN], &id, &len));
	assert_int_equal(len, want_len);
	assert_int_equal(le32_get(msg), port);
	assert_int_equal(le16_get(msg + 4), event);
	assert_int_equal(le16_get(msg + 6), 1);
}

/* Until the agent's port is open on both sides. */
static void boot(struct fixture *f)
{
	uint64_t in[6];

	for (unsigned i = 0; i < 6; i++)
		fe_queue(&f->fe, i, 16, true);
	for (unsigned i = 0; i < 3; i++)
		in[i] = post_in(f, CONTROL_IN, BUFFER);
	send_control(f, UINT32_MAX, DEVICE_READY, 1);
	expect_control(f, in[0], 0, PORT_ADD, 8);
	expect_control(f, in[1], 1, PORT_ADD, 8);
	send_control(f, 0, PORT_READY, 1);
	send_control(f, 1, PORT_READY, 1);
	expect_control(f, in[2], 0, CONSOLE_PORT, 8);
	/* the rest waits for buffers */
	for (unsigned i = 3; i < 6; i++)
		in[i] = post_in(f, CONTROL_IN, BUFFER);
	fe_pump(&f->fe);
	expect_control(f, in[3], 0, PORT_OPEN, 8);
	expect_control(f, in[4], 1, PORT_NAME, 13);
	assert_memory_equal(drv_ptr(&f->fe.mem, in[4] + 8), "agent", 5);
	expect_control(f, in[5], 1, PORT_OPEN, 8);
	send_control(f, 0, PORT_OPEN, 1);
	assert_int_equal(f->opened, 0);
	assert_int_equal(vconsole_write(f->c, "early", 5), 0);
	send_control(f, 1, PORT_OPEN, 1);
	assert_int_equal(f->opened, 1);
}

static void ports_are_announced_and_opened(void **state)
{
	struct fixture *f = *state;

	boot(f);
	send_control(f, 1, PORT_OPEN, 0);
	assert_int_equal(f->closed, 1);
	send_control(f, 1, PORT_OPEN, 1);
	assert_int_equal(f->opened, 2);
	assert_int_equal(f->fe.faults, 0);
}

static void the_kernel_log_arrives(void **state)
{
	struct fixture *f = *state;

	boot(f);
	send_out(f, LOG_OUT, "one ", 4);
	send_out(f, LOG_OUT, "two", 3);
	assert_string_equal(buf_cstr(&f->log), "one two");
	assert_int_equal(fe_interrupts(&f->fe, LOG_OUT), 2);
}

static void bytes_to_the_agent_fill_its_buffers(void **state)
{
	struct fixture *f = *state;
	uint64_t a, b;
	uint32_t id, len;

	boot(f);
	assert_int_equal(vconsole_write(f->c, "xx", 2), 0);
	assert_int_equal(f->writable, 0);
	a = post_in(f, AGENT_IN, 4);
	fe_pump(&f->fe);
	assert_int_equal(f->writable, 1);
	b = post_in(f, AGENT_IN, 4);
	fe_pump(&f->fe);
	assert_int_equal(f->writable, 1); /* nobody waits */
	assert_int_equal(vconsole_write(f->c, "0123456789", 10), 8);
	assert_true(drv_used(&f->fe.q[AGENT_IN], &id, &len));
	assert_int_equal(len, 4);
	assert_true(drv_used(&f->fe.q[AGENT_IN], &id, &len));
	assert_int_equal(len, 4);
	assert_memory_equal(drv_ptr(&f->fe.mem, a), "0123", 4);
	assert_memory_equal(drv_ptr(&f->fe.mem, b), "4567", 4);
	(void)post_in(f, AGENT_IN, 4);
	fe_pump(&f->fe);
	assert_int_equal(f->writable, 2);
	assert_int_equal(vconsole_write(f->c, "89", 2), 2);
	assert_true(drv_used(&f->fe.q[AGENT_IN], &id, &len));
	assert_int_equal(len, 2);
}

static void what_is_not_taken_stays_in_the_guest(void **state)
{
	struct fixture *f = *state;
	uint32_t id, len;

	boot(f);
	f->take = 6;
	send_out(f, AGENT_OUT, "abcd", 4);
	send_out(f, AGENT_OUT, "efgh", 4);
	send_out(f, AGENT_OUT, "ijkl", 4);
	assert_string_equal(buf_cstr(&f->data), "abcdef");
	assert_true(drv_used(&f->fe.q[AGENT_OUT], &id, &len));
	assert_false(drv_used(&f->fe.q[AGENT_OUT], &id, &len));
	f->take = 1;
	vconsole_resume(f->c);
	assert_string_equal(buf_cstr(&f->data), "abcdef"); /* not inside */
	fe_pump(&f->fe);
	assert_string_equal(buf_cstr(&f->data), "abcdefg");
	f->take = 100;
	vconsole_resume(f->c);
	fe_pump(&f->fe);
	assert_string_equal(buf_cstr(&f->data), "abcdefghijkl");
	assert_true(drv_used(&f->fe.q[AGENT_OUT], &id, &len));
	assert_true(drv_used(&f->fe.q[AGENT_OUT], &id, &len));
}

static void a_new_memory_table_loses_and_repeats_nothing(void **state)
{
	struct fixture *f = *state;

	boot(f);
	f->take = 2;
	send_out(f, AGENT_OUT, "abcd", 4);
	assert_int_equal(fe_set_memory(&f->fe), 0);
	f->take = 100;
	vconsole_resume(f->c);
	fe_pump(&f->fe);
	assert_string_equal(buf_cstr(&f->data), "abcd");
	assert_int_equal(f->closed, 0);
}

static void receivers_may_write_while_they_read(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg[2];
	uint32_t id, len;

	boot(f);
	f->echo = true;
	for (unsigned i = 0; i < 4; i++)
		(void)post_in(f, AGENT_IN, 30000);
	/* more than one chunk, in two buffers */
	seg[0] = (struct drv_seg){ drv_alloc(&f->fe.mem, 30000), 30000, false };
	seg[1] = (struct drv_seg){ drv_alloc(&f->fe.mem, 30000), 30000, false };
	memset(drv_ptr(&f->fe.mem, seg[0].gpa), 'a', 30000);
	memset(drv_ptr(&f->fe.mem, seg[1].gpa), 'b', 30000);
	drv_add(&f->fe.q[AGENT_OUT], seg, 2, true);
	fe_kick(&f->fe, AGENT_OUT);
	fe_pump(&f->fe);
	assert_int_equal(buf_len(&f->data), 60000);
	assert_int_equal(buf_data(&f->data)[29999], 'a');
	assert_int_equal(buf_data(&f->data)[30000], 'b');
	assert_int_equal(buf_data(&f->data)[59999], 'b');
	while (drv_used(&f->fe.q[AGENT_IN], &id, &len))
		;
	assert_int_equal(f->fe.faults, 0);
}

static void much_output_is_served_over_several_turns(void **state)
{
	struct fixture *f = *state;
	struct drv_seg seg = { 0, 1u << 20, false };

	boot(f);
	seg.gpa = drv_alloc(&f->fe.mem, seg.len);
	for (unsigned i = 0; i < 8; i++)
		drv_add(&f->fe.q[LOG_OUT], &seg, 1, false);
	fe_kick(&f->fe, LOG_OUT);
	assert_int_equal(loop_turn(f->fe.loop, 1000), 0);
	assert_true(buf_len(&f->log) < 8u << 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(loop_turn(f->fe.loop, 0), 0);
	assert_int_equal(buf_len(&f->log), 8u << 20);
}

static void a_reset_closes_the_agents_port(void **state)
{
	struct fixture *f = *state;

	boot(f);
	f->take = 0;
	send_out(f, AGENT_OUT, "abcd", 4);
	assert_int_equal(fe_ack(&f->fe, VU_RESET_DEVICE, NULL, 0, NULL, 0), 0);
	assert_int_equal(f->closed, 1);
	assert_int_equal(vconsole_write(f->c, "x", 1), 0);
	vconsole_resume(f->c);
	fe_pump(&f->fe);
	f->take = SIZE_MAX;
	f->opened = 0;
	boot(f);
	send_out(f, AGENT_OUT, "fresh", 5);
	assert_string_equal(buf_cstr(&f->data), "fresh");
}

struct bad {
	unsigned queue;
	struct drv_seg seg;
};

static void malformed_requests_fault_the_device(void **state)
{
	static const struct bad bad[] = {
		{ CONTROL_OUT, { 0, 7, false } }, /* short */
		{ CONTROL_OUT, { 0, 8, true } },  /* wrong way round */
		{ CONTROL_IN, { 0, 8, true } },	  /* no room for a name */
		{ CONTROL_IN, { 0, 64, false } }, { AGENT_OUT, { 0, 8, true } },
		{ AGENT_IN, { 0, 8, false } },	  { LOG_OUT, { 0, 64, true } },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct drv_seg seg = bad[i].seg;

		fe_reconnect(&f->fe, vconsole_device(f->c), 0);
		fe_negotiate(&f->fe, MULTIPORT);
		assert_int_equal(fe_set_memory(&f->fe), 0);
		f->fe.faults = 0;
		f->opened = 0;
		boot(f);
		seg.gpa = drv_alloc(&f->fe.mem, seg.len);
		drv_add(&f->fe.q[bad[i].queue], &seg, 1, false);
		if (bad[i].queue == CONTROL_IN)
			send_control(f, 1, PORT_READY, 1);
		if (bad[i].queue == AGENT_IN)
			assert_int_equal(vconsole_write(f->c, "x", 1), 0);
		fe_kick(&f->fe, bad[i].queue);
		fe_wait(&f->fe, &f->fe.faults, 1);
		assert_int_equal(vconsole_write(f->c, "x", 1), 0);
	}
}

static void odd_control_messages_are_ignored(void **state)
{
	struct fixture *f = *state;

	boot(f);
	send_control(f, 2, PORT_OPEN, 1);
	send_control(f, UINT32_MAX, PORT_READY, 1);
	send_control(f, 1, 4711, 1);
	send_control(f, 1, PORT_NAME, 1);
	assert_int_equal(f->opened, 1);
	assert_int_equal(f->fe.faults, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(ports_are_announced_and_opened),
		T(the_kernel_log_arrives),
		T(bytes_to_the_agent_fill_its_buffers),
		T(what_is_not_taken_stays_in_the_guest),
		T(a_new_memory_table_loses_and_repeats_nothing),
		T(receivers_may_write_while_they_read),
		T(much_output_is_served_over_several_turns),
		T(a_reset_closes_the_agents_port),
		T(malformed_requests_fault_the_device),
		T(odd_control_messages_are_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
