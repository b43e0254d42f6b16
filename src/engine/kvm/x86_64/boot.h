/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a kernel and what it is started with, by the 64-bit boot protocol of
 * Linux (Documentation/arch/x86/boot.rst, "64-bit Boot Protocol").
 */
#ifndef MSB_ENGINE_KVM_X86_64_BOOT_H
#define MSB_ENGINE_KVM_X86_64_BOOT_H

#include <asm/bootparam.h>
#include <stdint.h>

#include "engine/kvm/arch.h"

/* What the kernel is told about memory and the files beside it. */
struct boot_facts {
	uint64_t ram_len;
	uint64_t initramfs, initramfs_len;
	uint64_t cmdline, cmdline_len;
	uint64_t setup_data; /* 0 = none */
};
void boot_params_fill(struct boot_params *p, const struct boot_facts *f);

#endif
