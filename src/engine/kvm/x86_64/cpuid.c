/* SPDX-License-Identifier: Apache-2.0 */
/* Filtering CPUID, leaf by leaf. */
#include "engine/kvm/x86_64/cpuid.h"

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

#define BIT(n) (1u << (n))

/* Leaf 1. */
#define F1_ECX_VMX BIT(5)
#define F1_ECX_PDCM BIT(15) /* performance capabilities */
#define F1_ECX_TSC_DEADLINE BIT(24)
#define F1_ECX_XSAVE BIT(26)
#define F1_ECX_AVX BIT(28)
#define F1_ECX_HYPERVISOR BIT(31)
#define F1_EDX_HTT BIT(28)
/* Leaf 7. */
#define F7_EBX_SGX BIT(2)
#define F7_EBX_MPX BIT(14)
#define F7_EBX_AVX512F BIT(16)
#define F7_EBX_PT BIT(25)
#define F7_ECX_PKU BIT(3)
#define F7_ECX_SGX_LC BIT(30)
#define F7_EDX_AMX_TILE BIT(24)
/* Leaf 0xd. */
#define LEAF_XSAVE 0xdu
#define XSAVE_LEGACY 576u /* x87, SSE and the header */
#define XSAVE_MAX (1u << 20)
/* Leaf 0x80000001. */
#define FX_ECX_CMP_LEGACY BIT(1)
#define FX_ECX_SVM BIT(2)
#define FX_ECX_PERF (BIT(23) | BIT(24) | BIT(28))

#define LEAF_KVM 0x40000000u
#define TOPOLOGY_THREAD 1u
#define TOPOLOGY_CORE 2u

static const struct kvm_cpuid_entry2 *lookup(const struct cpuid *c,
					     uint32_t leaf, uint32_t index)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (c->entry[i].function == leaf && c->entry[i].index == index)
			return &c->entry[i];
	return NULL;
}

static struct kvm_cpuid_entry2 *find(struct cpuid *c, uint32_t leaf,
				     uint32_t index)
{
	return (struct kvm_cpuid_entry2 *)(uintptr_t)lookup(c, leaf, index);
}

static void clear(struct cpuid *c, uint32_t leaf, uint32_t eax, uint32_t ebx,
		  uint32_t ecx, uint32_t edx)
{
	struct kvm_cpuid_entry2 *e = find(c, leaf, 0);

	if (!e)
		return;
	e->eax &= ~eax;
	e->ebx &= ~ebx;
	e->ecx &= ~ecx;
	e->edx &= ~edx;
}

static void remove_leaf(struct cpuid *c, uint32_t leaf)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < c->n; i++)
		if (c->entry[i].function != leaf)
			c->entry[kept++] = c->entry[i];
	c->n = kept;
}

static void add(struct cpuid *c, const struct kvm_cpuid_entry2 *e)
{
	if (c->n < CPUID_MAX)
		c->entry[c->n++] = *e;
}

static bool is_amd(struct cpuid *c)
{
	const struct kvm_cpuid_entry2 *e = find(c, 0, 0);

	return e &&
	       (!memcmp(&e->ebx, "Auth", 4) || !memcmp(&e->ebx, "Hygo", 4));
}

/* Bits of an id that tell the vCPUs apart. */
static uint32_t id_bits(unsigned vcpus)
{
	uint32_t bits = 0;

	while ((1u << bits) < vcpus)
		bits++;
	return bits;
}

/* One package of single-threaded cores: leaves 0xb (both vendors) and 0x1f. */
static void set_topology(struct cpuid *c, uint32_t leaf, unsigned vcpus)
{
	const uint32_t levels[][4] = {
		{ 0, 1, TOPOLOGY_THREAD << 8, 0 },
		{ id_bits(vcpus), vcpus, TOPOLOGY_CORE << 8 | 1, 0 },
		{ 0, 0, 2, 0 },
	};
	const struct kvm_cpuid_entry2 *base = find(c, 0, 0);

	remove_leaf(c, leaf);
	if (!base || base->eax < leaf)
		return;
	for (uint32_t i = 0; i < ARRAY_SIZE(levels); i++) {
		const struct kvm_cpuid_entry2 e = {
			.function = leaf,
			.index = i,
			.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
			.eax = levels[i][0],
			.ebx = levels[i][1],
			.ecx = levels[i][2],
		};

		add(c, &e);
	}
}

/* How many vCPUs share each cache: the last level all, the others none. Leaf 4
 * and leaf 0x8000001d have the same form. */
static void set_caches(struct cpuid *c, uint32_t leaf, unsigned vcpus)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct kvm_cpuid_entry2 *e = &c->entry[i];
		uint32_t level = e->eax >> 5 & 7;

		if (e->function != leaf || !(e->eax & 31))
			continue;
		e->eax &= ~(0xfffu << 14);
		if (level >= 3)
			e->eax |= (vcpus - 1) << 14;
		if (leaf == 4) /* cores in the package */
			e->eax = (e->eax & ~(0x3fu << 26)) |
				 ((1u << id_bits(vcpus)) - 1) << 26;
	}
}

