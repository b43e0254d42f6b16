/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Published ports: sockets of the host that lead to the guest. Bound before the
 * jail closes and before the guest boots, so that a port which is taken is an
 * error at once; whoever connects meanwhile waits in the listener's queue.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "net/port_int.h"

#define BACKLOG 256
#define ACCEPTS_PER_TURN 32
#define NO_FILES_MS 100
#define WAIT_MS 1000

const char *port_text(const struct net_port *p, char ret[PORT_TEXT])
{
	char addr[NET_ADDR_TEXT];
	bool six = p->bind.addr.family == AF_INET6;

	(void)snprintf(ret, PORT_TEXT, "%s%s%s:%u/%s", six ? "[" : "",
		       net_addr_text(&p->bind.addr, addr), six ? "]" : "",
		       p->bind.port, p->udp ? "udp" : "tcp");
	return ret;
}

/* --- binding --- */

static int bind_error(const struct net_port *p, int rc, struct err *err)
{
	char text[PORT_TEXT], holder[PORT_HOLDER_TEXT];

	port_text(p, text);
	if (rc == -EADDRINUSE) {
		port_holder(p, holder);
		return err_set(err, ERR_IO, EADDRINUSE,
			       "port %s is already in use by %s", text, holder);
	}
	if (rc == -EACCES && p->bind.port < IPPORT_RESERVED)
		return err_set(err, ERR_PERMISSION, EACCES,
			       "port %s: ports below %d are for root", text,
			       IPPORT_RESERVED);
	if (rc == -EADDRNOTAVAIL)
		return err_set(err, ERR_INVALID, EADDRNOTAVAIL,
			       "port %s: this host does not have that address",
			       text);
	return err_sys(err, ERR_IO, -rc, "publish port %s", text);
}

static int prepare(int fd, const struct net_port *p)
{
	const int on = 1;

	if (p->bind.addr.family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0)
		return -errno;
	if (p->udp)
		return port_udp_prepare(fd, p);
	/* connections of an earlier sandbox that are still fading away */
	return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0
		       ? -errno
		       : 0;
}

