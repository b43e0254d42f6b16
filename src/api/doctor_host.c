/* SPDX-License-Identifier: Apache-2.0 */
/* The home and the host as they are, and what to do where they are in the way.
 */
#include "api/doctor_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "net/config.h"

#define PROBE "user.microsandbox.probe"
#define SPACE_FAIL_MIB 64u
#define SPACE_WARN_MIB 1024u
#define FILES_FAIL 1000u
#define FILES_WARN 20000u
#define SHM_WARN_MIB 8u	     /* a registry is half of that */
#define MEMORY_WARN_MIB 640u /* a machine of the default size */
#define NOFILE_WARN 4096u
#define ADDRESSES_WARN (8ull << 30) /* a guest's memory, mapped three times */
#define FILE_WARN (1ull << 30)	    /* the guest's memory is a file */

#ifndef CIFS_SUPER_MAGIC
#define CIFS_SUPER_MAGIC 0xFF534D42
#endif

/* ---- finding out -------------------------------------------------------- */

static int try_write(int dir)
{
	static const char name[] = ".doctor";
	autoclose int fd = openat(
		dir, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return errno;
	return unlinkat(dir, name, 0) < 0 ? errno : 0;
}

static int try_xattr(int dir)
{
	if (fsetxattr(dir, PROBE, "1", 1, 0) < 0)
		return errno;
	return fremovexattr(dir, PROBE) < 0 ? errno : 0;
}

static void read_home(int fd, struct doctor_host *f)
{
	struct statvfs v;
	struct statfs fs;
	struct stat st;

	if (fstat(fd, &st) < 0 || fstatvfs(fd, &v) < 0 ||
	    fstatfs(fd, &fs) < 0) {
		f->home_errno = errno;
		return;
	}
	f->home_uid = st.st_uid;
	f->home_mode = st.st_mode & 07777;
	f->home_fs = (long)fs.f_type;
	f->free_mib = ((uint64_t)v.f_bavail * v.f_frsize) >> 20;
	f->counts_files = v.f_files != 0;
	f->free_files = v.f_favail;
	f->write_errno = try_write(fd);
	f->xattr_errno = try_xattr(fd);
}

/* "MemAvailable: 1234 kB" */
static uint64_t memory_available_mib(void)
{
	static const char key[] = "MemAvailable:";
	unsigned long long kib = 0;
	const char *text, *line;
	struct buf b;

	buf_init(&b, 16384);
	text = io_read_file_at(AT_FDCWD, "/proc/meminfo", &b) == 0
		       ? buf_cstr(&b)
		       : NULL;
	line = text ? strstr(text, key) : NULL;
	if (line) /* 0 is as good as nothing */
		kib = strtoull(line + strlen(key), NULL, 10);
	buf_fini(&b);
	return kib >> 10;
}

static uint64_t limit_of(int resource, bool hard)
{
	struct rlimit l;
	rlim_t value;

	if (getrlimit((__rlimit_resource_t)resource, &l) < 0)
		return DOCTOR_NO_LIMIT;
	value = hard ? l.rlim_max : l.rlim_cur;
	return value == RLIM_INFINITY ? DOCTOR_NO_LIMIT : value;
}

static void read_shm(struct doctor_host *f)
{
	struct statvfs v;

	if (access("/dev/shm", W_OK | X_OK) < 0 || statvfs("/dev/shm", &v) < 0)
		f->shm_errno = errno;
	else
		f->shm_free_mib = ((uint64_t)v.f_bavail * v.f_frsize) >> 20;
}

void doctor_host_read(int home_fd, struct doctor_host *f)
{
	autoclose int ping =
		socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_ICMP);
	struct statvfs v;

	f->euid = geteuid();
	read_home(home_fd, f);
	f->guest_noexec = f->guest_file && statvfs(f->guest_file, &v) == 0 &&
			  v.f_flag & ST_NOEXEC;
	f->proc_errno = access("/proc/self/fd", X_OK) < 0 ? errno : 0;
	read_shm(f);
	f->memory_mib = memory_available_mib();
	f->max_files = limit_of(RLIMIT_NOFILE, true);
	f->max_file_bytes = limit_of(RLIMIT_FSIZE, false);
	f->max_address_bytes = limit_of(RLIMIT_AS, false);
	f->ipv4 = net_host_has(AF_INET);
	f->ipv6 = net_host_has(AF_INET6);
	f->ping = ping >= 0;
}

