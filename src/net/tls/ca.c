/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate authority: the user's own, one for all sandboxes, or one that
 * the configuration names.
 *
 * Its two files are replaced one after the other, so somebody who reads without
 * the lock may find halves of two pairs. They do not fit together then, and the
 * lock is taken to look again; only who holds it makes a new pair.
 */
#include "net/tls/ca.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "net/tls/ca_int.h"

#define CERT_FILE "ca.crt"
#define KEY_FILE "ca.key"
#define LOCK_FILE "ca.lock"
#define ORGANISATION "microsandbox"
#define COMMON_NAME "microsandbox CA"

#define DAY_S 86400
/* A guest's clock, and that of a machine this home moves to, may be behind. */
#define BACKDATED_S DAY_S
#define LIFETIME_S (20LL * 365 * DAY_S)
/* A pair that ends so soon is replaced: guests that know it still may run. */
#define RENEW_S (30LL * DAY_S)
#define MAX_CHAIN 8
/* Below it no client takes what the key has signed. */
#define MIN_SECURITY_BITS 112

struct tls_ca *tls_ca_free(struct tls_ca *ca)
{
	if (!ca)
		return NULL;
	EVP_PKEY_free(ca->key); /* overwrites its private half */
	sk_X509_pop_free(ca->certs, X509_free);
	free(ca->pem);
	free(ca);
	return NULL;
}

const char *tls_ca_pem(const struct tls_ca *ca)
{
	return ca->pem;
}

static struct tls_ca *ca_new(void)
{
	struct tls_ca *ca = calloc(1, sizeof(*ca));

	if (!ca)
		return NULL;
	ca->certs = sk_X509_new_null();
	return ca->certs ? ca : tls_ca_free(ca);
}

/* --- making one --- */

static bool set_name(X509 *x)
{
	X509_NAME *name = X509_get_subject_name(x);

	return X509_NAME_add_entry_by_NID(
		       name, NID_organizationName, MBSTRING_ASC,
		       (const uint8_t *)ORGANISATION, -1, -1, 0) &&
	       X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
					  (const uint8_t *)COMMON_NAME, -1, -1,
					  0) &&
	       X509_set_issuer_name(x, name);
}

static X509 *self_signed(EVP_PKEY *key, int64_t now_s)
{
	X509 *x = X509_new();

	if (x && X509_set_version(x, X509_VERSION_3) && cert_set_serial(x) &&
	    set_name(x) &&
	    ASN1_TIME_set(X509_getm_notBefore(x), now_s - BACKDATED_S) &&
	    ASN1_TIME_set(X509_getm_notAfter(x), now_s + LIFETIME_S) &&
	    X509_set_pubkey(x, key) &&
	    cert_set_extension(x, x, NID_basic_constraints,
			       "critical,CA:TRUE") &&
	    cert_set_extension(x, x, NID_key_usage,
			       "critical,keyCertSign,cRLSign") &&
	    cert_set_extension(x, x, NID_subject_key_identifier, "hash") &&
	    X509_sign(x, key, EVP_sha256()))
		return x;
	X509_free(x);
	return NULL;
}

struct tls_ca *tls_ca_generate(int64_t now_s)
{
	struct tls_ca *ca = ca_new();
	X509 *x = NULL;

	if (!ca)
		return NULL;
	ca->key = EVP_EC_gen("P-256");
	if (ca->key)
		x = self_signed(ca->key, now_s);
	if (x && sk_X509_push(ca->certs, x) > 0) {
		ca->pem = pem_text(ca->certs);
		return ca->pem ? ca : tls_ca_free(ca);
	}
	X509_free(x);
	ERR_clear_error();
	return tls_ca_free(ca);
}

/* --- understanding one --- */

/* Nobody is there to be asked for a password. */
static int no_password(char *text, int size, int for_writing, void *ctx)
{
	(void)text;
	(void)size;
	(void)for_writing;
	(void)ctx;
	return -1;
}

static EVP_PKEY *parse_key(const struct buf *text)
{
	BIO *bio = BIO_new_mem_buf(buf_data(text), (int)buf_len(text));
	EVP_PKEY *key =
		bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
		    : NULL;

	BIO_free(bio);
	return key;
}

