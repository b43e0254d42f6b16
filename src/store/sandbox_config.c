/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration of a sandbox: defaults, allowed texts, release. */
#include "store/sandbox_config.h"

#include <errno.h>
#include <jansson.h>
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
	c->metrics_interval_ms = SANDBOX_DEFAULT_METRICS_MS;
	c->engine = strdup("auto");
	c->engine_mode = strdup("auto");
	c->engine_jail = strdup("strict");
	if (c->engine && c->engine_mode && c->engine_jail)
		return 0;
	sandbox_config_fini(c);
	return -ENOMEM;
}

void mount_config_fini(struct mount_config *m)
{
	free(m->host);
	free(m->name);
	free(m->guest);
	free(m->fstype);
	memset(m, 0, sizeof(*m));
}

void root_config_fini(struct root_config *r)
{
	free(r->path);
	free(r->reference);
	free(r->manifest_digest);
	free(r->fstype);
	memset(r, 0, sizeof(*r));
}

const char *root_config_text(const struct root_config *r)
{
	return r->kind == ROOT_OCI ? r->reference : r->path;
}

enum disk_format disk_format_of(const char *path)
{
	if (str_ends(path, ".qcow2"))
		return DISK_FORMAT_QCOW2;
	return str_ends(path, ".vmdk") ? DISK_FORMAT_VMDK : DISK_FORMAT_RAW;
}

void sandbox_config_fini(struct sandbox_config *c)
{
	free(c->name);
	root_config_fini(&c->root);
	free(c->log_level);
	free(c->workdir);
	free(c->shell);
	free(c->hostname);
	free(c->user);
	strv_fini(&c->env);
	strv_fini(&c->labels);
	strv_fini(&c->entrypoint);
	strv_fini(&c->cmd);
	for (size_t i = 0; i < c->nscripts; i++) {
		free(c->scripts[i].name);
		free(c->scripts[i].data);
	}
	free(c->scripts);
	free(c->rlimits);
	for (size_t i = 0; i < c->nmounts; i++)
		mount_config_fini(&c->mounts[i]);
	free(c->mounts);
	json_decref(c->network);
	free(c->init);
	strv_fini(&c->init_args);
	strv_fini(&c->init_env);
	free(c->engine);
	free(c->engine_mode);
	free(c->engine_jail);
	memset(c, 0, sizeof(*c));
}
