/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate authority. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "pki.h"

static char *slurp(const char *path)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	assert_int_equal(io_read_file_at(AT_FDCWD, path, &b), 0);
	return buf_take_str(&b);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static struct tls_ca *open_ca(const char *dir)
{
	struct tls_ca *ca = NULL;
	struct err err = { 0 };

	assert_int_equal(tls_ca_open(dir, &pki_plain, &ca, &err), 0);
	return ca;
}

/* --- the user's own authority --- */

static long days_between(const ASN1_TIME *a, const ASN1_TIME *b)
{
	int days, seconds;

	assert_int_equal(ASN1_TIME_diff(&days, &seconds, a, b), 1);
	return days;
}

static void an_authority_is_made(void **state)
{
	const struct pki_dir *d = *state;
	struct tls_ca *ca = open_ca(pki_at(d, "deep/tls"));
	X509 *x = sk_X509_value(ca->certs, 0);
	char text[64];

	assert_int_equal(sk_X509_num(ca->certs), 1);
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(x),
					      NID_commonName, text,
					      sizeof(text)) > 0);
	assert_string_equal(text, "microsandbox CA");
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(x),
					      NID_organizationName, text,
					      sizeof(text)) > 0);
	assert_string_equal(text, "microsandbox");
	assert_int_equal(X509_check_ca(x), 1);
	assert_int_equal(X509_get_pathlen(x), -1);
	assert_true(pki_critical(x, NID_basic_constraints));
	assert_int_equal(X509_get_key_usage(x), KU_KEY_CERT_SIGN | KU_CRL_SIGN);
	assert_non_null(X509_get0_subject_key_id(x));
	assert_int_equal(X509_verify(x, ca->key), 1);
	assert_int_equal(EVP_PKEY_get_bits(ca->key), 256);
	assert_true(days_between(X509_get0_notBefore(x),
				 X509_get0_notAfter(x)) > 3650);
	assert_true(X509_cmp_current_time(X509_get0_notBefore(x)) < 0);
	assert_int_equal(mode_of(pki_at(d, "deep/tls")), 0700);
	assert_int_equal(mode_of(pki_at(d, "deep/tls/ca.key")), 0600);
	(void)tls_ca_free(ca);
}

static void an_authority_is_kept(void **state)
{
	const struct pki_dir *d = *state;
	struct tls_ca *one = open_ca(d->path), *two = open_ca(d->path);
	char *file = slurp(pki_at(d, "ca.crt"));

	assert_string_equal(tls_ca_pem(one), tls_ca_pem(two));
	assert_string_equal(tls_ca_pem(one), file);
	assert_int_equal(access(pki_at(d, "ca.key.tmp"), F_OK), -1);
	free(file);
	(void)tls_ca_free(one);
	(void)tls_ca_free(two);
}

/* What was there when this came cannot be used: there is another one now, and
 * it stays. */
static void expect_another(const struct pki_dir *d, const char *before)
{
	struct tls_ca *ca = open_ca(d->path), *again = open_ca(d->path);

	assert_string_not_equal(tls_ca_pem(ca), before);
	assert_string_equal(tls_ca_pem(ca), tls_ca_pem(again));
	assert_int_equal(mode_of(pki_at(d, "ca.key")), 0600);
	(void)tls_ca_free(ca);
	(void)tls_ca_free(again);
}

static void a_broken_authority_is_replaced(void **state)
{
	const struct pki_dir *d = *state;
	struct tls_ca *ca = open_ca(d->path),
		      *other = tls_ca_generate(pki_now());
	struct tls_ca *old =
		tls_ca_generate(pki_now() - 21LL * 365 * 24 * HOUR);
	struct tls_ca *late =
		tls_ca_generate(pki_now() - (20LL * 365 - 29) * 24 * HOUR);

	pki_put(pki_at(d, "ca.key"), "no key\n");
	expect_another(d, tls_ca_pem(ca));
	pki_put(pki_at(d, "ca.crt"), "");
	expect_another(d, tls_ca_pem(ca));
	pki_put(pki_at(d, "ca.crt"), tls_ca_pem(other)); /* of another key */
	expect_another(d, tls_ca_pem(other));
	pki_put_pair(old, pki_at(d, "ca.crt"), pki_at(d, "ca.key"));
	expect_another(d, tls_ca_pem(old));
	pki_put_pair(late, pki_at(d, "ca.crt"), pki_at(d, "ca.key"));
	expect_another(d, tls_ca_pem(late));
	pki_put_pair(other, pki_at(d, "ca.crt"), pki_at(d, "ca.key"));
	assert_int_equal(chmod(pki_at(d, "ca.key"), 0644),
			 0); /* others read it */
	expect_another(d, tls_ca_pem(other));
	pki_put_pair(other, pki_at(d, "ca.crt"), pki_at(d, "elsewhere"));
	assert_int_equal(unlink(pki_at(d, "ca.key")), 0);
	assert_int_equal(symlink(pki_at(d, "elsewhere"), pki_at(d, "ca.key")),
			 0);
	expect_another(d, tls_ca_pem(other));
	assert_int_equal(unlink(pki_at(d, "ca.key")), 0);
	assert_int_equal(mkfifo(pki_at(d, "ca.key"), 0600), 0);
	expect_another(d, tls_ca_pem(other));
	(void)tls_ca_free(ca);
	(void)tls_ca_free(other);
	(void)tls_ca_free(old);
	(void)tls_ca_free(late);
}

