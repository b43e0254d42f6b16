/* SPDX-License-Identifier: Apache-2.0 */
/* Which connections to ports that are not intercepted are looked at. */
#include <errno.h>

#include "base/iov.h"
#include "net/tls/head.h"
#include "net/tls/proxy_int.h"

int tls_classify(struct tls_proxy *p, const struct tcp_conn *c,
		 const void *data, size_t len)
{
	const struct net_config *config = &p->net->config;
	const bool any = config->secrets.n > 0; /* request is of interest */

	(void)c;
	if (!config->tls.enabled)
		return 0;
	switch (http_first(data, len)) {
	case HTTP_UNSURE:
		return any || http_may_connect(data, len) ? -EAGAIN : 0;
	case HTTP_CONNECT:
		return 1;
	case HTTP_REQUEST:
		return any;
	case HTTP_NOT:
		break;
	}
	return 0;
}

void tls_take(struct tls_proxy *p, struct tcp_conn *c, int fd)
{
	/* a word that was told apart once is told apart in its first bytes */
	uint8_t first[512];
	struct iovec ring[2];

	tcp_peek(c, ring);
	if (http_first(first, iov_read(ring, 2, 0, first, sizeof(first))) ==
	    HTTP_CONNECT)
		tunnel_start(p, c, fd);
	else
		plain_start(p, c, fd);
}
