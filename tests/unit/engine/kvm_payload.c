/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest that is hostile: it runs in the place of a kernel, alone on vCPU 0 in
 * 64-bit mode with the first 4 GiB mapped, and does what "hostile=NAME" on its
 * command line says. It talks through the early console and is short enough for
 * a KVM that emulates each instruction.
 */
#include <stdbool.h>
#include <stdint.h>

#define CONSOLE 0xd0000000u
#define CONSOLE_DEVICE 0xd0001000u
#define BALLOON_DEVICE 0xd0002000u
#define RAM_END (64u << 20)

#define PORT_POWER_OFF 0x604
#define PORT_KEYBOARD 0x64
#define PORT_RESET 0xcf9

/* virtio-mmio registers */
enum {
	DEVICE_FEATURES = 0x10,
	DEVICE_FEATURES_SEL = 0x14,
	DRIVER_FEATURES = 0x20,
	DRIVER_FEATURES_SEL = 0x24,
	QUEUE_SEL = 0x30,
	QUEUE_NUM_MAX = 0x34,
	QUEUE_NUM = 0x38,
	QUEUE_READY = 0x44,
	QUEUE_NOTIFY = 0x50,
	INTERRUPT_STATUS = 0x60,
	INTERRUPT_ACK = 0x64,
	STATUS = 0x70,
	QUEUE_DESC = 0x80,
	QUEUE_AVAIL = 0x90,
	QUEUE_USED = 0xa0,
	CONFIG = 0x100
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
#define NEEDS_RESET 64u

enum { F_NEXT = 1, F_WRITE = 2, F_INDIRECT = 4 };
/* features */
#define MULTIPORT (1u << 1) /* of the console */
#define REPORTING (1u << 5) /* of the balloon */
#define INDIRECT_DESC (1u << 28)

#define QUEUE_SIZE 8
#define TX 1	 /* of the console's first port */
#define REPORT 2 /* of the balloon */

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct {
	struct desc desc[QUEUE_SIZE] __attribute__((aligned(4096)));
	struct {
		uint16_t flags, idx, ring[QUEUE_SIZE], event;
	} avail __attribute__((aligned(64)));
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[QUEUE_SIZE];
		uint16_t event;
	} used __attribute__((aligned(64)));
	struct desc table[QUEUE_SIZE] __attribute__((aligned(64)));
	uint8_t data[64];
} q;

/* The device, its queue and feature that the driver below goes for. */
static uint64_t device = CONSOLE_DEVICE;
static uint32_t queue = TX, feature = MULTIPORT;

void run(const uint8_t *zero_page);

__asm__(".globl _start\n"
	"_start:\n"
	"	lea stack_end(%rip), %rsp\n"
	"	mov %rsi, %rdi\n"
	"	call run\n"
	"	.bss\n"
	"	.balign 16\n"
	"	.skip 8192\n"
	"stack_end:\n"
	"	.text\n");

/* The compiler may call it. */
void *memset(void *to, int c, unsigned long n);
void *memset(void *to, int c, unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		((volatile uint8_t *)to)[i] = (uint8_t)c;
	return to;
}

