/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network policy of a sandbox: an ordered list of rules, of which the first
 * that matches decides, and a default per direction. Immutable once made.
 */
#ifndef MSB_NET_POLICY_H
#define MSB_NET_POLICY_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/addr.h"

#define POLICY_MAX_RULES 65536u
#define NET_NAME_MAX 253u

struct names; /* names.h: which names resolved to an address */

enum policy_direction { POLICY_EGRESS = 1, POLICY_INGRESS = 2, POLICY_ANY = 3 };

/* As a set in rules; one bit in a question. */
enum policy_proto {
	POLICY_TCP = 1,
	POLICY_UDP = 2,
	POLICY_ICMP4 = 4,
	POLICY_ICMP6 = 8,
};

enum policy_target_kind {
	POLICY_TARGET_ANY,
	POLICY_TARGET_GROUP,
	POLICY_TARGET_CIDR,
	POLICY_TARGET_NAME,   /* exactly this domain name */
	POLICY_TARGET_SUFFIX, /* this name and all below it */
};

struct policy_ports {
	uint16_t first, last;
};

struct policy_rule {
	bool allow;
	enum policy_direction direction;
	enum policy_target_kind target;
	enum net_group group;
	struct net_cidr cidr;
	char *name;		    /* canonical; owned */
	unsigned protos;	    /* set of enum policy_proto; 0 = all */
	struct policy_ports *ports; /* owned; none = all */
	size_t nports;
};

/* What most flows need to know of a rule, side by side; policy_eval.c. */
struct policy_key {
	uint32_t accept;      /* directions, protocols, groups, families */
	uint32_t mask, value; /* of the address's first word */
	uint32_t hash;	      /* of the name; 0 for what is no name */
	uint16_t port, span;  /* port to port + span */
};

struct policy {
	bool allow_egress, allow_ingress; /* the defaults */
	struct policy_rule *rules;	  /* owned */
	struct policy_key *keys;	  /* owned, one per rule */
	size_t nrules;
	bool has_names; /* some rule is about a domain name */
};

enum policy_answer { POLICY_DENY, POLICY_ALLOW, POLICY_DEFER };

/* What decided when it was no rule. */
#define POLICY_BY_DEFAULT (-1)
#define POLICY_NO_TLS_DNS (-2)	   /* DNS over TLS or QUIC: no rule opens it */
#define POLICY_BAD_HELLO (-3)	   /* a TLS ClientHello no server would take */
#define POLICY_LOCAL_NAMES (-4)	   /* mDNS, LLMNR, NetBIOS: no rule opens it */
#define POLICY_NO_SERVER_NAME (-6) /* interception needs a hello with one */
#define POLICY_NO_HOST (-5) /* 0.0.0.0, ::, broadcast: of no other host */

struct policy_verdict {
	enum policy_answer answer;
	int rule; /* index, or one of the above */
};

/* A question about one flow. On ingress addr is the peer's; port is always the
 * guest-visible service port, and not looked at for ICMP. */
struct policy_flow {
	enum policy_direction direction; /* EGRESS or INGRESS */
	enum policy_proto proto;
	struct net_addr addr;
	uint16_t port;
};

/* How the name of a TCP connection's peer is known (spec of domain rules). */
enum policy_names {
	POLICY_NAMES_CACHED,   /* by the addresses that were resolved */
	POLICY_NAMES_DEFERRED, /* a ClientHello may still tell: SYN time */
	POLICY_NAMES_SNI,      /* flow came with this name */
};

/* --- policy.c, policy_json.c: making one --- */

/* The default of the product: DNS, and public addresses. 0 or -ENOMEM. */
int policy_public_only(struct policy *ret);
void policy_fini(struct policy *p);
/* Append a copy; 0, -ENOMEM, -E2BIG. A struct policy of zeros denies all. */
int policy_add(struct policy *p, const struct policy_rule *r);
/* The rules behind the words "dns" (protos: some of TCP and UDP, 0 = both) and
 * a group, for egress. */
int policy_add_dns(struct policy *p, bool allow, unsigned protos);
int policy_add_group(struct policy *p, bool allow, enum net_group g);
void policy_rule_fini(struct policy_rule *r);
static inline bool policy_rule_has_name(const struct policy_rule *r)
{
	return r->target == POLICY_TARGET_NAME ||
	       r->target == POLICY_TARGET_SUFFIX;
}
/*
 * Canonical form of a domain name (lower case, no dots around it), or -EINVAL;
 * ret has NET_NAME_MAX + 1 bytes. A suffix also has two labels at least.
 */
int policy_name(const char *text, size_t len, char *ret);
/* The "policy" object of the JSON form. Everything is checked. */
int policy_from_json(const json_t *j, struct policy *ret, struct err *err);
json_t *policy_to_json(const struct policy *p); /* NULL = no memory */

/* --- policy_token.c: the words of --net-rule --- */

/*
 * Append the rules of a comma-separated list of tokens, in order. ERR_INVALID
 * with a message that quotes the token, says what is wrong (its category first,
 * "SuffixTooBroad: ...") and what to write instead.
 */
int policy_parse_rules(const char *text, struct policy *p, struct err *err);
/* policy_text.c: a rule as such a token, "tcp|udp" where there are several. */
void policy_rule_text(const struct policy_rule *r, struct buf *out);
/* "rule 2 (deny@10.0.0.0/8)", counted from 1, or "default egress deny". */
void policy_verdict_text(const struct policy *p, const struct policy_verdict *v,
			 enum policy_direction d, struct buf *out);

/* --- policy_eval.c --- */

struct policy_key policy_key_of(const struct policy_rule *r);
/* names, sni: NULL = none. sni is canonical, or empty for one that is no name
 * a rule could be about. */
struct policy_verdict policy_decide(const struct policy *p,
				    const struct net_addresses *link,
				    const struct names *names,
				    const struct policy_flow *f,
				    enum policy_names how, const char *sni);
/* A DNS question; proto UDP or TCP, port 53 or 853. name: canonical, or NULL
 * when it is no valid name: rules that allow names are not for it, those that
 * deny some may be meant. */
struct policy_verdict policy_decide_query(const struct policy *p,
					  const char *name,
					  enum policy_proto proto,
					  uint16_t port);
/* Is this otherwise forbidden answer covered by an allow rule for its address
 * (rebind protection's exception)? */
bool policy_opens_answer(const struct policy *p,
			 const struct net_addresses *link,
			 const struct net_addr *a);
/* Rules that allow addresses but no DNS at all: worth a hint. */
bool policy_lacks_dns(const struct policy *p);

#endif
