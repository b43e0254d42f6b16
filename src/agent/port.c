/* SPDX-License-Identifier: Apache-2.0 */
/* The console port that leads to the host. */
#include "agent/port.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

#define ATTEMPTS 500
#define PAUSE_MS 2

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
static int try_open(const char *sys, const char *dev, const char *name)
{
	_Alignas(struct dirent64) char dents[4096];
	autoclose int dir = -1;
	char path[512];
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/class/virtio-ports", sys);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	n = dir < 0 ? -1 : getdents64(dir, dents, sizeof(dents));
	for (ssize_t at = 0; at < n;) {
		const struct dirent64 *e = (const void *)(dents + at);
		int fd;

		at += e->d_reclen;
		if (e->d_name[0] == '.' || !has_name(dir, e->d_name, name))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dev, e->d_name);
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
		return fd < 0 ? -errno : fd;
	}
	return -ENOENT;
}

int port_open(const char *sys, const char *dev, const char *name,
	      struct err *err)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000 * 1000 };
	int fd = -ENOENT;

	for (int i = 0; i < ATTEMPTS; i++) {
		fd = try_open(sys, dev, name);
		if (fd != -ENOENT)
			break;
		(void)nanosleep(&pause, NULL); /* one round earlier is fine */
	}
	if (fd < 0)
		return err_sys(err, ERR_IO, -fd, "console port '%s'", name);
	return fd;
}
