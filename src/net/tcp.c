/* SPDX-License-Identifier: Apache-2.0 */
/* The table of the guest's TCP connections; how they begin, age and end. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/tcp_int.h"

#define TOLD_FULL_EVERY_MS 10000u

static void on_tick(struct timer *timer);
static void on_turn_end(struct deferred *d);

uint64_t tcp_now(const struct tcp *t)
{
	return loop_now_ms(t->net->loop);
}

int tcp_new(struct net *n, struct tcp **ret)
{
	struct tcp *t = calloc(1, sizeof(*t));
	uint32_t room = 2 * n->config.max_connections + TCP_INBOUND_MAX;

	if (!t)
		return -ENOMEM;
	t->net = n;
	t->mask = 255;
	while (t->mask < room)
		t->mask = t->mask << 1 | 1;
	t->buckets = calloc((size_t)t->mask + 1, sizeof(struct tcp_conn *));
	if (!t->buckets ||
	    getrandom(t->seed, sizeof(t->seed), 0) != sizeof(t->seed)) {
		free(t->buckets);
		free(t);
		return -ENOMEM;
	}
	list_init(&t->closing);
	list_init(&t->time_wait);
	list_init(&t->timed);
	list_init(&t->work);
	list_init(&t->blocked);
	list_init(&t->late);
	tcp_rings_init(t, n->config.max_connections);
	*ret = t;
	return 0;
}

static void free_dead(struct tcp *t)
{
	while (t->dead) {
		struct tcp_conn *c = t->dead;

		t->dead = c->next;
		free(c);
	}
}

struct tcp *tcp_free(struct tcp *t)
{
	if (!t)
		return NULL;
	for (uint32_t i = 0; i <= t->mask; i++) {
		while (t->buckets[i]) {
			tcp_send_reset(t->buckets[i]);
			tcp_conn_end(t->buckets[i], -ECONNRESET);
		}
	}
	free_dead(t);
	loop_timer_cancel(&t->tick);
	loop_timer_cancel(&t->late_timer);
	loop_defer_cancel(&t->turn_end);
	tcp_rings_fini(t);
	free(t->buckets);
	free(t);
	return NULL;
}

unsigned tcp_count(const struct tcp *t)
{
	return t->nguest;
}

/* --- the table --- */

static uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 m = (unsigned __int128)a * b;

	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t hash_end(uint64_t h, const struct net_endpoint *e)
{
	uint64_t w[2] = { 0 };

	memcpy(w, e->addr.b, e->addr.family == AF_INET ? 4 : 16);
	h = mix(h ^ w[0], 0x9e3779b97f4a7c15ull);
	return mix(h ^ w[1] ^ (uint64_t)e->port << 48, 0xd6e8feb86659fd93ull);
}

static uint64_t tuple_hash(const struct tcp *t,
			   const struct net_endpoint *guest,
			   const struct net_endpoint *peer)
{
	return hash_end(hash_end(t->seed[0], guest) ^ t->seed[1], peer);
}

static bool same_end(const struct net_endpoint *a, const struct net_endpoint *b)
{
	return a->port == b->port && net_addr_equal(&a->addr, &b->addr);
}

struct tcp_conn *tcp_find(const struct tcp *t, const struct net_endpoint *guest,
			  const struct net_endpoint *peer)
{
	struct tcp_conn *c = t->buckets[tuple_hash(t, guest, peer) & t->mask];

	while (c && !(same_end(&c->guest, guest) && same_end(&c->peer, peer)))
		c = c->next;
	return c;
}

static uint32_t choose_iss(const struct tcp *t, uint64_t hash)
{
	/* RFC 9293 3.4.1: a clock of four microseconds, and what none knows */
	return (uint32_t)(clock_mono_ns() >> 12) +
	       (uint32_t)mix(hash ^ t->seed[1], t->seed[0] | 1);
}

static uint16_t default_mss(const struct net_endpoint *guest)
{
	return guest->addr.family == AF_INET ? 536 : 1220;
}

struct tcp_conn *tcp_conn_new(struct tcp *t, const struct net_endpoint *guest,
			      const struct net_endpoint *peer, bool inbound)
{
	struct tcp_conn *c = calloc(1, sizeof(*c));
	uint64_t h = tuple_hash(t, guest, peer);

	if (!c)
		return NULL;
	c->tcp = t;
	c->guest = *guest;
	c->peer = *peer;
	c->inbound = inbound;
	c->iss = choose_iss(t, h);
	c->snd_una = c->snd_nxt = c->snd_max = c->iss;
	c->mss = default_mss(guest);
	c->rto = TCP_RTO_FIRST_MS;
	list_init(&c->in_state);
	list_init(&c->in_timed);
	list_init(&c->in_work);
	list_init(&c->in_blocked);
	list_init(&c->in_late);
	tcp_window_choose(c);
	c->next = t->buckets[h & t->mask];
	t->buckets[h & t->mask] = c;
	c->counted = true;
	if (inbound)
		t->ninbound++;
	else
		t->nguest++;
	atomic_fetch_add_explicit(&t->net->stats.tcp_flows, 1,
				  memory_order_relaxed);
	return c;
}

