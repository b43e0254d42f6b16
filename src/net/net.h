/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user-mode network of one sandbox. Frames of the guest come in, flows end
 * here and go on as ordinary sockets of this process, under the policy. Knows
 * nothing of virtio; virtio/dev/net.c is the adapter.
 *
 * Threads: everything between net_attach() and net_detach(), and these two,
 * happens on the thread of the loop given to net_attach().
 */
#ifndef MSB_NET_NET_H
#define MSB_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/err.h"
#include "loop/loop.h"
#include "net/addr.h"
#include "net/config.h"

struct net;

/* What a frame carries beside its bytes (virtio 1.2, 5.1.6). */
struct net_offload {
	/* The checksum field holds the pseudo-header's part only; the sum
	 * starts at csum_start and goes to csum_start + csum_offset. */
	bool needs_csum;
	uint16_t csum_start, csum_offset;
	bool csum_valid; /* to the guest: no need to look */
	/* TCP data beyond one segment: payload bytes per segment, 0 = not. */
	uint16_t gso_size;
	bool gso_v6;
};

/* Towards the guest, by the adapter. */
struct net_link_ops {
	/*
	 * Room for a frame of min to max bytes in guest memory: how many bytes
	 * there are, with *iov and *n describing them, or 0. The guest will
	 * then be asked for buffers, and net_link_ready() called. A second call
	 * without commit in between starts anew.
	 */
	size_t (*reserve)(void *ctx, size_t min, size_t max,
			  const struct iovec **iov, unsigned *n);
	/* The first len bytes of what was reserved are a frame. */
	void (*commit)(void *ctx, size_t len, const struct net_offload *o);
	/* Tell the guest of what was committed; once per batch. */
	void (*flush)(void *ctx);
};

/* ctx and what the guest's driver agreed to take. */
struct net_link {
	const struct net_link_ops *ops;
	void *ctx;
	bool csum; /* csum_valid and needs_csum */
	bool tso4, tso6;
};

/* Diagnostics for runtime.log; any text may be the guest's choice, and is
 * escaped by the log. level: enum log_level. */
typedef void (*net_log_fn)(void *ctx, int level, const char *line);

struct tcp_conn;
struct tls_proxy; /* tls/proxy.h */
struct tls_wire;

/* What the stack asks of TLS interception. It is behind pointers because only
 * one of the two runtimes carries a TLS library: msb-runtime-tls. */
struct net_tls_ops {
	int (*attach)(struct tls_proxy *p, struct net *n); /* 0, -errno */
	void (*detach)(struct tls_proxy *p); /* no connection is left */
	/*
	 * An accepted connection of the guest's, which the policy allows to
	 * the name that its ClientHello, complete in tcp_peek(), carries. name
	 * is empty without one (DNS over TLS only).
	 */
	void (*start)(struct tls_proxy *p, struct tcp_conn *c,
		      const char *name);
	/*
	 * First bytes of an allowed connection to another port, whose server
	 * has not spoken yet: is it to be inspected? -EAGAIN: more is needed
	 * to tell; 0: no, ever; 1: yes, then take() is called.
	 */
	int (*classify)(struct tls_proxy *p, const struct tcp_conn *c,
			const void *data, size_t len);
	/* Everything the guest said is in tcp_peek(); fd, connected, and owned
	 * from now on, has not been read from or written to. */
	void (*take)(struct tls_proxy *p, struct tcp_conn *c, int fd);
	/*
	 * TLS as a client of the server called name, an address or a domain,
	 * on a socket (borrowed) that is connected or about to be. NULL: no
	 * memory. Handshakes happen in send and recv: -EAGAIN; then
	 * wire_waits() tells for which of EPOLLIN and EPOLLOUT.
	 */
	struct tls_wire *(*wire_open)(struct tls_proxy *p, int fd,
				      const struct net_endpoint *to,
				      const char *name);
	ssize_t (*wire_send)(struct tls_wire *w, const void *data, size_t len);
	ssize_t (*wire_recv)(struct tls_wire *w, void *data, size_t len);
	uint32_t (*wire_waits)(const struct tls_wire *w);
	void (*wire_close)(struct tls_wire *w);
};

/* Who serves the network: the runtime. */
struct net_host {
	void *ctx;
	net_log_fn log; /* NULL: nobody reads it */
	/* A secret's placeholder was sent where it ends the sandbox. Called on
	 * the network's thread. */
	void (*terminate)(void *ctx);
	const struct net_tls_ops *tls_ops; /* NULL: no interception */
	struct tls_proxy *tls;		   /* lives longer than the network */
};

struct net_stats { /* frames and bytes as the guest sees them */
	uint64_t tx_frames, tx_bytes, rx_frames, rx_bytes, dropped, denied;
	uint64_t tcp_flows, udp_flows; /* alive now */
};

/*
 * Opens what needs the host: listeners of published ports and the host's
 * resolver configuration. A port that is taken is an error with EADDRINUSE,
 * which names who has it. cfg is moved from on success; host is copied.
 */
int net_new(struct net_config *cfg, const struct net_addresses *addr,
	    const struct net_host *host, struct net **ret, struct err *err);
struct net *net_free(struct net *n);
const struct net_addresses *net_link_addresses(const struct net *n);

/*
 * Another policy, for whatever begins from now on; what is open goes on. take
 * is moved from. From any thread. 0 or -ENOMEM.
 */
int net_set_policy(struct net *n, struct policy *take);

int net_attach(struct net *n, struct loop *l, const struct net_link *link);
/* Every flow ends; peers see a reset. */
void net_detach(struct net *n);

/* A frame of the guest, in memory the guest can still change: every header is
 * copied once before it is believed. Valid during the call. */
void net_input(struct net *n, const struct iovec *iov, unsigned niov,
	       const struct net_offload *o);
/* The frames at hand have been given: answer now. */
void net_input_end(struct net *n);
/* After reserve() found too little: there are new buffers. */
void net_link_ready(struct net *n);
/* Any thread. */
void net_stats_get(const struct net *n, struct net_stats *ret);

#endif
