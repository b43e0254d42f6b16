/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of servers: whether they fit, and the addresses in them. */
#include "net/dns_answer.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/compiler.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

/* Start reading the records of a message that dns_answer_check() liked. */
static bool open_answer(const uint8_t *msg, size_t len, struct dns_header *h,
			struct dns_question *q, struct dns_reader *r)
{
	if (dns_header_read(msg, len, h) || h->questions != 1 ||
	    dns_question_read(msg, len, q))
		return false;
	dns_reader_init(r, msg, len, q->end, h);
	return true;
}

/* An address record as one; false for any other. */
static bool record_addr(const uint8_t *msg, const struct dns_record *rec,
			struct net_addr *ret)
{
	*ret = (struct net_addr){ 0 };
	if (rec->type == DNS_A && rec->data_len == 4)
		ret->family = AF_INET;
	else if (rec->type == DNS_AAAA && rec->data_len == 16)
		ret->family = AF_INET6;
	else
		return false;
	memcpy(ret->b, msg + rec->data, rec->data_len);
	return true;
}

static bool record_sound(const struct dns_record *rec)
{
	if (rec->class != DNS_CLASS_IN)
		return true;
	return (rec->type != DNS_A || rec->data_len == 4) &&
	       (rec->type != DNS_AAAA || rec->data_len == 16);
}

/* Failures may come without the question. */
static bool is_bare_failure(const struct dns_header *h, size_t len)
{
	return len == DNS_HEADER && !h->questions && !h->answers &&
	       !h->authorities && !h->extras &&
	       (h->flags & DNS_FLAG_RCODE) != DNS_NOERROR;
}

int dns_answer_check(const uint8_t *query, size_t query_len, const uint8_t *msg,
		     size_t len)
{
	struct dns_header asked, h;
	struct dns_question wanted, q;
	struct dns_reader r;
	struct dns_record rec;
	int rc;

	if (dns_header_read(query, query_len, &asked) ||
	    dns_question_read(query, query_len, &wanted) ||
	    dns_header_read(msg, len, &h) || h.id != asked.id ||
	    !(h.flags & DNS_FLAG_QR) ||
	    (h.flags ^ asked.flags) & DNS_FLAG_OPCODE)
		return 0;
	if (is_bare_failure(&h, len))
		return (int)len;
	if (!open_answer(msg, len, &h, &q, &r) || q.type != wanted.type ||
	    q.class != wanted.class || !dns_name_equal(&q.name, &wanted.name))
		return 0;
	while ((rc = dns_reader_next(&r, &rec)) > 0)
		if (!record_sound(&rec))
			return -EBADMSG;
	return rc ? rc : (int)r.pos;
}

/* --- addresses that are nobody's in public --- */

static const struct {
	uint8_t b[16];
	uint8_t prefix;
} inner4[] = {
	{ { 0 }, 8 },
	{ { 10 }, 8 },
	{ { 100, 64 }, 10 },
	{ { 127 }, 8 },
	{ { 169, 254 }, 16 },
	{ { 172, 16 }, 12 },
	{ { 192, 0, 0 }, 24 },
	{ { 192, 0, 2 }, 24 },
	{ { 192, 88, 99 }, 24 },
	{ { 192, 168 }, 16 },
	{ { 198, 18 }, 15 },
	{ { 198, 51, 100 }, 24 },
	{ { 203, 0, 113 }, 24 },
	{ { 224 }, 4 },
	{ { 240 }, 4 },
}, inner6[] = {
	{ { 0 }, 127 }, /* unspecified, loopback */
	{ { 0xfc }, 7 },
	{ { 0xfe, 0x80 }, 10 },
	{ { 0xfe, 0xc0 }, 10 },
	{ { 0xff }, 8 },
	{ { 0x01, 0x00 }, 64 },
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48 },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32 },
	{ { 0x3f, 0xff }, 20 },
};

static bool has_prefix(const uint8_t *addr, const uint8_t *net, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	uint8_t mask = (uint8_t)(0xff00u >> rest);

	return !memcmp(addr, net, whole) &&
	       (!rest || !((addr[whole] ^ net[whole]) & mask));
}

bool dns_addr_is_inner(const struct net_addr *addr)
{
	/* mapped, NAT64 and 6to4 lead to the IPv4 address they carry */
	struct net_addr a = net_addr_unwrap(addr);

	if (a.family == AF_INET) {
		for (size_t i = 0; i < ARRAY_SIZE(inner4); i++)
			if (has_prefix(a.b, inner4[i].b, inner4[i].prefix))
				return true;
		return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(inner6); i++)
		if (has_prefix(a.b, inner6[i].b, inner6[i].prefix))
			return true;
	return false;
}

static bool is_opened(const struct net_addr *a, const struct policy *policy,
		      const struct net_addresses *link)
{
	return !dns_addr_is_inner(a) || policy_opens_answer(policy, link, a);
}

