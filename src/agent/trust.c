/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates that the programs of the guest are to trust.
 *
 * The bundle is a file of the root, not a mount like /etc/hosts: the tools
 * that make it anew, such as update-ca-certificates, rename over it. They find
 * ours among the sources then.
 */
#include "agent/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/diag.h"
#include "base/cleanup.h"
#include "base/io.h"

/* /.msb has 16 MiB. */
#define BUNDLE_MAX (8u << 20)

#define OWN_DIR "/.msb/tls"
#define CA_FILE OWN_DIR "/ca.pem"
#define HOST_CAS_FILE OWN_DIR "/host-cas.pem"
#define OWN_BUNDLE OWN_DIR "/ca-bundle.pem"
#define CA_NAME "microsandbox-ca"
#define HOST_CAS_NAME "microsandbox-host-cas"

/* Where distributions look for what an administrator adds. */
static const struct {
	const char *dir;
	bool always; /* else only where there is one */
} sources[] = {
	{ "/usr/local/share/ca-certificates", true }, /* Debian, Alpine */
	{ "/etc/pki/ca-trust/source/anchors", true }, /* Fedora */
	{ "/etc/pki/trust/anchors", false },	      /* SUSE */
	{ "/etc/ca-certificates/trust-source/anchors", false }, /* Arch */
};

/* What programs read: the first of these. */
static const char *const bundles[] = {
	"/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
	"/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora */
	"/etc/ssl/cert.pem",
	"/etc/ssl/ca-bundle.pem", /* SUSE */
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
};

static const char *const variables[] = { "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
					 "CURL_CA_BUNDLE" };

/* --- files --- */

static struct view text_of(const char *text)
{
	return view_cstr(text ? text : "");
}

/* Contents of a plain file; -EINVAL: it is something else. */
static int read_plain(const char *path, struct buf *b)
{
	/* not blocking: the image may have a FIFO there */
	autoclose int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? io_read_all(fd, b) : -EINVAL;
}

static int write_new(const char *path, struct view text, const struct stat *as)
{
	autoclose int fd = -1;
	int rc;

	(void)unlink(path); /* what a killed guest has left */
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		  0644);
	if (fd < 0)
		return -errno;
	rc = io_write_full(fd, text.p, text.len);
	if (!rc && as &&
	    (fchown(fd, as->st_uid, as->st_gid) < 0 ||
	     fchmod(fd, as->st_mode & 07777) < 0))
		rc = -errno;
	return rc;
}

/* Whole or not at all, and where the links at path lead. */
static int replace(const char *path, struct view text)
{
	autofree char *real = realpath(path, NULL);
	autofree char *tmp = NULL;
	struct stat st;
	bool old;
	int rc;

	/* one that leads nowhere is in the way */
	if (!real && errno == ENOENT)
		(void)unlink(path);
	if (!real)
		real = strdup(path);
	tmp = real ? str_fmt("%s.msb-new", real) : NULL;
	if (!tmp)
		return -ENOMEM;
	old = stat(real, &st) == 0;
	if (old && !S_ISREG(st.st_mode))
		return -EEXIST;
	rc = write_new(tmp, text, old ? &st : NULL);
	if (!rc && rename(tmp, real) < 0)
		rc = -errno;
	if (rc)
		(void)unlink(tmp);
	return rc;
}

static bool same(struct view a, struct view b)
{
	return a.len == b.len && (!a.p || !b.p || memcmp(a.p, b.p, a.len) == 0);
}

static int update(const char *path, struct view text)
{
	MSB_CLEANUP(buf_fini) struct buf old = { .max = BUNDLE_MAX };

	if (!read_plain(path, &old) && same(view_buf(&old), text))
		return 0;
	return replace(path, text);
}

/* --- where administrators add --- */

static void add_source(const char *root, const char *dir, const char *name,
		       const char *pem)
{
	static const char *const ends[] = { ".pem", ".crt" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		autofree char *path =
			str_fmt("%s%s/%s%s", root, dir, name, ends[i]);
		int rc = path ? update(path, view_cstr(pem)) : -ENOMEM;

		if (rc)
			diag("cannot write %s/%s%s: %s", dir, name, ends[i],
			     strerror(-rc));
	}
}

static void add_sources(const char *root, const struct bootspec *spec)
{
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		autofree char *dir = str_fmt("%s%s", root, sources[i].dir);
		int rc = dir ? 0 : -ENOMEM;

		if (dir && sources[i].always)
			rc = io_mkdir_p(AT_FDCWD, dir, 0755);
		else if (dir && access(dir, F_OK) < 0)
			continue;
		if (rc) {
			diag("cannot create %s: %s", sources[i].dir,
			     strerror(-rc));
			continue;
		}
		if (spec->ca_pem)
			add_source(root, sources[i].dir, CA_NAME, spec->ca_pem);
		if (spec->host_cas_pem)
			add_source(root, sources[i].dir, HOST_CAS_NAME,
				   spec->host_cas_pem);
	}
}

