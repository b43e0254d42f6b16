/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the kvm engine that need no KVM. */
#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "engine/kvm/advice.h"
#include "engine/kvm/arch.h"
#include "engine/kvm/end.h"
#include "engine/kvm/filter.h"
#include "engine/kvm/x86_64/boot.h"
#include "engine/kvm/x86_64/cmdline.h"
#include "engine/kvm/x86_64/cpuid.h"
#include "engine/kvm/x86_64/elf.h"
#include "engine/kvm/x86_64/layout.h"
#include "engine/kvm/x86_64/mptable.h"

/* --- ELF --- */

struct file {
	Elf64_Ehdr h;
	Elf64_Phdr p[3];
};

/* Text and data as a kernel has them, and a note. */
static struct file good_file(void)
{
	struct file f = {
		.h = { .e_type = ET_EXEC,
		       .e_machine = EM_X86_64,
		       .e_entry = 0x1000100,
		       .e_phoff = sizeof(Elf64_Ehdr),
		       .e_phentsize = sizeof(Elf64_Phdr),
		       .e_phnum = 3 },
		.p = { { .p_type = PT_LOAD,
			 .p_offset = 0x1000,
			 .p_paddr = 0x1000000,
			 .p_filesz = 0x2000,
			 .p_memsz = 0x2000 },
		       { .p_type = PT_LOAD,
			 .p_offset = 0x3000,
			 .p_paddr = 0x1200000,
			 .p_filesz = 0x1000,
			 .p_memsz = 0x5000 },
		       { .p_type = PT_NOTE, .p_offset = ~0ull } },
	};

	memcpy(f.h.e_ident, ELFMAG, SELFMAG);
	f.h.e_ident[EI_CLASS] = ELFCLASS64;
	f.h.e_ident[EI_DATA] = ELFDATA2LSB;
	return f;
}

static void elf_gives_the_plan(void **state)
{
	struct file f = good_file();
	struct elf_image img;

	(void)state;
	assert_null(elf_parse(&f, sizeof(f), 0x4000, &img));
	assert_int_equal(img.nsegments, 2);
	assert_int_equal(img.entry, 0x1000100);
	assert_int_equal(img.start, 0x1000000);
	assert_int_equal(img.end, 0x1205000);
	assert_int_equal(img.segment[1].off, 0x3000);
	assert_int_equal(img.segment[1].filesz, 0x1000);
	assert_int_equal(img.segment[1].memsz, 0x5000);
}

static void bad_elf(const struct file *f, size_t len, const char *why)
{
	struct elf_image img = { .nsegments = 99 };
	const char *wrong = elf_parse(f, len, 0x4000, &img);

	assert_non_null(wrong);
	if (!strstr(wrong, why))
		fail_msg("'%s' instead of '%s'", wrong, why);
	assert_int_equal(img.nsegments, 99);
}

#define BAD_ELF(change, why)                                                   \
	do {                                                                   \
		struct file f = good_file();                                   \
		change;                                                        \
		bad_elf(&f, sizeof(f), why);                                   \
	} while (0)

