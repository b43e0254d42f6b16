/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for descriptors of the library in the loop of Node.js: one reader and
 * one writer of each object, and no thread.
 */
#include <stdlib.h>

#include "addon.h"

struct poller {
	uv_poll_t poll;
	struct addon *addon;
	napi_deferred waiting;
	struct poller *next, **prev;
};

static int descriptor(const struct handle *h, bool writing)
{
	switch (h->kind) {
	case HANDLE_EXEC:
		return writing ? msb_exec_stdin_fd(h->p) : msb_exec_fd(h->p);
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

static void wake(struct poller *p)
{
	napi_deferred d = p->waiting;
	napi_value v;

	p->waiting = NULL;
	if (d && !p->addon->closing && !napi_get_undefined(p->addon->env, &v))
		(void)napi_resolve_deferred(p->addon->env, d, v);
}

/* A failure is for the next call to find. */
static void on_event(uv_poll_t *poll, int status, int events)
{
	struct poller *p = poll->data;
	struct scope scope;

	(void)status;
	(void)events;
	(void)uv_poll_stop(poll);
	if (!addon_enter(p->addon, &scope))
		return;
	wake(p);
	addon_leave(p->addon, &scope);
}

static struct poller *poller_new(struct handle *h, bool writing)
{
	struct addon *a = h->addon;
	struct poller *p = calloc(1, sizeof(*p));

	if (!p || uv_poll_init(a->loop, &p->poll, descriptor(h, writing))) {
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
	wake(p);
	uv_close((uv_handle_t *)&p->poll, freed);
}

void poll_close(struct handle *h)
{
	for (unsigned i = 0; i < COUNT_OF(h->pollers); i++) {
		struct poller *p = h->pollers[i];

		h->pollers[i] = NULL;
		/* when the environment goes, all of them have been closed */
		if (p && !h->addon->closing)
			poller_close(p);
	}
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
	return handle_get(env, v, h ? h->kind : HANDLE_KINDS);
}

/* wait(handle, writing): until it is worth a call. */
napi_value poll_wait(napi_env env, napi_callback_info info)
{
	napi_value argv[2], promise;
	bool writing = false;
	struct handle *h;
	struct poller *p;

	if (!get_args(env, info, 2, argv))
		return NULL;
	h = get_pollable(env, argv[0]);
	if (!h)
		return NULL;
	(void)napi_get_value_bool(env, argv[1], &writing);
	if (!h->pollers[writing])
		h->pollers[writing] = poller_new(h, writing);
	p = h->pollers[writing];
	if (!p || p->waiting) {
		(void)napi_throw_error(env, NULL, "this cannot be waited for");
		return NULL;
	}
	if (napi_create_promise(env, &p->waiting, &promise))
		return NULL;
	if (uv_poll_start(&p->poll, writing ? UV_WRITABLE : UV_READABLE,
			  on_event))
		wake(p);
	return promise;
}

/* wake(handle): whoever reads need not wait any longer. */
napi_value poll_wake(napi_env env, napi_callback_info info)
{
	struct handle *h;
	napi_value v;

	if (!get_args(env, info, 1, &v))
		return NULL;
	h = get_pollable(env, v);
	if (h && h->pollers[0]) {
		(void)uv_poll_stop(&h->pollers[0]->poll);
		wake(h->pollers[0]);
	}
	return NULL;
}
