/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who holds a port of the host. The kernel's socket tables tell the socket and
 * its user; the process is whichever has that socket among its descriptors, as
 * far as /proc shows those to us.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/str.h"
#include "net/port_int.h"

#define STATE_LISTEN 0x0a
#define NAME_LEN 64
#define RUNTIME "msb-runtime"

/* The columns of a row. */
enum {
	ROW_NUMBER,
	ROW_LOCAL,
	ROW_REMOTE,
	ROW_STATE,
	ROW_QUEUES,
	ROW_TIMER,
	ROW_RETRANSMITS,
	ROW_UID,
	ROW_TIMEOUT,
	ROW_INODE,
	ROW_COUNT
};

#define COLUMN_MAX 48 /* the longest is an IPv6 address with its port */

/* The whole text as a hexadecimal number that fits into 32 bits. */
static bool parse_hex(const char *text, size_t len, uint32_t *ret)
{
	uint32_t v = 0;

	if (!len || len > 8)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (!isxdigit(c))
			return false;
		v = v << 4 |
		    (uint32_t)(isdigit(c) ? c - '0' : toupper(c) - 'A' + 10);
	}
	*ret = v;
	return true;
}

/* Words of 32 bits, each printed as the machine reads it, and the port. */
static bool parse_local(const char *text, struct net_endpoint *ret)
{
	size_t len = strcspn(text, ":"), words = len / 8;
	uint32_t v;

	if (len % 8 || (words != 1 && words != 4) || !text[len] ||
	    !parse_hex(text + len + 1, strlen(text + len + 1), &v) ||
	    v > UINT16_MAX)
		return false;
	*ret = (struct net_endpoint){
		.addr.family = words == 1 ? AF_INET : AF_INET6,
		.port = (uint16_t)v,
	};
	for (size_t i = 0; i < words; i++) {
		if (!parse_hex(text + i * 8, 8, &v))
			return false;
		memcpy(ret->addr.b + i * 4, &v, 4);
	}
	return true;
}

bool port_row_parse(const char *line, struct port_row *ret)
{
	char column[ROW_COUNT][COLUMN_MAX];
	struct port_row r;

	for (int i = 0; i < ROW_COUNT; i++) {
		size_t len;

		line += strspn(line, " ");
		len = strcspn(line, " \n");
		if (!len || len >= COLUMN_MAX)
			return false;
		memcpy(column[i], line, len);
		column[i][len] = '\0';
		line += len;
	}
	if (!parse_local(column[ROW_LOCAL], &r.local) ||
	    !parse_hex(column[ROW_STATE], strlen(column[ROW_STATE]),
		       &r.state) ||
	    str_to_u32(column[ROW_UID], &r.uid) ||
	    str_to_u64(column[ROW_INODE], &r.inode))
		return false;
	*ret = r;
	return true;
}

static bool is_any(const struct net_addr *a)
{
	static const uint8_t zero[16];

	return !memcmp(a->b, zero, a->family == AF_INET ? 4 : 16);
}

bool port_row_blocks(const struct port_row *r, const struct net_port *p,
		     bool any)
{
	struct net_addr theirs = r->local.addr;

	if (r->local.port != p->bind.port ||
	    (!p->udp && !any && r->state != STATE_LISTEN))
		return false;
	if (theirs.family != p->bind.addr.family) {
		/* ours never takes IPv4 on an IPv6 socket, theirs may */
		if (theirs.family != AF_INET6)
			return false;
		if (is_any(&theirs))
			return true;
		theirs = net_addr_unwrap(&theirs);
		if (theirs.family != AF_INET)
			return false;
	}
	return is_any(&theirs) || is_any(&p->bind.addr) ||
	       net_addr_equal(&theirs, &p->bind.addr);
}

static bool find_in(const char *path, const struct net_port *p, bool any,
		    struct port_row *ret)
{
	FILE *f = fopen(path, "re");
	bool found = false;
	char line[512];

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = port_row_parse(line, ret) &&
			port_row_blocks(ret, p, any);
	(void)fclose(f);
	return found;
}

