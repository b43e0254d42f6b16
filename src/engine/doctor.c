/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the host: which engine runs here, and whether its jail stands. */
#include "engine/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/kvm/advice.h"
#include "engine/machine.h"

/* Fewer than this and guests run into it, not into their own limits. */
#define FEW_PROCESSES 1024
#define FEW_FILES 4096
/* A machine of the default size and what serves it. */
#define LITTLE_MEMORY (640ull << 20)
/* What it takes from the kernel was there by then. */
#define OLDEST_MAJOR 4
#define OLDEST_MINOR 18

static void probe_jail(struct doctor_facts *f)
{
	struct uml_filter *filter = malloc(sizeof(*filter));
	autoclose int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	struct jail_plan plan = {
		.relaxed = true, /* go on, to find everything that is refused */
		.probe = true,
		.kernel_fd = -1,
		.initramfs_fd = -1,
		.log_fd = null,
		.memory_mib = 16,
		.cpu = -1,
		.filter = filter,
	};
	struct err err = { 0 };
	struct jailed j;

	if (!filter || null < 0) {
		f->probe_rc = filter ? -errno : -ENOMEM;
		free(filter);
		return;
	}
	uml_filter_build(filter);
	f->probe_rc = jail_spawn(&plan, &f->host, &j, &err);
	if (f->probe_rc) {
		(void)snprintf(f->probe_text, sizeof(f->probe_text), "%.*s",
			       (int)sizeof(f->probe_text) - 1, err.msg);
	} else {
		f->jail = j.state;
		f->ptrace_errno = j.ptrace_errno;
		f->exec_map_errno = j.exec_map_errno;
	}
	free(filter);
}

static unsigned long long limit_of(int resource)
{
	struct rlimit l;

	if (getrlimit((__rlimit_resource_t)resource, &l) < 0 ||
	    l.rlim_max == RLIM_INFINITY)
		return ~0ull;
	return l.rlim_max;
}

static void read_cgroups(struct doctor_facts *f)
{
	const char *own;
	struct buf b;

	buf_init(&b, 65536);
	own = io_read_file_at(AT_FDCWD, "/proc/self/cgroup", &b) == 0
		      ? buf_cstr(&b)
		      : NULL;
	cgroup_limits_read(own ? own : "", "/sys/fs/cgroup", &f->cgroup);
	buf_fini(&b);
}

static int probe_kvm(void)
{
	autoclose int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	autoclose int vm = -1;

	if (kvm < 0)
		return 0; /* told by the host's facts */
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	return vm < 0 ? errno : 0;
}

void doctor_facts_read(struct doctor_facts *ret)
{
	long abi;

	memset(ret, 0, sizeof(*ret));
	host_facts_read(&ret->host);
	abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
		      LANDLOCK_CREATE_RULESET_VERSION);
	ret->landlock_abi = abi > 0 ? (int)abi : 0;
	ret->max_processes = limit_of(RLIMIT_NPROC);
	ret->max_files = limit_of(RLIMIT_NOFILE);
	read_cgroups(ret);
	ret->kvm_create_errno = probe_kvm();
	probe_jail(ret);
}

struct report {
	struct engine_check *checks;
	size_t n, max;
};

/* The next line, or a place that is thrown away when there is no room. */
static struct engine_check *add(struct report *r, enum check_state state,
				const char *name)
{
	struct engine_check *c;

	if (r->n == r->max)
		return NULL;
	c = &r->checks[r->n++];
	memset(c, 0, sizeof(*c));
	c->state = state;
	(void)snprintf(c->name, sizeof(c->name), "%s", name);
	return c;
}

#define DETAIL(c, ...)                                                         \
	do {                                                                   \
		if (c)                                                         \
			(void)snprintf((c)->detail, sizeof((c)->detail),       \
				       __VA_ARGS__);                           \
	} while (0)
