/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel, initramfs, command line and tables in guest memory. */
#include "engine/kvm/x86_64/boot.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "engine/kvm/x86_64/cmdline.h"
#include "engine/kvm/x86_64/elf.h"
#include "engine/kvm/x86_64/layout.h"
#include "engine/kvm/x86_64/mptable.h"

#define BOOT_FLAG 0xaa55
#define HEADER_MAGIC 0x53726448u /* "HdrS" */
#define PROTOCOL 0x020f
#define UNKNOWN_LOADER 0xff

#define E820_RAM 1
#define E820_RESERVED 2

#define SETUP_RNG 9 /* SETUP_RNG_SEED, newer than some headers */
#define SEED_LEN 64u

/* Page table entries. */
#define PTE_TABLE 3u /* present, writable */
#define PTE_LARGE 0x83u
#define LARGE_PAGE (2ull << 20)

static int outside(struct err *err)
{
	return err_set(err, ERR_INVALID, ENOMEM,
		       "the guest has too little memory to start");
}

/* --- kernel --- */

static int load_segments(struct vm *vm, const struct arch_boot *boot,
			 const struct elf_image *img, struct err *err)
{
	for (unsigned i = 0; i < img->nsegments; i++) {
		const struct elf_segment *s = &img->segment[i];
		int rc;

		/* what the file does not fill is zero: memory is new */
		if (!gmem_range(&vm->mem, s->addr, s->memsz))
			return outside(err);
		rc = vm_load_file(vm, s->addr, boot->kernel_fd, s->off,
				  s->filesz);
		if (rc)
			return err_sys(err, ERR_BOOT, -rc,
				       "read guest kernel '%s'",
				       boot->kernel_path);
	}
	return 0;
}

static int load_kernel(struct vm *vm, const struct arch_boot *boot,
		       struct elf_image *img, struct err *err)
{
	uint8_t head[ELF_HEAD];
	ssize_t n = pread(boot->kernel_fd, head, sizeof(head), 0);
	const char *wrong;
	struct stat st;

	if (n < 0 || fstat(boot->kernel_fd, &st) < 0)
		return err_sys(err, ERR_BOOT, errno, "read guest kernel '%s'",
			       boot->kernel_path);
	wrong = elf_parse(head, (size_t)n, (uint64_t)st.st_size, img);
	if (!wrong && img->start < LAYOUT_HIGH_START)
		wrong = "it wants to be below 1 MiB";
	if (wrong)
		return err_set(err, ERR_BOOT, ENOEXEC,
			       "'%s' is no guest kernel: %s", boot->kernel_path,
			       wrong);
	return load_segments(vm, boot, img, err);
}

/* --- initramfs: right behind the kernel, where it often fits into the last of
 * the large pages which the kernel needs anyway --- */

static int load_initramfs(struct vm *vm, const struct arch_boot *boot,
			  const struct elf_image *img, struct boot_facts *f,
			  struct err *err)
{
	uint64_t top = vm->mem.region[0].len, at, len;
	struct stat st;
	int rc;

	if (boot->initramfs_fd < 0)
		return 0;
	if (fstat(boot->initramfs_fd, &st) < 0)
		return err_sys(err, ERR_BOOT, errno, "read the initramfs");
	len = (uint64_t)st.st_size;
	at = (img->end + ARCH_PAGE - 1) & ~(uint64_t)(ARCH_PAGE - 1);
	if (at > top || len > top - at)
		return outside(err);
	rc = vm_load_file(vm, at, boot->initramfs_fd, 0, len);
	f->initramfs = at;
	f->initramfs_len = len;
	return rc ? err_sys(err, ERR_BOOT, -rc, "read the initramfs") : 0;
}

/* --- small things below 640 KiB --- */

static void put(const struct vm *vm, uint64_t gpa, const void *data, size_t len)
{
	/* always there: a machine has more memory than this */
	memcpy(gmem_range(&vm->mem, gpa, len), data, len);
}

static int put_cmdline(const struct vm *vm, const struct arch_boot *boot,
		       struct boot_facts *f, struct err *err)
{
	struct buf text;
	int rc;

	buf_init(&text, CMDLINE_MAX);
	rc = cmdline_build(boot->ndevices, boot->extra_cmdline, &text, err);
	if (!rc) {
		f->cmdline = LAYOUT_CMDLINE;
		f->cmdline_len = buf_len(&text);
		put(vm, LAYOUT_CMDLINE, buf_data(&text), buf_len(&text));
	}
	buf_fini(&text);
	return rc;
}

