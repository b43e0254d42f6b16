/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONNECT: the guest asks a proxy for a tunnel, and speaks to a server inside.
 *
 *   REQUEST  the guest's head is collected, looked at, and only then sent
 *   ASKING   it is on its way
 *   REPLY    the proxy's head is collected
 *   REFUSED  its answer goes to the guest; then another REQUEST may come
 *   HELLO    the tunnel is there: TLS for the name it was asked for, and
 *            session.c is next
 *   OPEN     ... or it is of no interest, and splice.c is next
 *   LAST     what the proxy still says goes to the guest, nothing back
 *
 * The guest's bytes stay in the connection's ring until they are part of a
 * whole head. No byte behind a head is sent before the proxy agreed to it, and
 * after a refusal only another CONNECT is: else a tunnel could be had unseen.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/iov.h"
#include "net/http/request_int.h"
#include "net/sni.h"
#include "net/tls/head.h"
#include "net/tls/relay.h"

#define REQUEST_MAX (16u << 10)
#define REQUEST_MS 5000u
#define REPLY_MAX (8u << 10)
#define REPLY_MS 60000u /* the proxy may have to wait for the server */
#define CREDENTIALS_MAX (2 * REQUEST_MAX)

struct tunnel;

enum tunnel_step {
	STEP_WAIT, /* for something to happen */
	STEP_NEXT, /* the state has changed */
	STEP_GONE, /* there is no tunnel any more */
};

struct tunnel {
	struct tls_relay relay;
	enum tunnel_step (*state)(struct tunnel *t);
	const char *late;    /* what is said when the timer fires */
	struct buf request;  /* from the guest, whole */
	struct buf reply;    /* from the proxy, as far as it is there */
	struct buf to_guest; /* the proxy's words that may go on */
	size_t looked;	     /* so much of a head was looked at */
	struct connect_head to;
	uint64_t left; /* of a refusal's content */
};

static struct tunnel *tunnel_free(struct tunnel *t)
{
	buf_fini(&t->request);
	buf_fini(&t->reply);
	buf_fini(&t->to_guest);
	free(t);
	return NULL;
}

static enum tunnel_step broken(struct tunnel *t)
{
	tls_relay_break(&t->relay);
	(void)tunnel_free(t);
	return STEP_GONE;
}

static enum tunnel_step blocked(struct tunnel *t, const char *why)
{
	tls_blocked(t->relay.proxy, t->relay.conn,
		    t->to.host[0] ? t->to.host : NULL, why);
	return broken(t);
}

static enum tunnel_step enter(struct tunnel *t,
			      enum tunnel_step (*state)(struct tunnel *),
			      uint32_t ms, const char *late)
{
	t->state = state;
	t->late = late;
	t->looked = 0;
	if (ms)
		tls_relay_timer(&t->relay, ms);
	else
		tls_relay_no_timer(&t->relay);
	return STEP_NEXT;
}

/* --- LAST and OPEN --- */

/* Both ends hear that it is over, the guest when it has read everything. */
static enum tunnel_step finished(struct tunnel *t)
{
	struct tcp_conn *c = t->relay.conn;

	if (t->relay.error)
		return broken(t);
	tls_relay_fini(&t->relay, false);
	(void)tunnel_free(t);
	tcp_abandon(c);
	return STEP_GONE;
}

static enum tunnel_step last(struct tunnel *t)
{
	struct iovec ring[2];

	if (!tls_relay_to_guest(&t->relay, &t->to_guest))
		return STEP_WAIT;
	(void)tls_relay_copy(&t->relay, UINT64_MAX);
	if (t->relay.ended || tcp_peek(t->relay.conn, ring))
		return finished(t);
	return STEP_WAIT;
}

static enum tunnel_step enter_last(struct tunnel *t)
{
	struct iovec ring[2];

	/* what was said before the proxy's last word is void */
	tcp_consume(t->relay.conn, tcp_peek(t->relay.conn, ring));
	return enter(t, last, 0, NULL);
}

