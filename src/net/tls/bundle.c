/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's bundle of certificates. The library takes a tenth of a millisecond
 * to understand one, and hosts have a hundred and fifty, while a server's chain
 * needs one of them. So only their subjects are looked at until a chain asks.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/cleanup.h"
#include "net/tls/ca_int.h"

#define FIRST_ROOM 128
/* Of what ASN1_get_object() gives: failure, and a length without an end. */
#define UNSOUND (0x80 | 0x01)

struct entry {
	unsigned long subject; /* hash of it */
	size_t at, len;	       /* in der */
};

struct bundle {
	struct buf der;
	struct entry *v; /* owned */
	size_t n, room;
	X509_LOOKUP_METHOD *method; /* owned */
};

/* --- certificates as bytes --- */

struct der {
	const uint8_t *p;
	long len;
};

/* Takes the first element off d: *ret is all of it. */
static bool take(struct der *d, struct der *ret)
{
	const uint8_t *body = d->p;
	long len;
	int tag, class;

	if (d->len <= 0 ||
	    ASN1_get_object(&body, &len, &tag, &class, d->len) & UNSOUND)
		return false;
	*ret = (struct der){ d->p, (long)(body - d->p) + len };
	d->p += ret->len;
	d->len -= ret->len;
	return true;
}

/* What is in an element, if that is a sequence. */
static bool enter(struct der whole, struct der *ret)
{
	int tag, class;

	ret->p = whole.p;
	return !(ASN1_get_object(&ret->p, &ret->len, &tag, &class, whole.len) &
		 UNSOUND) &&
	       tag == V_ASN1_SEQUENCE && class == V_ASN1_UNIVERSAL;
}

/* RFC 5280, 4.1: version if not 1, serial number, algorithm, issuer, validity,
 * subject. */
static bool find_subject(struct der cert, struct der *ret)
{
	struct der in, tbs, rest = cert;
	int n = 5; /* elements up to the subject */

	if (!take(&rest, &cert) || rest.len || !enter(cert, &in) ||
	    !take(&in, &tbs) || !enter(tbs, &in))
		return false;
	if (in.len && *in.p == (V_ASN1_CONTEXT_SPECIFIC | V_ASN1_CONSTRUCTED))
		n++;
	for (; n; n--)
		if (!take(&in, ret))
			return false;
	return true;
}

/* --- reading --- */

static int add_entry(struct bundle *b, unsigned long subject, struct der cert)
{
	if (b->n == b->room) {
		const size_t room = b->room ? 2 * b->room : FIRST_ROOM;
		struct entry *v = reallocarray(b->v, room, sizeof(*v));

		if (!v)
			return -ENOMEM;
		b->v = v;
		b->room = room;
	}
	b->v[b->n++] =
		(struct entry){ subject, buf_len(&b->der), (size_t)cert.len };
	return buf_append(&b->der, cert.p, (size_t)cert.len);
}

static int on_der(void *ctx, const uint8_t *p, long len)
{
	struct bundle *b = ctx;
	struct der cert = { p, len }, subject;
	X509_NAME *name = NULL;
	unsigned long hash;
	int ok = 0;

	if (find_subject(cert, &subject))
		name = d2i_X509_NAME(NULL, &subject.p, subject.len);
	if (!name)
		return 0;
	hash = X509_NAME_hash_ex(name, NULL, NULL, &ok);
	X509_NAME_free(name);
	return ok ? add_entry(b, hash, cert) : -ENOMEM;
}

static struct der der_of(const struct bundle *b, const struct entry *e)
{
	return (struct der){ buf_data(&b->der) + e->at, (long)e->len };
}

static X509 *parse(const struct bundle *b, const struct entry *e)
{
	struct der d = der_of(b, e);

	return d2i_X509(NULL, &d.p, d.len);
}

/* --- for verification --- */

bool bundle_load(const struct bundle *b, const X509_NAME *subject,
		 X509_STORE *store)
{
	int ok = 0;
	const unsigned long hash = X509_NAME_hash_ex(subject, NULL, NULL, &ok);
	bool found = false;

	for (size_t i = 0; ok && i < b->n; i++) {
		X509 *x = b->v[i].subject == hash ? parse(b, &b->v[i]) : NULL;

		found |= x &&
			 !X509_NAME_cmp(X509_get_subject_name(x), subject) &&
			 X509_STORE_add_cert(store, x);
		X509_free(x); /* the store has a reference of its own */
	}
	ERR_clear_error();
	return found;
}