/* Why no guest would take what these two sign; NULL: it would. */
static const char *unusable(const struct tls_ca *ca, int64_t now_s)
{
	X509 *x = sk_X509_value(ca->certs, 0);
	time_t now = now_s;

	if (X509_check_private_key(x, ca->key) != 1)
		return "the key is not the certificate's";
	if (X509_check_ca(x) != 1)
		return "the certificate is not one of an authority";
	if (!(X509_get_key_usage(x) & KU_KEY_CERT_SIGN))
		return "the certificate's key may not sign others";
	if (EVP_PKEY_get_security_bits(ca->key) < MIN_SECURITY_BITS)
		return "the key is too short";
	if (X509_cmp_time(X509_get0_notAfter(x), &now) <= 0)
		return "the certificate has expired";
	if (X509_cmp_time(X509_get0_notBefore(x), &now) > 0)
		return "the certificate is not valid yet";
	return NULL;
}

/* NULL with *ret_why, which is NULL when memory is the reason. */
static struct tls_ca *ca_parse(const struct buf *cert, const struct buf *key,
			       const char **ret_why)
{
	struct tls_ca *ca = ca_new();
	int n;

	*ret_why = NULL;
	if (!ca)
		return NULL;
	n = pem_certs(buf_data(cert), buf_len(cert), ca->certs);
	if (n == 0)
		*ret_why = "there is no certificate";
	else if (n > MAX_CHAIN)
		*ret_why = "there are too many certificates";
	if (n < 0 || *ret_why)
		return tls_ca_free(ca);
	ca->key = parse_key(key);
	*ret_why = ca->key ? unusable(ca,
				      (int64_t)(clock_wall_ns() / NSEC_PER_SEC))
			   : "there is no private key without a password";
	ERR_clear_error();
	if (!*ret_why)
		ca->pem = pem_text(ca->certs);
	return ca->pem ? ca : tls_ca_free(ca);
}

/* --- a configured pair --- */

/* Both may hold the key: some people keep the two in one file. */
static int read_named(const char *path, size_t max, const char *kind,
		      struct buf *b, struct err *err)
{
	autoclose int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int rc = fd < 0 ? -errno : 0;

	buf_init_secret(b, max);
	if (!rc && fstat(fd, &st) < 0)
		rc = -errno;
	if (!rc && !S_ISREG(st.st_mode))
		rc = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (!rc)
		rc = io_read_all(fd, b);
	return rc ? err_sys(err, ERR_IO, -rc, "%s: %s", kind, path) : 0;
}

/* Whether it can do what it is for is better known now than when the guest
 * wants the first connection. */
static int try_leaf(struct tls_ca *ca)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	struct tls_leaves *l = NULL;
	int rc = -ENOMEM;

	if (ssl)
		rc = tls_leaves_new(ca, 1, 1, &l);
	if (!rc)
		rc = tls_leaf_use(l, "localhost",
				  (int64_t)(clock_wall_ns() / NSEC_PER_SEC),
				  ssl);
	(void)tls_leaves_free(l);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return rc;
}

static int open_configured(const struct tls_config *c, struct tls_ca **ret,
			   struct err *err)
{
	struct buf cert, key = { 0 };
	const char *why;
	int rc;

	if (!c->ca_cert || !c->ca_key)
		return err_set(err, ERR_INVALID, 0,
			       "IncompleteInterceptCaConfig: the authority for "
			       "TLS interception needs a certificate and its "
			       "key, only the %s is given",
			       c->ca_cert ? "certificate" : "key");
	rc = read_named(c->ca_cert, PEM_MAX_FILE, "ReadInterceptCaCert", &cert,
			err);
	if (!rc)
		rc = read_named(c->ca_key, PEM_MAX_KEY, "ReadInterceptCaKey",
				&key, err);
	if (!rc) {
		*ret = ca_parse(&cert, &key, &why);
		if (!*ret)
			rc = why ? err_set(err, ERR_INVALID, 0,
					   "InvalidInterceptCa: %s: %s",
					   c->ca_cert, why)
				 : err_sys(err, ERR_NO_MEMORY, ENOMEM,
					   "read %s", c->ca_cert);
	}
	buf_fini(&cert);
	buf_fini(&key);
	if (!rc && try_leaf(*ret)) {
		*ret = tls_ca_free(*ret);
		rc = err_set(err, ERR_INVALID, 0,
			     "InvalidInterceptCa: %s: TLS does not accept what "
			     "it signs",
			     c->ca_cert);
	}
	return rc;
}

