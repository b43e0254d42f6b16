/* SPDX-License-Identifier: Apache-2.0 */
/* Error records: bounded text, no allocation, nothing to free. */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const kind_names[] = {
	[ERR_NONE] = "none",
	[ERR_IO] = "io",
	[ERR_INVALID] = "invalid_config",
	[ERR_SANDBOX_NOT_FOUND] = "sandbox_not_found",
	[ERR_SANDBOX_EXISTS] = "sandbox_already_exists",
	[ERR_SANDBOX_RUNNING] = "sandbox_still_running",
	[ERR_SANDBOX_STATE] = "sandbox_state",
	[ERR_DATABASE] = "database",
	[ERR_RUNTIME] = "runtime",
	[ERR_BOOT] = "boot_start",
	[ERR_PROTOCOL] = "protocol",
	[ERR_AGENT] = "agent_client",
	[ERR_EXEC_FAILED] = "exec_failed",
	[ERR_TIMEOUT] = "timeout",
	[ERR_UNSUPPORTED] = "unsupported",
	[ERR_NO_SPACE] = "no_space",
	[ERR_PERMISSION] = "permission",
	[ERR_NO_MEMORY] = "no_memory",
	[ERR_FS] = "sandbox_fs",
	[ERR_IMAGE] = "image",
	[ERR_IMAGE_NOT_FOUND] = "image_not_found",
	[ERR_IMAGE_IN_USE] = "image_in_use",
	[ERR_VOLUME_NOT_FOUND] = "volume_not_found",
	[ERR_VOLUME_EXISTS] = "volume_already_exists",
	[ERR_VOLUME_IN_USE] = "volume_in_use",
	[ERR_SNAPSHOT_NOT_FOUND] = "snapshot_not_found",
	[ERR_SNAPSHOT_EXISTS] = "snapshot_already_exists",
	[ERR_SNAPSHOT_SOURCE] = "snapshot_sandbox_running",
	[ERR_SNAPSHOT_IMAGE_MISSING] = "snapshot_image_missing",
	[ERR_SNAPSHOT_INTEGRITY] = "snapshot_integrity",
	[ERR_MISSED_ROTATION] = "missed_rotation",
	[ERR_INVALID_CURSOR] = "invalid_cursor",
	[ERR_METRICS_DISABLED] = "metrics_disabled",
	[ERR_METRICS_UNAVAILABLE] = "metrics_unavailable",
	[ERR_CANCELLED] = "cancelled",
	[ERR_EXEC_TIMEOUT] = "exec_timeout",
	[ERR_PATCH] = "patch_failed",
	[ERR_FS_NOT_FOUND] = "path_not_found",
	[ERR_AGENT_BUSY] = "agent_busy",
	[ERR_AGENT_CLOSED] = "agent_closed",
};
static_assert(ARRAY_SIZE(kind_names) == ERR_KIND_COUNT,
	      "kind_names[] doesn't match enum err_kind");

static int err_fill(struct err *err, enum err_kind kind, int sys,
		    const char *fmt, va_list ap)
{
	if (err) {
		err->kind = kind;
		err->sys = sys;
		(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	}
	return sys ? -sys : -EINVAL;
}

int(err_set)(struct err *err, enum err_kind kind, int sys, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = err_fill(err, kind, sys, fmt, ap);
	va_end(ap);
	return rc;
}

int(err_sys)(struct err *err, enum err_kind kind, int sys, const char *fmt, ...)
{
	char text[128];
	size_t used;
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = err_fill(err, kind, sys, fmt, ap);
	va_end(ap);
	if (err) {
		used = strlen(err->msg);
		(void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %s",
			       strerror_r(sys, text, sizeof(text)));
	}
	return rc;
}

void err_prefix(struct err *err, const char *fmt, ...)
{
	char tail[sizeof(err->msg)];
	size_t used;
	va_list ap;

	if (!err)
		return;
	memcpy(tail, err->msg, sizeof(tail));
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	used = strlen(err->msg);
	(void)snprintf(err->msg + used, sizeof(err->msg) - used, ": %s", tail);
}

void err_clear(struct err *err)
{
	if (err)
		memset(err, 0, sizeof(*err));
}

const char *err_kind_name(enum err_kind kind)
{
	if ((unsigned)kind >= ERR_KIND_COUNT)
		return "unknown";
	return kind_names[kind];
}
