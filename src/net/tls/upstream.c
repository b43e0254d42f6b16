/* SPDX-License-Identifier: Apache-2.0 */
/* TLS as a client of the real server, and what its refusals mean to others. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "net/tls/session_int.h"

/* As which name the server must prove itself, and to whom. */
static bool verify(SSL *ssl, struct tls_proxy *p, const char *name)
{
	X509_STORE *store;

	if (!tls_verify_upstream(&p->config.tls, name)) {
		SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
		return true;
	}
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	store = tls_roots_store(p->roots, name);
	return store && SSL_set1_verify_cert_store(ssl, store) &&
	       SSL_set1_host(ssl, name);
}

static bool is_address(const char *name)
{
	struct net_addr a;

	return net_addr_parse(name, strlen(name), &a) == 0;
}

int server_tls_prepare(struct server_tls *u, const uint8_t *alpn,
		       unsigned alpn_len)
{
	struct tls_proxy *p = u->proxy;
	SSL_SESSION *known = resume_take(p->resume, u->name, &u->peer);

	if (known) {
		/* what cannot be resumed is begun anew */
		(void)SSL_set_session(u->ssl, known);
		SSL_SESSION_free(known);
	}
	if (!verify(u->ssl, p, u->name) ||
	    (!is_address(u->name) &&
	     !SSL_set_tlsext_host_name(u->ssl, u->name)) ||
	    (alpn_len && SSL_set_alpn_protos(u->ssl, alpn, alpn_len)))
		return -ENOMEM;
	return 0;
}

int server_on_ticket(SSL *ssl, SSL_SESSION *session)
{
	const struct server_tls *u = SSL_get_app_data(ssl);

	resume_keep(u->proxy->resume, u->name, &u->peer, session);
	return 1;
}

void server_on_alert(const SSL *ssl, int where, int value)
{
	struct server_tls *u = SSL_get_app_data(ssl);

	if (where != SSL_CB_READ_ALERT)
		return;
	if ((value & 0xff) == SSL_AD_CLOSE_NOTIFY)
		u->goodbye = true;
	else if (value >> 8 == SSL3_AL_FATAL)
		u->alert = (uint8_t)value;
}

/* --- why not --- */

static uint8_t verify_failure(long result, const char **text, char buf[128])
{
	(void)snprintf(buf, 128, "the server's certificate: %s",
		       X509_verify_cert_error_string(result));
	*text = buf;
	switch (result) {
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return SSL_AD_CERTIFICATE_EXPIRED;
	case X509_V_ERR_CERT_REVOKED:
		return SSL_AD_CERTIFICATE_REVOKED;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_CHAIN_TOO_LONG:
	case X509_V_ERR_CERT_UNTRUSTED:
		return SSL_AD_UNKNOWN_CA;
	case X509_V_ERR_OUT_OF_MEM:
		return SSL_AD_INTERNAL_ERROR;
	default: /* another name, a bad signature, ... */
		return SSL_AD_BAD_CERTIFICATE;
	}
}

uint8_t server_tls_failure(const struct server_tls *u, const char **text,
			   char buf[128])
{
	unsigned long e = ERR_peek_error();
	long result = SSL_get_verify_result(u->ssl);
	const char *reason = ERR_reason_error_string(e);

	if (u->alert) {
		(void)snprintf(buf, 128, "the server refused: alert %u (%s)",
			       u->alert, SSL_alert_desc_string_long(u->alert));
		*text = buf;
		return u->alert;
	}
	if (result != X509_V_OK && SSL_get_verify_mode(u->ssl))
		return verify_failure(result, text, buf);
	if (u->error)
		return server_dial_failure(u->error, text, buf);
	if (u->eof) {
		*text = "the server ended the connection in its TLS handshake";
		return SSL_AD_INTERNAL_ERROR;
	}
	(void)snprintf(buf, 128, "TLS with the server: %s",
		       reason ? reason : "failed");
	*text = buf;
	return SSL_AD_HANDSHAKE_FAILURE;
}

uint8_t server_dial_failure(int error, const char **text, char buf[128])
{
	(void)snprintf(buf, 128, "the server cannot be reached: %s",
		       strerror(-error));
	*text = buf;
	return SSL_AD_INTERNAL_ERROR;
}
