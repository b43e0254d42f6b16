/* SPDX-License-Identifier: Apache-2.0 */
/* Reports as JSON. */
#include "runtime/report.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/io.h"

static const char *const reason_name[] = {
	"Completed",	       "Failed",	"IdleTimeout",
	"MaxDurationExceeded", "Signal",	"ShutdownRequested",
	"AgentUnresponsive",   "InternalError", "CreatorDied",
};

_Static_assert(ARRAY_SIZE(reason_name) == EXIT_REASON_COUNT,
	       "reason_name[] does not match enum exit_reason");

const char *exit_reason_name(enum exit_reason r)
{
	return reason_name[r];
}

static json_t *opt_errno(int sys)
{
	return sys ? json_integer(sys) : json_null();
}

/* Messages may quote paths of any bytes; JSON text is UTF-8. */
static json_t *text(const char *s)
{
	json_t *t;
	char *copy;

	if (!s)
		return json_null();
	t = json_string(s);
	if (t)
		return t;
	copy = strdup(s);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	t = json_string(copy);
	free(copy);
	return t;
}

static void send_line(int fd, json_t *o)
{
	char *line = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (line) {
		size_t n = strlen(line);

		line[n] = '\n'; /* in place of the NUL */
		(void)io_write_full(fd, line, n + 1);
	}
	free(line);
	json_decref(o);
}

void report_ready(int fd)
{
	if (fd >= 0)
		send_line(fd, json_pack("{s:{s:I}}", "ready", "pid",
					(json_int_t)getpid()));
}

void report_failure(int fd, const struct boot_failure *f)
{
	if (fd >= 0)
		send_line(fd,
			  json_pack("{s:{s:s,s:o,s:o,s:o}}", "error", "stage",
				    f->stage, "errno", opt_errno(f->sys),
				    "message", text(f->message), "kernel_log",
				    text(f->kernel_log)));
}

#define TMP_NAME_MAX 64

static void tmp_name(const struct report_file *f, char out[TMP_NAME_MAX])
{
	(void)snprintf(out, TMP_NAME_MAX, "%s.tmp", f->name);
}

int report_file_prepare(struct report_file *f)
{
	char tmp[TMP_NAME_MAX];

	tmp_name(f, tmp);
	f->fd = openat(f->dirfd, tmp,
		       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		       0600);
	return f->fd < 0 ? -errno : 0;
}

void report_file_drop(struct report_file *f)
{
	char tmp[TMP_NAME_MAX];

	if (f->fd < 0)
		return;
	tmp_name(f, tmp);
	(void)unlinkat(f->dirfd, tmp, 0); /* it has no meaning to anybody */
	close_fd(&f->fd);
}

static int write_file(struct report_file *f, json_t *o, size_t flags)
{
	autofree char *line = o ? json_dumps(o, flags) : NULL;
	size_t n = line ? strlen(line) : 0;
	char tmp[TMP_NAME_MAX];
	int rc = line ? 0 : -ENOMEM;

	json_decref(o);
	if (!rc && f->fd < 0)
		rc = report_file_prepare(f);
	if (rc)
		return rc;
	tmp_name(f, tmp);
	line[n] = '\n'; /* in place of the NUL */
	rc = io_write_full(f->fd, line, n + 1);
	if (!rc && renameat(f->dirfd, tmp, f->dirfd, f->name) < 0)
		rc = -errno;
	if (rc)
		report_file_drop(f);
	close_fd(&f->fd);
	return rc;
}

static void now(char *out, size_t len)
{
	clock_format_rfc3339(clock_wall_ns(), 3, out, len);
}

int report_boot_error(int logs_fd, const struct boot_failure *b)
{
	struct report_file f = REPORT_FILE_INIT(logs_fd, "boot-error.json");
	char t[40];

	now(t, sizeof(t));
	return write_file(&f,
			  json_pack("{s:s,s:s,s:o,s:o}", "t", t, "stage",
				    b->stage, "errno", opt_errno(b->sys),
				    "message", text(b->message)),
			  JSON_INDENT(2));
}

int report_exit(struct report_file *f, enum exit_reason r, const char *cause,
		int code, bool graceful)
{
	json_t *o;
	char t[40];

	now(t, sizeof(t));
	o = json_pack("{s:s,s:s,s:i,s:b}", "t", t, "reason",
		      exit_reason_name(r), "code", code, "graceful", graceful);
	/* a member that cannot be added is left out */
	if (cause)
		(void)json_object_set_new(o, "cause", json_string(cause));
	return write_file(f, o, JSON_COMPACT);
}

int report_machine(struct report_file *f, const char *machine,
		   const char *exits, const char *network, const char *jail,
		   uint64_t boot_ns)
{
	json_t *o = json_loads(machine, 0, NULL);
	char t[40];

	now(t, sizeof(t));
	if (!o)
		o = json_object();
	/* a member that cannot be added is left out */
	if (exits)
		(void)json_object_set_new(o, "exits",
					  json_loads(exits, 0, NULL));
	if (network)
		(void)json_object_set_new(o, "network",
					  json_loads(network, 0, NULL));
	(void)json_object_set_new(o, "runtime_jail", json_loads(jail, 0, NULL));
	(void)json_object_set_new(o, "pid", json_integer(getpid()));
	(void)json_object_set_new(o, "ready_at", json_string(t));
	(void)json_object_set_new(o, "boot_ms",
				  json_real((double)boot_ns / 1e6));
	return write_file(f, o, JSON_INDENT(2) | JSON_REAL_PRECISION(5));
}
