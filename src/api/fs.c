/* SPDX-License-Identifier: Apache-2.0 */
/* The connection: requests, answers, streams of data. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/fs_int.h"
#include "api/volume_fs.h"
#include "base/clock.h"

#define ERROR_TEXT_MAX 512

void fs_disconnect(struct msb_fs *fs)
{
	if (fs->volume)
		volume_fs_close(take_ptr(fs->volume));
	else
		agent_close(&fs->c);
}

static int lost(struct msb_fs *fs, int rc, struct err *err)
{
	fs->broken = true;
	if (rc == -ENODATA || rc == -EPIPE)
		return err_set(err, ERR_AGENT, ECONNRESET,
			       "the connection to the sandbox has ended");
	if (rc == -ETIMEDOUT)
		return err_set(err, ERR_TIMEOUT, ETIMEDOUT,
			       "the guest does not answer");
	if (rc == -EMSGSIZE)
		return err_set(err, ERR_INVALID, EMSGSIZE,
			       "the request is too large");
	return err_sys(err, ERR_AGENT, -rc, "talk to the guest");
}

static int senseless(struct msb_fs *fs, struct err *err)
{
	fs->broken = true;
	return err_set(err, ERR_PROTOCOL, EPROTO,
		       "the guest's answer makes no sense");
}

/* Next frame of ours; a signal handler that ran changes nothing. */
static int next(struct msb_fs *fs, struct agent_frame *f, struct err *err)
{
	uint64_t deadline = clock_mono_ms() + fs->wait_ms;
	int rc;

	do {
		rc = agent_next(&fs->c, deadline, f);
		if (!rc && clock_mono_ms() >= deadline)
			rc = -ETIMEDOUT;
	} while (!rc);
	return rc < 0 ? lost(fs, rc, err) : 0;
}

/* The number in "... (os error N)", or EIO. */
static int os_error(struct view text)
{
	static const char mark[] = "(os error ";
	const uint8_t *p = memmem(text.p, text.len, mark, sizeof(mark) - 1);
	int n = 0;

	if (!p)
		return EIO;
	p += sizeof(mark) - 1;
	while (p < text.p + text.len && *p >= '0' && *p <= '9' && n < 4096)
		n = n * 10 + (*p++ - '0');
	return n > 0 && n < 4096 ? n : EIO;
}

/* As a precision: as much of the guest's words as an error takes. */
static int text_len(struct view text)
{
	return text.len < ERROR_TEXT_MAX ? (int)text.len : ERROR_TEXT_MAX;
}

static int take_answer(struct msb_fs *fs, const struct agent_frame *f,
		       struct msg_fs_response *ret, struct err *err)
{
	struct msg_error refused;
	int sys;

	if (f->known && f->type == MSG_ERROR &&
	    !msg_decode_error(f->payload, NULL, &refused))
		return err_set(err, ERR_AGENT, EPROTO, "%.*s",
			       text_len(refused.message),
			       (const char *)refused.message.p);
	if (!f->known || f->type != MSG_FS_RESPONSE ||
	    !(f->flags & FRAME_TERMINAL) ||
	    msg_decode_fs_response(f->payload, NULL, ret))
		return senseless(fs, err);
	if (ret->ok)
		return 0;
	if (!ret->error.len)
		return senseless(fs, err);
	sys = os_error(ret->error);
	return err_set(err, sys == ENOENT ? ERR_FS_NOT_FOUND : ERR_FS, sys,
		       "%.*s", text_len(ret->error),
		       (const char *)ret->error.p);
}

int fs_begin(struct msb_fs *fs, const struct msg_fs_request *m, uint32_t *ret,
	     struct err *err)
{
	struct buf payload;
	int rc = fs->broken ? -ENODATA : agent_id_new(&fs->c, ret);

	if (rc)
		return lost(fs, rc, err);
	buf_init(&payload, FRAME_LEN_MAX);
	msg_encode_fs_request(&payload, m);
	rc = agent_send(&fs->c, *ret, MSG_FS_REQUEST, &payload);
	buf_fini(&payload);
	if (!rc)
		rc = agent_flush(&fs->c);
	return rc ? lost(fs, rc, err) : 0;
}

int fs_call(struct msb_fs *fs, const struct msg_fs_request *m,
	    struct msg_fs_response *ret, struct err *err)
{
	struct agent_frame f;
	uint32_t id = 0;
	int rc;

	if (fs->volume)
		return volume_fs_call(fs->volume, m, ret, err);
	rc = fs_begin(fs, m, &id, err);
	if (!rc)
		rc = next(fs, &f, err);
	if (rc)
		return rc;
	return f.id == id ? take_answer(fs, &f, ret, err) : senseless(fs, err);
}

static bool is_open(const struct msb_fs *fs, uint32_t id)
{
	for (size_t i = 0; i < fs->c.npending; i++)
		if (fs->c.pending[i] == id)
			return true;
	return false;
}

