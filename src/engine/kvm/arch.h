/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kvm engine needs of a processor architecture. Each has a folder
 * that implements this header; nothing else in the engine knows a register, an
 * interrupt controller or a boot protocol.
 */
#ifndef MSB_ENGINE_KVM_ARCH_H
#define MSB_ENGINE_KVM_ARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/kvm/end.h"
#include "engine/kvm/vm.h"

struct kvm_run;

#define ARCH_MAX_VCPUS 32

/* --- the machine's plan --- */

struct arch_cap {
	int cap;
	const char *name; /* "KVM_CAP_..." */
};
/* Capabilities needed beyond those of every architecture. */
extern const struct arch_cap arch_caps[];
extern const size_t arch_ncaps;

#define ARCH_MAX_RAM 2
struct arch_ram {
	uint64_t gpa, len;
};
/* Where len bytes of memory lie in guest physical space, lowest first; the
 * number of ranges. */
size_t arch_ram_layout(uint64_t len, struct arch_ram ret[ARCH_MAX_RAM]);

/*
 * First byte of the device window, a range of pages that is never memory. Page
 * 0 is the early console, page 1 + i is device i.
 */
uint64_t arch_window(void);
#define ARCH_PAGE 4096u

/* Interrupt line of device i. Lines are edge-triggered and may be shared. */
uint32_t arch_device_gsi(size_t i);

/* --- life --- */

/* After the machine got its memory: interrupt controllers, and all that only
 * kvm_fd (of /dev/kvm) can tell. Sets vm->arch. */
int arch_vm_init(struct vm *vm, int kvm_fd, unsigned vcpus, struct err *err);
void arch_vm_fini(struct vm *vm);

struct arch_boot {
	const char *kernel_path; /* for messages */
	int kernel_fd, initramfs_fd;
	unsigned vcpus;
	size_t ndevices;
	const char *extra_cmdline; /* or NULL */
};
/* Before all else, when there is memory: put the kernel's tables there, tell
 * the loader of the files, and set vm->entry. */
int arch_vm_load(struct vm *vm, const struct arch_boot *boot, struct err *err);

/* vCPU 0 starts in the kernel, the others wait for it. */
int arch_vcpu_init(const struct vm *vm, int vcpu_fd, unsigned index,
		   struct err *err);

/* --- running; on vCPU threads --- */

/* An exit that only this architecture has, and its name in the statistics.
 * False: not one of them. *ret_end changes when the guest ended itself. */
bool arch_exit(const struct vm *vm, struct kvm_run *run, enum vm_end *ret_end);
extern const char arch_exit_name[];

/* The processor's registers as lines of text. */
void arch_vcpu_registers(int vcpu_fd, char *buf, size_t len);

#endif
