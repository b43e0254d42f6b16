/* SPDX-License-Identifier: Apache-2.0 */
/* Order of a turn, stale events, posts from another thread. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop/loop.h"

static char order[16];

static void note(char c)
{
	size_t n = strlen(order);

	order[n] = c;
	order[n + 1] = 0;
}

static int make_loop(void **state)
{
	order[0] = 0;
	return loop_new((struct loop **)state);
}

static int drop_loop(void **state)
{
	loop_free(*state);
	return 0;
}

static void on_timer(struct timer *t)
{
	(void)t;
	note('t');
}

static void on_later_timer(struct timer *t)
{
	(void)t;
	note('T');
}

static void timers_fire_in_order_of_due_time(void **state)
{
	struct timer a = { 0 }, b = { 0 }, c = { 0 };
	struct loop *l = *state;

	loop_timer(l, &b, 1, on_later_timer);
	loop_timer(l, &a, 0, on_timer);
	loop_timer(l, &c, 0, on_timer);
	loop_timer_cancel(&c);
	loop_timer_cancel(&c);
	while (strlen(order) < 2)
		assert_int_equal(loop_turn(l, -1), 0);
	assert_string_equal(order, "tT");
}

struct pair {
	struct watch w;
	struct watch *other;
};

static void on_either(struct watch *w, uint32_t events)
{
	struct pair *p = container_of(w, struct pair, w);

	(void)events;
	note('w');
	loop_unwatch(p->other);
	loop_unwatch(w);
}

static void removed_watch_gets_no_pending_event(void **state)
{
	struct loop *l = *state;
	struct pair a, b;
	int p[2], q[2];

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	a.other = &b.w;
	b.other = &a.w;
	assert_int_equal(pipe2(p, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(q, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(loop_watch(l, &a.w, p[0], EPOLLIN, on_either), 0);
	assert_int_equal(loop_watch(l, &b.w, q[0], EPOLLIN, on_either), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(write(q[1], "x", 1), 1);
	assert_int_equal(loop_turn(l, 0), 0);
	assert_int_equal(loop_turn(l, 0), 0);
	assert_string_equal(order, "w");
	for (int i = 0; i < 2; i++) {
		(void)close(p[i]);
		(void)close(q[i]);
	}
}

struct work {
	struct deferred d;
	struct loop *loop;
	int left;
};

static void run_again(struct deferred *d)
{
	struct work *w = container_of(d, struct work, d);

	note('d');
	if (--w->left)
		loop_defer(w->loop, d, run_again);
}

static void deferred_work_waits_a_turn_when_it_queues_itself(void **state)
{
	struct work w = { .loop = *state, .left = 2 };

	loop_defer(w.loop, &w.d, run_again);
	loop_defer(w.loop, &w.d, run_again);
	assert_int_equal(loop_turn(w.loop, 0), 0);
	assert_string_equal(order, "d");
	assert_int_equal(loop_turn(w.loop, -1), 0); /* does not wait */
	assert_string_equal(order, "dd");
}

struct mail {
	struct posted p;
	struct loop *loop;
};

static void on_mail(struct posted *p)
{
	note('p');
	loop_stop(container_of(p, struct mail, p)->loop);
}

static void *send_mail(void *arg)
{
	struct mail *m = arg;

	loop_post(m->loop, &m->p, on_mail);
	return NULL;
}

static void posts_from_another_thread_wake_the_loop(void **state)
{
	struct mail m = { .loop = *state };
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, send_mail, &m), 0);
	assert_int_equal(loop_run(m.loop), 0);
	pthread_join(thread, NULL);
	assert_string_equal(order, "p");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, make_loop, drop_loop)
	const struct CMUnitTest tests[] = {
		T(timers_fire_in_order_of_due_time),
		T(removed_watch_gets_no_pending_event),
		T(deferred_work_waits_a_turn_when_it_queues_itself),
		T(posts_from_another_thread_wake_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
