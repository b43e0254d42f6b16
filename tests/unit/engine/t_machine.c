/* SPDX-License-Identifier: Apache-2.0 */
/* Real machines: how they end, their devices, their modes, their place. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/io.h"
#include "machine_fixture.h"

static void assert_no_children(void)
{
	errno = 0;
	assert_int_equal(waitpid(-1, NULL, __WALL | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void power_off_is_a_clean_end(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, "poweroff");
	box_run(&b);
	assert_true(box_logged(&b, "guest: poweroff"));
	assert_true(b.exit.clean);
	assert_int_equal(b.exit.code, 0);
	assert_int_equal(b.exit.signal, 0);
	assert_string_equal(b.exit.text, "the guest powered off");
	assert_int_equal(machine_pid(b.machine), -1);
	box_fini(&b);
	assert_no_children();
}

static void panic_ends_the_machine(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, "panic");
	box_run(&b);
	assert_false(b.exit.clean);
	assert_non_null(strstr(b.exit.text, "guest kernel panic: "
					    "Attempted to kill init!"));
	box_fini(&b);
	assert_no_children();
}

static void restart_is_told_apart(void **state)
{
	struct box b;

	(void)state;
	box_init(&b, "restart");
	box_run(&b);
	assert_true(b.exit.clean);
	assert_non_null(strstr(b.exit.text, "restart"));
	box_fini(&b);
}

static void kill_ends_it_at_once(void **state)
{
	struct err err = { 0 };
	struct box b;

	(void)state;
	box_init(&b, "crowd");
	assert_int_equal(box_start(&b, &err), 0);
	box_until_processes(&b, 4);
	machine_kill(b.machine);
	machine_kill(b.machine);
	box_until_exit(&b);
	assert_false(b.exit.clean);
	assert_int_equal(b.exit.signal, SIGKILL);
	assert_string_equal(b.exit.text, "the machine was stopped by force");
	machine_kill(b.machine); /* any state */
	box_fini(&b);
	assert_no_children();
}

static void free_kills_what_still_runs(void **state)
{
	struct err err = { 0 };
	char ns[64];
	struct box b;
	ssize_t n;
	char path[64];

	(void)state;
	box_init(&b, "crowd");
	assert_int_equal(box_start(&b, &err), 0);
	box_until_processes(&b, 4);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid",
		       machine_pid(b.machine));
	n = readlink(path, ns, sizeof(ns) - 1);
	assert_true(n > 0);
	ns[n] = 0;
	/* the kernel, its init and three children at least */
	assert_true(proc_count_in_ns(ns) >= 5);
	box_fini(&b);
	assert_int_equal(proc_count_in_ns(ns), 0);
	assert_no_children();
}

/* The runtime is killed without a chance to clean up. */
static void machine_dies_with_its_creator(void **state)
{
	int pipefd[2], pidfd;
	struct pollfd p;
	pid_t runtime, kernel;
	char path[64], ns[64];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	runtime = fork();
	if (runtime == 0) {
		struct err err = { 0 };
		struct box b;
		pid_t pid;

		box_init(&b, "crowd");
		if (box_start(&b, &err))
			_exit(1);
		box_until_processes(&b, 4);
		pid = machine_pid(b.machine);
		if (io_write_full(pipefd[1], &pid, sizeof(pid)))
			_exit(1);
		for (;;)
			pause();
	}
	assert_true(runtime > 0);
	(void)close(pipefd[1]);
	assert_int_equal(io_read_full(pipefd[0], &kernel, sizeof(kernel)), 0);
	(void)close(pipefd[0]);
	pidfd = pidfd_open(kernel, 0);
	assert_true(pidfd >= 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/pid", (int)kernel);
	n = readlink(path, ns, sizeof(ns) - 1);
	assert_true(n > 0);
	ns[n] = 0;
	assert_true(proc_count_in_ns(ns) >= 5);
	assert_int_equal(kill(runtime, SIGKILL), 0);
	assert_int_equal(waitpid(runtime, NULL, 0), runtime);
	p = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, TEST_DEADLINE_MS), 1);
	assert_int_equal(proc_count_in_ns(ns), 0);
	(void)close(pidfd);
}

