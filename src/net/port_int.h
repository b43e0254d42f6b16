/* SPDX-License-Identifier: Apache-2.0 */
/* Published ports: what port.c, port_udp.c and port_holder.c share. */
#ifndef MSB_NET_PORT_INT_H
#define MSB_NET_PORT_INT_H

#include "base/list.h"
#include "loop/loop.h"
#include "net/net_int.h"

/* What the guest sees as its peer's port: one of these, of the gateway. */
#define PORT_FIRST 49152u
#define PORT_COUNT 16384u
#define PORT_MAX_INBOUND 256u

#define PORT_TEXT (NET_ADDR_TEXT + sizeof("[]:65535/udp"))
#define PORT_HOLDER_TEXT 160

struct port_peers; /* port_udp.c */

struct port {
	struct ports *ports;	   /* borrowed */
	const struct net_port *is; /* borrowed from the configuration */
	int fd;			   /* owned */
	struct watch watch;
	/* the guest's end and the gateway's address in front of it */
	struct net_endpoint service;
	struct net_addr gateway;
};

/*
 * At the limit, connections wait a moment in the listeners' queues: others may
 * be about to end. After that they are reset, until there is room.
 */
enum port_admission { PORT_ADMIT, PORT_WAIT, PORT_REFUSE };

struct ports {
	struct net *n;
	struct port *list; /* owned */
	size_t count;
	unsigned inbound; /* TCP connections alive */
	enum port_admission admission;
	uint16_t next; /* to be tried, from PORT_FIRST */
	/* Nothing is accepted until then: at the limit, or no descriptor was
	 * left. */
	struct timer pause;
	struct port_peers *peers; /* owned; NULL without UDP */
};

const char *port_text(const struct net_port *p, char ret[PORT_TEXT]);

/* --- port_udp.c --- */

int port_peers_new(struct ports *p, struct port_peers **ret);
struct port_peers *port_peers_free(struct port_peers *t);
/* Everybody is forgotten. */
void port_peers_clear(struct port_peers *t);
/* Options of a socket before it is bound. 0 or -errno. */
int port_udp_prepare(int fd, const struct net_port *p);
void port_udp_ready(struct watch *w, uint32_t events);
/* The guest has buffers again: what had to wait goes on. */
void port_peers_resume(struct port_peers *t);

/* --- port_holder.c --- */

/* One line of /proc/net/{tcp,udp}{,6}. */
struct port_row {
	struct net_endpoint local;
	uint32_t state;
	uint32_t uid;
	uint64_t inode;
};

bool port_row_parse(const char *line, struct port_row *ret);
/* Is it in the way of p? Listeners are; with any, also a connection whose own
 * end has that port. */
bool port_row_blocks(const struct port_row *r, const struct net_port *p,
		     bool any);
/* Who has what p wants, in words: "sandbox 'web'", "nginx (pid 12)", "a process
 * of user 33", "another process". Asks /proc. */
void port_holder(const struct net_port *p, char ret[PORT_HOLDER_TEXT]);

#endif
