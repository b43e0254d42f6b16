/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels of the stand-in's sandboxes, each in a line of $MSB_HOME/labels-NAME.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "base/io.h"
#include "fake.h"

static char *path_of(const msb_t *m, const char *what, const char *name)
{
	return str_fmt("%s/%s-%s", m->home, what, name);
}

int msb_config_add_label(msb_config_t *c, const char *key, const char *value,
			 msb_error_t **e)
{
	if (!*key)
		return fake_fail(e, MSB_ERR_INVALID, 0,
				 "invalid config: ", "no key");
	return strv_take(&c->labels, str_fmt("%s=%s", key, value));
}

void fake_keep_labels(const msb_t *m, const char *name,
		      const struct strv *labels)
{
	char *path = path_of(m, "labels", name);
	struct buf b;

	buf_init(&b, 1 << 16);
	for (size_t i = 0; i < labels->n; i++)
		(void)buf_printf(&b, "%s\n", labels->v[i]);
	(void)io_write_file_at(AT_FDCWD, path, buf_data(&b), buf_len(&b), 0600);
	buf_fini(&b);
	free(path);
}

/* The i-th line, without its newline; kept until the next call. */
static const char *line_of(const msb_t *m, const char *name, size_t i)
{
	static char text[1 << 16];
	char *path = path_of(m, "labels", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	char *rest = text, *line;

	if (fd >= 0)
		(void)close(fd);
	free(path);
	text[n > 0 ? n : 0] = 0;
	while ((line = strsep(&rest, "\n")) && *line)
		if (!i--)
			return line;
	return NULL;
}

const char *msb_sandbox_label(const msb_sandbox_t *s, size_t i)
{
	return line_of(fake_home(s), msb_sandbox_name(s), i);
}

static bool has_label(const msb_t *m, const char *name, const char *label)
{
	size_t len = strlen(label);
	const char *line;

	for (size_t i = 0; (line = line_of(m, name, i)); i++)
		if (!strcmp(line, label) ||
		    (!strncmp(line, label, len) && line[len] == '='))
			return true;
	return false;
}

bool fake_has_labels(const msb_t *m, const char *name,
		     const char *const *labels, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!has_label(m, name, labels[i]))
			return false;
	return true;
}

int msb_sandbox_list(msb_t *m, msb_list_t **ret, msb_error_t **ret_err)
{
	return msb_sandbox_list_labelled(m, NULL, 0, ret, ret_err);
}

/* ---- asking agents ------------------------------------------------------- */

static int answer(msb_sandbox_t *s, const char *call, uint64_t timeout_ms,
		  msb_error_t **ret_err)
{
	fake_called(fake_home(s), "%s %s %llu", call, msb_sandbox_name(s),
		    (unsigned long long)timeout_ms);
	if (msb_sandbox_status(s) == MSB_STATUS_RUNNING)
		return 0;
	return fake_fail(ret_err, MSB_ERR_SANDBOX_STATE, ENOTCONN, "",
			 "sandbox is not running");
}

int msb_sandbox_ping(msb_sandbox_t *s, uint64_t timeout_ms, uint64_t *ret_us,
		     msb_error_t **ret_err)
{
	*ret_us = 1042;
	return answer(s, "ping", timeout_ms, ret_err);
}

int msb_sandbox_touch(msb_sandbox_t *s, uint64_t timeout_ms,
		      msb_error_t **ret_err)
{
	return answer(s, "touch", timeout_ms, ret_err);
}
