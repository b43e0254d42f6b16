/* SPDX-License-Identifier: Apache-2.0 */
/* What ca.c, leaf.c and roots.c share. */
#ifndef MSB_NET_TLS_CA_INT_H
#define MSB_NET_TLS_CA_INT_H

#include "net/tls/ca.h"

struct tls_ca {
	EVP_PKEY *key;
	STACK_OF(X509) * certs; /* the authority, then what it hangs on */
	char *pem;		/* of all certs, and of nothing else; owned */
};

/* --- pem.c --- */

/* Ceilings on files that people name. */
#define PEM_MAX_FILE (16u << 20)
#define PEM_MAX_KEY (64u << 10)

/*
 * Call back for each certificate of a PEM text, as its bytes; other blocks, and
 * broken ones, are passed over. 0, or what the callback gave, if negative;
 * -ENOMEM. The second reads a file, by read(2) alone, which is what the
 * network's thread may do; -errno also for one above PEM_MAX_FILE.
 */
typedef int (*pem_fn)(void *ctx, const uint8_t *der, long len);
int pem_each(const void *text, size_t len, pem_fn fn, void *ctx);
int pem_each_fd(int fd, pem_fn fn, void *ctx);

/*
 * All certificates of a PEM text, appended to out; those that cannot be
 * understood are passed over. How many there were, -errno.
 */
int pem_certs(const void *text, size_t len, STACK_OF(X509) * out);
int pem_certs_fd(int fd, STACK_OF(X509) * out);
/* NUL-terminated and owned by the caller; NULL: out of memory. */
char *pem_text(const STACK_OF(X509) * certs);

/* --- cert.c: parts of a certificate that is being made --- */

/* A serial number nobody can guess. */
bool cert_set_serial(X509 *x);
/* value: as openssl's configuration has it (x509v3_config(5)). */
bool cert_set_extension(X509 *x, X509 *issuer, int nid, const char *value);

/* --- ca.c --- */

/* A new authority, from now_s on. NULL: out of memory or of entropy. */
struct tls_ca *tls_ca_generate(int64_t now_s);

/* --- leaf.c --- */

/* The leaf for name as tls_leaf_use() would give it; borrowed until the next
 * call. 0, -EINVAL, -ENOMEM. */
int tls_leaf_get(struct tls_leaves *l, const char *name, int64_t now_s,
		 X509 **ret_cert, EVP_PKEY **ret_key);

/* --- bundle.c --- */

struct bundle;

/* 0, -errno. */
int bundle_read(int fd, struct bundle **ret);
struct bundle *bundle_free(struct bundle *b);
/* Have store find what it needs in b, which outlives it. */
bool bundle_serve(struct bundle *b, X509_STORE *store);
/* Put all with this subject into the store. False: there are none. */
bool bundle_load(const struct bundle *b, const X509_NAME *subject,
		 X509_STORE *store);
/* Each certificate once, as plain PEM blocks. 0, -errno. */
int bundle_pem(const struct bundle *b, struct buf *out);

/* --- roots.c --- */

/* The first of these paths that is a file with something in it. */
int tls_bundle_open(const char *const *paths, size_t n);
/* tls_roots_open() with the host's bundle from host_fd, which is taken; -1:
 * the host has none. */
int tls_roots_new(const struct tls_config *c, int host_fd,
		  struct tls_roots **ret, struct err *err);

#endif