static enum tunnel_step spliced(struct tunnel *t)
{
	struct net *n = t->relay.proxy->net;
	struct tcp_conn *c = t->relay.conn;
	int fd;

	if (!tls_relay_to_guest(&t->relay, &t->to_guest))
		return STEP_WAIT;
	fd = tls_relay_take_fd(&t->relay);
	(void)tunnel_free(t);
	splice_join(n, c, fd);
	return STEP_GONE;
}

/* --- HELLO --- */

static enum sni_result find_name(const struct tcp_conn *c,
				 char name[NET_NAME_MAX + 1])
{
	uint8_t copy[SNI_MAX_HELLO];
	struct iovec ring[2];
	size_t len;

	(void)tcp_peek(c, ring);
	len = iov_read(ring, 2, 0, copy, sizeof(copy));
	return sni_find(copy, len, name);
}

static enum tunnel_step agreed_name(struct tunnel *t)
{
	struct tls_proxy *p = t->relay.proxy;
	struct tcp_conn *c = t->relay.conn;
	char name[NET_NAME_MAX + 1];
	int fd;

	if (host_patterns_match(&p->net->config.tls.bypass, t->to.host))
		return enter(t, spliced, 0, NULL);
	memcpy(name, t->to.host, sizeof(name));
	fd = tls_relay_take_fd(&t->relay);
	(void)tunnel_free(t);
	tls_session_tunnelled(p, c, fd, name);
	return STEP_GONE;
}

static enum tunnel_step hello(struct tunnel *t)
{
	char name[NET_NAME_MAX + 1];

	if (!tls_relay_to_guest(&t->relay, &t->to_guest))
		return STEP_WAIT;
	switch (find_name(t->relay.conn, name)) {
	case SNI_MORE:
		if (t->relay.guest_done || t->relay.hung_up)
			return broken(t);
		return STEP_WAIT;
	case SNI_FOUND:
		if (strcmp(name, t->to.host) == 0)
			return agreed_name(t);
		return blocked(t,
			       "its TLS is for another host than its tunnel");
	case SNI_NONE:
	case SNI_NOT_TLS:
	case SNI_BAD:
		break;
	}
	return blocked(t, "there is no TLS with a name in its tunnel");
}

/* --- REPLY and REFUSED --- */

static enum tunnel_step request(struct tunnel *t);

static enum tunnel_step refused(struct tunnel *t)
{
	if (!tls_relay_to_guest(&t->relay, &t->to_guest))
		return STEP_WAIT;
	t->left -= tls_relay_copy(&t->relay, t->left);
	if (!t->left)
		return enter(t, request, 0, NULL);
	if (t->relay.ended)
		return enter_last(t);
	return STEP_WAIT;
}

/* The first n bytes of the reply are the guest's. */
static bool pass(struct tunnel *t, size_t n)
{
	if (buf_append(&t->to_guest, buf_data(&t->reply), n))
		return false;
	buf_consume(&t->reply, n);
	return true;
}

static enum tunnel_step answered(struct tunnel *t, const struct reply_head *h)
{
	const struct net_config *config = &t->relay.proxy->net->config;
	size_t more = buf_len(&t->reply);

	if (h->status < 200 && h->status != 101) {
		t->looked = 0;
		return STEP_NEXT; /* that was not yet the answer */
	}
	if (h->status / 100 == 2 && !net_port_intercepted(config, t->to.port))
		return pass(t, more) ? enter(t, spliced, 0, NULL) : broken(t);
	if (h->status / 100 == 2 && more)
		return blocked(t, "the proxy spoke inside the tunnel");
	if (h->status / 100 == 2)
		return enter(t, hello, TLS_HANDSHAKE_MS,
			     "there was no TLS in its tunnel in time");
	if (!pass(t, more))
		return broken(t);
	if (!h->has_length || h->length < more)
		return enter_last(t);
	t->left = h->length - more;
	return enter(t, refused, 0, NULL);
}

