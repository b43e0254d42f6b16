/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates for the names of servers. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/io.h"
#include "pki.h"

static struct tls_leaves *leaves(struct tls_ca *ca, uint32_t capacity)
{
	struct tls_leaves *l = NULL;

	assert_int_equal(tls_leaves_new(ca, capacity, 24, &l), 0);
	return l;
}

static X509 *leaf_at(struct tls_leaves *l, const char *name, int64_t when_s)
{
	EVP_PKEY *key = NULL;
	X509 *x = NULL;

	assert_int_equal(tls_leaf_get(l, name, when_s, &x, &key), 0);
	assert_int_equal(X509_check_private_key(x, key), 1);
	return x;
}

/* As a client does that trusts the authority alone. */
static int verify(const struct tls_ca *ca, X509 *x, const char *host)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int rc;

	assert_true(
		X509_STORE_add_cert(store, sk_X509_value(ca->certs, 0)) == 1 &&
		X509_STORE_CTX_init(ctx, store, x, ca->certs) == 1 &&
		X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER) == 1);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_auth_level(param, 2);
	if (!X509_VERIFY_PARAM_set1_ip_asc(param, host))
		assert_int_equal(X509_VERIFY_PARAM_set1_host(param, host, 0),
				 1);
	rc = X509_verify_cert(ctx) == 1 ? X509_V_OK
					: X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return rc;
}

static void a_leaf_says_what_clients_check(void **state)
{
	struct tls_ca *ca = tls_ca_generate(pki_now());
	struct tls_leaves *l = leaves(ca, 10);
	X509 *x = leaf_at(l, "api.example.com", pki_now());

	(void)state;
	assert_int_equal(verify(ca, x, "api.example.com"), X509_V_OK);
	assert_int_equal(verify(ca, x, "example.com"),
			 X509_V_ERR_HOSTNAME_MISMATCH);
	assert_int_equal(X509_get_version(x), X509_VERSION_3);
	assert_int_equal(X509_check_ca(x), 0);
	assert_true(X509_get_ext_by_NID(x, NID_basic_constraints, -1) >= 0);
	assert_int_equal(X509_get_key_usage(x),
			 KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
	assert_int_equal(X509_get_extended_key_usage(x), XKU_SSL_SERVER);
	assert_int_equal(
		ASN1_OCTET_STRING_cmp(
			X509_get0_authority_key_id(x),
			X509_get0_subject_key_id(sk_X509_value(ca->certs, 0))),
		0);
	(void)tls_leaves_free(l);
	(void)tls_ca_free(ca);
}

static void a_leaf_for_an_address(void **state)
{
	struct tls_ca *ca = tls_ca_generate(pki_now());
	struct tls_leaves *l = leaves(ca, 10);

	(void)state;
	assert_int_equal(
		verify(ca, leaf_at(l, "192.0.2.7", pki_now()), "192.0.2.7"),
		X509_V_OK);
	assert_int_equal(
		verify(ca, leaf_at(l, "2001:db8::1", pki_now()), "2001:db8::1"),
		X509_V_OK);
	(void)tls_leaves_free(l);
	(void)tls_ca_free(ca);
}

static void names_of_all_lengths(void **state)
{
	struct tls_ca *ca = tls_ca_generate(pki_now());
	struct tls_leaves *l = leaves(ca, 10);
	EVP_PKEY *key;
	X509 *x;
	char name[NET_NAME_MAX + 2];

	(void)state;
	memset(name, 'a', sizeof(name));
	name[50] = '.';
	name[64] = 0;
	x = leaf_at(l, name, pki_now());
	assert_int_equal(verify(ca, x, name), X509_V_OK);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 1);
	name[64] = 'a';
	name[65] = 0;
	x = leaf_at(l, name, pki_now());
	assert_int_equal(verify(ca, x, name), X509_V_OK);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(x)), 0);
	assert_true(pki_critical(x, NID_subject_alt_name));
	for (size_t i = 50; i < sizeof(name); i += 50)
		name[i] = '.';
	name[65] = 'a';
	name[NET_NAME_MAX] = 0;
	x = leaf_at(l, name, pki_now());
	assert_int_equal(verify(ca, x, name), X509_V_OK);
	name[NET_NAME_MAX] = 'a';
	name[NET_NAME_MAX + 1] = 0;
	assert_int_equal(tls_leaf_get(l, name, pki_now(), &x, &key), -EINVAL);
	(void)tls_leaves_free(l);
	(void)tls_ca_free(ca);
}