static void every_mode_runs_processes(void **state)
{
	static const struct {
		enum engine_uml_mode mode;
		unsigned vcpus;
		const char *name;
	} cases[] = {
		{ UML_MODE_PTRACE, 1, "\"mode\":\"ptrace\"" },
		{ UML_MODE_SECCOMP, 1, "\"mode\":\"seccomp\"" },
		{ UML_MODE_AUTO, 2, "\"mode\":\"seccomp\",\"cpu\":null" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		struct buf json;
		struct box b;

		box_init(&b, "children");
		b.desc.uml_mode = cases[i].mode;
		b.desc.vcpus = cases[i].vcpus;
		assert_int_equal(box_start(&b, &err), 0);
		buf_init(&json, 4096);
		machine_describe(b.machine, &json);
		assert_non_null(strstr(buf_cstr(&json), cases[i].name));
		buf_fini(&json);
		box_until_exit(&b);
		assert_true(box_logged(&b, "guest: children done"));
		assert_true(b.exit.clean);
		box_fini(&b);
	}
}

static int cpu_of(const struct box *b)
{
	cpu_set_t set;

	assert_int_equal(
		sched_getaffinity(machine_pid(b->machine), sizeof(set), &set),
		0);
	assert_int_equal(CPU_COUNT(&set), 1);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set))
			return i;
	return -1;
}

static void one_vcpu_stays_on_one_cpu(void **state)
{
	struct err err = { 0 };
	struct buf json;
	char text[32];
	struct box b;

	(void)state;
	box_init(&b, "idle");
	assert_int_equal(box_start(&b, &err), 0);
	buf_init(&json, 4096);
	machine_describe(b.machine, &json);
	(void)snprintf(text, sizeof(text), "\"cpu\":%d,", cpu_of(&b));
	assert_non_null(strstr(buf_cstr(&json), text));
	buf_fini(&json);
	box_fini(&b);
}

/* A disk of zeros: enough for the guest to read its size and partitions. */
struct disk {
	struct virtio_device dev;
	uint8_t config[64];
	struct iovec iov[VQ_MAX_IOV];
};

static int disk_start(struct virtio_device *d)
{
	(void)d;
	return 0;
}

static void disk_queue_ready(struct virtio_device *dev, unsigned q)
{
	struct disk *d = container_of(dev, struct disk, dev);
	struct vq_chain c;

	while (vq_pop(&dev->queues[q], d->iov, &c) > 0) {
		static const uint8_t zeros[512];
		size_t off = 0;

		while (off + 1 < c.write_len) {
			size_t n = c.write_len - 1 - off;

			n = n < sizeof(zeros) ? n : sizeof(zeros);
			(void)iov_write(c.writable, c.nwrite, off, zeros, n);
			off += n;
		}
		(void)iov_write(c.writable, c.nwrite, c.write_len - 1, zeros,
				1);
		vq_push(&dev->queues[q], &c, (uint32_t)c.write_len);
	}
	vq_signal(&dev->queues[q]);
}

static void disk_stop(struct virtio_device *d)
{
	(void)d;
}

static void disk_init(struct disk *d, uint64_t sectors, bool thread)
{
	static const struct virtio_device_ops with_thread = {
		.id = VIRTIO_ID_BLOCK,
		.name = "disk",
		.wants_thread = true,
		.start = disk_start,
		.queue_ready = disk_queue_ready,
		.stop = disk_stop,
	};
	static const struct virtio_device_ops on_loop = {
		.id = VIRTIO_ID_BLOCK,
		.name = "disk",
		.start = disk_start,
		.queue_ready = disk_queue_ready,
		.stop = disk_stop,
	};

	memset(d, 0, sizeof(*d));
	d->dev.ops = thread ? &with_thread : &on_loop;
	d->dev.config = d->config;
	d->dev.config_len = sizeof(d->config);
	d->dev.nqueues = 1;
	le64_put(d->config, sectors);
}

/*
 * Also in the middle of a start: what the clone has inherited, the runtime's
 * lock among it, must not be held on to.
 */
