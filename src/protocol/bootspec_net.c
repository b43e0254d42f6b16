/* SPDX-License-Identifier: Apache-2.0 */
/* Boot configuration: the guest's network interface. Addresses are arrays of
 * their bytes. */
#include <errno.h>
#include <string.h>

#include "protocol/bootspec_int.h"
#include "protocol/msg_int.h"

#define DEFAULT_MTU 1500
#define LEN4 4u
#define LEN6 16u

static void put_octets(struct buf *b, const char *key, const uint8_t *p,
		       size_t len)
{
	cbor_put_text(b, key);
	cbor_put_array(b, len);
	for (size_t i = 0; i < len; i++)
		cbor_put_uint(b, p[i]);
}

static void put_family(struct buf *b, const char *key,
		       const struct boot_family *f, size_t len)
{
	if (!f->on)
		return;
	cbor_put_text(b, key);
	cbor_put_map(b, 3u + f->has_dns);
	put_octets(b, "address", f->address, len);
	cbor_put_text(b, "prefix_len");
	cbor_put_uint(b, f->prefix);
	put_octets(b, "gateway", f->gateway, len);
	if (f->has_dns)
		put_octets(b, "dns", f->dns, len);
}

void boot_network_put(struct buf *b, const struct boot_network *n)
{
	cbor_put_text(b, "network");
	cbor_put_map(b, 3u + n->ipv4.on + n->ipv6.on);
	cbor_put_text(b, "interface");
	cbor_put_text(b, n->interface);
	put_octets(b, "mac", n->mac, sizeof(n->mac));
	cbor_put_text(b, "mtu");
	cbor_put_uint(b, n->mtu);
	put_family(b, "ipv4", &n->ipv4, LEN4);
	put_family(b, "ipv6", &n->ipv6, LEN6);
}

static int get_octets(struct cbor *item, uint8_t *ret, size_t len)
{
	struct cbor it;
	size_t n;

	if (cbor_enter_array(item, &it, &n) || n != len)
		return -EBADMSG;
	for (size_t i = 0; i < len; i++) {
		uint32_t v;

		if (cbor_get_u32(&it, &v) || v > UINT8_MAX)
			return -EBADMSG;
		ret[i] = (uint8_t)v;
	}
	return 0;
}

struct raw_family {
	struct cbor address, gateway, dns;
	uint32_t prefix;
};

static const struct field family_fields[] = {
	FIELD(struct raw_family, address, "address", F_ITEM, F_MUST),
	FIELD(struct raw_family, prefix, "prefix_len", F_U32, F_MUST),
	FIELD(struct raw_family, gateway, "gateway", F_ITEM, F_MUST),
	FIELD(struct raw_family, dns, "dns", F_ITEM, 0),
};

static int get_family(struct cbor *item, size_t len, struct boot_family *ret)
{
	struct raw_family raw = { .prefix = 0 };
	struct cbor it;

	if (cbor_at_end(item))
		return 0;
	if (cbor_enter_map(item, &it, NULL) ||
	    fields_get(&it, family_fields, ARRAY_SIZE(family_fields), &raw) ||
	    raw.prefix > 8 * len ||
	    get_octets(&raw.address, ret->address, len) ||
	    get_octets(&raw.gateway, ret->gateway, len))
		return -EBADMSG;
	ret->on = true;
	ret->prefix = (uint8_t)raw.prefix;
	ret->has_dns = !cbor_at_end(&raw.dns);
	return ret->has_dns ? get_octets(&raw.dns, ret->dns, len) : 0;
}

struct raw_network {
	struct view interface;
	struct cbor mac, ipv4, ipv6;
	uint16_t mtu;
};

static const struct field network_fields[] = {
	FIELD(struct raw_network, interface, "interface", F_TEXT, F_MUST),
	FIELD(struct raw_network, mac, "mac", F_ITEM, F_MUST),
	FIELD(struct raw_network, mtu, "mtu", F_U16, 0),
	FIELD(struct raw_network, ipv4, "ipv4", F_ITEM, 0),
	FIELD(struct raw_network, ipv6, "ipv6", F_ITEM, 0),
};

int boot_network_get(struct cbor *item, struct boot_network *ret)
{
	struct raw_network raw = { .mtu = DEFAULT_MTU };
	struct boot_network n = { .mtu = 0 };
	struct cbor it;

	if (cbor_enter_map(item, &it, NULL) ||
	    fields_get(&it, network_fields, ARRAY_SIZE(network_fields), &raw) ||
	    !raw.interface.len || raw.interface.len >= sizeof(n.interface) ||
	    memchr(raw.interface.p, 0, raw.interface.len) ||
	    get_octets(&raw.mac, n.mac, sizeof(n.mac)) ||
	    get_family(&raw.ipv4, LEN4, &n.ipv4) ||
	    get_family(&raw.ipv6, LEN6, &n.ipv6))
		return -EBADMSG;
	memcpy(n.interface, raw.interface.p, raw.interface.len);
	n.mtu = raw.mtu;
	*ret = n;
	return 0;
}
