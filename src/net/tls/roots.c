/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What upstream servers are verified against. The host's certificates are read
 * when the first server is verified; what a person has named at the start,
 * where they can be told that it is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/stat.h>

#include "base/ca_bundles.h"
#include "base/cleanup.h"
#include "net/tls/ca_int.h"

static const char *const host_bundles[] = { HOST_CA_BUNDLES };

/* What a scope adds, and the store with it. */
struct scope {
	const struct host_pattern *pattern; /* borrowed */
	STACK_OF(X509) * extra;
	X509_STORE *store; /* NULL: not asked for yet */
};

struct tls_roots {
	int host_fd;	     /* -1: none, or read already */
	struct bundle *host; /* NULL: none, or not read yet; owned */
	STACK_OF(X509) * base;
	X509_STORE *store;
	struct scope *scopes; /* owned */
	size_t nscopes;
};

/* --- files --- */

int tls_bundle_open(const char *const *paths, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		autoclose int fd = open(
			paths[i], O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		struct stat st;

		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		    st.st_size)
			return take_fd(&fd);
	}
	return -ENOENT;
}

int tls_host_roots_open(void)
{
	return tls_bundle_open(host_bundles, ARRAY_SIZE(host_bundles));
}

/* What a person has named: there must be something in it. */
static int read_extra(const char *path, STACK_OF(X509) * out, struct err *err)
{
	autoclose int fd = tls_bundle_open(&path, 1);
	int rc = 0;

	if (fd >= 0)
		rc = pem_certs_fd(fd, out);
	else if (access(path, R_OK) < 0)
		rc = -errno;
	if (rc > 0)
		return 0;
	if (!rc)
		return err_set(err, ERR_INVALID, 0,
			       "upstream CA: there is no certificate in %s",
			       path);
	return err_sys(err, ERR_IO, -rc, "upstream CA: read %s", path);
}

/* --- stores --- */

/* Those of the host with the same subject come along, as the bundle is only
 * asked about subjects that the store does not know. */
static bool add_all(X509_STORE *store, const STACK_OF(X509) * certs,
		    const struct bundle *host)
{
	for (int i = 0; i < sk_X509_num(certs); i++) {
		X509 *x = sk_X509_value(certs, i);

		if (!X509_STORE_add_cert(store, x))
			return false;
		if (host)
			(void)bundle_load(host, X509_get_subject_name(x),
					  store);
	}
	return true;
}

static X509_STORE *store_new(struct tls_roots *r, const STACK_OF(X509) * extra)
{
	X509_STORE *s = X509_STORE_new();

	/* what somebody trusts need not be the end of its chain */
	if (s && X509_STORE_set_flags(s, X509_V_FLAG_PARTIAL_CHAIN) &&
	    add_all(s, r->base, r->host) && add_all(s, extra, r->host) &&
	    (!r->host || bundle_serve(r->host, s)))
		return s;
	X509_STORE_free(s);
	ERR_clear_error();
	return NULL;
}

/* Exact above wildcard, longer wildcard above shorter, "*" below all. */
static size_t weight(const struct host_pattern *p)
{
	if (p->kind == HOST_ANY)
		return 1;
	return p->kind == HOST_EXACT ? SIZE_MAX : 1 + strlen(p->name);
}

static struct scope *scope_of(struct tls_roots *r, const char *name)
{
	struct scope *best = NULL;

	for (size_t i = 0; i < r->nscopes; i++) {
		struct scope *s = &r->scopes[i];

		if (host_pattern_match(s->pattern, name) &&
		    (!best || weight(s->pattern) > weight(best->pattern)))
			best = s;
	}
	return best;
}

/* The host's certificates, when somebody needs them. What cannot be read is
 * trusted by nobody. */
static void read_host(struct tls_roots *r)
{
	if (r->host_fd < 0)
		return;
	(void)bundle_read(r->host_fd, &r->host);
	close_fd(&r->host_fd);
}

