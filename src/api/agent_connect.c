/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting to a guest's agent, of the public interface. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "api/agent_int.h"
#include "api/exec_int.h"
#include "base/clock.h"

#define WAIT_MAX_MS (24ull * 3600 * 1000)

static uint64_t limited(uint64_t timeout_ms)
{
	return timeout_ms < WAIT_MAX_MS ? timeout_ms : WAIT_MAX_MS;
}

/* Time out as all other functions do, and start what has shaken hands. */
static int connected(struct agent_client *c, int rc, msb_agent_t **ret,
		     struct err *err)
{
	msb_agent_t *a;

	if (rc == -ETIMEDOUT && err->kind == ERR_AGENT)
		err->kind = ERR_TIMEOUT;
	if (rc)
		return rc;
	a = agent_new(c);
	if (!a)
		return api_no_memory(err);
	rc = agent_run(a);
	if (rc) {
		agent_unref(a);
		return err_sys(err, ERR_IO, -rc, "start a thread");
	}
	*ret = a;
	return 0;
}

int msb_agent_connect(msb_t *m, const char *sandbox, uint64_t timeout_ms,
		      msb_agent_t **ret, msb_error_t **ret_err)
{
	struct agent_client c = { .fd = -1 };
	struct sandbox_row row;
	struct err err = { 0 };
	int rc = row_get(m, sandbox, &row, &err);

	if (!rc) {
		sandbox_row_fini(&row);
		rc = sandbox_connect(m, sandbox, limited(timeout_ms), &c, &err);
		rc = connected(&c, rc, ret, &err);
	}
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

static int connect_path(const char *path, uint64_t deadline_ms,
			struct agent_client *c, struct err *err)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	autofree char *dir =
		slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	autoclose int dirfd = -1;
	int rc;

	if (!dir)
		return api_no_memory(err);
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	rc = dirfd < 0 ? -errno
		       : agent_connect_at(dirfd, name, deadline_ms, c, err);
	if (rc == -ENOENT || rc == -ENOTDIR || rc == -ECONNREFUSED)
		if (dirfd < 0 || err->kind == ERR_AGENT)
			return err_set(err, ERR_SANDBOX_STATE, ENOTCONN,
				       "no sandbox is served at %.300s", path);
	return dirfd < 0 ? err_sys(err, ERR_IO, -rc, "open %.300s", dir) : rc;
}

int msb_agent_connect_path(const char *path, uint64_t timeout_ms,
			   msb_agent_t **ret, msb_error_t **ret_err)
{
	struct agent_client c = { .fd = -1 };
	struct err err = { 0 };
	int rc = connect_path(path, clock_mono_ms() + limited(timeout_ms), &c,
			      &err);

	rc = connected(&c, rc, ret, &err);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}
