/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate authority whose leaves the guest sees, the leaves, and the
 * roots that upstream servers are verified against. The only file beside
 * session.c that knows OpenSSL's X.509 side. All files are read before the
 * jail closes; what follows needs none.
 */
#ifndef MSB_NET_TLS_CA_H
#define MSB_NET_TLS_CA_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/config.h"

struct tls_ca;

/*
 * The configured pair, or the user's own one in dir (<home>/tls/ca.crt and
 * ca.key, 0600), which is made on first use: under a lock, written atomically.
 * A pair in dir that cannot be read or used is replaced; a configured one is an
 * error: ERR_INVALID or ERR_IO, its message begins with
 * IncompleteInterceptCaConfig, ReadInterceptCaCert, ReadInterceptCaKey or
 * InvalidInterceptCa.
 */
int tls_ca_open(const char *dir, const struct tls_config *c,
		struct tls_ca **ret, struct err *err);
struct tls_ca *tls_ca_free(struct tls_ca *ca); /* wipes the key */
/* Exactly what the guest is to trust: PEM, NUL-terminated. */
const char *tls_ca_pem(const struct tls_ca *ca);

/* --- leaves: one per name, on demand, least recently used ones dropped --- */

struct tls_leaves;

int tls_leaves_new(struct tls_ca *ca, uint32_t capacity,
		   uint32_t validity_hours, struct tls_leaves **ret);
struct tls_leaves *tls_leaves_free(struct tls_leaves *l);
/*
 * Give ssl the key and the certificate for name, a canonical DNS name or the
 * text of an IP address, with the authority behind it. now_s: wall clock. One
 * with five minutes or less to live is made anew. 0, -EINVAL: no certificate
 * can carry this name; -ENOMEM.
 */
int tls_leaf_use(struct tls_leaves *l, const char *name, int64_t now_s,
		 SSL *ssl);

/* --- roots --- */

/* The PEM bundle the host's own programs use, as a descriptor, or -errno:
 * -ENOENT, the host has none. */
int tls_host_roots_open(void);
/*
 * What upstream servers are verified against: the host's bundle and the
 * configured files. Descriptors are opened at once, the host's certificates
 * parsed when first needed: reading a hundred of them takes longer than a
 * sandbox needs to start. An unreadable or empty configured file is an error.
 */
struct tls_roots;
int tls_roots_open(const struct tls_config *c, struct tls_roots **ret,
		   struct err *err);
struct tls_roots *tls_roots_free(struct tls_roots *r);
/* The store for this name (borrowed): the host's roots, the configured ones,
 * and those of the most specific scope. NULL: out of memory. */
X509_STORE *tls_roots_store(struct tls_roots *r, const char *name);
/* Is the server with this name to be verified at all? */
bool tls_verify_upstream(const struct tls_config *c, const char *name);
/* The certificates of the host's bundle for the guest (--trust-host-cas), each
 * once, plain PEM blocks. 0, also when there are none; -errno. */
int tls_host_roots_pem(struct buf *out);

#endif
