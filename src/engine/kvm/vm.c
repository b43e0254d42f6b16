/* SPDX-License-Identifier: Apache-2.0 */
/* Making the machine and its memory. */
#include "engine/kvm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/kvm/arch.h"
#include "engine/kvm/kvm.h"

#define LARGE_PAGE (2ull << 20)

static const struct arch_cap common_caps[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static const char *first_missing(int kvm_fd, const struct arch_cap *caps,
				 size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION,
			  (unsigned long)caps[i].cap) <= 0)
			return caps[i].name;
	return NULL;
}

const char *kvm_missing_capability(int kvm_fd)
{
	const char *name;

	if (ioctl(kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return "version 12 of the KVM interface";
	name = first_missing(kvm_fd, common_caps, ARRAY_SIZE(common_caps));
	return name ? name : first_missing(kvm_fd, arch_caps, arch_ncaps);
}

static int set_slot(struct vm *vm, uint64_t gpa, void *host, uint64_t len,
		    uint32_t flags, struct err *err)
{
	struct kvm_userspace_memory_region r = {
		.slot = vm->nslots,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = len,
		.userspace_addr = (uintptr_t)host,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0)
		return err_sys(err, ERR_BOOT, errno,
			       "give the machine its memory");
	vm->nslots++;
	return 0;
}

/*
 * Memory that costs nothing until the guest touches it. It begins at a multiple
 * of align, a power of two: KVM maps large pages only where both the guest's
 * and our address are on their boundary.
 */
static void *reserve(uint64_t len, uint64_t align)
{
	uint8_t *p = mmap(NULL, len + align, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t skip;

	if (p == MAP_FAILED)
		return NULL;
	skip = -(uintptr_t)p & (align - 1);
	if (skip)
		(void)munmap(p, skip);
	(void)munmap(p + skip + len, align - skip);
	p += skip;
	/* no core dump shall contain a guest, no child inherit it */
	(void)madvise(p, len, MADV_DONTDUMP);
	(void)madvise(p, len, MADV_DONTFORK);
	return p;
}

void vm_init(struct vm *vm)
{
	*vm = (struct vm){ .fd = -1 };
	loader_init(&vm->loader);
}

int vm_reserve(struct vm *vm, unsigned memory_mib, struct err *err)
{
	struct arch_ram ram[ARCH_MAX_RAM];
	uint64_t len = (uint64_t)memory_mib << 20, off = 0;
	size_t n = arch_ram_layout(len, ram);

	vm->ram = reserve(len, LARGE_PAGE);
	if (!vm->ram)
		return err_sys(err, ERR_NO_MEMORY, errno,
			       "reserve %u MiB for the guest", memory_mib);
	vm->ram_len = len;
	/* fewer, bigger faults while the guest touches its memory first */
	(void)madvise(vm->ram, len, MADV_HUGEPAGE);
	for (size_t i = 0; i < n; i++) {
		const struct gmem_region r = { .gpa = ram[i].gpa,
					       .len = ram[i].len,
					       .user = ram[i].gpa,
					       .host = vm->ram + off };
		int rc = gmem_add(&vm->mem, &r);

		if (rc)
			return err_sys(err, ERR_BOOT, -rc, "guest memory");
		off += ram[i].len;
	}
	return 0;
}

static int add_ram(struct vm *vm, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < vm->mem.nregions; i++) {
		const struct gmem_region *r = &vm->mem.region[i];

		rc = set_slot(vm, r->gpa, r->host, r->len, 0, err);
	}
	return rc;
}

static int add_window(struct vm *vm, size_t npages, struct err *err)
{
	size_t len = npages * ARCH_PAGE;

	vm->window = reserve(len, ARCH_PAGE);
	if (!vm->window)
		return err_sys(err, ERR_NO_MEMORY, errno, "device registers");
	vm->window_len = len;
	return set_slot(vm, arch_window(), vm->window, len, KVM_MEM_READONLY,
			err);
}

/*
 * The order matters: KVM waits for a grace period of several milliseconds when
 * memory slots follow interrupt controllers, and for none the other way around.
 */
static int fill(struct vm *vm, int kvm_fd, size_t npages, unsigned vcpus,
		struct err *err)
{
	int rc = add_ram(vm, err);

	if (!rc)
		rc = add_window(vm, npages, err);
	return rc ? rc : arch_vm_init(vm, kvm_fd, vcpus, err);
}

int vm_create(struct vm *vm, size_t npages, unsigned vcpus, struct err *err)
{
	autoclose int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	const char *missing;
	int len;

	if (kvm < 0)
		return err_sys(err, ERR_UNSUPPORTED, errno, "open /dev/kvm");
	missing = kvm_missing_capability(kvm);
	if (missing)
		return err_set(err, ERR_UNSUPPORTED, ENOTSUP,
			       "this host's KVM lacks %s", missing);
	len = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (len < (int)sizeof(struct kvm_run))
		return err_sys(err, ERR_BOOT, len < 0 ? errno : EINVAL,
			       "size of a vCPU's shared area");
	vm->run_len = (size_t)len;
	do
		vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		return err_sys(err, ERR_UNSUPPORTED, errno,
			       "make a virtual machine");
	return fill(vm, kvm, npages, vcpus, err);
}

void vm_fini(struct vm *vm)
{
	loader_fini(&vm->loader);
	close_fd(&vm->fd);
	if (vm->ram)
		(void)munmap(vm->ram, vm->ram_len);
	if (vm->window)
		(void)munmap(vm->window, vm->window_len);
	arch_vm_fini(vm);
}

int vm_load_file(struct vm *vm, uint64_t gpa, int fd, uint64_t off,
		 uint64_t len)
{
	void *to = gmem_range(&vm->mem, gpa, len);

	if (!to || off > INT64_MAX - len)
		return len ? -EFAULT : 0;
	return loader_add_file(&vm->loader, to, fd, off, len);
}
