/* SPDX-License-Identifier: Apache-2.0 */
/* Error objects of the public interface. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_int.h"
#include "api/cancel.h"

/* The two lists are one; a value added to either must be added to both. */
static_assert((int)MSB_ERR_NONE == (int)ERR_NONE, "error kinds differ");
static_assert((int)MSB_ERR_BOOT == (int)ERR_BOOT, "error kinds differ");
static_assert((int)MSB_ERR_FS == (int)ERR_FS, "error kinds differ");
static_assert((int)MSB_ERR_IMAGE_IN_USE == (int)ERR_IMAGE_IN_USE,
	      "error kinds differ");
static_assert((int)MSB_ERR_AGENT_CLOSED + 1 == (int)ERR_KIND_COUNT,
	      "error kinds differ");

struct msb_error {
	struct err err;
	struct strv details;
	char *text; /* category and message */
};

/* What a person reads in front of the message. */
static const char *const kind_labels[] = {
	[ERR_NONE] = "",
	[ERR_IO] = "io error",
	[ERR_INVALID] = "invalid config",
	[ERR_SANDBOX_NOT_FOUND] = "sandbox not found",
	[ERR_SANDBOX_EXISTS] = "sandbox already exists",
	[ERR_SANDBOX_RUNNING] = "sandbox still running",
	[ERR_SANDBOX_STATE] = "",
	[ERR_DATABASE] = "database error",
	[ERR_RUNTIME] = "runtime error",
	[ERR_BOOT] = "",
	[ERR_PROTOCOL] = "protocol error",
	[ERR_AGENT] = "agent client error",
	[ERR_EXEC_FAILED] = "",
	[ERR_TIMEOUT] = "",
	[ERR_UNSUPPORTED] = "",
	[ERR_NO_SPACE] = "",
	[ERR_PERMISSION] = "",
	[ERR_NO_MEMORY] = "out of memory",
	[ERR_FS] = "sandbox fs error",
	[ERR_IMAGE] = "image error",
	[ERR_IMAGE_NOT_FOUND] = "image not found",
	[ERR_IMAGE_IN_USE] = "image in use by sandbox(es)",
	[ERR_VOLUME_NOT_FOUND] = "volume not found",
	[ERR_VOLUME_EXISTS] = "volume already exists",
	[ERR_VOLUME_IN_USE] = "",
	[ERR_SNAPSHOT_NOT_FOUND] = "snapshot not found",
	[ERR_SNAPSHOT_EXISTS] = "snapshot already exists",
	[ERR_SNAPSHOT_SOURCE] = "",
	[ERR_SNAPSHOT_IMAGE_MISSING] = "snapshot image missing from cache",
	[ERR_SNAPSHOT_INTEGRITY] = "snapshot integrity check failed",
	[ERR_MISSED_ROTATION] = "log stream missed rotation",
	[ERR_INVALID_CURSOR] = "invalid log cursor",
	[ERR_METRICS_DISABLED] = "metrics disabled for sandbox",
	[ERR_METRICS_UNAVAILABLE] = "",
	[ERR_CANCELLED] = "",
	[ERR_EXEC_TIMEOUT] = "",
	[ERR_PATCH] = "root file system patch failed",
	[ERR_FS_NOT_FOUND] = "sandbox fs error",
	[ERR_AGENT_BUSY] = "agent client error",
	[ERR_AGENT_CLOSED] = "agent client error",
};
static_assert(ARRAY_SIZE(kind_labels) == ERR_KIND_COUNT,
	      "kind_labels[] doesn't match enum err_kind");

/* Given out when there is no memory for an error; never freed. */
static const struct msb_error no_memory_error = {
	.err = { .kind = ERR_NO_MEMORY,
		 .sys = ENOMEM,
		 .msg = "Cannot allocate memory" },
};

void api_detail(struct api_err *e, const char *key, const char *value)
{
	char *entry = value ? str_fmt("%s=%s", key, value) : NULL;

	if (entry)
		(void)strv_take(&e->details, entry);
}

