/* SPDX-License-Identifier: Apache-2.0 */
/* Builder of a sandbox's configuration: everything but mounts and checks. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "api/network.h"
#include "api/volume_int.h"
#include "protocol/patch.h"

/* The guest keeps scripts in a memory file system of 16 MiB. */
#define SCRIPT_BYTES_MAX (8u << 20)
#define MEMORY_MIN_MIB 32u
/* More than this many times the host's own is a typing error. */
#define HOST_FACTOR 4u
#define CPUS_FLOOR 8u
#define DURATION_MAX_S (100ull * 366 * 86400)

int msb_config_new(msb_t *m, msb_config_t **ret, msb_error_t **ret_err)
{
	const struct config_file *f = &m->cfg;
	msb_config_t *c = calloc(1, sizeof(*c));
	struct err err = { 0 };
	int rc;

	if (!c || sandbox_config_init(&c->c)) {
		free(c);
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	}
	c->net = network_wish_new();
	if (!c->net) {
		msb_config_free(c);
		return api_fail_err(&err, api_no_memory(&err), ret_err);
	}
	c->m = m;
	buf_init(&c->patches, PATCHES_MAX);
	rc = msb_config_set_cpus(c, f->cpus, ret_err);
	if (!rc)
		rc = msb_config_set_memory_mib(c, f->memory_mib, ret_err);
	if (!rc && f->shell)
		rc = msb_config_set_shell(c, f->shell, ret_err);
	if (!rc && f->workdir)
		rc = msb_config_set_workdir(c, f->workdir, ret_err);
	if (!rc && f->log_level)
		rc = msb_config_set_log_level(c, f->log_level, ret_err);
	if (!rc)
		rc = msb_config_set_engine(c, f->engine, ret_err);
	if (!rc)
		rc = msb_config_set_metrics_interval_ms(
			c, f->metrics_interval_ms, ret_err);
	if (!rc)
		rc = msb_config_set_engine_mode(c, f->engine_mode, ret_err);
	if (!rc)
		rc = msb_config_set_engine_jail(c, f->engine_jail, ret_err);
	if (rc) {
		msb_config_free(c);
		return rc;
	}
	c->c.metrics_disabled = f->metrics_disabled;
	c->workdir_given = false; /* so far it is a default */
	*ret = c;
	return 0;
}

void msb_config_free(msb_config_t *c)
{
	if (!c)
		return;
	sandbox_config_fini(&c->c);
	strv_fini(&c->startup);
	msb_image_options_free(c->image_options);
	for (size_t i = 0; i < c->nwishes; i++)
		volume_wish_fini(&c->wishes[i]);
	free(c->wishes);
	network_wish_free(c->net);
	buf_fini(&c->patches);
	free(c->snapshot);
	free(c->base);
	free(c);
}

static int done(const struct err *err, int rc, msb_error_t **e)
{
	return rc ? api_fail_err(err, rc, e) : 0;
}

/* Stored text has to be UTF-8, because its stored form is JSON. */
static int check_text(const char *what, const char *text, struct err *err)
{
	if (utf8_valid(text, strlen(text)))
		return 0;
	return err_set(err, ERR_INVALID, EILSEQ, "%s is not valid UTF-8", what);
}

static int replace_text(char **field, const char *text, struct err *err)
{
	char *copy = strdup(text);

	if (!copy)
		return api_no_memory(err);
	free(*field);
	*field = copy;
	return 0;
}

int msb_config_set_name(msb_config_t *c, const char *name, msb_error_t **e)
{
	struct err err = { 0 };
	int rc;

	if (!*name)
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "sandbox name is required");
	else if (!sandbox_name_valid(name))
		rc = err_set(
			&err, ERR_INVALID, EINVAL,
			"sandbox name '%.200s' must be 1 to 128 of letters, "
			"digits, '.', '_' and '-', and begin with a letter "
			"or digit",
			name);
	else
		rc = replace_text(&c->c.name, name, &err);
	if (!rc)
		c->named = true;
	return done(&err, rc, e);
}