X509_STORE *tls_roots_store(struct tls_roots *r, const char *name)
{
	struct scope *s = scope_of(r, name);
	X509_STORE **store = s ? &s->store : &r->store;

	if (!*store) {
		read_host(r);
		*store = store_new(r, s ? s->extra : NULL);
	}
	return *store;
}

bool tls_verify_upstream(const struct tls_config *c, const char *name)
{
	const struct tls_scope *best = NULL;

	for (size_t i = 0; i < c->nscopes; i++) {
		const struct tls_scope *s = &c->scopes[i];

		if (!s->ca_cert && host_pattern_match(&s->pattern, name) &&
		    (!best || weight(&s->pattern) >= weight(&best->pattern)))
			best = s;
	}
	return best ? best->verify : c->verify_upstream;
}

/* --- all of it --- */

struct tls_roots *tls_roots_free(struct tls_roots *r)
{
	if (!r)
		return NULL;
	close_fd(&r->host_fd);
	sk_X509_pop_free(r->base, X509_free);
	X509_STORE_free(r->store);
	for (size_t i = 0; i < r->nscopes; i++) {
		sk_X509_pop_free(r->scopes[i].extra, X509_free);
		X509_STORE_free(r->scopes[i].store);
	}
	free(r->scopes);
	(void)bundle_free(r->host); /* after the stores */
	free(r);
	return NULL;
}

static bool same_pattern(const struct host_pattern *a,
			 const struct host_pattern *b)
{
	return a->kind == b->kind &&
	       (a->kind == HOST_ANY || !strcmp(a->name, b->name));
}

/* Several files for one pattern count together. */
static struct scope *scope_for(struct tls_roots *r,
			       const struct host_pattern *pattern)
{
	struct scope *s;

	for (size_t i = 0; i < r->nscopes; i++)
		if (same_pattern(r->scopes[i].pattern, pattern))
			return &r->scopes[i];
	s = &r->scopes[r->nscopes];
	s->pattern = pattern;
	s->extra = sk_X509_new_null();
	if (!s->extra)
		return NULL;
	r->nscopes++;
	return s;
}

static int read_named(struct tls_roots *r, const struct tls_config *c,
		      struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < c->upstream_cas.n; i++)
		rc = read_extra(c->upstream_cas.v[i], r->base, err);
	for (size_t i = 0; !rc && i < c->nscopes; i++) {
		struct scope *s;

		if (!c->scopes[i].ca_cert)
			continue;
		s = scope_for(r, &c->scopes[i].pattern);
		rc = s ? read_extra(c->scopes[i].ca_cert, s->extra, err)
		       : err_sys(err, ERR_NO_MEMORY, ENOMEM, "upstream CAs");
	}
	return rc;
}

int tls_roots_new(const struct tls_config *c, int host_fd,
		  struct tls_roots **ret, struct err *err)
{
	struct tls_roots *r = calloc(1, sizeof(*r));
	int rc;

	if (!r) {
		cleanup_close(&host_fd);
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "upstream CAs");
	}
	r->host_fd = host_fd;
	r->base = sk_X509_new_null();
	r->scopes = calloc(c->nscopes + 1, sizeof(*r->scopes));
	if (r->base && r->scopes)
		rc = read_named(r, c, err);
	else
		rc = err_sys(err, ERR_NO_MEMORY, ENOMEM, "upstream CAs");
	if (rc)
		(void)tls_roots_free(r);
	else
		*ret = r;
	return rc;
}

int tls_roots_open(const struct tls_config *c, struct tls_roots **ret,
		   struct err *err)
{
	const int fd = tls_host_roots_open();

	return tls_roots_new(c, fd < 0 ? -1 : fd, ret, err);
}

/* --- for the guest --- */

int tls_host_roots_pem(struct buf *out)
{
	autoclose int fd = tls_host_roots_open();
	struct bundle *b = NULL;
	int rc = fd < 0 ? fd : bundle_read(fd, &b);

	if (!rc)
		rc = bundle_pem(b, out);
	(void)bundle_free(b);
	return rc == -ENOENT ? 0 : rc;
}
