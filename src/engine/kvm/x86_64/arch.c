/* SPDX-License-Identifier: Apache-2.0 */
/* The x86-64 side of a machine: interrupt controllers, registers, ports. */
#include "engine/kvm/arch.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/bytes.h"
#include "engine/kvm/x86_64/boot.h"
#include "engine/kvm/x86_64/cpuid.h"
#include "engine/kvm/x86_64/layout.h"

#define CR0_PE 0x1u
#define CR0_ET 0x10u
#define CR0_NE 0x20u
#define CR0_PG 0x80000000u
#define CR4_PAE 0x20u
#define EFER_LME 0x100u
#define EFER_LMA 0x400u

#define MSR_MISC_ENABLE 0x1a0u
#define MISC_ENABLE_FAST_STRING 1u
#define MSR_MTRR_DEF_TYPE 0x2ffu
#define MTRR_ENABLE_WRITE_BACK (1u << 11 | 6u)

struct arch_vm {
	struct cpuid cpuid;
};

const struct arch_cap arch_caps[] = {
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_XCRS, "KVM_CAP_XCRS" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
};
const size_t arch_ncaps = ARRAY_SIZE(arch_caps);
const char arch_exit_name[] = "port_io";

size_t arch_ram_layout(uint64_t len, struct arch_ram ret[ARCH_MAX_RAM])
{
	ret[0] = (struct arch_ram){ 0, len };
	if (len <= LAYOUT_HOLE)
		return 1;
	ret[0].len = LAYOUT_HOLE;
	ret[1] = (struct arch_ram){ LAYOUT_HOLE_END, len - LAYOUT_HOLE };
	return 2;
}

uint64_t arch_window(void)
{
	return LAYOUT_WINDOW;
}

/* Pins that nothing else could be on; beyond them lines are shared. */
uint32_t arch_device_gsi(size_t i)
{
	static const uint8_t gsi[] = { 5,  6,  7,  9,  10, 11, 12, 13, 14,
				       15, 16, 17, 18, 19, 20, 21, 22, 23 };

	return gsi[i % ARRAY_SIZE(gsi)];
}

/* --- machine --- */

static int get_cpuid(int kvm_fd, struct cpuid *c, struct err *err)
{
	_Static_assert(offsetof(struct cpuid, entry) ==
			       offsetof(struct kvm_cpuid2, entries),
		       "struct cpuid is not laid out as struct kvm_cpuid2");

	c->n = CPUID_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, c) < 0)
		return err_sys(err, ERR_BOOT, errno, "ask KVM for CPUID");
	return 0;
}

/* Refused by kernels that do not know it, which then offer no counters. */
static void disable_counters(const struct vm *vm)
{
#ifdef KVM_CAP_PMU_CAPABILITY
	struct kvm_enable_cap cap = { .cap = KVM_CAP_PMU_CAPABILITY,
				      .args = { KVM_PMU_CAP_DISABLE } };

	(void)ioctl(vm->fd, KVM_ENABLE_CAP, &cap);
#else
	(void)vm;
#endif
}

int arch_vm_init(struct vm *vm, int kvm_fd, unsigned vcpus, struct err *err)
{
	uint64_t identity = LAYOUT_IDENTITY_MAP;
	bool deadline;
	int rc;

	vm->arch = calloc(1, sizeof(*vm->arch));
	if (!vm->arch)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	rc = get_cpuid(kvm_fd, &vm->arch->cpuid, err);
	if (rc)
		return rc;
	deadline = ioctl(kvm_fd, KVM_CHECK_EXTENSION,
			 KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	cpuid_for_machine(&vm->arch->cpuid, vcpus, deadline);
	disable_counters(vm);
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0 ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS) < 0)
		return err_sys(err, ERR_BOOT, errno, "set up the machine");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_sys(err, ERR_BOOT, errno,
			       "make interrupt controllers");
	return 0;
}

void arch_vm_fini(struct vm *vm)
{
	free(vm->arch);
	vm->arch = NULL;
}

/* --- vCPU --- */

static int set_cpuid(const struct vm *vm, int fd, unsigned index,
		     struct err *err)
{
	struct cpuid c = vm->arch->cpuid;

	cpuid_for_vcpu(&c, index);
	if (ioctl(fd, KVM_SET_CPUID2, &c) < 0)
		return err_sys(err, ERR_BOOT, errno, "set CPUID of vCPU %u",
			       index);
	return 0;
}

/* What firmware leaves behind: all memory can be cached. */
static int set_msrs(int fd, struct err *err)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} m = { .head.nmsrs = 2,
		.entry = { { .index = MSR_MISC_ENABLE,
			     .data = MISC_ENABLE_FAST_STRING },
			   { .index = MSR_MTRR_DEF_TYPE,
			     .data = MTRR_ENABLE_WRITE_BACK } } };

	if (ioctl(fd, KVM_SET_MSRS, &m) != (int)m.head.nmsrs)
		return err_sys(err, ERR_BOOT, errno, "set MSRs of a vCPU");
	return 0;
}

/*
 * Enable in XCR0 what the guest will enable there anyway. Below QEMU's
 * emulation of SVM, KVM never learns of the guest's own XSETBV, and would then
 * report the size of a smaller state and restore less than all of it.
 */
static int set_xcr0(const struct vm *vm, int fd, struct err *err)
{
	struct kvm_xcrs x = { .nr_xcrs = 1 };

	x.xcrs[0].value = cpuid_xcr0(&vm->arch->cpuid);
	if (x.xcrs[0].value && ioctl(fd, KVM_SET_XCRS, &x) < 0)
		return err_sys(err, ERR_BOOT, errno, "set XCR0 of a vCPU");
	return 0;
}

