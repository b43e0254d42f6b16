/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proves that this machine has a KVM that runs a guest: makes a virtual machine
 * that adds numbers in a loop, in 64-bit mode with paging of its own, writes
 * the sum to a port and to an address watched by an eventfd, and halts.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM_SIZE (1u << 20)
#define CODE 0x8000u
#define PML4 0x1000u
#define PDPT 0x2000u
#define PD 0x3000u
#define DOORBELL 0x200000u /* behind the memory, inside the mapped 1 GiB */
#define PORT 0x80
#define ROUNDS 1000u

static const uint8_t code[] = {
	0x31, 0xc0,			    /* xor eax, eax */
	0xb9, 0xe8, 0x03, 0x00, 0x00,	    /* mov ecx, ROUNDS */
	0x01, 0xc8,			    /* again: add eax, ecx */
	0xff, 0xc9,			    /* dec ecx */
	0x75, 0xfa,			    /* jnz again */
	0xc7, 0x04, 0x25, 0x00, 0x00, 0x20, /* mov dword [DOORBELL], 1 */
	0x00, 0x01, 0x00, 0x00, 0x00,	    /* */
	0xe7, PORT,			    /* out PORT, eax */
	0xf4,				    /* hlt */
};

static void fail(const char *what)
{
	fprintf(stderr, "probe: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void expect(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "probe: %s\n", what);
	exit(1);
}

static int request(int fd, unsigned long what, const char *name, void *arg)
{
	int rc = ioctl(fd, what, arg);

	if (rc < 0)
		fail(name);
	return rc;
}

static uint8_t *make_memory(int vm)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEM_SIZE };
	uint8_t *mem = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t entry;

	if (mem == MAP_FAILED)
		fail("mmap");
	slot.userspace_addr = (uint64_t)(uintptr_t)mem;
	request(vm, KVM_SET_USER_MEMORY_REGION, "memory slot", &slot);
	memcpy(mem + CODE, code, sizeof(code));
	entry = PDPT | 3; /* present, writable */
	memcpy(mem + PML4, &entry, sizeof(entry));
	entry = PD | 3;
	memcpy(mem + PDPT, &entry, sizeof(entry));
	for (uint64_t i = 0; i < 512; i++) {
		entry = i << 21 | 0x83; /* 2 MiB page */
		memcpy(mem + PD + i * 8, &entry, sizeof(entry));
	}
	return mem;
}

static void enter_long_mode(int vcpu)
{
	struct kvm_segment cs = { .limit = 0xffffffff,
				  .selector = 8,
				  .type = 11,
				  .present = 1,
				  .s = 1,
				  .l = 1,
				  .g = 1 };
	struct kvm_segment ds = cs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	ds.selector = 16;
	ds.type = 3;
	ds.l = 0;
	ds.db = 1;
	request(vcpu, KVM_GET_SREGS, "get sregs", &sregs);
	sregs.cr3 = PML4;
	sregs.cr4 |= 1u << 5;		  /* PAE */
	sregs.cr0 |= 1u << 31 | 1u;	  /* PG, PE */
	sregs.efer |= 1u << 10 | 1u << 8; /* LMA, LME */
	sregs.cs = cs;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = ds;
	request(vcpu, KVM_SET_SREGS, "set sregs", &sregs);
	request(vcpu, KVM_SET_REGS, "set regs", &regs);
}

static void watch_doorbell(int vm, int efd)
{
	struct kvm_ioeventfd bell = { .addr = DOORBELL,
				      .len = 4,
				      .datamatch = 1,
				      .fd = efd,
				      .flags = KVM_IOEVENTFD_FLAG_DATAMATCH };

	request(vm, KVM_IOEVENTFD, "ioeventfd", &bell);
}

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int efd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int vm, vcpu, size;
	struct kvm_run *run;
	uint64_t rung = 0;
	uint32_t sum;

	if (kvm < 0)
		fail("/dev/kvm");
	expect(request(kvm, KVM_GET_API_VERSION, "version", NULL) == 12,
	       "the API's version is not 12");
	vm = request(kvm, KVM_CREATE_VM, "machine", NULL);
	(void)make_memory(vm);
	watch_doorbell(vm, efd);
	vcpu = request(vm, KVM_CREATE_VCPU, "vcpu", NULL);
	size = request(kvm, KVM_GET_VCPU_MMAP_SIZE, "size", NULL);
	run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu,
		   0);
	if (run == MAP_FAILED)
		fail("mmap of the vcpu");
	enter_long_mode(vcpu);
	request(vcpu, KVM_RUN, "run", NULL);
	expect(run->exit_reason == KVM_EXIT_IO && run->io.port == PORT &&
		       run->io.size == 4,
	       "the guest did not end with its port access");
	memcpy(&sum, (uint8_t *)run + run->io.data_offset, sizeof(sum));
	expect(sum == ROUNDS * (ROUNDS + 1) / 2, "the sum is wrong");
	expect(read(efd, &rung, sizeof(rung)) == sizeof(rung) && rung == 1,
	       "the eventfd was not rung once");
	request(vcpu, KVM_RUN, "run to the halt", NULL);
	expect(run->exit_reason == KVM_EXIT_HLT, "the guest did not halt");
	printf("sum=%u\n", sum);
	return 0;
}
