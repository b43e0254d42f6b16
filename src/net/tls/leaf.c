/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates of the servers as the guest sees them. Each name has a key of
 * its own; the ones used last are kept.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/list.h"
#include "net/addr.h"
#include "net/tls/ca_int.h"

/* A guest's clock may be a little behind. */
#define BACKDATED_S 2
#define HOUR_S 3600LL
#define RENEW_S 300
#define MAX_BUCKETS (1u << 16)
#define MAX_LABEL 63u
#define MAX_COMMON_NAME 64u /* RFC 5280, ub-common-name */

struct leaf {
	struct list by_age;
	struct leaf *next; /* in its bucket */
	X509 *cert;
	EVP_PKEY *key;
	int64_t from_s, until_s;
	uint32_t hash;
	char name[NET_NAME_MAX + 1];
};

struct tls_leaves {
	struct tls_ca *ca; /* borrowed */
	STACK_OF(X509) * behind;
	EVP_PKEY_CTX *maker;
	const EVP_MD *digest; /* NULL: the key's algorithm has its own */
	int64_t validity_s;
	uint32_t n, capacity, mask, seed;
	struct list by_age;    /* used last at the end */
	struct leaf **buckets; /* owned */
};

/* --- names --- */

/* A host name as a ClientHello may have it: labels of letters, digits, '-' and
 * '_', no wildcard. */
static bool dns_name_ok(const char *name)
{
	size_t label = 0, len = 0;

	for (; name[len]; len++) {
		const char c = name[len];

		if (c == '.' ? !label : ++label > MAX_LABEL)
			return false;
		if (c == '.')
			label = 0;
		else if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			   (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
	}
	return label && len <= NET_NAME_MAX;
}

static GENERAL_NAME *general_name(const char *name)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *text = NULL;
	struct net_addr a;
	int kind = GEN_DNS;
	bool ok;

	if (net_addr_parse(name, strlen(name), &a) == 0) {
		kind = GEN_IPADD;
		text = ASN1_OCTET_STRING_new();
		ok = text &&
		     ASN1_STRING_set(text, a.b, a.family == AF_INET ? 4 : 16);
	} else {
		text = ASN1_IA5STRING_new();
		ok = text && ASN1_STRING_set(text, name, -1);
	}
	if (g && ok) {
		GENERAL_NAME_set0_value(g, kind, text);
		return g;
	}
	ASN1_STRING_free(text);
	GENERAL_NAME_free(g);
	return NULL;
}

/* One that does not fit into a subject leaves that empty; what it is for then
 * only the extension says (RFC 5280, 4.2.1.6). */
static bool set_names(X509 *x, const char *name)
{
	const bool fits = strlen(name) <= MAX_COMMON_NAME;
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	GENERAL_NAME *one = all ? general_name(name) : NULL;
	bool ok = false;

	if (one && sk_GENERAL_NAME_push(all, one) > 0)
		ok = X509_add1_ext_i2d(x, NID_subject_alt_name, all, !fits,
				       X509V3_ADD_DEFAULT) == 1;
	else
		GENERAL_NAME_free(one);
	GENERAL_NAMES_free(all);
	if (!ok || !fits)
		return ok;
	return X509_NAME_add_entry_by_NID(X509_get_subject_name(x),
					  NID_commonName, MBSTRING_ASC,
					  (const uint8_t *)name, -1, -1, 0);
}

/* --- certificates --- */

static X509 *make_cert(struct tls_leaves *l, const struct leaf *leaf)
{
	X509 *issuer = sk_X509_value(l->ca->certs, 0);
	X509 *x = X509_new();

	if (x && X509_set_version(x, X509_VERSION_3) && cert_set_serial(x) &&
	    X509_set_issuer_name(x, X509_get_subject_name(issuer)) &&
	    ASN1_TIME_set(X509_getm_notBefore(x), leaf->from_s) &&
	    ASN1_TIME_set(X509_getm_notAfter(x), leaf->until_s) &&
	    set_names(x, leaf->name) && X509_set_pubkey(x, leaf->key) &&
	    cert_set_extension(x, issuer, NID_basic_constraints,
			       "critical,CA:FALSE") &&
	    cert_set_extension(x, issuer, NID_key_usage,
			       "critical,digitalSignature,keyEncipherment") &&
	    cert_set_extension(x, issuer, NID_ext_key_usage, "serverAuth") &&
	    cert_set_extension(x, issuer, NID_subject_key_identifier, "hash") &&
	    cert_set_extension(x, issuer, NID_authority_key_identifier,
			       "keyid,issuer") &&
	    X509_sign(x, l->ca->key, l->digest))
		return x;
	X509_free(x);
	return NULL;
}

/* Gives leaf a key and a certificate, in place of those it has. */
static int make_leaf(struct tls_leaves *l, struct leaf *leaf, int64_t now_s)
{
	EVP_PKEY *old_key = leaf->key;
	X509 *old = leaf->cert;

	leaf->from_s = now_s - BACKDATED_S;
	leaf->until_s = now_s + l->validity_s;
	leaf->key = NULL;
	leaf->cert = NULL;
	if (EVP_PKEY_generate(l->maker, &leaf->key) == 1)
		leaf->cert = make_cert(l, leaf);
	EVP_PKEY_free(old_key);
	X509_free(old);
	if (leaf->cert)
		return 0;
	ERR_clear_error();
	return -ENOMEM;
}

