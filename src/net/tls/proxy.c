/* SPDX-License-Identifier: Apache-2.0 */
/* What outlives connections, and the entry points of the stack. */
#include "net/tls/proxy.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#include "net/tls/session_int.h"

/* Ciphertext read from a socket at once. */
#define READ_AHEAD (64u << 10)

/* What both ends have in common. */
static SSL_CTX *context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx)
		return NULL;
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION)) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					       SSL_OP_NO_COMPRESSION |
					       SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(ctx,
			       SSL_MODE_ENABLE_PARTIAL_WRITE |
				       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				       SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	return ctx;
}

static int make_contexts(struct tls_proxy *p)
{
	p->server = context(TLS_server_method());
	p->client = context(TLS_client_method());
	if (!p->server || !p->client)
		return -ENOMEM;
	/* tickets do, and leave nothing here */
	(void)SSL_CTX_set_session_cache_mode(p->server, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_num_tickets(p->server, 1);
	SSL_CTX_set_client_hello_cb(p->server, session_on_hello, NULL);
	SSL_CTX_set_alpn_select_cb(p->server, session_on_alpn, NULL);
	(void)SSL_CTX_set_session_cache_mode(
		p->client, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(p->client, server_on_ticket);
	SSL_CTX_set_info_callback(p->client, server_on_alert);
	return 0;
}

static int open_parts(struct tls_proxy *p, const char *ca_dir, int values_fd,
		      struct err *err)
{
	const struct tls_config *c = &p->config.tls;
	int rc = tls_ca_open(ca_dir, c, &p->ca, err);

	if (!rc)
		rc = tls_roots_open(c, &p->roots, err);
	if (!rc)
		rc = secrets_new(&p->config.secrets, values_fd, &p->secrets,
				 err);
	if (rc)
		return rc;
	if (tls_leaves_new(p->ca, c->cache_capacity, c->validity_hours,
			   &p->leaves) ||
	    tls_bios_new(p) || resume_new(&p->resume) || make_contexts(p))
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "TLS");
	return 0;
}

int tls_proxy_new(const struct net_config *c, const char *ca_dir, int values_fd,
		  struct tls_proxy **ret, struct err *err)
{
	struct tls_proxy *p;
	int rc;

	/* what the host configured for its own programs is not for us */
	if (!OPENSSL_init_ssl(
		    OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL))
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "TLS");
	p = calloc(1, sizeof(*p));
	if (!p)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "TLS");
	p->config = *c;
	p->room = HTTP_MAX_HELD;
	list_init(&p->lingering);
	rc = open_parts(p, ca_dir, values_fd, err);
	if (rc) {
		tls_proxy_free(p);
		return rc;
	}
	*ret = p;
	return 0;
}

struct tls_proxy *tls_proxy_free(struct tls_proxy *p)
{
	if (!p)
		return NULL;
	SSL_CTX_free(p->server);
	SSL_CTX_free(p->client);
	tls_bios_free(p);
	p->resume = resume_free(p->resume);
	p->secrets = secrets_free(p->secrets);
	p->leaves = tls_leaves_free(p->leaves);
	p->roots = tls_roots_free(p->roots);
	p->ca = tls_ca_free(p->ca);
	free(p);
	return NULL;
}

const char *tls_proxy_ca_pem(const struct tls_proxy *p)
{
	return tls_ca_pem(p->ca);
}

/* --- entry points --- */

static int proxy_attach(struct tls_proxy *p, struct net *n)
{
	p->net = n;
	return 0;
}

static void proxy_detach(struct tls_proxy *p)
{
	if (!p->net)
		return;
	sessions_end(p);
	p->net = NULL;
}

static void proxy_start(struct tls_proxy *p, struct tcp_conn *c,
			const char *name)
{
	if (tcp_peer_end(c)->port == DNS_TLS_PORT)
		dot_start(p, c, name);
	else
		tls_session_start(p, c, name);
}

const struct net_tls_ops tls_proxy_ops = {
	.attach = proxy_attach,
	.detach = proxy_detach,
	.start = proxy_start,
	.classify = tls_classify,
	.take = tls_take,
	.wire_open = wire_open,
	.wire_send = wire_send,
	.wire_recv = wire_recv,
	.wire_waits = wire_waits,
	.wire_close = wire_close,
};