static void take_from_table(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;
	struct tcp_conn **p =
		&t->buckets[tuple_hash(t, &c->guest, &c->peer) & t->mask];

	while (*p != c)
		p = &(*p)->next;
	*p = c->next;
}

/* It no longer counts against the limits. */
static void uncount(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (!c->counted)
		return;
	c->counted = false;
	if (c->inbound)
		t->ninbound--;
	else
		t->nguest--;
	atomic_fetch_sub_explicit(&t->net->stats.tcp_flows, 1,
				  memory_order_relaxed);
}

static void release_buffers(struct tcp_conn *c)
{
	tcp_ring_put(&c->snd);
	tcp_ring_put(&c->rcv);
	if (c->large_window)
		c->tcp->large_windows--;
	c->large_window = false;
}

void tcp_conn_end(struct tcp_conn *c, int error)
{
	struct tcp *t = c->tcp;
	const struct tcp_owner_ops *ops = c->ops;

	if (c->phase == CONN_DEAD)
		return;
	if (c->phase == CONN_TIME_WAIT)
		t->ntime_wait--;
	c->phase = CONN_DEAD;
	c->ops = NULL;
	uncount(c);
	release_buffers(c);
	list_del(&c->in_state);
	list_del(&c->in_timed);
	list_del(&c->in_work);
	list_del(&c->in_blocked);
	list_del(&c->in_late);
	take_from_table(c);
	c->next = t->dead;
	t->dead = c;
	loop_defer(t->net->loop, &t->turn_end, on_turn_end);
	if (ops)
		ops->closed(c->owner, c, error);
}

static void on_turn_end(struct deferred *d)
{
	struct tcp *t = container_of(d, struct tcp, turn_end);

	tcp_input_end(t);
	free_dead(t);
}

/* --- limits --- */

static void tell_full(struct tcp *t)
{
	uint64_t now = tcp_now(t);

	if (t->told_full_ms && now - t->told_full_ms < TOLD_FULL_EVERY_MS)
		return;
	t->told_full_ms = now;
	net_log(t->net, LOG_WARN,
		"connection refused: the limit of %u connections is reached",
		t->net->config.max_connections);
}

bool tcp_may_grow(struct tcp *t)
{
	struct tcp_conn *c;

	if (t->nguest < t->net->config.max_connections)
		return true;
	if (list_empty(&t->closing)) {
		tell_full(t);
		return false;
	}
	c = container_of(t->closing.next, struct tcp_conn, in_state);
	tcp_send_reset(c);
	tcp_conn_end(c, -ECONNABORTED);
	return true;
}

static void enter_time_wait(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	uncount(c);
	release_buffers(c);
	c->phase = CONN_TIME_WAIT;
	list_del(&c->in_state);
	list_add_tail(&t->time_wait, &c->in_state);
	tcp_deadline(c, TCP_TIME_WAIT_MS);
	if (++t->ntime_wait > t->net->config.max_connections)
		tcp_conn_end(container_of(t->time_wait.next, struct tcp_conn,
					  in_state),
			     0);
}

static bool over_for_owner(const struct tcp_conn *c)
{
	return c->fin_acked && c->rcv_fin && (c->fin_told || !c->ops);
}

void tcp_settle(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (c->phase != CONN_SYNCED)
		return;
	if (over_for_owner(c)) {
		const struct tcp_owner_ops *ops = c->ops;

		c->ops = NULL;
		if (ops)
			ops->closed(c->owner, c, 0);
		if (c->ack_now || c->ack_late) {
			c->ack_now = true;
			tcp_output(c);
		}
		if (c->fin_first)
			enter_time_wait(c);
		else
			tcp_conn_end(c, 0);
		return;
	}
	/* only the guest's last words are missing, or nobody listens */
	if (!c->inbound && list_empty(&c->in_state) &&
	    (!c->ops || (c->fin_queued && c->rcv_fin)))
		list_add_tail(&t->closing, &c->in_state);
}

/* --- time --- */

void tcp_deadline(struct tcp_conn *c, uint64_t delay_ms)
{
	struct tcp *t = c->tcp;

	c->deadline = tcp_now(t) + delay_ms;
	if (list_empty(&c->in_timed))
		list_add_tail(&t->timed, &c->in_timed);
	if (!t->tick.loop)
		loop_timer(t->net->loop, &t->tick, TCP_TICK_MS, on_tick);
}

