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
#include <limits.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/tls/session_int.h"

#define WATCHED (EPOLLIN | EPOLLOUT | EPOLLRDHUP | (uint32_t)EPOLLET)
/* So much goes one way before others on the loop get their turn. */
#define TURN_MAX (512u << 10)
/* To the guest at once: it is sent while it is still in the caches. */
#define STAGED_MAX (192u << 10)
/* A body that is changed as a whole, and what its values make of it. */
#define OUT_MAX (64u << 20)
/* What is left for the server when the guest has gone in good order. */
#define LINGER_MS 30000u
#define LINGER_SESSIONS 32u

enum session_state {
	SESSION_HELLO,
	SESSION_DIAL,
	SESSION_SERVER, /* TLS with the server */
	SESSION_GUEST,	/* TLS with the guest */
	SESSION_OPEN,
	SESSION_LINGER, /* the guest has gone, its words are still on the way */
};

struct tls_session {
	struct tls_proxy *proxy;
	enum session_state state;
	struct guest_tls guest;
	struct server_tls server;
	char name[NET_NAME_MAX + 1];
	struct net_endpoint peer; /* as the guest dialed it */
	struct net_endpoint to;	  /* as the host does */
	bool other_family;	  /* the other loopback may be tried, too */
	bool tunnel;
	struct watch watch;
	struct timer timer;
	struct deferred work;
	struct list link; /* proxy->lingering */
	uint8_t *alpn;	  /* what the server is offered; owned */
	unsigned alpn_len;
	uint8_t alert; /* the guest's handshake ends with it */
	struct secret_scope *scope;
	struct request_filter *filter; /* NULL: bytes go as they are */
	struct buf out;		       /* plaintext for the server */
	bool guest_done;	       /* it said its last */
	bool server_told;	       /* and the server knows */
	bool server_done, guest_told;
	bool starved; /* nothing to read from the server */
	bool broken;  /* the server's end; the guest reads what there is */
};

static void on_work(struct deferred *d);

static void session_free(struct tls_session *s, bool rude)
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

/* Both sides see a reset. Gives back false: the session is gone. */
static bool cut(struct tls_session *s)
{
	struct tcp_conn *c = s->guest.conn;

	guest_tls_flush(&s->guest);
	session_free(s, true);
	if (c)
		tcp_reset(c);
	return false;
}

/* The guest reads what there is for it, an alert perhaps. Gives back false. */
static bool part(struct tls_session *s)
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
	return part(s);
}

static void schedule(struct tls_session *s)
{
	loop_defer(s->proxy->net->loop, &s->work, on_work);
}

/* --- guest to server --- */