/*
 * Called for a subject that the store does not know yet. What is given back is
 * the store's: the caller adds a reference of its own, and drops none.
 */
static int by_subject(X509_LOOKUP *lookup, X509_LOOKUP_TYPE type,
		      const X509_NAME *name, X509_OBJECT *ret)
{
	X509_STORE *store = X509_LOOKUP_get_store(lookup);
	const X509_OBJECT *o;
	X509 *x;

	if (type != X509_LU_X509 ||
	    !bundle_load(X509_LOOKUP_get_method_data(lookup), name, store))
		return 0;
	o = X509_OBJECT_retrieve_by_subject(X509_STORE_get0_objects(store),
					    type, name);
	x = o ? X509_OBJECT_get0_X509(o) : NULL;
	if (!x || !X509_OBJECT_set1_X509(ret, x))
		return 0;
	X509_free(x);
	return 1;
}

bool bundle_serve(struct bundle *b, X509_STORE *store)
{
	X509_LOOKUP *lookup = X509_STORE_add_lookup(store, b->method);

	return lookup && X509_LOOKUP_set_method_data(lookup, b);
}

/* --- all of it --- */

struct bundle *bundle_free(struct bundle *b)
{
	if (!b)
		return NULL;
	X509_LOOKUP_meth_free(b->method);
	buf_fini(&b->der);
	free(b->v);
	free(b);
	return NULL;
}

int bundle_read(int fd, struct bundle **ret)
{
	struct bundle *b = calloc(1, sizeof(*b));
	int rc = -ENOMEM;

	if (!b)
		return rc;
	buf_init(&b->der, PEM_MAX_FILE);
	b->method = X509_LOOKUP_meth_new("bundle");
	if (b->method &&
	    X509_LOOKUP_meth_set_get_by_subject(b->method, by_subject))
		rc = pem_each_fd(fd, on_der, b);
	if (rc < 0)
		(void)bundle_free(b);
	else
		*ret = b;
	return rc < 0 ? rc : 0;
}

/* --- for the guest --- */

struct numbered {
	struct der d;
	size_t i;
};

static int by_contents(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;
	int rc = 0;

	if (x->d.len == y->d.len)
		rc = memcmp(x->d.p, y->d.p, (size_t)x->d.len);
	else
		rc = x->d.len < y->d.len ? -1 : 1;
	return rc;
}

static int by_place(const void *a, const void *b)
{
	const struct numbered *x = a, *y = b;

	return x->i < y->i ? -1 : x->i > y->i;
}

static int by_contents_then_place(const void *a, const void *b)
{
	const int rc = by_contents(a, b);

	return rc ? rc : by_place(a, b);
}

/* Of those that are there several times only the first stays; in order. */
static size_t each_once(struct numbered *v, size_t n)
{
	size_t kept = 0;

	qsort(v, n, sizeof(*v), by_contents_then_place);
	for (size_t i = 0; i < n; i++)
		if (!kept || by_contents(&v[kept - 1], &v[i]))
			v[kept++] = v[i];
	qsort(v, kept, sizeof(*v), by_place);
	return kept;
}

int bundle_pem(const struct bundle *b, struct buf *out)
{
	autofree struct numbered *v = calloc(b->n + 1, sizeof(*v));
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = v && bio;
	size_t n;
	char *text;
	long len;
	int rc = -ENOMEM;

	for (size_t i = 0; ok && i < b->n; i++)
		v[i] = (struct numbered){ der_of(b, &b->v[i]), i };
	n = ok ? each_once(v, b->n) : 0;
	for (size_t i = 0; ok && i < n; i++)
		ok = PEM_write_bio(bio, PEM_STRING_X509, "", v[i].d.p,
				   v[i].d.len) > 0;
	if (ok) {
		len = BIO_get_mem_data(bio, &text);
		rc = buf_append(out, text, (size_t)len);
	}
	BIO_free(bio);
	return rc;
}