static enum tunnel_step reply(struct tunnel *t)
{
	struct reply_head h;
	size_t end;

	if (tls_relay_read(&t->relay, &t->reply,
			   REPLY_MAX - buf_len(&t->reply)))
		return broken(t);
	(void)tls_relay_to_guest(&t->relay, &t->to_guest);
	end = head_end(buf_data(&t->reply), buf_len(&t->reply), t->looked);
	t->looked = buf_len(&t->reply);
	if (!end && t->looked == REPLY_MAX)
		return blocked(t, "the proxy's answer is too long");
	if (!end && t->relay.ended)
		return pass(t, t->looked) ? enter_last(t) : broken(t);
	if (!end)
		return STEP_WAIT;
	if (reply_parse((const char *)buf_data(&t->reply), end, &h))
		return blocked(t, "the proxy's answer is no HTTP");
	return pass(t, end) ? answered(t, &h) : broken(t);
}

static enum tunnel_step asking(struct tunnel *t)
{
	if (tls_relay_send(&t->relay, &t->request))
		return broken(t);
	if (buf_len(&t->request))
		return STEP_WAIT;
	t->state = reply; /* in the time that is left */
	return STEP_NEXT;
}

/* --- REQUEST --- */

/* Secrets inside credentials, which nobody but their decoder sees. */
static int scan_credentials(struct request_ctx *ctx, const char *head,
			    size_t len)
{
	struct head_field f;
	struct buf sink;
	size_t pos = 0;
	int rc = 0;

	while (rc >= 0 && head_next(head, len, &pos, &f)) {
		if (!head_is(&f, "authorization") &&
		    !head_is(&f, "proxy-authorization"))
			continue;
		buf_init_secret(&sink, CREDENTIALS_MAX);
		rc = authorization_value(ctx, f.value, f.value_len, &sink);
		buf_fini(&sink);
	}
	return rc < 0 ? rc : 0;
}

static int scan_with(const struct secret_scope *scope, const char *head,
		     size_t len, struct secret_found *found)
{
	struct request_ctx ctx = { .scope = scope };
	struct secret_scan *scan;
	int rc = secret_scan_new(scope, &scan);

	if (rc)
		return rc;
	rc = secret_scan_push(scan, head, len, found) ? -EPERM : 0;
	secret_scan_free(scan);
	if (rc)
		return rc;
	rc = scan_credentials(&ctx, head, len);
	if (rc == -EPERM)
		*found = ctx.found;
	return rc;
}

/* No secret is for a proxy. 0, -EPERM and *found, -ENOMEM. */
static int scan_head(struct tunnel *t, const char *head, size_t len,
		     struct secret_found *found)
{
	struct tls_proxy *p = t->relay.proxy;
	const struct secret_where where = {
		.host = t->to.host[0] ? t->to.host : NULL,
		.dest = &tcp_peer_end(t->relay.conn)->addr,
		.outer = true,
	};
	struct secret_scope *scope;
	int rc = secret_scope_new(p->secrets, p->net->names, &p->net->link_addr,
				  clock_mono_ms(), &where, &scope);

	if (rc)
		return rc;
	*found = (struct secret_found){ 0 };
	if (!secret_scope_idle(scope))
		rc = scan_with(scope, head, len, found);
	secret_scope_free(scope);
	return rc;
}

static enum tunnel_step violated(struct tunnel *t, struct secret_found *found)
{
	found->protocol = "http/1.1";
	found->location = "header";
	memcpy(found->method, "CONNECT", sizeof("CONNECT"));
	memcpy(found->host, t->to.host, sizeof(found->host));
	tls_violation(t->relay.proxy, t->relay.conn, found);
	return broken(t);
}

/*
 * The proxy itself may be spoken to; may it be asked for this? Rules about
 * names, and those that deny addresses, hold for what is asked for, too. What
 * no rule mentions is up to the proxy, whom some rule allows.
 */
