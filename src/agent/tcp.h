/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to places the guest can reach, for clients. */
#ifndef MSB_AGENT_TCP_H
#define MSB_AGENT_TCP_H

#include <sys/socket.h>

#include "agent/agent.h"

/* The id is not in use. */
void tcp_connect(struct agent *a, uint32_t id, const struct msg_tcp_connect *m);
/* Messages of a stream; s is of kind SESSION_TCP, or NULL: unknown id. */
void tcp_data(struct agent *a, uint32_t id, struct session *s,
	      struct view data);
void tcp_eof(struct agent *a, struct session *s);
/* Stop sending data of the stream to the host, or go on. */
void tcp_hold(struct session *s, bool hold);
void tcp_close(struct agent *a, struct session *s);
void tcp_client_gone(struct agent *a, const struct msg_id_range *r);
void tcp_drop_all(struct agent *a);

/* Where a host name leads to, best first. */
struct tcp_addr {
	struct sockaddr_storage sa;
	socklen_t len;
};
/*
 * Addresses of a host: a literal, or a name of that hosts file; "localhost" is
 * known without one. Returns how many, at most max.
 */
size_t tcp_resolve(struct view host, uint16_t port, struct view hosts_file,
		   struct tcp_addr *ret, size_t max);

#endif