int msb_config_set_cpus(msb_config_t *c, unsigned cpus, msb_error_t **e)
{
	struct err err = { 0 };
	long host = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned limit = host > 0 ? (unsigned)host * HOST_FACTOR : CPUS_FLOOR;
	int rc = 0;

	if (limit < CPUS_FLOOR)
		limit = CPUS_FLOOR;
	if (!cpus)
		rc = err_set(&err, ERR_INVALID, ERANGE,
			     "cpus must be at least 1");
	else if (cpus > limit)
		rc = err_set(&err, ERR_INVALID, ERANGE,
			     "cpus must be at most %u on this host, which has "
			     "%ld; got %u",
			     limit, host, cpus);
	else
		c->c.cpus = cpus;
	return done(&err, rc, e);
}

int msb_config_set_memory_mib(msb_config_t *c, uint32_t mib, msb_error_t **e)
{
	struct err err = { 0 };
	struct sysinfo host;
	uint64_t host_mib = 0, limit = UINT32_MAX;
	int rc = 0;

	if (sysinfo(&host) == 0) {
		host_mib = ((uint64_t)host.totalram * host.mem_unit) >> 20;
		limit = host_mib * HOST_FACTOR;
	}
	if (mib < MEMORY_MIN_MIB)
		rc = err_set(&err, ERR_INVALID, ERANGE,
			     "memory must be at least %u MiB; got %u",
			     MEMORY_MIN_MIB, mib);
	else if (mib > limit)
		rc = err_set(&err, ERR_INVALID, ERANGE,
			     "memory must be at most %llu MiB on this host, "
			     "which has %llu; got %u",
			     (unsigned long long)limit,
			     (unsigned long long)host_mib, mib);
	else
		c->c.memory_mib = mib;
	return done(&err, rc, e);
}

int msb_config_set_workdir(msb_config_t *c, const char *path, msb_error_t **e)
{
	struct err err = { 0 };
	int rc = check_text("workdir", path, &err);

	if (!rc && path[0] != '/')
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "workdir must be an absolute path, got: %.200s",
			     path);
	if (!rc)
		rc = replace_text(&c->c.workdir, path, &err);
	if (!rc)
		c->workdir_given = true;
	return done(&err, rc, e);
}

static bool has_space(const char *text)
{
	for (; *text; text++)
		if (isspace((unsigned char)*text))
			return true;
	return false;
}

int msb_config_set_shell(msb_config_t *c, const char *shell, msb_error_t **e)
{
	struct err err = { 0 };
	const char *why = NULL;
	int rc = check_text("shell", shell, &err);

	if (!*shell)
		why = "empty";
	else if (has_space(shell))
		why = "a text with spaces in it";
	else if (!strcmp(shell, "/"))
		why = "'/'";
	if (!rc && why)
		rc = err_set(&err, ERR_INVALID, EINVAL, "shell must not be %s",
			     why);
	if (!rc)
		rc = replace_text(&c->c.shell, shell, &err);
	return done(&err, rc, e);
}

#define HOSTNAME_MAX 64u	 /* Linux */
#define HOSTNAME_DERIVED_MAX 63u /* one DNS label */

int msb_config_set_hostname(msb_config_t *c, const char *name, msb_error_t **e)
{
	struct err err = { 0 };
	size_t len = strlen(name);
	int rc = 0;

	if (!len || len > HOSTNAME_MAX)
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "hostname must have 1 to %u bytes, got %zu",
			     HOSTNAME_MAX, len);
	else if (!sandbox_name_valid(name))
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "hostname '%s' must be of letters, digits, '.', "
			     "'_' and '-', and begin with a letter or digit",
			     name);
	else
		rc = replace_text(&c->c.hostname, name, &err);
	return done(&err, rc, e);
}

