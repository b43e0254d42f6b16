/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log queue and writer thread.
 *
 * Records are appended to one buffer under a lock that is held for the copy
 * only; the writer takes the whole buffer at once, so order is kept and a burst
 * costs one wake-up. Of output it lets a few milliseconds' worth come together,
 * or a wake-up and a write for each line would cost more than all else here;
 * what somebody may be waiting to read, as the end of a command, cuts that
 * short. Past QUEUE_MAX, captured output is dropped and counted,
 * and the gap is written down where it is.
 */
#include "logs/logs.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/str.h"
#include "logs/exec_entry.h"
#include "logs/limits.h"
#include "logs/rotate.h"
#include "logs/text_line.h"

#define QUEUE_MAX (16u << 20)
#define QUEUE_RESERVE (64u << 10) /* kept free for markers and diagnostics */
#define KEEP_BYTES (1u << 20)	  /* memory kept in a burst */
#define MARK_EVERY (256u << 10)	  /* bytes of kernel.log */
#define RETRY_NS (5 * NSEC_PER_SEC)
#define GATHER_NS (10 * NSEC_PER_MSEC)
#define GATHER_BYTES (512u << 10)
#define IDLE_NS NSEC_PER_SEC /* then memory is given back */
#define BOOT_LINE_MAX 80

enum record_kind { REC_EXEC, REC_RUNTIME, REC_KERNEL, REC_KIND_COUNT };

static const char *const file_name[] = { "exec.log", "runtime.log",
					 "kernel.log" };

_Static_assert(ARRAY_SIZE(file_name) == REC_KIND_COUNT,
	       "file_name[] does not match enum record_kind");

struct record {
	uint32_t len; /* data bytes that follow */
	uint8_t kind;
	uint8_t stream;
	uint64_t id;
	uint64_t wall_ns;
};

struct out_file {
	struct rotfile rot;
	uint64_t retry_at; /* monotonic; 0: healthy */
};

struct logs {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool stop;	    /* guarded by lock */
	bool urgent;	    /* guarded by lock; do not let more come together */
	struct buf pending; /* guarded by lock */
	/* guarded by lock; bytes since the last note */
	uint64_t dropped[REC_KIND_COUNT];
	/* the writer's own */
	struct buf work;
	struct buf line;
	struct stamp_cache stamp;
	bool boot_mark; /* still to be written */
	uint64_t boot_ns;
	char boot_head[BOOT_LINE_MAX]; /* of further files of kernel.log */
	uint64_t unmarked;  /* bytes of kernel.log since its last mark */
	bool kernel_midway; /* it ends in the middle of a line */
	struct out_file file[REC_KIND_COUNT];
};

/* True when the writer has to be woken. */
static bool put_locked(struct logs *l, const struct record *r, const void *head,
		       size_t nhead, const void *data)
{
	size_t before = buf_len(&l->pending);
	bool urgent = r->kind == REC_RUNTIME || r->stream == LOG_SYSTEM;

	if (!buf_reserve(&l->pending, sizeof(*r) + r->len)) {
		l->pending.failed = false; /* its contents are intact */
		l->dropped[r->kind] += r->len;
		return false;
	}
	(void)buf_append(&l->pending, r, sizeof(*r));
	(void)buf_append(&l->pending, head, nhead);
	(void)buf_append(&l->pending, data, r->len - nhead);
	l->urgent |= urgent;
	return !before || urgent ||
	       (before < GATHER_BYTES && buf_len(&l->pending) >= GATHER_BYTES);
}

