/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS sessions with servers, by name and address: what was verified for one
 * name counts for no other. A ticket of TLS 1.3 is for one use, so a few of
 * them are kept for connections that begin together. The least recently used
 * one makes room.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net/tls/session_int.h"

#define RESUME_MAX 256u
#define RESUME_EACH 16u /* of one name and address */

struct known {
	struct list link;
	char *name;
	struct net_endpoint peer;
	SSL_SESSION *session;
};

struct tls_resume {
	struct list used; /* the latest is last */
	unsigned n;
};

int resume_new(struct tls_resume **ret)
{
	struct tls_resume *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	list_init(&r->used);
	*ret = r;
	return 0;
}

static void drop(struct tls_resume *r, struct known *k)
{
	list_del(&k->link);
	r->n--;
	SSL_SESSION_free(k->session);
	free(k->name);
	free(k);
}

struct tls_resume *resume_free(struct tls_resume *r)
{
	if (!r)
		return NULL;
	while (!list_empty(&r->used))
		drop(r, container_of(r->used.next, struct known, link));
	free(r);
	return NULL;
}

static bool fits(const struct known *k, const char *name,
		 const struct net_endpoint *peer)
{
	return k->peer.port == peer->port &&
	       net_addr_equal(&k->peer.addr, &peer->addr) &&
	       !strcmp(k->name, name);
}

/* The latest one. */
static struct known *find(struct tls_resume *r, const char *name,
			  const struct net_endpoint *peer)
{
	struct list *pos;

	for (pos = r->used.prev; pos != &r->used; pos = pos->prev) {
		struct known *k = container_of(pos, struct known, link);

		if (fits(k, name, peer))
			return k;
	}
	return NULL;
}

/* Drop the oldest ones of these, down to a number. */
static void thin_out(struct tls_resume *r, const char *name,
		     const struct net_endpoint *peer, unsigned left)
{
	struct list *pos = r->used.prev, *before;

	for (; pos != &r->used; pos = before) {
		struct known *k = container_of(pos, struct known, link);

		before = pos->prev;
		if (!fits(k, name, peer))
			continue;
		if (left)
			left--;
		else
			drop(r, k);
	}
}

SSL_SESSION *resume_take(struct tls_resume *r, const char *name,
			 const struct net_endpoint *peer)
{
	struct known *k = find(r, name, peer);
	SSL_SESSION *s;

	if (!k)
		return NULL;
	s = k->session;
	list_del(&k->link);
	list_add_tail(&r->used, &k->link);
	/* a ticket of TLS 1.3 is for one use, so that nobody can tell that
	 * two connections are of one client (RFC 8446 C.4) */
	if (SSL_SESSION_get_protocol_version(s) < TLS1_3_VERSION) {
		(void)SSL_SESSION_up_ref(s);
	} else {
		k->session = NULL;
		drop(r, k);
	}
	return s;
}

void resume_keep(struct tls_resume *r, const char *name,
		 const struct net_endpoint *peer, SSL_SESSION *session)
{
	const bool once =
		SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION;
	struct known *k;

	thin_out(r, name, peer, once ? RESUME_EACH - 1 : 0);
	if (r->n >= RESUME_MAX)
		drop(r, container_of(r->used.next, struct known, link));
	k = calloc(1, sizeof(*k));
	if (k)
		k->name = strdup(name);
	if (!k || !k->name) { /* the next connection takes a little longer */
		free(k);
		SSL_SESSION_free(session);
		return;
	}
	k->peer = *peer;
	k->session = session;
	list_add_tail(&r->used, &k->link);
	r->n++;
}