/* Entropy for the guest's first moments. */
static void put_seed(const struct vm *vm, struct boot_facts *f)
{
	uint8_t node[16 + SEED_LEN] = { 0 };

	if (getrandom(node + 16, SEED_LEN, GRND_NONBLOCK) != SEED_LEN)
		return;
	le32_put(node + 8, SETUP_RNG);
	le32_put(node + 12, SEED_LEN);
	put(vm, LAYOUT_SETUP_DATA, node, sizeof(node));
	explicit_bzero(node, sizeof(node));
	f->setup_data = LAYOUT_SETUP_DATA;
}

static void put_mptable(const struct vm *vm, unsigned vcpus)
{
	uint8_t table[MPTABLE_MAX];
	size_t len = mptable_build(table, LAYOUT_MP_TABLE, vcpus);

	put(vm, LAYOUT_MP_TABLE, table, len);
}

static void put_gdt(const struct vm *vm)
{
	const uint64_t gdt[] = {
		[SEL_CODE / 8] = 0x00af9b000000ffffull,
		[SEL_DATA / 8] = 0x00cf93000000ffffull,
		[SEL_TSS / 8] = 0x008f8b000000ffffull,
	};

	put(vm, LAYOUT_GDT, gdt, sizeof(gdt));
}

/* Identity map of the first 4 GiB in large pages. */
static void put_page_tables(const struct vm *vm)
{
	enum { NTABLES = 4, ENTRIES = 512 };
	uint64_t at = LAYOUT_PAGE_TABLES, entry[ENTRIES] = { 0 };

	entry[0] = (at + ARCH_PAGE) | PTE_TABLE;
	put(vm, at, entry, ARCH_PAGE);
	for (unsigned t = 0; t < NTABLES; t++)
		entry[t] = (at + (2 + t) * ARCH_PAGE) | PTE_TABLE;
	put(vm, at + ARCH_PAGE, entry, ARCH_PAGE);
	for (unsigned t = 0; t < NTABLES; t++) {
		for (unsigned i = 0; i < ENTRIES; i++)
			entry[i] = (t * ENTRIES + i) * LARGE_PAGE | PTE_LARGE;
		put(vm, at + (2 + t) * ARCH_PAGE, entry, ARCH_PAGE);
	}
}

static void add_e820(struct boot_params *p, uint64_t addr, uint64_t end,
		     uint32_t type)
{
	if (end > addr)
		p->e820_table[p->e820_entries++] =
			(struct boot_e820_entry){ addr, end - addr, type };
}

void boot_params_fill(struct boot_params *p, const struct boot_facts *f)
{
	struct arch_ram ram[ARCH_MAX_RAM];
	size_t n = arch_ram_layout(f->ram_len, ram);

	memset(p, 0, sizeof(*p));
	p->hdr.boot_flag = BOOT_FLAG;
	p->hdr.header = HEADER_MAGIC;
	p->hdr.version = PROTOCOL;
	p->hdr.type_of_loader = UNKNOWN_LOADER;
	p->hdr.cmd_line_ptr = (uint32_t)f->cmdline;
	p->hdr.cmdline_size = (uint32_t)f->cmdline_len;
	p->hdr.ramdisk_image = (uint32_t)f->initramfs;
	p->hdr.ramdisk_size = (uint32_t)f->initramfs_len;
	p->hdr.setup_data = f->setup_data;
	add_e820(p, 0, LAYOUT_MP_TABLE, E820_RAM);
	add_e820(p, LAYOUT_MP_TABLE, LAYOUT_LOW_END, E820_RESERVED);
	add_e820(p, LAYOUT_HIGH_START, ram[0].len, E820_RAM);
	if (n > 1)
		add_e820(p, ram[1].gpa, ram[1].gpa + ram[1].len, E820_RAM);
}

int arch_vm_load(struct vm *vm, const struct arch_boot *boot, struct err *err)
{
	struct boot_facts f = { .ram_len = vm->ram_len };
	struct boot_params params;
	struct elf_image img = { .nsegments = 0 };
	int rc;

	if (vm->mem.region[0].len < LAYOUT_HIGH_START)
		return outside(err);
	rc = load_kernel(vm, boot, &img, err);
	if (!rc)
		rc = load_initramfs(vm, boot, &img, &f, err);
	if (!rc)
		rc = put_cmdline(vm, boot, &f, err);
	if (rc)
		return rc;
	put_seed(vm, &f);
	put_mptable(vm, boot->vcpus);
	put_gdt(vm);
	put_page_tables(vm);
	boot_params_fill(&params, &f);
	put(vm, LAYOUT_ZERO_PAGE, &params, sizeof(params));
	vm->entry = img.entry;
	return 0;
}