#define REMEDY(c, ...)                                                         \
	do {                                                                   \
		if (c)                                                         \
			(void)snprintf((c)->remedy, sizeof((c)->remedy),       \
				       __VA_ARGS__);                           \
	} while (0)

static void report_engine(struct report *r, const struct host_facts *f)
{
	struct engine_check *c = add(r, CHECK_OK, "engine");
	enum engine_kind kind = ENGINE_AUTO;
	char reason[200] = "";

	if (engine_select_from(f, ENGINE_AUTO, &kind, reason, sizeof(reason),
			       NULL) == 0)
		DETAIL(c, "%s: %s", engine_kind_name(kind), reason);
}

static void report_kvm(struct report *r, const struct doctor_facts *f)
{
	const struct host_facts *h = &f->host;
	struct engine_check *c = add(r, CHECK_INFO, "cpu virtualisation");
	struct kvm_advice no;
	bool missing = kvm_advise(h, &no);

	DETAIL(c, "%s",
	       h->cpu_vmx   ? "vmx (Intel VT-x)"
	       : h->cpu_svm ? "svm (AMD-V)"
			    : "neither vmx nor svm");
	if (!missing && f->kvm_create_errno) {
		kvm_advise_create(f->kvm_create_errno, &no);
		missing = true;
	}
	/* uml runs in its place, which is nothing to warn of */
	c = add(r, missing ? CHECK_INFO : CHECK_OK, "kvm engine");
	if (missing) {
		DETAIL(c, "%s", no.reason);
		REMEDY(c, "%s", no.remedy);
	} else {
		DETAIL(c, "/dev/kvm can be used");
	}
}

static void report_jail(struct report *r, const struct doctor_facts *f)
{
	char reason[160], remedy[240];
	unsigned off = 0;
	struct engine_check *c;

	if (f->probe_rc) {
		c = add(r, CHECK_FAIL, "jail");
		DETAIL(c, "%s",
		       f->probe_text[0] ? f->probe_text : "cannot be tried");
		return;
	}
	for (int l = 0; l < JAIL_LAYER_COUNT; l++) {
		enum jail_layer layer = (enum jail_layer)l;

		if (!f->jail.layer[l].off)
			continue;
		off++;
		jail_refusal_in(&f->host, &f->jail, layer, reason,
				sizeof(reason), remedy, sizeof(remedy));
		c = add(r, CHECK_FAIL, jail_layer_title(layer));
		DETAIL(c, "%s", reason);
		REMEDY(c, "%s", remedy);
	}
	if (off)
		return;
	c = add(r, CHECK_OK, "jail");
	DETAIL(c,
	       "all %d layers stand: namespaces (user, process, mount, "
	       "network, IPC, UTS, cgroup), empty root, no capabilities, "
	       "no new privileges, seccomp, resource limits",
	       JAIL_LAYER_COUNT);
}

static void report_modes(struct report *r, const struct doctor_facts *f)
{
	long scope = f->host.sysctl[HOST_YAMA_SCOPE];
	struct engine_check *c;

	if (f->probe_rc)
		return;
	if (f->ptrace_errno || scope >= 2) {
		c = add(r, CHECK_WARN, "ptrace");
		DETAIL(c, "refused (%s); one-vCPU machines run in seccomp mode",
		       scope >= 2 ? "kernel.yama.ptrace_scope"
				  : strerrordesc_np(f->ptrace_errno));
		if (scope >= 2)
			REMEDY(c, "sudo sysctl -w kernel.yama.ptrace_scope=1");
	} else {
		c = add(r, CHECK_OK, "ptrace");
		DETAIL(c, "guest processes can be traced");
	}
	if (f->exec_map_errno) {
		c = add(r, CHECK_FAIL, "executable memory");
		DETAIL(c, "guest memory cannot be mapped executable: %s",
		       strerrordesc_np(f->exec_map_errno));
		REMEDY(c, "let the host's security policy permit executable "
			  "mappings of memory files (vm.memfd_noexec "
			  "below 2)");
	} else {
		c = add(r, CHECK_OK, "executable memory");
		DETAIL(c, "guest memory can be mapped executable");
	}
}