static void names_no_certificate_can_carry(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		"a..b",
		".a",
		"a.",
		"*.example.com",
		"*",
		"a b",
		"a,DNS:b",
		"a\nb",
		"\xc3\xa4.example",
		"a@b",
		"a/b",
		"[::1]",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aa",
	};
	struct tls_ca *ca = tls_ca_generate(pki_now());
	struct tls_leaves *l = leaves(ca, 2);
	X509 *kept = leaf_at(l, "kept", pki_now()), *x;
	EVP_PKEY *key;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(tls_leaf_get(l, bad[i], pki_now(), &x, &key),
				 -EINVAL);
	assert_ptr_equal(leaf_at(l, "kept", pki_now()), kept);
	(void)leaf_at(l, "_dmarc.a-b.example", pki_now());
	(void)tls_leaves_free(l);
	(void)tls_ca_free(ca);
}

/* Seconds from the moment when_s to the time t. */
static long after(const ASN1_TIME *t, int64_t when_s)
{
	ASN1_TIME *from = ASN1_TIME_set(NULL, when_s);
	int days, seconds;

	assert_int_equal(ASN1_TIME_diff(&days, &seconds, from, t), 1);
	ASN1_TIME_free(from);
	return days * 24L * HOUR + seconds;
}

static void a_leaf_lives_a_day(void **state)
{
	struct tls_ca *ca = tls_ca_generate(pki_now());
	struct tls_leaves *l = leaves(ca, 10);
	const int64_t now = pki_now();
	X509 *x = leaf_at(l, "a.example", now);

	(void)state;
	assert_int_equal(after(X509_get0_notBefore(x), now), -2);
	assert_int_equal(after(X509_get0_notAfter(x), now), 24 * HOUR);
	X509_up_ref(x);
	assert_ptr_equal(leaf_at(l, "a.example", now + 24 * HOUR - 301), x);
	X509_free(x);
	/* five minutes left, thirty seconds, none */
	for (int left = 300; left >= -300; left -= 270) {
		const int64_t then = now + 24 * HOUR - left;

		(void)tls_leaves_free(l);
		l = leaves(ca, 10);
		x = leaf_at(l, "a.example", now);
		X509_up_ref(x);
		assert_ptr_not_equal(leaf_at(l, "a.example", then), x);
		X509_free(x);
		x = leaf_at(l, "a.example", then);
		assert_int_equal(after(X509_get0_notAfter(x), then), 24 * HOUR);
	}
	/* the clock was set back */
	x = leaf_at(l, "a.example", now - HOUR);
	assert_int_equal(after(X509_get0_notBefore(x), now - HOUR), -2);
	(void)tls_leaves_free(l);
	(void)tls_ca_free(ca);
}

static void leaves_used_last_stay(void **state)
{
	struct tls_ca *ca = tls_ca_generate(pki_now());
	struct tls_leaves *l = leaves(ca, 2);
	X509 *a = leaf_at(l, "a", pki_now()), *b = leaf_at(l, "b", pki_now());

	(void)state;
	X509_up_ref(a);
	X509_up_ref(b);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(a), X509_get0_pubkey(b)),
			 0);
	assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(a),
					      X509_get0_serialNumber(b)),
			     0);
	assert_ptr_equal(leaf_at(l, "a", pki_now()), a);
	(void)leaf_at(l, "c", pki_now()); /* b goes */
	assert_ptr_equal(leaf_at(l, "a", pki_now()), a);
	assert_ptr_not_equal(leaf_at(l, "b", pki_now()), b);
	X509_free(a);
	X509_free(b);
	(void)tls_leaves_free(l);
	(void)tls_ca_free(ca);
}

