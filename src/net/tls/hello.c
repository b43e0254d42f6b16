/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenSSL asks about a guest's hello: may it be answered, and with which
 * protocol? */
#include <stdlib.h>
#include <string.h>

#include "net/tls/session_int.h"

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
