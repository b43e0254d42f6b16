/* SPDX-License-Identifier: Apache-2.0 */
/* Authorities, certificates and keys in files, for tests of TLS. */
#ifndef MSB_TESTS_NET_PKI_H
#define MSB_TESTS_NET_PKI_H

#include "net/tls/ca_int.h"

#define HOUR 3600

struct pki_dir {
	char path[64];
	int fd;
};

/* Set-up and end of a test whose state is a directory. */
int pki_make_dir(void **state);
int pki_remove_dir(void **state);
/* Path of a file in it, good for the next few calls. */
const char *pki_at(const struct pki_dir *d, const char *name);
void pki_put(const char *path, const char *text);

int64_t pki_now(void);
/* The configuration that says nothing. */
extern const struct tls_config pki_plain;
/* An authority as two files, and from two files. */
void pki_put_pair(const struct tls_ca *ca, const char *cert, const char *key);
struct tls_ca *pki_open(const char *cert, const char *key);
/* cipher: with a password. */
void pki_put_key(EVP_PKEY *key, const EVP_CIPHER *cipher, const char *path);
/* One that has signed itself, with these extensions; NULL: without. */
void pki_put_cert(EVP_PKEY *key, const char *constraints, const char *usage,
		  const EVP_MD *md, const char *path);
bool pki_critical(X509 *x, int nid);

#endif
