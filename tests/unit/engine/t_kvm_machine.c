/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Machines on /dev/kvm whose guest is kvm_payload.c. The engine is started
 * directly and not chosen, so this also runs over a KVM that emulates.
 */
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
#include <sys/ioctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "engine/kvm/kvm.h"
#include "engine/machine.h"
#include "virtio/dev/balloon.h"
#include "virtio/dev/console.h"

#define DEADLINE_MS 60000u

static const char *payload;

struct box {
	struct loop *loop;
	struct vconsole *console;
	struct virtio_device *balloon;
	struct virtio_device *devices[2];
	struct machine_desc desc;
	struct machine *machine;
	struct buf log;	 /* what the machine says itself */
	struct buf ring; /* what comes through the console's ring */
	struct machine_exit exit;
	bool exited;
	uint64_t deadline_ms;
};

static void on_kernel_log(void *ctx, const void *data, size_t len)
{
	assert_int_equal(buf_append(&((struct box *)ctx)->log, data, len), 0);
}

static void on_ring(void *ctx, const void *data, size_t len)
{
	assert_int_equal(buf_append(&((struct box *)ctx)->ring, data, len), 0);
}

static size_t on_data(void *ctx, const void *data, size_t len)
{
	(void)ctx;
	(void)data;
	return len;
}

static void on_writable(void *ctx)
{
	(void)ctx;
}

static void on_open(void *ctx, bool open)
{
	(void)ctx;
	(void)open;
}

static void on_exit_event(void *ctx, const struct machine_exit *e)
{
	struct box *b = ctx;

	assert_false(b->exited);
	b->exited = true;
	b->exit = *e;
}

static void box_init(struct box *b, const char *task)
{
	const struct vconsole_events events = { b, on_ring, on_data,
						on_writable, on_open };

	memset(b, 0, sizeof(*b));
	assert_int_equal(loop_new(&b->loop), 0);
	buf_init(&b->log, 1 << 20);
	buf_init(&b->ring, 1 << 20);
	assert_int_equal(vconsole_new(&events, &b->console), 0);
	assert_int_equal(vballoon_new(&b->balloon), 0);
	b->devices[0] = vconsole_device(b->console);
	b->devices[1] = b->balloon;
	b->deadline_ms = clock_mono_ms() + DEADLINE_MS;
	b->desc = (struct machine_desc){
		.vcpus = 1,
		.memory_mib = 64,
		.kernel_path = payload,
		.initramfs_fd = -1,
		.extra_cmdline = str_fmt("hostile=%s", task),
		.devices = b->devices,
		.ndevices = 2,
		.events = { b, on_kernel_log, on_exit_event },
	};
	assert_non_null(b->desc.extra_cmdline);
}

static void box_start(struct box *b)
{
	struct err err = { 0 };

	if (kvm_start(b->loop, &b->desc, &b->machine, &err))
		fail_msg("%s", err.msg);
}

static void box_turn(struct box *b)
{
	if (clock_mono_ms() > b->deadline_ms)
		fail_msg("nothing happened in time; log so far: %s",
			 buf_cstr(&b->log));
	assert_int_equal(loop_turn(b->loop, 20), 0);
}

static bool said(struct buf *b, const char *text)
{
	const char *log = buf_cstr(b);

	return log && strstr(log, text);
}

/*
 * The same of the guest alone: the engine says its lines at any moment, in the
 * middle of one of the guest's too. Newlines do not count.
 */
static bool guest_said(struct box *b, const char *text)
{
	const char *log = buf_cstr(&b->log);
	char *words = log ? strdup(log) : NULL, *to = words;
	bool found;

	assert_non_null(words);
	for (const char *from = words; *from; from++) {
		if (strncmp(from, "engine: ", 8) == 0)
			from = strchrnul(from, '\n') - 1;
		else if (*from != '\n')
			*to++ = *from;
	}
	*to = 0;
	found = strstr(words, text);
	free(words);
	return found;
}

static void box_until_said(struct box *b, const char *text)
{
	while (!said(&b->log, text)) {
		if (b->exited)
			fail_msg("exited: %s", b->exit.text);
		box_turn(b);
	}
}

static void box_until_exit(struct box *b)
{
	while (!b->exited)
		box_turn(b);
}

static void box_fini(struct box *b)
{
	b->machine = machine_free(b->machine);
	b->console = vconsole_free(b->console);
	b->balloon->ops->free(b->balloon);
	b->loop = loop_free(b->loop);
	free((void *)(uintptr_t)b->desc.extra_cmdline);
	buf_fini(&b->log);
	buf_fini(&b->ring);
}

static void box_run(struct box *b, const char *task)
{
	box_init(b, task);
	box_start(b);
	box_until_exit(b);
	if (guest_said(b, "NOT OK"))
		fail_msg("%s", buf_cstr(&b->log));
}

