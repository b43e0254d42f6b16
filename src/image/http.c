/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers. A call puts its transfer into the queue, wakes the thread and
 * sleeps until it is done; from queue to done the transfer belongs to the
 * thread, which is the only one that calls into libcurl's multi handle.
 */
#include "image/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/ca_bundles.h"
#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/list.h"
#include "image/http_int.h"

#define CONNECT_TIMEOUT_S 15L
/* Slower than this for so long is a stalled server. */
#define STALL_BYTES_PER_S 100L
#define STALL_S 30L
#define REFUSAL_MAX (64u << 10)
#define RECEIVE_SIZE (256L << 10)
#define POLL_MS 1000

struct http {
	CURLM *multi;
	char *roots; /* PEM, or NULL */
	size_t roots_len;
	pthread_t thread;
	pthread_mutex_t lock; /* of the following */
	pthread_cond_t done;
	struct list queue;
	bool stop;
	struct list active; /* the thread's own */
};

struct transfer {
	struct list link;
	const struct http_call *call;
	CURL *easy;
	struct curl_slist *headers;
	struct http_response *response;
	struct buf refusal;
	size_t head_len;
	bool added; /* to the multi handle */
	bool told_head;
	int error; /* from a callback */
	CURLcode result;
	char message[CURL_ERROR_SIZE];
	bool done;
};

/* ---- callbacks of libcurl ------------------------------------------------ */

static size_t on_header(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * n;

	t->head_len += len;
	t->error = t->head_len > HTTP_HEAD_MAX
			   ? -EPROTO
			   : http_header(t->response, data, len);
	return t->error ? 0 : len;
}

/* The response as far as its head tells. */
static void see_head(struct transfer *t)
{
	struct http_response *r = t->response;
	curl_off_t size = -1, wait = 0;
	long status = 0;

	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
				&size);
	(void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &wait);
	r->status = (int)status;
	r->size = size < 0 ? HTTP_SIZE_UNKNOWN : (uint64_t)size;
	r->retry_after_s = wait < 0 ? 0 : (uint64_t)wait;
}

static bool is_success(const struct http_response *r)
{
	return r->status >= 200 && r->status < 300;
}

static int tell_head(struct transfer *t)
{
	if (t->told_head)
		return 0;
	t->told_head = true;
	see_head(t);
	return is_success(t->response) && t->call->head
		       ? t->call->head(t->call->ctx, t->response)
		       : 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	size_t len = size * n;

	t->error = tell_head(t);
	if (t->error)
		return 0;
	if (is_success(t->response)) {
		if (t->call->body)
			t->error = t->call->body(t->call->ctx, data, len);
		return t->error ? 0 : len;
	}
	/* the rest of an endless refusal is not worth the wait */
	return buf_append(&t->refusal, data, len) ? 0 : len;
}

/* ---- the thread ---------------------------------------------------------- */

static bool cancelled(const struct transfer *t)
{
	return t->call->cancel && atomic_load(t->call->cancel);
}

static void finish(struct http *h, struct transfer *t, CURLcode result)
{
	t->result = result;
	list_del(&t->link);
	if (t->added)
		(void)curl_multi_remove_handle(h->multi, t->easy);
	(void)pthread_mutex_lock(&h->lock);
	t->done = true;
	(void)pthread_cond_broadcast(&h->done);
	(void)pthread_mutex_unlock(&h->lock);
}

/* Take what is queued; false to stop. */
static bool take_queue(struct http *h)
{
	struct list *pos, *tmp;
	bool stop;

	(void)pthread_mutex_lock(&h->lock);
	list_for_each_safe(pos, tmp, &h->queue)
	{
		list_del(pos);
		list_add_tail(&h->active, pos);
	}
	stop = h->stop;
	(void)pthread_mutex_unlock(&h->lock);
	return !stop;
}

/* Begin new transfers and end cancelled ones. */
static void sort_out(struct http *h)
{
	struct list *pos, *tmp;

	list_for_each_safe(pos, tmp, &h->active)
	{
		struct transfer *t = container_of(pos, struct transfer, link);

		if (cancelled(t)) {
			t->error = -ECANCELED;
			finish(h, t, CURLE_ABORTED_BY_CALLBACK);
		} else if (!t->added) {
			t->added = curl_multi_add_handle(h->multi, t->easy) ==
				   CURLM_OK;
			if (!t->added)
				finish(h, t, CURLE_OUT_OF_MEMORY);
		}
	}
}

