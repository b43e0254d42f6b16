/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for descriptors of the library in the loop of Node.js: one reader and
 * one writer for each object, and no thread.
 */
#include <stdlib.h>

#include "addon.h"

enum { READER, WRITER, WAITERS };

struct poller {
	uv_poll_t poll;
	struct addon *addon;
	napi_deferred waiting[WAITERS];
	struct poller *next, **prev;
};

static int descriptor(const struct handle *h)
{
	switch (h->kind) {
	case HANDLE_EXEC:
		return msb_exec_fd(h->p);
	case HANDLE_LOG:
		return msb_log_fd(h->p);
	case HANDLE_AGENT_STREAM:
		return msb_agent_stream_fd(h->p);
	case HANDLE_HOME:
	case HANDLE_SANDBOX:
	case HANDLE_FS:
	case HANDLE_AGENT:
	case HANDLE_CANCEL:
	case HANDLE_KINDS:
		break;
	}
	return -1;
}

static void wake(struct poller *p, unsigned who)
{
	napi_deferred d = p->waiting[who];
	napi_value v;

	p->waiting[who] = NULL;
	if (d && !p->addon->closing && !napi_get_undefined(p->addon->env, &v))
		(void)napi_resolve_deferred(p->addon->env, d, v);
}

static void on_event(uv_poll_t *poll, int status, int events);

/* Poll for whoever waits; false with an exception. */
static bool arm(struct poller *p)
{
	int events = (p->waiting[READER] ? UV_READABLE : 0) |
		     (p->waiting[WRITER] ? UV_WRITABLE : 0);

	return (events ? uv_poll_start(&p->poll, events, on_event)
		       : uv_poll_stop(&p->poll)) == 0;
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct poller *p = poll->data;
	struct scope scope;

	/* A failure is for the next call to find. */
	if (status < 0)
		events = UV_READABLE | UV_WRITABLE;
	if (!addon_enter(p->addon, &scope)) {
		(void)uv_poll_stop(poll);
		return;
	}
	if (events & UV_READABLE)
		wake(p, READER);
	if (events & UV_WRITABLE)
		wake(p, WRITER);
	(void)arm(p);
	addon_leave(p->addon, &scope);
}

static struct poller *poller_new(struct handle *h)
{
	struct addon *a = h->addon;
	struct poller *p = calloc(1, sizeof(*p));

	if (!p || uv_poll_init(a->loop, &p->poll, descriptor(h))) {
		free(p);
		return NULL;
	}
	p->poll.data = p;
	p->addon = a;
	p->next = a->pollers;
	p->prev = &a->pollers;
	if (p->next)
		p->next->prev = &p->next;
	a->pollers = p;
	return p;
}

static void freed(uv_handle_t *handle)
{
	free(handle->data);
}

static void poller_close(struct poller *p)
{
	*p->prev = p->next;
	if (p->next)
		p->next->prev = p->prev;
	(void)uv_poll_stop(&p->poll);
	for (unsigned i = 0; i < WAITERS; i++)
		wake(p, i);
	uv_close((uv_handle_t *)&p->poll, freed);
}

void poll_close(struct handle *h)
{
	struct poller *p = h->poller;

	h->poller = NULL;
	/* when the environment goes, all of them have been closed */
	if (p && !h->addon->closing)
		poller_close(p);
}

void poll_close_all(struct addon *a)
{
	while (a->pollers)
		poller_close(a->pollers);
}

static struct handle *get_pollable(napi_env env, napi_value v)
{
	void *p = NULL;
	struct handle *h;

	(void)napi_get_value_external(env, v, &p);
	h = p;
	return h ? handle_get(env, v, h->kind) : NULL;
}

/* wait(handle, writing): until it is worth a call. */
napi_value poll_wait(napi_env env, napi_callback_info info)
{
	napi_value argv[2], promise;
	bool writing = false;
	struct handle *h;
	unsigned who;

	if (!get_args(env, info, 2, argv))
		return NULL;
	h = get_pollable(env, argv[0]);
	if (!h)
		return NULL;
	(void)napi_get_value_bool(env, argv[1], &writing);
	who = writing ? WRITER : READER;
	if (!h->poller)
		h->poller = poller_new(h);
	if (!h->poller || h->poller->waiting[who]) {
		(void)napi_throw_error(env, NULL, "this cannot be waited for");
		return NULL;
	}
	if (napi_create_promise(env, &h->poller->waiting[who], &promise))
		return NULL;
	if (!arm(h->poller))
		wake(h->poller, who);
	return promise;
}
