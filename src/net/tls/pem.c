/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates in PEM files. */
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/io.h"
#include "net/tls/ca_int.h"

static bool is_certificate(const char *name)
{
	return !strcmp(name, PEM_STRING_X509) ||
	       !strcmp(name, PEM_STRING_X509_OLD);
}

int pem_each(const void *text, size_t len, pem_fn fn, void *ctx)
{
	BIO *bio = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
	size_t left = len + 1, before;
	int rc = 0;

	if (!bio)
		return -ENOMEM;
	/* A bad block is passed over: each turn takes a line at least. */
	do {
		char *name = NULL, *header = NULL;
		uint8_t *der = NULL;
		long der_len = 0;

		before = left;
		if (PEM_read_bio(bio, &name, &header, &der, &der_len) &&
		    is_certificate(name))
			rc = fn(ctx, der, der_len);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)der_len); /* maybe a key */
		left = (size_t)BIO_pending(bio);
	} while (rc >= 0 && left && left < before);
	BIO_free(bio);
	ERR_clear_error();
	return rc < 0 ? rc : 0;
}

static int add_cert(void *ctx, const uint8_t *der, long len)
{
	STACK_OF(X509) *out = ctx;
	const uint8_t *p = der;
	X509 *x = d2i_X509(NULL, &p, len);
	const bool whole = x && p == der + len;

	if (whole && sk_X509_push(out, x) > 0)
		return 0;
	X509_free(x);
	return whole ? -ENOMEM : 0;
}

int pem_certs(const void *text, size_t len, STACK_OF(X509) * out)
{
	const int before = sk_X509_num(out);
	int rc = pem_each(text, len, add_cert, out);

	return rc ? rc : sk_X509_num(out) - before;
}

int pem_each_fd(int fd, pem_fn fn, void *ctx)
{
	struct buf text;
	int rc;

	buf_init(&text, PEM_MAX_FILE);
	rc = io_read_all(fd, &text);
	if (!rc)
		rc = pem_each(buf_data(&text), buf_len(&text), fn, ctx);
	buf_fini(&text);
	return rc;
}

int pem_certs_fd(int fd, STACK_OF(X509) * out)
{
	const int before = sk_X509_num(out);
	int rc = pem_each_fd(fd, add_cert, out);

	return rc ? rc : sk_X509_num(out) - before;
}

char *pem_text(const STACK_OF(X509) * certs)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p, *text = NULL;
	long len;
	bool ok = bio;

	for (int i = 0; ok && i < sk_X509_num(certs); i++)
		ok = PEM_write_bio_X509(bio, sk_X509_value(certs, i));
	len = ok ? BIO_get_mem_data(bio, &p) : 0;
	if (len > 0)
		text = strndup(p, (size_t)len);
	BIO_free(bio);
	return text;
}