static void take_results(struct http *h)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(h->multi, &left))) {
		CURLcode result = m->data.result;
		void *t = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &t);
		if (t)
			finish(h, t, result);
	}
}

static void *run(void *ctx)
{
	struct http *h = ctx;
	int running;

	while (take_queue(h)) {
		sort_out(h);
		(void)curl_multi_perform(h->multi, &running);
		take_results(h);
		(void)curl_multi_poll(h->multi, NULL, 0, POLL_MS, NULL);
	}
	return NULL;
}

int http_new(const char *ca_pem, size_t ca_pem_len, struct http **ret,
	     struct err *err)
{
	struct http *h = calloc(1, sizeof(*h));

	if (!h || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(h);
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "start a download");
	}
	list_init(&h->queue);
	list_init(&h->active);
	(void)pthread_mutex_init(&h->lock, NULL); /* cannot fail on Linux */
	(void)pthread_cond_init(&h->done, NULL);
	h->multi = curl_multi_init();
	if (ca_pem) {
		h->roots = malloc(ca_pem_len + 1);
		h->roots_len = ca_pem_len;
		if (h->roots)
			memcpy(h->roots, ca_pem, ca_pem_len);
	}
	if (!h->multi || (ca_pem && !h->roots) ||
	    pthread_create(&h->thread, NULL, run, h)) {
		(void)curl_multi_cleanup(h->multi);
		free(h->roots);
		free(h);
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "start a download");
	}
	*ret = h;
	return 0;
}

struct http *http_free(struct http *h)
{
	if (!h)
		return NULL;
	(void)pthread_mutex_lock(&h->lock);
	h->stop = true;
	(void)pthread_mutex_unlock(&h->lock);
	http_wake(h);
	(void)pthread_join(h->thread, NULL);
	(void)curl_multi_cleanup(h->multi);
	curl_global_cleanup();
	(void)pthread_cond_destroy(&h->done);
	(void)pthread_mutex_destroy(&h->lock);
	free(h->roots);
	free(h);
	return NULL;
}

void http_wake(struct http *h)
{
	(void)curl_multi_wakeup(h->multi);
}

const char *http_host_roots(void)
{
	/* of all distributions: the library may come from another one */
	static const char *const bundles[] = { HOST_CA_BUNDLES };
	const char *chosen = getenv("SSL_CERT_FILE");

	if (chosen && *chosen == '/')
		return chosen;
	for (size_t i = 0; i < ARRAY_SIZE(bundles); i++) {
		struct stat st;

		if (stat(bundles[i], &st) == 0 && S_ISREG(st.st_mode) &&
		    st.st_size)
			return bundles[i];
	}
	/* an error will name what has been expected */
	return bundles[0];
}

/* ---- calls --------------------------------------------------------------- */

static int add_header(struct transfer *t, const char *line)
{
	struct curl_slist *more = curl_slist_append(t->headers, line);

	if (!more)
		return -ENOMEM;
	t->headers = more;
	return 0;
}

static int add_headers(struct transfer *t)
{
	const struct http_call *c = t->call;
	int rc = 0;

	for (size_t i = 0; c->headers && c->headers[i] && !rc; i++)
		rc = add_header(t, c->headers[i]);
	if (c->authorization && !rc) {
		autofree char *line =
			str_fmt("Authorization: %s", c->authorization);

		rc = line ? add_header(t, line) : -ENOMEM;
		if (line)
			explicit_bzero(line, strlen(line));
	}
	if (c->range_from && !rc) {
		autofree char *line =
			str_fmt("Range: bytes=%llu-",
				(unsigned long long)c->range_from);

		rc = line ? add_header(t, line) : -ENOMEM;
	}
	return rc;
}

#define SET(opt, value)                                                        \
	do {                                                                   \
		CURLcode set_ = curl_easy_setopt(t->easy, opt, value);         \
		if (set_ != CURLE_OK)                                          \
			return set_;                                           \
	} while (0)