/* A list of addresses, each size bytes: the first that may not be. */
static bool hints_rebind(const uint8_t *p, size_t len, int family,
			 const struct policy *policy,
			 const struct net_addresses *link, struct net_addr *ret)
{
	size_t size = family == AF_INET ? 4 : 16;

	for (; len >= size; p += size, len -= size) {
		*ret = (struct net_addr){ .family = (uint8_t)family };
		memcpy(ret->b, p, size);
		if (!is_opened(ret, policy, link))
			return true;
	}
	return false;
}

/* RFC 9460, 2.2: priority, target name, then parameters. What is malformed
 * there is malformed for the guest, too. */
static bool service_rebinds(const uint8_t *msg, const struct dns_record *rec,
			    const struct policy *policy,
			    const struct net_addresses *link,
			    struct net_addr *ret)
{
	enum { IPV4_HINT = 4, IPV6_HINT = 6 };
	size_t pos = rec->data + 2, end = rec->data + rec->data_len;
	struct dns_name target;

	if (rec->data_len < 2 || dns_name_read(msg, end, &pos, &target))
		return false;
	while (end - pos >= 4) {
		unsigned key = be16_get(msg + pos);
		size_t len = be16_get(msg + pos + 2);

		pos += 4;
		if (len > end - pos)
			return false;
		if ((key == IPV4_HINT && hints_rebind(msg + pos, len, AF_INET,
						      policy, link, ret)) ||
		    (key == IPV6_HINT &&
		     hints_rebind(msg + pos, len, AF_INET6, policy, link, ret)))
			return true;
		pos += len;
	}
	return false;
}

bool dns_answer_rebinds(const uint8_t *msg, size_t len,
			const struct policy *policy,
			const struct net_addresses *link, struct net_addr *ret)
{
	struct dns_header h;
	struct dns_question q;
	struct dns_reader r;
	struct dns_record rec;

	if (!open_answer(msg, len, &h, &q, &r))
		return false;
	while (dns_reader_next(&r, &rec) > 0 && rec.section == DNS_ANSWER) {
		if (record_addr(msg, &rec, ret)) {
			if (!is_opened(ret, policy, link))
				return true;
		} else if ((rec.type == DNS_SVCB || rec.type == DNS_HTTPS) &&
			   service_rebinds(msg, &rec, policy, link, ret)) {
			return true;
		}
	}
	return false;
}

/* --- the names and addresses that belong to the question --- */

struct chain {
	struct dns_name names[DNS_MAX_CHAIN + 1];
	unsigned n;
	uint32_t ttl; /* the least of the aliases' */
};

static bool in_chain(const struct chain *c, const struct dns_name *name)
{
	for (unsigned i = 0; i < c->n; i++)
		if (dns_name_equal(&c->names[i], name))
			return true;
	return false;
}

/* The alias of the last name of the chain, once more. */
static bool extend_chain(struct chain *c, const uint8_t *msg,
			 struct dns_reader r)
{
	struct dns_record rec;

	while (dns_reader_next(&r, &rec) > 0 && rec.section == DNS_ANSWER) {
		size_t pos = rec.data;
		struct dns_name target;

		if (rec.type != DNS_CNAME || rec.class != DNS_CLASS_IN ||
		    !dns_name_equal(&rec.owner, &c->names[c->n - 1]))
			continue;
		if (dns_name_read(msg, rec.data + rec.data_len, &pos,
				  &target) ||
		    in_chain(c, &target))
			return false;
		c->names[c->n++] = target;
		c->ttl = MIN(c->ttl, rec.ttl);
		return true;
	}
	return false;
}

size_t dns_answer_addresses(const uint8_t *msg, size_t len, int family,
			    struct net_addr ret[DNS_MAX_ADDRS],
			    uint32_t *ret_ttl_s)
{
	struct chain c = { .n = 1, .ttl = UINT32_MAX };
	struct dns_header h;
	struct dns_question q;
	struct dns_reader r;
	struct dns_record rec;
	struct net_addr a;
	size_t n = 0;

	*ret_ttl_s = 0;
	if (!open_answer(msg, len, &h, &q, &r) || q.class != DNS_CLASS_IN)
		return 0;
	c.names[0] = q.name;
	while (c.n <= DNS_MAX_CHAIN && extend_chain(&c, msg, r))
		;
	while (n < DNS_MAX_ADDRS && dns_reader_next(&r, &rec) > 0 &&
	       rec.section == DNS_ANSWER) {
		if (rec.class != DNS_CLASS_IN || !record_addr(msg, &rec, &a) ||
		    a.family != family || !in_chain(&c, &rec.owner))
			continue;
		c.ttl = MIN(c.ttl, rec.ttl);
		ret[n++] = a;
	}
	*ret_ttl_s = n ? c.ttl : 0;
	return n;
}
