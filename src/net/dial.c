/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to the host's side: sockets, and where else one may try. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "net/net_int.h"

int dial_open(const struct net_endpoint *to)
{
	const int on = 1;
	struct sockaddr_storage sa;
	socklen_t len = net_endpoint_to_sockaddr(to, &sa);
	int fd =
		socket(to->addr.family,
		       SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);

	if (fd < 0)
		return -errno;
	/* what the guest sends at once is not to wait here */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, (const struct sockaddr *)&sa, len) < 0 &&
	    errno != EINPROGRESS) {
		int rc = -errno;

		(void)close(fd);
		return rc;
	}
	return fd;
}

bool dial_other(struct net_endpoint *to, int error)
{
	static const struct net_addr loop4 = { AF_INET, { 127, 0, 0, 1 } };
	static const struct net_addr loop6 = { AF_INET6, { [15] = 1 } };

	if (error != -ECONNREFUSED && error != -EADDRNOTAVAIL &&
	    error != -ENETUNREACH && error != -EAFNOSUPPORT)
		return false;
	to->addr = to->addr.family == AF_INET ? loop6 : loop4;
	return true;
}

int dial_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

void dial_hang_up(struct watch *w, int *fd, bool rude)
{
	const struct linger now = { .l_onoff = 1 };

	if (*fd < 0)
		return;
	if (rude)
		(void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	loop_unwatch(w);
	close_fd(fd);
}
