/* SPDX-License-Identifier: Apache-2.0 */
/* Clients of a guest's agent, of the public interface. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "api/agent_int.h"
#include "base/clock.h"

#define FLAGS                                                                  \
	(MSB_AGENT_TERMINAL | MSB_AGENT_SESSION_START | MSB_AGENT_SHUTDOWN |   \
	 MSB_AGENT_RELAY)

static_assert((int)MSB_AGENT_TERMINAL == (int)FRAME_TERMINAL &&
		      (int)MSB_AGENT_SESSION_START ==
			      (int)FRAME_SESSION_START &&
		      (int)MSB_AGENT_SHUTDOWN == (int)FRAME_SHUTDOWN &&
		      (int)MSB_AGENT_RELAY == (int)FRAME_RELAY,
	      "flags of frames differ");
static_assert(MSB_AGENT_FRAME_MAX == FRAME_LEN_MAX, "sizes of frames differ");

void msb_agent_close(msb_agent_t *a)
{
	(void)pthread_mutex_lock(&a->lock);
	agent_over(a, NULL);
	(void)pthread_mutex_unlock(&a->lock);
}

void msb_agent_free(msb_agent_t *a)
{
	if (!a)
		return;
	msb_agent_close(a);
	(void)pthread_join(a->thread, NULL);
	agent_unref(a);
}

/* ---- what the handshake told -------------------------------------------- */

void msb_agent_id_range(const msb_agent_t *a, uint32_t *first, uint32_t *end)
{
	*first = a->first;
	*end = a->end;
}

const void *msb_agent_ready_bytes(const msb_agent_t *a, size_t *ret_len)
{
	*ret_len = buf_len(&a->ready);
	return buf_data(&a->ready);
}

void msb_agent_ready(const msb_agent_t *a, msb_agent_ready_t *ret)
{
	msb_agent_ready_t mine = {
		.struct_size = ret->struct_size,
		.boot_time_ns = a->times.boot_time_ns,
		.init_time_ns = a->times.init_time_ns,
		.ready_time_ns = a->times.ready_time_ns,
		.generation = a->generation,
		.agent_version = a->version,
	};

	memcpy(ret, &mine,
	       ret->struct_size < sizeof(mine) ? ret->struct_size
					       : sizeof(mine));
}

/* ---- frames ------------------------------------------------------------- */

static uint64_t deadline_of(int timeout_ms)
{
	return timeout_ms < 0 ? AGENT_NO_DEADLINE
			      : clock_mono_ms() + (uint64_t)timeout_ms;
}

static int check_frame(const msb_agent_frame_t *f, struct err *err)
{
	return f->struct_size < sizeof(*f) ? err_set(err, ERR_INVALID, EINVAL,
						     "struct_size is not set")
					   : 0;
}

static int check_flags(uint8_t flags, struct err *err)
{
	return flags & ~FLAGS ? err_set(err, ERR_INVALID, EINVAL,
					"flags 0x%02x: there are no such ones",
					flags & ~(unsigned)FLAGS)
			      : 0;
}

/* asked: there may be answers to come */
static void stream_drop(msb_agent_stream_t *st, bool asked)
{
	msb_agent_t *a = st->a;

	(void)pthread_mutex_lock(&a->lock);
	agent_stream_drop(st, asked);
	(void)pthread_mutex_unlock(&a->lock);
	agent_unref(a);
}

static int stream_open(msb_agent_t *a, uint8_t flags, const void *body,
		       size_t len, uint64_t deadline_ms,
		       msb_agent_stream_t **ret, struct err *err)
{
	msb_agent_stream_t *st = NULL;
	int rc = check_flags(flags, err);

	if (rc)
		return rc;
	(void)pthread_mutex_lock(&a->lock);
	rc = agent_state(a, err);
	if (!rc)
		rc = agent_stream_new(a, &st, err);
	(void)pthread_mutex_unlock(&a->lock);
	if (rc)
		return rc;
	rc = agent_put(a, st->id, flags, body, len, deadline_ms, err);
	if (rc) {
		stream_drop(st, false);
		return rc;
	}
	*ret = st;
	return 0;
}

/* 1, 0 nothing, -errno. */
static int stream_next(msb_agent_stream_t *st, uint64_t deadline_ms,
		       msb_agent_frame_t *ret, struct err *err)
{
	for (;;) {
		bool given;
		int rc;

		(void)pthread_mutex_lock(&st->a->lock);
		rc = st->a->closed ? agent_state(st->a, err)
				   : agent_stream_pop(st, ret);
		given = st->given;
		if (!rc && !given)
			rc = agent_state(st->a, err);
		(void)pthread_mutex_unlock(&st->a->lock);
		if (rc || given)
			return rc;
		rc = agent_wait(st->news.fd, deadline_ms, err);
		if (rc <= 0)
			return rc;
	}
}

int msb_agent_request(msb_agent_t *a, uint8_t flags, const void *body,
		      size_t len, int timeout_ms, msb_agent_frame_t *ret,
		      msb_error_t **ret_err)
{
	uint64_t deadline = deadline_of(timeout_ms);
	msb_agent_stream_t *st;
	struct err err = { 0 };
	int rc = check_frame(ret, &err);

	if (!rc)
		rc = stream_open(a, flags, body, len, deadline, &st, &err);
	if (rc)
		return api_fail_err(&err, rc, ret_err);
	rc = stream_next(st, deadline, ret, &err);
	stream_drop(st, true);
	if (!rc)
		rc = err_set(&err, ERR_TIMEOUT, ETIMEDOUT,
			     "the sandbox does not answer");
	return rc < 0 ? api_fail_err(&err, rc, ret_err) : 0;
}

int msb_agent_stream_open(msb_agent_t *a, uint8_t flags, const void *body,
			  size_t len, msb_agent_stream_t **ret,
			  msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = stream_open(a, flags, body, len, AGENT_NO_DEADLINE, ret, &err);

	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}

void msb_agent_stream_free(msb_agent_stream_t *st)
{
	if (st)
		stream_drop(st, true);
}

uint32_t msb_agent_stream_id(const msb_agent_stream_t *st)
{
	return st->id;
}

int msb_agent_stream_next(msb_agent_stream_t *st, int timeout_ms,
			  msb_agent_frame_t *ret, msb_error_t **ret_err)
{
	struct err err = { 0 };
	int rc = check_frame(ret, &err);

	if (!rc)
		rc = stream_next(st, deadline_of(timeout_ms), ret, &err);
	return rc < 0 ? api_fail_err(&err, rc, ret_err) : rc;
}

bool msb_agent_stream_ended(const msb_agent_stream_t *st)
{
	bool ended;

	(void)pthread_mutex_lock(&st->a->lock);
	ended = st->given;
	(void)pthread_mutex_unlock(&st->a->lock);
	return ended;
}

int msb_agent_stream_fd(const msb_agent_stream_t *st)
{
	return st->news.fd;
}

int msb_agent_send(msb_agent_t *a, uint32_t id, uint8_t flags, const void *body,
		   size_t len, msb_error_t **ret_err)
{
	bool off = id == 0 && (flags & FRAME_SHUTDOWN);
	struct err err = { 0 };
	int rc = check_flags(flags, &err);

	/* the relay would hang up */
	if (!rc && !off && (id < a->first || id >= a->end))
		rc = err_set(&err, ERR_INVALID, EINVAL,
			     "id %u is not one of this client's", id);
	if (!rc)
		rc = agent_put(a, id, flags, body, len, AGENT_NO_DEADLINE,
			       &err);
	return rc ? api_fail_err(&err, rc, ret_err) : 0;
}