int fs_end(struct msb_fs *fs, const uint32_t *ids, size_t n, struct err *err)
{
	struct msg_fs_response m;
	struct agent_frame f;
	int first = 0;

	for (size_t i = 0; i < n;) {
		struct err one = { 0 };
		int rc;

		if (!is_open(fs, ids[i])) {
			i++;
			continue;
		}
		rc = next(fs, &f, err);
		if (rc)
			return rc;
		rc = take_answer(fs, &f, &m, &one);
		if (rc && fs->broken) {
			if (err)
				*err = one;
			return rc;
		}
		if (rc && !first) {
			first = rc;
			if (err)
				*err = one;
		}
	}
	return first;
}

int fs_put(struct msb_fs *fs, uint32_t id, const void *data, size_t len,
	   struct err *err)
{
	struct msg_fs_response early;
	struct agent_frame f;
	int rc;

	if (fs->broken)
		return lost(fs, -ENODATA, err);
	rc = agent_next(&fs->c, 0, &f);
	if (rc < 0)
		return lost(fs, rc, err);
	if (rc > 0) {
		rc = take_answer(fs, &f, &early, err);
		return rc ? rc : senseless(fs, err);
	}
	rc = agent_send_data(&fs->c, id, MSG_FS_DATA, data, len);
	if (rc == -ENOSPC) {
		rc = agent_flush_wait(&fs->c, clock_mono_ms() + fs->wait_ms);
		if (!rc)
			rc = agent_send_data(&fs->c, id, MSG_FS_DATA, data,
					     len);
	}
	if (!rc)
		rc = agent_flush(&fs->c);
	return rc ? lost(fs, rc, err) : 0;
}

/* A read under way, and perhaps the end of its handle. */
struct transfer {
	uint32_t id, close_id;
	uint64_t left;
	fs_sink_fn sink;
	void *ctx;
	int rc; /* first failure that the guest told */
};

static int take_data(struct msb_fs *fs, struct transfer *t,
		     const struct agent_frame *f, struct err *err)
{
	struct view data;
	int rc;

	if (msg_decode_data(f->payload, NULL, &data) || data.len > t->left)
		return senseless(fs, err);
	t->left -= data.len;
	rc = data.len ? t->sink(t->ctx, data.p, data.len, err) : 0;
	if (rc)
		fs->broken = true; /* the rest is still coming */
	return rc;
}

/* Until all of its requests are answered; an error means that they are not. */
static int transfer(struct msb_fs *fs, struct transfer *t, struct err *err)
{
	struct msg_fs_response end;
	struct agent_frame f;
	int rc = 0;

	while (!rc && (is_open(fs, t->id) ||
		       (t->close_id && is_open(fs, t->close_id)))) {
		struct err one = { 0 };

		rc = next(fs, &f, err);
		if (rc)
			break;
		if (f.id == t->id && f.known && f.type == MSG_FS_DATA &&
		    !(f.flags & FRAME_TERMINAL)) {
			rc = take_data(fs, t, &f, err);
			continue;
		}
		rc = take_answer(fs, &f, &end, &one);
		if (rc && !t->rc) {
			t->rc = rc;
			if (err)
				*err = one;
		}
		rc = fs->broken ? rc : 0;
	}
	return rc;
}

int fs_get(struct msb_fs *fs, uint64_t handle, uint64_t offset, uint64_t len,
	   bool close, fs_sink_fn sink, void *ctx, struct err *err)
{
	const struct msg_fs_request m = { .op = MSG_FS_READ,
					  .handle = handle,
					  .offset = offset,
					  .len = { len != UINT64_MAX, len } };
	const struct msg_fs_request last = { .op = MSG_FS_CLOSE_HANDLE,
					     .handle = handle };
	struct transfer t = { .left = len, .sink = sink, .ctx = ctx };
	int rc;

	if (fs->volume)
		return volume_fs_get(fs->volume, handle, offset, len, close,
				     sink, ctx, err);
	rc = fs_begin(fs, &m, &t.id, err);
	/* The read goes on although its handle is closed behind it. */
	if (!rc && close)
		rc = fs_begin(fs, &last, &t.close_id, err);
	if (!rc)
		rc = transfer(fs, &t, err);
	return rc ? rc : t.rc;
}

int fs_put_all(struct msb_fs *fs, uint64_t handle, uint64_t offset,
	       const void *data, size_t len, struct err *err)
{
	const struct msg_fs_request m = { .op = MSG_FS_WRITE,
					  .handle = handle,
					  .offset = offset,
					  .len = { true, len } };
	const uint8_t *p = data;
	uint32_t id;
	int rc;

	if (fs->volume)
		return volume_fs_put(fs->volume, handle, offset, data, len,
				     err);
	rc = fs_begin(fs, &m, &id, err);
	while (!rc && len) {
		size_t n = len < FS_CHUNK ? len : FS_CHUNK;

		rc = fs_put(fs, id, p, n, err);
		p += n;
		len -= n;
	}
	if (!rc)
		rc = fs_put(fs, id, NULL, 0, err);
	return rc ? rc : fs_end(fs, &id, 1, err);
}