static bool would_wait(const SSL *ssl, int rc)
{
	int e = SSL_get_error(ssl, rc);

	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

/* A request that is not let through. */
static bool block(struct tls_session *s, int rc)
{
	const char *why = "out of memory";

	if (rc == -EPERM) {
		tls_violation_at(s->proxy, &s->peer, s->name,
				 request_filter_found(s->filter));
		return cut(s);
	}
	if (rc == -EPROTO)
		why = request_filter_why(s->filter);
	if (s->guest.conn)
		tls_blocked(s->proxy, s->guest.conn, s->name, why);
	return cut(s);
}

/* The server's end failed. The guest sees it after what came before. */
static bool server_lost(struct tls_session *s)
{
	s->broken = true;
	if (!s->guest.conn || tcp_drained(s->guest.conn))
		return cut(s);
	return true;
}

/* Send what is put by, as far as the socket takes it. */
static bool flush(struct tls_session *s)
{
	while (buf_len(&s->out)) {
		size_t len = buf_len(&s->out);
		int n = SSL_write(s->server.ssl, buf_data(&s->out),
				  len < INT_MAX ? (int)len : INT_MAX);

		if (n <= 0)
			return would_wait(s->server.ssl, n) || server_lost(s);
		buf_consume(&s->out, (size_t)n);
	}
	if (s->filter)
		request_filter_sent(s->filter);
	return true;
}

static bool forward(struct tls_session *s, const uint8_t *data, size_t len,
		    bool end)
{
	int rc;

	if (s->filter && !request_filter_passes(s->filter)) {
		rc = request_filter_push(s->filter, data, len, end, &s->out);
		return !rc || block(s, rc);
	}
	if (!len)
		return true;
	rc = SSL_write(s->server.ssl, data, (int)len); /* one record */
	if (rc > 0)
		return true;
	if (!would_wait(s->server.ssl, rc))
		return server_lost(s);
	return !buf_append(&s->out, data, len) || block(s, -ENOMEM);
}

/* The guest has said all, and all of it is sent. */
static bool tell_server(struct tls_session *s)
{
	int rc;

	if (s->server_told)
		return true;
	rc = SSL_shutdown(s->server.ssl);
	if (rc < 0 && would_wait(s->server.ssl, rc))
		return true;
	s->server_told = true;
	(void)shutdown(s->server.fd, SHUT_WR);
	if (s->state != SESSION_LINGER)
		return true;
	session_free(s, false);
	return false;
}

/* What SSL_read() says when it gives nothing. */
static bool guest_silent(struct tls_session *s, int rc)
{
	switch (SSL_get_error(s->guest.ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return true;
	case SSL_ERROR_ZERO_RETURN:
		s->guest_done = true;
		return forward(s, NULL, 0, true);
	default: /* it breaks the rules, or gave up */
		return part(s);
	}
}

static bool to_server(struct tls_session *s)
{
	uint8_t *data = s->proxy->scratch;
	size_t left = TURN_MAX;

	while (!s->broken) {
		int n;

		if (!flush(s))
			return false;
		if (s->broken || buf_len(&s->out))
			break;
		if (s->guest_done)
			return tell_server(s);
		if (!left) {
			schedule(s);
			break;
		}
		n = SSL_read(s->guest.ssl, data, TLS_SCRATCH);
		if (n <= 0) {
			if (!guest_silent(s, n))
				return false;
			if (!s->guest_done)
				break;
			continue;
		}
		left -= (size_t)n < left ? (size_t)n : left;
		if (!forward(s, data, (size_t)n, false))
			return false;
	}
	return true;
}

/* --- server to guest --- */

static bool tell_guest(struct tls_session *s)
{
	int rc;

	/* an end that was not announced is none of ours to announce */
	if (s->server.goodbye) {
		rc = SSL_shutdown(s->guest.ssl);
		if (rc < 0 && would_wait(s->guest.ssl, rc))
			return true;
	}
	s->guest_told = true;
	guest_tls_flush(&s->guest);
	tcp_finish(s->guest.conn);
	return true;
}

static bool server_silent(struct tls_session *s, int rc)
{
	const char *why;
	char buf[128];

	switch (SSL_get_error(s->server.ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		s->starved = true;
		return true;
	case SSL_ERROR_ZERO_RETURN:
		s->server_done = true;
		return true;
	default:
		if (s->server.alert) { /* of TLS 1.3, after its handshake */
			(void)server_tls_failure(&s->server, &why, buf);
			tls_blocked(s->proxy, s->guest.conn, s->name, why);
		}
		guest_tls_flush(&s->guest);
		return server_lost(s);
	}
}

static bool to_guest(struct tls_session *s)
{
	uint8_t *data = s->proxy->scratch;
	size_t left = TURN_MAX;

	while (!s->server_done && !s->broken && !s->starved) {
		int n;

		if (!left) {
			schedule(s);
			return true;
		}
		/* on_space() goes on */
		if (guest_tls_room(&s->guest) <
		    TLS_RECORD_MAX + TLS_RECORD_MORE)
			return true;
		n = SSL_read(s->server.ssl, data, TLS_SCRATCH);
		if (n <= 0) {
			if (!server_silent(s, n))
				return false;
			continue;
		}
		left -= (size_t)n < left ? (size_t)n : left;
		if (SSL_write(s->guest.ssl, data, n) != n)
			return cut(s);
		if (s->guest.staged >= STAGED_MAX)
			guest_tls_flush(&s->guest);
	}
	return !s->server_done || s->guest_told || tell_guest(s);
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
		return make_filter(s) || cut(s);
	}
	if (would_wait(s->guest.ssl, rc))
		return true;
	reason = ERR_reason_error_string(ERR_peek_error());
	tls_blocked(s->proxy, s->guest.conn, s->name,
		    reason ? reason : "the guest ended its TLS handshake");
	return part(s);
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
		(void)cut(s);
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
	if (would_wait(s->server.ssl, rc))
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
	if (would_wait(s->guest.ssl, rc))
		return true;
	tls_blocked(s->proxy, s->guest.conn, s->name,
		    "the guest's TLS hello makes no sense");
	return part(s);
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
		return to_server(s);
	if (s->state == SESSION_OPEN && (!to_guest(s) || !to_server(s)))
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
	schedule(owner); /* it is read from the ring */
	return 0;
}

static void on_fin(void *owner, struct tcp_conn *c)
{
	struct tls_session *s = owner;

	(void)c;
	s->guest.fin = true;
	schedule(s);
}

static void on_space(void *owner, struct tcp_conn *c)
{
	struct tls_session *s = owner;

	struct iovec iov[2];

	if (!s->broken)
		schedule(s);
	else if (tcp_drained(c))
		(void)cut(s);
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
	schedule(s);
}

static const struct tcp_owner_ops session_ops = {
	.established = on_established,
	.data = on_data,
	.fin = on_fin,
	.space = on_space,
	.closed = on_closed,
};

/* --- what OpenSSL asks --- */

/* Copy the guest's list of protocols, without HTTP/2 unless that will do. */
static bool copy_alpn(struct tls_session *s, const uint8_t *ext, size_t len)
{
	bool h2 = !secret_scope_has(s->scope, SECRET_IN_BODY);
	size_t at, n;

	if (len < 2 || ((size_t)ext[0] << 8 | ext[1]) != len - 2)
		return false;
	free(s->alpn);
	s->alpn_len = 0;
	s->alpn = malloc(len);
	for (at = 2; s->alpn && at < len; at += n) {
		n = 1 + (size_t)ext[at];
		if (n == 1 || n > len - at)
			return false;
		if (!h2 && n == 3 && !memcmp(ext + at, "\2h2", 3))
			continue; /* bodies are changed in HTTP/1 only */
		memcpy(s->alpn + s->alpn_len, ext + at, n);
		s->alpn_len += (unsigned)n;
	}
	return s->alpn;
}

int session_on_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_session *s = SSL_get_app_data(ssl);
	const unsigned char *ext;
	size_t len;

	(void)arg;
	if (!s)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = s->alert;
	if (s->alert)
		return SSL_CLIENT_HELLO_ERROR;
	if (s->state == SESSION_GUEST)
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_DECODE_ERROR;
	if (SSL_client_hello_get0_ext(
		    ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
		    &ext, &len) &&
	    !copy_alpn(s, ext, len))
		return SSL_CLIENT_HELLO_ERROR;
	return SSL_CLIENT_HELLO_RETRY; /* not before the server answered */
}

int session_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len,
		    const unsigned char *in, unsigned in_len, void *arg)
{
	static const unsigned char dot[] = "dot";
	const struct tls_session *s = SSL_get_app_data(ssl);
	const unsigned char *chosen = dot;
	unsigned n = sizeof(dot) - 1;

	(void)arg;
	if (s)
		SSL_get0_alpn_selected(s->server.ssl, &chosen, &n);
	for (unsigned at = 0; n && at < in_len; at += 1u + in[at])
		if (in[at] == n && !memcmp(in + at + 1, chosen, n)) {
			*out = in + at + 1;
			*len = (unsigned char)n;
			return SSL_TLSEXT_ERR_OK;
		}
	return s && n ? SSL_TLSEXT_ERR_ALERT_FATAL : SSL_TLSEXT_ERR_NOACK;
}

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
	strcpy(s->name, name);
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
