/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the guest kernel's own output at a bounded rate. */
#include "engine/klog.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

#define CHUNK 8192
#define PAUSE_MS 100

void klog_note(struct klog *k, const void *data, size_t len)
{
	const char *p = data;
	size_t keep;

	if (len > KLOG_TAIL) {
		p += len - KLOG_TAIL;
		len = KLOG_TAIL;
	}
	keep = k->tail_len;
	if (keep > KLOG_TAIL - len)
		keep = KLOG_TAIL - len;
	memmove(k->tail, k->tail + k->tail_len - keep, keep);
	for (size_t i = 0; i < len; i++)
		k->tail[keep + i] = p[i] ? p[i] : ' ';
	k->tail_len = keep + len;
	k->tail[k->tail_len] = 0;
}

bool klog_contains(const struct klog *k, const char *text)
{
	return strstr(k->tail, text) != NULL;
}

bool klog_last_line(const struct klog *k, const char *key, char *buf,
		    size_t len)
{
	const char *line = k->tail, *found = NULL;
	size_t n;

	while (*line) {
		size_t line_len = strcspn(line, "\r\n");
		const char *hit = strstr(line, key);

		if (line_len && hit && hit <= line + line_len)
			found = hit + strlen(key);
		line += line_len;
		line += strspn(line, "\r\n");
	}
	if (!found)
		return false;
	n = strcspn(found, "\r\n");
	(void)snprintf(buf, len, "%.*s", (int)n, found);
	for (char *c = buf; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return true;
}

static void refill(struct klog *k)
{
	uint64_t now = loop_now_ms(k->loop);
	uint64_t add = (now - k->refilled_ms) * KLOG_RATE / 1000;

	if (!add)
		return;
	k->refilled_ms = now;
	k->budget = add >= KLOG_BURST - k->budget ? KLOG_BURST
						  : k->budget + (uint32_t)add;
}

/* Bytes passed on; 0 when there is nothing to read now, or ever. */
static size_t pass_on(struct klog *k)
{
	uint8_t chunk[CHUNK];
	size_t want = k->budget < sizeof(chunk) ? k->budget : sizeof(chunk);
	ssize_t n = want ? io_read(k->fd, chunk, want) : 0;

	if (n <= 0)
		return 0;
	k->budget -= (uint32_t)n;
	klog_note(k, chunk, (size_t)n);
	if (k->on_data)
		k->on_data(k->ctx, chunk, (size_t)n);
	return (size_t)n;
}

void klog_say(struct klog *k, const char *text)
{
	if (!k->on_data)
		return;
	if (k->tail_len && k->tail[k->tail_len - 1] != '\n')
		k->on_data(k->ctx, "\n", 1);
	k->on_data(k->ctx, text, strlen(text));
}

static void on_resume(struct timer *t)
{
	struct klog *k = container_of(t, struct klog, resume);

	refill(k);
	if (k->fd >= 0) /* fails only when it is not watched */
		(void)loop_rewatch(&k->watch, EPOLLIN);
}

static void on_output(struct watch *w, uint32_t events)
{
	struct klog *k = container_of(w, struct klog, watch);

	refill(k);
	if (pass_on(k))
		return;
	if (k->budget) {
		/* every writer has gone, and nothing is left */
		if (events & (EPOLLHUP | EPOLLERR)) {
			loop_unwatch(w);
			close_fd(&k->fd);
		}
		return;
	}
	(void)loop_rewatch(w, 0);
	loop_timer(k->loop, &k->resume, PAUSE_MS, on_resume);
}

int klog_init(struct klog *k, struct loop *loop, int fd,
	      void (*on_data)(void *ctx, const void *data, size_t len),
	      void *ctx)
{
	int rc;

	memset(k, 0, sizeof(*k));
	k->loop = loop;
	k->fd = fd;
	k->budget = KLOG_BURST;
	k->refilled_ms = loop_now_ms(loop);
	k->on_data = on_data;
	k->ctx = ctx;
	rc = loop_watch(loop, &k->watch, fd, EPOLLIN, on_output);
	if (rc)
		close_fd(&k->fd);
	return rc;
}

void klog_drain(struct klog *k)
{
	if (k->fd < 0)
		return;
	k->budget = KLOG_BURST;
	while (pass_on(k))
		;
	klog_fini(k);
}

void klog_fini(struct klog *k)
{
	loop_timer_cancel(&k->resume);
	loop_unwatch(&k->watch);
	close_fd(&k->fd);
}
