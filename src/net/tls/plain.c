/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP without TLS, in a sandbox that has secrets. Those that do not ask for
 * TLS are put in, as inside of it; all others are only looked for. Nothing
 * proves who the server is, so all requests of a connection must be for the
 * host that the first one names: what one host may have is not sent to
 * another.
 *
 * The server may say what it wants at any time, as it always could.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "net/http/request.h"
#include "net/tls/head.h"
#include "net/tls/relay.h"

/* Of what may go on and the server has not taken yet; not more is looked at
 * before it has. A body that was changed as a whole comes at once. */
#define OUT_MAX (4 * HTTP_MAX_BODY)

struct plain {
	struct tls_relay relay;
	struct buf head; /* the first one, until its host is known */
	size_t looked;	 /* so much of it was looked at */
	char host[NET_NAME_MAX + 1];
	struct secret_scope *scope;
	struct request_filter *filter; /* NULL: the host is not known yet */
	struct buf out;		       /* may have secrets in it */
	bool told_server, told_guest;  /* that the other side said its last */
};

static void plain_free(struct plain *h)
{
	request_filter_free(h->filter);
	secret_scope_free(h->scope);
	buf_fini(&h->head);
	buf_fini(&h->out);
	free(h);
}

/* The return value of all that may end the connection. */
enum plain_state { PLAIN_GONE, PLAIN_THERE };

static enum plain_state broken(struct plain *h)
{
	tls_relay_break(&h->relay);
	plain_free(h);
	return PLAIN_GONE;
}

static enum plain_state blocked(struct plain *h, const char *why)
{
	tls_blocked(h->relay.proxy, h->relay.conn, h->host[0] ? h->host : NULL,
		    why);
	return broken(h);
}

/* --- whom the connection is for --- */

static bool some_secret_is_plain(const struct secrets_config *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->v[i].require_tls_identity)
			return true;
	return false;
}

static bool is_for_any_host(const struct secret_config *s)
{
	for (size_t i = 0; i < s->allowed.n; i++)
		if (s->allowed.v[i].kind == HOST_ANY)
			return true;
	return false;
}

static bool all_are_for_any_host(const struct secrets_config *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!is_for_any_host(&s->v[i]))
			return false;
	return true;
}

static bool something_goes_in(const struct secret_scope *s)
{
	return secret_scope_has(s, SECRET_IN_HEADER) ||
	       secret_scope_has(s, SECRET_IN_QUERY) ||
	       secret_scope_has(s, SECRET_IN_BASIC) ||
	       secret_scope_has(s, SECRET_IN_BODY);
}

/* host: what the secrets' patterns are compared with, or NULL. outer: none is
 * allowed, wherever it goes. */
static int set_scope(struct plain *h, const char *host, bool outer)
{
	struct tls_proxy *p = h->relay.proxy;
	const struct secret_where where = {
		.host = host,
		.dest = &tcp_peer_end(h->relay.conn)->addr,
		.outer = outer,
	};

	h->scope = secret_scope_free(h->scope);
	return secret_scope_new(p->secrets, p->net->names, &p->net->link_addr,
				clock_mono_ms(), &where, &h->scope);
}

/*
 * To a server, as the first request says. A proxy gets requests for many hosts
 * on one connection: if this one gets a secret, then only for the first host,
 * else whatever is there is looked for, for any.
 */
static int for_named_host(struct plain *h, bool to_proxy)
{
	int rc = set_scope(h, h->host, false);

	if (rc)
		return rc;
	if (!to_proxy || something_goes_in(h->scope))
		return request_filter_new(h->scope, h->host,
					  &h->relay.proxy->room, &h->filter);
	rc = set_scope(h, h->host, true);
	return rc ? rc
		  : request_filter_new(h->scope, NULL, &h->relay.proxy->room,
				       &h->filter);
}

/*
 * HTTP/2, whose requests are read by the filter alone, gets no secrets, nor
 * does HTTP/1.0 without a host, unless they are for any.
 */
static int for_any_host(struct plain *h, bool is_http2)
{
	const struct secrets_config *s = &h->relay.proxy->net->config.secrets;
	const bool any = all_are_for_any_host(s);
	int rc;

	if (!any && !is_http2 && some_secret_is_plain(s))
		return -EPROTO;
	rc = set_scope(h, NULL, !any);
	return rc ? rc
		  : request_filter_new(h->scope, NULL, &h->relay.proxy->room,
				       &h->filter);
}

static bool is_preface(const char *head, size_t len)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\n";

	return len == sizeof(preface) - 1 && !memcmp(head, preface, len);
}

/* What is there is as much of a head as there will be. */
static enum plain_state begin(struct plain *h, size_t len)
{
	const char *head = (const char *)buf_data(&h->head);
	const size_t blank = head_blank(head, buf_len(&h->head));
	struct request_target target;
	int rc;

