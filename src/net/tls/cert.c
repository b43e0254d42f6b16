/* SPDX-License-Identifier: Apache-2.0 */
/* What every certificate has that is made here. */
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "net/tls/ca_int.h"

#define SERIAL_BYTES 16

bool cert_set_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;
	bool ok;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	return ok;
}

bool cert_set_serial(X509 *x)
{
	uint8_t b[SERIAL_BYTES];
	BIGNUM *n;
	bool ok;

	if (RAND_bytes(b, sizeof(b)) != 1)
		return false;
	b[0] = (b[0] & 0x7f) | 0x40; /* positive, and of this length */
	n = BN_bin2bn(b, sizeof(b), NULL);
	ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x));
	BN_free(n);
	return ok;
}
