/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One intercepted connection:
 *
 *   HELLO -> DIAL -> SERVER -> GUEST -> OPEN -> (LINGER)
 *
 * The guest's hello is read, but answered only after the server has been dialed
 * and has proved who it is: so the guest is given the protocol that the server
 * chose, and learns by a TLS alert what is wrong with the server. Then bytes go
 * both ways, each way as fast as its reader, and each way ends by itself.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/tls/session_int.h"

#define WATCHED (EPOLLIN | EPOLLOUT | EPOLLRDHUP | (uint32_t)EPOLLET)
/* A body that is changed as a whole, and what its values make of it. */
#define OUT_MAX (64u << 20)
/* What is left for the server when the guest has gone in good order. */
#define LINGER_MS 30000u
#define LINGER_SESSIONS 32u

static void on_work(struct deferred *d);

void session_free(struct tls_session *s, bool rude)
{
	loop_timer_cancel(&s->timer);
	loop_defer_cancel(&s->work);
	s->proxy->nlingering -= s->state == SESSION_LINGER;
	list_del(&s->link);
	guest_tls_close(&s->guest);
	server_tls_close(&s->server);
	dial_hang_up(&s->watch, &s->server.fd, rude);
	request_filter_free(s->filter);
	secret_scope_free(s->scope);
	buf_fini(&s->out);
	free(s->alpn);
	free(s);
}

bool session_cut(struct tls_session *s)
{
	struct tcp_conn *c = s->guest.conn;

	guest_tls_flush(&s->guest);
	session_free(s, true);
	if (c)
		tcp_reset(c);
	return false;
}

bool session_part(struct tls_session *s)
{
	struct tcp_conn *c = s->guest.conn;

	guest_tls_flush(&s->guest);
	session_free(s, true);
	if (c)
		tcp_abandon(c);
	return false;
}

/* The server will not do: tell the guest, whose hello is not answered yet. */
static bool refuse(struct tls_session *s, uint8_t alert, const char *why)
{
	tls_blocked(s->proxy, s->guest.conn, s->name, why);
	s->alert = alert;
	(void)SSL_do_handshake(s->guest.ssl); /* see session_on_hello() */
	return session_part(s);
}

void session_schedule(struct tls_session *s)
{
	loop_defer(s->proxy->net->loop, &s->work, on_work);
}

/* --- handshakes --- */

static bool make_filter(struct tls_session *s)
{
	if (secret_scope_idle(s->scope) && !s->proxy->config.policy.has_names)
		return true;
	return !request_filter_new(s->scope, s->name, &s->proxy->room,
				   &s->filter);
}

static bool greet_guest(struct tls_session *s)
{
	int rc = SSL_do_handshake(s->guest.ssl);
	const char *reason;

	if (rc == 1) {
		s->state = SESSION_OPEN;
		loop_timer_cancel(&s->timer);
		return make_filter(s) || session_cut(s);
	}
	if (tls_would_wait(s->guest.ssl, rc))
		return true;
	reason = ERR_reason_error_string(ERR_peek_error());
	tls_blocked(s->proxy, s->guest.conn, s->name,
		    reason ? reason : "the guest ended its TLS handshake");
	return session_part(s);
}

static void on_timer(struct timer *t)
{
	struct tls_session *s = container_of(t, struct tls_session, timer);

	ERR_clear_error();
	if (s->state == SESSION_LINGER) {
		session_free(s, true);
	} else if (s->state == SESSION_GUEST) {
		tls_blocked(s->proxy, s->guest.conn, s->name,
			    "the guest's TLS handshake takes too long");
		(void)session_cut(s);
	} else {
		(void)refuse(s, SSL_AD_INTERNAL_ERROR,
			     "the server does not answer");
	}
}

static bool greet_server(struct tls_session *s)
{
	int rc = SSL_do_handshake(s->server.ssl);
	const char *why;
	char buf[128];
	uint8_t alert;

	if (rc == 1) {
		s->state = SESSION_GUEST;
		loop_timer(s->proxy->net->loop, &s->timer, TLS_HANDSHAKE_MS,
			   on_timer);
		return true;
	}
	if (tls_would_wait(s->server.ssl, rc))
		return true;
	alert = server_tls_failure(&s->server, &why, buf);
	return refuse(s, alert, why);
}

