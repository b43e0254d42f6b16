/* SPDX-License-Identifier: Apache-2.0 */
/* The DNS messages that are written here: queries, statuses, addresses. */
#include <string.h>

#include "base/bytes.h"
#include "net/dns_msg.h"

/* A compressed name: what stands at the question's place. */
#define POINTER_TO_QUESTION (0xc000u | DNS_HEADER)

static void put_header(uint8_t *p, uint16_t id, uint16_t flags,
		       uint16_t questions, uint16_t answers)
{
	memset(p, 0, DNS_HEADER);
	be16_put(p, id);
	be16_put(p + 2, flags);
	be16_put(p + 4, questions);
	be16_put(p + 6, answers);
}

size_t dns_query_write(uint8_t ret[DNS_LOCAL_MAX], uint16_t id,
		       const struct dns_name *name, uint16_t type)
{
	uint8_t *p = ret + DNS_HEADER;

	put_header(ret, id, DNS_FLAG_RD, 1, 0);
	memcpy(p, name->wire, name->len);
	p += name->len;
	be16_put(p, type);
	be16_put(p + 2, DNS_CLASS_IN);
	return (size_t)(p + 4 - ret);
}

/* Header and, as it came, the question. */
static size_t begin(uint8_t *ret, const uint8_t *msg,
		    const struct dns_request *r, bool with_question,
		    uint16_t flags)
{
	size_t len = with_question ? r->question.end - DNS_HEADER : 0;

	flags |= DNS_FLAG_QR | DNS_FLAG_RA;
	flags |= r->header.flags & (DNS_FLAG_OPCODE | DNS_FLAG_RD);
	put_header(ret, r->header.id, flags, with_question, 0);
	memcpy(ret + DNS_HEADER, msg + DNS_HEADER, len);
	return DNS_HEADER + len;
}

size_t dns_status_write(uint8_t ret[DNS_LOCAL_MAX], const uint8_t *msg,
			const struct dns_request *r, bool with_question,
			enum dns_rcode rcode)
{
	return begin(ret, msg, r, with_question, (uint16_t)rcode);
}

size_t dns_address_write(uint8_t ret[DNS_LOCAL_MAX], const uint8_t *msg,
			 const struct dns_request *r, const struct net_addr *a,
			 uint32_t ttl_s)
{
	size_t len = begin(ret, msg, r, true, DNS_FLAG_AA);
	size_t addr_len = a && a->family == AF_INET ? 4 : 16;
	uint8_t *p = ret + len;

	if (!a)
		return len;
	be16_put(ret + 6, 1);
	be16_put(p, POINTER_TO_QUESTION);
	be16_put(p + 2, r->question.type);
	be16_put(p + 4, DNS_CLASS_IN);
	be32_put(p + 6, ttl_s);
	be16_put(p + 10, (uint16_t)addr_len);
	memcpy(p + 12, a->b, addr_len);
	return len + 12 + addr_len;
}

size_t dns_truncate(uint8_t *msg, size_t len)
{
	struct dns_question q;

	be16_put(msg + 2, be16_get(msg + 2) | DNS_FLAG_TC);
	memset(msg + 6, 0, 6);
	if (be16_get(msg + 4) != 1 || dns_question_read(msg, len, &q)) {
		be16_put(msg + 4, 0);
		return DNS_HEADER;
	}
	return q.end;
}
