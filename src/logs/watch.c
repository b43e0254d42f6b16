/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for news in a log directory: notifications, and a timer as well. */
#include "logs/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define PERIOD_MS 100
#define EVENTS (IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_DELETE)
#define EVENTS_SIZE 4096

static int add(int epoll_fd, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

/* Best effort: without it, the timer does. */
static void open_inotify(struct log_watch *w, const char *dir_path)
{
	w->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->inotify_fd < 0)
		return;
	if (inotify_add_watch(w->inotify_fd, dir_path, EVENTS | IN_ONLYDIR) <
		    0 ||
	    add(w->epoll_fd, w->inotify_fd))
		close_fd(&w->inotify_fd);
}

int log_watch_open(struct log_watch *w, const char *dir_path)
{
	const struct timespec period = { .tv_nsec = PERIOD_MS * NSEC_PER_MSEC };
	const struct itimerspec times = { .it_interval = period,
					  .it_value = period };
	int rc;

	w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (w->epoll_fd < 0)
		return -errno;
	w->timer_fd =
		timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (w->timer_fd < 0 || timerfd_settime(w->timer_fd, 0, &times, NULL))
		return -errno;
	rc = add(w->epoll_fd, w->timer_fd);
	if (!rc && dir_path)
		open_inotify(w, dir_path);
	return rc;
}

void log_watch_close(struct log_watch *w)
{
	close_fd(&w->epoll_fd);
	close_fd(&w->inotify_fd);
	close_fd(&w->timer_fd);
}

bool log_watch_wait(struct log_watch *w, int timeout_ms)
{
	struct pollfd p = { .fd = w->epoll_fd, .events = POLLIN };
	uint8_t events[EVENTS_SIZE];
	uint64_t ticks;

	/* whatever it says, the caller looks for himself */
	(void)poll(&p, 1, timeout_ms);
	while (w->inotify_fd >= 0 &&
	       io_read(w->inotify_fd, events, sizeof(events)) > 0)
		;
	return io_read(w->timer_fd, &ticks, sizeof(ticks)) > 0;
}