static bool connected(struct tls_session *s)
{
	if (server_tls_open(&s->server) ||
	    server_tls_prepare(&s->server, s->alpn, s->alpn_len))
		return refuse(s, SSL_AD_INTERNAL_ERROR, "out of memory");
	s->state = SESSION_SERVER;
	return true;
}

/* --- dialing --- */

static void on_server(struct watch *w, uint32_t events);

/* 0: under way. */
static int dial(struct tls_session *s)
{
	int rc = dial_open(&s->to);

	if (rc < 0)
		return rc;
	s->server.fd = rc;
	rc = loop_watch(s->proxy->net->loop, &s->watch, rc, WATCHED, on_server);
	if (rc)
		dial_hang_up(&s->watch, &s->server.fd, false);
	return rc;
}

static bool dial_failed(struct tls_session *s, int error)
{
	const char *why;
	char buf[128];
	uint8_t alert;

	if (s->other_family && dial_other(&s->to, error)) {
		s->other_family = false;
		dial_hang_up(&s->watch, &s->server.fd, false);
		s->server.readable = s->server.writable = false;
		s->server.hung_up = false;
		if (!dial(s))
			return true;
	}
	alert = server_dial_failure(error, &why, buf);
	return refuse(s, alert, why);
}

static bool call_server(struct tls_session *s)
{
	struct loop *l = s->proxy->net->loop;
	int rc;

	loop_timer(l, &s->timer, TLS_HANDSHAKE_MS, on_timer);
	if (!s->tunnel) {
		s->state = SESSION_DIAL;
		rc = dial(s);
		return !rc || dial_failed(s, rc);
	}
	rc = loop_watch(l, &s->watch, s->server.fd, WATCHED, on_server);
	if (rc)
		return refuse(s, SSL_AD_INTERNAL_ERROR, "out of memory");
	return connected(s);
}

static bool read_hello(struct tls_session *s)
{
	int rc = SSL_do_handshake(s->guest.ssl);

	if (SSL_get_error(s->guest.ssl, rc) == SSL_ERROR_WANT_CLIENT_HELLO_CB)
		return call_server(s);
	if (tls_would_wait(s->guest.ssl, rc))
		return true;
	tls_blocked(s->proxy, s->guest.conn, s->name,
		    "the guest's TLS hello makes no sense");
	return session_part(s);
}

/* Go on as far as there is something to go on with. false: it is gone. */
static bool advance(struct tls_session *s)
{
	ERR_clear_error();
	if (s->state == SESSION_HELLO && !read_hello(s))
		return false;
	if (s->state == SESSION_SERVER && !greet_server(s))
		return false;
	if (s->state == SESSION_GUEST && !greet_guest(s))
		return false;
	if (s->state == SESSION_LINGER)
		return session_to_server(s);
	if (s->state == SESSION_OPEN &&
	    (!session_to_guest(s) || !session_to_server(s)))
		return false;
	guest_tls_flush(&s->guest);
	return true;
}

static void on_work(struct deferred *d)
{
	(void)advance(container_of(d, struct tls_session, work));
}

static void on_server(struct watch *w, uint32_t events)
{
	struct tls_session *s = container_of(w, struct tls_session, watch);
	int error = 0;

	server_tls_events(&s->server, events);
	s->starved = false;
	if (s->state == SESSION_DIAL) {
		if (events & (EPOLLERR | EPOLLHUP))
			error = dial_error(s->server.fd);
		if (!error && !(events & EPOLLOUT))
			return;
		if (error ? !dial_failed(s, error) : !connected(s))
			return;
	}
	(void)advance(s);
}

/* --- the guest's connection --- */

static void on_established(void *owner, struct tcp_conn *c)
{
	(void)owner; /* it was, before it came here */
	(void)c;
}

static size_t on_data(void *owner, struct tcp_conn *c, const struct iovec *iov,
		      unsigned n, size_t len)
{
	(void)c;
	(void)iov;
	(void)n;
	(void)len;
	session_schedule(owner); /* it is read from the ring */
	return 0;
}

