/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of a sandbox: defaults, allowed texts, release. */
#include "store/sandbox_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *const sandbox_log_levels[] = { "error", "warn",  "info",
					   "debug", "trace", NULL };
const char *const sandbox_engines[] = { "auto", "kvm", "uml", NULL };
const char *const sandbox_engine_modes[] = { "auto", "ptrace", "seccomp",
					     NULL };
const char *const sandbox_engine_jails[] = { "strict", "relaxed", NULL };
const char *const sandbox_rlimits[] = {
	"cpu",	    "fsize",  "data",	 "stack",  "core",  "rss",
	"nproc",    "nofile", "memlock", "as",	   "locks", "sigpending",
	"msgqueue", "nice",   "rtprio",	 "rttime", NULL
};

int sandbox_config_init(struct sandbox_config *c)
{
	memset(c, 0, sizeof(*c));
	c->cpus = SANDBOX_DEFAULT_CPUS;
	c->memory_mib = SANDBOX_DEFAULT_MEMORY_MIB;
	c->engine = strdup("auto");
	c->engine_mode = strdup("auto");
	c->engine_jail = strdup("strict");
	if (c->engine && c->engine_mode && c->engine_jail)
		return 0;
	sandbox_config_fini(c);
	return -ENOMEM;
}

void sandbox_config_fini(struct sandbox_config *c)
{
	free(c->name);
	free(c->image);
	free(c->log_level);
	free(c->workdir);
	free(c->shell);
	free(c->hostname);
	free(c->user);
	strv_fini(&c->env);
	strv_fini(&c->entrypoint);
	strv_fini(&c->cmd);
	for (size_t i = 0; i < c->nscripts; i++) {
		free(c->scripts[i].name);
		free(c->scripts[i].data);
	}
	free(c->scripts);
	free(c->rlimits);
	for (size_t i = 0; i < c->nmounts; i++) {
		free(c->mounts[i].host);
		free(c->mounts[i].guest);
	}
	free(c->mounts);
	free(c->init);
	strv_fini(&c->init_args);
	strv_fini(&c->init_env);
	free(c->engine);
	free(c->engine_mode);
	free(c->engine_jail);
	memset(c, 0, sizeof(*c));
}
