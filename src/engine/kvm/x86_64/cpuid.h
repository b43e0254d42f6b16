/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What CPUID tells a vCPU: all that KVM supports on this host, but for what a
 * guest shall not have, and with the topology of the machine.
 */
#ifndef MSB_ENGINE_KVM_X86_64_CPUID_H
#define MSB_ENGINE_KVM_X86_64_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#define CPUID_MAX 256

struct cpuid {
	uint32_t n, padding; /* as struct kvm_cpuid2 */
	struct kvm_cpuid_entry2 entry[CPUID_MAX];
};

/* Once for a machine. */
void cpuid_for_machine(struct cpuid *c, unsigned vcpus, bool tsc_deadline);
/* For one vCPU of it. */
void cpuid_for_vcpu(struct cpuid *c, unsigned index);
/* State components that the guest can have (XCR0), 0 without XSAVE. */
uint64_t cpuid_xcr0(const struct cpuid *c);

#endif