static void elf_lies_are_found(void **state)
{
	struct file good = good_file();

	(void)state;
	bad_elf(&good, 0, "no ELF");
	bad_elf(&good, sizeof(good.h) - 1, "no ELF");
	bad_elf(&good, sizeof(good) - 1, "not at its beginning");
	BAD_ELF(f.h.e_ident[0] = 0, "no ELF");
	BAD_ELF(f.h.e_ident[EI_CLASS] = ELFCLASS32, "not for x86-64");
	BAD_ELF(f.h.e_ident[EI_DATA] = ELFDATA2MSB, "not for x86-64");
	BAD_ELF(f.h.e_machine = EM_AARCH64, "not for x86-64");
	BAD_ELF(f.h.e_type = ET_REL, "no executable");
	BAD_ELF(f.h.e_phentsize = 32, "no program headers");
	BAD_ELF(f.h.e_phnum = 0, "no program headers");
	BAD_ELF(f.h.e_phnum = 0xffff, "not at its beginning");
	BAD_ELF(f.h.e_phoff = ~0ull, "not at its beginning");
	BAD_ELF(f.h.e_phoff = sizeof(f) + 1, "not at its beginning");
	BAD_ELF(f.p[0].p_offset = ~0ull - 1, "outside the file");
	BAD_ELF(f.p[0].p_offset = 0x2001, "outside the file");
	BAD_ELF(f.p[0].p_filesz = 0x2001, "outside the file");
	BAD_ELF(f.p[1].p_paddr = ~0ull - 0x4ffe, "outside the address space");
	BAD_ELF(f.p[1].p_memsz = ~0ull, "outside the address space");
	BAD_ELF(f.h.e_entry = 0xffffff, "its entry point");
	BAD_ELF(f.h.e_entry = 0x1002000, "its entry point");
	BAD_ELF(f.h.e_entry = 0x1201000, "its entry point"); /* not loaded */
	BAD_ELF(f.p[0].p_type = f.p[1].p_type = PT_NULL, "its entry point");
}

static void elf_has_few_segments(void **state)
{
	struct {
		Elf64_Ehdr h;
		Elf64_Phdr p[ELF_MAX_SEGMENTS + 1];
	} f = { .h = good_file().h };
	struct elf_image img;

	(void)state;
	f.h.e_phnum = ARRAY_SIZE(f.p);
	for (size_t i = 0; i < ARRAY_SIZE(f.p); i++)
		f.p[i] = good_file().p[0];
	assert_non_null(strstr(elf_parse(&f, sizeof(f), 0x4000, &img),
			       "too many segments"));
	f.p[3].p_memsz = f.p[3].p_filesz = 0;
	assert_null(elf_parse(&f, sizeof(f), 0x4000, &img));
	assert_int_equal(img.nsegments, ELF_MAX_SEGMENTS);
}

/* --- boot structures --- */

static void memory_leaves_a_hole(void **state)
{
	struct arch_ram r[ARCH_MAX_RAM];

	(void)state;
	assert_int_equal(arch_ram_layout(512ull << 20, r), 1);
	assert_int_equal(r[0].gpa, 0);
	assert_int_equal(r[0].len, 512ull << 20);
	assert_int_equal(arch_ram_layout(LAYOUT_HOLE, r), 1);
	assert_int_equal(arch_ram_layout(8ull << 30, r), 2);
	assert_int_equal(r[0].len, LAYOUT_HOLE);
	assert_int_equal(r[1].gpa, 1ull << 32);
	assert_int_equal(r[0].len + r[1].len, 8ull << 30);
	assert_true(arch_window() >= LAYOUT_HOLE);
}

static void zero_page_tells_all(void **state)
{
	static struct boot_params p;
	const struct boot_facts f = { .ram_len = 4ull << 30,
				      .initramfs = 0xbff00000,
				      .initramfs_len = 12345,
				      .cmdline = 0x20000,
				      .cmdline_len = 77,
				      .setup_data = 0x10000 };
	uint64_t ram = 0;

	(void)state;
	memset(&p, 0xff, sizeof(p));
	boot_params_fill(&p, &f);
	/* offsets are those of the protocol, not of our header */
	assert_int_equal(le16_get((uint8_t *)&p + 0x1fe), 0xaa55);
	assert_memory_equal((uint8_t *)&p + 0x202, "HdrS", 4);
	assert_int_equal(le32_get((uint8_t *)&p + 0x218), 0xbff00000);
	assert_int_equal(le32_get((uint8_t *)&p + 0x21c), 12345);
	assert_int_equal(le32_get((uint8_t *)&p + 0x228), 0x20000);
	assert_int_equal(le32_get((uint8_t *)&p + 0x238), 77);
	assert_int_equal(le64_get((uint8_t *)&p + 0x250), 0x10000);
	assert_int_equal(((uint8_t *)&p)[0x1e8], 4);
	for (unsigned i = 0; i < p.e820_entries; i++) {
		const struct boot_e820_entry *e = &p.e820_table[i];

		if (e->type == 1)
			ram += e->size;
		assert_true(e->size > 0);
		if (i)
			assert_true(e->addr >=
				    p.e820_table[i - 1].addr +
					    p.e820_table[i - 1].size);
		assert_false(e->addr < LAYOUT_HOLE_END &&
			     e->addr + e->size > LAYOUT_HOLE);
	}
	/* all but what old firmware had below 1 MiB */
	assert_int_equal((4ull << 30) - ram, 0x100000 - LAYOUT_MP_TABLE);
}