/* ---- saying ------------------------------------------------------------- */

void doctor_say(struct doctor_report *r, msb_check_state_t state,
		const char *name, const char *remedy, const char *fmt, ...)
{
	char detail[1024];
	msb_check_t check = { .struct_size = sizeof(check),
			      .state = state,
			      .name = name,
			      .detail = detail,
			      .remedy = remedy };
	va_list ap;

	if (r->stopped)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(detail, sizeof(detail), fmt, ap);
	va_end(ap);
	r->stopped = r->fn(r->ctx, &check);
}

/* Locks of files, which all of our state relies on, are not to be relied on. */
static const char *remote(long type)
{
	switch ((unsigned long)type & 0xffffffff) {
	case NFS_SUPER_MAGIC:
		return "NFS";
	case CIFS_SUPER_MAGIC:
	case SMB_SUPER_MAGIC:
	case SMB2_SUPER_MAGIC:
		return "SMB";
	case V9FS_MAGIC:
		return "9p";
	default:
		return NULL;
	}
}

static void say_home(const struct doctor_host *f, struct doctor_report *r)
{
	char remedy[512];

	(void)snprintf(remedy, sizeof(remedy),
		       "set MSB_HOME to a directory of your own");
	if (f->home_errno || f->write_errno) {
		doctor_say(r, MSB_CHECK_FAIL, "home", remedy, "%s: %s", f->home,
			   strerror(f->home_errno ? f->home_errno
						  : f->write_errno));
	} else if (f->home_uid != f->euid) {
		doctor_say(r, MSB_CHECK_WARN, "home", remedy,
			   "%s belongs to uid %u", f->home, f->home_uid);
	} else if (f->home_mode & 077) {
		(void)snprintf(remedy, sizeof(remedy), "chmod 700 '%s'",
			       f->home);
		doctor_say(r, MSB_CHECK_WARN, "home", remedy,
			   "%s has mode %03o: others could reach your "
			   "sandboxes",
			   f->home, (unsigned)f->home_mode & 0777);
	} else if (remote(f->home_fs)) {
		doctor_say(r, MSB_CHECK_WARN, "home",
			   "set MSB_HOME to a directory on a disk of this host",
			   "%s is on %s, whose locks may not hold", f->home,
			   remote(f->home_fs));
	} else {
		doctor_say(r, MSB_CHECK_OK, "home", "", "%s", f->home);
	}
}

static void say_space(const struct doctor_host *f, struct doctor_report *r)
{
	static const char remedy[] = "`msb image prune` removes images without "
				     "sandboxes, `msb rm` sandboxes; or set "
				     "MSB_HOME to a larger disk";
	unsigned long long mib = f->free_mib, files = f->free_files;
	bool few = f->counts_files && files < FILES_WARN;
	bool none =
		mib < SPACE_FAIL_MIB || (f->counts_files && files < FILES_FAIL);

	if (f->home_errno)
		return;
	if (few)
		doctor_say(r, none ? MSB_CHECK_FAIL : MSB_CHECK_WARN,
			   "disk space", remedy,
			   "%llu MiB and %llu files left for %s", mib, files,
			   f->home);
	else
		doctor_say(r,
			   none			  ? MSB_CHECK_FAIL
			   : mib < SPACE_WARN_MIB ? MSB_CHECK_WARN
						  : MSB_CHECK_OK,
			   "disk space", mib < SPACE_WARN_MIB ? remedy : "",
			   "%llu MiB free", mib);
}

static void say_attributes(const struct doctor_host *f, struct doctor_report *r)
{
	if (f->home_errno || f->write_errno)
		return;
	if (f->xattr_errno)
		doctor_say(r, MSB_CHECK_INFO, "file attributes",
			   "use a file system with extended attributes, such "
			   "as ext4, xfs or btrfs, to keep owners",
			   "owners and devices that a guest makes in the home "
			   "are not kept: %s",
			   strerror(f->xattr_errno));
	else
		doctor_say(r, MSB_CHECK_OK, "file attributes", "",
			   "kept in the home");
}

