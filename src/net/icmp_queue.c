/* SPDX-License-Identifier: Apache-2.0 */
/* Error queues of host sockets: ICMP that came back for what was sent. */
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h> /* which the next one lacks */

#include <linux/errqueue.h>

#include "net/icmp_int.h"

#define REPORTS_SKIPPED 64 /* bounds the work when none of them matters */

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

int icmp_queue_open(int fd, int family)
{
	int r;

	if (family == AF_INET)
		return set_int(fd, IPPROTO_IP, IP_RECVERR, 1);
	/* An IPv4-mapped address must not become a way to IPv4. */
	r = set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	return r ? r : set_int(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
}

int icmp_queue_set_df(int fd, int family, bool dont_fragment)
{
	if (family == AF_INET)
		return set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER,
			       dont_fragment ? IP_PMTUDISC_DO
					     : IP_PMTUDISC_WANT);
	return set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
		       dont_fragment ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_WANT);
}

bool icmp_reason_of(int error, enum icmp_reason *ret)
{
	switch (error) {
	case ECONNREFUSED:
		*ret = ICMP_NO_PORT;
		return true;
	case ENETUNREACH:
	case EADDRNOTAVAIL:
		*ret = ICMP_NO_ROUTE;
		return true;
	case EHOSTUNREACH:
	case EHOSTDOWN:
		*ret = ICMP_NO_HOST;
		return true;
	case EACCES:
	case EPERM:
		*ret = ICMP_PROHIBITED;
		return true;
	case EMSGSIZE:
		*ret = ICMP_TOO_BIG;
		return true;
	default:
		return false;
	}
}

static uint32_t path_mtu(int fd, int family)
{
	int mtu = 0;
	socklen_t len = sizeof(mtu);
	bool v4 = family == AF_INET;

	if (getsockopt(fd, v4 ? IPPROTO_IP : IPPROTO_IPV6,
		       v4 ? IP_MTU : IPV6_MTU, &mtu, &len) ||
	    mtu < 0)
		return 0;
	return (uint32_t)mtu;
}

static bool prohibited4(const struct sock_extended_err *ee)
{
	return ee->ee_origin == SO_EE_ORIGIN_ICMP &&
	       ee->ee_type == ICMP_DEST_UNREACH &&
	       (ee->ee_code == ICMP_NET_ANO || ee->ee_code == ICMP_HOST_ANO ||
		ee->ee_code == ICMP_PKT_FILTERED);
}

/* Does it say something the guest can use? */
static bool translate(int fd, int family, const struct sock_extended_err *ee,
		      struct icmp_report *ret)
{
	uint32_t least = family == AF_INET ? 68 : 1280;

	if (ee->ee_origin != SO_EE_ORIGIN_ICMP &&
	    ee->ee_origin != SO_EE_ORIGIN_ICMP6 &&
	    ee->ee_origin != SO_EE_ORIGIN_LOCAL)
		return false;
	if (!icmp_reason_of((int)ee->ee_errno, &ret->reason))
		return false;
	if (prohibited4(ee))
		ret->reason = ICMP_PROHIBITED;
	ret->mtu = 0;
	if (ret->reason == ICMP_TOO_BIG) {
		ret->mtu = ee->ee_info ? ee->ee_info : path_mtu(fd, family);
		return ret->mtu >= least;
	}
	return true;
}

static bool find_report(struct msghdr *msg, struct sock_extended_err *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR(msg, c)) {
		bool v4 = c->cmsg_level == IPPROTO_IP &&
			  c->cmsg_type == IP_RECVERR;
		bool v6 = c->cmsg_level == IPPROTO_IPV6 &&
			  c->cmsg_type == IPV6_RECVERR;

		if ((v4 || v6) && c->cmsg_len >= CMSG_LEN(sizeof(*ret))) {
			memcpy(ret, CMSG_DATA(c), sizeof(*ret));
			return true;
		}
	}
	return false;
}

bool icmp_queue_read(int fd, int family, struct icmp_report *ret)
{
	for (int i = 0; i < REPORTS_SKIPPED; i++) {
		_Alignas(struct cmsghdr) char control[256];
		struct iovec iov = { .iov_base = ret->data,
				     .iov_len = sizeof(ret->data) };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control,
				      .msg_controllen = sizeof(control) };
		struct sock_extended_err ee;
		ssize_t n = recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);

		if (n < 0)
			return false;
		ret->len = (size_t)n;
		if (find_report(&msg, &ee) && translate(fd, family, &ee, ret))
			return true;
	}
	return false;
}
