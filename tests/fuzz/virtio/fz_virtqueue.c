/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile driver: the input is the whole of guest memory, rings included.
 * Input: flags:1 size_log2:1 last_avail:2 desc:2 avail:2 used:2, then memory.
 * Every byte of every chain that vq_pop accepts is read or written.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "virtio/virtqueue.h"

#define HEAD 10
#define GPA 0x1000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count(struct virtqueue *vq)
{
	(*(unsigned *)vq->notify_ctx)++;
}

static void serve(struct virtqueue *vq)
{
	static struct iovec iov[VQ_MAX_IOV];
	uint8_t byte = 0;
	struct vq_chain c;

	for (unsigned i = 0; i < 2u * VQ_MAX_SIZE; i++) {
		if (vq_pop(vq, iov, &c) <= 0)
			break;
		for (unsigned k = 0; k < c.nread; k++)
			byte ^= ((uint8_t *)c.readable[k]
					 .iov_base)[c.readable[k].iov_len - 1];
		for (unsigned k = 0; k < c.nwrite; k++)
			((uint8_t *)c.writable[k]
				 .iov_base)[c.writable[k].iov_len - 1] ^= byte;
		vq_push(vq, &c, (uint32_t)c.write_len);
		vq_signal(vq);
	}
	(void)vq_enable_kick(vq);
	vq_disable_kick(vq);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest_memory m = { .nregions = 0 };
	struct gmem_region r = { .gpa = GPA, .user = GPA };
	struct vq_rings rings;
	unsigned notified = 0;
	struct virtqueue vq = { .notify = count, .notify_ctx = &notified };
	uint8_t *mem;

	if (size <= HEAD || size > 1 << 16)
		return 0;
	vq.event_idx = data[0] & 1;
	vq.indirect = data[0] & 2;
	rings.desc = GPA + (uint64_t)le16_get(data + 4);
	rings.avail = GPA + (uint64_t)le16_get(data + 6);
	rings.used = GPA + (uint64_t)le16_get(data + 8);
	/* of exactly the size, so that the sanitizer sees the ends */
	if (posix_memalign((void **)&mem, 16, size - HEAD))
		return 0;
	memcpy(mem, data + HEAD, size - HEAD);
	r.host = mem;
	r.len = size - HEAD;
	(void)gmem_add(&m, &r);
	if (vq_start(&vq, &m, (uint16_t)(1u << (data[1] & 15)),
		     le16_get(data + 2), &rings, gmem_range) == 0) {
		serve(&vq);
		vq_stop(&vq);
	}
	free(mem);
	return 0;
}