void doctor_host_home(const struct doctor_host *f, struct doctor_report *r)
{
	say_home(f, r);
	say_space(f, r);
	say_attributes(f, r);
}

static void say_devices(const struct doctor_host *f, struct doctor_report *r)
{
	if (f->proc_errno)
		doctor_say(r, MSB_CHECK_FAIL, "/proc",
			   "sudo mount -t proc proc /proc",
			   "/proc/self/fd cannot be used: %s",
			   strerror(f->proc_errno));
	else
		doctor_say(r, MSB_CHECK_OK, "/proc", "", "mounted");
	if (f->shm_errno)
		doctor_say(
			r, MSB_CHECK_WARN, "shared memory",
			"sudo mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "
			"/dev/shm",
			"/dev/shm: %s; there are no metrics",
			strerror(f->shm_errno));
	else if (f->shm_free_mib < SHM_WARN_MIB)
		doctor_say(r, MSB_CHECK_WARN, "shared memory",
			   "remove what is left over there, or sudo mount -o "
			   "remount,size=64m /dev/shm",
			   "/dev/shm has %llu MiB left for metrics",
			   (unsigned long long)f->shm_free_mib);
	else
		doctor_say(r, MSB_CHECK_OK, "shared memory", "",
			   "/dev/shm can be written");
	if (f->guest_noexec)
		doctor_say(r, MSB_CHECK_FAIL, "guest programs",
			   "install msb elsewhere, or remount that file system "
			   "with the option exec",
			   "%s is on a file system mounted noexec",
			   f->guest_file);
}

static void say_limits(const struct doctor_host *f, struct doctor_report *r)
{
	if (f->max_files < NOFILE_WARN)
		doctor_say(r, MSB_CHECK_WARN, "open files",
			   "put \"* hard nofile 1048576\" into "
			   "/etc/security/limits.conf and log in again",
			   "at most %llu", (unsigned long long)f->max_files);
	else if (f->max_files == DOCTOR_NO_LIMIT)
		doctor_say(r, MSB_CHECK_OK, "open files", "", "not limited");
	else
		doctor_say(r, MSB_CHECK_OK, "open files", "", "at most %llu",
			   (unsigned long long)f->max_files);
	if (f->max_file_bytes < FILE_WARN)
		doctor_say(r, MSB_CHECK_WARN, "file size",
			   "ulimit -f unlimited", "files of %llu MiB at most",
			   (unsigned long long)f->max_file_bytes >> 20);
	if (f->max_address_bytes < ADDRESSES_WARN)
		doctor_say(r, MSB_CHECK_WARN, "address space",
			   "ulimit -v unlimited", "%llu MiB at most",
			   (unsigned long long)f->max_address_bytes >> 20);
	if (f->memory_mib && f->memory_mib < MEMORY_WARN_MIB)
		doctor_say(r, MSB_CHECK_WARN, "memory",
			   "end something else, or give sandboxes less with -m",
			   "%llu MiB available",
			   (unsigned long long)f->memory_mib);
	else if (f->memory_mib)
		doctor_say(r, MSB_CHECK_OK, "memory", "", "%llu MiB available",
			   (unsigned long long)f->memory_mib);
}

static void say_network(const struct doctor_host *f, struct doctor_report *r)
{
	if (f->ipv4 || f->ipv6)
		doctor_say(r, MSB_CHECK_OK, "network", "", "%s%s%s",
			   f->ipv4 ? "IPv4" : "",
			   f->ipv4 && f->ipv6 ? " and " : "",
			   f->ipv6 ? "IPv6" : "");
	else
		doctor_say(r, MSB_CHECK_WARN, "network",
			   "connect this host, or run sandboxes with --no-net",
			   "no route: sandboxes have no addresses");
	if (f->ping)
		doctor_say(r, MSB_CHECK_OK, "ping", "", "allowed");
	else
		doctor_say(r, MSB_CHECK_INFO, "ping",
			   "sudo sysctl -w net.ipv4.ping_group_range=\"0 "
			   "2147483647\"",
			   "sandboxes cannot ping other hosts");
}

void doctor_host_rest(const struct doctor_host *f, struct doctor_report *r)
{
	say_devices(f, r);
	say_limits(f, r);
	say_network(f, r);
}
