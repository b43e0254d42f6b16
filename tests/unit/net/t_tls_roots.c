/* SPDX-License-Identifier: Apache-2.0 */
/* What upstream servers are verified against, and what the guest gets of it. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "pki.h"

/* Three authorities, each with a certificate file of its name. */
static struct tls_ca *cas[3];

static int make_cas(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	char key[160];

	if (pki_make_dir(state))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(cas); i++) {
		cas[i] = tls_ca_generate(pki_now());
		(void)snprintf(key, sizeof(key), "%s.key",
			       pki_at(*state, names[i]));
		pki_put_pair(cas[i], pki_at(*state, names[i]), key);
	}
	return 0;
}

static int remove_cas(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cas); i++)
		cas[i] = tls_ca_free(cas[i]);
	return pki_remove_dir(state);
}

/* Does the store know the leaf that this authority has made? */
static bool trusts(X509_STORE *store, struct tls_ca *ca)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	struct tls_leaves *l = NULL;
	EVP_PKEY *key;
	X509 *x;
	bool yes;

	assert_non_null(store);
	assert_int_equal(tls_leaves_new(ca, 1, 24, &l), 0);
	assert_int_equal(tls_leaf_get(l, "x", pki_now(), &x, &key), 0);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, x, NULL), 1);
	yes = X509_verify_cert(ctx) == 1;
	X509_STORE_CTX_free(ctx);
	(void)tls_leaves_free(l);
	return yes;
}

static void expect_trust(X509_STORE *store, bool a, bool b, bool c)
{
	assert_int_equal(trusts(store, cas[0]), a);
	assert_int_equal(trusts(store, cas[1]), b);
	assert_int_equal(trusts(store, cas[2]), c);
}

static struct tls_roots *open_roots(const struct tls_config *c,
				    const char *host)
{
	struct tls_roots *r = NULL;
	struct err err = { 0 };
	int fd = host ? open(host, O_RDONLY | O_CLOEXEC) : -1;

	if (tls_roots_new(c, fd, &r, &err))
		fail_msg("%s", err.msg);
	return r;
}

static void the_host_and_what_is_configured(void **state)
{
	char *named[] = { strdup(pki_at(*state, "b")) };
	const struct tls_config c = { .upstream_cas = { named, 1 } };
	struct tls_roots *r = open_roots(&pki_plain, NULL);
	X509_STORE *store;

	expect_trust(tls_roots_store(r, "x"), false, false, false);
	(void)tls_roots_free(r);
	r = open_roots(&pki_plain, pki_at(*state, "a"));
	expect_trust(tls_roots_store(r, "x"), true, false, false);
	(void)tls_roots_free(r);
	r = open_roots(&c, pki_at(*state, "a"));
	/* no file is needed any more, nor a second look at one */
	assert_int_equal(unlink(pki_at(*state, "a")), 0);
	assert_int_equal(unlink(pki_at(*state, "b")), 0);
	store = tls_roots_store(r, "x");
	expect_trust(store, true, true, false);
	assert_ptr_equal(tls_roots_store(r, "y"), store);
	(void)tls_roots_free(r);
	free(named[0]);
}

/* All authorities here have one name: some named, some of the host. */
static void namesakes_are_all_found(void **state)
{
	char *named[] = { strdup(pki_at(*state, "c")) };
	const struct tls_config c = { .upstream_cas = { named, 1 } };
	char *both = str_fmt("%s%s", tls_ca_pem(cas[0]), tls_ca_pem(cas[1]));
	struct tls_roots *r;

	pki_put(pki_at(*state, "both"), both);
	r = open_roots(&pki_plain, pki_at(*state, "both"));
	expect_trust(tls_roots_store(r, "x"), true, true, false);
	(void)tls_roots_free(r);
	r = open_roots(&c, pki_at(*state, "both"));
	expect_trust(tls_roots_store(r, "x"), true, true, true);
	(void)tls_roots_free(r);
	free(both);
	free(named[0]);
}

static struct host_pattern pattern(const char *text)
{
	struct host_pattern p;

	assert_int_equal(host_pattern_parse(text, &p, NULL), 0);
	return p;
}

static void the_most_specific_scope_counts(void **state)
{
	struct tls_scope scopes[] = {
		{ .pattern = pattern("*"), .ca_cert = (char[]){ "a" } },
		{ .pattern = pattern("*.example.com"),
		  .ca_cert = (char[]){ "b" } },
		{ .pattern = pattern("*.com"), .ca_cert = (char[]){ "a" } },
		{ .pattern = pattern("www.example.com"),
		  .ca_cert = (char[]){ "c" } },
		{ .pattern = pattern("www.example.com"),
		  .ca_cert = (char[]){ "a" } },
		{ .pattern = pattern("*.example.com"), .verify = false },
		{ .pattern = pattern("api.example.com"), .verify = true },
	};
	struct tls_config c = { .verify_upstream = true,
				.scopes = scopes,
				.nscopes = ARRAY_SIZE(scopes) };
	struct tls_roots *r;

	for (size_t i = 0; i < 5; i++)
		scopes[i].ca_cert = strdup(pki_at(*state, scopes[i].ca_cert));
	r = open_roots(&c, NULL);
	expect_trust(tls_roots_store(r, "other.org"), true, false, false);
	expect_trust(tls_roots_store(r, "other.com"), true, false, false);
	expect_trust(tls_roots_store(r, "api.example.com"), false, true, false);
	expect_trust(tls_roots_store(r, "example.com"), false, true, false);
	expect_trust(tls_roots_store(r, "www.example.com"), true, false, true);
	assert_true(tls_verify_upstream(&c, "other.org"));
	assert_false(tls_verify_upstream(&c, "www.example.com"));
	assert_false(tls_verify_upstream(&c, "example.com"));
	assert_true(tls_verify_upstream(&c, "api.example.com"));
	c.verify_upstream = false;
	assert_false(tls_verify_upstream(&c, "other.org"));
	assert_true(tls_verify_upstream(&c, "api.example.com"));
	(void)tls_roots_free(r);
	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
		free(scopes[i].pattern.name);
		free(scopes[i].ca_cert);
	}
}

