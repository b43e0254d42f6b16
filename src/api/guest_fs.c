/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about files in a guest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_int.h"
#include "base/clock.h"

#define FS_TIMEOUT_MS 10000u

/* The number in "... (os error N)", or EIO. */
static int os_error(struct view text)
{
	static const char mark[] = "(os error ";
	const char *p = memmem(text.p, text.len, mark, sizeof(mark) - 1);
	int n = 0;

	if (!p)
		return EIO;
	p += sizeof(mark) - 1;
	while (p < (const char *)text.p + text.len && *p >= '0' && *p <= '9' &&
	       n < 4096)
		n = n * 10 + (*p++ - '0');
	return n > 0 && n < 4096 ? n : EIO;
}

static int send_stat(struct agent_client *c, const char *path)
{
	struct msg_fs_request m = { .op = MSG_FS_STAT,
				    .path = view_cstr(path),
				    .follow_symlink = true };
	struct buf payload;
	uint32_t id;
	int rc = agent_id_new(c, &id);

	if (rc)
		return rc;
	buf_init(&payload, FRAME_LEN_MAX);
	msg_encode_fs_request(&payload, &m);
	rc = agent_send(c, id, MSG_FS_REQUEST, &payload);
	buf_fini(&payload);
	return rc;
}

static int read_stat(const struct agent_frame *f, struct err *err)
{
	struct msg_fs_response m;

	if (!f->known || f->type != MSG_FS_RESPONSE ||
	    msg_decode_fs_response(f->payload, NULL, &m))
		return err_set(err, ERR_PROTOCOL, EPROTO,
			       "the guest's answer makes no sense");
	if (!m.ok)
		return err_set(err, ERR_FS, os_error(m.error), "%.*s",
			       (int)m.error.len, (const char *)m.error.p);
	return m.data == MSG_FS_DATA_STAT && view_is(m.stat.kind, "dir");
}

int guest_is_dir(const msb_t *m, const char *name, const char *path,
		 struct err *err)
{
	uint64_t deadline = clock_mono_ms() + FS_TIMEOUT_MS;
	struct agent_client c;
	struct agent_frame f = { 0 };
	int rc = sandbox_connect(m, name, FS_TIMEOUT_MS, &c, err);

	if (rc)
		return rc;
	rc = send_stat(&c, path);
	while (!rc) {
		rc = agent_next(&c, deadline, &f);
		if (!rc && clock_mono_ms() >= deadline)
			rc = -ETIMEDOUT;
	}
	if (rc > 0)
		rc = read_stat(&f, err);
	else
		(void)err_sys(err, ERR_AGENT, -rc, "ask the guest for '%s'",
			      path);
	agent_close(&c);
	return rc;
}

int msb_sandbox_is_dir(msb_sandbox_t *s, const char *path,
		       msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = guest_is_dir(s->m, s->row.name, path, &err);

	if (rc == -ENOENT && err.kind == ERR_FS)
		return 0;
	return rc < 0 ? api_fail_err(&err, rc, ret_err) : rc;
}