static void on_fin(void *owner, struct tcp_conn *c)
{
	struct tls_session *s = owner;

	(void)c;
	s->guest.fin = true;
	session_schedule(s);
}

static void on_space(void *owner, struct tcp_conn *c)
{
	struct tls_session *s = owner;

	struct iovec iov[2];

	if (!s->broken)
		session_schedule(s);
	else if (tcp_drained(c))
		(void)session_cut(s);
	else
		(void)tcp_space(c, iov); /* ask again */
}

/* What the guest said before it went may wait for the server to read. */
static bool has_more(const struct tls_session *s)
{
	return s->state == SESSION_OPEN && !s->broken && !s->server_told;
}

static void on_closed(void *owner, struct tcp_conn *c, int error)
{
	struct tls_session *s = owner;

	(void)c;
	s->guest.conn = NULL;
	if (error || !has_more(s)) {
		session_free(s, error != 0);
		return;
	}
	s->state = SESSION_LINGER;
	if (s->proxy->nlingering++ >= LINGER_SESSIONS)
		session_free(container_of(s->proxy->lingering.next,
					  struct tls_session, link),
			     true);
	list_add_tail(&s->proxy->lingering, &s->link);
	loop_timer(s->proxy->net->loop, &s->timer, LINGER_MS, on_timer);
	session_schedule(s);
}

static const struct tcp_owner_ops session_ops = {
	.established = on_established,
	.data = on_data,
	.fin = on_fin,
	.space = on_space,
	.closed = on_closed,
};

/* --- beginning --- */

static struct tls_session *session_new(struct tls_proxy *p, struct tcp_conn *c,
				       const char *name, bool tunnel)
{
	struct tls_session *s = calloc(1, sizeof(*s));
	const struct net *n = p->net;
	const struct secret_where where = {
		.host = s ? s->name : NULL,
		.dest = s ? &s->peer.addr : NULL,
		.tls = true,
		.tunnel = tunnel,
	};

	if (!s)
		return NULL;
	s->proxy = p;
	s->server = (struct server_tls){
		.fd = -1,
		.proxy = p,
		.name = s->name,
		.peer = *tcp_peer_end(c),
	};
	s->peer = s->server.peer;
	s->to = net_host_end(n, &s->peer);
	s->other_family = net_addr_is_gateway(&s->peer.addr, &n->link_addr);
	s->tunnel = tunnel;
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	list_init(&s->link);
	if (secret_scope_new(p->secrets, n->names, &n->link_addr,
			     loop_now_ms(n->loop), &where, &s->scope) ||
	    guest_tls_open(&s->guest, p, c, s)) {
		session_free(s, false);
		return NULL;
	}
	if (secret_scope_idle(s->scope))
		buf_init(&s->out, OUT_MAX);
	else
		buf_init_secret(&s->out, OUT_MAX);
	return s;
}

static void start(struct tls_proxy *p, struct tcp_conn *c, int fd,
		  const char *name)
{
	struct tls_session *s = NULL;
	int rc = -ENOMEM;

	if (!p->terminated && strlen(name) <= NET_NAME_MAX)
		s = session_new(p, c, name, fd >= 0);
	if (s)
		rc = tls_leaf_use(p->leaves, name,
				  (int64_t)(clock_wall_ns() / NSEC_PER_SEC),
				  s->guest.ssl);
	if (rc == -EINVAL)
		tls_blocked(p, c, name, "no certificate can carry this name");
	if (rc) {
		if (s)
			session_free(s, false);
		close_fd(&fd);
		tcp_reset(c);
		return;
	}
	s->server.fd = fd;
	loop_timer(p->net->loop, &s->timer, TLS_HANDSHAKE_MS, on_timer);
	tcp_set_owner(c, &session_ops, s);
	(void)advance(s);
}

void tls_session_start(struct tls_proxy *p, struct tcp_conn *c,
		       const char *name)
{
	start(p, c, -1, name);
}

void tls_session_tunnelled(struct tls_proxy *p, struct tcp_conn *c, int fd,
			   const char *name)
{
	start(p, c, fd, name);
}

void sessions_end(struct tls_proxy *p)
{
	while (!list_empty(&p->lingering))
		session_free(container_of(p->lingering.next, struct tls_session,
					  link),
			     true);
}