/* FNV-1a: tells long names with the same beginning apart, nothing more. */
static uint32_t name_hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text; text++)
		h = (h ^ (uint8_t)*text) * 16777619u;
	return h;
}

void hostname_derive(const struct sandbox_config *c, char *buf, size_t len)
{
	if (c->hostname)
		(void)snprintf(buf, len, "%s", c->hostname);
	else if (strlen(c->name) <= HOSTNAME_DERIVED_MAX)
		(void)snprintf(buf, len, "%s", c->name);
	else
		(void)snprintf(buf, len, "%.*s-%08x",
			       (int)HOSTNAME_DERIVED_MAX - 9, c->name,
			       name_hash(c->name));
}

int user_check(const char *user, struct err *err)
{
	const char *colon = strchr(user, ':');

	if (check_text("user", user, err))
		return -EILSEQ;
	if (!*user || colon == user)
		return err_set(err, ERR_INVALID, EINVAL,
			       "user '%.200s' has an empty user part", user);
	if (colon && !colon[1])
		return err_set(err, ERR_INVALID, EINVAL,
			       "user '%.200s' has an empty group part", user);
	return 0;
}

int msb_config_set_user(msb_config_t *c, const char *user, msb_error_t **e)
{
	struct err err = { 0 };
	int rc = user_check(user, &err);

	if (!rc)
		rc = replace_text(&c->c.user, user, &err);
	return done(&err, rc, e);
}

static int set_list(struct strv *list, const char *what,
		    const char *const *argv, size_t n, struct err *err)
{
	struct strv copy = { 0 };

	for (size_t i = 0; i < n; i++) {
		int rc = check_text(what, argv[i], err);

		if (!rc && strv_add(&copy, argv[i]))
			rc = api_no_memory(err);
		if (rc) {
			strv_fini(&copy);
			return rc;
		}
	}
	strv_fini(list);
	*list = copy;
	return 0;
}

int msb_config_set_entrypoint(msb_config_t *c, const char *const *argv,
			      size_t n, msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err,
		    set_list(&c->c.entrypoint, "entrypoint", argv, n, &err), e);
}

int msb_config_set_cmd(msb_config_t *c, const char *const *argv, size_t n,
		       msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err, set_list(&c->c.cmd, "command", argv, n, &err), e);
}

int msb_config_set_startup(msb_config_t *c, const char *const *argv, size_t n,
			   msb_error_t **e)
{
	struct err err = { 0 };
	int rc = set_list(&c->startup, "command", argv, n, &err);

	if (!rc)
		c->has_startup = true;
	return done(&err, rc, e);
}

/* A text out of a closed list. */
static int set_choice(char **field, const char *what, const char *const *values,
		      const char *text, struct err *err)
{
	char expected[128] = "";
	size_t used = 0;

	for (size_t i = 0; values[i]; i++) {
		if (!strcmp(values[i], text))
			return replace_text(field, text, err);
		used += (size_t)snprintf(expected + used,
					 sizeof(expected) - used, "%s%s",
					 i ? ", " : "", values[i]);
	}
	return err_set(err, ERR_INVALID, EINVAL,
		       "invalid %s: %.100s (expected: %s)", what, text,
		       expected);
}

int msb_config_set_log_level(msb_config_t *c, const char *level,
			     msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err,
		    set_choice(&c->c.log_level, "log level", sandbox_log_levels,
			       level, &err),
		    e);
}

int msb_config_set_engine(msb_config_t *c, const char *engine, msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err,
		    set_choice(&c->c.engine, "engine", sandbox_engines, engine,
			       &err),
		    e);
}

int msb_config_set_engine_jail(msb_config_t *c, const char *jail,
			       msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err,
		    set_choice(&c->c.engine_jail, "engine jail",
			       sandbox_engine_jails, jail, &err),
		    e);
}

