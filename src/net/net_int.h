/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of this room share: one sandbox's network and its parts. Each
 * part is made by its own file, knows only this header and the others' public
 * functions, and is freed in reverse order.
 *
 *   frames -> stack.c -> neighbour.c            ARP, NDP
 *                     -> fragment.c -> udp.c    datagrams
 *                     -> icmp.c                 echo
 *                     -> tcp*.c -> flow.c       admission: which owner
 *                                   -> splice.c     a host socket (dial.c)
 *                                   -> peek.c       first bytes, then splice
 *                                   -> dns_stream.c DNS over TCP
 *   host sockets -> udp.c, icmp.c, splice.c, dns*.c, port*.c
 */
#ifndef MSB_NET_NET_INT_H
#define MSB_NET_NET_INT_H

#include <stdatomic.h>

#include "base/compiler.h"
#include "net/config.h"
#include "net/frame.h"
#include "net/names.h"
#include "net/net.h"
#include "net/policy.h"
#include "net/tcp.h"

struct dns_stream;

#define DNS_PORT 53
#define DNS_TLS_PORT 853

struct net {
	struct net_config config;
	_Atomic(struct policy *) next_policy; /* owned; see policy_swap.c */
	struct net_addresses link_addr;
	struct net_host host;
	struct loop *loop; /* while attached */
	struct net_link link;
	struct deferred flush; /* frames were sent that nobody was told of */
	struct tcp *tcp;
	struct udp *udp;
	struct icmp *icmp;
	struct fragments *fragments;
	struct dns *dns;
	struct ports *ports;
	struct names *names;
	struct denials *denials;
	struct {
		_Atomic uint64_t tx_frames, tx_bytes, rx_frames, rx_bytes,
			dropped, denied, tcp_flows, udp_flows;
	} stats;
};

/* --- policy_swap.c --- */

/* Take over a policy that was set, if one was: when nothing is being decided,
 * and before anything is. */
void net_take_policy(struct net *n);

/* --- stack.c --- */

/*
 * What stack.c sees to before it hands a packet on: the source is the guest's
 * own address (or unspecified or link-local, for neighbour discovery only), and
 * fragments have been through fragments_add().
 *
 * Send a frame of l4 headers and data to the guest: head (Ethernet, IP and
 * transport headers, checksums as o says) and data behind it. false: no room;
 * the frame is lost, as on any link. Callers that must not lose it wait for
 * their *_link_ready(). The guest is told once, at the end of the loop's turn
 * or in net_input_end().
 */
bool net_send(struct net *n, const void *head, size_t head_len,
	      const struct iovec *data, unsigned ndata, size_t data_len,
	      const struct net_offload *o);
/* The same in steps, for frames that may be cut to the room there is: see
 * struct net_link_ops. What lies from off on is written by net_put(). */
size_t net_reserve(struct net *n, size_t min, size_t max,
		   const struct iovec **iov, unsigned *niov);
void net_put(const struct iovec *to, unsigned nto, size_t off,
	     const struct iovec *data, unsigned ndata);
void net_commit(struct net *n, size_t len, const struct net_offload *o);
void net_log(struct net *n, int level, const char *fmt, ...) MSB_PRINTF(3, 4);

/* --- deny.c: what happens to flows that may not be --- */

int denials_new(struct net *n, struct denials **ret); /* 0 or -ENOMEM */
/* Before the loop goes: tell how many were not told of. */
void denials_stop(struct denials *d);
struct denials *denials_free(struct denials *d);
/* Judge a flow; a denial is counted and leaves a line in the log, of which
 * there are only so many per second. */
struct policy_verdict net_judge(struct net *n, const struct policy_flow *f,
				enum policy_names how, const char *sni);
/* May a line be written about a flow? If not, it is counted. */
bool net_may_tell(struct net *n);
/* Log and count a flow that was ended for another reason than the policy. */
void net_blocked(struct net *n, const struct policy_flow *f, const char *name,
		 const char *why);
/* Log and count a denial decided elsewhere. */
void net_denied(struct net *n, const struct policy_flow *f, const char *name,
		const struct policy_verdict *v);
/* Where the host must go for what the guest calls this: the gateway is the
 * host's loopback (spec 1.5). */
struct net_endpoint net_host_end(const struct net *n,
				 const struct net_endpoint *guest_view);

/* --- the parts: new 0 or -errno; free; start and stop with the loop --- */

int tcp_new(struct net *n, struct tcp **ret);
struct tcp *tcp_free(struct tcp *t); /* every connection is reset */
void tcp_input(struct tcp *t, const struct packet *p);
void tcp_input_end(struct tcp *t);  /* acknowledge, send what became ready */
void tcp_link_ready(struct tcp *t); /* there are buffers in the guest again */
/* Connections the guest began that count against max_connections. */
unsigned tcp_count(const struct tcp *t);

/* flow.c: what the policy is asked about a connection the guest began. */
struct policy_flow flow_question(const struct tcp_conn *c);
/* Is TLS ended here on connections to this port? */
bool flow_intercepted(const struct net *n, uint16_t port);
/* A SYN of the guest; c has no owner yet. */
void flow_admit(struct net *n, struct tcp_conn *c);
enum splice_mode {
	SPLICE_ACCEPT,	 /* accept when the host is connected, or refuse */
	SPLICE_ACCEPTED, /* already; what was received is sent on first */
	SPLICE_HELD,	 /* nothing is sent on before peek_again() agrees */
};
/* splice.c: dial the host, and copy both ways. */
void splice_start(struct net *n, struct tcp_conn *c, enum splice_mode mode);
/* dial.c: a socket that is being connected, or -errno; EPOLLOUT tells. */
int dial_open(const struct net_endpoint *to);
/* What failed like this on one loopback may be on the other: go there? */
bool dial_other(struct net_endpoint *to, int error);
int dial_error(int fd); /* what became of it: 0 or -errno */
/* Close it, if it is open; rude: its peer sees a reset. */
void dial_hang_up(struct watch *w, int *fd, bool rude);
/* An accepted host socket (owned from now on) and a connection being made to
 * the guest: copies both ways once established. */
