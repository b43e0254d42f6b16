/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the host, read from /proc, /dev and a few system calls. */
#include "engine/host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/compiler.h"
#include "base/io.h"
#include "engine/kvm/kvm.h"

static const struct {
	const char *name, *path;
} sysctls[] = {
	[HOST_MAX_USER_NS] = { "user.max_user_namespaces",
			       "/proc/sys/user/max_user_namespaces" },
	[HOST_MAX_PID_NS] = { "user.max_pid_namespaces",
			      "/proc/sys/user/max_pid_namespaces" },
	[HOST_MAX_MNT_NS] = { "user.max_mnt_namespaces",
			      "/proc/sys/user/max_mnt_namespaces" },
	[HOST_MAX_NET_NS] = { "user.max_net_namespaces",
			      "/proc/sys/user/max_net_namespaces" },
	[HOST_MAX_IPC_NS] = { "user.max_ipc_namespaces",
			      "/proc/sys/user/max_ipc_namespaces" },
	[HOST_MAX_UTS_NS] = { "user.max_uts_namespaces",
			      "/proc/sys/user/max_uts_namespaces" },
	[HOST_MAX_CGROUP_NS] = { "user.max_cgroup_namespaces",
				 "/proc/sys/user/max_cgroup_namespaces" },
	[HOST_USERNS_CLONE] = { "kernel.unprivileged_userns_clone",
				"/proc/sys/kernel/unprivileged_userns_clone" },
	[HOST_APPARMOR_USERNS] = { "kernel.apparmor_restrict_unprivileged_"
				   "userns",
				   "/proc/sys/kernel/"
				   "apparmor_restrict_unprivileged_userns" },
	[HOST_YAMA_SCOPE] = { "kernel.yama.ptrace_scope",
			      "/proc/sys/kernel/yama/ptrace_scope" },
};
_Static_assert(ARRAY_SIZE(sysctls) == HOST_SYSCTL_COUNT,
	       "sysctls[] does not match enum host_sysctl");

const char *host_sysctl_name(enum host_sysctl s)
{
	return sysctls[s].name;
}

bool host_linux_at_least(const struct host_facts *f, unsigned major,
			 unsigned minor)
{
	return f->linux_major > major ||
	       (f->linux_major == major && f->linux_minor >= minor);
}

/* The beginning of a small file as text; "" when it cannot be read. */
static size_t read_head(const char *path, char *buf, size_t len)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;

	buf[0] = 0;
	if (fd < 0)
		return 0;
	while (have + 1 < len) {
		ssize_t n = io_read(fd, buf + have, len - 1 - have);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	buf[have] = 0;
	return have;
}

static long read_sysctl(const char *path)
{
	char text[32], *end;
	long v;

	if (!read_head(path, text, sizeof(text)))
		return HOST_ABSENT;
	errno = 0;
	v = strtol(text, &end, 10);
	if (end == text || errno || v < 0)
		return HOST_ABSENT;
	return v;
}

/* The next number of a line; false when there is none. */
static bool next_number(const char **p, unsigned long *ret)
{
	char *end;

	while (**p == ' ' || **p == '\t')
		(*p)++;
	if (**p < '0' || **p > '9')
		return false;
	*ret = strtoul(*p, &end, 10);
	*p = end;
	return true;
}

