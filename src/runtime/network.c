/* SPDX-License-Identifier: Apache-2.0 */
/* The network of a sandbox: addresses, ports and the guest's card. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/str.h"
#include "net/net.h"
#include "runtime/sandbox.h"
#include "virtio/dev/net.h"

static void on_log(void *ctx, int level, const char *line)
{
	(void)ctx;
	log_at((enum log_level)level, "net", "%s", line);
}

static void on_violation(struct posted *p)
{
	struct sandbox *s = container_of(p, struct sandbox, violation);

	log_error("runtime", "ended because of a secret's violation");
	/* nothing else is left of a sandbox that is removed with its end */
	if (s->relay)
		relay_fail_commands(s->relay, "secret_violation",
				    "stopped: a secret's placeholder was sent "
				    "where the secret may not go");
	sandbox_stop(s, EXIT_SIGNAL);
}

/* On the network's thread. */
static void terminate(void *ctx)
{
	struct sandbox *s = ctx;

	if (!atomic_exchange(&s->violated, true))
		loop_post(s->loop, &s->violation, on_violation);
}

/* --- interception --- */

/* What the values were handed over in has done its duty. */
static void drop_values(struct sandbox *s)
{
	if (s->values_fd < 0)
		return;
	if (ftruncate(s->values_fd, 0) < 0)
		log_debug("runtime", "secrets: %s", strerror(errno));
	close_fd(&s->values_fd);
}

static int make_tls(struct sandbox *s)
{
	const struct net_config *c = &s->spec.network;
	const char *home = getenv("MSB_HOME");
	autofree char *dir = NULL;
	struct err err = { 0 };
	int rc;

	if (!net_config_needs_tls(c))
		return 0;
	if (!s->tls_lib)
		return sandbox_boot_errno(s, "config", -ENOTSUP,
					  "a runtime without TLS");
	if (!c->enabled || !c->tls.enabled)
		return 0;
	if (home)
		dir = str_fmt("%s/tls", home);
	if (!dir)
		return sandbox_boot_errno(s, "config", home ? -ENOMEM : -ENOENT,
					  "MSB_HOME");
	rc = s->tls_lib->open(c, dir, s->values_fd, &s->tls, &err);
	return rc ? sandbox_boot_err(s, "network", rc, &err) : 0;
}

const char *sandbox_ca_pem(const struct sandbox *s)
{
	return s->tls ? s->tls_lib->ca_pem(s->tls) : NULL;
}

int sandbox_host_cas_pem(struct sandbox *s, struct buf *out)
{
	return s->trust_host_cas ? s->tls_lib->host_roots_pem(out) : 0;
}

/* --- the network --- */

static int make_nic(struct sandbox *s)
{
	const struct net_host host = {
		.ctx = s,
		.log = on_log,
		.terminate = terminate,
		.tls_ops = s->tls ? s->tls_lib->ops : NULL,
		.tls = s->tls,
	};
	struct net_config *c = &s->spec.network;
	struct err err = { 0 };
	struct net *net;
	int rc;

	if (!c->enabled)
		return 0;
	rc = net_addresses_assign(c, s->spec.slot, net_host_has(AF_INET),
				  net_host_has(AF_INET6), &s->link, &err);
	if (!rc)
		rc = net_new(c, &s->link, &host, &net, &err);
	if (rc)
		return sandbox_boot_err(s, "network", rc, &err);
	rc = vdev_net_new(net, &s->nic);
	if (rc) {
		net = net_free(net);
		return sandbox_boot_errno(s, "network", rc, "network card");
	}
	return 0;
}

int sandbox_make_network(struct sandbox *s)
{
	int rc;

	s->trust_host_cas = s->spec.network.trust_host_cas;
	rc = make_tls(s);
	drop_values(s);
	return rc ? rc : make_nic(s);
}

void sandbox_free_network(struct sandbox *s)
{
	if (s->nic)
		s->nic->ops->free(s->nic);
	s->nic = NULL;
	if (s->tls)
		s->tls = s->tls_lib->close(s->tls);
}

static void describe_family(struct buf *json, const char *name,
			    const struct net_addr *guest, unsigned prefix,
			    const struct net_addr *gateway)
{
	char a[NET_ADDR_TEXT], b[NET_ADDR_TEXT];

	if (guest->family == AF_UNSPEC)
		return;
	(void)buf_printf(json,
			 ",\"%s\":{\"address\":\"%s/%u\",\"gateway\":\"%s\"}",
			 name, net_addr_text(guest, a), prefix,
			 net_addr_text(gateway, b));
}

void sandbox_describe_network(const struct sandbox *s, struct buf *json)
{
	const struct net_addresses *l = &s->link;
	const uint8_t *m = l->guest_mac;

	if (!s->nic)
		return;
	(void)buf_printf(
		json, "{\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\",\"mtu\":%u",
		m[0], m[1], m[2], m[3], m[4], m[5], l->mtu);
	describe_family(json, "ipv4", &l->guest4, NETWORK_PREFIX4,
			&l->gateway4);
	describe_family(json, "ipv6", &l->guest6, NETWORK_PREFIX6,
			&l->gateway6);
	(void)buf_str(json, "}");
}