int splice_inbound(struct net *n, int fd, const struct net_endpoint *from,
		   const struct net_endpoint *to, void (*done)(void *ctx),
		   void *ctx);
/* An accepted connection of the guest and a connected socket, owned from now
 * on: what either has said and nobody has taken goes to the other. Not to be
 * called from a callback of the connection's owner. */
void splice_join(struct net *n, struct tcp_conn *c, int fd);
/* peek.c: accept, look at the first bytes, judge, then splice or finish. */
void peek_start(struct net *n, struct tcp_conn *c);
/* What the first bytes, as far as there are some in the ring, say of a
 * connection that had none when it was allowed. A denial is logged. */
enum policy_answer peek_again(struct net *n, const struct tcp_conn *c);

int udp_new(struct net *n, struct udp **ret);
struct udp *udp_free(struct udp *u);
/*
 * A whole datagram of the guest, from one frame or put together from fragments.
 * Those for a DNS server and answers to a published port's peer are passed on
 * to dns.c and ports.c from here.
 */
void udp_input(struct udp *u, const struct packet *p);
void udp_input_end(struct udp *u);
void udp_link_ready(struct udp *u);
/* A datagram to the guest, in fragments when it is longer than the link
 * carries. false: no room, it is lost. */
bool udp_send(struct net *n, const struct net_endpoint *from,
	      const struct net_endpoint *to, const struct iovec *data,
	      unsigned ndata, size_t len);

int icmp_new(struct net *n, struct icmp **ret);
struct icmp *icmp_free(struct icmp *i);
/* Any ICMP but neighbour discovery. */
void icmp_input(struct icmp *i, const struct packet *p);

/* --- icmp_error.c: errors about a packet of the guest; rate-limited --- */

enum icmp_reason {
	ICMP_NO_ROUTE,
	ICMP_NO_HOST,
	ICMP_NO_PORT,
	ICMP_PROHIBITED,
	ICMP_TOO_BIG, /* with the MTU that would do */
};

/* A packet the guest sent, as far as it is still known. */
struct icmp_quote {
	struct net_addr src, dst;
	uint8_t proto;
	uint8_t l4[8];	     /* its header's first bytes; for TCP: with seq */
	const void *payload; /* what followed them, for as much as is known */
	size_t payload_len;
	size_t l4_len; /* how long the packet was behind the IP header */
};

void icmp_error(struct net *n, const struct icmp_quote *q,
		enum icmp_reason reason, uint32_t mtu);
void icmp_prohibited(struct net *n, const struct packet *about);
void icmp_port_unreachable(struct net *n, const struct net_endpoint *guest,
			   const struct net_endpoint *peer);

/* fragment.c: takes one; true when *whole (valid until the next call) is a
 * complete datagram, parsed, payload included. */
int fragments_new(struct net *n, struct fragments **ret);
struct fragments *fragments_free(struct fragments *f);
bool fragments_add(struct fragments *f, const struct packet *p,
		   struct packet *whole);

/* neighbour.c: ARP and neighbour discovery for the gateway. p->ethertype ARP,
 * or ICMPv6 of neighbour discovery. */
void neighbour_arp(struct net *n, const struct packet *p);
bool neighbour_nd(struct net *n, const struct packet *p); /* was it that? */

/* dns.c */
int dns_new(struct net *n, struct dns **ret, struct err *err);
int dns_start(struct dns *d); /* the loop is there */
void dns_stop(struct dns *d);
struct dns *dns_free(struct dns *d);
/* A datagram to port 53 of any address; the answer comes from there. */
void dns_datagram(struct dns *d, const struct packet *p);
/* dns_stream.c: a connection to port 53; accepts it. */
void dns_stream_start(struct net *n, struct tcp_conn *c);
/* The same where others carry the bytes: DNS over TLS. */
struct dns_carrier_ops {
	/* As tcp_peek() and tcp_consume(). */
	size_t (*peek)(void *carrier, struct iovec ret[2]);
	void (*consume)(void *carrier, size_t n);
	/* How much was taken; for the rest: dns_stream_wake(), later. */
	size_t (*send)(void *carrier, const struct iovec *data, unsigned n);
	/* Everything was said, or, rude, nobody cares. The stream is gone
	 * after the call. */
	void (*end)(void *carrier, bool rude);
};
struct dns_carrier {
	const struct dns_carrier_ops *ops;
	void *carrier;
	const char *server_name; /* TLS: a server that is asked must prove it */
	struct net_endpoint guest, asked;
};
struct dns_stream *dns_stream_open(struct net *n,
				   const struct dns_carrier *from);
void dns_stream_wake(struct dns_stream *s);  /* more to read, or room */
void dns_stream_fin(struct dns_stream *s);   /* the guest asks no more */
void dns_stream_close(struct dns_stream *s); /* the carrier is no more */

/* port.c: binds, and warns of what others can reach. What is taken is an error
 * that names who has it, with EADDRINUSE. */
int ports_new(struct net *n, struct ports **ret, struct err *err);
int ports_start(struct ports *p);
void ports_stop(struct ports *p);
void ports_link_ready(struct ports *p);
struct ports *ports_free(struct ports *p);
/* A datagram of the guest that answers a published port's peer: taken. */
bool ports_reply(struct ports *p, const struct packet *pkt);

#endif
