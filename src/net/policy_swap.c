/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the policy of a network that is in use. The network's own thread is
 * the only one that looks at the policy, so it is the one that takes a new one
 * over, before it decides about a frame of the guest or a connection from
 * outside; others only leave one for it to find.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "net/net_int.h"

static void drop(struct policy *p)
{
	if (p)
		policy_fini(p);
	free(p);
}

int net_set_policy(struct net *n, struct policy *take)
{
	struct policy *p = malloc(sizeof(*p));

	if (!p)
		return -ENOMEM;
	*p = *take;
	*take = (struct policy){ 0 };
	drop(atomic_exchange(&n->next_policy, p));
	return 0;
}

void net_take_policy(struct net *n)
{
	struct policy *p;

	if (!atomic_load_explicit(&n->next_policy, memory_order_relaxed))
		return;
	p = atomic_exchange(&n->next_policy, NULL);
	if (!p)
		return;
	policy_fini(&n->config.policy);
	n->config.policy = *p;
	free(p);
}
