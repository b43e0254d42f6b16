/* SPDX-License-Identifier: Apache-2.0 */
/* A guest that asks, and a server that answers. */
#include "dns_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/clock.h"

struct dns_bench bench;

/* --- the clock --- */

static uint64_t skew_ns;

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC) + skew_ns;
}

uint64_t clock_mono_ms(void)
{
	return clock_mono_ns() / NSEC_PER_MSEC;
}

uint64_t clock_boot_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

void bench_clock(uint64_t ms)
{
	skew_ns += ms * NSEC_PER_MSEC;
	guest_turn(bench.g); /* the loop looks at it once a turn */
}

/* --- the server --- */

bool bench_answer(struct mock_server *s, const struct dns_request *r, bool tcp,
		  struct mock_msg *m)
{
	const char *name = bench_asked(s);

	(void)tcp;
	mock_begin(m, r->header.id, 0x8180, name, r->question.type);
	if (r->question.type == DNS_A)
		mock_addr(m, name, 60, "8.8.8.8");
	else if (r->question.type == DNS_AAAA)
		mock_addr(m, name, 60, "2606:4700::1111");
	return true;
}

bool bench_silence(struct mock_server *s, const struct dns_request *r, bool tcp,
		   struct mock_msg *m)
{
	(void)s;
	(void)r;
	(void)tcp;
	(void)m;
	return false;
}

const char *bench_asked(const struct mock_server *s)
{
	static char name[DNS_NAME_PRINT];
	const uint8_t *p = s->last + DNS_HEADER;
	size_t n = 0;

	for (; *p; p += 1 + *p) {
		memcpy(name + n, p + 1, *p);
		n += *p;
		name[n++] = '.';
	}
	name[n ? n - 1 : 0] = 0;
	return name;
}

/* --- the network --- */

void bench_open(const char *rules)
{
	struct guest_options o = { 0 };
	struct policy p = { 0 };
	struct err err = { 0 };

	if (rules) {
		assert_int_equal(policy_parse_rules(rules, &p, &err), 0);
		o.policy = &p;
	}
	bench.g = guest_new(&o);
	mock_open(&bench.server, bench.g->loop);
	bench.server.answer = bench_answer;
	bench.g->net->dns->servers.v[0] = mock_end(&bench.server);
	bench.g->net->dns->servers.n = 1;
}

void bench_close(void)
{
	mock_close(&bench.server);
	guest_free(bench.g);
}

void bench_query(const char *name, uint16_t type)
{
	mock_begin(&bench.query, BENCH_ID, DNS_FLAG_RD, name, type);
}

void bench_send(const struct net_endpoint *to, uint16_t from_port)
{
	static uint8_t frame[GUEST_FRAME_MAX];
	struct net *n = bench.g->net;
	struct net_addresses swapped = n->link_addr;
	struct net_endpoint from =
		guest_end(bench.g, to->addr.family, from_port);
	size_t l4 = UDP_HEADER + bench.query.len, off;
	uint16_t sum;
	uint8_t *h;

	memcpy(swapped.guest_mac, n->link_addr.gateway_mac, NET_MAC_LEN);
	memcpy(swapped.gateway_mac, n->link_addr.guest_mac, NET_MAC_LEN);
	off = frame_ip_header(frame, &swapped, &from.addr, &to->addr,
			      IPPROTO_UDP, l4, true);
	assert_true(off + l4 <= sizeof(frame));
	h = frame + off;
	be16_put(h, from.port);
	be16_put(h + 2, to->port);
	be16_put(h + 4, (uint16_t)l4);
	be16_put(h + 6, 0);
	memcpy(h + UDP_HEADER, bench.query.b, bench.query.len);
	sum = csum_fold(csum_bytes(
		h, l4,
		csum_pseudo(&from.addr, &to->addr, IPPROTO_UDP, (uint32_t)l4)));
	memcpy(h + 6, &sum, sizeof(sum));
	guest_send_raw(bench.g, frame, off + l4);
}

static struct guest_frame *next_frame(void)
{
	struct guest *g = bench.g;
	struct guest_frame *f = &g->queue[g->first];

	g->first = (g->first + 1) % GUEST_FRAMES;
	g->count--;
	return f;
}

void bench_discard(void)
{
	while (guest_has_frame(bench.g))
		free(next_frame()->data);
}

bool bench_receive(uint16_t port)
{
	struct guest_frame *f;
	struct packet p;
	struct iovec iov;

	if (!guest_wait(bench.g))
		return false;
	f = next_frame();
	iov = (struct iovec){ f->data, f->len };
	assert_int_equal(packet_parse(&iov, 1, &f->o, &p), 0);
	assert_int_equal(p.proto, IPPROTO_UDP);
	assert_false(p.fragment);
	assert_int_equal(p.udp.dport, port);
	assert_int_equal(p.udp.sport, DNS_PORT);
	bench.answer_from = (struct net_endpoint){ p.src, p.udp.sport };
	bench.answer.len = p.payload_len;
	memcpy(bench.answer.b, f->data + p.payload_off, p.payload_len);
	free(f->data);
	assert_int_equal(dns_header_read(bench.answer.b, bench.answer.len,
					 &bench.header),
			 0);
	return true;
}

int bench_ask(const char *name, uint16_t type)
{
	struct net_endpoint to = gateway_end(bench.g, AF_INET, DNS_PORT);

	bench_query(name, type);
	bench_send(&to, 5000);
	if (!bench_receive(5000))
		return -1;
	assert_int_equal(bench.header.id, BENCH_ID);
	assert_true(bench.header.flags & DNS_FLAG_QR);
	assert_true(bench.header.flags & DNS_FLAG_RA);
	assert_int_equal(bench.header.questions, 1);
	/* the question, as it was asked */
	assert_memory_equal(bench.answer.b + DNS_HEADER,
			    bench.query.b + DNS_HEADER,
			    bench.query.len - DNS_HEADER);
	return bench.header.flags & DNS_FLAG_RCODE;
}

unsigned bench_records(uint16_t type, struct dns_record *ret)
{
	struct dns_question q;
	struct dns_reader r;
	struct dns_record rec;
	unsigned n = 0;

	assert_int_equal(
		dns_question_read(bench.answer.b, bench.answer.len, &q), 0);
	dns_reader_init(&r, bench.answer.b, bench.answer.len, q.end,
			&bench.header);
	while (dns_reader_next(&r, &rec) > 0)
		if (rec.section == DNS_ANSWER && rec.type == type) {
			*ret = rec;
			n++;
		}
	return n;
}

static bool is_name(void *ctx, const char *name)
{
	return !strcmp(ctx, name);
}

bool bench_pinned(const char *addr, const char *name)
{
	struct net_addr a;
	char copy[DNS_NAME_PRINT];

	assert_int_equal(net_addr_parse(addr, strlen(addr), &a), 0);
	strncpy(copy, name, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = 0;
	return names_any(bench.g->net->names, &a, clock_mono_ms(), is_name,
			 copy);
}
