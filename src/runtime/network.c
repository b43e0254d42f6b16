/* SPDX-License-Identifier: Apache-2.0 */
/* The network of a sandbox: addresses, ports and the guest's card. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "net/net.h"
#include "runtime/sandbox.h"
#include "virtio/dev/net.h"

static void on_log(void *ctx, int level, const char *line)
{
	(void)ctx;
	log_at((enum log_level)level, "net", "%s", line);
}

int sandbox_make_network(struct sandbox *s)
{
	const struct net_host host = { .log = on_log };
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
