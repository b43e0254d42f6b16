/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/io.h"

#define ETH 14u
#define WAIT_MS 5000u

static const char allow_all[] = "{\"policy\":{\"default_egress\":\"allow\","
				"\"default_ingress\":\"allow\",\"rules\":[]}}";

uint16_t wire_csum(const void *p, size_t len, uint32_t initial)
{
	const uint8_t *b = p;
	uint64_t sum = initial;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? b[i] : (uint64_t)b[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t addr_len(const struct net_addr *a)
{
	return a->family == AF_INET ? 4 : 16;
}

uint32_t wire_pseudo(const struct net_addr *src, const struct net_addr *dst,
		     uint8_t proto, size_t len)
{
	uint32_t sum = proto + (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);

	for (size_t i = 0; i < addr_len(src); i += 2)
		sum += (uint32_t)be16_get(src->b + i) + be16_get(dst->b + i);
	return sum;
}

/* --- the link --- */

static size_t reserve(void *ctx, size_t min, size_t max,
		      const struct iovec **iov, unsigned *n)
{
	struct wire *w = ctx;

	if (!w->room || min > sizeof(w->reserved)) {
		w->refused++;
		return 0;
	}
	w->reserved_iov.iov_base = w->reserved;
	w->reserved_iov.iov_len =
		max < sizeof(w->reserved) ? max : sizeof(w->reserved);
	*iov = &w->reserved_iov;
	*n = 1;
	return w->reserved_iov.iov_len;
}

static void commit(void *ctx, size_t len, const struct net_offload *o)
{
	struct wire *w = ctx;
	struct wire_frame *f = &w->frames[w->count % WIRE_FRAMES];

	assert_true(w->count - w->taken < WIRE_FRAMES);
	assert_true(len <= w->reserved_iov.iov_len);
	free(f->data);
	f->data = malloc(len);
	assert_non_null(f->data);
	memcpy(f->data, w->reserved, len);
	f->len = len;
	f->o = *o;
	w->count++;
	w->room--;
}

static void flush(void *ctx)
{
	((struct wire *)ctx)->flushes++;
}

static void on_log(void *ctx, int level, const char *line)
{
	struct wire *w = ctx;
	size_t n = strlen(w->log);

	(void)level;
	(void)snprintf(w->log + n, sizeof(w->log) - n, "%s\n", line);
}

struct net_addr wire_addr(const char *text)
{
	struct net_addr a;

	assert_int_equal(net_addr_parse(text, strlen(text), &a), 0);
	return a;
}

void wire_open(struct wire *w, const char *config, bool csum)
{
	static const struct net_link_ops ops = { reserve, commit, flush };
	static const uint8_t guest[] = { 2, 0x6d, 0x73, 0, 0, 2 };
	static const uint8_t gateway[] = { 2, 0x6d, 0x73, 0, 0, 1 };
	const struct net_host host = { .ctx = w, .log = on_log };
	struct net_config cfg;
	struct err err = { 0 };
	json_t *j = json_loads(config ? config : allow_all, 0, NULL);

	memset(w, 0, sizeof(*w));
	assert_non_null(j);
	assert_int_equal(net_config_from_json(j, &cfg, &err), 0);
	json_decref(j);
	memcpy(w->addr.guest_mac, guest, 6);
	memcpy(w->addr.gateway_mac, gateway, 6);
	w->addr.mtu = WIRE_MTU;
	w->addr.guest4 = wire_addr("172.16.0.2");
	w->addr.gateway4 = wire_addr("172.16.0.1");
	w->addr.guest6 = wire_addr("fd42:6d73:62::2");
	w->addr.gateway6 = wire_addr("fd42:6d73:62::1");
	w->room = WIRE_FRAMES;
	w->link = (struct net_link){ .ops = &ops, .ctx = w, .csum = csum };
	assert_int_equal(loop_new(&w->loop), 0);
	assert_int_equal(net_new(&cfg, &w->addr, &host, &w->net, &err), 0);
	assert_int_equal(net_attach(w->net, w->loop, &w->link), 0);
}

void wire_close(struct wire *w)
{
	net_detach(w->net);
	w->net = net_free(w->net);
	w->loop = loop_free(w->loop);
	for (unsigned i = 0; i < WIRE_FRAMES; i++)
		free(w->frames[i].data);
}

const struct wire_frame *wire_next(struct wire *w)
{
	uint64_t until = clock_mono_ms() + WAIT_MS;

	while (w->taken == w->count && clock_mono_ms() < until)
		assert_int_equal(loop_turn(w->loop, 20), 0);
	if (w->taken == w->count)
		return NULL;
	return &w->frames[w->taken++ % WIRE_FRAMES];
}

void wire_settle(struct wire *w)
{
	unsigned before;

	do {
		before = w->count;
		for (int i = 0; i < 4; i++)
			assert_int_equal(loop_turn(w->loop, 1), 0);
	} while (w->count != before);
}

/* --- frames of the guest --- */

static void put_eth(const struct wire *w, uint8_t *frame, bool v4)
{
	memcpy(frame, w->addr.gateway_mac, 6);
	memcpy(frame + 6, w->addr.guest_mac, 6);
	be16_put(frame + 12, v4 ? 0x0800 : 0x86dd);
}

static const struct net_addr *guest_addr(const struct wire *w,
					 const struct net_addr *dst)
{
	return dst->family == AF_INET ? &w->addr.guest4 : &w->addr.guest6;
}

static void put_ip4(const struct wire *w, uint8_t *ip,
		    const struct net_addr *dst, uint8_t proto, size_t l4_len,
		    uint16_t ident, uint16_t fragment)
{
	memset(ip, 0, 20);
	ip[0] = 0x45;
	be16_put(ip + 2, (uint16_t)(20 + l4_len));
	be16_put(ip + 4, ident);
	be16_put(ip + 6, fragment);
	ip[8] = 64;
	ip[9] = proto;
	memcpy(ip + 12, w->addr.guest4.b, 4);
	memcpy(ip + 16, dst->b, 4);
	be16_put(ip + 10, wire_csum(ip, 20, 0));
}

size_t wire_ip(const struct wire *w, uint8_t *frame, const struct net_addr *dst,
	       uint8_t proto, size_t l4_len)
{
	uint8_t *ip = frame + ETH;

	put_eth(w, frame, dst->family == AF_INET);
	if (dst->family == AF_INET) {
		put_ip4(w, ip, dst, proto, l4_len, 0, 0x4000);
		return ETH + 20;
	}
	memset(ip, 0, 40);
	ip[0] = 0x60;
	be16_put(ip + 4, (uint16_t)l4_len);
	ip[6] = proto;
	ip[7] = 64;
	memcpy(ip + 8, w->addr.guest6.b, 16);
	memcpy(ip + 24, dst->b, 16);
	return ETH + 40;
}

void wire_input(struct wire *w, const void *frame, size_t len)
{
	struct net_offload o = { .needs_csum = false };
	/* In two parts, the first of odd length. */
	struct iovec iov[2] = {
		{ .iov_base = (uint8_t *)(uintptr_t)frame,
		  .iov_len = len < 37 ? len : 37 },
		{ .iov_base = (uint8_t *)(uintptr_t)frame + 37,
		  .iov_len = len < 37 ? 0 : len - 37 },
	};

	net_input(w->net, iov, 2, &o);
}

void wire_udp_more(struct wire *w, const struct wire_udp *u)
{
	static uint8_t frame[ETH + 40 + 65535];
	size_t len = 8 + u->len;
	size_t at = wire_ip(w, frame, &u->dst, IPPROTO_UDP, len);
	uint8_t *udp = frame + at;
	uint16_t c;

	if (u->may_fragment)
		put_ip4(w, frame + ETH, &u->dst, IPPROTO_UDP, len, 1, 0);
	be16_put(udp, u->sport);
	be16_put(udp + 2, u->dport);
	be16_put(udp + 4, (uint16_t)len);
	be16_put(udp + 6, 0);
	if (u->len)
		memcpy(udp + 8, u->data, u->len);
	c = wire_csum(
		udp, len,
		wire_pseudo(guest_addr(w, &u->dst), &u->dst, IPPROTO_UDP, len));
	if (!u->no_csum)
		be16_put(udp + 6, c ? c : 0xffff);
	wire_input(w, frame, at + len);
}

void wire_udp(struct wire *w, const struct wire_udp *u)
{
	wire_udp_more(w, u);
	net_input_end(w->net);
}

void wire_echo(struct wire *w, const struct net_addr *dst, uint16_t id,
	       uint16_t seq, const void *data, size_t len)
{
	uint8_t frame[2048];
	bool v4 = dst->family == AF_INET;
	uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	size_t at = wire_ip(w, frame, dst, proto, 8 + len);
	uint8_t *icmp = frame + at;
	uint32_t sum =
		v4 ? 0 : wire_pseudo(&w->addr.guest6, dst, proto, 8 + len);

	icmp[0] = v4 ? 8 : 128;
	icmp[1] = icmp[2] = icmp[3] = 0;
	be16_put(icmp + 4, id);
	be16_put(icmp + 6, seq);
	memcpy(icmp + 8, data, len);
	be16_put(icmp + 2, wire_csum(icmp, 8 + len, sum));
	wire_input(w, frame, at + 8 + len);
	net_input_end(w->net);
}

void wire_fragment(struct wire *w, const struct net_addr *dst, uint8_t proto,
		   uint32_t ident, size_t off, bool more, const void *data,
		   size_t len)
{
	static uint8_t frame[ETH + 48 + 65535];
	bool v4 = dst->family == AF_INET;
	size_t at;

	if (v4) {
		put_eth(w, frame, true);
		put_ip4(w, frame + ETH, dst, proto, len, (uint16_t)ident,
			(uint16_t)(off / 8 | (more ? 0x2000 : 0)));
		at = ETH + 20;
	} else {
		at = wire_ip(w, frame, dst, 44, 8 + len);
		frame[at] = proto;
		frame[at + 1] = 0;
		be16_put(frame + at + 2, (uint16_t)(off | (more ? 1 : 0)));
		be32_put(frame + at + 4, ident);
		at += 8;
	}
	memcpy(frame + at, data, len);
	wire_input(w, frame, at + len);
	net_input_end(w->net);
}

/* --- frames to the guest --- */

static void view_ip4(const uint8_t *ip, size_t len, struct wire_view *v)
{
	uint16_t fragment = be16_get(ip + 6);

	assert_true(len >= 20);
	assert_int_equal(ip[0], 0x45);
	assert_int_equal(be16_get(ip + 2), len);
	assert_int_equal(wire_csum(ip, 20, 0), 0);
	v->hop_limit = ip[8];
	v->proto = ip[9];
	v->df = fragment & 0x4000;
	v->more = fragment & 0x2000;
	v->fragment_off = (fragment & 0x1fff) * 8u;
	v->ident = be16_get(ip + 4);
	v->src.family = v->dst.family = AF_INET;
	memcpy(v->src.b, ip + 12, 4);
	memcpy(v->dst.b, ip + 16, 4);
	v->l4 = ip + 20;
	v->l4_len = len - 20;
}

static void view_ip6(const uint8_t *ip, size_t len, struct wire_view *v)
{
	assert_true(len >= 40);
	assert_int_equal(ip[0] >> 4, 6);
	assert_int_equal(be16_get(ip + 4), len - 40);
	v->proto = ip[6];
	v->hop_limit = ip[7];
	v->src.family = v->dst.family = AF_INET6;
	memcpy(v->src.b, ip + 8, 16);
	memcpy(v->dst.b, ip + 24, 16);
	v->l4 = ip + 40;
	v->l4_len = len - 40;
	if (v->proto != 44)
		return;
	assert_true(v->l4_len >= 8);
	v->proto = v->l4[0];
	v->fragment_off = be16_get(v->l4 + 2) & 0xfff8;
	v->more = v->l4[3] & 1;
	v->ident = be32_get(v->l4 + 4);
	v->l4 += 8;
	v->l4_len -= 8;
}

static void view_udp(const struct wire_frame *f, struct wire_view *v)
{
	uint32_t pseudo = wire_pseudo(&v->src, &v->dst, v->proto, v->l4_len);

	assert_true(v->l4_len >= 8);
	assert_int_equal(be16_get(v->l4 + 4), v->l4_len);
	if (f->o.needs_csum) {
		assert_int_equal(f->o.csum_start, v->l4 - f->data);
		assert_int_equal(f->o.csum_offset, 6);
		assert_int_equal(be16_get(v->l4 + 6),
				 (uint16_t)~wire_csum(NULL, 0, pseudo));
	} else if (v->src.family != AF_INET || !f->o.csum_valid ||
		   be16_get(v->l4 + 6)) {
		assert_int_not_equal(be16_get(v->l4 + 6), 0);
		assert_int_equal(wire_csum(v->l4, v->l4_len, pseudo), 0);
	}
	v->sport = be16_get(v->l4);
	v->dport = be16_get(v->l4 + 2);
	v->payload = v->l4 + 8;
	v->payload_len = v->l4_len - 8;
}

static void view_icmp(struct wire_view *v)
{
	uint32_t pseudo = 0;

	assert_true(v->l4_len >= 8);
	if (v->src.family == AF_INET6)
		pseudo = wire_pseudo(&v->src, &v->dst, v->proto, v->l4_len);
	assert_int_equal(wire_csum(v->l4, v->l4_len, pseudo), 0);
	v->type = v->l4[0];
	v->code = v->l4[1];
	v->word = be32_get(v->l4 + 4);
	v->payload = v->l4 + 8;
	v->payload_len = v->l4_len - 8;
}

struct wire_view wire_view(const struct wire_frame *f)
{
	struct wire_view v = { .proto = 0 };
	uint16_t type = be16_get(f->data + 12);

	assert_true(f->len > ETH);
	assert_true(type == 0x0800 || type == 0x86dd);
	if (type == 0x0800)
		view_ip4(f->data + ETH, f->len - ETH, &v);
	else
		view_ip6(f->data + ETH, f->len - ETH, &v);
	if (v.more || v.fragment_off)
		return v;
	if (v.proto == IPPROTO_UDP)
		view_udp(f, &v);
	else if (v.proto == IPPROTO_ICMP || v.proto == IPPROTO_ICMPV6)
		view_icmp(&v);
	return v;
}

/* --- time --- */

static time_t ahead_s;
static long ahead_ms;

int clock_gettime(clockid_t id, struct timespec *ret)
{
	long r = syscall(SYS_clock_gettime, id, ret);

	if (r)
		return -1;
	ret->tv_sec += ahead_s;
	ret->tv_nsec += ahead_ms * 1000000;
	if (ret->tv_nsec >= 1000000000) {
		ret->tv_nsec -= 1000000000;
		ret->tv_sec++;
	}
	return 0;
}

void wire_advance(uint64_t ms)
{
	ahead_ms += (long)(ms % 1000);
	ahead_s += (time_t)(ms / 1000) + ahead_ms / 1000;
	ahead_ms %= 1000;
}

/* --- namespaces --- */

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && io_write_full(fd, text, strlen(text)) == 0;

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static bool own_namespaces(void)
{
	char uid[32], gid[32];

	if (unshare(CLONE_NEWNET) == 0)
		return true;
	(void)snprintf(uid, sizeof(uid), "0 %u 1", geteuid());
	(void)snprintf(gid, sizeof(gid), "0 %u 1", getegid());
	return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
	       write_file("/proc/self/setgroups", "deny") &&
	       write_file("/proc/self/uid_map", uid) &&
	       write_file("/proc/self/gid_map", gid);
}

bool wire_namespace(unsigned mtu)
{
	struct ifreq ifr = { .ifr_name = "lo" };
	int fd;
	bool ok;

	if (!own_namespaces())
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	ifr.ifr_mtu = (int)mtu;
	ok = ioctl(fd, SIOCSIFMTU, &ifr) == 0;
	ifr.ifr_flags = IFF_UP | IFF_RUNNING;
	ok = ioctl(fd, SIOCSIFFLAGS, &ifr) == 0 && ok;
	(void)close(fd);
	return ok && write_file("/proc/sys/net/ipv4/ping_group_range", "0 0");
}
