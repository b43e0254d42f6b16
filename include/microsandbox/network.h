/* SPDX-License-Identifier: Apache-2.0 */
/* Network, TLS interception and secrets of a sandbox's description. */
#ifndef MICROSANDBOX_NETWORK_H
#define MICROSANDBOX_NETWORK_H

#include "microsandbox/core.h"

MSB_BEGIN_DECLS

/*
 * Network (docs/network.md). Untouched, a sandbox reaches DNS and public
 * addresses, and is reached through published ports.
 *
 * The first call of set_net_default, add_net_rules or add_net_profiles replaces
 * that policy: what no rule decides is then denied on the way out and allowed
 * on the way in. Rules decide in the order of the calls; those of profiles come
 * after all others.
 */
enum { MSB_NET_EGRESS = 1 << 0, MSB_NET_INGRESS = 1 << 1 };
/* For what no rule decides; directions: the above. */
int msb_config_set_net_default(msb_config_t *c, unsigned directions, bool allow,
			       msb_error_t **e);
/* Tokens such as "allow@example.com:tcp:443", separated by commas. */
int msb_config_add_net_rules(msb_config_t *c, const char *tokens,
			     msb_error_t **e);
/* Of "public", "private", "host", or "all", or "none"; separated by commas.
 * Not together with set_net_default. */
int msb_config_add_net_profiles(msb_config_t *c, const char *profiles,
				msb_error_t **e);
/* [BIND:]HOST:GUEST[/tcp|/udp]; BIND is 127.0.0.1 without, IPv6 in brackets. */
int msb_config_add_port(msb_config_t *c, const char *port, msb_error_t **e);
/* May names stand for addresses that are not public? Default: not (true). */
void msb_config_set_dns_rebind_protection(msb_config_t *c, bool on);
/* IP, IP:PORT, [IPv6]:PORT, HOST, HOST:PORT; in the order they are asked. */
int msb_config_add_dns_nameserver(msb_config_t *c, const char *server,
				  msb_error_t **e);
int msb_config_set_dns_timeout_ms(msb_config_t *c, uint32_t ms,
				  msb_error_t **e);
/* Where sandboxes' addresses are from: an IPv4 and an IPv6 prefix. */
int msb_config_set_net_ipv4_pool(msb_config_t *c, const char *cidr,
				 msb_error_t **e);
int msb_config_set_net_ipv6_pool(msb_config_t *c, const char *cidr,
				 msb_error_t **e);
int msb_config_set_max_connections(msb_config_t *c, uint32_t n,
				   msb_error_t **e);
/* The whole network section in its JSON form (docs/json.md): also what has no
 * function of its own. What was set before is forgotten. A secret may have its
 * value here; it is taken out and goes where msb_secret_t says. */
int msb_config_set_network_json(msb_config_t *c, const char *json,
				msb_error_t **e);
/* Calls fn for everything about the network that is allowed but perhaps not
 * what was meant: one line each. */
int msb_config_network_hints(const msb_config_t *c,
			     void (*fn)(void *ctx, const char *text), void *ctx,
			     msb_error_t **e);

/*
 * TLS interception (docs/network.md). Each of these turns it on, also when it
 * is called with the default. Files are PEM, are read when the sandbox starts,
 * and a relative path is one of now. Patterns of hosts are "NAME" and "*.NAME",
 * which is NAME and all below it.
 */
void msb_config_set_tls_intercept(msb_config_t *c);
/* The first call replaces the default, 443. */
int msb_config_add_tls_port(msb_config_t *c, uint16_t port, msb_error_t **e);
/* Hosts whose connections go through untouched. */
int msb_config_add_tls_bypass(msb_config_t *c, const char *pattern,
			      msb_error_t **e);
/* Drop UDP to intercepted ports, which would be QUIC. Default: true. */
void msb_config_set_tls_block_quic(msb_config_t *c, bool on);
/* Instead of this home's own authority; both or none (NULL). */
int msb_config_set_tls_ca(msb_config_t *c, const char *cert, const char *key,
			  msb_error_t **e);
/* Trust this one, too, when servers are verified: all of them, or (pattern not
 * NULL) some. */
int msb_config_add_tls_upstream_ca(msb_config_t *c, const char *pattern,
				   const char *cert, msb_error_t **e);
/* Are servers verified at all: all of them, or (pattern not NULL, the most
 * specific one counts) some? Default: true. */
int msb_config_set_tls_verify_upstream(msb_config_t *c, const char *pattern,
				       bool verify, msb_error_t **e);
/* Give the guest the certificates of the authorities that this host trusts. Not
 * an interception. */
void msb_config_set_trust_host_cas(msb_config_t *c, bool on);

/*
 * Secrets (docs/secrets.md): the guest has an environment variable with a
 * placeholder, and requests to allowed hosts have the value. They turn TLS
 * interception on.
 */
enum {
	MSB_SECRET_IN_HEADERS = 1 << 0,
	MSB_SECRET_IN_BASIC = 1 << 1, /* decoded Basic credentials */
	MSB_SECRET_IN_QUERY = 1 << 2,
	MSB_SECRET_IN_BODY = 1 << 3,
};
typedef struct {
	size_t struct_size;
	const char *env; /* name of the guest's variable */
	/*
	 * Exactly one of these. A value is kept in a file of the sandbox's
	 * (mode 0600) for further starts; the others are read at each start,
	 * the variable from the environment of whoever starts it. Of a file,
	 * one newline at its end does not count.
	 */
	const char *value;
	const char *from_env;
	const char *from_file;
	const char *const *hosts; /* patterns, or "*": any */
	size_t nhosts;		  /* not 0 */
	unsigned places;	  /* MSB_SECRET_IN_*; 0: headers and Basic */
	const char *placeholder;  /* NULL: "$MSB_" and env */
	/* As msb_config_set_secret_violation, of this one only; or NULL. */
	const char *on_violation;
	const char *const *pass_hosts;
	size_t npass_hosts;
	bool plain_http; /* also outside TLS */
} msb_secret_t;
/* One that differs from an earlier one in its hosts only adds them to it. */
int msb_config_add_secret(msb_config_t *c, const msb_secret_t *s,
			  msb_error_t **e);
/*
 * What becomes of a request with a placeholder that may not go there: "block",
 * "block-and-log" (default), "block-and-terminate", "passthrough". The last
 * sends it as it is to these hosts (to others: "block-and-log"); only it takes
 * any.
 */
int msb_config_set_secret_violation(msb_config_t *c, const char *action,
				    const char *const *pass_hosts, size_t n,
				    msb_error_t **e);

/* Which rule decides: no sandbox takes part in it. */
typedef struct {
	size_t struct_size;
	/* IP, IP:PORT, [IPv6]:PORT, NAME, NAME:PORT. On ingress the peer's
	 * address, and the port of the guest. Without a port, for each. */
	const char *target;
	const char *proto;   /* "tcp" (also when NULL), "udp", "icmp" */
	const char *address; /* what a name resolved to; NULL: some public
			      * address */
	bool ingress;
} msb_net_question_t;
/* 1 allowed, 0 denied. *ret_json (not NULL) tells why (docs/json.md); to be
 * freed with msb_free(). */
int msb_config_net_explain(const msb_config_t *c, const msb_net_question_t *q,
			   char **ret_json, msb_error_t **e);

MSB_END_DECLS

#endif
