/* SPDX-License-Identifier: Apache-2.0 */
/* Another configuration for a sandbox that runs, as far as that can be. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "runtime/sandbox.h"
#include "virtio/dev/net.h"

/* Takes the policy of n. */
static int set_policy(struct sandbox *s, struct net_config *n, struct err *err)
{
	int rc;

	if (!n->enabled != !s->nic)
		return err_set(err, ERR_UNSUPPORTED, EINVAL,
			       "a running sandbox cannot %s its network card; "
			       "stop it and start it again",
			       n->enabled ? "be given" : "lose");
	if (!s->nic)
		return 0;
	rc = vdev_net_set_policy(s->nic, &n->policy);
	return rc ? err_sys(err, ERR_NO_MEMORY, -rc, "change the policy") : 0;
}

int sandbox_modify(struct sandbox *s, const char *text, size_t len,
		   struct err *err)
{
	autofree char *copy = strndup(text, len);
	struct sandbox_config c;
	struct net_config n;
	int rc;

	if (s->state != RUNNING)
		return err_set(err, ERR_SANDBOX_STATE, EBUSY,
			       "the sandbox is ending");
	if (!copy)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "be modified");
	rc = sandbox_config_from_json(copy, &c, err);
	if (rc)
		return rc;
	rc = net_config_from_json(c.network, &n, err);
	if (!rc) {
		rc = set_policy(s, &n, err);
		net_config_fini(&n);
	}
	if (!rc) {
		sandbox_set_limits(s, c.max_duration_s, c.idle_timeout_s);
		log_info("runtime", "has other limits or another policy now");
	}
	sandbox_config_fini(&c);
	return rc;
}