static int set_registers(const struct vm *vm, int fd, struct err *err)
{
	const struct kvm_segment code = {
		.limit = 0xffffffff,
		.selector = SEL_CODE,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	const struct kvm_segment data = {
		.limit = 0xffffffff,
		.selector = SEL_DATA,
		.type = 3,
		.present = 1,
		.s = 1,
		.db = 1,
		.g = 1,
	};
	const struct kvm_segment tss = {
		.limit = 0xffff,
		.selector = SEL_TSS,
		.type = 11,
		.present = 1,
	};
	const struct kvm_regs r = { .rip = vm->entry,
				    .rsi = LAYOUT_ZERO_PAGE,
				    .rsp = LAYOUT_STACK,
				    .rflags = 2 };
	struct kvm_sregs s;

	if (ioctl(fd, KVM_GET_SREGS, &s) < 0)
		return err_sys(err, ERR_BOOT, errno, "read a vCPU's state");
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = tss;
	s.gdt.base = LAYOUT_GDT;
	s.gdt.limit = SEL_TSS + 7;
	s.idt.base = 0;
	s.idt.limit = 0; /* any fault before the kernel has one is its end */
	s.cr0 = CR0_PE | CR0_ET | CR0_NE | CR0_PG;
	s.cr3 = LAYOUT_PAGE_TABLES;
	s.cr4 = CR4_PAE;
	s.efer = EFER_LME | EFER_LMA;
	if (ioctl(fd, KVM_SET_SREGS, &s) < 0 || ioctl(fd, KVM_SET_REGS, &r) < 0)
		return err_sys(err, ERR_BOOT, errno, "set a vCPU's state");
	return 0;
}

int arch_vcpu_init(const struct vm *vm, int vcpu_fd, unsigned index,
		   struct err *err)
{
	int rc = set_cpuid(vm, vcpu_fd, index, err);

	if (!rc)
		rc = set_msrs(vcpu_fd, err);
	if (!rc)
		rc = set_xcr0(vm, vcpu_fd, err);
	/* the others wait for the first one's startup interrupt */
	if (!rc && index == 0)
		rc = set_registers(vm, vcpu_fd, err);
	return rc;
}

/* --- exits --- */

static enum vm_end reset_reason(const struct vm *vm)
{
	const void *flag = gmem_range(&vm->mem, LAYOUT_RESET_FLAG, 2);

	return flag && le16_get(flag) == RESET_WARM ? VM_PANIC : VM_RESTART;
}

static enum vm_end port_written(const struct vm *vm, uint16_t port, uint8_t v)
{
	switch (port) {
	case PORT_POWER_OFF:
		return VM_POWER_OFF;
	case PORT_KEYBOARD:
		return v == 0xfe ? reset_reason(vm) : VM_RUNS;
	case PORT_RESET:
		return v & 4 ? reset_reason(vm) : VM_RUNS;
	default:
		return VM_RUNS;
	}
}

/*
 * No device is behind a port, and such ports read as all ones. Two must not, as
 * a kernel would wait for them: the keyboard controller is always ready to
 * reset us, and the clock is never busy.
 */
static uint8_t port_value(uint16_t port)
{
	return port == PORT_KEYBOARD || port == PORT_RTC ? 0 : 0xff;
}

bool arch_exit(const struct vm *vm, struct kvm_run *run, enum vm_end *ret_end)
{
	size_t len = (size_t)run->io.size * run->io.count;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;

	if (run->exit_reason != KVM_EXIT_IO)
		return false;
	if (run->io.data_offset > vm->run_len ||
	    len > vm->run_len - run->io.data_offset)
		return true; /* KVM never does that */
	if (run->io.direction == KVM_EXIT_IO_IN)
		memset(data, port_value(run->io.port), len);
	else if (len)
		*ret_end = port_written(vm, run->io.port, data[0]);
	return true;
}

void arch_vcpu_registers(int vcpu_fd, char *buf, size_t len)
{
	struct kvm_sregs s;
	struct kvm_regs r;

	if (ioctl(vcpu_fd, KVM_GET_REGS, &r) < 0 ||
	    ioctl(vcpu_fd, KVM_GET_SREGS, &s) < 0) {
		(void)snprintf(buf, len, "registers: not available\n");
		return;
	}
#define R(x) (uint64_t)(x)
	(void)snprintf(
		buf, len,
		"rip %016" PRIx64 " rflags %016" PRIx64 "\n"
		"rax %016" PRIx64 " rbx %016" PRIx64 " rcx %016" PRIx64
		" rdx %016" PRIx64 "\n"
		"rsi %016" PRIx64 " rdi %016" PRIx64 " rbp %016" PRIx64
		" rsp %016" PRIx64 "\n"
		"r8  %016" PRIx64 " r9  %016" PRIx64 " r10 %016" PRIx64
		" r11 %016" PRIx64 "\n"
		"r12 %016" PRIx64 " r13 %016" PRIx64 " r14 %016" PRIx64
		" r15 %016" PRIx64 "\n"
		"cr0 %016" PRIx64 " cr2 %016" PRIx64 " cr3 %016" PRIx64
		" cr4 %016" PRIx64 "\n"
		"efer %016" PRIx64 " cs %04x ss %04x gs base %016" PRIx64 "\n",
		R(r.rip), R(r.rflags), R(r.rax), R(r.rbx), R(r.rcx), R(r.rdx),
		R(r.rsi), R(r.rdi), R(r.rbp), R(r.rsp), R(r.r8), R(r.r9),
		R(r.r10), R(r.r11), R(r.r12), R(r.r13), R(r.r14), R(r.r15),
		R(s.cr0), R(s.cr2), R(s.cr3), R(s.cr4), R(s.efer),
		s.cs.selector, s.ss.selector, R(s.gs.base));
#undef R
}
