/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for libmicrosandbox: sandboxes are directories below $MSB_HOME and
 * commands are processes of this host. It lets the command line be tested
 * without a machine. Which calls were made is appended to $MSB_HOME/calls.
 *
 * FAKE_BOOT_ERROR, FAKE_EXEC_KIND: make boots, commands fail in that way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/str.h"
#include "fake.h"
#include "microsandbox/microsandbox.h"

void fake_called(const msb_t *m, const char *fmt, ...)
{
	char *path = str_fmt("%s/calls", m->home);
	FILE *f = fopen(path, "ae");
	va_list ap;

	free(path);
	if (!f)
		return;
	va_start(ap, fmt);
	(void)vfprintf(f, fmt, ap);
	va_end(ap);
	(void)fputc('\n', f);
	(void)fclose(f);
}

int fake_fail(msb_error_t **e, msb_error_kind_t kind, int sys,
	      const char *prefix, const char *message)
{
	if (e) {
		*e = calloc(1, sizeof(**e));
		(*e)->kind = kind;
		(*e)->sys = sys;
		(void)snprintf((*e)->message, sizeof((*e)->message), "%s",
			       message);
		(void)snprintf((*e)->text, sizeof((*e)->text), "%s%s", prefix,
			       message);
	}
	return -(sys ? sys : EINVAL);
}

msb_error_kind_t msb_error_kind(const msb_error_t *e)
{
	return e->kind;
}

const char *msb_error_message(const msb_error_t *e)
{
	return e->message;
}

const char *msb_error_text(const msb_error_t *e)
{
	return e->text;
}

int msb_error_errno(const msb_error_t *e)
{
	return e->sys;
}

const char *msb_error_detail(const msb_error_t *e, const char *key)
{
	const char *v =
		!strcmp(key, "stage")	  ? e->stage
		: !strcmp(key, "sandbox") ? e->sandbox
		: !strcmp(key, "kind")	  ? e->exec_kind
		: !strcmp(key, "command") ? e->command
		: !strcmp(key, "offset") && e->kind == MSB_ERR_MISSED_ROTATION
			? e->message
		: !strcmp(key, "errno_name") &&
				!strcmp(e->exec_kind, "not_found")
			? "ENOENT"
			: "";

	return *v ? v : NULL;
}

void msb_error_free(msb_error_t *e)
{
	free(e);
}

void msb_free(void *p)
{
	free(p);
}

const char *msb_version(void)
{
	return MSB_VERSION;
}

int msb_open(const char *home, msb_t **ret, msb_error_t **ret_err)
{
	const char *dir = home ? home : getenv("MSB_HOME");
	msb_t *m = calloc(1, sizeof(*m));

	(void)ret_err;
	m->home = strdup(dir);
	(void)mkdir(dir, 0700);
	*ret = m;
	return 0;
}

void msb_close(msb_t *m)
{
	free(m->home);
	free(m);
}

const char *msb_home(const msb_t *m)
{
	return m->home;
}

void msb_home_forget(const msb_t *m)
{
	fake_called(m, "forget");
}

void msb_reconcile(msb_t *m)
{
	(void)m;
}

/* ---- configuration ------------------------------------------------------- */

int msb_config_new(msb_t *m, msb_config_t **ret, msb_error_t **ret_err)
{
	(void)ret_err;
	*ret = calloc(1, sizeof(**ret));
	(*ret)->m = m;
	(*ret)->cpus = 1;
	(*ret)->memory_mib = 512;
	return 0;
}

void msb_config_free(msb_config_t *c)
{
	if (!c)
		return;
	free(c->name);
	free(c->image);
	free(c->shell);
	free(c->workdir);
	free(c->entrypoint);
	strv_fini(&c->env);
	strv_fini(&c->labels);
	free(c);
}

int fake_keep(char **field, const char *text)
{
	free(*field);
	*field = strdup(text);
	return 0;
}

int msb_config_set_name(msb_config_t *c, const char *name, msb_error_t **e)
{
	if (strchr(name, '/'))
		return fake_fail(e, MSB_ERR_INVALID, EINVAL,
				 "invalid config: ", "bad sandbox name");
	c->named = true;
	return fake_keep(&c->name, name);
}

