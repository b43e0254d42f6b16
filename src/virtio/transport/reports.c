/* SPDX-License-Identifier: Apache-2.0 */
/* Reports from a serving thread to the owner's loop. */
#include "virtio/transport/reports.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/io.h"

static void on_report(struct watch *w, uint32_t events)
{
	struct reports *r = container_of(w, struct reports, watch);
	enum report_kind kind = REPORT_KINDS;
	struct report found = { .pending = false };
	bool more = false;
	uint64_t count;

	(void)events;
	pthread_mutex_lock(&r->lock);
	for (int i = REPORT_KINDS - 1; i >= 0; i--) {
		if (!r->report[i].pending)
			continue;
		more = found.pending;
		found = r->report[i];
		kind = (enum report_kind)i;
	}
	if (found.pending)
		r->report[kind].pending = false;
	if (!more)
		(void)io_read(w->fd, &count, sizeof(count)); /* resets it */
	pthread_mutex_unlock(&r->lock);
	if (found.pending)
		r->deliver(r, kind, found.why); /* nothing may follow */
}

int reports_init(struct reports *r, struct loop *owner,
		 void (*deliver)(struct reports *, enum report_kind,
				 const char *))
{
	*r = (struct reports){ .deliver = deliver };
	pthread_mutex_init(&r->lock, NULL);
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fd < 0)
		return -errno;
	return loop_watch(owner, &r->watch, r->fd, EPOLLIN, on_report);
}

void reports_send(struct reports *r, enum report_kind kind, const char *why)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&r->lock);
	r->report[kind].pending = true;
	(void)snprintf(r->report[kind].why, sizeof(r->report[kind].why), "%s",
		       why);
	pthread_mutex_unlock(&r->lock);
	(void)io_write(r->fd, &one, sizeof(one)); /* cannot be full */
}

void reports_fini(struct reports *r)
{
	loop_unwatch(&r->watch);
	close_fd(&r->fd);
	pthread_mutex_destroy(&r->lock);
}
