/* SPDX-License-Identifier: Apache-2.0 */
/* The uml engine: a User-Mode Linux kernel as a jailed child process. */
#ifndef MSB_ENGINE_UML_UML_H
#define MSB_ENGINE_UML_UML_H

#include "engine/engine.h"
#include "engine/host.h"
#include "engine/klog.h"

/* See machine_start(). */
int uml_start(struct loop *loop, const struct machine_desc *desc,
	      struct machine **ret, struct err *err);

/*
 * Guest processes under ptrace (false) or seccomp (true). Several vCPUs need
 * seccomp. ptrace is the default for one, being the mode in which a guest
 * process cannot reach its own kernel, unless the host forbids it.
 */
int uml_choose_mode(const struct host_facts *f, enum engine_uml_mode asked,
		    unsigned vcpus, bool *ret_seccomp, struct err *err);

/*
 * Explain how the process ended, from waitid's si_code and si_status (code,
 * status) and the end of its log. killed: machine_kill() was called before.
 */
void uml_explain_exit(int code, int status, bool killed, const struct klog *log,
		      struct machine_exit *ret);

#endif
