/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The servers that answer the guest's questions: those of the configuration, or
 * the host's. Found once, before the process is jailed. The C library's
 * resolver is not asked: it loads modules, which a static program cannot.
 */
#ifndef MSB_NET_DNS_HOST_H
#define MSB_NET_DNS_HOST_H

#include "base/buf.h"
#include "base/str.h"
#include "net/config.h"
#include "net/dns_exchange.h"

struct dns_servers {
	struct dns_server v[NET_MAX_NAMESERVERS];
	size_t n;
};

/* Where the host's resolver is configured. */
struct dns_host {
	const char *resolv_conf, *hosts; /* paths */
	uint16_t port;			 /* of its servers */
	uint32_t timeout_ms;
};

/* IP, IP:PORT, [IPv6], [IPv6]:PORT, HOST, HOST:PORT: a host's address is left
 * AF_UNSPEC and its name is in *ret_name. Blanks around it are nothing. 0 or
 * -EINVAL. */
int dns_nameserver_parse(const char *written, struct dns_server *ret,
			 struct dns_name *ret_name);
/* The nameserver lines of a resolv.conf, with this port. */
void dns_resolv_parse(const char *text, size_t len, uint16_t port,
		      struct dns_servers *ret);
/* What /etc/hosts says of a name; how many addresses. */
size_t dns_hosts_find(const char *text, size_t len, const struct dns_name *name,
		      struct net_addr *ret, size_t max);

/*
 * The servers to use. Host names are resolved with the host's servers, which
 * may take twice the time-out, all together. What cannot be used is left out
 * and described in problems. 0 (also when there are none) or -ENOMEM and the
 * like.
 */
int dns_servers_find(const struct dns_host *h, const struct strv *configured,
		     struct dns_servers *ret, struct buf *problems);

#endif
