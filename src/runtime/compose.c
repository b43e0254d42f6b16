/* SPDX-License-Identifier: Apache-2.0 */
/* Boot specification of a guest. */
#include "runtime/compose.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/config.h"

#define TAG_READABLE 11
#define NETWORK_INTERFACE "eth0"

static uint32_t fnv1a(const char *text, uint32_t seed)
{
	uint32_t h = 2166136261u ^ seed;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h;
}

static bool tag_taken(const char *tag, const struct share *others, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(others[i].tag, tag))
			return true;
	return false;
}

void share_tag(const char *guest_path, const struct share *others, size_t n,
	       char ret[TAG_MAX + 1])
{
	char readable[TAG_READABLE + 1];
	size_t used = 0;

	for (const char *p = guest_path; *p && used < TAG_READABLE; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') ||
			     (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9') || *p == '-' || *p == '.';

		if (used || plain)
			readable[used++] = plain ? *p : '_';
	}
	readable[used] = 0;
	for (uint32_t seed = 0;; seed++) {
		(void)snprintf(ret, TAG_MAX + 1, "%s_%08x", readable,
			       fnv1a(guest_path, seed));
		if (!tag_taken(ret, others, n))
			return;
	}
}

void hostname_from_name(const char *name, char ret[HOSTNAME_MAX + 1])
{
	size_t len = strlen(name);

	if (len <= HOSTNAME_MAX)
		memcpy(ret, name, len + 1);
	else /* two long names stay different */
		(void)snprintf(ret, HOSTNAME_MAX + 1, "%.54s-%08x", name,
			       fnv1a(name, 0));
}

static unsigned boot_flags(unsigned flags)
{
	return (flags & MOUNT_READONLY ? BOOT_RDONLY : 0u) |
	       (flags & MOUNT_NOEXEC ? BOOT_NOEXEC : 0u) |
	       (flags & MOUNT_NOSUID ? BOOT_NOSUID : 0u) |
	       (flags & MOUNT_NODEV ? BOOT_NODEV : 0u);
}

/* Copies text, or leaves NULL; false when out of memory. */
static bool copy(char **to, const char *text)
{
	*to = text ? strdup(text) : NULL;
	return *to || !text;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static const struct share *find_share(const struct share *shares, size_t n,
				      size_t index)
{
	for (size_t i = 0; i < n; i++)
		if (shares[i].index == index)
			return &shares[i];
	return NULL;
}

static int add_share(const struct mount_config *from, const struct share *share,
		     struct boot_mount *m)
{
	static const enum boot_mount_kind kinds[] = {
		[SHARE_DIR] = BOOT_MOUNT_DIR,
		[SHARE_FILE] = BOOT_MOUNT_FILE,
		[SHARE_DISK] = BOOT_MOUNT_DISK,
	};

	if (!share)
		return -EINVAL;
	m->kind = kinds[share->kind];
	if (!copy(&m->tag, share->tag) || !copy(&m->fstype, from->fstype))
		return -ENOMEM;
	if (share->kind == SHARE_FILE &&
	    !copy(&m->filename, base_name(from->host)))
		return -ENOMEM;
	return 0;
}

static int add_mounts(const struct sandbox_config *c,
		      const struct share *shares, size_t nshares,
		      struct bootspec *s)
{
	s->mounts = calloc(c->nmounts + 1, sizeof(*s->mounts));
	if (!s->mounts)
		return -ENOMEM;
	for (size_t i = 0; i < c->nmounts; i++) {
		const struct mount_config *from = &c->mounts[i];
		struct boot_mount *m = &s->mounts[s->nmounts++];
		int rc = 0;

		m->flags = boot_flags(from->flags);
		m->size_mib = from->size_mib;
		m->kind = BOOT_MOUNT_TMPFS;
		if (!copy(&m->path, from->guest))
			return -ENOMEM;
		if (from->kind != MOUNT_TMPFS)
			rc = add_share(from, find_share(shares, nshares, i), m);
		if (rc)
			return rc;
	}
	return 0;
}

static bool add_root(const struct root_config *r, struct bootspec *s)
{
	switch (r->kind) {
	case ROOT_OCI:
		s->root = BOOT_ROOT_OCI;
		return !strv_add(&s->root_lower, ROOT_DISK_DEVICE) &&
		       copy(&s->root_upper, UPPER_DISK_DEVICE);
	case ROOT_DISK:
		s->root = BOOT_ROOT_DISK;
		return copy(&s->root_device, ROOT_DISK_DEVICE) &&
		       copy(&s->root_fstype, r->fstype);
	case ROOT_BIND:
	case ROOT_NONE:
	default:
		s->root = BOOT_ROOT_VIRTIOFS;
		return copy(&s->root_tag, ROOT_TAG);
	}
}

static bool add_rlimits(const struct sandbox_config *c, struct bootspec *s)
{
	if (!c->nrlimits)
		return true;
	s->rlimits = calloc(c->nrlimits, sizeof(*s->rlimits));
	if (!s->rlimits)
		return false;
	for (size_t i = 0; i < c->nrlimits; i++) {
		struct boot_rlimit *r = &s->rlimits[s->nrlimits++];

		(void)snprintf(r->resource, sizeof(r->resource), "%s",
			       c->rlimits[i].resource);
		r->soft = c->rlimits[i].soft;
		r->hard = c->rlimits[i].hard;
	}
	return true;
}

static bool add_scripts(const struct sandbox_config *c, struct bootspec *s)
{
	if (!c->nscripts)
		return true;
	s->scripts = calloc(c->nscripts, sizeof(*s->scripts));
	if (!s->scripts)
		return false;
	for (size_t i = 0; i < c->nscripts; i++) {
		struct boot_script *to = &s->scripts[s->nscripts++];

		to->data = malloc(c->scripts[i].len + 1);
		if (!to->data || !copy(&to->name, c->scripts[i].name))
			return false;
		memcpy(to->data, c->scripts[i].data, c->scripts[i].len);
		to->len = c->scripts[i].len;
	}
	return true;
}

static void set_family(const struct net_addr *guest,
		       const struct net_addr *gateway, uint8_t prefix,
		       struct boot_family *f)
{
	if (guest->family == AF_UNSPEC)
		return;
	f->on = f->has_dns = true;
	f->prefix = prefix;
	memcpy(f->address, guest->b, sizeof(f->address));
	memcpy(f->gateway, gateway->b, sizeof(f->gateway));
	memcpy(f->dns, gateway->b, sizeof(f->dns));
}

static bool add_network(const struct net_addresses *link, struct bootspec *s)
{
	struct boot_network *n = &s->network;

	if (!link)
		return true;
	s->has_network = true;
	memcpy(n->interface, NETWORK_INTERFACE, sizeof(NETWORK_INTERFACE));
	memcpy(n->mac, link->guest_mac, sizeof(n->mac));
	n->mtu = link->mtu;
	set_family(&link->guest4, &link->gateway4, NETWORK_PREFIX4, &n->ipv4);
	set_family(&link->guest6, &link->gateway6, NETWORK_PREFIX6, &n->ipv6);
	return copy(&s->host_alias, NET_HOST_ALIAS);
}

int compose_bootspec(const struct sandbox_config *c, const struct share *shares,
		     size_t nshares, const struct net_addresses *link,
		     const struct guest_trust *trust, uint64_t wall_ns,
		     struct bootspec *ret)
{
	struct bootspec s = { .unix_time_ns = wall_ns };
	char hostname[HOSTNAME_MAX + 1];
	int rc;

	hostname_from_name(c->name, hostname);
	rc = add_mounts(c, shares, nshares, &s);
	if (!rc &&
	    (!add_root(&c->root, &s) ||
	     !copy(&s.hostname, c->hostname ? c->hostname : hostname) ||
	     !copy(&s.user, c->user) || !copy(&s.workdir, c->workdir) ||
	     !copy(&s.init, c->init) || strv_copy(&s.env, &c->env) ||
	     strv_copy(&s.init_args, &c->init_args) ||
	     strv_copy(&s.init_env, &c->init_env) || !add_rlimits(c, &s) ||
	     !add_scripts(c, &s) || !add_network(link, &s) ||
	     (trust && (!copy(&s.ca_pem, trust->ca) ||
			!copy(&s.host_cas_pem, trust->host_cas)))))
		rc = -ENOMEM;
	if (rc)
		bootspec_fini(&s);
	else
		*ret = s;
	return rc;
}
