/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing vhost-user messages. */
#include "virtio/transport/vhost_user_msg.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/io.h"

/*
 * Never more than to the end of the current part, so descriptors of the next
 * message cannot arrive with this one.
 */
static int read_part(struct vu_reader *r, int sock, uint8_t *part, size_t start,
		     size_t len)
{
	struct vu_msg *m = &r->msg;

	while (r->got < start + len) {
		size_t nfds = 0;
		ssize_t n = io_recv_fds(sock, part + (r->got - start),
					start + len - r->got, m->fds + m->nfds,
					VU_MAX_FDS - m->nfds, &nfds);

		if (n < 0)
			return (int)n;
		m->nfds += nfds;
		if (n == 0)
			return r->got ? -EPROTO : 0;
		r->got += (size_t)n;
	}
	return 1;
}

static int parse_header(struct vu_reader *r)
{
	struct vu_msg *m = &r->msg;

	m->request = le32_get(r->header);
	m->flags = le32_get(r->header + 4);
	m->size = le32_get(r->header + 8);
	if ((m->flags & VU_VERSION_MASK) != VU_VERSION ||
	    (m->flags & VU_FLAG_REPLY) || m->size > VU_MAX_PAYLOAD)
		return -EPROTO;
	return 0;
}

int vu_reader_fill(struct vu_reader *r, int sock)
{
	int rc;

	if (r->got < VU_HEADER_LEN) {
		rc = read_part(r, sock, r->header, 0, VU_HEADER_LEN);
		if (rc <= 0)
			return rc;
		rc = parse_header(r);
		if (rc)
			return rc;
	}
	return read_part(r, sock, r->msg.payload, VU_HEADER_LEN, r->msg.size);
}

void vu_reader_next(struct vu_reader *r)
{
	for (size_t i = 0; i < r->msg.nfds; i++)
		close_fd(&r->msg.fds[i]);
	r->msg.nfds = 0;
	r->got = 0;
}

int vu_send_reply(int sock, uint32_t request, const struct vu_reply *reply)
{
	uint8_t out[VU_HEADER_LEN + sizeof(reply->payload)];
	size_t len = VU_HEADER_LEN + reply->size;
	ssize_t n;

	le32_put(out, request);
	le32_put(out + 4, VU_VERSION | VU_FLAG_REPLY);
	le32_put(out + 8, reply->size);
	memcpy(out + VU_HEADER_LEN, reply->payload, reply->size);
	n = io_send_fds(sock, out, len, NULL, 0);
	if (n < 0 && n != -EAGAIN)
		return (int)n;
	return n == (ssize_t)len ? 0 : -EPIPE;
}
