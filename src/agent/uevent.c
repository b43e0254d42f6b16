/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting for devices that the kernel is still bringing up. */
#include "agent/uevent.h"

#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"

/* Not every state that matters is announced: look again at times as well. */
#define ROUND_MS 20

static int open_events(void)
{
	struct sockaddr_nl addr = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	autoclose int fd =
		socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_KOBJECT_UEVENT);

	if (fd < 0 ||
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -1;
	return take_fd(&fd);
}

int uevent_retry(uint64_t limit_ms, int (*attempt)(void *ctx), void *ctx)
{
	uint64_t end = clock_mono_ms() + limit_ms;
	autoclose int fd = -1;
	int rc = attempt(ctx);

	if (rc != -ENOENT)
		return rc;
	/* from here on events are kept, so none is missed by looking first */
	fd = open_events();
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char drop[4096];

		rc = attempt(ctx);
		if (rc != -ENOENT || clock_mono_ms() >= end)
			return rc;
		/* without a socket (fd < 0) this is a pause */
		(void)poll(&p, 1, ROUND_MS);
		while (fd >= 0 && recv(fd, drop, sizeof(drop), 0) > 0)
			;
	}
}
