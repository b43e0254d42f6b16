/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves one device on a Unix socket, for tests against other front ends and
 * for benchmarks: msb-vhost block|roblock FILE SOCKET | console SOCKET, or a
 * directory with tag "msb": msb-vhost fs|rofs DIRECTORY SOCKET, or the network
 * of slot 0 under the network section of a sandbox's configuration, with both
 * families whether the host has them or not: msb-vhost net JSON SOCKET. Ends
 * when its standard input does. Faults, disconnects and what the network logs
 * are told on standard error.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "virtio/dev/block.h"
#include "virtio/dev/console.h"
#include "virtio/dev/fs.h"
#include "virtio/dev/net.h"
#include "virtio/transport/vhost_user.h"

struct server {
	struct loop *loop;
	struct virtio_device *dev;
	struct vconsole *console;
	struct vhost_user *vu;
	struct watch input;
};

static void on_fault(void *ctx, const char *why)
{
	(void)ctx;
	fprintf(stderr, "fault: %s\n", why);
}

static void on_disconnect(void *ctx, const char *why)
{
	(void)ctx;
	fprintf(stderr, "disconnect: %s\n", why);
}

static void console_out(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	(void)io_write_full(STDOUT_FILENO, data, len);
}

/* An echo, so that both directions can be seen from the guest. */
static size_t agent_in(void *ctx, const void *data, size_t len)
{
	struct server *s = ctx;

	return vconsole_write(s->console, data, len);
}

static void agent_writable(void *ctx)
{
	struct server *s = ctx;

	vconsole_resume(s->console);
}

static void agent_open(void *ctx, bool open)
{
	(void)ctx;
	fprintf(stderr, "agent: %s\n", open ? "open" : "closed");
}

static int make_block(struct server *s, const char *path, bool readonly)
{
	struct vblock_config config = { .serial = "msb-vhost" };
	int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	int rc = fd < 0 ? -errno : disk_raw(fd, readonly, &config.disk, NULL);

	if (rc)
		return rc;
	rc = vblock_new(&config, &s->dev);
	if (rc)
		disk_free(config.disk);
	return rc;
}

static int make_fs(struct server *s, const char *path, bool readonly)
{
	const struct fs_config config = { .path = path,
					  .follow_symlinks = true,
					  .readonly = readonly,
					  .strict_or_relaxed = true };
	struct err err = { 0 };
	struct fs_server *fs;
	int rc = fs_server_new(&config, &fs, &err);

	if (rc) {
		fprintf(stderr, "%s\n", err.msg);
		return rc;
	}
	rc = vdev_fs_new("msb", fs, &s->dev);
	if (rc)
		fs = fs_server_free(fs);
	return rc;
}

static void net_line(void *ctx, int level, const char *line)
{
	(void)ctx;
	fprintf(stderr, "net %d: %s\n", level, line);
}

static int make_net(struct server *s, const char *text)
{
	struct net_config config;
	struct net_addresses addr;
	struct err err = { 0 };
	json_t *section = json_loads(text, 0, NULL);
	const struct net_host host = { .log = net_line };
	struct net *net;
	int rc = section ? net_config_from_json(section, &config, &err)
			 : -EINVAL;

	json_decref(section);
	if (rc) {
		fprintf(stderr, "%s: %s\n", text, err.msg);
		return rc;
	}
	rc = net_addresses_assign(&config, 0, true, true, &addr, &err);
	if (!rc)
		rc = net_new(&config, &addr, &host, &net, &err);
	if (rc) {
		fprintf(stderr, "%s\n", err.msg);
		net_config_fini(&config);
		return rc;
	}
	rc = vdev_net_new(net, &s->dev);
	if (rc)
		net = net_free(net);
	return rc;
}

static int make_console(struct server *s)
{
	const struct vconsole_events events = {
		.ctx = s,
		.on_console = console_out,
		.on_data = agent_in,
		.on_writable = agent_writable,
		.on_open = agent_open,
	};
	int rc = vconsole_new(&events, &s->console);

	if (!rc)
		s->dev = vconsole_device(s->console);
	return rc;
}

static void on_input(struct watch *w, uint32_t events)
{
	struct server *s = container_of(w, struct server, input);
	char drop[256];

	(void)events;
	if (io_read(w->fd, drop, sizeof(drop)) <= 0)
		loop_stop(s->loop);
}

static int listen_on(const char *path)
{
	const char *slash = strrchr(path, '/');
	autofree char *dir =
		slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	autoclose int dirfd = -1;

	if (!dir)
		return -ENOMEM;
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	return io_unix_listen_at(dirfd, slash ? slash + 1 : path, 4);
}

static int serve(struct server *s, const char *socket_path)
{
	const struct vhost_user_events events = { .on_fault = on_fault,
						  .on_disconnect =
							  on_disconnect };
	int fd, rc;

	fd = listen_on(socket_path);
	if (fd < 0)
		return fd;
	rc = loop_new(&s->loop);
	if (rc)
		return rc;
	rc = vhost_user_serve(s->loop, s->dev, fd, VHOST_USER_EVENTFD_CALL,
			      &events, &s->vu);
	if (!rc)
		rc = loop_watch(s->loop, &s->input, STDIN_FILENO, EPOLLIN,
				on_input);
	if (!rc) {
		fprintf(stderr, "ready\n");
		rc = loop_run(s->loop);
	}
	loop_unwatch(&s->input);
	s->vu = vhost_user_free(s->vu);
	s->loop = loop_free(s->loop);
	return rc;
}

int main(int argc, char **argv)
{
	struct server s = { .loop = NULL };
	int rc = -EINVAL;

	if (argc == 4 && !strcmp(argv[1], "block"))
		rc = make_block(&s, argv[2], false);
	else if (argc == 4 && !strcmp(argv[1], "roblock"))
		rc = make_block(&s, argv[2], true);
	else if (argc == 4 && !strcmp(argv[1], "fs"))
		rc = make_fs(&s, argv[2], false);
	else if (argc == 4 && !strcmp(argv[1], "rofs"))
		rc = make_fs(&s, argv[2], true);
	else if (argc == 4 && !strcmp(argv[1], "net"))
		rc = make_net(&s, argv[2]);
	else if (argc == 3 && !strcmp(argv[1], "console"))
		rc = make_console(&s);
	else
		fprintf(stderr,
			"usage: %s block|roblock FILE SOCKET | "
			"fs|rofs DIRECTORY SOCKET | net JSON SOCKET | "
			"console SOCKET\n",
			argv[0]);
	if (!rc)
		rc = serve(&s, argv[argc - 1]);
	if (rc)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-rc));
	if (s.dev)
		s.dev->ops->free(s.dev);
	return rc ? 1 : 0;
}
