/* SPDX-License-Identifier: Apache-2.0 */
/* One frame of the guest: the first byte says what it leaves to us. */
#include <stdlib.h>

#include "base/iov.h"
#include "net/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct net_offload o = { 0 };
	struct iovec iov[3];
	struct packet p;
	size_t a, b;

	if (size < 2)
		return 0;
	o.needs_csum = data[0] & 1;
	o.csum_start = ETH_HEADER + (data[0] & 2 ? IP6_HEADER : IP4_HEADER);
	o.csum_offset = data[0] & 4 ? 6 : 16;
	a = data[1] % size;
	data += 2;
	size -= 2;
	a = a < size ? a : size;
	b = (size - a) / 2;
	iov[0] = (struct iovec){ (void *)data, a };
	iov[1] = (struct iovec){ (void *)(data + a), b };
	iov[2] = (struct iovec){ (void *)(data + a + b), size - a - b };
	if (packet_parse(iov, 3, &o, &p))
		return 0;
	if (p.payload_off > size || p.payload_len > size - p.payload_off ||
	    p.l4_off > size || p.ip_off + p.ip_len > size)
		abort();
	return 0;
}