static bool find_row(const struct net_port *p, bool any, struct port_row *ret)
{
	if (p->bind.addr.family == AF_INET &&
	    find_in(p->udp ? "/proc/net/udp" : "/proc/net/tcp", p, any, ret))
		return true;
	/* sockets of IPv6 may have IPv4 ports as well */
	return find_in(p->udp ? "/proc/net/udp6" : "/proc/net/tcp6", p, any,
		       ret);
}

static bool has_socket(int proc, pid_t pid, const char *socket)
{
	char path[64], target[64];
	const struct dirent *e;
	bool found = false;
	ssize_t n;
	DIR *d;
	int fd;

	(void)snprintf(path, sizeof(path), "%d/fd", (int)pid);
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	d = fdopendir(fd);
	if (!d) {
		(void)close(fd);
		return false;
	}
	while (!found && (e = readdir(d))) {
		n = readlinkat(fd, e->d_name, target, sizeof(target) - 1);
		if (n <= 0)
			continue;
		target[n] = '\0';
		found = !strcmp(target, socket);
	}
	(void)closedir(d);
	return found;
}

/* The process that has this socket, or 0. */
static pid_t find_process(int proc, uint64_t inode)
{
	const struct dirent *e;
	char socket[64];
	pid_t pid = 0;
	DIR *d;
	int fd = openat(proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	d = fdopendir(fd);
	if (!d) {
		(void)close(fd);
		return 0;
	}
	(void)snprintf(socket, sizeof(socket), "socket:[%" PRIu64 "]", inode);
	while (!pid && (e = readdir(d))) {
		pid = (pid_t)strtol(e->d_name, NULL, 10); /* 0: another file */
		if (pid && !has_socket(proc, pid, socket))
			pid = 0;
	}
	(void)closedir(d);
	return pid;
}

/* A word of another process, fit to be shown. */
static void take_name(char ret[NAME_LEN], const uint8_t *text, size_t len)
{
	size_t n = 0;

	while (n < len && n < NAME_LEN - 1 && text[n] && text[n] != '\n') {
		ret[n] = isprint(text[n]) ? (char)text[n] : '?';
		n++;
	}
	ret[n] = '\0';
}

/* A sandbox's runtime has the sandbox's name as its only argument. */
static bool sandbox_name(int proc, pid_t pid, char ret[NAME_LEN])
{
	struct buf b;
	char path[32];
	const uint8_t *end, *data;
	bool is = false;

	buf_init(&b, 4096);
	(void)snprintf(path, sizeof(path), "%d/cmdline", (int)pid);
	if (!io_read_file_at(proc, path, &b)) {
		data = buf_data(&b);
		end = buf_len(&b) ? memchr(data, '\0', buf_len(&b)) : NULL;
		is = end && str_ends((const char *)data, RUNTIME) &&
		     end + 1 < data + buf_len(&b);
		if (is)
			take_name(ret, end + 1,
				  buf_len(&b) - (size_t)(end + 1 - data));
	}
	buf_fini(&b);
	return is && *ret;
}

static bool process_name(int proc, pid_t pid, char ret[NAME_LEN])
{
	struct buf b;
	char path[32];
	int rc;

	buf_init(&b, 4096);
	(void)snprintf(path, sizeof(path), "%d/comm", (int)pid);
	rc = io_read_file_at(proc, path, &b);
	if (!rc)
		take_name(ret, buf_data(&b), buf_len(&b));
	buf_fini(&b);
	return !rc && *ret;
}

void port_holder(const struct net_port *p, char ret[PORT_HOLDER_TEXT])
{
	autoclose int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[NAME_LEN];
	struct port_row row;
	pid_t pid;

	(void)snprintf(ret, PORT_HOLDER_TEXT, "another process");
	if (!find_row(p, false, &row) && !find_row(p, true, &row))
		return;
	pid = proc >= 0 ? find_process(proc, row.inode) : 0;
	if (pid && sandbox_name(proc, pid, name))
		(void)snprintf(ret, PORT_HOLDER_TEXT, "sandbox '%s' (pid %d)",
			       name, (int)pid);
	else if (pid && process_name(proc, pid, name))
		(void)snprintf(ret, PORT_HOLDER_TEXT, "%s (pid %d)", name,
			       (int)pid);
	else
		(void)snprintf(ret, PORT_HOLDER_TEXT,
			       "a process of user %" PRIu32, row.uid);
}