bool host_id_mapped(const char *map, unsigned long id)
{
	for (const char *line = map; *line;) {
		unsigned long inside, outside, count;

		if (next_number(&line, &inside) &&
		    next_number(&line, &outside) &&
		    next_number(&line, &count) && id >= inside &&
		    id - inside < count)
			return true;
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	return false;
}

/* "6.1.0-18-amd64" */
static void read_version(struct host_facts *f)
{
	unsigned long major, minor;
	struct utsname u;
	const char *p = u.release;

	if (uname(&u) < 0 || !next_number(&p, &major) || *p++ != '.' ||
	    !next_number(&p, &minor))
		return;
	f->linux_major = (unsigned)major;
	f->linux_minor = (unsigned)minor;
}

bool host_flag_present(const char *line, const char *flag)
{
	size_t n = strlen(flag);

	for (const char *p = line; (p = strstr(p, flag)); p += n) {
		bool starts = p == line || p[-1] == ' ' || p[-1] == '\t';
		bool ends = !p[n] || p[n] == ' ' || p[n] == '\n';

		if (starts && ends)
			return true;
	}
	return false;
}

/*
 * Lines of the first processor only: the file is long on big hosts, and all
 * processors say the same. Cuts text after the line; NULL when missing.
 */
static char *cpuinfo_line(char *text, const char *key)
{
	char *line = strstr(text, key);
	char *end = line ? strchr(line, '\n') : NULL;

	return line && end && (line == text || line[-1] == '\n') ? line : NULL;
}

size_t host_cpuinfo(char *buf, size_t len)
{
	static const char *const keys[] = { "flags\t", "cache_alignment\t" };
	char text[8192];
	size_t used = 0;

	if (!read_head("/proc/cpuinfo", text, sizeof(text)))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *line = cpuinfo_line(text, keys[i]);
		size_t n = line ? strcspn(line, "\n") + 1 : 0;

		if (!n || n > len - used)
			continue;
		memcpy(buf + used, line, n);
		used += n;
	}
	return used;
}

/* Of the group file only: asking the C library's name services would load
 * them into a program that is linked statically. */
static void group_name(gid_t gid, char *name, size_t len)
{
	FILE *file = fopen("/etc/group", "re");
	struct group gr, *found;
	char text[8192];

	while (file && fgetgrent_r(file, &gr, text, sizeof(text), &found) == 0)
		if (gr.gr_gid == gid) {
			(void)snprintf(name, len, "%s", gr.gr_name);
			break;
		}
	if (file)
		(void)fclose(file);
}

static void read_kvm(struct host_facts *f)
{
	autoclose int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct stat st;

	f->kvm_errno = fd < 0 ? errno : 0;
	if (fd >= 0) {
		const char *lacks = kvm_missing_capability(fd);

		(void)snprintf(f->kvm_lacks, sizeof(f->kvm_lacks), "%s",
			       lacks ? lacks : "");
	}
	if (f->kvm_errno != EACCES || stat("/dev/kvm", &st) < 0)
		return;
	group_name(st.st_gid, f->kvm_group, sizeof(f->kvm_group));
}

static void read_cpu_flags(struct host_facts *f)
{
	char text[8192];
	size_t len = host_cpuinfo(text, sizeof(text) - 1);

	text[len] = 0;
	text[strcspn(text, "\n")] = 0;
	f->cpu_vmx = host_flag_present(text, "vmx");
	f->cpu_svm = host_flag_present(text, "svm");
	f->cpu_hypervisor = host_flag_present(text, "hypervisor");
}

void host_facts_read_kvm(struct host_facts *ret)
{
	struct host_facts f = { .euid = geteuid() };

	read_kvm(&f);
	if (!f.kvm_errno)
		read_cpu_flags(&f);
	*ret = f;
}

void host_facts_read_boot(struct host_facts *ret)
{
	struct host_facts f = { .euid = geteuid(), .kvm_errno = ENOENT };
	char text[8192];

	read_version(&f);
	f.no_close_range =
		syscall(SYS_close_range, ~0U, ~0U, 0) < 0 && errno == ENOSYS;
	(void)read_head("/proc/self/uid_map", text, sizeof(text));
	f.nobody_mapped = host_id_mapped(text, 65534);
	for (size_t i = 0; i < HOST_SYSCTL_COUNT; i++)
		f.sysctl[i] = HOST_ABSENT;
	f.sysctl[HOST_YAMA_SCOPE] = read_sysctl(sysctls[HOST_YAMA_SCOPE].path);
	*ret = f;
}

void host_facts_read(struct host_facts *ret)
{
	struct host_facts f;

	host_facts_read_boot(&f);
	read_kvm(&f);
	read_cpu_flags(&f);
	for (size_t i = 0; i < HOST_SYSCTL_COUNT; i++)
		f.sysctl[i] = read_sysctl(sysctls[i].path);
	*ret = f;
}
