/* SPDX-License-Identifier: Apache-2.0 */
/* A stream of frames, taken apart as a peer would. */
#include <stdlib.h>

#include "protocol/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t scratch[FRAME_LEN_MAX];
	struct envelope e;
	struct frame f;

	while (frame_parse(data, size, &f) == 1) {
		struct cbor_scratch s;
		struct buf again;

		if (f.raw.len > size ||
		    f.body.len + FRAME_HEAD_SIZE != f.raw.len)
			abort();
		cbor_scratch_init(&s, scratch, f.body.len);
		(void)envelope_parse(f.body, &s, &e);
		buf_init(&again, FRAME_BUF_MAX);
		if (frame_put_raw(&again, f.id, f.flags, f.body.p,
				  f.body.len) ||
		    buf_len(&again) != f.raw.len)
			abort();
		buf_fini(&again);
		data += f.raw.len;
		size -= f.raw.len;
	}
	return 0;
}
