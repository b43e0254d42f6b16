/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual machine as /dev/kvm has it: its descriptor and its memory. */
#ifndef MSB_ENGINE_KVM_VM_H
#define MSB_ENGINE_KVM_VM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "engine/kvm/loader.h"
#include "virtio/memory.h"

struct arch_vm;

struct vm {
	int fd;		 /* of the machine; owned */
	size_t run_len;	 /* of the area each vCPU shares with the kernel */
	unsigned nslots; /* memory slots in use */
	uint8_t *ram;	 /* all of it, without the hole; owned */
	uint64_t ram_len;
	/* what reads of the device window give, owned; see vm_create() */
	uint8_t *window;
	size_t window_len;
	struct guest_memory mem;
	struct loader loader; /* of files into memory */
	uint64_t entry; /* guest physical address of the first instruction */
	struct arch_vm *arch; /* owned */
};

void vm_init(struct vm *vm);
void vm_fini(struct vm *vm);

/*
 * First memory_mib of memory, which can be filled from then on; then the
 * machine: open /dev/kvm, make a machine with this memory and a device window
 * of npages at arch_window(), and let go of /dev/kvm. The guest reads the
 * window without an exit, while each write exits; vm->window is our view of it.
 */
int vm_reserve(struct vm *vm, unsigned memory_mib, struct err *err);
int vm_create(struct vm *vm, size_t npages, unsigned vcpus, struct err *err);

/* Have the loader read len bytes of fd at off into guest memory: 0, -EFAULT
 * outside of it, or -E2BIG. */
int vm_load_file(struct vm *vm, uint64_t gpa, int fd, uint64_t off,
		 uint64_t len);

#endif