static uint8_t sum(const uint8_t *p, size_t len)
{
	uint8_t s = 0;

	while (len--)
		s = (uint8_t)(s + *p++);
	return s;
}

static void mp_table_is_valid(void **state)
{
	uint8_t t[MPTABLE_MAX];

	(void)state;
	for (unsigned cpus = 1; cpus <= ARCH_MAX_VCPUS; cpus++) {
		size_t len = mptable_build(t, 0x9fc00, cpus), at = 16 + 44;
		unsigned n[5] = { 0 }, pins = 0;

		assert_true(len <= MPTABLE_MAX);
		assert_memory_equal(t, "_MP_", 4);
		assert_int_equal(le32_get(t + 4), 0x9fc10);
		assert_int_equal(sum(t, 16), 0);
		assert_memory_equal(t + 16, "PCMP", 4);
		assert_int_equal(le16_get(t + 20), len - 16);
		assert_int_equal(sum(t + 16, len - 16), 0);
		for (unsigned i = 0; i < le16_get(t + 16 + 34); i++) {
			assert_true(at < len && t[at] < 5);
			if (t[at] == 0) /* ids in order, the first boots */
				assert_int_equal(t[at + 1], n[0]);
			if (t[at] == 2)
				assert_int_equal(t[at + 1], cpus);
			if (t[at] == 3)
				pins |= 1u << t[at + 7];
			n[t[at]]++;
			at += t[at] ? 8 : 20;
		}
		assert_int_equal(at, len);
		assert_int_equal(n[0], cpus);
		assert_int_equal(n[2], 1);
		assert_int_equal(n[4], 2);
		for (size_t d = 0; d < 100; d++)
			assert_true(pins & 1u << arch_device_gsi(d));
	}
}

static void command_line_names_devices(void **state)
{
	struct err err = { 0 };
	char long_text[CMDLINE_MAX + 1];
	const char *text;
	struct buf b;

	(void)state;
	buf_init(&b, CMDLINE_MAX);
	assert_int_equal(cmdline_build(2, "extra=1", &b, &err), 0);
	text = buf_cstr(&b);
	assert_non_null(strstr(text, "console=hvc0"));
	assert_non_null(strstr(text, " earlycon=uart8250,mmio32,0xd0000000 "));
	assert_non_null(strstr(text, " virtio_mmio.device=4K@0xd0001000:5 "
				     "virtio_mmio.device=4K@0xd0002000:6 "));
	assert_non_null(strstr(text, " reboot=k,panic_warm "));
	assert_string_equal(strstr(text, " extra=1"), " extra=1");
	buf_reset(&b);
	assert_int_equal(cmdline_build(66, NULL, &b, &err), 0);
	memset(long_text, 'x', sizeof(long_text));
	long_text[CMDLINE_MAX] = 0;
	buf_reset(&b);
	assert_true(cmdline_build(0, long_text, &b, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID);
	buf_fini(&b);
}

/* --- CPUID --- */

static void leaf(struct cpuid *c, uint32_t function, uint32_t index,
		 uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx)
{
	c->entry[c->n++] = (struct kvm_cpuid_entry2){ .function = function,
						      .index = index,
						      .eax = eax,
						      .ebx = ebx,
						      .ecx = ecx,
						      .edx = edx };
}

static const struct kvm_cpuid_entry2 *find(const struct cpuid *c,
					   uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->entry[i].function == function &&
		    c->entry[i].index == index)
			return &c->entry[i];
	return NULL;
}

