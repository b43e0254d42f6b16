/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network of a sandbox, with interception, behind a TAP interface: the
 * guest is the kernel that has the interface. For tls.py.
 *	tlstap FD JSON CA_DIRECTORY [VALUES]
 * FD: the interface (IFF_VNET_HDR), JSON: the network section of slot 0,
 * VALUES: a file with the secrets' values as the runtime gets them. Prints
 * "ready" when frames are served; ends with its standard input.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/io.h"
#include "net/net.h"
#include "net/tls/proxy.h"

#define FRAME_MAX (65535u + 40u + 18u)
#define TCP_HEADER_MIN 20u
#define BATCH 64u /* frames that are answered together */

struct tap {
	struct loop *loop;
	struct net *net;
	struct watch frames, input;
	uint8_t in[FRAME_MAX], out[FRAME_MAX];
	struct iovec window;
};

static size_t link_reserve(void *ctx, size_t min MSB_UNUSED, size_t max,
			   const struct iovec **iov, unsigned *n)
{
	struct tap *t = ctx;

	t->window.iov_base = t->out;
	t->window.iov_len = max < FRAME_MAX ? max : FRAME_MAX;
	*iov = &t->window;
	*n = 1;
	return t->window.iov_len;
}

static void link_commit(void *ctx, size_t len, const struct net_offload *o)
{
	struct tap *t = ctx;
	struct virtio_net_hdr h = { .flags = 0 };
	struct iovec iov[] = { { &h, sizeof(h) }, { t->out, len } };

	if (o->needs_csum) {
		h.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h.csum_start = o->csum_start;
		h.csum_offset = o->csum_offset;
	} else if (o->csum_valid) {
		h.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (o->gso_size) {
		h.gso_type = o->gso_v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				       : VIRTIO_NET_HDR_GSO_TCPV4;
		h.gso_size = o->gso_size;
		h.hdr_len = (uint16_t)(o->csum_start + TCP_HEADER_MIN);
	}
	/* one that the kernel does not take is lost, as on any link */
	(void)!writev(t->frames.fd, iov, 2);
}

static void link_flush(void *ctx)
{
	(void)ctx;
}

static const struct net_link_ops link_ops = {
	.reserve = link_reserve,
	.commit = link_commit,
	.flush = link_flush,
};

static void on_frames(struct watch *w, uint32_t events MSB_UNUSED)
{
	struct tap *t = container_of(w, struct tap, frames);
	struct virtio_net_hdr h;
	struct iovec iov[] = { { &h, sizeof(h) }, { t->in, sizeof(t->in) } };
	struct iovec frame = { .iov_base = t->in };
	ssize_t n;

	for (unsigned i = 0; i < BATCH; i++) {
		struct net_offload o = { .gso_size = 0 };

		n = readv(w->fd, iov, 2);
		if (n <= (ssize_t)sizeof(h))
			break;
		frame.iov_len = (size_t)n - sizeof(h);
		o.needs_csum = h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
		o.csum_start = h.csum_start;
		o.csum_offset = h.csum_offset;
		o.gso_size = h.gso_type ? h.gso_size : 0;
		o.gso_v6 = (h.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) ==
			   VIRTIO_NET_HDR_GSO_TCPV6;
		net_input(t->net, &frame, 1, &o);
	}
	net_input_end(t->net);
}

static void on_input(struct watch *w, uint32_t events MSB_UNUSED)
{
	struct tap *t = container_of(w, struct tap, input);

	loop_stop(t->loop);
}

static void log_line(void *ctx, int level, const char *line)
{
	(void)ctx;
	fprintf(stderr, "net %d: %s\n", level, line);
}

static void on_terminate(void *ctx)
{
	struct tap *t = ctx;

	loop_stop(t->loop);
}

static int serve(struct tap *t, int fd)
{
	const struct net_link link = { .ops = &link_ops,
				       .ctx = t,
				       .csum = true,
				       .tso4 = true,
				       .tso6 = true };
	int rc = loop_new(&t->loop);

	if (!rc)
		rc = net_attach(t->net, t->loop, &link);
	if (!rc)
		rc = loop_watch(t->loop, &t->frames, fd, EPOLLIN, on_frames);
	if (!rc)
		rc = loop_watch(t->loop, &t->input, STDIN_FILENO, EPOLLIN,
				on_input);
	if (rc)
		return rc;
	puts("ready");
	fflush(stdout);
	rc = loop_run(t->loop);
	loop_unwatch(&t->frames);
	loop_unwatch(&t->input);
	net_detach(t->net);
	t->loop = loop_free(t->loop);
	return rc;
}

static int open_net(struct tap *t, const char *text, const char *ca_dir,
		    int values, struct tls_proxy **tls, struct err *err)
{
	struct net_host host = { .ctx = t,
				 .log = log_line,
				 .terminate = on_terminate };
	json_t *section = json_loads(text, 0, NULL);
	struct net_addresses addr;
	struct net_config config;
	int rc = net_config_from_json(section, &config, err);

	json_decref(section);
	if (rc)
		return rc;
	rc = net_addresses_assign(&config, 0, true, false, &addr, err);
	if (!rc && config.tls.enabled)
		rc = tls_proxy_new(&config, ca_dir, values, tls, err);
	if (*tls) {
		host.tls = *tls;
		host.tls_ops = &tls_proxy_ops;
	}
	return rc ? rc : net_new(&config, &addr, &host, &t->net, err);
}

int main(int argc, char **argv)
{
	struct tap *t = calloc(1, sizeof(*t));
	struct tls_proxy *tls = NULL;
	struct err err = { 0 };
	int fd, values = -1, rc;

	if (!t || (argc != 4 && argc != 5)) {
		fprintf(stderr,
			"usage: tlstap FD JSON CA_DIRECTORY [VALUES]\n");
		return 2;
	}
	fd = (int)strtoul(argv[1], NULL, 10);
	if (argc == 5)
		values = open(argv[4], O_RDONLY | O_CLOEXEC);
	if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) ||
	    fcntl(fd, F_SETFL, O_NONBLOCK)) {
		perror("tlstap");
		free(t);
		return 1;
	}
	rc = open_net(t, argv[2], argv[3], values, &tls, &err);
	if (!rc)
		rc = serve(t, fd);
	if (rc)
		fprintf(stderr, "tlstap: %s\n",
			err.msg[0] ? err.msg : strerror(-rc));
	t->net = net_free(t->net);
	tls_proxy_free(tls);
	free(t);
	return rc ? 1 : 0;
}