	request_target(head + blank, len, &target);
	memcpy(h->host, target.host, sizeof(h->host));
	rc = h->host[0] ? for_named_host(h, target.absolute)
			: for_any_host(h, is_preface(head + blank, len));
	if (rc == -EPROTO)
		return blocked(h, "its first request names no host");
	return rc ? broken(h) : PLAIN_THERE;
}

/* The head of the first request, as far as there is one. */
static enum plain_state find_host(struct plain *h)
{
	const uint8_t *head;
	size_t blank, len, end;

	if (tls_relay_collect(&h->relay, &h->head, HTTP_MAX_HEAD))
		return broken(h);
	head = buf_data(&h->head);
	blank = head_blank(head, buf_len(&h->head));
	len = buf_len(&h->head) - blank;
	end = head_end(head + blank, len, h->looked);
	h->looked = len;
	if (end)
		return begin(h, end);
	if (buf_len(&h->head) == HTTP_MAX_HEAD)
		return blocked(h, "the head of its first request is too long");
	return h->relay.guest_done ? begin(h, len) : PLAIN_THERE;
}

/* --- guest to server --- */

static enum plain_state filtered(struct plain *h, int rc)
{
	if (!rc)
		return PLAIN_THERE;
	if (rc == -EPERM)
		tls_violation(h->relay.proxy, h->relay.conn,
			      request_filter_found(h->filter));
	else if (rc == -EPROTO)
		return blocked(h, request_filter_why(h->filter));
	return broken(h);
}

/* Something that was not looked at goes through the filter; false: there is
 * nothing. */
static bool push(struct plain *h, enum plain_state *ret)
{
	struct iovec ring[2];
	const size_t n = buf_len(&h->head);

	if (n) {
		*ret = filtered(h, request_filter_push(h->filter,
						       buf_data(&h->head), n,
						       false, &h->out));
		if (*ret == PLAIN_THERE)
			buf_fini(&h->head);
		return true;
	}
	if (tcp_peek(h->relay.conn, ring)) {
		*ret = filtered(h, request_filter_push(
					   h->filter, ring[0].iov_base,
					   ring[0].iov_len, false, &h->out));
		if (*ret == PLAIN_THERE)
			tcp_consume(h->relay.conn, ring[0].iov_len);
		return true;
	}
	if (!h->relay.guest_done || h->told_server)
		return false;
	h->told_server = true;
	*ret = filtered(h,
			request_filter_push(h->filter, NULL, 0, true, &h->out));
	return true;
}

static enum plain_state to_server(struct plain *h)
{
	enum plain_state s = PLAIN_THERE;

	do {
		if (tls_relay_send(&h->relay, &h->out))
			return broken(h);
		if (buf_len(&h->out))
			return PLAIN_THERE;
		if (h->filter)
			request_filter_sent(h->filter);
		if (h->told_server)
			(void)shutdown(h->relay.fd, SHUT_WR);
	} while (push(h, &s) && s == PLAIN_THERE);
	return s;
}

/* --- server to guest --- */

static enum plain_state to_guest(struct plain *h)
{
	(void)tls_relay_copy(&h->relay, UINT64_MAX);
	if (!h->relay.ended)
		return PLAIN_THERE;
	/* what was said before an error comes first */
	if (h->relay.error)
		return tcp_drained(h->relay.conn) ? broken(h) : PLAIN_THERE;
	if (!h->told_guest)
		tcp_finish(h->relay.conn);
	h->told_guest = true;
	return PLAIN_THERE;
}

/* Nobody needs to look any more. */
static void join(struct plain *h)
{
	struct net *n = h->relay.proxy->net;
	struct tcp_conn *c = h->relay.conn;
	int fd = tls_relay_take_fd(&h->relay);

	plain_free(h);
	splice_join(n, c, fd);
}

static bool may_join(const struct plain *h)
{
	return h->filter && request_filter_passes(h->filter) &&
	       !buf_len(&h->head) && !buf_len(&h->out) && !h->told_server &&
	       !h->relay.ended;
}

static void on_step(struct tls_relay *r)
{
	struct plain *h = container_of(r, struct plain, relay);

	if (to_guest(h) == PLAIN_GONE)
		return;
	if (!h->filter && find_host(h) == PLAIN_GONE)
		return;
	if (h->filter && to_server(h) == PLAIN_GONE)
		return;
	if (may_join(h))
		join(h);
}

static void on_gone(struct tls_relay *r)
{
	plain_free(container_of(r, struct plain, relay));
}

static const struct tls_relay_ops plain_ops = { .step = on_step,
						.gone = on_gone };

void plain_start(struct tls_proxy *p, struct tcp_conn *c, int fd)
{
	struct plain *h = calloc(1, sizeof(*h));

	if (!h || tls_relay_init(&h->relay, &plain_ops, p, c, fd)) {
		free(h);
		close_fd(&fd);
		tcp_reset(c);
		return;
	}
	buf_init(&h->head, HTTP_MAX_HEAD);
	buf_init_secret(&h->out, OUT_MAX);
}