static int open_socket(const struct net_port *p)
{
	struct sockaddr_storage sa;
	socklen_t len = net_endpoint_to_sockaddr(&p->bind, &sa);
	autoclose int fd = socket(p->bind.addr.family,
				  (p->udp ? SOCK_DGRAM : SOCK_STREAM) |
					  SOCK_NONBLOCK | SOCK_CLOEXEC,
				  0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = prepare(fd, p);
	if (rc)
		return rc;
	if (bind(fd, (const struct sockaddr *)&sa, len) < 0 ||
	    (!p->udp && listen(fd, BACKLOG) < 0))
		return -errno;
	return take_fd(&fd);
}

/* Where it leads: false when the guest has no address for it. */
static bool find_service(struct port *p)
{
	const struct net_addresses *a = &p->ports->n->link_addr;
	/* a connection does not care, a datagram keeps its family */
	bool six = p->is->udp ? p->is->bind.addr.family == AF_INET6
			      : a->guest4.family == AF_UNSPEC;

	p->service.addr = six ? a->guest6 : a->guest4;
	p->service.port = p->is->guest_port;
	p->gateway = six ? a->gateway6 : a->gateway4;
	return p->service.addr.family != AF_UNSPEC;
}

static void tell(const struct port *p)
{
	struct net *n = p->ports->n;
	char text[PORT_TEXT];

	port_text(p->is, text);
	net_log(n, LOG_INFO, "published %s as port %u of the guest", text,
		p->is->guest_port);
	if (net_addr_group(&p->is->bind.addr, &n->link_addr) !=
	    NET_GROUP_LOOPBACK)
		net_log(n, LOG_WARN,
			"port %s can be reached from other hosts: it is not"
			" bound to a loopback address",
			text);
}

static bool same_bind(const struct net_port *a, const struct net_port *b)
{
	return a->udp == b->udp && a->bind.port == b->bind.port &&
	       net_addr_equal(&a->bind.addr, &b->bind.addr);
}

static int publish(struct ports *p, const struct net_port *is, struct err *err)
{
	struct port *port = &p->list[p->count];
	char text[PORT_TEXT];
	int rc;

	*port = (struct port){ .ports = p, .is = is, .fd = -1 };
	for (size_t i = 0; i < p->count; i++)
		if (same_bind(is, p->list[i].is))
			return err_set(err, ERR_INVALID, EADDRINUSE,
				       "port %s is published twice",
				       port_text(is, text));
	if (!find_service(port)) {
		net_log(p->n, LOG_WARN,
			"port %s is not published: the guest has no address"
			" of that family",
			port_text(is, text));
		return 0;
	}
	rc = open_socket(is);
	if (rc < 0)
		return bind_error(is, rc, err);
	port->fd = rc;
	p->count++;
	tell(port);
	return 0;
}

int ports_new(struct net *n, struct ports **ret, struct err *err)
{
	struct ports *p = calloc(1, sizeof(*p));
	bool udp = false;
	int rc = 0;

	if (!p)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "published ports");
	p->n = n;
	p->list = calloc(n->config.nports, sizeof(*p->list));
	for (size_t i = 0; i < n->config.nports; i++)
		udp |= n->config.ports[i].udp;
	if ((n->config.nports && !p->list) ||
	    (udp && port_peers_new(p, &p->peers)))
		rc = err_sys(err, ERR_NO_MEMORY, ENOMEM, "published ports");
	for (size_t i = 0; !rc && i < n->config.nports; i++)
		rc = publish(p, &n->config.ports[i], err);
	if (rc) {
		ports_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

struct ports *ports_free(struct ports *p)
{
	if (!p)
		return NULL;
	ports_stop(p);
	for (size_t i = 0; i < p->count; i++)
		close_fd(&p->list[i].fd);
	port_peers_free(p->peers);
	free(p->list);
	free(p);
	return NULL;
}

/* --- connections --- */

/* The peer sees a reset. */
static void refuse(int fd)
{
	const struct linger now = { .l_onoff = 1 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
}

static void on_pause_over(struct timer *t);

/* Accept nothing for a while. */
static void rest(struct ports *p, uint64_t ms)
{
	for (size_t i = 0; i < p->count; i++)
		if (!p->list[i].is->udp)
			(void)loop_rewatch(&p->list[i].watch, 0);
	loop_timer(p->n->loop, &p->pause, ms, on_pause_over);
}

static void go_on(struct ports *p)
{
	loop_timer_cancel(&p->pause);
	for (size_t i = 0; i < p->count; i++)
		if (!p->list[i].is->udp && p->list[i].watch.loop)
			(void)loop_rewatch(&p->list[i].watch, EPOLLIN);
}

static void on_pause_over(struct timer *t)
{
	struct ports *p = container_of(t, struct ports, pause);

	if (p->admission == PORT_WAIT) {
		p->admission = PORT_REFUSE;
		net_log(p->n, LOG_WARN,
			"connections to published ports are refused: there are"
			" %u",
			p->inbound);
	}
	go_on(p);
}

static void on_done(void *ctx)
{
	struct ports *p = ctx;

	p->inbound--;
	if (p->admission == PORT_ADMIT)
		return;
	p->admission = PORT_ADMIT;
	go_on(p);
}

/* Connect to the guest from some port that is free. */
static int dial(struct port *p, int fd)
{
	struct ports *all = p->ports;
	struct net_endpoint from = { .addr = p->gateway };
	int rc = -EADDRINUSE;

	/* those in use are the connections alive, and what ended just now */
	for (unsigned i = 0; i < PORT_COUNT && rc == -EADDRINUSE; i++) {
		from.port = (uint16_t)(PORT_FIRST + all->next++ % PORT_COUNT);
		rc = splice_inbound(all->n, fd, &from, &p->service, on_done,
				    all);
	}
	return rc;
}

static void admit(struct port *p, int fd, const struct sockaddr_storage *sa)
{
	struct policy_flow f = { .direction = POLICY_INGRESS,
				 .proto = POLICY_TCP,
				 .port = p->is->guest_port };
	struct ports *all = p->ports;
	struct net_endpoint peer;

	if (all->admission == PORT_REFUSE ||
	    net_endpoint_from_sockaddr(sa, &peer)) {
		refuse(fd);
		return;
	}
	f.addr = peer.addr;
	if (net_judge(all->n, &f, POLICY_NAMES_CACHED, NULL).answer !=
	    POLICY_ALLOW) {
		refuse(fd);
		return;
	}
	all->inbound++; /* before it may be done already */
	if (dial(p, fd)) {
		all->inbound--;
		refuse(fd);
	}
}

static void on_connection(struct watch *w, uint32_t events)
{
	struct port *p = container_of(w, struct port, watch);
	struct ports *all = p->ports;
	struct sockaddr_storage sa;
	socklen_t len;
	int fd;

	(void)events;
	net_take_policy(all->n);
	if (all->inbound >= PORT_MAX_INBOUND && all->admission == PORT_ADMIT) {
		all->admission = PORT_WAIT;
		rest(all, WAIT_MS);
		return;
	}
	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		len = sizeof(sa);
		fd = accept4(w->fd, (struct sockaddr *)&sa, &len,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			admit(p, fd, &sa);
		else if (errno == EMFILE || errno == ENFILE ||
			 errno == ENOBUFS || errno == ENOMEM)
			rest(all, NO_FILES_MS);
		/* no more, or this one has gone already, or none may come */
		if (fd < 0 || all->inbound >= PORT_MAX_INBOUND)
			return;
	}
}

int ports_start(struct ports *p)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < p->count; i++) {
		struct port *port = &p->list[i];

		rc = loop_watch(p->n->loop, &port->watch, port->fd, EPOLLIN,
				port->is->udp ? port_udp_ready : on_connection);
	}
	if (rc)
		ports_stop(p);
	return rc;
}

void ports_link_ready(struct ports *p)
{
	if (p->peers)
		port_peers_resume(p->peers);
}

void ports_stop(struct ports *p)
{
	for (size_t i = 0; i < p->count; i++)
		loop_unwatch(&p->list[i].watch);
	loop_timer_cancel(&p->pause);
	p->admission = PORT_ADMIT;
	port_peers_clear(p->peers);
}