/* What add_sources() of an earlier start has written. */
static void read_last(const char *root, struct buf *b)
{
	autofree char *path =
		str_fmt("%s%s/" CA_NAME ".crt", root, sources[0].dir);

	if (path && read_plain(path, b))
		buf_reset(b);
}

/* --- the bundle --- */

/* The first that there is, or the first that there could be. */
static const char *choose_bundle(const char *root)
{
	for (size_t i = 0; i < ARRAY_SIZE(bundles); i++) {
		autofree char *path = str_fmt("%s%s", root, bundles[i]);
		struct stat st;

		if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode))
			return bundles[i];
	}
	return bundles[0];
}

/* A root that is not to be written to, or a bundle that is a mount of its own:
 * ours is mounted over it. Gives back what is to be used. */
static const char *cover_bundle(const char *root, const char *bundle,
				struct view text, int why)
{
	autofree char *own = str_fmt("%s" OWN_BUNDLE, root);
	autofree char *path = str_fmt("%s%s", root, bundle);
	int rc = own && path ? write_new(own, text, NULL) : -ENOMEM;

	if (rc) {
		diag("cannot write %s: %s", bundle, strerror(-why));
		return bundle;
	}
	if (mount(own, path, NULL, MS_BIND, NULL) == 0)
		return bundle;
	diag("cannot write %s: %s; " OWN_BUNDLE " is to be used instead",
	     bundle, strerror(-why));
	return OWN_BUNDLE;
}

static int write_bundle(const char *path, struct view old, struct view text)
{
	autofree char *dir = NULL;

	if (same(old, text))
		return 0;
	dir = strdup(path);
	if (!dir)
		return -ENOMEM;
	*strrchr(dir, '/') = 0;
	/* only the last directory may be missing in a root with programs */
	(void)io_mkdir_p(AT_FDCWD, dir, 0755);
	return replace(path, text);
}

static const char *add_to_bundle(const char *root, const struct trust *t)
{
	MSB_CLEANUP(buf_fini) struct buf old = { .max = BUNDLE_MAX };
	MSB_CLEANUP(buf_fini) struct buf text = { .max = BUNDLE_MAX };
	const char *bundle = choose_bundle(root);
	autofree char *path = str_fmt("%s%s", root, bundle);
	int rc = path ? read_plain(path, &old) : -ENOMEM;

	/* there will be one, here or elsewhere */
	if (rc == -ENOENT || rc == -ENOTDIR || rc == -ELOOP || rc == -EINVAL)
		rc = 0;
	if (!rc)
		rc = trust_merge(view_buf(&old), t, &text);
	if (rc) {
		diag("cannot add certificates to %s: %s", bundle,
		     strerror(-rc));
		return bundle;
	}
	rc = write_bundle(path, view_buf(&old), view_buf(&text));
	return rc ? cover_bundle(root, bundle, view_buf(&text), rc) : bundle;
}

/* --- all of it --- */

static void set_variable(struct strv *env, const char *name, const char *value)
{
	autofree char *entry = NULL;

	if (strv_env_get(env, name))
		return;
	entry = str_fmt("%s=%s", name, value);
	if (!entry || strv_add(env, entry))
		diag("cannot set %s", name);
}

static void write_own(const char *root, const char *file, const char *pem)
{
	autofree char *path = pem ? str_fmt("%s%s", root, file) : NULL;
	int rc = path ? write_new(path, view_cstr(pem), NULL) : 0;

	if (rc)
		diag("cannot write %s: %s", file, strerror(-rc));
}

void trust_install(const char *root, const struct bootspec *spec,
		   struct strv *env)
{
	MSB_CLEANUP(buf_fini) struct buf last = { .max = BUNDLE_MAX };
	autofree char *dir = NULL;
	struct trust t = { .ca = text_of(spec->ca_pem),
			   .host_cas = text_of(spec->host_cas_pem) };
	const char *bundle;

	if (!spec->ca_pem && !spec->host_cas_pem)
		return;
	dir = str_fmt("%s" OWN_DIR, root);
	if (!dir || io_mkdir_p(AT_FDCWD, dir, 0755))
		diag("cannot create " OWN_DIR);
	write_own(root, CA_FILE, spec->ca_pem);
	write_own(root, HOST_CAS_FILE, spec->host_cas_pem);
	if (spec->ca_pem)
		read_last(root, &last);
	t.last_ca = view_buf(&last);
	add_sources(root, spec);
	bundle = add_to_bundle(root, &t);
	if (!spec->ca_pem)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		set_variable(env, variables[i], bundle);
	set_variable(env, "NODE_EXTRA_CA_CERTS", CA_FILE);
}