/* The data is head followed by data; both may be empty. */
static void put(struct logs *l, struct record *r, const void *head,
		size_t nhead, const void *data, size_t len)
{
	size_t ceiling = QUEUE_MAX;
	bool wake = false;

	r->len = (uint32_t)(nhead + len);
	r->wall_ns = clock_wall_ns();
	if (r->kind != REC_RUNTIME && r->stream != LOG_SYSTEM)
		ceiling -= QUEUE_RESERVE;
	pthread_mutex_lock(&l->lock);
	if (buf_len(&l->pending) + sizeof(*r) + r->len > ceiling)
		l->dropped[r->kind] += r->len;
	else
		wake = put_locked(l, r, head, nhead, data);
	pthread_mutex_unlock(&l->lock);
	if (wake) /* not under the lock, which it would have to wait for */
		pthread_cond_signal(&l->wake);
}

void logs_exec(struct logs *l, struct log_capture *c, const void *data,
	       size_t len)
{
	struct record r = { .kind = REC_EXEC,
			    .stream = (uint8_t)c->stream,
			    .id = c->id };
	const uint8_t *p = data;

	while (len) {
		size_t n = len < RECORD_MAX ? len : RECORD_MAX;
		uint8_t joined[sizeof(c->tail) + 4];
		size_t whole;

		/* does the tail end inside this chunk? look at its first bytes
		 */
		if (c->ntail && n <= 3) {
			memcpy(joined, c->tail, c->ntail);
			memcpy(joined + c->ntail, p, n);
			n += c->ntail;
			c->ntail = 0;
			whole = utf8_complete_prefix(joined, n);
			if (whole)
				put(l, &r, joined, whole, NULL, 0);
			c->ntail = (uint8_t)(n - whole);
			memcpy(c->tail, joined + whole, c->ntail);
			return;
		}
		/* more than three bytes: no sequence spans the whole chunk */
		whole = utf8_complete_prefix(p, n);
		put(l, &r, c->tail, c->ntail, p, whole);
		c->ntail = (uint8_t)(n - whole);
		memcpy(c->tail, p + whole, c->ntail);
		p += n;
		len -= n;
	}
}

/* What is pending is to be on disk soon. */
static void hurry(struct logs *l)
{
	bool wake;

	pthread_mutex_lock(&l->lock);
	wake = buf_len(&l->pending) && !l->urgent;
	l->urgent |= wake;
	pthread_mutex_unlock(&l->lock);
	if (wake)
		pthread_cond_signal(&l->wake);
}

void logs_exec_end(struct logs *l, struct log_capture *c)
{
	struct record r = { .kind = REC_EXEC,
			    .stream = (uint8_t)c->stream,
			    .id = c->id };

	if (c->ntail)
		put(l, &r, c->tail, c->ntail, NULL, 0);
	c->ntail = 0;
	hurry(l);
}

void logs_marker(struct logs *l, const char *text)
{
	struct record r = { .kind = REC_EXEC, .stream = LOG_SYSTEM };

	put(l, &r, NULL, 0, text, strlen(text));
}

/* The record of kernel.log that has no data. */
void logs_machine_started(struct logs *l)
{
	struct record r = { .kind = REC_KERNEL, .stream = LOG_SYSTEM };

	put(l, &r, NULL, 0, NULL, 0);
}

void logs_kernel(struct logs *l, const void *data, size_t len)
{
	struct record r = { .kind = REC_KERNEL };

	for (const uint8_t *p = data; len;) {
		size_t n = len < RECORD_MAX ? len : RECORD_MAX;

		put(l, &r, NULL, 0, p, n);
		p += n;
		len -= n;
	}
}

void logs_runtime_line(void *ctx, const char *line, unsigned long len)
{
	struct record r = { .kind = REC_RUNTIME };

	put(ctx, &r, NULL, 0, line, len);
}

/* A failing file rests for a while; the failure is told once in runtime.log,
 * unless that is the one that fails. */
static void note_result(struct logs *l, struct out_file *f, int rc)
{
	if (rc && !f->retry_at)
		log_warn("logs", "%s: capture paused: %s", f->rot.name,
			 strerror(-rc));
	if (!rc && f->retry_at && f != &l->file[REC_RUNTIME])
		log_info("logs", "%s: capture resumed", f->rot.name);
	f->retry_at = rc ? clock_mono_ns() + RETRY_NS : 0;
}

