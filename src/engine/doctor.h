/* SPDX-License-Identifier: Apache-2.0 */
/* What `doctor` looks at, apart from how it says it. */
#ifndef MSB_ENGINE_DOCTOR_H
#define MSB_ENGINE_DOCTOR_H

#include "engine/cgroup.h"
#include "engine/engine.h"
#include "engine/host.h"
#include "engine/uml/jail.h"

struct doctor_facts {
	struct host_facts host;
	/* Result of building a whole jail and leaving it again. */
	int probe_rc; /* 0 or -errno; then probe_text says why */
	char probe_text[240];
	struct jail_state jail;
	int ptrace_errno, exec_map_errno;
	int kvm_create_errno; /* of making a virtual machine; 0 also untried */
	int landlock_abi;     /* 0: not there */
	unsigned long long max_processes, max_files; /* ~0: no limit */
	struct cgroup_limits cgroup;
};

void doctor_facts_read(struct doctor_facts *ret);
size_t doctor_report(const struct doctor_facts *f, struct engine_check *checks,
		     size_t max);

#endif