void tcp_deadline_off(struct tcp_conn *c)
{
	uint64_t now;

	c->deadline = 0;
	if (!c->orphan_until)
		return;
	now = tcp_now(c->tcp);
	tcp_deadline(c, c->orphan_until > now ? c->orphan_until - now : 0);
}

static void backoff(struct tcp_conn *c)
{
	c->rto = c->rto * 2 > TCP_RTO_MAX_MS ? TCP_RTO_MAX_MS : c->rto * 2;
	c->tries++;
}

/* What was sent was not acknowledged, or a window did not open. */
static void try_again(struct tcp_conn *c)
{
	bool synced = c->phase == CONN_SYNCED;

	if (!list_empty(&c->in_blocked)) {
		/* the guest takes nothing at all: no time of its own passes */
		tcp_deadline(c, c->rto);
		return;
	}
	if (c->tries >= (synced ? TCP_TRIES : TCP_SYN_TRIES)) {
		tcp_send_reset(c);
		tcp_conn_end(c, -ETIMEDOUT);
		return;
	}
	backoff(c);
	if (c->snd_una == c->snd_max || (synced && !c->snd_wnd))
		tcp_probe(c);
	else
		tcp_go_back(c);
	tcp_deadline(c, c->rto);
	tcp_output(c);
}

static void expire(struct tcp_conn *c)
{
	c->deadline = 0;
	if (c->phase == CONN_TIME_WAIT) {
		tcp_conn_end(c, 0);
	} else if (c->orphan_until && c->orphan_until <= tcp_now(c->tcp)) {
		tcp_send_reset(c);
		tcp_conn_end(c, 0);
	} else if (c->snd_una != c->snd_max || tcp_unsent(c) ||
		   (c->fin_queued && !c->fin_acked)) {
		try_again(c);
	} else if (c->orphan_until) {
		tcp_deadline_off(c);
	} else {
		tcp_tell_space(c); /* there was no memory for a ring */
	}
}

static void on_tick(struct timer *timer)
{
	struct tcp *t = container_of(timer, struct tcp, tick);
	uint64_t now = tcp_now(t);
	struct list *pos, *tmp;
	struct list due;

	list_init(&due);
	list_for_each_safe(pos, tmp, &t->timed)
	{
		struct tcp_conn *c =
			container_of(pos, struct tcp_conn, in_timed);

		if (c->deadline > now)
			continue;
		list_del(pos);
		if (c->deadline)
			list_add_tail(&due, pos);
	}
	/* whatever ends meanwhile leaves the list */
	while (!list_empty(&due)) {
		struct tcp_conn *c =
			container_of(due.next, struct tcp_conn, in_timed);

		list_del(&c->in_timed);
		if (c->deadline > now)
			list_add_tail(&t->timed, &c->in_timed);
		else if (c->deadline)
			expire(c);
	}
	if (!list_empty(&t->timed) && !t->tick.loop)
		loop_timer(t->net->loop, &t->tick, TCP_TICK_MS, on_tick);
}

static void on_late(struct timer *timer)
{
	struct tcp *t = container_of(timer, struct tcp, late_timer);

	while (!list_empty(&t->late)) {
		struct tcp_conn *c =
			container_of(t->late.next, struct tcp_conn, in_late);

		list_del(&c->in_late);
		/* it was not answered: the next one need not wait */
		c->talkative = false;
		c->ack_now = true;
		tcp_output(c);
	}
}

void tcp_ack_later(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (!list_empty(&c->in_late))
		return;
	list_add_tail(&t->late, &c->in_late);
	if (!t->late_timer.loop)
		loop_timer(t->net->loop, &t->late_timer, TCP_ACK_LATE_MS,
			   on_late);
}

/* --- batches --- */

void tcp_work_later(struct tcp_conn *c)
{
	struct tcp *t = c->tcp;

	if (list_empty(&c->in_work))
		list_add_tail(&t->work, &c->in_work);
	loop_defer(t->net->loop, &t->turn_end, on_turn_end);
}

void tcp_link_ready(struct tcp *t)
{
	struct list turn;

	/* each of those that wait now once, in their order */
	list_init(&turn);
	while (!list_empty(&t->blocked)) {
		struct list *l = t->blocked.next;

		list_del(l);
		list_add_tail(&turn, l);
	}
	while (!list_empty(&turn)) {
		struct tcp_conn *c =
			container_of(turn.next, struct tcp_conn, in_blocked);

		list_del(&c->in_blocked);
		tcp_output(c);
	}
}
