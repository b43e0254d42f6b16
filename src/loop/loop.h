/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event loop: one per thread, level-triggered epoll over non-blocking
 * descriptors. Everything here is called on the loop's own thread, except
 * loop_post() and loop_stop().
 *
 * A turn: wait -> descriptor callbacks -> due timers -> posted work -> deferred
 * work. A watch removed inside a turn gets
 * no further callback in that turn, also when its event is already pending, so
 * its owner may be freed at once.
 */
#ifndef MSB_LOOP_LOOP_H
#define MSB_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/list.h"

struct loop;

/* Embedded in its owner; zero-initialise before the first use. */
struct watch {
	int fd; /* borrowed: the owner closes it after loop_unwatch */
	uint32_t events;
	void (*on_ready)(struct watch *w, uint32_t events);
	struct loop *loop; /* NULL while not watched */
	uint32_t slot;	   /* private to the loop */
};

struct timer {
	void (*on_timer)(struct timer *t);
	struct loop *loop; /* NULL while not armed */
	uint64_t due_ms;
	struct list link; /* private to the loop */
};

/* Work for the end of the current turn. */
struct deferred {
	void (*run)(struct deferred *d);
	bool queued;
	struct list link; /* private to the loop */
};

/* Work sent from another thread; the object must live until run is called. */
struct posted {
	void (*run)(struct posted *p);
	struct posted *next; /* private to the loop */
};

int loop_new(struct loop **ret); /* 0 or -errno */
struct loop *loop_free(struct loop *l);

/* Run until loop_stop(); 0 or -errno when waiting itself fails. */
int loop_run(struct loop *l);
/* One turn, waiting at most timeout_ms (-1 = until something happens). */
int loop_turn(struct loop *l, int timeout_ms);
void loop_stop(struct loop *l); /* any thread */

/* Monotonic, the same all through a turn. Read when first asked for, as in a
 * guest kernel that is itself a process that costs as much as a small task. */
uint64_t loop_now_ms(struct loop *l);

/* events = EPOLLIN and/or EPOLLOUT (may be 0: errors and hang-up only); with
 * EPOLLET each arrival is told once, for descriptors that are never read. */
int loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events,
	       void (*on_ready)(struct watch *, uint32_t));
int loop_rewatch(struct watch *w, uint32_t events);
void loop_unwatch(struct watch *w); /* harmless when not watched */

/* Arm, or re-arm, to fire once in delay_ms. */
void loop_timer(struct loop *l, struct timer *t, uint64_t delay_ms,
		void (*on_timer)(struct timer *));
void loop_timer_cancel(struct timer *t); /* harmless when not armed */

/* Queue once; a second call before it ran is ignored. */
void loop_defer(struct loop *l, struct deferred *d,
		void (*run)(struct deferred *));
void loop_defer_cancel(struct deferred *d);

void loop_post(struct loop *l, struct posted *p, void (*run)(struct posted *));

#endif