/* Powered off by itself, after having done all. */
static void assert_done(struct box *b)
{
	if (!b->exit.clean || !guest_said(b, "done"))
		fail_msg("%s; log: %s", b->exit.text, buf_cstr(&b->log));
	assert_string_equal(b->exit.text, "the guest powered off");
	assert_int_equal(b->exit.code, 0);
	assert_int_equal(b->exit.signal, 0);
}

/* --- hostile tasks the machine survives --- */

static void device_works(void **state)
{
	struct box b;

	(void)state;
	box_run(&b, "start");
	assert_done(&b);
	assert_true(said(&b.ring, "hello over the ring\n"));
	box_fini(&b);
}

static void broken_chains_stop_the_device_alone(void **state)
{
	static const char *const names[] = {
		"self_loop",
		"long_loop",
		"next_outside",
		"head_outside",
		"address_outside",
		"address_wraps",
		"longer_than_memory",
		"huge_length",
		"index_jumps",
		"write_before_read",
		"indirect_in_indirect",
		"indirect_loop",
		"indirect_odd_length",
		"indirect_huge",
		"indirect_outside",
		"address_of_registers",
	};
	struct box b;

	(void)state;
	box_run(&b, "chains");
	assert_done(&b);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!guest_said(&b, names[i]))
			fail_msg("%s is missing in: %s", names[i],
				 buf_cstr(&b.log));
	assert_true(said(&b.log, "engine: device console: "));
	assert_true(said(&b.ring, "hello over the ring\n"));
	box_fini(&b);
}

static void survives(void **state)
{
	struct box b;

	box_run(&b, *state);
	assert_done(&b);
	box_fini(&b);
}

static void rings_outside_are_refused(void **state)
{
	struct box b;

	(void)state;
	box_run(&b, "rings");
	assert_done(&b);
	assert_true(said(&b.ring, "hello over the ring\n"));
	box_fini(&b);
}

static void registers_take_anything(void **state)
{
	struct box b;

	(void)state;
	box_run(&b, "registers");
	assert_done(&b);
	assert_true(guest_said(&b, "ok magic"));
	assert_true(said(&b.ring, "hello over the ring\n"));
	box_fini(&b);
}

/* --- ends --- */

static void triple_fault_is_told_with_registers(void **state)
{
	struct box b;

	(void)state;
	box_run(&b, "triple_fault");
	assert_false(b.exit.clean);
	assert_string_equal(b.exit.text,
			    "the guest crashed: triple fault (vCPU 0)");
	assert_true(said(&b.log, "engine: the guest crashed"));
	assert_true(said(&b.log, "\nrip "));
	assert_true(said(&b.log, "cr3 "));
	box_fini(&b);
}

static void code_without_memory_is_told(void **state)
{
	struct box b;

	(void)state;
	box_run(&b, "jump");
	assert_false(b.exit.clean);
	assert_string_equal(b.exit.text,
			    "KVM cannot run the guest any further (vCPU 0, an "
			    "instruction that cannot be emulated)");
	assert_true(said(&b.log, "rip 00000000e0000000"));
	box_fini(&b);
}

static void restart_is_told_apart(void **state)
{
	struct box b;

	box_run(&b, *state);
	assert_true(b.exit.clean);
	assert_string_equal(b.exit.text,
			    "the guest asked for a restart and was stopped");
	box_fini(&b);
}

static void panic_is_told_apart(void **state)
{
	struct box b;

	(void)state;
	box_run(&b, "panic");
	assert_false(b.exit.clean);
	assert_string_equal(b.exit.text, "guest kernel panic: made up");
	box_fini(&b);
}

static void is_stopped_by_force(struct box *b)
{
	machine_kill(b->machine);
	machine_kill(b->machine);
	assert_false(b->exited);
	box_until_exit(b);
	assert_false(b->exit.clean);
	assert_int_equal(b->exit.signal, SIGKILL);
	assert_string_equal(b->exit.text, "the machine was stopped by force");
	assert_int_equal(machine_pid(b->machine), -1);
	machine_kill(b->machine); /* harmless */
}

static void halted_guest_is_stopped(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, "halt");
	box_start(&b);
	assert_int_equal(machine_pid(b.machine), getpid());
	box_until_said(&b, "halting\n");
	is_stopped_by_force(&b);
	box_fini(&b);
}

static void spinning_guest_is_freed(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, "spin");
	box_start(&b);
	box_until_said(&b, "spinning\n");
	box_fini(&b);
	assert_false(b.exited);
}

static void stop_before_the_first_turn(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, "spin");
	box_start(&b);
	is_stopped_by_force(&b);
	box_fini(&b);
}

/* The other vCPUs wait to be started, and end with the first. */
static void many_vcpus(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, "start");
	b.desc.vcpus = 4;
	box_start(&b);
	box_until_exit(&b);
	assert_done(&b);
	box_fini(&b);
}