/* --- those at hand --- */

static uint32_t hash_of(const struct tls_leaves *l, const char *name)
{
	uint32_t h = 2166136261u ^ l->seed;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h ^ (h >> 15);
}

static struct leaf *find(struct tls_leaves *l, const char *name, uint32_t hash)
{
	struct leaf *p = l->buckets[hash & l->mask];

	while (p && (p->hash != hash || strcmp(p->name, name) != 0))
		p = p->next;
	return p;
}

static void drop(struct tls_leaves *l, struct leaf *leaf)
{
	struct leaf **p = &l->buckets[leaf->hash & l->mask];

	while (*p != leaf)
		p = &(*p)->next;
	*p = leaf->next;
	list_del(&leaf->by_age);
	X509_free(leaf->cert);
	EVP_PKEY_free(leaf->key);
	free(leaf);
	l->n--;
}

static struct leaf *add(struct tls_leaves *l, const char *name, uint32_t hash)
{
	struct leaf *leaf = calloc(1, sizeof(*leaf));
	struct leaf **bucket = &l->buckets[hash & l->mask];

	if (!leaf)
		return NULL;
	if (l->n >= l->capacity)
		drop(l, container_of(l->by_age.next, struct leaf, by_age));
	leaf->hash = hash;
	memcpy(leaf->name, name, strlen(name) + 1);
	list_init(&leaf->by_age);
	leaf->next = *bucket;
	*bucket = leaf;
	l->n++;
	return leaf;
}

static bool good(const struct leaf *leaf, int64_t now_s)
{
	return leaf->cert && now_s >= leaf->from_s &&
	       leaf->until_s - now_s > RENEW_S;
}

int tls_leaf_get(struct tls_leaves *l, const char *name, int64_t now_s,
		 X509 **ret_cert, EVP_PKEY **ret_key)
{
	const uint32_t hash = hash_of(l, name);
	struct leaf *leaf = find(l, name, hash);
	struct net_addr a;
	int rc;

	if (!leaf) {
		if (net_addr_parse(name, strlen(name), &a) &&
		    !dns_name_ok(name))
			return -EINVAL;
		leaf = add(l, name, hash);
		if (!leaf)
			return -ENOMEM;
	}
	list_del(&leaf->by_age);
	list_add_tail(&l->by_age, &leaf->by_age);
	rc = good(leaf, now_s) ? 0 : make_leaf(l, leaf, now_s);
	if (rc) {
		drop(l, leaf);
		return rc;
	}
	*ret_cert = leaf->cert;
	*ret_key = leaf->key;
	return 0;
}

int tls_leaf_use(struct tls_leaves *l, const char *name, int64_t now_s,
		 SSL *ssl)
{
	EVP_PKEY *key;
	X509 *cert;
	int rc = tls_leaf_get(l, name, now_s, &cert, &key);

	if (rc)
		return rc;
	if (SSL_use_cert_and_key(ssl, cert, key, l->behind, 1) == 1)
		return 0;
	ERR_clear_error();
	return -ENOMEM;
}

/* --- all of them --- */

struct tls_leaves *tls_leaves_free(struct tls_leaves *l)
{
	if (!l)
		return NULL;
	while (l->n)
		drop(l, container_of(l->by_age.next, struct leaf, by_age));
	EVP_PKEY_CTX_free(l->maker);
	free(l->buckets);
	free(l);
	return NULL;
}

static EVP_PKEY_CTX *maker_new(void)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);

	if (ctx && EVP_PKEY_keygen_init(ctx) == 1 &&
	    EVP_PKEY_CTX_set_group_name(ctx, "P-256") == 1)
		return ctx;
	EVP_PKEY_CTX_free(ctx);
	return NULL;
}

static const EVP_MD *digest_for(EVP_PKEY *key)
{
	char name[32];
	int rc = EVP_PKEY_get_default_digest_name(key, name, sizeof(name));

	/* 2: the algorithm takes no other; Ed25519 has none to choose */
	return rc == 2 && !strcmp(name, "UNDEF") ? NULL : EVP_sha256();
}

int tls_leaves_new(struct tls_ca *ca, uint32_t capacity,
		   uint32_t validity_hours, struct tls_leaves **ret)
{
	struct tls_leaves *l = calloc(1, sizeof(*l));
	size_t buckets = 16;

	if (!l)
		return -ENOMEM;
	list_init(&l->by_age);
	l->ca = ca;
	l->behind = ca->certs;
	l->digest = digest_for(ca->key);
	l->capacity = capacity ? capacity : NET_DEFAULT_LEAVES;
	l->validity_s = HOUR_S * (validity_hours ? validity_hours
						 : NET_DEFAULT_LEAF_HOURS);
	while (buckets < l->capacity && buckets < MAX_BUCKETS)
		buckets *= 2;
	l->mask = (uint32_t)buckets - 1;
	l->buckets = calloc(buckets, sizeof(struct leaf *));
	l->maker = maker_new();
	if (!l->buckets || !l->maker ||
	    RAND_bytes((uint8_t *)&l->seed, sizeof(l->seed)) != 1) {
		ERR_clear_error();
		(void)tls_leaves_free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}
