/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event loop over epoll.
 *
 * The epoll cookie is {generation, slot}. A slot's generation changes when its
 * watch is removed, so an event that was already fetched for a removed watch
 * matches nothing and is dropped: a stale event can never reach freed memory.
 */
#include "loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define EVENTS_PER_TURN 64

struct slot {
	struct watch *watch; /* NULL: free */
	uint32_t generation;
	uint32_t next_free;
};

#define NO_SLOT UINT32_MAX

struct loop {
	int epfd;
	int wakefd;
	struct watch wake;
	uint64_t now_ms; /* of this turn; 0: nobody has asked yet */
	bool stop;	 /* guarded by lock */
	struct slot *slots;
	uint32_t nslots;
	uint32_t free_slot;
	struct list timers; /* sorted by due_ms */
	struct list deferred;
	pthread_mutex_t lock;
	struct posted *posted_head; /* guarded by lock */
	struct posted **posted_tail;
};

static void on_wake(struct watch *w, uint32_t events)
{
	uint64_t count;

	(void)events;
	(void)io_read(w->fd, &count, sizeof(count)); /* only resets it */
}

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return -ENOMEM;
	l->free_slot = NO_SLOT;
	l->posted_tail = &l->posted_head;
	list_init(&l->timers);
	list_init(&l->deferred);
	pthread_mutex_init(&l->lock, NULL);
	l->wakefd = -1;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		goto fail;
	l->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wakefd < 0)
		goto fail;
	rc = loop_watch(l, &l->wake, l->wakefd, EPOLLIN, on_wake);
	if (rc) {
		loop_free(l);
		return rc;
	}
	*ret = l;
	return 0;
fail:
	rc = -errno;
	loop_free(l);
	return rc;
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	if (l->wakefd >= 0)
		(void)close(l->wakefd);
	if (l->epfd >= 0)
		(void)close(l->epfd);
	pthread_mutex_destroy(&l->lock);
	free(l->slots);
	free(l);
	return NULL;
}

uint64_t loop_now_ms(struct loop *l)
{
	if (!l->now_ms)
		l->now_ms = clock_mono_ms();
	return l->now_ms;
}

static int slot_alloc(struct loop *l, uint32_t *ret)
{
	if (l->free_slot == NO_SLOT) {
		uint32_t n = l->nslots ? l->nslots * 2 : 16;
		struct slot *s = realloc(l->slots, n * sizeof(*s));

		if (!s)
			return -ENOMEM;
		for (uint32_t i = l->nslots; i < n; i++)
			s[i] = (struct slot){ .next_free = i + 1 < n
								   ? i + 1
								   : NO_SLOT };
		l->free_slot = l->nslots;
		l->slots = s;
		l->nslots = n;
	}
	*ret = l->free_slot;
	l->free_slot = l->slots[*ret].next_free;
	return 0;
}

static void slot_release(struct loop *l, uint32_t i)
{
	l->slots[i].watch = NULL;
	l->slots[i].generation++;
	l->slots[i].next_free = l->free_slot;
	l->free_slot = i;
}

static struct epoll_event slot_event(const struct loop *l, uint32_t slot,
				     uint32_t events)
{
	struct epoll_event ev = { .events = events };

	ev.data.u64 = (uint64_t)l->slots[slot].generation << 32 | slot;
	return ev;
}

int loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events,
	       void (*on_ready)(struct watch *, uint32_t))
{
	struct epoll_event ev;
	uint32_t slot;
	int rc = slot_alloc(l, &slot);

	if (rc)
		return rc;
	ev = slot_event(l, slot, events);
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) < 0) {
		rc = -errno;
		slot_release(l, slot);
		return rc;
	}
	w->fd = fd;
	w->events = events;
	w->on_ready = on_ready;
	w->loop = l;
	w->slot = slot;
	l->slots[slot].watch = w;
	return 0;
}

int loop_rewatch(struct watch *w, uint32_t events)
{
	struct epoll_event ev;

	if (w->events == events)
		return 0;
	ev = slot_event(w->loop, w->slot, events);
	if (epoll_ctl(w->loop->epfd, EPOLL_CTL_MOD, w->fd, &ev) < 0)
		return -errno;
	w->events = events;
	return 0;
}