static CURLcode set_up(const struct http *h, struct transfer *t)
{
	struct curl_blob roots = { .data = h->roots,
				   .len = h->roots_len,
				   .flags = CURL_BLOB_NOCOPY };

	SET(CURLOPT_URL, t->call->url);
	SET(CURLOPT_PRIVATE, t);
	SET(CURLOPT_ERRORBUFFER, t->message);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_USERAGENT, "msb/" MSB_VERSION);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_BUFFERSIZE, RECEIVE_SIZE);
	SET(CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
	SET(CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES_PER_S);
	SET(CURLOPT_LOW_SPEED_TIME, STALL_S);
	SET(CURLOPT_TIMEOUT, (long)t->call->timeout_s);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	if (h->roots)
		SET(CURLOPT_CAINFO_BLOB, &roots);
	else
		SET(CURLOPT_CAINFO, http_host_roots());
	return CURLE_OK;
}

static int fail(struct err *err, int sys, const char *host,
		const struct transfer *t)
{
	const char *text =
		*t->message ? t->message : curl_easy_strerror(t->result);

	return err_set(err, ERR_IMAGE, sys, "%s: %s", host, text);
}

/* What a transfer's end means to the caller. */
static int conclude(const struct transfer *t, struct err *err)
{
	struct http_origin o = { .host = "" };

	(void)http_origin(t->call->url, &o); /* else libcurl says so */
	if (t->error)
		return err_sys(err,
			       t->error == -ENOSPC ? ERR_NO_SPACE : ERR_IMAGE,
			       -t->error, "take what %s sends", o.host);
	switch ((int)t->result) {
	case CURLE_OK:
	case CURLE_WRITE_ERROR: /* our own: the refusal was long enough */
		return 0;
	case CURLE_OUT_OF_MEMORY:
		return err_sys(err, ERR_NO_MEMORY, ENOMEM, "download");
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
		if (strstr(t->message, "wrong version number"))
			return err_set(err, ERR_IMAGE, EPROTO,
				       "%s does not answer with TLS; "
				       "--insecure is for registries that "
				       "speak plain http",
				       o.host);
		return fail(err, ECONNREFUSED, o.host, t);
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return fail(err, EAGAIN, o.host, t);
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(err, ERR_INVALID, EINVAL,
			       "invalid PEM certificate: %s", t->message);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		return err_set(err, ERR_IMAGE, EKEYREJECTED,
			       "%s: its certificate is not trusted (%s); "
			       "--ca-certs takes further roots",
			       o.host, t->message);
	default:
		return fail(err, EPROTO, o.host, t);
	}
}

static void perform(struct http *h, struct transfer *t)
{
	(void)pthread_mutex_lock(&h->lock);
	list_add_tail(&h->queue, &t->link);
	(void)pthread_mutex_unlock(&h->lock);
	http_wake(h);
	(void)pthread_mutex_lock(&h->lock);
	while (!t->done)
		(void)pthread_cond_wait(&h->done, &h->lock);
	(void)pthread_mutex_unlock(&h->lock);
}

static int complete(struct transfer *t, struct err *err)
{
	char *target = NULL;
	int rc;

	if (t->result == CURLE_OK && !t->error)
		t->error = tell_head(t); /* there was no body */
	rc = conclude(t, err);
	if (rc)
		return rc;
	see_head(t);
	if (t->response->status >= 300 && t->response->status < 400)
		(void)curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL,
					&target);
	if (target && strlen(target) <= HTTP_URL_MAX)
		t->response->location = strdup(target);
	t->refusal.failed = false; /* as much as was worth it */
	t->response->refusal = buf_take_str(&t->refusal);
	if (!t->response->refusal || (target && !t->response->location))
		return err_set(err, ERR_IMAGE, EPROTO,
			       "a server's answer is too long");
	return 0;
}

int http_get(struct http *h, const struct http_call *call,
	     struct http_response *ret, struct err *err)
{
	struct transfer t = { .call = call, .response = ret };
	int rc;

	http_response_init(ret);
	list_init(&t.link);
	buf_init(&t.refusal, REFUSAL_MAX);
	t.easy = curl_easy_init();
	if (!t.easy || add_headers(&t) || set_up(h, &t) != CURLE_OK) {
		rc = err_sys(err, ERR_NO_MEMORY, ENOMEM, "download");
	} else {
		perform(h, &t);
		rc = complete(&t, err);
	}
	buf_fini(&t.refusal);
	curl_easy_cleanup(t.easy);
	curl_slist_free_all(t.headers);
	return rc;
}
