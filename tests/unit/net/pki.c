/* SPDX-License-Identifier: Apache-2.0 */
/* Authorities, certificates and keys in files, for tests of TLS. */
#include "pki.h"

#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"

const struct tls_config pki_plain = { .enabled = true,
				      .verify_upstream = true };

int64_t pki_now(void)
{
	return (int64_t)(clock_wall_ns() / NSEC_PER_SEC);
}

int pki_make_dir(void **state)
{
	struct pki_dir *d = calloc(1, sizeof(*d));

	(void)snprintf(d->path, sizeof(d->path), "/tmp/msb-ca-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(d->fd >= 0);
	*state = d;
	return 0;
}

int pki_remove_dir(void **state)
{
	struct pki_dir *d = *state;

	assert_int_equal(io_remove_tree(AT_FDCWD, d->path), 0);
	(void)close(d->fd);
	free(d);
	return 0;
}

/* Path of a file in the test's directory, for one use at a time. */
const char *pki_at(const struct pki_dir *d, const char *name)
{
	static char path[8][128];
	static unsigned turn;
	char *p = path[turn++ % 8];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", d->path, name);
	return p;
}

void pki_put(const char *path, const char *text)
{
	assert_int_equal(
		io_write_file_at(AT_FDCWD, path, text, strlen(text), 0600), 0);
}

/* An authority of the test's own: its certificate and key as files. */
void pki_put_pair(const struct tls_ca *ca, const char *cert, const char *key)
{
	FILE *f = fopen(key, "we");

	assert_non_null(f);
	assert_int_equal(
		PEM_write_PrivateKey(f, ca->key, NULL, NULL, 0, NULL, NULL), 1);
	(void)fclose(f);
	pki_put(cert, tls_ca_pem(ca));
}

struct tls_ca *pki_open(const char *cert, const char *key)
{
	struct tls_config c = pki_plain;
	struct tls_ca *ca = NULL;
	struct err err = { 0 };

	c.ca_cert = strdup(cert);
	c.ca_key = strdup(key);
	if (tls_ca_open("/nonexistent", &c, &ca, &err))
		fail_msg("%s", err.msg);
	free(c.ca_cert);
	free(c.ca_key);
	return ca;
}

void pki_put_key(EVP_PKEY *key, const EVP_CIPHER *cipher, const char *path)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(PEM_write_PKCS8PrivateKey(f, key, cipher,
						   cipher ? "pass" : NULL,
						   cipher ? 4 : 0, NULL, NULL),
			 1);
	(void)fclose(f);
}

/* A certificate with what extension says, or none, for key. */
void pki_put_cert(EVP_PKEY *key, const char *constraints, const char *usage,
		  const EVP_MD *md, const char *path)
{
	X509 *x = X509_new();
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(X509_set_version(x, X509_VERSION_3) && cert_set_serial(x) &&
		    X509_NAME_add_entry_by_NID(
			    X509_get_subject_name(x), NID_commonName,
			    MBSTRING_ASC, (const uint8_t *)"test", -1, -1, 0) &&
		    X509_set_issuer_name(x, X509_get_subject_name(x)) &&
		    X509_gmtime_adj(X509_getm_notBefore(x), -HOUR) &&
		    X509_gmtime_adj(X509_getm_notAfter(x), 100L * HOUR) &&
		    X509_set_pubkey(x, key));
	if (constraints)
		assert_true(cert_set_extension(x, x, NID_basic_constraints,
					       constraints));
	if (usage)
		assert_true(cert_set_extension(x, x, NID_key_usage, usage));
	assert_true(X509_sign(x, key, md) > 0);
	assert_int_equal(PEM_write_X509(f, x), 1);
	(void)fclose(f);
	X509_free(x);
}

bool pki_critical(X509 *x, int nid)
{
	return X509_EXTENSION_get_critical(
		X509_get_ext(x, X509_get_ext_by_NID(x, nid, -1)));
}
