/* SPDX-License-Identifier: Apache-2.0 */
/* The network section of configurations, inside the library. */
#ifndef MSB_API_NETWORK_H
#define MSB_API_NETWORK_H

#include "api/api_int.h"
#include "api/secret_values.h"
#include "net/config.h"

/* What a builder was told. The policy in c holds explicit rules only until
 * network_wish_section() makes the whole. */
struct network_wish {
	struct net_config c;
	struct secret_values values; /* one for each of its secrets */
	bool own_policy;	     /* the caller's, not the product's */
	unsigned defaults;	     /* directions whose default was set */
	unsigned profiles;	     /* groups of profiles, see config_net.c */
	bool everything, nothing;    /* the other profiles */
};

struct network_wish *network_wish_new(void); /* NULL: out of memory */
/* As if the builder had been told the stored section of c, but for the values
 * of its secrets; its policy is replaced by the first call about one. */
struct network_wish *network_wish_of(const struct sandbox_config *c,
				     struct err *err);
void network_wish_free(struct network_wish *w);
/* The section as it is to be; *ret is initialised by this call. */
int network_wish_section(const struct network_wish *w, struct net_config *ret,
			 struct err *err);
/* Its JSON form for c->network. */
int network_wish_apply(const struct network_wish *w, struct sandbox_config *c,
		       struct err *err);

/* Wipe the values in a network section, and hand copies of them to *ret, one
 * for each secret. What is not such a section has none. */
int network_take_values(json_t *section, struct secret_values *ret,
			struct err *err);

/* Is there a value for each secret that has no other source? */
int network_check_values(const struct network_wish *w, struct err *err);

/* The stored section of c. */
int network_config_of(const struct sandbox_config *c, struct net_config *ret,
		      struct err *err);
/* Set the variables in env that have placeholders of stored secrets: 0 or
 * -ENOMEM. */
int network_placeholders(const struct sandbox_config *c, struct strv *env);
/* Can a sandbox with this slot have addresses? */
int network_check(const struct sandbox_config *c, uint32_t slot,
		  struct err *err);
/* 1 allowed, 0 denied; *ret is malloc'ed JSON. */
int network_explain(const struct net_config *c,
		    const struct net_addresses *link,
		    const msb_net_question_t *q, char **ret, struct err *err);

#endif
