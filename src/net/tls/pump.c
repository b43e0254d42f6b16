/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What goes from one end of an intercepted connection to the other. A record is
 * read only when there is room for it on the other side: who does not read
 * slows down who writes.
 */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "net/tls/session_int.h"

/* So much goes one way before others on the loop get their turn. */
#define TURN_MAX (512u << 10)
/* To the guest at once: it is sent while it is still in the caches. */
#define STAGED_MAX (192u << 10)

/* --- guest to server --- */

bool tls_would_wait(const SSL *ssl, int rc)
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
		return session_cut(s);
	}
	if (rc == -EPROTO)
		why = request_filter_why(s->filter);
	if (s->guest.conn)
		tls_blocked(s->proxy, s->guest.conn, s->name, why);
	return session_cut(s);
}

/* The server's end failed. The guest sees it after what came before. */
static bool server_lost(struct tls_session *s)
{
	s->broken = true;
	if (!s->guest.conn || tcp_drained(s->guest.conn))
		return session_cut(s);
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
			return tls_would_wait(s->server.ssl, n) ||
			       server_lost(s);
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
	if (!tls_would_wait(s->server.ssl, rc))
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
	if (rc < 0 && tls_would_wait(s->server.ssl, rc))
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
		return session_part(s);
	}
}

bool session_to_server(struct tls_session *s)
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
			session_schedule(s);
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
		if (rc < 0 && tls_would_wait(s->guest.ssl, rc))
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

bool session_to_guest(struct tls_session *s)
{
	uint8_t *data = s->proxy->scratch;
	size_t left = TURN_MAX;

	while (!s->server_done && !s->broken && !s->starved) {
		int n;

		if (!left) {
			session_schedule(s);
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
			return session_cut(s);
		if (s->guest.staged >= STAGED_MAX)
			guest_tls_flush(&s->guest);
	}
	return !s->server_done || s->guest_told || tell_guest(s);
}
