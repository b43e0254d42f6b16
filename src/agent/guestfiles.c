/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the guest that are written at every boot. */
#include "agent/guestfiles.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/diag.h"
#include "agent/env.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"

#define FILE_MAX_SIZE (1u << 20)

#define PROFILE_BEGIN "# >>> microsandbox scripts path >>>"
#define PROFILE_END "# <<< microsandbox scripts path <<<"

static const char profile_block[] =
	PROFILE_BEGIN "\n"
		      "case \":$PATH:\" in\n"
		      "  *:" SCRIPTS_DIR ":*) ;;\n"
		      "  *) export PATH=\"" SCRIPTS_DIR ":$PATH\" ;;\n"
		      "esac\n" PROFILE_END "\n";

/* "before address after", for each family that has one. */
static void put_address(struct buf *out, const char *before, int family,
			const uint8_t *address, const char *after)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(family, address, text, sizeof(text)))
		(void)buf_printf(out, "%s%s%s\n", before, text, after);
}

static void put_alias(struct buf *out, const struct bootspec *s)
{
	char after[300];

	if (!s->has_network || !s->host_alias)
		return;
	(void)snprintf(after, sizeof(after), "\t%s", s->host_alias);
	if (s->network.ipv4.on)
		put_address(out, "", AF_INET, s->network.ipv4.gateway, after);
	if (s->network.ipv6.on)
		put_address(out, "", AF_INET6, s->network.ipv6.gateway, after);
}

void hosts_render(struct buf *out, const struct bootspec *spec)
{
	const char *sep = spec->hostname ? " " : "";
	const char *name = spec->hostname ? spec->hostname : "";

	(void)buf_printf(out,
			 "127.0.0.1\tlocalhost%s%s\n"
			 "::1\tlocalhost ip6-localhost ip6-loopback%s%s\n",
			 sep, name, sep, name);
	put_alias(out, spec);
	(void)buf_str(out, "fe00::\tip6-localnet\n"
			   "ff00::\tip6-mcastprefix\n"
			   "ff02::1\tip6-allnodes\n"
			   "ff02::2\tip6-allrouters\n");
}

void resolv_render(struct buf *out, const struct bootspec *spec)
{
	const struct boot_network *n = &spec->network;

	if (!spec->has_network)
		return;
	if (n->ipv4.on && n->ipv4.has_dns)
		put_address(out, "nameserver ", AF_INET, n->ipv4.dns, "");
	if (n->ipv6.on && n->ipv6.has_dns)
		put_address(out, "nameserver ", AF_INET6, n->ipv6.dns, "");
}

static bool contains(struct view text, const char *needle)
{
	return text.p && text.len &&
	       memmem(text.p, text.len, needle, strlen(needle));
}

bool profile_render(struct buf *out, struct view old)
{
	if (contains(old, PROFILE_BEGIN) && contains(old, PROFILE_END))
		return false;
	(void)buf_append(out, old.p, old.len);
	if (old.p && old.len && old.p[old.len - 1] != '\n')
		(void)buf_str(out, "\n");
	(void)buf_str(out, profile_block);
	return true;
}

/* What the file holds now; nothing when it is missing or no plain file. */
static int read_old(const char *path, struct buf *b)
{
	/* not blocking: the image may have a FIFO there */
	autoclose int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return -errno;
	return io_read_all(fd, b);
}

static int write_file(const char *path, const struct buf *b)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK |
		    O_NOCTTY;
	autoclose int fd = open(path, flags, 0644);

	return fd < 0 ? -errno : io_write_full(fd, buf_data(b), buf_len(b));
}

/* No /etc yet, no such file, or a symbolic link to nowhere. */
static int make_target(const char *path)
{
	const struct buf empty = { 0 };

	if (mkdir("/etc", 0755) < 0 && errno == EEXIST)
		(void)unlink(path);
	return write_file(path, &empty);
}

/*
 * These files belong to one machine, while its root may be a directory that
 * others use at the same time, or that its owner wants unchanged. So they are
 * kept in memory and bound over what the root has in their place.
 */
