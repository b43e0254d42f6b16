/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp allow-list of the guest kernel process and of the guest's user
 * processes, which are its children and inherit the filter.
 *
 * Refused calls fail with an error number and never kill: in seccomp mode the
 * guest's own system calls pass this filter too, and there UML's inner filter
 * asks for a SIGSYS, which outranks an error number but not a kill. In ptrace
 * mode they are cancelled before any filter sees them.
 */
#ifndef MSB_ENGINE_UML_FILTER_H
#define MSB_ENGINE_UML_FILTER_H

#include <linux/filter.h>

#define UML_FILTER_MAX 4096 /* also the host kernel's limit */

struct uml_filter {
	unsigned short len;
	struct sock_filter insn[UML_FILTER_MAX];
};

void uml_filter_build(struct uml_filter *f);

#endif
