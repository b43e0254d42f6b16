/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes of the stand-in library: directories below its home. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/io.h"
#include "base/str.h"
#include "fake.h"
#include "microsandbox/microsandbox.h"

struct msb_list {
	msb_sandbox_t *items[64];
	size_t n;
};

msb_t *fake_home(const msb_sandbox_t *s)
{
	return s->m;
}

static const char *const status_names[] = { "Running", "Draining", "Paused",
					    "Stopped", "Crashed" };

const char *msb_status_name(msb_status_t s)
{
	return status_names[s];
}

static void store(const msb_sandbox_t *s)
{
	char *path = str_fmt("%s/box-%s", s->m->home, s->name);
	char *text = str_fmt("%d%s", (int)s->status, s->config);

	(void)io_write_file_at(AT_FDCWD, path, text, strlen(text), 0600);
	free(text);
	free(path);
}

static void forget(const msb_sandbox_t *s)
{
	char *path = str_fmt("%s/box-%s", s->m->home, s->name);

	(void)unlink(path);
	free(path);
}

static msb_sandbox_t *load(msb_t *m, const char *name)
{
	char *path = str_fmt("%s/box-%s", m->home, name);
	msb_sandbox_t *s = NULL;
	struct buf b;

	buf_init(&b, 1 << 16);
	if (!io_read_file_at(AT_FDCWD, path, &b)) {
		s = calloc(1, sizeof(*s));
		s->m = m;
		s->name = strdup(name);
		s->status = (msb_status_t)(*buf_data(&b) - '0');
		buf_consume(&b, 1);
		s->config = buf_take_str(&b);
	}
	buf_fini(&b);
	free(path);
	return s;
}

/* What others see of us while the library works. */
static void keep_command_line(void)
{
	const char *path = getenv("FAKE_CMDLINE");
	char words[4096];
	FILE *from = fopen("/proc/self/cmdline", "re");
	FILE *to = path ? fopen(path, "we") : NULL;
	size_t n = from ? fread(words, 1, sizeof(words), from) : 0;

	if (to)
		(void)fwrite(words, 1, n, to);
	if (to)
		(void)fclose(to);
	if (from)
		(void)fclose(from);
}

int msb_sandbox_create(msb_t *m, const msb_config_t *c, msb_sandbox_t **ret,
		       msb_error_t **ret_err)
{
	const char *name = c->name ? c->name : "msb-0badcafe";
	msb_sandbox_t *s = load(m, name);

	keep_command_line();
	fake_called(m, "create %s ephemeral=%d cpus=%u memory=%u", name,
		    c->ephemeral, c->cpus, c->memory_mib);
	if (s && !c->replace) {
		msb_sandbox_free(s);
		return fake_fail(ret_err, MSB_ERR_SANDBOX_EXISTS, EEXIST,
				 "sandbox already exists: ",
				 "sandbox 'box' already exists; remove it");
	}
	msb_sandbox_free(s);
	if (getenv("FAKE_BOOT_ERROR")) {
		int rc = fake_fail(ret_err, MSB_ERR_BOOT, ENOENT, "",
				   "no such directory");

		(void)snprintf((*ret_err)->stage, sizeof((*ret_err)->stage),
			       "mount");
		(void)snprintf((*ret_err)->sandbox, sizeof((*ret_err)->sandbox),
			       "%s", name);
		return rc;
	}
	s = calloc(1, sizeof(*s));
	s->m = m;
	s->name = strdup(name);
	s->status = MSB_STATUS_RUNNING;
	s->config = str_fmt(
		"{\"name\":\"%s\",\"image\":{\"Bind\":\"%s\"},\"cpus\":%u,"
		"\"memory_mib\":%u,\"workdir\":null,\"shell\":null,"
		"\"user\":\"app:users\",\"hostname\":\"h1\","
		"\"init\":{\"cmd\":\"/sbin/init\",\"args\":[\"-v\"],"
		"\"env\":[]},\"scripts\":{\"go\":\"x\",\"on\":\"y\"},"
		"\"policy\":{\"max_duration_secs\":90,"
		"\"idle_timeout_secs\":null},\"log_level\":\"debug\","
		"\"rlimits\":[{\"resource\":\"Nofile\",\"soft\":1024,"
		"\"hard\":null}],\"manifest_digest\":\"sha256:ab\","
		"\"env\":[[\"A\",\"1\"]],\"mounts\":[{\"type\":\"Bind\","
		"\"host\":\"/src\",\"guest\":\"/dst\",\"readonly\":true,"
		"\"noexec\":true,\"stat_virtualization\":\"relaxed\","
		"\"host_permissions\":\"private\"},{\"type\":\"Tmpfs\","
		"\"guest\":\"/t\",\"size_mib\":64,\"readonly\":false}],"
		"\"network\":{\"ports\":[{\"host_bind\":\"127.0.0.1\","
		"\"host_port\":8080,\"guest_port\":80,\"protocol\":"
		"\"tcp\"},{\"host_bind\":\"::1\",\"host_port\":53,"
		"\"guest_port\":5353,\"protocol\":\"udp\"}]},"
		"\"entrypoint\":[%s%s%s],\"cmd\":null,\"ephemeral\":%s}",
		name, c->image, c->cpus, c->memory_mib,
		c->entrypoint ? "\"" : "", c->entrypoint ? c->entrypoint : "",
		c->entrypoint ? "\"" : "", c->ephemeral ? "true" : "false");
	store(s);
	fake_keep_labels(m, name, &c->labels);
	*ret = s;
	return 0;
}

