/* SPDX-License-Identifier: Apache-2.0 */
/* Texts for the ends of a machine. */
#include "engine/kvm/end.h"

#include <signal.h>
#include <stdio.h>

static void explain_panic(const struct klog *log, struct machine_exit *e)
{
	char why[120];

	if (klog_last_line(log, "Kernel panic - not syncing: ", why,
			   sizeof(why)))
		(void)snprintf(e->text, sizeof(e->text),
			       "guest kernel panic: %s", why);
	else
		(void)snprintf(e->text, sizeof(e->text),
			       "the guest kernel panicked (its last words are "
			       "in the kernel log)");
}

static const char *crash_text(enum vm_end end)
{
	switch (end) {
	case VM_SHUTDOWN:
		return "the guest crashed: triple fault";
	case VM_ENTRY_FAILED:
		return "the processor refused to run the guest";
	case VM_INTERNAL_ERROR:
		return "KVM cannot run the guest any further";
	case VM_RUNS:
	case VM_POWER_OFF:
	case VM_RESTART:
	case VM_PANIC:
	case VM_RUN_ERROR:
	case VM_STOPPED:
		break;
	}
	return "the guest cannot be run";
}

void vm_explain_end(const struct vm_report *r, const struct klog *log,
		    struct machine_exit *ret)
{
	struct machine_exit e = { .code = -1 };

	switch (r->end) {
	case VM_POWER_OFF:
	case VM_RESTART:
		e.clean = true;
		e.code = 0;
		(void)snprintf(e.text, sizeof(e.text), "%s",
			       r->end == VM_RESTART
				       ? "the guest asked for a restart and "
					 "was stopped"
				       : "the guest powered off");
		break;
	case VM_PANIC:
		explain_panic(log, &e);
		break;
	case VM_STOPPED:
		e.signal = SIGKILL;
		(void)snprintf(e.text, sizeof(e.text),
			       "the machine was stopped by force");
		break;
	case VM_RUNS:
	case VM_SHUTDOWN:
	case VM_ENTRY_FAILED:
	case VM_INTERNAL_ERROR:
	case VM_RUN_ERROR:
		(void)snprintf(e.text, sizeof(e.text), "%s (vCPU %u%s%s)",
			       crash_text(r->end), r->vcpu,
			       r->detail[0] ? ", " : "", r->detail);
		break;
	}
	*ret = e;
}