/* A key file that somebody could read before must not lend the new one its
 * mode. */
static void a_leftover_lends_nothing(void **state)
{
	const struct pki_dir *d = *state;

	pki_put(pki_at(d, "ca.key.tmp"), "x");
	assert_int_equal(chmod(pki_at(d, "ca.key.tmp"), 0666), 0);
	(void)tls_ca_free(open_ca(d->path));
	assert_int_equal(mode_of(pki_at(d, "ca.key")), 0600);
}

static void one_process(const struct pki_dir *d, int go, int out)
{
	struct tls_ca *ca = NULL;
	struct err err = { 0 };
	char c;

	if (read(go, &c, 1) != 0 || /* all start when the writer closes */
	    tls_ca_open(d->path, &pki_plain, &ca, &err) ||
	    write(out, tls_ca_pem(ca), strlen(tls_ca_pem(ca)) + 1) < 0)
		_exit(1);
	_exit(0);
}

static void sandboxes_starting_at_once_agree(void **state)
{
	enum { COUNT = 8 };
	const struct pki_dir *d = *state;
	int go[2], out[2], status;
	struct tls_ca *ca;
	char first[4096];

	assert_int_equal(pipe2(go, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	for (int i = 0; i < COUNT; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			(void)close(go[1]);
			one_process(d, go[0], out[1]);
		}
	}
	(void)close(go[1]);
	for (int i = 0; i < COUNT; i++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	ca = open_ca(d->path);
	for (int i = 0; i < COUNT; i++) {
		size_t len = strlen(tls_ca_pem(ca)) + 1;

		assert_int_equal(io_read_full(out[0], first, len), 0);
		assert_string_equal(first, tls_ca_pem(ca));
	}
	(void)tls_ca_free(ca);
	(void)close(go[0]);
	(void)close(out[0]);
	(void)close(out[1]);
}

static void a_place_that_cannot_be_used_is_told(void **state)
{
	const struct pki_dir *d = *state;
	struct tls_ca *ca = NULL;
	struct err err = { 0 };

	pki_put(pki_at(d, "file"), "");
	assert_true(tls_ca_open(pki_at(d, "file/tls"), &pki_plain, &ca, &err) <
		    0);
	assert_int_equal(err.kind, ERR_IO);
	assert_non_null(strstr(err.msg, d->path));
}

/* --- a configured authority --- */

static void expect_refused(const char *cert, const char *key,
			   enum err_kind kind, const char *begin)
{
	struct tls_config c = pki_plain;
	struct tls_ca *ca = NULL;
	struct err err = { 0 };

	c.ca_cert = cert ? strdup(cert) : NULL;
	c.ca_key = key ? strdup(key) : NULL;
	assert_true(tls_ca_open("/nonexistent", &c, &ca, &err) < 0);
	assert_null(ca);
	assert_int_equal(err.kind, kind);
	assert_memory_equal(err.msg, begin, strlen(begin));
	free(c.ca_cert);
	free(c.ca_key);
}

static void a_configured_pair_is_used(void **state)
{
	const struct pki_dir *d = *state;
	struct tls_ca *own = tls_ca_generate(pki_now()), *ca;

	pki_put_pair(own, pki_at(d, "c.pem"), pki_at(d, "k.pem"));
	ca = pki_open(pki_at(d, "c.pem"), pki_at(d, "k.pem"));
	assert_string_equal(tls_ca_pem(ca), tls_ca_pem(own));
	(void)tls_ca_free(ca);
	(void)tls_ca_free(own);
}

static char *join(const char *a, const char *b, const char *c)
{
	return str_fmt("%s%s%s", a, b, c);
}

/* Certificate, key and remarks in one file: no guest sees more than the
 * certificate. */
static void a_key_in_the_same_file_stays_here(void **state)
{
	const struct pki_dir *d = *state;
	struct tls_ca *own = tls_ca_generate(pki_now()), *ca;
	char *key, *both;

	pki_put_pair(own, pki_at(d, "c.pem"), pki_at(d, "k.pem"));
	key = slurp(pki_at(d, "k.pem"));
	both = join("ours\n", key, tls_ca_pem(own));
	pki_put(pki_at(d, "both.pem"), both);
	ca = pki_open(pki_at(d, "both.pem"), pki_at(d, "both.pem"));
	assert_string_equal(tls_ca_pem(ca), tls_ca_pem(own));
	(void)tls_ca_free(ca);
	(void)tls_ca_free(own);
	free(key);
	free(both);
}

static void unusable_pairs_are_refused(void **state)
{
	const struct pki_dir *d = *state;
	struct tls_ca *a = tls_ca_generate(pki_now());
	struct tls_ca *b = tls_ca_generate(pki_now());
	struct tls_ca *old =
		tls_ca_generate(pki_now() - 30LL * 365 * 24 * HOUR);
	struct tls_ca *later = tls_ca_generate(pki_now() + 48LL * HOUR);
	EVP_PKEY *weak = EVP_RSA_gen(1024);
	char *weak_pem, *chain;
	const char *cert = pki_at(d, "a.crt"), *key = pki_at(d, "a.key");
	const char *bad = pki_at(d, "bad");

	pki_put_pair(a, cert, key);
	pki_put_pair(b, pki_at(d, "b.crt"), pki_at(d, "b.key"));
	pki_put_pair(later, pki_at(d, "later.crt"), pki_at(d, "later.key"));
	pki_put_pair(old, pki_at(d, "old.crt"), pki_at(d, "old.key"));
	expect_refused(cert, NULL, ERR_INVALID, "IncompleteInterceptCaConfig");
	expect_refused(NULL, key, ERR_INVALID, "IncompleteInterceptCaConfig");
	expect_refused(bad, key, ERR_IO, "ReadInterceptCaCert");
	expect_refused(cert, bad, ERR_IO, "ReadInterceptCaKey");
	expect_refused(d->path, key, ERR_IO, "ReadInterceptCaCert");
	expect_refused(cert, d->path, ERR_IO, "ReadInterceptCaKey");
	expect_refused(key, key, ERR_INVALID, "InvalidInterceptCa");
	expect_refused(cert, cert, ERR_INVALID, "InvalidInterceptCa");
	expect_refused(cert, pki_at(d, "b.key"), ERR_INVALID,
		       "InvalidInterceptCa");
	expect_refused(pki_at(d, "old.crt"), pki_at(d, "old.key"), ERR_INVALID,
		       "InvalidInterceptCa");
	pki_put_key(a->key, EVP_aes_128_cbc(), bad);
	expect_refused(cert, bad, ERR_INVALID, "InvalidInterceptCa");
	pki_put_cert(a->key, NULL, NULL, EVP_sha256(), bad);
	expect_refused(bad, key, ERR_INVALID, "InvalidInterceptCa");
	pki_put_cert(a->key, "CA:FALSE", NULL, EVP_sha256(), bad);
	expect_refused(bad, key, ERR_INVALID, "InvalidInterceptCa");
	pki_put_cert(a->key, "CA:TRUE", "digitalSignature", EVP_sha256(), bad);
	expect_refused(bad, key, ERR_INVALID, "InvalidInterceptCa");
	pki_put_cert(weak, "CA:TRUE", NULL, EVP_sha256(), bad);
	pki_put_key(weak, NULL, pki_at(d, "weak.key"));
	expect_refused(bad, pki_at(d, "weak.key"), ERR_INVALID,
		       "InvalidInterceptCa");
	expect_refused(pki_at(d, "later.crt"), pki_at(d, "later.key"),
		       ERR_INVALID, "InvalidInterceptCa");
	/* behind a good one, which it would be sent with */
	weak_pem = slurp(bad);
	chain = join(tls_ca_pem(a), weak_pem, "");
	pki_put(bad, chain);
	expect_refused(bad, key, ERR_INVALID, "InvalidInterceptCa");
	free(weak_pem);
	free(chain);
	(void)tls_ca_free(later);
	EVP_PKEY_free(weak);
	(void)tls_ca_free(a);
	(void)tls_ca_free(b);
	(void)tls_ca_free(old);
}

int main(void)
{
#define IN_DIR(f)                                                              \
	cmocka_unit_test_setup_teardown(f, pki_make_dir, pki_remove_dir)
	const struct CMUnitTest tests[] = {
		IN_DIR(an_authority_is_made),
		IN_DIR(an_authority_is_kept),
		IN_DIR(a_broken_authority_is_replaced),
		IN_DIR(a_leftover_lends_nothing),
		IN_DIR(sandboxes_starting_at_once_agree),
		IN_DIR(a_place_that_cannot_be_used_is_told),
		IN_DIR(a_configured_pair_is_used),
		IN_DIR(a_key_in_the_same_file_stays_here),
		IN_DIR(unusable_pairs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