void loop_unwatch(struct watch *w)
{
	if (!w->loop)
		return;
	/* fails only when the owner closed the fd first: already gone then */
	(void)epoll_ctl(w->loop->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	slot_release(w->loop, w->slot);
	w->loop = NULL;
}

void loop_timer(struct loop *l, struct timer *t, uint64_t delay_ms,
		void (*on_timer)(struct timer *))
{
	struct list *pos;

	loop_timer_cancel(t);
	t->on_timer = on_timer;
	t->loop = l;
	t->due_ms = clock_mono_ms() + delay_ms;
	for (pos = l->timers.prev; pos != &l->timers; pos = pos->prev)
		if (container_of(pos, struct timer, link)->due_ms <= t->due_ms)
			break;
	/* insert after pos */
	list_add_tail(pos->next, &t->link);
}

void loop_timer_cancel(struct timer *t)
{
	if (!t->loop)
		return;
	list_del(&t->link);
	t->loop = NULL;
}

void loop_defer(struct loop *l, struct deferred *d,
		void (*run)(struct deferred *))
{
	if (d->queued)
		return;
	d->run = run;
	d->queued = true;
	list_add_tail(&l->deferred, &d->link);
}

void loop_defer_cancel(struct deferred *d)
{
	if (!d->queued)
		return;
	list_del(&d->link);
	d->queued = false;
}

static void loop_wake(struct loop *l)
{
	uint64_t one = 1;

	/* only fails when the counter is full, and then it is readable */
	(void)io_write(l->wakefd, &one, sizeof(one));
}

void loop_post(struct loop *l, struct posted *p, void (*run)(struct posted *))
{
	p->run = run;
	p->next = NULL;
	pthread_mutex_lock(&l->lock);
	*l->posted_tail = p;
	l->posted_tail = &p->next;
	pthread_mutex_unlock(&l->lock);
	loop_wake(l);
}

void loop_stop(struct loop *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_mutex_unlock(&l->lock);
	loop_wake(l);
}

static bool loop_stopped(struct loop *l)
{
	bool stop;

	pthread_mutex_lock(&l->lock);
	stop = l->stop;
	pthread_mutex_unlock(&l->lock);
	return stop;
}

static void run_timers(struct loop *l)
{
	while (!list_empty(&l->timers)) {
		struct timer *t =
			container_of(l->timers.next, struct timer, link);

		if (t->due_ms > loop_now_ms(l))
			return;
		loop_timer_cancel(t);
		t->on_timer(t);
	}
}

static void run_posted(struct loop *l)
{
	struct posted *p, *next;

	pthread_mutex_lock(&l->lock);
	p = l->posted_head;
	l->posted_head = NULL;
	l->posted_tail = &l->posted_head;
	pthread_mutex_unlock(&l->lock);
	for (; p; p = next) {
		next = p->next; /* run() may free it */
		p->run(p);
	}
}

/* Only what was queued before: work that defers itself again waits a turn. */
static void run_deferred(struct loop *l)
{
	struct list batch;

	list_init(&batch);
	if (list_empty(&l->deferred))
		return;
	batch = l->deferred;
	batch.next->prev = &batch;
	batch.prev->next = &batch;
	list_init(&l->deferred);
	while (!list_empty(&batch)) {
		struct deferred *d =
			container_of(batch.next, struct deferred, link);

		list_del(&d->link);
		d->queued = false;
		d->run(d);
	}
}

static int wait_budget(const struct loop *l, int timeout_ms)
{
	const struct timer *t;
	uint64_t now, left;

	if (!list_empty(&l->deferred))
		return 0;
	if (list_empty(&l->timers))
		return timeout_ms;
	t = container_of(l->timers.next, struct timer, link);
	now = clock_mono_ms();
	left = t->due_ms > now ? t->due_ms - now : 0;
	if (left > 3600000)
		left = 3600000;
	if (timeout_ms >= 0 && (uint64_t)timeout_ms < left)
		return timeout_ms;
	return (int)left;
}

int loop_turn(struct loop *l, int timeout_ms)
{
	struct epoll_event ev[EVENTS_PER_TURN];
	int n;

	n = epoll_wait(l->epfd, ev, EVENTS_PER_TURN,
		       wait_budget(l, timeout_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	l->now_ms = 0;
	for (int i = 0; i < n; i++) {
		uint32_t slot = (uint32_t)ev[i].data.u64;
		uint32_t generation = (uint32_t)(ev[i].data.u64 >> 32);
		struct watch *w = l->slots[slot].watch;

		if (w && l->slots[slot].generation == generation)
			w->on_ready(w, ev[i].events);
	}
	run_timers(l);
	run_posted(l);
	run_deferred(l);
	return 0;
}

int loop_run(struct loop *l)
{
	while (!loop_stopped(l)) {
		int rc = loop_turn(l, -1);

		if (rc)
			return rc;
	}
	return 0;
}