static bool target_denied(struct tunnel *t)
{
	struct net *n = t->relay.proxy->net;
	const struct policy *policy = &n->config.policy;
	struct policy_flow f = flow_question(t->relay.conn);
	struct policy_verdict v;
	struct net_addr a;
	bool address = net_addr_parse(t->to.host, strlen(t->to.host), &a) == 0;

	f.port = t->to.port;
	if (address)
		f.addr = a;
	v = policy_decide(policy, &n->link_addr, n->names, &f,
			  address ? POLICY_NAMES_CACHED : POLICY_NAMES_SNI,
			  address ? NULL : t->to.host);
	if (v.answer != POLICY_DENY || v.rule < 0 ||
	    (!address && !policy_rule_has_name(&policy->rules[v.rule])))
		return false;
	net_denied(n, &f, address ? NULL : t->to.host, &v);
	return true;
}

/* A whole head is in t->request. */
static enum tunnel_step asked(struct tunnel *t)
{
	const char *head = (const char *)buf_data(&t->request), *why;
	size_t len = buf_len(&t->request);
	struct secret_found found;
	int rc;

	why = connect_parse(head, len, &t->to);
	if (why)
		t->to.host[0] = '\0';
	rc = scan_head(t, head, len, &found);
	if (rc == -EPERM)
		return violated(t, &found);
	if (rc)
		return broken(t);
	if (why)
		return blocked(t, why);
	if (target_denied(t))
		return broken(t);
	return enter(t, asking, REPLY_MS, "the proxy did not answer in time");
}

static enum tunnel_step request(struct tunnel *t)
{
	struct tcp_conn *c = t->relay.conn;
	struct iovec ring[2];
	uint8_t *head;
	size_t len, end;

	if (t->relay.hung_up)
		return enter_last(t);
	while (tcp_peek(c, ring) &&
	       (len = head_blank(ring[0].iov_base, ring[0].iov_len)))
		tcp_consume(c, len);
	head = buf_reserve(&t->request, REQUEST_MAX);
	if (!head)
		return broken(t);
	len = iov_read(ring, 2, 0, head, REQUEST_MAX);
	end = head_end(head, len, t->looked);
	t->looked = len;
	if (!end && len == REQUEST_MAX)
		return blocked(t, "its CONNECT request is too long");
	if (!end && t->relay.guest_done)
		return broken(t);
	if (!end) {
		if (len && !t->late) {
			t->late = "its CONNECT request did not end in time";
			tls_relay_timer(&t->relay, REQUEST_MS);
		}
		return STEP_WAIT;
	}
	buf_commit(&t->request, end);
	tcp_consume(c, end);
	return asked(t);
}

/* --- as the relay asks --- */

static void on_step(struct tls_relay *r)
{
	struct tunnel *t = container_of(r, struct tunnel, relay);
	enum tunnel_step s;

	do
		s = t->state(t);
	while (s == STEP_NEXT);
}

static void on_late(struct tls_relay *r)
{
	struct tunnel *t = container_of(r, struct tunnel, relay);

	(void)blocked(t, t->late);
}

static void on_gone(struct tls_relay *r)
{
	(void)tunnel_free(container_of(r, struct tunnel, relay));
}

static const struct tls_relay_ops tunnel_ops = { on_step, on_late, on_gone };

void tunnel_start(struct tls_proxy *p, struct tcp_conn *c, int fd)
{
	struct tunnel *t = calloc(1, sizeof(*t));

	if (!t || tls_relay_init(&t->relay, &tunnel_ops, p, c, fd)) {
		free(t);
		close_fd(&fd);
		tcp_reset(c);
		return;
	}
	buf_init_secret(&t->request, REQUEST_MAX);
	buf_init(&t->reply, REPLY_MAX);
	buf_init(&t->to_guest, 2 * REPLY_MAX);
	(void)enter(t, request, 0, NULL);
}
