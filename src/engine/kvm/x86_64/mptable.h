/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table by which a kernel without ACPI learns of processors and interrupt
 * lines (Intel MultiProcessor Specification 1.4).
 */
#ifndef MSB_ENGINE_KVM_X86_64_MPTABLE_H
#define MSB_ENGINE_KVM_X86_64_MPTABLE_H

#include <stddef.h>
#include <stdint.h>

#define MPTABLE_MAX 1024

/* addr: where the table will lie. Returns its length. */
size_t mptable_build(uint8_t buf[MPTABLE_MAX], uint32_t addr, unsigned vcpus);

#endif
