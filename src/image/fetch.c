/* SPDX-License-Identifier: Apache-2.0 */
/* Fetching one file over HTTP. */
#include "image/fetch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define MAX_REDIRECTS 5
#define MAX_FAILURES 4u
#define FIRST_WAIT_MS 250u
#define DOCUMENT_TIMEOUT_S 60u

struct fetching {
	int out;
	bool document;
	uint64_t at, total; /* bytes that are there, and are to be (0: ?) */
	struct worker_out *o;
};

static uint64_t most(const struct fetching *f)
{
	return f->document ? FETCH_DOCUMENT_MAX : FETCH_ARCHIVE_MAX;
}

static int on_head(void *ctx, const struct http_response *r)
{
	struct fetching *f = ctx;

	if (r->status != 206) {
		f->at = 0; /* it does not continue */
		if (ftruncate(f->out, 0) < 0)
			return -errno;
	} else if (r->range_start != f->at) {
		return -EPROTO;
	}
	f->total = 0;
	if (r->size == HTTP_SIZE_UNKNOWN)
		return 0;
	if (r->size > most(f) - f->at)
		return -EFBIG;
	f->total = f->at + r->size;
	return 0;
}

static int on_body(void *ctx, const void *data, size_t len)
{
	struct fetching *f = ctx;

	if (len > most(f) - f->at)
		return -EFBIG;
	for (size_t done = 0; done < len;) {
		struct iovec v = { (void *)((uintptr_t)data + done),
				   len - done };
		ssize_t n = io_pwritev(f->out, &v, 1, (off_t)f->at, 0);

		if (n <= 0)
			return n == -EDQUOT ? -ENOSPC : n ? (int)n : -EIO;
		done += (size_t)n;
		f->at += (uint64_t)n;
	}
	if (!f->document)
		worker_out_progress(f->o, WORKER_DOWNLOAD, 0, f->at, f->total);
	return 0;
}

static bool passes(int status)
{
	return status == 408 || status == 425 || status == 429 ||
	       status == 500 || (status >= 502 && status <= 504);
}

static int judge(const char *url, int status, struct err *err)
{
	if (status >= 200 && status < 300)
		return 0;
	if (status == 404 || status == 410)
		return err_set(err, ERR_IO, ENOENT, "%.300s: not found", url);
	return err_set(err, ERR_IO, passes(status) ? EAGAIN : EPROTO,
		       "%.300s: the server answers with status %d", url,
		       status);
}

/* One attempt, with its redirects. */
static int attempt(struct http *h, const char *first, struct fetching *f,
		   struct err *err)
{
	autofree char *url = strdup(first);
	struct http_origin from, to;

	if (http_origin(first, &from))
		return err_set(err, ERR_INVALID, EINVAL,
			       "'%.300s' is not an http or https address",
			       first);
	for (int i = 0; url && i <= MAX_REDIRECTS; i++) {
		const struct http_call call = {
			.url = url,
			.range_from = f->at,
			.timeout_s = f->document ? DOCUMENT_TIMEOUT_S : 0,
			.head = on_head,
			.body = on_body,
			.ctx = f,
		};
		struct http_response r;
		int rc = http_get(h, &call, &r, err);

		if (rc || !r.location) {
			if (!rc)
				rc = judge(url, r.status, err);
			http_response_fini(&r);
			return rc;
		}
		free(url);
		url = take_ptr(r.location);
		http_response_fini(&r);
		if (http_origin(url, &to) || (from.tls && !to.tls))
			return err_set(err, ERR_IO, EPROTO,
				       "%.300s redirects to a place that "
				       "cannot be trusted",
				       first);
	}
	if (!url)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "download");
	return err_set(err, ERR_IO, ELOOP, "%.300s sends too many redirects",
		       first);
}

static void wait_ms(unsigned ms)
{
	const struct timespec t = { .tv_sec = ms / 1000,
				    .tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

int fetch(struct http *h, const char *url, bool document, int out,
	  struct worker_out *o, struct err *err)
{
	struct fetching f = { .out = out, .document = document, .o = o };
	unsigned failures = 0, pause_ms = FIRST_WAIT_MS;

	for (;;) {
		uint64_t before = f.at;
		int rc = attempt(h, url, &f, err);

		if (!rc)
			return 0;
		if (f.at > before)
			failures = 0; /* it goes on, in small steps */
		if ((rc != -EAGAIN && rc != -ECONNREFUSED) ||
		    ++failures == MAX_FAILURES)
			return rc;
		if (err)
			err_clear(err);
		wait_ms(pause_ms);
		pause_ms *= 2;
	}
}
