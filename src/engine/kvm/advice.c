/* SPDX-License-Identifier: Apache-2.0 */
/* Advice from facts. */
#include "engine/kvm/advice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REMEDY(a, ...)                                                         \
	(void)snprintf((a)->remedy, sizeof((a)->remedy), __VA_ARGS__)

static bool virtualises(const struct host_facts *f)
{
	return f->cpu_vmx || f->cpu_svm;
}

/* Without hardware nothing about the device node would help. */
static void advise_cpu(const struct host_facts *f, struct kvm_advice *a)
{
	a->reason = f->kvm_errno == ENOENT
			    ? "there is no /dev/kvm, and the CPU shows neither "
			      "vmx nor svm"
			    : "the CPU shows neither vmx nor svm, so /dev/kvm "
			      "would emulate every instruction";
	if (f->cpu_hypervisor)
		REMEDY(a, "this host is a virtual machine: turn on nested "
			  "virtualisation for it where it runs, or use "
			  "--engine uml");
	else
		REMEDY(a, "turn on VT-x or AMD-V in the firmware, if the "
			  "processor has it, or use --engine uml");
}

static void advise_module(const struct host_facts *f, struct kvm_advice *a)
{
	REMEDY(a,
	       "sudo modprobe %s; in a container, start it with --device "
	       "/dev/kvm",
	       f->cpu_vmx ? "kvm_intel" : "kvm_amd");
}

static void advise_open(const struct host_facts *f, struct kvm_advice *a)
{
	switch (f->kvm_errno) {
	case ENOENT:
		a->reason = "there is no /dev/kvm";
		advise_module(f, a);
		break;
	case ENODEV:
	case ENXIO:
		a->reason = "/dev/kvm has no driver";
		advise_module(f, a);
		break;
	case EACCES:
		a->reason = "/dev/kvm cannot be opened for reading and writing";
		if (f->kvm_group[0])
			REMEDY(a,
			       "sudo usermod -aG %s \"$USER\", then log in "
			       "again",
			       f->kvm_group);
		else
			REMEDY(a, "let this user read and write /dev/kvm");
		break;
	case EPERM:
		a->reason = "this container or service may not use /dev/kvm";
		REMEDY(a, "start it with --device /dev/kvm, or allow the "
			  "device in the service's cgroup (DeviceAllow=)");
		break;
	default:
		a->reason = "/dev/kvm cannot be opened for reading and writing";
		REMEDY(a, "%s",
		       strerrordesc_np(f->kvm_errno)
			       ? strerrordesc_np(f->kvm_errno)
			       : "");
		break;
	}
}

bool kvm_advise(const struct host_facts *f, struct kvm_advice *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (!virtualises(f)) {
		advise_cpu(f, ret);
	} else if (f->kvm_errno) {
		advise_open(f, ret);
	} else if (f->kvm_lacks[0]) {
		ret->reason = "this host's KVM is too old";
		REMEDY(ret, "it lacks %s: run a newer kernel", f->kvm_lacks);
	} else {
		return false;
	}
	return true;
}

void kvm_advise_create(int error, struct kvm_advice *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->reason = "no virtual machine can be made";
	if (error == EBUSY)
		REMEDY(ret, "another hypervisor, such as VirtualBox, has the "
			    "processor: stop it");
	else if (error == ENOMEM || error == ENOSPC)
		REMEDY(ret, "the host is out of memory or of virtual machines");
	else
		REMEDY(ret, "%s; see the host's kernel log",
		       strerrordesc_np(error) ? strerrordesc_np(error) : "");
}
