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

#define WAIT_MS 2000

static bool has_name(int dir, const char *entry, const char *name)
{
	char path[300], text[64];
	autoclose int fd = -1;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/name", entry);
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : io_read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false;
	text[n] = 0;
	text[strcspn(text, "\n")] = 0;
	return !strcmp(text, name);
}

/* Descriptor, -ENOENT: not there yet, else -errno. */
static int try_open(void *ctx)
{
	const char *name = ctx;
	_Alignas(struct dirent64) char dents[4096];
	autoclose int dir = -1;
	char path[300];
	ssize_t n;

	dir = open("/sys/class/virtio-ports",
		   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = dir < 0 ? -1 : getdents64(dir, dents, sizeof(dents));
	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *e = (const void *)(dents + at);
		int fd;

		at += e->d_reclen;
		if (e->d_name[0] == '.' || !has_name(dir, e->d_name, name))
			continue;
		(void)snprintf(path, sizeof(path), "/dev/%s", e->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

int port_open(const char *name, struct err *err)
{
	int fd = uevent_retry(WAIT_MS, try_open, (void *)(uintptr_t)name);

	if (fd < 0)
		return err_sys(err, ERR_IO, -fd, "console port '%s'", name);
	return fd;
}