static void set_features(struct cpuid *c, unsigned vcpus, bool tsc_deadline)
{
	struct kvm_cpuid_entry2 *e = find(c, 1, 0);

	if (e) {
		e->ecx &= ~(F1_ECX_VMX | F1_ECX_PDCM);
		e->ecx |= F1_ECX_HYPERVISOR;
		if (tsc_deadline)
			e->ecx |= F1_ECX_TSC_DEADLINE;
		e->edx &= ~F1_EDX_HTT;
		if (vcpus > 1)
			e->edx |= F1_EDX_HTT;
		e->ebx = (e->ebx & 0xff00ffffu) |
			 (vcpus > 1 ? 1u << id_bits(vcpus) : 1u) << 16;
	}
	/* enclaves and tracing of the host's processor; protection keys, which
	 * our kernel is built without */
	clear(c, 7, 0, F7_EBX_SGX | F7_EBX_PT, F7_ECX_SGX_LC | F7_ECX_PKU, 0);
	remove_leaf(c, 0x12);
	remove_leaf(c, 0x14);
	/* machines inside the machine */
	clear(c, 0x80000001, 0, 0, FX_ECX_SVM | FX_ECX_PERF, 0);
	remove_leaf(c, 0x8000000a);
	/* performance counters */
	remove_leaf(c, 0xa);
	remove_leaf(c, 0x80000022);
	/* power management: what is left is that timers run in idle states */
	clear(c, 6, ~BIT(2), ~0u, ~0u, ~0u);
}

/* Does CPUID show the feature that a state component belongs to? */
static bool has_component(const struct cpuid *c, unsigned i)
{
	const struct kvm_cpuid_entry2 *f1 = lookup(c, 1, 0);
	const struct kvm_cpuid_entry2 *f7 = lookup(c, 7, 0);
	uint32_t ebx = f7 ? f7->ebx : 0, ecx = f7 ? f7->ecx : 0;
	uint32_t edx = f7 ? f7->edx : 0;

	switch (i) {
	case 0: /* x87 */
	case 1: /* SSE */
		return true;
	case 2:
		return f1 && f1->ecx & F1_ECX_AVX;
	case 3:
	case 4:
		return ebx & F7_EBX_MPX;
	case 5:
	case 6:
	case 7:
		return ebx & F7_EBX_AVX512F;
	case 9:
		return ecx & F7_ECX_PKU;
	case 17:
	case 18:
		return edx & F7_EDX_AMX_TILE;
	default: /* what we do not know is left as KVM has it */
		return true;
	}
}

/*
 * KVM lists state components of the host for features that it does not offer,
 * such as protection keys. A kernel that enables what CPUID shows and one that
 * goes by components must come to the same result.
 */
static void set_components(struct cpuid *c)
{
	struct kvm_cpuid_entry2 *e = find(c, LEAF_XSAVE, 0);
	uint32_t size = XSAVE_LEGACY;

	if (!e)
		return;
	for (unsigned i = 0; i < 32; i++) {
		struct kvm_cpuid_entry2 *part = find(c, LEAF_XSAVE, i);

		if (!(e->eax & BIT(i)))
			continue;
		if (!has_component(c, i)) {
			e->eax &= ~BIT(i);
			if (i > 1 && part)
				part->eax = part->ebx = part->ecx = 0;
		} else if (i > 1 && part && part->ebx < XSAVE_MAX &&
			   part->eax < XSAVE_MAX &&
			   size < part->ebx + part->eax) {
			size = part->ebx + part->eax;
		}
	}
	e->ecx = size; /* with all of them enabled */
}

uint64_t cpuid_xcr0(const struct cpuid *c)
{
	const struct kvm_cpuid_entry2 *f1 = lookup(c, 1, 0);
	const struct kvm_cpuid_entry2 *e = lookup(c, LEAF_XSAVE, 0);

	if (!e || !f1 || !(f1->ecx & F1_ECX_XSAVE))
		return 0;
	return e->eax | (uint64_t)e->edx << 32;
}

static void set_amd_cores(struct cpuid *c, unsigned vcpus)
{
	struct kvm_cpuid_entry2 *e = find(c, 0x80000001, 0);

	if (e) {
		e->ecx &= ~FX_ECX_CMP_LEGACY;
		if (vcpus > 1)
			e->ecx |= FX_ECX_CMP_LEGACY;
	}
	e = find(c, 0x80000008, 0);
	if (e)
		e->ecx = id_bits(vcpus) << 12 | (vcpus - 1);
}

/* Old kernels list no leaf of their own, and a guest would not know KVM. */
static void set_signature(struct cpuid *c)
{
	struct kvm_cpuid_entry2 e = { .function = LEAF_KVM,
				      .eax = LEAF_KVM + 1 };
	static const char name[12] = "KVMKVMKVM";

	if (find(c, LEAF_KVM, 0))
		return;
	memcpy(&e.ebx, name, 4);
	memcpy(&e.ecx, name + 4, 4);
	memcpy(&e.edx, name + 8, 4);
	add(c, &e);
}

void cpuid_for_machine(struct cpuid *c, unsigned vcpus, bool tsc_deadline)
{
	if (c->n > CPUID_MAX)
		c->n = CPUID_MAX;
	set_features(c, vcpus, tsc_deadline);
	set_caches(c, 4, vcpus);
	set_caches(c, 0x8000001d, vcpus);
	set_components(c);
	set_topology(c, 0xb, vcpus);
	set_topology(c, 0x1f, vcpus);
	remove_leaf(c, 0x80000026); /* AMD's newer form of the same */
	set_signature(c);
	if (is_amd(c))
		set_amd_cores(c, vcpus);
}

void cpuid_for_vcpu(struct cpuid *c, unsigned index)
{
	for (uint32_t i = 0; i < c->n; i++) {
		struct kvm_cpuid_entry2 *e = &c->entry[i];

		switch (e->function) {
		case 1:
			e->ebx = (e->ebx & 0x00ffffffu) | index << 24;
			break;
		case 0xb:
		case 0x1f:
			e->edx = index;
			break;
		case 0x8000001e: /* core index, one thread, node 0 of 1 */
			e->eax = index;
			e->ebx = index;
			e->ecx = 0;
			break;
		default:
			break;
		}
	}
}