static void out8(uint16_t port, uint8_t v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static uint32_t in32(uint16_t port)
{
	uint32_t v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}

static uint32_t read32(uint64_t addr)
{
	return *(volatile uint32_t *)addr;
}

static void write32(uint64_t addr, uint32_t v)
{
	*(volatile uint32_t *)addr = v;
}

static void say(const char *text)
{
	for (; *text; text++)
		write32(CONSOLE, (uint8_t)*text);
}

static void check(bool ok, const char *what)
{
	say(ok ? "ok " : "NOT OK ");
	say(what);
	say("\n");
}

/* Waits for the loop in the host; bounded by the test. */
static void until_status(uint32_t mask, uint32_t want)
{
	while ((read32(device + STATUS) & mask) != want)
		__asm__ volatile("pause");
}

/* --- a driver that works --- */

static void put_queue(uint64_t desc, uint64_t avail, uint64_t used,
		      uint32_t size)
{
	write32(device + QUEUE_SEL, queue);
	write32(device + QUEUE_NUM, size);
	write32(device + QUEUE_DESC, (uint32_t)desc);
	write32(device + QUEUE_DESC + 4, (uint32_t)(desc >> 32));
	write32(device + QUEUE_AVAIL, (uint32_t)avail);
	write32(device + QUEUE_AVAIL + 4, (uint32_t)(avail >> 32));
	write32(device + QUEUE_USED, (uint32_t)used);
	write32(device + QUEUE_USED + 4, (uint32_t)(used >> 32));
	write32(device + QUEUE_READY, 1);
}

static void agree(void)
{
	memset(&q, 0, sizeof(q));
	write32(device + STATUS, 0);
	until_status(0xff, 0);
	write32(device + STATUS, ACKNOWLEDGE);
	write32(device + STATUS, ACKNOWLEDGE | DRIVER);
	write32(device + DRIVER_FEATURES_SEL, 0);
	write32(device + DRIVER_FEATURES, feature | INDIRECT_DESC);
	write32(device + DRIVER_FEATURES_SEL, 1);
	write32(device + DRIVER_FEATURES, 1); /* version 1 */
	write32(device + STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
}

static void go(void)
{
	write32(device + STATUS,
		ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK);
}

static void attach(void)
{
	agree();
	put_queue((uint64_t)q.desc, (uint64_t)&q.avail, (uint64_t)&q.used,
		  QUEUE_SIZE);
	go();
}

static void kick(void)
{
	__asm__ volatile("mfence" ::: "memory");
	*(volatile uint16_t *)&q.avail.idx =
		(uint16_t)(*(volatile uint16_t *)&q.avail.idx + 1);
	__asm__ volatile("mfence" ::: "memory");
	write32(device + QUEUE_NOTIFY, queue);
}

/* Through the ring; the host sees it on the console proper. */
static void send_hello(void)
{
	static const char hello[] = "hello over the ring\n";

	for (unsigned i = 0; i < sizeof(hello); i++)
		q.data[i] = (uint8_t)hello[i];
	q.desc[0] = (struct desc){ (uint64_t)q.data, sizeof(hello) - 1, 0, 0 };
	kick();
	while (!*(volatile uint16_t *)&q.used.idx)
		__asm__ volatile("pause");
}

/* --- rings --- */

static void self_loop(void)
{
	q.desc[0] = (struct desc){ (uint64_t)q.data, 8, F_NEXT, 0 };
}

static void long_loop(void)
{
	q.desc[0] = (struct desc){ (uint64_t)q.data, 8, F_NEXT, 1 };
	q.desc[1] = (struct desc){ (uint64_t)q.data, 8, F_NEXT, 0 };
}

static void next_outside(void)
{
	q.desc[0] = (struct desc){ (uint64_t)q.data, 8, F_NEXT, 0xffff };
}

static void head_outside(void)
{
	q.avail.ring[0] = QUEUE_SIZE;
}

static void address_outside(void)
{
	q.desc[0] = (struct desc){ 0x123456789000, 8, 0, 0 };
}

static void address_of_registers(void)
{
	q.desc[0] = (struct desc){ CONSOLE_DEVICE, 8, 0, 0 };
}

static void address_wraps(void)
{
	q.desc[0] = (struct desc){ ~0ull - 8, 64, 0, 0 };
}

static void longer_than_memory(void)
{
	q.desc[0] = (struct desc){ RAM_END - 8, 4096, 0, 0 };
}

static void huge_length(void)
{
	q.desc[0] = (struct desc){ (uint64_t)q.data, 0xffffffff, 0, 0 };
}

static void index_jumps(void)
{
	q.avail.idx = 0x8000;
}

static void write_before_read(void)
{
	q.desc[0] = (struct desc){ (uint64_t)q.data, 8, F_WRITE | F_NEXT, 1 };
	q.desc[1] = (struct desc){ (uint64_t)q.data, 8, 0, 0 };
}

static void indirect_in_indirect(void)
{
	q.table[0] = (struct desc){ (uint64_t)q.table, 16, F_INDIRECT, 0 };
	q.desc[0] = (struct desc){ (uint64_t)q.table, 16, F_INDIRECT, 0 };
}

static void indirect_loop(void)
{
	q.table[0] = (struct desc){ (uint64_t)q.data, 8, F_NEXT, 0 };
	q.desc[0] = (struct desc){ (uint64_t)q.table, 32, F_INDIRECT, 0 };
}

static void indirect_odd_length(void)
{
	q.desc[0] = (struct desc){ (uint64_t)q.table, 17, F_INDIRECT, 0 };
}

static void indirect_huge(void)
{
	q.desc[0] =
		(struct desc){ (uint64_t)q.table, 0xfffffff0, F_INDIRECT, 0 };
}

static void indirect_outside(void)
{
	q.desc[0] = (struct desc){ 0xf00000000000, 32, F_INDIRECT, 0 };
}

static const struct {
	const char *name;
	void (*make)(void);
} chains[] = {
	{ "self_loop", self_loop },
	{ "long_loop", long_loop },
	{ "next_outside", next_outside },
	{ "head_outside", head_outside },
	{ "address_outside", address_outside },
	{ "address_of_registers", address_of_registers },
	{ "address_wraps", address_wraps },
	{ "longer_than_memory", longer_than_memory },
	{ "huge_length", huge_length },
	{ "index_jumps", index_jumps },
	{ "write_before_read", write_before_read },
	{ "indirect_in_indirect", indirect_in_indirect },
	{ "indirect_loop", indirect_loop },
	{ "indirect_odd_length", indirect_odd_length },
	{ "indirect_huge", indirect_huge },
	{ "indirect_outside", indirect_outside },
};

/* Each of them stops the device, and a reset mends it. */
static void do_chains(void)
{
	for (unsigned i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		attach();
		chains[i].make();
		kick();
		until_status(NEEDS_RESET, NEEDS_RESET);
		check(true, chains[i].name);
	}
	attach();
	send_hello();
}

/* Rings where they must not be: each stops the device, and a reset mends it. */
static void do_rings(void)
{
	static const struct {
		const char *name;
		uint64_t desc, avail, used;
		uint32_t size;
	} bad[] = {
		{ "far away", 1ull << 50, 1ull << 51, 1ull << 52, 8 },
		{ "wrapping", ~0ull - 15, ~0ull - 7, ~0ull - 3, 8 },
		{ "in the registers", CONSOLE_DEVICE, CONSOLE_DEVICE + 256,
		  CONSOLE_DEVICE + 512, 8 },
		{ "at the end", RAM_END - 16, RAM_END - 2, RAM_END - 4, 8 },
		{ "misaligned", 0x2000001, 0x2001001, 0x2002001, 8 },
		{ "no size", 0x2000000, 0x2001000, 0x2002000, 0 },
		{ "odd size", 0x2000000, 0x2001000, 0x2002000, 7 },
		{ "huge size", 0x2000000, 0x2001000, 0x2002000, 0x8000 },
		{ "insane size", 0x2000000, 0x2001000, 0x2002000, ~0u },
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		agree();
		put_queue(bad[i].desc, bad[i].avail, bad[i].used, bad[i].size);
		go();
		write32(device + QUEUE_NOTIFY, queue);
		until_status(NEEDS_RESET, NEEDS_RESET);
		check(true, bad[i].name);
	}
	/* over themselves, and over the code of this program's data */
	agree();
	put_queue((uint64_t)q.desc, (uint64_t)q.desc, (uint64_t)q.desc,
		  QUEUE_SIZE);
	go();
	kick();
	attach();
	send_hello();
}

/* --- registers --- */

static void write_width(uint64_t addr, uint64_t v, unsigned width)
{
	switch (width) {
	case 1:
		*(volatile uint8_t *)addr = (uint8_t)v;
		break;
	case 2:
		*(volatile uint16_t *)addr = (uint16_t)v;
		break;
	case 4:
		*(volatile uint32_t *)addr = (uint32_t)v;
		break;
	default:
		*(volatile uint64_t *)addr = v;
		break;
	}
}

/* Every register with every width and value, in order and off its boundary,
 * the end of the page and the page behind the last device included. */
static void do_registers(void)
{
	static const uint64_t values[] = { 0, ~0ull, 1, 0x8000000080000000 };

	for (uint32_t off = 0; off < CONFIG + 64; off += 4)
		for (unsigned width = 1; width <= 8; width *= 2)
			for (unsigned v = 0; v < 4; v++)
				write_width(device + off, values[v], width);
	for (uint32_t off = CONFIG + 64; off < 8192 + 16; off += 252)
		write_width(device + off, ~0ull, 8);
	for (uint32_t off = 1; off < CONFIG; off += 7)
		write_width(device + off, 0x55, 4);
	for (uint32_t off = 0; off < 4096; off += 64)
		(void)read32(device + off);
	for (uint32_t n = 0; n < 64; n++)
		write32(device + QUEUE_NOTIFY, n * 0x10001);
	check(read32(device) == 0x74726976, "magic");
	attach();
	send_hello();
}

/* --- places where nothing is --- */

static void do_nowhere(void)
{
	static const uint64_t places[] = {
		RAM_END,	0x40000000,  0xbffff000,  0xc0000000,
		0xcffff000,	0xd0004000,  0xe0000000,  0xfd000000,
		0xfec80000 - 4, 0xfef00000u, 0xfffffff0u,
	};
	bool ones = true;

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		write32(places[i], 0x12345678);
		write_width(places[i], ~0ull, 1);
		ones = ones && read32(places[i]) == ~0u;
	}
	check(ones, "all ones");
}

static void do_ports(void)
{
	static uint8_t buf[64];
	uint8_t *to = buf;
	uint64_t n = sizeof(buf);
	bool ones = true;

	/* but for interrupt controllers and what ends the machine */
	for (uint32_t port = 0x100; port < 0x10000; port += 0x97) {
		if (port == PORT_POWER_OFF || port == PORT_RESET)
			continue;
		out8((uint16_t)port, 0xa5);
		ones = ones && in8((uint16_t)port) == 0xff &&
		       in32((uint16_t)port) == ~0u;
	}
	check(ones, "all ones");
	__asm__ volatile("rep insb"
			 : "+D"(to), "+c"(n)
			 : "d"((uint16_t)0x3f8)
			 : "memory");
	n = sizeof(buf);
	to = buf;
	__asm__ volatile("rep outsb"
			 : "+S"(to), "+c"(n)
			 : "d"((uint16_t)0x3f8)
			 : "memory");
	check(buf[0] == 0xff && buf[63] == 0xff, "strings");
	check(!(in8(PORT_KEYBOARD) & 2), "keyboard controller");
}

/* --- ends --- */

static void do_triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) none = { 0, 0 };

	__asm__ volatile("lidt %0; ud2" ::"m"(none));
}

