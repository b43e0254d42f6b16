/* SPDX-License-Identifier: Apache-2.0 */
/* Commands as a whole: to their end, with all they write. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_int.h"

/* What is kept of the two streams. */
struct kept {
	struct buf out, err;
	size_t max;
	bool truncated;
};

static int keep(struct kept *k, struct buf *b, const void *data, size_t len)
{
	size_t room = k->max - buf_len(b);

	if (len > room) {
		k->truncated = true;
		len = room;
	}
	return len ? buf_append(b, data, len) : 0;
}

static int collect_event(struct kept *k, const msb_exec_event_t *ev)
{
	switch (ev->kind) {
	case MSB_EXEC_STDOUT:
		return keep(k, &k->out, ev->data, ev->len);
	case MSB_EXEC_STDERR:
		return keep(k, &k->err, ev->data, ev->len);
	case MSB_EXEC_NONE:
	case MSB_EXEC_STARTED:
	case MSB_EXEC_STDIN_ERROR: /* that it does not read its input is its
				      own business */
	case MSB_EXEC_EXITED:
	default:
		return 0;
	}
}

static int no_memory(msb_error_t **ret_err)
{
	struct err err = { 0 };

	return api_fail_err(&err, api_no_memory(&err), ret_err);
}

static int hand_over(struct buf *b, void **ret, size_t *ret_len)
{
	*ret_len = buf_len(b);
	*ret = buf_take_str(b);
	return *ret ? 0 : -ENOMEM;
}

/* Until its last event; that is in *ev. */
static int follow(msb_exec_t *x, struct kept *k, msb_exec_event_t *ev,
		  msb_error_t **ret_err)
{
	do {
		int rc = msb_exec_next(x, -1, ev, ret_err);

		if (rc)
			return rc;
		if (collect_event(k, ev))
			return no_memory(ret_err);
	} while (ev->kind != MSB_EXEC_EXITED);
	return 0;
}

static int collect(msb_exec_t *x, msb_exec_output_t *ret, msb_error_t **ret_err)
{
	msb_exec_event_t ev = { .struct_size = sizeof(ev) };
	struct kept k = { .max = x->output_max };
	msb_error_t *e = NULL;
	int rc;

	/* the terminating zero comes on top */
	buf_init(&k.out, k.max + 1);
	buf_init(&k.err, k.max + 1);
	rc = follow(x, &k, &ev, &e);
	if (!rc || msb_error_kind(e) == MSB_ERR_EXEC_TIMEOUT) {
		ret->exit_code = rc ? -1 : ev.exit_code;
		ret->signal = ev.signal;
		ret->truncated = k.truncated;
		if (hand_over(&k.out, &ret->out, &ret->out_len) ||
		    hand_over(&k.err, &ret->err, &ret->err_len)) {
			msb_exec_output_clear(ret);
			msb_error_free(e);
			e = NULL;
			rc = no_memory(&e);
		}
	}
	buf_fini(&k.out);
	buf_fini(&k.err);
	if (ret_err && rc)
		*ret_err = e;
	else
		msb_error_free(e);
	return rc;
}

static int output_init(msb_exec_output_t *ret, msb_error_t **ret_err)
{
	size_t size = ret->struct_size;
	struct err err = { 0 };

	if (size < sizeof(*ret))
		return api_fail_err(&err,
				    err_set(&err, ERR_INVALID, EINVAL,
					    "struct_size is not set"),
				    ret_err);
	*ret = (msb_exec_output_t){ .struct_size = size, .exit_code = -1 };
	return 0;
}

int msb_exec_collect(msb_exec_t *x, msb_exec_output_t *ret,
		     msb_error_t **ret_err)
{
	int rc = output_init(ret, ret_err);

	return rc ? rc : collect(x, ret, ret_err);
}

int msb_exec_run(msb_sandbox_t *s, const msb_exec_options_t *o,
		 msb_exec_output_t *ret, msb_error_t **ret_err)
{
	msb_exec_options_t mine = *o; /* shallow: only for its input */
	msb_exec_t *x = NULL;
	int rc = output_init(ret, ret_err);

	if (rc)
		return rc;
	mine.stdin_given = true;
	rc = msb_exec_start(s, &mine, &x, ret_err);
	if (!rc)
		rc = collect(x, ret, ret_err);
	msb_exec_free(x);
	return rc;
}

void msb_exec_output_clear(msb_exec_output_t *output)
{
	free(output->out);
	free(output->err);
	output->out = output->err = NULL;
	output->out_len = output->err_len = 0;
}