static void add_line(struct logs *l, struct out_file *f, const void *data,
		     size_t len)
{
	int rc;

	if (f->retry_at && clock_mono_ns() < f->retry_at)
		return;
	rc = rotfile_add(&f->rot, data, len);
	if (rc || f->retry_at) {
		if (!rc)
			rc = rotfile_flush(&f->rot); /* does it work again? */
		note_result(l, f, rc);
	}
}

static void add_exec(struct logs *l, uint64_t wall_ns, enum log_stream stream,
		     uint64_t id, const void *data, size_t len)
{
	buf_reset(&l->line);
	if (!exec_entry_format(&l->line, &l->stamp, wall_ns, stream, id, data,
			       len))
		add_line(l, &l->file[REC_EXEC], buf_data(&l->line),
			 buf_len(&l->line));
	if (l->line.cap > KEEP_BYTES)
		buf_fini(&l->line);
}

static void boot_line(char out[BOOT_LINE_MAX], uint64_t wall_ns,
		      const char *text)
{
	char stamp[40];

	clock_format_rfc3339(wall_ns, 6, stamp, sizeof(stamp));
	(void)snprintf(out, BOOT_LINE_MAX, "%s %s\n", stamp, text);
}

/* The time of the machine's start comes in front of what its console says, and
 * only when that says something; and again now and then, so that those who read
 * backwards need not read all of it. */
static void add_kernel(struct logs *l, const struct record *r,
		       const uint8_t *data)
{
	struct out_file *f = &l->file[REC_KERNEL];
	char line[BOOT_LINE_MAX];

	if (!r->len) {
		l->boot_mark = true;
		l->boot_ns = r->wall_ns;
		return;
	}
	if (l->boot_mark) {
		l->boot_mark = false;
		boot_line(line, l->boot_ns, BOOT_MARK);
		f->rot.head = NULL;
		add_line(l, f, line, strlen(line));
		boot_line(l->boot_head, l->boot_ns, BOOT_MARK_AGAIN);
		f->rot.head = l->boot_head;
		l->unmarked = 0;
	} else if (l->unmarked >= MARK_EVERY && f->rot.head &&
		   !l->kernel_midway) {
		add_line(l, f, l->boot_head, strlen(l->boot_head));
		l->unmarked = 0;
	}
	add_line(l, f, data, r->len);
	l->unmarked += r->len;
	l->kernel_midway = data[r->len - 1] != '\n';
}

static void write_batch(struct logs *l)
{
	struct record r;

	while (buf_len(&l->work) >= sizeof(r)) {
		const uint8_t *data;

		memcpy(&r, buf_data(&l->work), sizeof(r));
		data = buf_data(&l->work) + sizeof(r);
		if (r.kind == REC_EXEC)
			add_exec(l, r.wall_ns, (enum log_stream)r.stream, r.id,
				 data, r.len);
		else if (r.kind == REC_KERNEL)
			add_kernel(l, &r, data);
		else
			add_line(l, &l->file[r.kind], data, r.len);
		buf_consume(&l->work, sizeof(r) + r.len);
	}
	if (l->work.cap > KEEP_BYTES)
		buf_fini(&l->work);
}

static void note_dropped(struct logs *l, const uint64_t *dropped)
{
	for (unsigned i = 0; i < REC_KIND_COUNT; i++) {
		char text[96];
		int n;

		if (!dropped[i])
			continue;
		n = snprintf(text, sizeof(text),
			     "--- %llu bytes were not captured ---\n",
			     (unsigned long long)dropped[i]);
		log_warn("logs", "%s: the disk is too slow: %.*s", file_name[i],
			 n - 1, text);
		if (i == REC_EXEC)
			add_exec(l, clock_wall_ns(), LOG_SYSTEM, 0, text,
				 (size_t)n);
	}
}