int msb_config_set_engine_mode(msb_config_t *c, const char *mode,
			       msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err,
		    set_choice(&c->c.engine_mode, "engine mode",
			       sandbox_engine_modes, mode, &err),
		    e);
}

int env_entry(const char *key, const char *value, char **ret, struct err *err)
{
	char *entry;

	if (!*key || strchr(key, '='))
		return err_set(err, ERR_INVALID, EINVAL,
			       "environment variable name '%.100s' must not be "
			       "empty or hold '='",
			       key);
	if (str_starts(key, "MSB_"))
		return err_set(
			err, ERR_INVALID, EINVAL,
			"environment variable '%.100s': names that begin "
			"with MSB_ are reserved",
			key);
	entry = str_fmt("%s=%s", key, value);
	if (!entry)
		return api_no_memory(err);
	*ret = entry;
	return 0;
}

static int add_env(struct strv *list, const char *key, const char *value,
		   struct err *err)
{
	autofree char *entry = NULL;
	int rc = env_entry(key, value, &entry, err);

	if (!entry)
		return rc;
	if (!utf8_valid(entry, strlen(entry)))
		return err_set(err, ERR_INVALID, EILSEQ,
			       "environment variable '%.100s' is not valid "
			       "UTF-8",
			       key);
	return strv_env_set(list, entry) ? api_no_memory(err) : 0;
}

int msb_config_add_env(msb_config_t *c, const char *key, const char *value,
		       msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err, add_env(&c->c.env, key, value, &err), e);
}

int rlimit_parse(const char *resource, uint64_t soft, uint64_t hard,
		 struct rlimit_config *ret, struct err *err)
{
	if (soft > hard)
		return err_set(err, ERR_INVALID, EINVAL,
			       "rlimit %.20s: soft limit cannot exceed hard "
			       "limit",
			       resource);
	for (size_t i = 0; sandbox_rlimits[i]; i++) {
		if (strcasecmp(sandbox_rlimits[i], resource) != 0)
			continue;
		memset(ret, 0, sizeof(*ret));
		(void)stpncpy(ret->resource, sandbox_rlimits[i],
			      sizeof(ret->resource) - 1);
		ret->soft = soft;
		ret->hard = hard;
		return 0;
	}
	return err_set(err, ERR_INVALID, EINVAL,
		       "unknown rlimit resource: %.100s", resource);
}

