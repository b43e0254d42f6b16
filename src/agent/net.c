/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything is said in one message to the kernel, which carries out one
 * request after the other and answers only those that fail.
 */
#include "agent/net.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/compiler.h"

#define LOOPBACK_INDEX 1
#define LEN4 4u
#define LEN6 16u

/* The request's sequence number says which one failed. */
enum step {
	STEP_LOOPBACK = 1,
	STEP_LINK,
	STEP_UP,
	STEP_ADDRESS4,
	STEP_ADDRESS6,
	STEP_ROUTE4,
	STEP_ROUTE6,
};

static const char *const step_names[] = {
	[STEP_LOOPBACK] = "bring the loopback up",
	[STEP_LINK] = "set the network card's address and MTU",
	[STEP_UP] = "bring the network card up",
	[STEP_ADDRESS4] = "add the IPv4 address",
	[STEP_ADDRESS6] = "add the IPv6 address",
	[STEP_ROUTE4] = "add the IPv4 route",
	[STEP_ROUTE6] = "add the IPv6 route",
};

/* Requests one behind the other; the largest set has some 400 bytes. */
struct requests {
	_Alignas(NLMSG_ALIGNTO) uint8_t data[1024];
	size_t len;
	struct nlmsghdr *last;
};

/* Zeroed room of len bytes, padded as the kernel wants it. */
static void *grow(struct requests *r, size_t len)
{
	void *p = r->data + r->len;

	r->len += NLMSG_ALIGN(len);
	if (r->last)
		r->last->nlmsg_len =
			(uint32_t)(r->data + r->len - (uint8_t *)r->last);
	return p;
}

static void *begin(struct requests *r, enum step step, uint16_t type,
		   size_t body)
{
	struct nlmsghdr *h;

	r->last = NULL;
	h = grow(r, sizeof(*h));
	r->last = h;
	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST;
	if (type != RTM_NEWLINK)
		h->nlmsg_flags |= NLM_F_CREATE | NLM_F_REPLACE;
	h->nlmsg_seq = step;
	return grow(r, body);
}

static struct rtattr *attr(struct requests *r, uint16_t type, const void *data,
			   size_t len)
{
	struct rtattr *a = grow(r, RTA_LENGTH(len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	return a;
}

static void end_nested(const struct requests *r, struct rtattr *a)
{
	a->rta_len = (uint16_t)(r->data + r->len - (const uint8_t *)a);
}

static void add_up(struct requests *r, enum step step, int index)
{
	struct ifinfomsg *m = begin(r, step, RTM_NEWLINK, sizeof(*m));

	m->ifi_index = index;
	m->ifi_flags = m->ifi_change = IFF_UP;
}

/*
 * The card has its address and MTU from the host already, and then this costs
 * nothing. No link-local address: it would be looked for twice on a link with
 * one neighbour, and routers be asked for that are not there.
 */
static void add_link(struct requests *r, int index,
		     const struct boot_network *n)
{
	const uint8_t mode = IN6_ADDR_GEN_MODE_NONE;
	const uint32_t mtu = n->mtu;
	struct ifinfomsg *m = begin(r, STEP_LINK, RTM_NEWLINK, sizeof(*m));
	struct rtattr *spec, *inet6;

	m->ifi_index = index;
	(void)attr(r, IFLA_ADDRESS, n->mac, sizeof(n->mac));
	(void)attr(r, IFLA_MTU, &mtu, sizeof(mtu));
	if (!n->ipv6.on)
		return;
	spec = attr(r, IFLA_AF_SPEC, NULL, 0);
	inet6 = attr(r, AF_INET6, NULL, 0);
	(void)attr(r, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	end_nested(r, inet6);
	end_nested(r, spec);
}

static void add_address(struct requests *r, enum step step, int index,
			uint8_t family, const struct boot_family *f, size_t len)
{
	struct ifaddrmsg *m = begin(r, step, RTM_NEWADDR, sizeof(*m));

	m->ifa_family = family;
	m->ifa_prefixlen = f->prefix;
	m->ifa_index = (uint32_t)index;
	/* usable at once: nobody else on this link could have it */
	m->ifa_flags = family == AF_INET6 ? IFA_F_NODAD : 0;
	(void)attr(r, IFA_LOCAL, f->address, len);
	(void)attr(r, IFA_ADDRESS, f->address, len);
}

static void add_route(struct requests *r, enum step step, int index,
		      uint8_t family, const struct boot_family *f, size_t len)
{
	struct rtmsg *m = begin(r, step, RTM_NEWROUTE, sizeof(*m));

	m->rtm_family = family;
	m->rtm_table = RT_TABLE_MAIN;
	m->rtm_protocol = RTPROT_BOOT;
	m->rtm_scope = RT_SCOPE_UNIVERSE;
	m->rtm_type = RTN_UNICAST;
	(void)attr(r, RTA_GATEWAY, f->gateway, len);
	(void)attr(r, RTA_OIF, &index, sizeof(index));
}

static void add_card(struct requests *r, int index,
		     const struct boot_network *n)
{
	add_link(r, index, n);
	add_up(r, STEP_UP, index);
	if (n->ipv4.on)
		add_address(r, STEP_ADDRESS4, index, AF_INET, &n->ipv4, LEN4);
	if (n->ipv6.on)
		add_address(r, STEP_ADDRESS6, index, AF_INET6, &n->ipv6, LEN6);
	if (n->ipv4.on)
		add_route(r, STEP_ROUTE4, index, AF_INET, &n->ipv4, LEN4);
	if (n->ipv6.on)
		add_route(r, STEP_ROUTE6, index, AF_INET6, &n->ipv6, LEN6);
}

/* The answers are there when the requests have been sent; no answer is a good
 * one. */
static int check_answers(int fd, struct err *err)
{
	_Alignas(NLMSG_ALIGNTO) uint8_t data[4096];
	const struct nlmsghdr *h = (const void *)data;
	const struct nlmsgerr *e = NLMSG_DATA(h);
	ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN
			       ? 0
			       : err_sys(err, ERR_IO, errno, "rtnetlink");
	if ((size_t)n < NLMSG_LENGTH(sizeof(*e)) ||
	    h->nlmsg_type != NLMSG_ERROR ||
	    h->nlmsg_seq >= ARRAY_SIZE(step_names) || !h->nlmsg_seq)
		return err_set(err, ERR_IO, EBADMSG, "rtnetlink: no answer");
	return err_sys(err, ERR_IO, -e->error, "%s", step_names[h->nlmsg_seq]);
}

int net_configure(const struct boot_network *n, struct err *err)
{
	autoclose int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct requests r = { .len = 0 };
	struct ifreq ifr = { .ifr_ifindex = 0 };

	if (fd < 0)
		return err_sys(err, ERR_IO, errno, "rtnetlink");
	add_up(&r, STEP_LOOPBACK, LOOPBACK_INDEX);
	if (n) {
		memcpy(ifr.ifr_name, n->interface, sizeof(n->interface));
		if (ioctl(fd, SIOCGIFINDEX, &ifr) < 0)
			return err_sys(err, ERR_IO, errno, "find '%s'",
				       n->interface);
		add_card(&r, ifr.ifr_ifindex, n);
	}
	if (send(fd, r.data, r.len, 0) != (ssize_t)r.len)
		return err_sys(err, ERR_IO, errno, "rtnetlink");
	return check_answers(fd, err);
}