/* Which kernel this is, and what guests lack on it. */
static void report_kernel(struct report *r, const struct host_facts *h)
{
	bool old = !host_linux_at_least(h, OLDEST_MAJOR, OLDEST_MINOR);
	struct engine_check *c = add(r,
				     old		 ? CHECK_FAIL
				     : h->no_close_range ? CHECK_WARN
							 : CHECK_OK,
				     "kernel");

	if (old) {
		DETAIL(c, "Linux %u.%u is too old", h->linux_major,
		       h->linux_minor);
		REMEDY(c, "run Linux %d.%d or later", OLDEST_MAJOR,
		       OLDEST_MINOR);
	} else if (h->no_close_range) {
		DETAIL(c,
		       "Linux %u.%u: one vCPU per sandbox with the uml engine",
		       h->linux_major, h->linux_minor);
		REMEDY(c, "run Linux 5.9 or later for more");
	} else {
		DETAIL(c, "Linux %u.%u", h->linux_major, h->linux_minor);
	}
}

static void report_cgroups(struct report *r, const struct cgroup_limits *l)
{
	bool memory = l->memory != CGROUP_NO_LIMIT;
	bool processes = l->processes != CGROUP_NO_LIMIT;
	bool little = l->memory < LITTLE_MEMORY;
	bool few = l->processes < FEW_PROCESSES;
	char most[48] = "not limited", many[48] = "not limited";
	struct engine_check *c = add(r, little || few ? CHECK_WARN : CHECK_INFO,
				     "cgroup limits");

	if (!memory && !processes) {
		DETAIL(c, "none on this process");
		return;
	}
	if (memory)
		(void)snprintf(most, sizeof(most), "%llu MiB",
			       (unsigned long long)(l->memory >> 20));
	if (processes)
		(void)snprintf(many, sizeof(many), "%llu",
			       (unsigned long long)l->processes);
	DETAIL(c, "memory %s, processes %s", most, many);
	if (little || few)
		REMEDY(c,
		       "raise %s of the unit or container that msb runs in%s",
		       little && few ? "MemoryMax and TasksMax"
		       : little	     ? "MemoryMax"
				     : "TasksMax",
		       little ? ", or give sandboxes less with -m" : "");
}

static void report_limits(struct report *r, const struct doctor_facts *f)
{
	struct engine_check *c;
	bool few_pids = f->max_processes < FEW_PROCESSES;
	bool few_files = f->max_files < FEW_FILES;

	c = add(r, few_pids || few_files ? CHECK_WARN : CHECK_OK, "limits");
	if (few_pids || few_files) {
		DETAIL(c, "at most %llu processes and %llu open files",
		       f->max_processes, f->max_files);
		REMEDY(c,
		       "put \"* hard %s\" into "
		       "/etc/security/limits.conf and log in again",
		       few_pids ? "nproc 65536" : "nofile 1048576");
	} else {
		DETAIL(c, "enough processes and open files");
	}
	c = add(r, CHECK_INFO, "landlock");
	if (f->landlock_abi)
		DETAIL(c, "ABI %d", f->landlock_abi);
	else
		DETAIL(c, "not available");
}

size_t doctor_report(const struct doctor_facts *f, struct engine_check *checks,
		     size_t max)
{
	struct report r = { .checks = checks, .max = max };

	report_kernel(&r, &f->host);
	report_engine(&r, &f->host);
	report_kvm(&r, f);
	report_jail(&r, f);
	report_modes(&r, f);
	report_limits(&r, f);
	report_cgroups(&r, &f->cgroup);
	return r.n;
}

size_t engine_doctor(struct engine_check *checks, size_t max)
{
	struct doctor_facts f;

	doctor_facts_read(&f);
	return doctor_report(&f, checks, max);
}