static unsigned open_descriptors(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void nothing_is_left(void **state)
{
	unsigned before = open_descriptors();
	struct box b;

	(void)state;
	for (int i = 0; i < 3; i++) {
		box_init(&b, "spin");
		b.desc.vcpus = 2;
		box_start(&b);
		box_until_said(&b, "spinning\n");
		box_fini(&b);
	}
	assert_int_equal(open_descriptors(), before);
}

/* --- what is told --- */

static void describes_itself(void **state)
{
	char text[64] = "x";
	struct buf json;
	struct box b;

	(void)state;
	box_init(&b, "start");
	box_start(&b);
	box_until_exit(&b);
	buf_init(&json, 4096);
	machine_describe(b.machine, &json);
	assert_true(said(&json, "{\"engine\":\"kvm\",\"vcpus\":1,"
				"\"jail\":{\"vcpu_seccomp\":\"o"));
#if !defined(__SANITIZE_ADDRESS__)
	assert_int_equal(machine_relaxed(b.machine, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_true(said(&json, "\"vcpu_seccomp\":\"on\"}}"));
#else
	(void)text;
#endif
	buf_reset(&json);
	machine_exits(b.machine, &json);
	assert_true(said(&json, "{\"mmio_read\":0,\"mmio_write\":"));
	assert_false(said(&json, "\"mmio_write\":0,"));
	assert_true(said(&json, "\"mmio_unknown\":0,"));
	assert_true(said(&json, "\"port_io\":1,"));
	buf_fini(&json);
	box_fini(&b);
}

static void start_fails(struct box *b, enum err_kind kind, const char *text)
{
	struct err err = { 0 };

	assert_true(kvm_start(b->loop, &b->desc, &b->machine, &err) < 0);
	assert_int_equal(err.kind, kind);
	if (!strstr(err.msg, text))
		fail_msg("'%s' is not in: %s", text, err.msg);
	box_fini(b);
}

/* It fits into the memory, but not with the kernel. */
static void too_large_initramfs(void)
{
	autoclose int fd = io_memfd("initramfs", "", 0);
	struct box b;

	box_init(&b, "start");
	assert_int_equal(ftruncate(fd, (off_t)(b.desc.memory_mib - 1) << 20),
			 0);
	b.desc.initramfs_fd = fd;
	start_fails(&b, ERR_INVALID, "too little memory");
}

static void bad_machines_are_refused(void **state)
{
	static char many[5000];
	struct box b;

	(void)state;
	box_init(&b, "start");
	b.desc.vcpus = 0;
	start_fails(&b, ERR_INVALID, "0 vCPUs");
	box_init(&b, "start");
	b.desc.vcpus = 33;
	start_fails(&b, ERR_INVALID, "33 vCPUs");
	box_init(&b, "start");
	b.desc.kernel_path = "/nonexistent";
	start_fails(&b, ERR_BOOT, "open guest kernel '/nonexistent'");
	box_init(&b, "start");
	b.desc.kernel_path = "/etc/passwd";
	start_fails(&b, ERR_BOOT, "no guest kernel: it is no ELF file");
	box_init(&b, "start");
	b.desc.memory_mib = 16;
	start_fails(&b, ERR_INVALID, "too little memory");
	too_large_initramfs();
	memset(many, 'x', sizeof(many) - 1);
	box_init(&b, many);
	start_fails(&b, ERR_INVALID, "command line is longer");
}

/* --- main --- */

static int no_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int vm = fd < 0 ? -1 : ioctl(fd, KVM_CREATE_VM, 0);
	int rc = vm < 0 ? errno : 0;

	if (vm >= 0)
		(void)close(vm);
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(device_works),
		cmocka_unit_test(broken_chains_stop_the_device_alone),
		cmocka_unit_test(rings_outside_are_refused),
		cmocka_unit_test(registers_take_anything),
		{ "balloon", survives, NULL, NULL, (void *)"balloon" },
		{ "nowhere", survives, NULL, NULL, (void *)"nowhere" },
		{ "ports", survives, NULL, NULL, (void *)"ports" },
		{ "flood", survives, NULL, NULL, (void *)"flood" },
		cmocka_unit_test(triple_fault_is_told_with_registers),
		cmocka_unit_test(code_without_memory_is_told),
		{ "restart", restart_is_told_apart, NULL, NULL,
		  (void *)"restart" },
		{ "reset_port", restart_is_told_apart, NULL, NULL,
		  (void *)"reset_port" },
		cmocka_unit_test(panic_is_told_apart),
		cmocka_unit_test(halted_guest_is_stopped),
		cmocka_unit_test(spinning_guest_is_freed),
		cmocka_unit_test(stop_before_the_first_turn),
		cmocka_unit_test(many_vcpus),
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(describes_itself),
		cmocka_unit_test(bad_machines_are_refused),
	};
	int rc = no_kvm();

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s PAYLOAD\n", argv[0]);
		return 1;
	}
	if (rc) {
		printf("/dev/kvm cannot be used: %s\n", strerror(rc));
		return 77;
	}
	payload = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