void api_detail_n(struct api_err *e, const char *key, const void *value,
		  size_t len)
{
	char *entry = str_fmt("%s=%.*s", key, (int)len, (const char *)value);

	if (entry)
		(void)strv_take(&e->details, entry);
}

void api_err_clear(struct api_err *e)
{
	err_clear(&e->err);
	strv_fini(&e->details);
}

int(api_no_memory)(struct err *err)
{
	return err_set(err, ERR_NO_MEMORY, ENOMEM, "Cannot allocate memory");
}

static char *error_text(const struct err *err, const struct strv *details)
{
	const char *label = kind_labels[err->kind];
	const char *name = strv_env_get(details, "sandbox");
	const char *command = strv_env_get(details, "command");

	if (err->kind == ERR_BOOT && name)
		return str_fmt("failed to start \"%s\": %s", name, err->msg);
	if (err->kind == ERR_EXEC_FAILED && command)
		return str_fmt("failed to exec \"%s\": %s", command, err->msg);
	return *label ? str_fmt("%s: %s", label, err->msg) : strdup(err->msg);
}

/*
 * Messages may quote what a guest said; none of it may drive a terminal. One
 * line stays one line, and text that was cut stays well-formed.
 */
static void scrub(char *text, const char *allowed)
{
	size_t len = utf8_complete_prefix(text, strlen(text));

	text[len] = 0;
	for (uint8_t *p = (uint8_t *)text; *p; p++) {
		bool c1 = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;

		if (c1)
			*p++ = '?';
		if (c1 || *p == 0x7f || (*p < 0x20 && !strchr(allowed, *p)))
			*p = '?';
	}
}

/* Whatever was being done when the caller's token ended it: that is the cause.
 * What was found out before is of no interest. */
static void blame_token(struct api_err *e, int rc)
{
	if ((rc != -ECANCELED && e->err.sys != ECANCELED) ||
	    !cancel_requested())
		return;
	api_err_clear(e);
	(void)err_set(&e->err, ERR_CANCELLED, ECANCELED, "cancelled");
}

int api_fail(struct api_err *e, int rc, msb_error_t **ret)
{
	msb_error_t *error;

	blame_token(e, rc);
	if (!ret) {
		api_err_clear(e);
		return rc;
	}
	error = calloc(1, sizeof(*error));
	if (!error) {
		api_err_clear(e);
		*ret = (msb_error_t *)(uintptr_t)&no_memory_error;
		return rc;
	}
	error->err = e->err;
	error->details = e->details;
	scrub(error->err.msg, "");
	for (size_t i = 0; i < error->details.n; i++)
		scrub(error->details.v[i], "\n\t"); /* kernel_log has lines */
	error->text = error_text(&error->err, &error->details);
	memset(e, 0, sizeof(*e));
	*ret = error;
	return rc;
}

int api_fail_err(const struct err *err, int rc, msb_error_t **ret)
{
	struct api_err e = { .err = *err };

	return api_fail(&e, rc, ret);
}

msb_error_kind_t msb_error_kind(const msb_error_t *e)
{
	return e ? (msb_error_kind_t)e->err.kind : MSB_ERR_NONE;
}

const char *msb_error_kind_name(msb_error_kind_t kind)
{
	return err_kind_name((enum err_kind)kind);
}

const char *msb_error_message(const msb_error_t *e)
{
	return e ? e->err.msg : "";
}

const char *msb_error_text(const msb_error_t *e)
{
	return e && e->text ? e->text : msb_error_message(e);
}

int msb_error_errno(const msb_error_t *e)
{
	return e ? e->err.sys : 0;
}

const char *msb_error_detail(const msb_error_t *e, const char *key)
{
	return e ? strv_env_get(&e->details, key) : NULL;
}

const char *msb_error_detail_item(const msb_error_t *e, size_t i)
{
	return e && i < e->details.n ? e->details.v[i] : NULL;
}

void msb_error_free(msb_error_t *e)
{
	if (!e || e == &no_memory_error)
		return;
	strv_fini(&e->details);
	free(e->text);
	free(e);
}

void msb_free(void *p)
{
	free(p);
}