/* --- the user's own --- */

/* Is this about now, not about the file? */
static bool transient(int rc)
{
	return rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE || rc == -EIO;
}

static int read_private(int dir, struct buf *key)
{
	autoclose int fd = openat(
		dir, KEY_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* what others could read is no secret any more */
	if (st.st_mode & 077)
		return -EPERM;
	return io_read_all(fd, key);
}

static int read_public(int dir, struct buf *cert)
{
	autoclose int fd = openat(
		dir, CERT_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	return fd < 0 ? -errno : io_read_all(fd, cert);
}

static bool ends_soon(const struct tls_ca *ca)
{
	time_t then = (time_t)(clock_wall_ns() / NSEC_PER_SEC) + RENEW_S;

	return X509_cmp_time(X509_get0_notAfter(sk_X509_value(ca->certs, 0)),
			     &then) <= 0;
}

/* 0 with *ret NULL: there is no pair that can be used. */
static int load(int dir, struct tls_ca **ret)
{
	struct buf cert, key;
	const char *why = NULL;
	int rc;

	*ret = NULL;
	buf_init(&cert, PEM_MAX_FILE);
	buf_init_secret(&key, PEM_MAX_KEY);
	rc = read_public(dir, &cert);
	if (!rc)
		rc = read_private(dir, &key);
	if (!rc) {
		*ret = ca_parse(&cert, &key, &why);
		if (!*ret && !why)
			rc = -ENOMEM;
	}
	buf_fini(&cert);
	buf_fini(&key);
	if (*ret && ends_soon(*ret))
		*ret = tls_ca_free(*ret);
	return transient(rc) ? rc : 0;
}

static int write_private(int dir, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem()); /* wiped when it is freed */
	char *text;
	long len;
	int rc = -ENOMEM;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL,
						 NULL)) {
		len = BIO_get_mem_data(bio, &text);
		/* one left behind could have any mode */
		(void)unlinkat(dir, KEY_FILE ".tmp", 0);
		rc = io_write_file_at(dir, KEY_FILE, text, (size_t)len, 0600);
	}
	BIO_free(bio);
	ERR_clear_error();
	return rc;
}

static int generate(int dir, struct tls_ca **ret)
{
	struct tls_ca *ca =
		tls_ca_generate((int64_t)(clock_wall_ns() / NSEC_PER_SEC));
	int rc;

	if (!ca)
		return -ENOMEM;
	rc = write_private(dir, ca->key);
	if (!rc)
		rc = io_write_file_at(dir, CERT_FILE, ca->pem, strlen(ca->pem),
				      0644);
	if (rc)
		(void)tls_ca_free(ca);
	else
		*ret = ca;
	return rc;
}

static int load_or_generate(int dir, struct tls_ca **ret)
{
	autoclose int lock = -1;
	int rc = load(dir, ret);

	if (rc || *ret)
		return rc;
	lock = openat(dir, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	if (lock < 0)
		return -errno;
	do
		rc = flock(lock, LOCK_EX) < 0 ? -errno : 0;
	while (rc == -EINTR);
	if (!rc)
		rc = load(dir, ret);
	return rc || *ret ? rc : generate(dir, ret);
}

int tls_ca_open(const char *dir, const struct tls_config *c,
		struct tls_ca **ret, struct err *err)
{
	autoclose int fd = -1;
	int rc;

	if (c->ca_cert || c->ca_key)
		return open_configured(c, ret, err);
	rc = io_mkdir_p(AT_FDCWD, dir, 0700);
	if (!rc) {
		fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		rc = fd < 0 ? -errno : load_or_generate(fd, ret);
	}
	return rc ? err_sys(err, ERR_IO, -rc, "the certificate authority in %s",
			    dir)
		  : 0;
}