int msb_sandbox_get(msb_t *m, const char *name, msb_sandbox_t **ret,
		    msb_error_t **ret_err)
{
	*ret = load(m, name);
	if (*ret)
		return 0;
	return fake_fail(ret_err, MSB_ERR_SANDBOX_NOT_FOUND, ENOENT,
			 "sandbox not found: ", name);
}

void msb_sandbox_free(msb_sandbox_t *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->config);
	free(s);
}

int msb_sandbox_start(msb_sandbox_t *s, bool attached, msb_error_t **ret_err)
{
	fake_called(s->m, "start %s attached=%d", s->name, attached);
	if (s->status == MSB_STATUS_RUNNING)
		return fake_fail(ret_err, MSB_ERR_SANDBOX_RUNNING, EBUSY,
				 "sandbox still running: ",
				 "cannot start sandbox: already running");
	s->status = MSB_STATUS_RUNNING;
	store(s);
	return 0;
}

int msb_sandbox_release(msb_sandbox_t *s, msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(s->m, "release %s", s->name);
	return 0;
}

int msb_sandbox_stop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err)
{
	(void)ret_err;
	fake_called(s->m, "stop %s %llu", s->name,
		    (unsigned long long)timeout_ms);
	if (ret_result)
		*ret_result = s->status != MSB_STATUS_RUNNING
				      ? MSB_STOP_NOT_RUNNING
			      : timeout_ms ? MSB_STOP_GRACEFUL
					   : MSB_STOP_FORCED;
	s->status = MSB_STATUS_STOPPED;
	if (strstr(s->config, "\"ephemeral\":true"))
		forget(s);
	else
		store(s);
	return 0;
}

int msb_sandbox_check_start(const msb_sandbox_t *s, msb_error_t **ret_err)
{
	(void)s;
	if (getenv("FAKE_NO_START"))
		return fake_fail(ret_err, MSB_ERR_INVALID, ENOENT,
				 "invalid config: ", "no value");
	return 0;
}

int msb_sandbox_hold(msb_sandbox_t *s, msb_error_t **ret_err)
{
	(void)ret_err;
	keep_command_line();
	fake_called(s->m, "hold %s", s->name);
	s->held = s->status != MSB_STATUS_RUNNING;
	s->status = MSB_STATUS_RUNNING;
	store(s);
	return 0;
}

int msb_sandbox_drop(msb_sandbox_t *s, uint64_t timeout_ms,
		     msb_stop_result_t *ret_result, msb_error_t **ret_err)
{
	(void)timeout_ms;
	(void)ret_result;
	(void)ret_err;
	fake_called(s->m, "drop %s", s->name);
	if (s->held)
		s->status = MSB_STATUS_STOPPED;
	store(s);
	return 0;
}

int msb_sandbox_remove(msb_sandbox_t *s, bool force, msb_error_t **ret_err)
{
	if (s->status == MSB_STATUS_RUNNING && !force)
		return fake_fail(ret_err, MSB_ERR_SANDBOX_RUNNING, EBUSY,
				 "sandbox still running: ",
				 "cannot remove sandbox: still running");
	forget(s);
	return 0;
}

const char *msb_sandbox_name(const msb_sandbox_t *s)
{
	return s->name;
}

msb_status_t msb_sandbox_status(const msb_sandbox_t *s)
{
	return s->status;
}

const char *msb_sandbox_image(const msb_sandbox_t *s)
{
	(void)s;
	return "/rootfs/with/a/rather/long/path/of/directories";
}

int64_t msb_sandbox_created_unix_ms(const msb_sandbox_t *s)
{
	(void)s;
	return 1700000000123;
}

int64_t msb_sandbox_updated_unix_ms(const msb_sandbox_t *s)
{
	(void)s;
	return 1700000060000;
}

const char *msb_sandbox_exit_reason(const msb_sandbox_t *s)
{
	(void)s;
	return NULL;
}

void msb_sandbox_exit_cause(const msb_sandbox_t *s, char *buf, size_t len)
{
	(void)s;
	(void)snprintf(buf, len, "secret-violation");
}

const char *msb_sandbox_config_json(const msb_sandbox_t *s)
{
	return s->config;
}

const char *msb_sandbox_machine_json(const msb_sandbox_t *s)
{
	return s->status == MSB_STATUS_RUNNING
		       ? "{\"engine\":\"uml\",\"mode\":\"ptrace\",\"cpu\":1,"
			 "\"pid\":42,\"jail\":{\"user_ns\":\"on\"}}"
		       : NULL;
}

const char *msb_sandbox_log_dir(const msb_sandbox_t *s)
{
	(void)s;
	return "/nonexistent/logs";
}

int msb_sandbox_list_labelled(msb_t *m, const char *const *labels, size_t n,
			      msb_list_t **ret, msb_error_t **ret_err)
{
	static const char *const names[] = { "zeta", "alpha", "box",
					     "msb-0badcafe" };
	msb_list_t *l = calloc(1, sizeof(*l));

	(void)ret_err;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!fake_has_labels(m, names[i], labels, n))
			continue;
		l->items[l->n] = load(m, names[i]);
		if (l->items[l->n])
			l->n++;
	}
	*ret = l;
	return 0;
}

size_t msb_list_count(const msb_list_t *l)
{
	return l->n;
}

const msb_sandbox_t *msb_list_item(const msb_list_t *l, size_t i)
{
	return l->items[i];
}

void msb_list_free(msb_list_t *l)
{
	for (size_t i = 0; i < l->n; i++)
		msb_sandbox_free(l->items[i]);
	free(l);
}