static void leaves_without_a_number_are_a_thousand(void **state)
{
	struct tls_ca *ca = tls_ca_generate(pki_now());
	struct tls_leaves *l = leaves(ca, 0);
	X509 *first = leaf_at(l, "first", pki_now());
	char name[16];

	(void)state;
	for (int i = 1; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "n%d", i);
		(void)leaf_at(l, name, pki_now());
	}
	assert_ptr_equal(leaf_at(l, "first", pki_now()), first);
	(void)tls_leaves_free(l);
	(void)tls_ca_free(ca);
}

/* Authorities of all kinds of keys, in a handshake. */
static void expect_handshake(struct tls_ca *ca, int version)
{
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());
	SSL_CTX *client = SSL_CTX_new(TLS_client_method());
	struct tls_leaves *l = leaves(ca, 4);
	SSL *s = SSL_new(server), *c;
	BIO *one, *two;
	STACK_OF(X509) * chain;
	int rc = -1;

	assert_true(SSL_CTX_set_max_proto_version(client, version) &&
		    X509_STORE_add_cert(SSL_CTX_get_cert_store(client),
					sk_X509_value(ca->certs, 0)));
	SSL_CTX_set_verify(client, SSL_VERIFY_PEER, NULL);
	c = SSL_new(client);
	assert_int_equal(SSL_set1_host(c, "www.example.com"), 1);
	assert_int_equal(tls_leaf_use(l, "www.example.com", pki_now(), s), 0);
	assert_int_equal(BIO_new_bio_pair(&one, 0, &two, 0), 1);
	SSL_set_bio(s, one, one);
	SSL_set_bio(c, two, two);
	for (int i = 0; i < 10 && rc != 1; i++) {
		rc = SSL_connect(c);
		if (rc != 1)
			(void)SSL_accept(s);
	}
	assert_int_equal(rc, 1);
	chain = SSL_get_peer_cert_chain(c);
	assert_int_equal(sk_X509_num(chain), 2);
	assert_int_equal(
		X509_cmp(sk_X509_value(chain, 1), sk_X509_value(ca->certs, 0)),
		0);
	SSL_free(s);
	SSL_free(c);
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	(void)tls_leaves_free(l);
}

static void handshakes_with_all_kinds_of_keys(void **state)
{
	const struct pki_dir *d = *state;
	EVP_PKEY *keys[] = { EVP_EC_gen("P-256"), EVP_EC_gen("P-384"),
			     EVP_RSA_gen(2048),
			     EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct tls_ca *ca;

		pki_put_cert(keys[i], "critical,CA:TRUE", "keyCertSign",
			     i == 3 ? NULL : EVP_sha256(), pki_at(d, "c"));
		pki_put_key(keys[i], NULL, pki_at(d, "k"));
		ca = pki_open(pki_at(d, "c"), pki_at(d, "k"));
		if (i < 3)
			expect_handshake(ca, TLS1_2_VERSION);
		expect_handshake(ca, TLS1_3_VERSION);
		(void)tls_ca_free(ca);
		EVP_PKEY_free(keys[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_leaf_says_what_clients_check),
		cmocka_unit_test(a_leaf_for_an_address),
		cmocka_unit_test(names_of_all_lengths),
		cmocka_unit_test(names_no_certificate_can_carry),
		cmocka_unit_test(a_leaf_lives_a_day),
		cmocka_unit_test(leaves_used_last_stay),
		cmocka_unit_test(leaves_without_a_number_are_a_thousand),
		cmocka_unit_test_setup_teardown(
			handshakes_with_all_kinds_of_keys, pki_make_dir,
			pki_remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
