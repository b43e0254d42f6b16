/* SPDX-License-Identifier: Apache-2.0 */
/* Building the MP table. */
#include "engine/kvm/x86_64/mptable.h"

#include <string.h>

#include "base/bytes.h"
#include "engine/kvm/arch.h"
#include "engine/kvm/x86_64/layout.h"

#define FLOATING_LEN 16u
#define HEADER_LEN 44u
#define CPU_LEN 20u
#define SMALL_LEN 8u /* of every other entry */

#define LAPIC_VERSION 0x14u
#define IOAPIC_VERSION 0x11u
#define ALL_LAPICS 0xffu

enum { ENTRY_CPU, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL };
enum { IRQ_VECTORED = 0, IRQ_NMI = 1, IRQ_EXTINT = 3 };

_Static_assert(FLOATING_LEN + HEADER_LEN + ARCH_MAX_VCPUS * CPU_LEN +
			       (2 + IOAPIC_PINS + 2) * SMALL_LEN <=
		       MPTABLE_MAX,
	       "MPTABLE_MAX is too small");

/* All bytes, this one included, sum up to 0. */
static uint8_t checksum(const uint8_t *p, size_t len)
{
	uint8_t sum = 0;

	while (len--)
		sum = (uint8_t)(sum + *p++);
	return (uint8_t)-sum;
}

/* Without a terminator. */
static void put_text(uint8_t *p, const char *text)
{
	while (*text)
		*p++ = (uint8_t)*text++;
}

static uint8_t *put_cpu(uint8_t *p, unsigned id)
{
	p[0] = ENTRY_CPU;
	p[1] = (uint8_t)id;
	p[2] = LAPIC_VERSION;
	p[3] = id ? 1 : 3;	/* usable; the first one boots */
	le32_put(p + 4, 0x600); /* signature and features: CPUID says more */
	le32_put(p + 8, 0x201); /* has an FPU and a local APIC */
	return p + CPU_LEN;
}

static uint8_t *put_bus(uint8_t *p)
{
	p[0] = ENTRY_BUS;
	p[1] = 0;
	put_text(p + 2, "ISA   ");
	return p + SMALL_LEN;
}

static uint8_t *put_ioapic(uint8_t *p, uint8_t id)
{
	p[0] = ENTRY_IOAPIC;
	p[1] = id;
	p[2] = IOAPIC_VERSION;
	p[3] = 1; /* usable */
	le32_put(p + 4, LAYOUT_IOAPIC);
	return p + SMALL_LEN;
}

/* Polarity and trigger are those of the bus: active high, edge. */
static uint8_t *put_interrupt(uint8_t *p, uint8_t entry, uint8_t type,
			      uint8_t irq, uint8_t to, uint8_t pin)
{
	p[0] = entry;
	p[1] = type;
	le16_put(p + 2, 0);
	p[4] = 0; /* the bus */
	p[5] = irq;
	p[6] = to;
	p[7] = pin;
	return p + SMALL_LEN;
}

static void put_header(uint8_t *p, size_t len, unsigned nentries)
{
	put_text(p, "PCMP");
	le16_put(p + 4, (uint16_t)len);
	p[6] = 4; /* version 1.4 */
	put_text(p + 8, "MSB     ");
	put_text(p + 16, "MICROSANDBOX");
	le16_put(p + 34, (uint16_t)nentries);
	le32_put(p + 36, LAYOUT_LAPIC);
	p[7] = checksum(p, len);
}

static void put_floating(uint8_t *p, uint32_t table)
{
	put_text(p, "_MP_");
	le32_put(p + 4, table);
	p[8] = 1; /* length in paragraphs */
	p[9] = 4; /* version 1.4 */
	p[10] = checksum(p, FLOATING_LEN);
}

size_t mptable_build(uint8_t buf[MPTABLE_MAX], uint32_t addr, unsigned vcpus)
{
	uint8_t *table = buf + FLOATING_LEN;
	uint8_t *p = table + HEADER_LEN;
	uint8_t ioapic = (uint8_t)vcpus; /* ids are shared with the CPUs */

	memset(buf, 0, MPTABLE_MAX);
	for (unsigned i = 0; i < vcpus; i++)
		p = put_cpu(p, i);
	p = put_bus(p);
	p = put_ioapic(p, ioapic);
	for (uint8_t i = 0; i < IOAPIC_PINS; i++)
		p = put_interrupt(p, ENTRY_INTERRUPT, IRQ_VECTORED, i, ioapic,
				  i);
	p = put_interrupt(p, ENTRY_LOCAL, IRQ_EXTINT, 0, 0, 0);
	p = put_interrupt(p, ENTRY_LOCAL, IRQ_NMI, 0, ALL_LAPICS, 1);
	put_header(table, (size_t)(p - table), vcpus + 4 + IOAPIC_PINS);
	put_floating(buf, addr + FLOATING_LEN);
	return (size_t)(p - buf);
}