int rlimits_set(struct rlimit_config **list, size_t *n,
		const struct rlimit_config *r)
{
	struct rlimit_config *grown;

	for (size_t i = 0; i < *n; i++)
		if (!strcmp((*list)[i].resource, r->resource)) {
			(*list)[i] = *r;
			return 0;
		}
	grown = reallocarray(*list, *n + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	grown[(*n)++] = *r;
	*list = grown;
	return 0;
}

int msb_config_add_rlimit(msb_config_t *c, const char *resource, uint64_t soft,
			  uint64_t hard, msb_error_t **e)
{
	struct rlimit_config r;
	struct err err = { 0 };
	int rc = rlimit_parse(resource, soft, hard, &r, &err);

	if (!rc && rlimits_set(&c->c.rlimits, &c->c.nrlimits, &r))
		rc = api_no_memory(&err);
	return done(&err, rc, e);
}

static int check_script(const msb_config_t *c, const char *name,
			const void *data, size_t len, struct err *err)
{
	if (!*name || strchr(name, '/') || !strcmp(name, ".") ||
	    !strcmp(name, "..") || strlen(name) > 255 ||
	    check_text("script name", name, NULL))
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid script name: '%.100s'", name);
	for (size_t i = 0; i < c->c.nscripts; i++)
		if (!strcmp(c->c.scripts[i].name, name))
			return err_set(err, ERR_INVALID, EEXIST,
				       "script name '%.100s' specified more "
				       "than once",
				       name);
	if (!utf8_valid(data, len))
		return err_set(err, ERR_INVALID, EILSEQ,
			       "script '%.100s' is not valid UTF-8", name);
	if (len > SCRIPT_BYTES_MAX - c->script_bytes)
		return err_set(err, ERR_INVALID, E2BIG,
			       "scripts must not be larger than %u MiB "
			       "together",
			       SCRIPT_BYTES_MAX >> 20);
	return 0;
}

static int add_script(msb_config_t *c, const char *name, const void *data,
		      size_t len, struct err *err)
{
	struct script_config s = { .name = strdup(name),
				   .data = malloc(len + 1),
				   .len = len };
	struct script_config *list =
		reallocarray(c->c.scripts, c->c.nscripts + 1, sizeof(*list));

	if (list)
		c->c.scripts = list;
	if (!s.name || !s.data || !list) {
		free(s.name);
		free(s.data);
		return api_no_memory(err);
	}
	memcpy(s.data, data, len);
	s.data[len] = 0;
	list[c->c.nscripts++] = s;
	c->script_bytes += len;
	return 0;
}

int msb_config_add_script(msb_config_t *c, const char *name, const void *data,
			  size_t len, msb_error_t **e)
{
	struct err err = { 0 };
	int rc = check_script(c, name, data, len, &err);

	return done(&err, rc ? rc : add_script(c, name, data, len, &err), e);
}

int msb_config_set_init(msb_config_t *c, const char *path, msb_error_t **e)
{
	struct err err = { 0 };
	bool known = !strcmp(path, "auto") || path[0] == '/';
	int rc = check_text("init", path, &err);

	if (!rc && !known)
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "init must be an absolute path or `auto`, got: "
			     "%.200s",
			     path);
	if (!rc)
		rc = replace_text(&c->c.init, path, &err);
	return done(&err, rc, e);
}

/* Byte 0x1f separates init words in older guests; refused for both. */
static int check_init_word(const char *what, const char *text, struct err *err)
{
	if (strchr(text, 0x1f))
		return err_set(err, ERR_INVALID, EINVAL,
			       "%s must not hold the byte 0x1f", what);
	return check_text(what, text, err);
}

int msb_config_add_init_arg(msb_config_t *c, const char *arg, msb_error_t **e)
{
	struct err err = { 0 };
	int rc = check_init_word("init argument", arg, &err);

	if (!rc && strv_add(&c->c.init_args, arg))
		rc = api_no_memory(&err);
	return done(&err, rc, e);
}

int msb_config_add_init_env(msb_config_t *c, const char *key, const char *value,
			    msb_error_t **e)
{
	struct err err = { 0 };
	int rc = check_init_word("init environment variable", key, &err);

	if (!rc)
		rc = check_init_word("init environment variable", value, &err);
	if (!rc)
		rc = add_env(&c->c.init_env, key, value, &err);
	return done(&err, rc, e);
}

static int set_duration(uint64_t *field, const char *what, uint64_t s,
			struct err *err)
{
	if (s > DURATION_MAX_S)
		return err_set(err, ERR_INVALID, ERANGE,
			       "%s must be at most %llu seconds", what,
			       DURATION_MAX_S);
	*field = s;
	return 0;
}

int msb_config_set_max_duration_s(msb_config_t *c, uint64_t s, msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err,
		    set_duration(&c->c.max_duration_s, "max duration", s, &err),
		    e);
}

int msb_config_set_idle_timeout_s(msb_config_t *c, uint64_t s, msb_error_t **e)
{
	struct err err = { 0 };

	return done(&err,
		    set_duration(&c->c.idle_timeout_s, "idle timeout", s, &err),
		    e);
}

void msb_config_set_ephemeral(msb_config_t *c, bool on)
{
	c->c.ephemeral = on;
}

void msb_config_set_attached(msb_config_t *c, bool on)
{
	c->attached = on;
}

void msb_config_set_replace(msb_config_t *c, bool on, uint64_t grace_ms)
{
	c->replace = on;
	c->grace_ms = grace_ms;
}
