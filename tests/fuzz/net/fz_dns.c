/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query and its answer, both any bytes: two bytes say how long the query is.
 * The answer is also tried under the query's id and question, so that what lies
 * behind those checks is reached.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "net/dns_answer.h"
#include "net/dns_cache.h"
#include "net/dns_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_names(const uint8_t *msg, size_t len)
{
	char text[DNS_NAME_PRINT];
	struct dns_name n, again;
	size_t pos = DNS_HEADER;

	while (pos < len && !dns_name_read(msg, len, &pos, &n)) {
		if (pos > len || n.len < 1)
			abort();
		(void)dns_name_print(&n, text);
		if (dns_name_text(&n, text) &&
		    (dns_name_parse(text, strlen(text), &again) ||
		     !dns_name_equal(&n, &again)))
			abort();
	}
}

static void try_answer(const uint8_t *query, size_t query_len,
		       const struct dns_request *r, const uint8_t *msg,
		       size_t size)
{
	static struct net_addr addrs[DNS_MAX_ADDRS];
	static uint8_t copy[DNS_MAX_MSG], kept[DNS_CACHE_MAX_ANSWER];
	static const struct policy policy = { 0 };
	static const struct net_addresses link = { 0 };
	static struct dns_cache *cache;
	struct net_addr inner;
	uint32_t ttl;
	size_t n;
	int len = dns_answer_check(query, query_len, msg, size);

	if (len <= 0)
		return;
	if ((size_t)len > size || len < (int)DNS_HEADER)
		abort();
	(void)dns_answer_rebinds(msg, (size_t)len, &policy, &link, &inner);
	(void)dns_answer_addresses(msg, (size_t)len, AF_INET, addrs, &ttl);
	(void)dns_answer_addresses(msg, (size_t)len, AF_INET6, addrs, &ttl);
	if (!cache && dns_cache_new(&cache))
		abort();
	dns_cache_put(cache, NULL, query, query_len, r, msg, (size_t)len, 0);
	n = dns_cache_get(cache, NULL, query, query_len, r, 999, kept);
	if (n && dns_answer_check(query, query_len, kept, n) != (int)n)
		abort();
	memcpy(copy, msg, (size_t)len);
	if (dns_truncate(copy, (size_t)len) > (size_t)len)
		abort();
}

static void try_texts(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct net_addr addrs[4];
	struct dns_servers servers;
	struct dns_server server;
	struct dns_name name;

	if (!text)
		abort();
	memcpy(text, data, size);
	text[size] = 0;
	dns_resolv_parse(text, size, 53, &servers);
	if (!dns_nameserver_parse(text, &server, &name) &&
	    server.end.addr.family == AF_UNSPEC)
		(void)dns_hosts_find(text, size, &name, addrs, 4);
	(void)dns_name_parse("localhost", 9, &name);
	(void)dns_hosts_find(text, size, &name, addrs, 4);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t answer[DNS_MAX_MSG];
	uint8_t local[DNS_LOCAL_MAX];
	struct dns_request r;
	size_t query_len, fixed;

	if (size < 2 || size > DNS_MAX_MSG)
		return 0;
	query_len = be16_get(data) % (size - 1);
	data += 2;
	size -= 2;
	try_names(data, size);
	try_texts(data, size);
	if (dns_request_read(data, query_len, &r))
		return 0;
	if (dns_status_write(local, data, &r, true, DNS_NXDOMAIN) >
		    sizeof(local) ||
	    dns_address_write(local, data, &r, NULL, 1) > sizeof(local))
		abort();
	try_answer(data, query_len, &r, data + query_len, size - query_len);
	/* header and question of the query, the rest of the answer's */
	fixed = r.question.end;
	if (size - query_len < DNS_HEADER)
		return 0;
	memcpy(answer, data + query_len, DNS_HEADER);
	memcpy(answer, data, 2);
	answer[2] = (uint8_t)(0x80 | (data[2] & 0x78));
	be16_put(answer + 4, 1);
	memcpy(answer + DNS_HEADER, data + DNS_HEADER, fixed - DNS_HEADER);
	memcpy(answer + fixed, data + query_len + DNS_HEADER,
	       size - query_len - DNS_HEADER);
	try_answer(data, query_len, &r, answer,
		   fixed + size - query_len - DNS_HEADER);
	return 0;
}
