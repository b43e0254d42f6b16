/* SPDX-License-Identifier: Apache-2.0 */
/* Messages against frames written by hand, for the tests of both directions. */
#ifndef MSB_TEST_PROTOCOL_MSGWIRE_H
#define MSB_TEST_PROTOCOL_MSGWIRE_H

#include "protocol/frame.h"
#include "protocol/msg.h"

#define V(text) view_cstr(text)

struct fixture {
	struct buf payload, frame;
	uint8_t wire[512];
	size_t wire_len;
	struct envelope env;
	uint8_t scratch_data[512];
	struct cbor_scratch scratch;
};

int wire_setup(void **state);
int wire_teardown(void **state);
#define WIRE_TEST(f)                                                           \
	cmocka_unit_test_setup_teardown(f, wire_setup, wire_teardown)

/* Decode the frame around the vector; the payload is left in f->env. */
void wire_in(struct fixture *f, const char *hex, uint32_t id, uint8_t flags,
	     const char *type);
/* f->payload in a frame must give the bytes of the last wire_in. */
void wire_out(struct fixture *f, uint32_t id, unsigned generation,
	      const char *type);

#endif
