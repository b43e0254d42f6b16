/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cache of answers. An entry is found by the whole query, only its id and the
 * case of its name do not matter: so flags, EDNS size and DNSSEC bits need no
 * thought, and a query with options of its own is never in here.
 */
#include "net/dns_cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* Header, question, a bare OPT record */
#define MAX_QUERY (DNS_HEADER + DNS_MAX_NAME + 4 + 11)
#define MAX_TTL_S 86400u
#define MS_PER_S 1000u

struct entry {
	uint64_t since_ms, until_ms; /* until 0: free */
	uint64_t used;		     /* larger: later */
	struct net_addr server;
	uint16_t query_len, answer_len;
	uint8_t query[MAX_QUERY];
	uint8_t answer[DNS_CACHE_MAX_ANSWER];
};

struct dns_cache {
	uint64_t uses;
	struct entry entries[DNS_CACHE_ENTRIES];
};

int dns_cache_new(struct dns_cache **ret)
{
	/* large and untouched: it costs memory as entries are filled */
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct dns_cache *dns_cache_free(struct dns_cache *c)
{
	free(c);
	return NULL;
}

static bool is_cacheable(const struct dns_request *r, size_t len)
{
	return r->simple && len <= MAX_QUERY && r->question.type != DNS_ANY &&
	       !(r->header.flags & (DNS_FLAG_OPCODE | DNS_FLAG_TC));
}

static void make_key(uint8_t key[MAX_QUERY], const uint8_t *query, size_t len,
		     const struct dns_request *r)
{
	memcpy(key, query, len);
	be16_put(key, 0);
	memcpy(key + DNS_HEADER, r->question.name.wire, r->question.name.len);
}

static struct entry *find(struct dns_cache *c, const struct net_addr *server,
			  const uint8_t *key, size_t len)
{
	for (size_t i = 0; i < DNS_CACHE_ENTRIES; i++) {
		struct entry *e = &c->entries[i];

		if (e->until_ms && e->query_len == len &&
		    net_addr_equal(&e->server, server) &&
		    !memcmp(e->query, key, len))
			return e;
	}
	return NULL;
}

static void age_ttls(uint8_t *msg, size_t len, const struct dns_request *r,
		     uint32_t age_s)
{
	struct dns_header h;
	struct dns_reader reader;
	struct dns_record rec;

	(void)dns_header_read(msg, len, &h); /* it was read when it came */
	dns_reader_init(&reader, msg, len, r->question.end, &h);
	while (dns_reader_next(&reader, &rec) > 0)
		if (rec.type != DNS_OPT)
			be32_put(msg + rec.ttl_off,
				 rec.ttl > age_s ? rec.ttl - age_s : 0);
}

size_t dns_cache_get(struct dns_cache *c, const struct net_addr *server,
		     const uint8_t *query, size_t len,
		     const struct dns_request *r, uint64_t now_ms,
		     uint8_t ret[DNS_CACHE_MAX_ANSWER])
{
	static const struct net_addr configured;
	uint8_t key[MAX_QUERY];
	struct entry *e;

	if (!is_cacheable(r, len))
		return 0;
	make_key(key, query, len, r);
	e = find(c, server ? server : &configured, key, len);
	if (!e)
		return 0;
	if (e->until_ms <= now_ms) {
		e->until_ms = 0;
		return 0;
	}
	e->used = ++c->uses;
	memcpy(ret, e->answer, e->answer_len);
	memcpy(ret, query, 2);
	memcpy(ret + DNS_HEADER, query + DNS_HEADER,
	       r->question.end - DNS_HEADER);
	age_ttls(ret, e->answer_len, r,
		 (uint32_t)((now_ms - e->since_ms) / MS_PER_S));
	return e->answer_len;
}

/* How long an answer lives: the least of its records, 0 unless it has records
 * of the type that was asked for. */
static uint32_t lifetime_s(const uint8_t *msg, size_t len,
			   const struct dns_request *r)
{
	struct dns_header h;
	struct dns_reader reader;
	struct dns_record rec;
	uint32_t ttl = MAX_TTL_S;
	bool positive = false;

	if (dns_header_read(msg, len, &h) || h.questions != 1 ||
	    h.flags & (DNS_FLAG_RCODE | DNS_FLAG_TC))
		return 0;
	dns_reader_init(&reader, msg, len, r->question.end, &h);
	while (dns_reader_next(&reader, &rec) > 0) {
		if (rec.type == DNS_OPT)
			continue;
		if (rec.ttl < ttl)
			ttl = rec.ttl;
		if (rec.section == DNS_ANSWER && rec.type == r->question.type)
			positive = true;
	}
	return positive ? ttl : 0;
}

/* A free or dead entry, or the one whose last use is longest ago. */
static struct entry *make_room(struct dns_cache *c, uint64_t now_ms)
{
	struct entry *oldest = &c->entries[0];

	for (size_t i = 0; i < DNS_CACHE_ENTRIES; i++) {
		struct entry *e = &c->entries[i];

		if (e->until_ms <= now_ms)
			return e;
		if (e->used < oldest->used)
			oldest = e;
	}
	return oldest;
}

void dns_cache_put(struct dns_cache *c, const struct net_addr *server,
		   const uint8_t *query, size_t len,
		   const struct dns_request *r, const uint8_t *answer,
		   size_t answer_len, uint64_t now_ms)
{
	static const struct net_addr configured;
	uint8_t key[MAX_QUERY];
	struct entry *e;
	uint32_t ttl;

	if (!is_cacheable(r, len) || answer_len > DNS_CACHE_MAX_ANSWER)
		return;
	ttl = lifetime_s(answer, answer_len, r);
	if (!ttl)
		return;
	make_key(key, query, len, r);
	if (!server)
		server = &configured;
	e = find(c, server, key, len);
	if (!e)
		e = make_room(c, now_ms);
	e->since_ms = now_ms;
	e->until_ms = now_ms + (uint64_t)ttl * MS_PER_S;
	e->used = ++c->uses;
	e->server = *server;
	e->query_len = (uint16_t)len;
	e->answer_len = (uint16_t)answer_len;
	memcpy(e->query, key, len);
	memcpy(e->answer, answer, answer_len);
}
