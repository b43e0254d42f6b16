/* SPDX-License-Identifier: Apache-2.0 */
/* Builder of a sandbox's configuration: TLS interception. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/network.h"

static int done(const struct err *err, int rc, msb_error_t **e)
{
	return rc ? api_fail_err(err, rc, e) : 0;
}

static struct tls_config *tls_on(msb_config_t *c)
{
	c->net->c.tls.enabled = true;
	return &c->net->c.tls;
}

int host_path_absolute(const char *path, char **ret, struct err *err)
{
	autofree char *cwd = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
	char *full;

	if (!*path)
		return err_set(err, ERR_INVALID, EINVAL, "a path is empty");
	if (!utf8_valid(path, strlen(path)))
		return err_set(err, ERR_INVALID, EILSEQ,
			       "path is not valid UTF-8: %.300s", path);
	if (!cwd)
		return err_sys(err, ERR_IO, errno, "find the directory");
	full = str_fmt("%s%s%s", cwd, path[0] == '/' ? "" : "/", path);
	if (!full)
		return api_no_memory(err);
	*ret = full;
	return 0;
}

void msb_config_set_tls_intercept(msb_config_t *c)
{
	(void)tls_on(c);
}

int msb_config_add_tls_port(msb_config_t *c, uint16_t port, msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err, tls_config_add_port(tls_on(c), port, &err), e);
}

int msb_config_add_tls_bypass(msb_config_t *c, const char *pattern,
			      msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err, tls_config_add_bypass(tls_on(c), pattern, &err), e);
}

void msb_config_set_tls_block_quic(msb_config_t *c, bool on)
{
	tls_on(c)->block_quic = on;
}

/* Read at every start: better to find out now that it cannot be. */
static int readable(const char *path, char **ret, struct err *err)
{
	if (access(path, R_OK) < 0)
		return err_sys(err, ERR_INVALID, errno, "cannot read '%.300s'",
			       path);
	return host_path_absolute(path, ret, err);
}

static int ca_error(struct err *err, const char *word, int rc)
{
	err_prefix(err, "%s", word);
	return rc;
}

int msb_config_set_tls_ca(msb_config_t *c, const char *cert, const char *key,
			  msb_error_t **e)
{
	struct tls_config *t = tls_on(c);
	autofree char *cert_path = NULL, *key_path = NULL;
	struct err err = { 0 };
	int rc = 0;

	if (!cert != !key)
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "IncompleteInterceptCaConfig: an interception CA "
			     "needs both its certificate and its key");
	if (!rc && cert) {
		rc = readable(cert, &cert_path, &err);
		if (rc)
			rc = ca_error(&err, "ReadInterceptCaCert", rc);
	}
	if (!rc && key) {
		rc = readable(key, &key_path, &err);
		if (rc)
			rc = ca_error(&err, "ReadInterceptCaKey", rc);
	}
	if (rc)
		return done(&err, rc, e);
	free(t->ca_cert);
	free(t->ca_key);
	t->ca_cert = take_ptr(cert_path);
	t->ca_key = take_ptr(key_path);
	return 0;
}

int msb_config_add_tls_upstream_ca(msb_config_t *c, const char *pattern,
				   const char *cert, msb_error_t **e)
{
	struct tls_config *t = tls_on(c);
	autofree char *path = NULL;
	struct err err = { 0 };
	int rc = readable(cert, &path, &err);

	if (!rc && pattern)
		rc = tls_config_add_scope(t, pattern, path, true, &err);
	else if (!rc && t->upstream_cas.n >= NET_MAX_CA_FILES)
		rc = err_set(&err, ERR_INVALID, E2BIG,
			     "more than %u upstream CA files",
			     NET_MAX_CA_FILES);
	else if (!rc && strv_add(&t->upstream_cas, path))
		rc = api_no_memory(&err);
	return done(&err, rc, e);
}

int msb_config_set_tls_verify_upstream(msb_config_t *c, const char *pattern,
				       bool verify, msb_error_t **e)
{
	struct tls_config *t = tls_on(c);
	struct err err = { 0 };
	int rc = 0;

	if (pattern)
		rc = tls_config_add_scope(t, pattern, NULL, verify, &err);
	else
		t->verify_upstream = verify;
	return done(&err, rc, e);
}

void msb_config_set_trust_host_cas(msb_config_t *c, bool on)
{
	c->net->c.trust_host_cas = on;
}
