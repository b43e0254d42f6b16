/* SPDX-License-Identifier: Apache-2.0 */
/* How a machine ended, and how that is told to people. */
#ifndef MSB_ENGINE_KVM_END_H
#define MSB_ENGINE_KVM_END_H

#include "engine/engine.h"
#include "engine/klog.h"

enum vm_end {
	VM_RUNS,
	VM_POWER_OFF,
	VM_RESTART,	   /* the guest asked for it */
	VM_PANIC,	   /* its kernel gave up */
	VM_SHUTDOWN,	   /* triple fault, or what comes closest to it */
	VM_ENTRY_FAILED,   /* the processor refused the vCPU's state */
	VM_INTERNAL_ERROR, /* KVM cannot go on */
	VM_RUN_ERROR,	   /* KVM_RUN failed, or an exit nobody knows */
	VM_STOPPED,	   /* by us */
};

struct vm_report {
	enum vm_end end;
	unsigned vcpu;	      /* that reported it */
	char detail[80];      /* for the kinds after VM_PANIC, else "" */
	char registers[1400]; /* likewise */
};

/* One line for people; log is what the guest printed before its console. */
void vm_explain_end(const struct vm_report *r, const struct klog *log,
		    struct machine_exit *ret);

#endif