/* Code where no memory is. */
static void do_jump(void)
{
	__asm__ volatile("jmp *%0" ::"r"(0xe0000000ull));
}

static void do_halt(void)
{
	say("halting\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}

static void do_spin(void)
{
	say("spinning\n");
	for (;;)
		__asm__ volatile("pause");
}

static void do_flood(void)
{
	for (unsigned i = 0; i < 3000; i++)
		say("flood\n");
}

static void do_restart(void)
{
	*(volatile uint16_t *)0x472 = 0;
	out8(PORT_KEYBOARD, 0xfe);
}

static void do_panic(void)
{
	say("Kernel panic - not syncing: made up\n");
	*(volatile uint16_t *)0x472 = 0x1234;
	out8(PORT_KEYBOARD, 0xfe);
}

static void do_reset_port(void)
{
	*(volatile uint16_t *)0x472 = 0;
	out8(PORT_RESET, 2);
	out8(PORT_RESET, 6);
}

static void do_start(void)
{
	attach(); /* the device runs: the machine is complete */
	send_hello();
}

/* Free pages are reported, and read as zero afterwards. */
static void do_balloon(void)
{
	volatile uint64_t *page = (volatile uint64_t *)(RAM_END / 2);

	page[0] = page[511] = ~0ull;
	device = BALLOON_DEVICE;
	queue = REPORT;
	feature = REPORTING;
	attach();
	q.desc[0] = (struct desc){ (uint64_t)page, 4096, F_WRITE, 0 };
	kick();
	while (!*(volatile uint16_t *)&q.used.idx)
		__asm__ volatile("pause");
	check(!page[0] && !page[511], "given back");
}

static const struct {
	const char *name;
	void (*run)(void);
} tasks[] = {
	{ "start", do_start },
	{ "balloon", do_balloon },
	{ "chains", do_chains },
	{ "rings", do_rings },
	{ "registers", do_registers },
	{ "nowhere", do_nowhere },
	{ "ports", do_ports },
	{ "triple_fault", do_triple_fault },
	{ "jump", do_jump },
	{ "halt", do_halt },
	{ "spin", do_spin },
	{ "flood", do_flood },
	{ "restart", do_restart },
	{ "panic", do_panic },
	{ "reset_port", do_reset_port },
};

static bool begins(const char *text, const char *with)
{
	while (*with)
		if (*text++ != *with++)
			return false;
	return true;
}

static bool is_word(const char *text, const char *word)
{
	while (*word)
		if (*text++ != *word++)
			return false;
	return !*text || *text == ' ';
}

void run(const uint8_t *zero_page)
{
	const uint32_t *at = (const uint32_t *)(zero_page + 0x228);
	const char *cmd = (const char *)(uint64_t)*at;

	while (*cmd && !begins(cmd, "hostile="))
		cmd++;
	cmd += *cmd ? 8 : 0;
	for (unsigned i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
		if (is_word(cmd, tasks[i].name))
			tasks[i].run();
	say("done\n");
	out8(PORT_POWER_OFF, 1);
}