static void provide(const char *file, const char *path, const struct buf *want)
{
	int rc = write_file(file, want);

	if (!rc && mount(file, path, NULL, MS_BIND, NULL) < 0) {
		rc = errno == ENOENT ? make_target(path) : -errno;
		if (!rc && mount(file, path, NULL, MS_BIND, NULL) < 0)
			rc = -errno;
	}
	if (rc)
		diag("cannot provide %s: %s", path, strerror(-rc));
}

void guestfiles_profile(void)
{
	MSB_CLEANUP(buf_fini) struct buf old = { .max = FILE_MAX_SIZE };
	MSB_CLEANUP(buf_fini)
	struct buf want = { .max = FILE_MAX_SIZE + sizeof(profile_block) + 1 };
	int rc;

	rc = read_old("/etc/profile", &old);
	if (rc && rc != -ENOENT) {
		diag("cannot read /etc/profile: %s", strerror(-rc));
		return;
	}
	if (!profile_render(&want,
			    (struct view){ buf_data(&old), buf_len(&old) }))
		return;
	rc = want.failed ? -ENOMEM : write_file("/etc/profile", &want);
	if (rc)
		diag("cannot write /etc/profile: %s", strerror(-rc));
}

void guestfiles_write(const struct bootspec *spec)
{
	MSB_CLEANUP(buf_fini) struct buf text = { .max = 4096 };
	const char *hostname = spec->hostname;

	hosts_render(&text, spec);
	provide("/.msb/hosts", "/etc/hosts", &text);
	buf_reset(&text);
	resolv_render(&text, spec);
	if (buf_len(&text))
		provide("/.msb/resolv.conf", "/etc/resolv.conf", &text);
	if (hostname) {
		buf_reset(&text);
		(void)buf_printf(&text, "%s\n", hostname);
		if (sethostname(hostname, strlen(hostname)) < 0)
			diag("cannot set the host name: %s", strerror(errno));
		provide("/.msb/hostname", "/etc/hostname", &text);
	}
}

static int tmp_dir(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0) {
		int rc = io_mkdir_p(AT_FDCWD, path, 0755);

		if (rc == -EROFS) {
			diag("no %s on a read-only root", path);
			return 0;
		}
		if (rc)
			return err_sys(err, ERR_IO, -rc, "create %s", path);
		st.st_mode = S_IFDIR;
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID, ENOTDIR,
			       "%s is not a directory", path);
	if ((st.st_mode & 07777) != 01777 && chmod(path, 01777) < 0)
		diag("cannot open %s to all users: %s", path, strerror(errno));
	return 0;
}

int guestfiles_tmp_dirs(struct err *err)
{
	int rc = tmp_dir("/tmp", err);

	return rc ? rc : tmp_dir("/var/tmp", err);
}

static int write_script(int dir, const struct boot_script *s, struct err *err)
{
	autoclose int fd = -1;
	int rc;

	if (!s->name || !*s->name || strchr(s->name, '/') ||
	    !strcmp(s->name, ".") || !strcmp(s->name, ".."))
		return err_set(err, ERR_INVALID, EINVAL, "bad script name '%s'",
			       s->name ? s->name : "");
	fd = openat(dir, s->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0755);
	rc = fd < 0 ? -errno : io_write_full(fd, s->data, s->len);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "write script '%s'", s->name);
	return 0;
}

int guestfiles_scripts(const struct bootspec *spec, struct err *err)
{
	autoclose int dir = -1;

	if (mkdir(SCRIPTS_DIR, 0755) < 0 && errno != EEXIST) {
		diag("cannot create " SCRIPTS_DIR ": %s", strerror(errno));
		if (!spec->nscripts)
			return 0;
	}
	if (!spec->nscripts)
		return 0;
	dir = open(SCRIPTS_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, ERR_IO, errno, "open " SCRIPTS_DIR);
	for (size_t i = 0; i < spec->nscripts; i++) {
		int rc = write_script(dir, &spec->scripts[i], err);

		if (rc)
			return rc;
	}
	return 0;
}