static void init_amd(struct cpuid *c)
{
	memset(c, 0, sizeof(*c));
	leaf(c, 0, 0, 0x1f, 0x68747541, 0x444d4163, 0x69746e65);
	/* VMX, PDCM, XSAVE, AVX; 255 logical processors */
	leaf(c, 1, 0, 0, 0x00ff0800, 1u << 5 | 1u << 15 | 1u << 26 | 1u << 28,
	     0);
	leaf(c, 6, 0, 0xff, 0xff, 0xff, 0);
	leaf(c, 7, 0, 0, 1u << 2 | 1u << 25 | 1u << 5, 1u << 3 | 1u << 30, 0);
	leaf(c, 0xa, 0, 7, 0, 0, 0);
	leaf(c, 0xb, 0, 9, 9, 9, 9);
	leaf(c, 0xd, 0, 0x2ff, 576, 2696, 0);
	leaf(c, 0xd, 2, 256, 576, 0, 0);
	leaf(c, 0xd, 5, 64, 1088, 0, 0);
	leaf(c, 0xd, 9, 8, 2688, 0, 0);
	leaf(c, 0x12, 0, 1, 1, 1, 1);
	leaf(c, 0x14, 0, 1, 1, 1, 1);
	leaf(c, 0x80000001, 0, 0, 0, 1u << 2 | 1u << 23, 0);
	leaf(c, 0x80000008, 0, 48, 0, 0xffff, 0);
	leaf(c, 0x8000000a, 0, 1, 1, 1, 1);
	leaf(c, 0x8000001d, 0, 1 | 1 << 5 | 7 << 14, 0, 0, 0);
	leaf(c, 0x8000001d, 3, 3 | 3 << 5 | 0xfff << 14, 0, 0, 0);
	leaf(c, 0x8000001e, 0, 99, 99, 99, 99);
}

static void cpuid_hides_what_guests_shall_not_have(void **state)
{
	struct cpuid c;

	(void)state;
	init_amd(&c);
	cpuid_for_machine(&c, 1, true);
	assert_int_equal(find(&c, 1, 0)->ecx,
			 1u << 24 | 1u << 26 | 1u << 28 | 1u << 31);
	assert_int_equal(find(&c, 6, 0)->eax, 4);
	assert_int_equal(find(&c, 7, 0)->ebx, 1u << 5);
	assert_int_equal(find(&c, 7, 0)->ecx, 0);
	assert_null(find(&c, 0xa, 0));
	assert_null(find(&c, 0x12, 0));
	assert_null(find(&c, 0x14, 0));
	assert_int_equal(find(&c, 0x80000001, 0)->ecx, 0);
	assert_null(find(&c, 0x8000000a, 0));
	assert_memory_equal(&find(&c, 0x40000000, 0)->ebx, "KVMKVMKVM\0\0\0",
			    12);
}

/* AVX is shown; AVX-512 and protection keys are components without feature. */
static void cpuid_state_follows_features(void **state)
{
	struct cpuid c;

	(void)state;
	init_amd(&c);
	cpuid_for_machine(&c, 1, false);
	assert_int_equal(find(&c, 0xd, 0)->eax, 7);
	assert_int_equal(find(&c, 0xd, 0)->ecx, 576 + 256);
	assert_int_equal(find(&c, 0xd, 9)->eax, 0);
	assert_int_equal(cpuid_xcr0(&c), 7);
	assert_int_equal(find(&c, 1, 0)->ecx & 1u << 24, 0);
	c.entry[1].ecx &= ~(1u << 26);
	assert_int_equal(cpuid_xcr0(&c), 0);
}

