/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host allows, gathered once so that every decision and message
 * about it is a pure function of these facts.
 */
#ifndef MSB_ENGINE_HOST_H
#define MSB_ENGINE_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Settings that this kernel does not have. */
#define HOST_ABSENT (-1)

enum host_sysctl {
	HOST_MAX_USER_NS, /* user.max_user_namespaces */
	HOST_MAX_PID_NS,
	HOST_MAX_MNT_NS,
	HOST_MAX_NET_NS,
	HOST_MAX_IPC_NS,
	HOST_MAX_UTS_NS,
	HOST_MAX_CGROUP_NS,
	HOST_USERNS_CLONE,    /* kernel.unprivileged_userns_clone */
	HOST_APPARMOR_USERNS, /* kernel.apparmor_restrict_unprivileged_userns */
	HOST_YAMA_SCOPE,      /* kernel.yama.ptrace_scope */
	HOST_SYSCTL_COUNT
};

struct host_facts {
	uid_t euid;
	bool nobody_mapped; /* id 65534 exists in our user namespace */
	int kvm_errno;	    /* 0: /dev/kvm opened for reading and writing */
	char kvm_group[64]; /* of /dev/kvm when it is what we lack, else "" */
	char kvm_lacks[48]; /* a capability its KVM does not have, or "" */
	bool cpu_vmx, cpu_svm;
	bool cpu_hypervisor; /* this host is a virtual machine itself */
	unsigned linux_major, linux_minor;
	bool no_close_range;		/* before Linux 5.9 */
	long sysctl[HOST_SYSCTL_COUNT]; /* value or HOST_ABSENT */
};

/* Never fails; what cannot be found out stays absent. */
void host_facts_read(struct host_facts *ret);
/* Only what choosing an engine needs. */
void host_facts_read_kvm(struct host_facts *ret);
/* Only what starting a machine needs, because that is what boots wait for:
 * ids, version, and the setting that forbids ptrace. */
void host_facts_read_boot(struct host_facts *ret);

const char *host_sysctl_name(enum host_sysctl s); /* "user.max_..." */
bool host_linux_at_least(const struct host_facts *f, unsigned major,
			 unsigned minor);

/*
 * The "flags" and "cache_alignment" lines of this host's /proc/cpuinfo, for a
 * guest kernel that copies them to its own. Bytes written, 0 when unreadable.
 */
size_t host_cpuinfo(char *buf, size_t len);

/* One word of a flags line; exposed for its test. */
bool host_flag_present(const char *line, const char *flag);

/*
 * Is id covered by a user namespace map (text of /proc/self/uid_map)? Exposed
 * for its test.
 */
bool host_id_mapped(const char *map, unsigned long id);

#endif