static void death_of_the_parent_at_any_moment(void **state)
{
	(void)state;
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	(void)alarm(60); /* ends the test when somebody stays */
	for (unsigned i = 0; i < 100; i++) {
		const struct timespec moment = { .tv_nsec = i * 40000 };
		struct err err = { 0 };
		pid_t pid = fork();
		struct box b;

		assert_true(pid >= 0);
		if (pid == 0) {
			box_init(&b, "idle");
			(void)box_start(&b, &err);
			for (;;)
				(void)pause();
		}
		(void)nanosleep(&moment, NULL);
		assert_int_equal(kill(pid, SIGKILL), 0);
		while (waitpid(-1, NULL, __WALL) > 0)
			;
		assert_int_equal(errno, ECHILD);
	}
	(void)alarm(0);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

static void devices_appear_in_order(void **state)
{
	struct disk *disk = calloc(2, sizeof(*disk));
	struct virtio_device *devices[2];
	struct err err = { 0 };
	struct box b;

	(void)state;
	assert_non_null(disk);
	disk_init(&disk[0], 2048, true);
	disk_init(&disk[1], 4096, false);
	devices[0] = &disk[0].dev;
	devices[1] = &disk[1].dev;
	box_init(&b, "disks");
	b.desc.devices = devices;
	b.desc.ndevices = 2;
	assert_int_equal(box_start(&b, &err), 0);
	box_until_exit(&b);
	assert_true(box_logged(&b, "guest: vda 2048"));
	assert_true(box_logged(&b, "guest: vdb 4096"));
	assert_true(b.exit.clean);
	box_fini(&b);
	free(disk);
	assert_no_children();
}

static void bad_kernels_are_explained(void **state)
{
	char path[] = "/tmp/msb-test-kernel-XXXXXX";
	int fd = mkstemp(path);
	struct err err = { 0 };
	struct box b;

	(void)state;
	assert_true(fd >= 0);
	box_init(&b, "idle");
	b.desc.kernel_path = "/nonexistent/kernel";
	assert_int_equal(box_start(&b, &err), -ENOENT);
	assert_int_equal(err.kind, ERR_BOOT);
	assert_non_null(strstr(err.msg, "/nonexistent/kernel"));
	err_clear(&err);
	b.desc.kernel_path = path;
	assert_int_equal(box_start(&b, &err), -EACCES);
	assert_non_null(strstr(err.msg, "executable by every user"));
	err_clear(&err);
	assert_int_equal(fchmod(fd, 0755), 0);
	assert_int_equal(io_write_full(fd, "no program", 10), 0);
	(void)close(fd);
	assert_int_equal(box_start(&b, &err), -ENOEXEC);
	(void)unlink(path);
	box_fini(&b);
	assert_no_children();
}

static void impossible_machines_are_refused(void **state)
{
	struct err err = { 0 };
	struct box b;

	(void)state;
	box_init(&b, "idle");
	b.desc.vcpus = 0;
	assert_int_equal(box_start(&b, &err), -EINVAL);
	err_clear(&err);
	b.desc.vcpus = 2;
	b.desc.uml_mode = UML_MODE_PTRACE;
	assert_int_equal(box_start(&b, &err), -EINVAL);
	err_clear(&err);
	b.desc.vcpus = 1;
	b.desc.memory_mib = 1;
	assert_int_equal(box_start(&b, &err), -EINVAL);
	box_fini(&b);
}

int machine_tests(void);
int machine_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_off_is_a_clean_end),
		cmocka_unit_test(panic_ends_the_machine),
		cmocka_unit_test(restart_is_told_apart),
		cmocka_unit_test(kill_ends_it_at_once),
		cmocka_unit_test(free_kills_what_still_runs),
		cmocka_unit_test(machine_dies_with_its_creator),
		cmocka_unit_test(every_mode_runs_processes),
		cmocka_unit_test(one_vcpu_stays_on_one_cpu),
		cmocka_unit_test(death_of_the_parent_at_any_moment),
		cmocka_unit_test(devices_appear_in_order),
		cmocka_unit_test(bad_kernels_are_explained),
		cmocka_unit_test(impossible_machines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