/* For at most ns; false when they are over. */
static bool wait_locked(struct logs *l, uint64_t ns)
{
	uint64_t end_ns = clock_mono_ns() + ns;
	const struct timespec end = { .tv_sec = (time_t)(end_ns / NSEC_PER_SEC),
				      .tv_nsec =
					      (long)(end_ns % NSEC_PER_SEC) };

	return pthread_cond_timedwait(&l->wake, &l->lock, &end) == 0;
}

/* Until there is something; memory is for when there is much. */
static void wait_for_records(struct logs *l)
{
	bool had_much = l->pending.cap || l->work.cap || l->line.cap;

	while (!buf_len(&l->pending) && !l->stop) {
		if (!had_much) {
			pthread_cond_wait(&l->wake, &l->lock);
		} else if (!wait_locked(l, IDLE_NS)) {
			had_much = false;
			buf_fini(&l->work);
			buf_fini(&l->line);
			if (!buf_len(&l->pending))
				buf_fini(&l->pending);
		}
	}
}

/* There is something; let more come. */
static void gather_locked(struct logs *l)
{
	uint64_t end_ns = clock_mono_ns() + GATHER_NS, now = end_ns - GATHER_NS;

	while (now < end_ns && !l->stop && !l->urgent &&
	       buf_len(&l->pending) < GATHER_BYTES) {
		(void)wait_locked(l, end_ns - now);
		now = clock_mono_ns();
	}
	l->urgent = false;
}

/* Wait for records and take them all; false once stopped and drained. */
static bool take_batch(struct logs *l, uint64_t *ret_dropped)
{
	struct buf taken;
	bool more;

	pthread_mutex_lock(&l->lock);
	wait_for_records(l);
	gather_locked(l);
	more = buf_len(&l->pending) > 0;
	taken = l->pending;
	l->pending = l->work; /* empty */
	l->work = taken;
	memcpy(ret_dropped, l->dropped, sizeof(l->dropped));
	memset(l->dropped, 0, sizeof(l->dropped));
	pthread_mutex_unlock(&l->lock);
	return more;
}

static void *writer_main(void *arg)
{
	uint64_t dropped[REC_KIND_COUNT];
	struct logs *l = arg;

	/* Making a file takes the host's file system longer than all else here:
	 * not when the guest is ready and everybody waits for this thread. */
	rotfile_prepare(&l->file[REC_EXEC].rot);
	while (take_batch(l, dropped)) {
		write_batch(l);
		note_dropped(l, dropped); /* newer than all in this batch */
		for (unsigned i = 0; i < REC_KIND_COUNT; i++) {
			struct out_file *f = &l->file[i];
			int rc = rotfile_flush(&f->rot);

			if (rc)
				note_result(l, f, rc);
		}
	}
	return NULL;
}

static void destroy(struct logs *l)
{
	for (unsigned i = 0; i < REC_KIND_COUNT; i++)
		rotfile_close(&l->file[i].rot);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	buf_fini(&l->pending);
	buf_fini(&l->work);
	buf_fini(&l->line);
	free(l);
}

int logs_new(int dirfd, struct logs **ret)
{
	struct logs *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	int rc;

	if (!l)
		return -ENOMEM;
	buf_init(&l->pending, QUEUE_MAX);
	buf_init(&l->work, QUEUE_MAX);
	buf_init(&l->line, RECORD_MAX * 8u);
	for (unsigned i = 0; i < REC_KIND_COUNT; i++) {
		rotfile_init(&l->file[i].rot, dirfd, file_name[i],
			     ROTATE_LIMIT);
	}
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr,
					CLOCK_MONOTONIC); /* a valid one */
	pthread_cond_init(&l->wake, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&l->thread, NULL, writer_main, l);
	if (rc) {
		destroy(l);
		return -rc;
	}
	*ret = l;
	return 0;
}

struct logs *logs_free(struct logs *l)
{
	if (!l)
		return NULL;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	(void)pthread_join(l->thread, NULL); /* fails for a bad handle only */
	destroy(l);
	return NULL;
}