int msb_config_set_image(msb_config_t *c, const char *image, msb_error_t **e)
{
	if (strchr("./", *image) && access(image, F_OK))
		return fake_fail(e, MSB_ERR_INVALID, ENOENT, "invalid config: ",
				 "rootfs bind path does not exist");
	return fake_keep(&c->image, image);
}

int msb_config_set_cpus(msb_config_t *c, unsigned cpus, msb_error_t **e)
{
	(void)e;
	c->cpus = cpus;
	return 0;
}

int msb_config_set_memory_mib(msb_config_t *c, uint32_t mib, msb_error_t **e)
{
	(void)e;
	c->memory_mib = mib;
	return 0;
}

int msb_config_set_workdir(msb_config_t *c, const char *path, msb_error_t **e)
{
	(void)e;
	return fake_keep(&c->workdir, path);
}

int msb_config_set_shell(msb_config_t *c, const char *shell, msb_error_t **e)
{
	(void)e;
	return fake_keep(&c->shell, shell);
}

int msb_config_set_entrypoint(msb_config_t *c, const char *const *argv,
			      size_t n, msb_error_t **e)
{
	(void)e;
	(void)n;
	return fake_keep(&c->entrypoint, argv[0]);
}

int msb_config_add_env(msb_config_t *c, const char *key, const char *value,
		       msb_error_t **e)
{
	(void)e;
	return strv_take(&c->env, str_fmt("%s=%s", key, value));
}

#define RECORDED_TEXT(name)                                                    \
	int msb_config_##name(msb_config_t *c, const char *text,               \
			      msb_error_t **e)                                 \
	{                                                                      \
		(void)e;                                                       \
		fake_called(c->m, #name " %s", text);                          \
		return 0;                                                      \
	}
RECORDED_TEXT(set_hostname)
RECORDED_TEXT(set_user)
RECORDED_TEXT(set_log_level)
RECORDED_TEXT(set_init)
RECORDED_TEXT(add_init_arg)
RECORDED_TEXT(set_engine)
RECORDED_TEXT(set_engine_jail)
RECORDED_TEXT(set_engine_mode)

int msb_config_add_init_env(msb_config_t *c, const char *key, const char *value,
			    msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "add_init_env %s=%s", key, value);
	return 0;
}

int msb_config_add_rlimit(msb_config_t *c, const char *resource, uint64_t soft,
			  uint64_t hard, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "add_rlimit %s %llu %llu", resource,
		    (unsigned long long)soft, (unsigned long long)hard);
	return 0;
}

int msb_config_add_script(msb_config_t *c, const char *name, const void *data,
			  size_t len, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "add_script %s %.*s", name, (int)len,
		    (const char *)data);
	return 0;
}

int msb_config_set_max_duration_s(msb_config_t *c, uint64_t s, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_max_duration_s %llu", (unsigned long long)s);
	return 0;
}

int msb_config_set_idle_timeout_s(msb_config_t *c, uint64_t s, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_idle_timeout_s %llu", (unsigned long long)s);
	return 0;
}

void msb_config_set_ephemeral(msb_config_t *c, bool on)
{
	c->ephemeral = on;
}

void msb_config_set_attached(msb_config_t *c, bool on)
{
	fake_called(c->m, "set_attached %d", on);
}

void msb_config_set_replace(msb_config_t *c, bool on, uint64_t grace_ms)
{
	c->replace = on;
	if (on)
		fake_called(c->m, "set_replace %llu",
			    (unsigned long long)grace_ms);
}

int msb_config_set_startup(msb_config_t *c, const char *const *argv, size_t n,
			   msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_startup %zu %s", n, n ? argv[0] : "");
	return 0;
}

int msb_doctor(msb_t *m, int (*fn)(void *ctx, const msb_check_t *check),
	       void *ctx, msb_error_t **ret_err)
{
	const msb_check_t checks[] = {
		{ sizeof(msb_check_t), MSB_CHECK_OK, "engine uml", "available",
		  "" },
		{ sizeof(msb_check_t), MSB_CHECK_WARN, "engine kvm",
		  "no hardware", "enable it" },
	};

	(void)m;
	(void)ret_err;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		if (fn(ctx, &checks[i]))
			break;
	return 0;
}
