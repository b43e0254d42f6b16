/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the vhost-user protocol, as bytes and descriptors. */
#ifndef MSB_VIRTIO_TRANSPORT_VHOST_USER_MSG_H
#define MSB_VIRTIO_TRANSPORT_VHOST_USER_MSG_H

#include <stddef.h>
#include <stdint.h>

#define VU_HEADER_LEN 12u
#define VU_MAX_PAYLOAD 512u /* the largest we know takes 268 */
#define VU_MAX_FDS 8u

#define VU_VERSION 1u
#define VU_VERSION_MASK 3u
#define VU_FLAG_REPLY 4u
#define VU_FLAG_NEED_REPLY 8u

/* Lengths of payloads and of their parts. */
#define VU_U64_LEN 8u
#define VU_STATE_LEN 8u
#define VU_ADDR_LEN 40u
#define VU_MEM_HEAD_LEN 8u
#define VU_REGION_LEN 32u
#define VU_CONFIG_HEAD_LEN 12u
#define VU_CONFIG_MAX 256u

enum vu_request {
	VU_GET_FEATURES = 1,
	VU_SET_FEATURES = 2,
	VU_SET_OWNER = 3,
	VU_RESET_OWNER = 4,
	VU_SET_MEM_TABLE = 5,
	VU_SET_VRING_NUM = 8,
	VU_SET_VRING_ADDR = 9,
	VU_SET_VRING_BASE = 10,
	VU_GET_VRING_BASE = 11,
	VU_SET_VRING_KICK = 12,
	VU_SET_VRING_CALL = 13,
	VU_SET_VRING_ERR = 14,
	VU_GET_PROTOCOL_FEATURES = 15,
	VU_SET_PROTOCOL_FEATURES = 16,
	VU_GET_QUEUE_NUM = 17,
	VU_SET_VRING_ENABLE = 18,
	VU_SET_BACKEND_REQ_FD = 21,
	VU_GET_CONFIG = 24,
	VU_SET_CONFIG = 25,
	VU_RESET_DEVICE = 34,
	VU_REQUEST_LIMIT,
};

/* Our own requests, on the socket from SET_BACKEND_REQ_FD. */
#define VU_BACKEND_CONFIG_CHANGED 2u

#define VU_F_PROTOCOL_FEATURES (1ull << 30)
#define VU_PROTOCOL_F_MQ (1ull << 0)
#define VU_PROTOCOL_F_REPLY_ACK (1ull << 3)
#define VU_PROTOCOL_F_BACKEND_REQ (1ull << 5)
#define VU_PROTOCOL_F_CONFIG (1ull << 9)
#define VU_PROTOCOL_F_RESET_DEVICE (1ull << 13)

/* SET_VRING_KICK and its kin: queue index, and "no descriptor comes along". */
#define VU_VRING_INDEX_MASK 0xffull
#define VU_VRING_NO_FD (1ull << 8)

struct vu_msg {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
	uint8_t payload[VU_MAX_PAYLOAD];
	int fds[VU_MAX_FDS]; /* owned; -1 once taken */
	size_t nfds;
};

/* A payload to send back. */
struct vu_reply {
	uint32_t size;
	uint8_t payload[VU_CONFIG_HEAD_LEN + VU_CONFIG_MAX];
};

/* Collects one message from a non-blocking socket, byte by byte if need be. */
struct vu_reader {
	uint8_t header[VU_HEADER_LEN];
	size_t got; /* of header and payload together */
	struct vu_msg msg;
};

/*
 * 1: reader->msg is complete, and stays the reader's until vu_reader_next();
 * -EAGAIN: not yet; 0: end of stream; -EPROTO: header out of bounds, or the
 * stream ends inside a message; else -errno.
 */
int vu_reader_fill(struct vu_reader *r, int sock);
/* Start on the next message; closes descriptors nobody took. */
void vu_reader_next(struct vu_reader *r);

/* Send the answer to a request, as far as the socket takes it at once; a peer
 * that does not read its answers is an error: -EPIPE. */
int vu_send_reply(int sock, uint32_t request, const struct vu_reply *reply);

#endif
