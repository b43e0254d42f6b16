/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network section of a sandbox's configuration and its JSON form (docs:
 * json.md), and the choice of a sandbox's addresses.
 */
#ifndef MSB_NET_CONFIG_H
#define MSB_NET_CONFIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/addr.h"
#include "net/policy.h"

#define NET_DEFAULT_CONNECTIONS 256u
#define NET_MAX_CONNECTIONS 4096u
#define NET_MAX_PORTS 1024u
#define NET_DEFAULT_LEAVES 1000u
#define NET_DEFAULT_LEAF_HOURS 24u
#define NET_MAX_LEAVES 65536u
#define NET_MAX_LEAF_HOURS 87600u
#define NET_TLS_PORT 443u /* intercepted when none is named */
#define NET_MAX_PATTERNS 1024u
#define NET_MAX_CA_FILES 64u
#define NET_MAX_SCOPES 256u
#define NET_MAX_NAMESERVERS 16u
#define NET_HOST_ALIAS "host.microsandbox.internal"

struct net_port {
	struct net_endpoint bind; /* on the host */
	uint16_t guest_port;
	bool udp;
};

#define SECRET_MAX_VALUE (64u << 10)
#define SECRET_MAX_PLACEHOLDER 1024u
#define SECRET_PLACEHOLDER_PREFIX "$MSB_" /* of those nobody chose */
#define SECRETS_MAX 256u
#define HOST_PATTERN_TEXT (NET_NAME_MAX + 3)

/* Which hosts something is for. Case does not matter. */
enum host_pattern_kind {
	HOST_EXACT,
	HOST_WILDCARD, /* *.name: the name itself and all below it */
	HOST_ANY,
};

struct host_pattern {
	enum host_pattern_kind kind;
	char *name; /* canonical, without "*."; NULL for HOST_ANY; owned */
};

struct host_patterns {
	struct host_pattern *v; /* owned */
	size_t n;
};

enum secret_action {
	SECRET_BLOCK,
	SECRET_BLOCK_LOG,
	SECRET_BLOCK_TERMINATE,
	SECRET_PASSTHROUGH, /* for the hosts in pass; others: the next rule */
};

/* What happens when a placeholder is sent where its secret may not go. */
struct secret_violation {
	bool set; /* of one secret: false = as for all */
	enum secret_action action;
	struct host_patterns pass;
};

/* Where the value comes from. It is never in this structure: see
 * secrets/secrets.h. */
enum secret_source {
	SECRET_STORED, /* in a file of the sandbox's */
	SECRET_ENV,    /* the launcher's environment, at each start */
	SECRET_FILE,   /* a file of the host's, at each start */
};

struct secret_config {
	char *env_var, *placeholder;
	enum secret_source source;
	char *source_name; /* variable or absolute path; NULL: stored */
	struct host_patterns allowed;		      /* never empty */
	bool headers, basic_auth, query_params, body; /* where it goes */
	struct secret_violation on_violation;
	bool require_tls_identity; /* only on intercepted TLS */
};

struct secrets_config {
	struct secret_violation on_violation; /* set */
	struct secret_config *v;	      /* owned */
	size_t n;
};

/* How upstream servers of some names are verified; the most specific pattern
 * wins. */
struct tls_scope {
	struct host_pattern pattern;
	char *ca_cert; /* trusted in addition; NULL = this is about verify */
	bool verify;
};

struct tls_config {
	bool enabled;
	uint16_t *ports; /* owned */
	size_t nports;
	struct host_patterns bypass;
	bool verify_upstream, block_quic;
	struct strv upstream_cas; /* paths of PEM files */
	struct tls_scope *scopes; /* owned */
	size_t nscopes;
	char *ca_cert, *ca_key; /* both or none: paths of PEM files */
	uint32_t cache_capacity, validity_hours;
};

struct net_config {
	bool enabled; /* false: no NIC at all */
	/* interface: explicit values or pools; unset = AF_UNSPEC, 0 */
	bool has_mac;
	uint8_t mac[NET_MAC_LEN];
	uint16_t mtu; /* 0 = 1500 */
	struct net_addr ipv4_address, ipv6_address;
	struct net_cidr ipv4_pool, ipv6_pool;
	struct net_port *ports;
	size_t nports;
	struct policy policy;
	bool rebind_protection;
	struct strv nameservers; /* as written: IP, IP:PORT, HOST[:PORT] */
	uint32_t dns_timeout_ms;
	uint32_t max_connections;
	struct tls_config tls; /* enabled also when there are secrets */
	struct secrets_config secrets;
	bool trust_host_cas;
};

bool host_pattern_match(const struct host_pattern *p, const char *name);
bool host_patterns_match(const struct host_patterns *p, const char *name);
/* NAME, *.NAME or *; ERR_INVALID. */
int host_pattern_parse(const char *text, struct host_pattern *ret,
		       struct err *err);
/* As it is written; in text. */
const char *host_pattern_text(const struct host_pattern *p,
			      char text[HOST_PATTERN_TEXT]);
/* Add one more; ERR_INVALID. */
int host_patterns_add(struct host_patterns *p, const char *text,
		      struct err *err);
/* Is this port one whose connections are intercepted? */
bool net_port_intercepted(const struct net_config *c, uint16_t port);
/* Does this network need the runtime that has a TLS library? */
bool net_config_needs_tls(const struct net_config *c);

/* "block", "block-and-log", "block-and-terminate", "passthrough" */
const char *secret_action_name(enum secret_action action);
/* These, and older spellings: 0 or -EINVAL. */
int secret_action_parse(const char *text, enum secret_action *ret);

/* Each adds one more thing, ERR_INVALID. Of a scope, ca_cert NULL: it is about
 * verify. Paths are copied as they are. */
int tls_config_add_port(struct tls_config *t, uint16_t port, struct err *err);
int tls_config_add_bypass(struct tls_config *t, const char *text,
			  struct err *err);
int tls_config_add_scope(struct tls_config *t, const char *pattern,
			 const char *ca_cert, bool verify, struct err *err);

/* What can be wrong with secrets whose parts are all there; ERR_INVALID. */
int secrets_config_check(const struct secrets_config *s, struct err *err);

void host_patterns_fini(struct host_patterns *p);
void secret_config_fini(struct secret_config *s);
void secrets_config_fini(struct secrets_config *s);
void tls_config_fini(struct tls_config *t);

/* Defaults of the product; 0 or -ENOMEM. */
int net_config_init(struct net_config *c);
void net_config_fini(struct net_config *c);
/* NULL or null = all defaults. Unknown keys are tolerated, bad values are
 * ERR_INVALID. *ret is initialised by this call. */
int net_config_from_json(const json_t *j, struct net_config *ret,
			 struct err *err);
json_t *net_config_to_json(const struct net_config *c); /* NULL = no memory */

/* HOST:GUEST, BIND:HOST:GUEST, with /tcp or /udp; ERR_INVALID. */
int net_port_parse(const char *text, struct net_port *ret, struct err *err);
/* IP, IP:PORT, [IPv6]:PORT, HOST, HOST:PORT: only its shape. ERR_INVALID. */
int net_nameserver_check(const char *text, struct err *err);

/*
 * The addresses of the sandbox that has this slot. has4, has6: the host can
 * reach others over that family, or it is left out unless set explicitly.
 * ERR_INVALID when the slot is beyond a pool, which it names.
 */
int net_addresses_assign(const struct net_config *c, uint32_t slot, bool has4,
			 bool has6, struct net_addresses *ret, struct err *err);
/* Does the host have a route for this family? No packet is sent. */
bool net_host_has(int family);

#endif
