/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for news in a log directory. */
#ifndef MSB_LOGS_WATCH_H
#define MSB_LOGS_WATCH_H

#include <stdbool.h>

struct log_watch {
	int epoll_fd;	/* readable when there may be news */
	int inotify_fd; /* -1: the host has no more of them */
	int timer_fd;
};

#define LOG_WATCH_INIT                                                         \
	{                                                                      \
		.epoll_fd = -1, .inotify_fd = -1, .timer_fd = -1               \
	}

int log_watch_open(struct log_watch *w, const char *dir_path); /* 0 or -errno */
void log_watch_close(struct log_watch *w);
/* Wait for at most timeout_ms, then forget what happened until now. True: it is
 * time to look at everything. */
bool log_watch_wait(struct log_watch *w, int timeout_ms);

#endif
