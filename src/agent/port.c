/* SPDX-License-Identifier: Apache-2.0 */
/* The console port that leads to the host. */
#include "agent/port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/uevent.h"
#include "base/cleanup.h"
#include "base/io.h"

#define PORTS "/sys/class/virtio-ports"
#define WAIT_MS 2000

static bool has_name(const char *entry, const char *name)
{
	char path[300], text[64];
	autoclose int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), PORTS "/%s/name", entry);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : io_read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return !strcmp(text, name);
}

static int open_if_named(const char *entry, const char *name)
{
	char path[300];
	int fd;

	if (!has_name(entry, name))
		return -ENOENT;
	(void)snprintf(path, sizeof(path), "/dev/%s", entry);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	return fd < 0 ? -errno : fd;
}

/* Descriptor, -ENOENT: not there yet, else -errno. */
static int try_open(void *ctx)
{
	const char *name = ctx;
	/* where it mostly is: port 1 of the first console */
	int fd = open_if_named("vport0p1", name);
	struct dirent *e;
	DIR *d;

	if (fd != -ENOENT)
		return fd;
	d = opendir(PORTS);
	while (fd == -ENOENT && d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			fd = open_if_named(e->d_name, name);
	if (d)
		(void)closedir(d);
	return fd;
}

int port_open(const char *name, struct err *err)
{
	int fd = uevent_retry(WAIT_MS, try_open, (void *)(uintptr_t)name);

	if (fd < 0)
		return err_sys(err, ERR_IO, -fd, "console port '%s'", name);
	return fd;
}
