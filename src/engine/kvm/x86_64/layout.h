/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest physical addresses of an x86-64 machine.
 *
 *   0 .. 640 KiB      memory; what the kernel is started with lies here
 *   1 MiB .. 3 GiB    memory; the kernel where it wants to be, initramfs behind
 *   3 GiB .. 4 GiB    devices
 *   from 4 GiB on     the rest of the memory
 */
#ifndef MSB_ENGINE_KVM_X86_64_LAYOUT_H
#define MSB_ENGINE_KVM_X86_64_LAYOUT_H

#define LAYOUT_GDT 0x500u
#define LAYOUT_ZERO_PAGE 0x7000u /* struct boot_params */
#define LAYOUT_STACK 0x8ff0u	 /* grows down; the kernel changes it soon */
#define LAYOUT_PAGE_TABLES 0x9000u
#define LAYOUT_SETUP_DATA 0x10000u
#define LAYOUT_CMDLINE 0x20000u
#define LAYOUT_MP_TABLE 0x9fc00u /* last KiB of the low memory */
#define LAYOUT_LOW_END 0xa0000u
#define LAYOUT_HIGH_START 0x100000u
#define LAYOUT_HOLE 0xc0000000ull
#define LAYOUT_HOLE_END 0x100000000ull

#define LAYOUT_WINDOW 0xd0000000ull
#define LAYOUT_IOAPIC 0xfec00000u
#define LAYOUT_LAPIC 0xfee00000u
/* Pages that KVM takes for itself on Intel processors. */
#define LAYOUT_IDENTITY_MAP 0xfffbc000ull
#define LAYOUT_TSS 0xfffbd000u

/* Ports of the machine. */
#define PORT_KEYBOARD 0x64u /* status; a write of 0xfe resets */
#define PORT_RESET 0xcf9u
#define PORT_RTC 0x71u
#define PORT_POWER_OFF 0x604u

/* Where firmware expects "warm" (0x1234) before a reset. The command line makes
 * the kernel say so after a panic, and only then. */
#define LAYOUT_RESET_FLAG 0x472u
#define RESET_WARM 0x1234u

#define IOAPIC_PINS 24u

/* Selectors of the boot protocol. */
#define SEL_CODE 0x10u
#define SEL_DATA 0x18u
#define SEL_TSS 0x20u

#endif