static void cpuid_shows_cores(void **state)
{
	struct cpuid c;

	(void)state;
	init_amd(&c);
	cpuid_for_machine(&c, 6, true);
	cpuid_for_vcpu(&c, 5);
	assert_int_equal(find(&c, 1, 0)->ebx, 5u << 24 | 8u << 16 | 0x800);
	assert_int_equal(find(&c, 1, 0)->edx, 1u << 28);
	assert_int_equal(find(&c, 0xb, 0)->ebx, 1);
	assert_int_equal(find(&c, 0xb, 1)->eax, 3);
	assert_int_equal(find(&c, 0xb, 1)->ebx, 6);
	assert_int_equal(find(&c, 0xb, 1)->ecx, 0x201);
	assert_int_equal(find(&c, 0xb, 1)->edx, 5);
	assert_int_equal(find(&c, 0x1f, 1)->ebx, 6);
	assert_int_equal(find(&c, 0x80000008, 0)->ecx, 3u << 12 | 5);
	assert_int_equal(find(&c, 0x80000001, 0)->ecx, 2);
	assert_int_equal(find(&c, 0x8000001d, 0)->eax >> 14, 0);
	assert_int_equal(find(&c, 0x8000001d, 3)->eax >> 14, 5);
	assert_int_equal(find(&c, 0x8000001e, 0)->eax, 5);
}

static void cpuid_takes_a_full_table(void **state)
{
	struct cpuid c;

	(void)state;
	memset(&c, 0, sizeof(c));
	leaf(&c, 0, 0, 0x1f, 0, 0, 0);
	while (c.n < CPUID_MAX)
		leaf(&c, 0x1000 + c.n, 0, 0, 0, 0, 0);
	c.n = CPUID_MAX + 7;
	cpuid_for_machine(&c, 32, true);
	assert_int_equal(c.n, CPUID_MAX);
}

/* --- texts --- */

static struct host_facts vmx_host(void)
{
	return (struct host_facts){ .cpu_vmx = true };
}

static void advice_fits_the_host(void **state)
{
	struct {
		struct host_facts f;
		const char *reason, *remedy;
	} c[] = {
		{ vmx_host(), "there is no /dev/kvm", "modprobe kvm_intel" },
		{ vmx_host(), "cannot be opened", "usermod -aG kvm" },
		{ vmx_host(), "may not use", "--device /dev/kvm" },
		{ vmx_host(), "no driver", "modprobe kvm_amd" },
		{ vmx_host(), "too old", "KVM_CAP_IRQFD" },
		{ vmx_host(), "emulate every", "nested virtualisation" },
		{ vmx_host(), "there is no /dev/kvm", "firmware" },
		{ vmx_host(), "emulate every", "nested virtualisation" },
	};
	struct host_facts good = vmx_host();
	struct kvm_advice a;

	(void)state;
	assert_false(kvm_advise(&good, &a));
	c[0].f.kvm_errno = ENOENT;
	c[1].f.kvm_errno = EACCES;
	(void)snprintf(c[1].f.kvm_group, sizeof(c[1].f.kvm_group), "kvm");
	c[2].f.kvm_errno = EPERM;
	c[3].f.kvm_errno = ENODEV;
	c[3].f.cpu_vmx = false;
	c[3].f.cpu_svm = true;
	(void)snprintf(c[4].f.kvm_lacks, sizeof(c[4].f.kvm_lacks),
		       "KVM_CAP_IRQFD");
	c[5].f.cpu_vmx = false;
	c[5].f.cpu_hypervisor = true;
	c[6].f.cpu_vmx = false;
	c[6].f.kvm_errno = ENOENT;
	/* a group would not help where every instruction is emulated */
	c[7].f.cpu_vmx = false;
	c[7].f.cpu_hypervisor = true;
	c[7].f.kvm_errno = EACCES;
	(void)snprintf(c[7].f.kvm_group, sizeof(c[7].f.kvm_group), "kvm");
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		assert_true(kvm_advise(&c[i].f, &a));
		if (!strstr(a.reason, c[i].reason) ||
		    !strstr(a.remedy, c[i].remedy))
			fail_msg("%zu: %s; %s", i, a.reason, a.remedy);
	}
	kvm_advise_create(EBUSY, &a);
	assert_non_null(strstr(a.remedy, "another hypervisor"));
}

