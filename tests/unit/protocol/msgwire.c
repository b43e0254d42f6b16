/* SPDX-License-Identifier: Apache-2.0 */
/* Frames written by hand: the fixture. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "msgwire.h"

int wire_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	buf_init(&f->payload, FRAME_LEN_MAX);
	buf_init(&f->frame, FRAME_BUF_MAX);
	*state = f;
	return 0;
}

int wire_teardown(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->payload);
	buf_fini(&f->frame);
	free(f);
	return 0;
}

void wire_in(struct fixture *f, const char *hex, uint32_t id, uint8_t flags,
	     const char *type)
{
	struct frame frame;

	f->wire_len = strlen(hex) / 2;
	assert_true(f->wire_len <= sizeof(f->wire));
	for (size_t i = 0; i < f->wire_len; i++) {
		unsigned byte;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		f->wire[i] = (uint8_t)byte;
	}
	assert_int_equal(frame_parse(f->wire, f->wire_len, &frame), 1);
	assert_int_equal(frame.raw.len, f->wire_len);
	assert_int_equal(frame.id, id);
	assert_int_equal(frame.flags, flags);
	cbor_scratch_init(&f->scratch, f->scratch_data,
			  sizeof(f->scratch_data));
	assert_int_equal(envelope_parse(frame.body, &f->scratch, &f->env), 0);
	assert_true(view_is(f->env.type, type));
}

void wire_out(struct fixture *f, uint32_t id, unsigned generation,
	      const char *type)
{
	assert_int_equal(
		frame_put(&f->frame, id, generation, type, &f->payload), 0);
	assert_int_equal(buf_len(&f->frame), f->wire_len);
	assert_memory_equal(buf_data(&f->frame), f->wire, f->wire_len);
	buf_reset(&f->frame);
	buf_reset(&f->payload);
}