static void expect_refused(const char *path, enum err_kind kind)
{
	char *named[] = { strdup(path) };
	struct tls_scope scope = { .pattern = pattern("*"),
				   .ca_cert = named[0] };
	const struct tls_config global = { .upstream_cas = { named, 1 } };
	const struct tls_config scoped = { .scopes = &scope, .nscopes = 1 };
	struct tls_roots *r = NULL;
	struct err err = { 0 };

	assert_true(tls_roots_new(&global, -1, &r, &err) < 0);
	assert_int_equal(err.kind, kind);
	assert_non_null(strstr(err.msg, path));
	err = (struct err){ 0 };
	assert_true(tls_roots_new(&scoped, -1, &r, &err) < 0);
	assert_int_equal(err.kind, kind);
	assert_null(r);
	free(named[0]);
}

static void files_without_certificates_are_refused(void **state)
{
	expect_refused(pki_at(*state, "missing"), ERR_IO);
	pki_put(pki_at(*state, "empty"), "");
	expect_refused(pki_at(*state, "empty"), ERR_INVALID);
	pki_put(pki_at(*state, "text"), "hello\n");
	expect_refused(pki_at(*state, "text"), ERR_INVALID);
	expect_refused(pki_at(*state, "a.key"), ERR_INVALID);
	expect_refused(((struct pki_dir *)*state)->path, ERR_INVALID);
	assert_int_equal(mkfifo(pki_at(*state, "fifo"), 0600), 0);
	expect_refused(pki_at(*state, "fifo"), ERR_INVALID);
}

/* A bundle of a, what is none, b, a key, a again. */
static int put_bundle(void **state)
{
	FILE *f = fopen(pki_at(*state, "bundle"), "we");

	assert_non_null(f);
	(void)fprintf(f,
		      "# A\r\n%s-----BEGIN CERTIFICATE-----\nAAAA\n"
		      "-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n"
		      "!!\n-----END CERTIFICATE-----\n",
		      tls_ca_pem(cas[0]));
	(void)fprintf(f, "%s", tls_ca_pem(cas[1]));
	(void)PEM_write_PrivateKey(f, cas[2]->key, NULL, NULL, 0, NULL, NULL);
	(void)fprintf(f, "%s-----BEGIN CERTIFICATE-----\nAA",
		      tls_ca_pem(cas[0]));
	(void)fclose(f);
	return open(pki_at(*state, "bundle"), O_RDONLY | O_CLOEXEC);
}

static int pem_of(int fd, struct buf *out)
{
	struct bundle *b = NULL;
	int rc;

	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(bundle_read(fd, &b), 0);
	rc = bundle_pem(b, out);
	(void)bundle_free(b);
	return rc;
}

static void a_bundle_in_disorder(void **state)
{
	int fd = put_bundle(state);
	struct tls_roots *r = open_roots(&pki_plain, pki_at(*state, "bundle"));
	struct buf out;
	char *want;

	expect_trust(tls_roots_store(r, "x"), true, true, false);
	(void)tls_roots_free(r);
	buf_init(&out, 1 << 20);
	assert_int_equal(pem_of(fd, &out), 0);
	want = str_fmt("%s%s", tls_ca_pem(cas[0]), tls_ca_pem(cas[1]));
	assert_string_equal(buf_cstr(&out), want);
	free(want);
	buf_fini(&out);
	buf_init(&out, 1000); /* has no room for two */
	assert_int_equal(pem_of(fd, &out), -ENOSPC);
	buf_fini(&out);
	(void)close(fd);
}

static void a_host_without_certificates(void **state)
{
	int fd;
	struct buf out;

	pki_put(pki_at(*state, "bundle"), "none\n");
	fd = open(pki_at(*state, "bundle"), O_RDONLY | O_CLOEXEC);
	buf_init(&out, 1000);
	assert_int_equal(pem_of(fd, &out), 0);
	assert_int_equal(buf_len(&out), 0);
	buf_fini(&out);
	(void)close(fd);
}

static void the_first_bundle_there_is(void **state)
{
	const char *const paths[] = { pki_at(*state, "missing"),
				      ((struct pki_dir *)*state)->path,
				      pki_at(*state, "empty"),
				      pki_at(*state, "b"),
				      pki_at(*state, "a") };
	char text[2048] = "";
	int fd;

	pki_put(paths[2], "");
	assert_int_equal(tls_bundle_open(paths, 3), -ENOENT);
	fd = tls_bundle_open(paths, 5);
	assert_true(fd >= 0);
	assert_true(io_read(fd, text, sizeof(text) - 1) > 0);
	assert_string_equal(text, tls_ca_pem(cas[1]));
	(void)close(fd);
}

int main(void)
{
#define WITH_CAS(f) cmocka_unit_test_setup_teardown(f, make_cas, remove_cas)
	const struct CMUnitTest tests[] = {
		WITH_CAS(the_host_and_what_is_configured),
		WITH_CAS(namesakes_are_all_found),
		WITH_CAS(the_most_specific_scope_counts),
		WITH_CAS(files_without_certificates_are_refused),
		WITH_CAS(a_bundle_in_disorder),
		WITH_CAS(a_host_without_certificates),
		WITH_CAS(the_first_bundle_there_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