static void ends_are_explained(void **state)
{
	static const struct {
		enum vm_end end;
		bool clean;
		int code, signal;
		const char *text;
	} c[] = {
		{ VM_POWER_OFF, true, 0, 0, "the guest powered off" },
		{ VM_RESTART, true, 0, 0,
		  "the guest asked for a restart and was stopped" },
		{ VM_PANIC, false, -1, 0, "guest kernel panic: Oh no" },
		{ VM_SHUTDOWN, false, -1, 0,
		  "the guest crashed: triple fault (vCPU 3, why)" },
		{ VM_ENTRY_FAILED, false, -1, 0,
		  "the processor refused to run the guest (vCPU 3, why)" },
		{ VM_INTERNAL_ERROR, false, -1, 0,
		  "KVM cannot run the guest any further (vCPU 3, why)" },
		{ VM_RUN_ERROR, false, -1, 0,
		  "the guest cannot be run (vCPU 3, why)" },
		{ VM_STOPPED, false, -1, SIGKILL,
		  "the machine was stopped by force" },
	};
	struct klog log = { .fd = -1 };
	struct machine_exit e;

	(void)state;
	klog_note(&log, "Kernel panic - not syncing: Oh no\n", 34);
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		const struct vm_report r = { .end = c[i].end,
					     .vcpu = 3,
					     .detail = "why" };

		vm_explain_end(&r, &log, &e);
		assert_int_equal(e.clean, c[i].clean);
		assert_int_equal(e.code, c[i].code);
		assert_int_equal(e.signal, c[i].signal);
		assert_string_equal(e.text, c[i].text);
	}
	memset(&log, 0, sizeof(log));
	vm_explain_end(&(struct vm_report){ .end = VM_PANIC }, &log, &e);
	assert_non_null(strstr(e.text, "last words"));
}

/* --- filter --- */

/* In the child: 0 when each call has the result it must have. */
static int try_filter(const struct vcpu_filter *f, int console, int other)
{
	const uint64_t one = 1;

	if (vcpu_filter_apply(f))
		return 1;
	if (write(console, "hello", 5) != 5)
		return 2;
	if (write(other, &one, 8) != 8)
		return 3;
	if (write(other, &one, 4) != -1 || errno != ENOSYS)
		return 4;
	if (ioctl(other, KVM_RUN, 0) != -1 || errno != ENOTTY)
		return 5; /* reached the eventfd, which knows no requests */
	if (ioctl(other, KVM_CREATE_VM, 0) != -1 || errno != ENOSYS)
		return 6;
	if (open("/dev/null", O_RDONLY) != -1 || errno != ENOSYS)
		return 7;
	if (read(other, (void *)(uintptr_t)&one, 8) != -1 || errno != ENOSYS)
		return 8;
	if (vcpu_filter_apply(f) != -EALREADY)
		return 9;
	if (fork() != -1 || errno != ENOSYS)
		return 10;
	return 0;
}

static void filter_leaves_little(void **state)
{
	struct vcpu_filter f;
	int fds[2], other = eventfd(0, EFD_NONBLOCK), status = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	vcpu_filter_build(&f, fds[1]);
	assert_true(f.len <= VCPU_FILTER_MAX);
#if defined(__SANITIZE_ADDRESS__)
	assert_int_equal(vcpu_filter_apply(&f), -ENOTSUP);
	(void)status;
	(void)pid;
	(void)try_filter;
#else
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(try_filter(&f, fds[1], other));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
#endif
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)close(other);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(elf_gives_the_plan),
		cmocka_unit_test(elf_lies_are_found),
		cmocka_unit_test(elf_has_few_segments),
		cmocka_unit_test(memory_leaves_a_hole),
		cmocka_unit_test(zero_page_tells_all),
		cmocka_unit_test(mp_table_is_valid),
		cmocka_unit_test(command_line_names_devices),
		cmocka_unit_test(cpuid_hides_what_guests_shall_not_have),
		cmocka_unit_test(cpuid_state_follows_features),
		cmocka_unit_test(cpuid_shows_cores),
		cmocka_unit_test(cpuid_takes_a_full_table),
		cmocka_unit_test(advice_fits_the_host),
		cmocka_unit_test(ends_are_explained),
		cmocka_unit_test(filter_leaves_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
