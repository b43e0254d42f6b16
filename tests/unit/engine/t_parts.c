/* SPDX-License-Identifier: Apache-2.0 */
/* Facts of the host, placement, the seccomp program, the kernel's output. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "engine/host.h"
#include "engine/klog.h"
#include "engine/uml/filter.h"
#include "engine/uml/placement.h"

static void flags_match_whole_words(void **state)
{
	static const char line[] =
		"flags\t\t: fpu vmx_x svm_lock xvmx sse svm\n";

	(void)state;
	assert_true(host_flag_present(line, "fpu"));
	assert_true(host_flag_present(line, "svm"));
	assert_false(host_flag_present(line, "vmx"));
	assert_false(host_flag_present("", "vmx"));
}

static void id_maps_are_understood(void **state)
{
	static const char all[] = "         0          0 4294967295\n";
	static const char few[] = "0 1000 1\n1 100000 65536\n";

	(void)state;
	assert_true(host_id_mapped(all, 65534));
	assert_true(host_id_mapped(few, 65534));
	assert_true(host_id_mapped(few, 65536));
	assert_false(host_id_mapped(few, 65537));
	assert_false(host_id_mapped("0 1000 1\n", 65534));
	assert_false(host_id_mapped("", 0));
	assert_false(host_id_mapped("nonsense\n", 0));
}

static void facts_of_this_host_can_be_read(void **state)
{
	struct host_facts f;
	char text[8192];
	size_t n;

	(void)state;
	host_facts_read(&f);
	assert_true(f.linux_major >= 5);
	assert_true(host_linux_at_least(&f, 5, 0));
	assert_false(host_linux_at_least(&f, f.linux_major, f.linux_minor + 1));
	n = host_cpuinfo(text, sizeof(text));
	assert_true(n > 0 && n <= sizeof(text));
	assert_int_equal(strncmp(text, "flags", 5), 0);
	assert_int_equal(text[n - 1], '\n');
	/* a line that does not fit is left out as a whole */
	assert_int_equal(host_cpuinfo(text, 8), 0);
}

/* In a network namespace of its own nobody else's claims are seen. */
static int claims_spread(void)
{
	enum { CPUS = 3, MACHINES = 7 };
	int claim[MACHINES], cpu, count[CPUS] = { 0 };
	cpu_set_t set;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return errno == EPERM || errno == ENOSPC ? 77 : 1;
	CPU_ZERO(&set);
	CPU_SET(1, &set);
	CPU_SET(4, &set);
	CPU_SET(6, &set);
	for (unsigned i = 0; i < MACHINES; i++) {
		if (placement_claim(&set, 12345 + i * 3, &cpu, &claim[i]) ||
		    claim[i] < 0 || !CPU_ISSET(cpu, &set))
			return 2;
		count[cpu == 1 ? 0 : cpu == 4 ? 1 : 2]++;
	}
	for (int i = 0; i < CPUS; i++)
		if (count[i] < MACHINES / CPUS ||
		    count[i] > MACHINES / CPUS + 1)
			return 3;
	/* a machine that ends gives its place back */
	(void)close(claim[1]);
	if (placement_claim(&set, 0, &cpu, &claim[1]) || claim[1] < 0)
		return 4;
	CPU_ZERO(&set);
	if (placement_claim(&set, 0, &cpu, &claim[0]) != -ENOENT)
		return 5;
	return 0;
}

static void machines_spread_over_allowed_cpus(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(claims_spread());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Runs a filter as the host kernel would; classic BPF of the kinds used. */
static uint32_t run_filter(const struct uml_filter *f,
			   const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (unsigned pc = 0; pc < f->len; pc++) {
		const struct sock_filter *i = &f->insn[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k + sizeof(a) <= sizeof(*d));
			memcpy(&a, (const char *)d + i->k, sizeof(a));
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += a & i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction %x", i->code);
		}
	}
	fail_msg("ran off the end");
	return 0;
}

static uint32_t verdict(const struct uml_filter *f, int nr, unsigned arg,
			uint64_t value)
{
	struct seccomp_data d = { .nr = nr, .arch = AUDIT_ARCH_X86_64 };

	d.args[arg] = value;
	return run_filter(f, &d);
}

static void filter_permits_what_it_should_and_no_more(void **state)
{
	const uint32_t allow = SECCOMP_RET_ALLOW;
	const uint32_t deny = SECCOMP_RET_ERRNO | EPERM;
	static const int never[] = {
		SYS_execve,
		SYS_mount,
		SYS_unshare,
		SYS_setns,
		SYS_bpf,
		SYS_io_uring_setup,
		SYS_keyctl,
		SYS_userfaultfd,
		SYS_perf_event_open,
		SYS_bind,
		SYS_listen,
		SYS_accept4,
		SYS_chroot,
		SYS_pivot_root,
		SYS_setuid,
		SYS_capset,
		SYS_init_module,
		SYS_process_vm_readv,
		SYS_symlink,
		SYS_rename,
		SYS_mknod,
		SYS_open_by_handle_at,
		SYS_socket,
		SYS_connect,
		SYS_sched_setaffinity,
	};
	struct uml_filter *f = calloc(1, sizeof(*f));
	struct seccomp_data d = { .nr = SYS_read, .arch = AUDIT_ARCH_I386 };

	(void)state;
	assert_non_null(f);
	uml_filter_build(f);
	for (size_t i = 0; i < ARRAY_SIZE(never); i++)
		assert_int_equal(verdict(f, never[i], 0, 0), deny);
	assert_int_equal(verdict(f, SYS_read, 0, 0), allow);
	assert_int_equal(verdict(f, SYS_getrandom, 0, 0), allow);
	assert_int_equal(run_filter(f, &d), deny);
	assert_int_equal(verdict(f, SYS_read | 0x40000000, 0, 0), deny);
	assert_int_equal(verdict(f, SYS_socketpair, 0, AF_UNIX), allow);
	assert_int_equal(verdict(f, SYS_socketpair, 0, AF_INET), deny);
	assert_int_equal(verdict(f, SYS_clone, 0, SIGCHLD), allow);
	assert_int_equal(verdict(f, SYS_clone, 0, CLONE_NEWUSER | SIGCHLD),
			 deny);
	assert_int_equal(verdict(f, SYS_clone, 0, CLONE_NEWNS), deny);
	assert_int_equal(verdict(f, SYS_clone3, 0, 0),
			 SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(verdict(f, SYS_execveat, 4, AT_EMPTY_PATH), allow);
	assert_int_equal(verdict(f, SYS_execveat, 4, 0), deny);
	assert_int_equal(verdict(f, SYS_kill, 1, SIGALRM), allow);
	assert_int_equal(verdict(f, SYS_kill, 1, SIGABRT), deny);
	assert_int_equal(verdict(f, SYS_ptrace, 0, PTRACE_TRACEME), allow);
	assert_int_equal(verdict(f, SYS_ptrace, 0, PTRACE_ATTACH), deny);
	assert_int_equal(verdict(f, SYS_ptrace, 0, PTRACE_SEIZE), deny);
	assert_int_equal(verdict(f, SYS_ioctl, 1, 0x5412 /* TIOCSTI */), deny);
	assert_int_equal(verdict(f, SYS_prlimit64, 0, 1), deny);
	free(f);
}

struct sink {
	struct klog log;
	struct loop *loop;
	size_t got;
};

static void on_data(void *ctx, const void *data, size_t len)
{
	struct sink *s = ctx;

	(void)data;
	s->got += len;
}

static void sink_init(struct sink *s, int *ret_writer)
{
	int fds[2];

	memset(s, 0, sizeof(*s));
	assert_int_equal(loop_new(&s->loop), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(klog_init(&s->log, s->loop, fds[0], on_data, s), 0);
	*ret_writer = fds[1];
}

static void flood_is_read_at_a_bounded_rate(void **state)
{
	static char chunk[16384];
	uint64_t begin = clock_mono_ms(), deadline = begin + 30000;
	size_t written = 0, total = KLOG_BURST + KLOG_RATE / 4;
	struct sink s;
	int writer;

	(void)state;
	sink_init(&s, &writer);
	while (s.got < total) {
		uint64_t allowed;
		ssize_t n;

		n = written < total ? io_write(writer, chunk, sizeof(chunk))
				    : 0;
		written += n > 0 ? (size_t)n : 0;
		assert_int_equal(loop_turn(s.loop, written < total ? 0 : 1000),
				 0);
		allowed = KLOG_BURST +
			  (clock_mono_ms() - begin + 1) * KLOG_RATE / 1000;
		assert_true(s.got <= allowed);
		assert_true(clock_mono_ms() < deadline);
	}
	(void)close(writer);
	klog_fini(&s.log);
	loop_free(s.loop);
}

static void what_is_left_is_read_at_the_end(void **state)
{
	static const char text[] = "last words\n";
	struct sink s;
	int writer;

	(void)state;
	sink_init(&s, &writer);
	assert_int_equal(io_write_full(writer, text, strlen(text)), 0);
	(void)close(writer);
	klog_drain(&s.log);
	assert_int_equal(s.got, strlen(text));
	assert_true(klog_contains(&s.log, "last words"));
	klog_drain(&s.log); /* harmless again */
	loop_free(s.loop);
}

/* A kernel that closes its output must not keep the loop busy. */
static void closed_output_is_let_go(void **state)
{
	struct sink s;
	int writer;

	(void)state;
	sink_init(&s, &writer);
	(void)close(writer);
	assert_int_equal(loop_turn(s.loop, 1000), 0);
	assert_int_equal(s.log.fd, -1);
	assert_null(s.log.watch.loop);
	klog_fini(&s.log);
	loop_free(s.loop);
}

static void tail_keeps_the_end(void **state)
{
	static char big[KLOG_TAIL * 2];
	struct klog k;
	char line[32];

	(void)state;
	memset(&k, 0, sizeof(k));
	memset(big, 'x', sizeof(big));
	klog_note(&k, "early\n", 6);
	klog_note(&k, big, sizeof(big));
	assert_false(klog_contains(&k, "early"));
	klog_note(&k, "\nkey: one\nkey: t\0wo\n\n", 21);
	assert_int_equal(k.tail_len, KLOG_TAIL);
	assert_true(klog_last_line(&k, "key: ", line, sizeof(line)));
	assert_string_equal(line, "t wo");
	assert_true(klog_last_line(&k, "", line, sizeof(line)));
	assert_string_equal(line, "key: t wo");
	assert_false(klog_last_line(&k, "nothing", line, sizeof(line)));
	assert_true(klog_last_line(&k, "xx", line, sizeof(line)));
	assert_int_equal(strlen(line), sizeof(line) - 1);
}

static void collect(void *ctx, const void *data, size_t len)
{
	assert_int_equal(buf_append(ctx, data, len), 0);
}

static void engine_lines_begin_a_line(void **state)
{
	struct klog k;
	struct buf text;

	(void)state;
	buf_init(&text, 4096);
	memset(&k, 0, sizeof(k));
	klog_say(&k, "to nobody\n");
	k.on_data = collect;
	k.ctx = &text;
	klog_say(&k, "engine: first\n");
	klog_note(&k, "half", 4);
	klog_say(&k, "engine: second\n");
	klog_note(&k, "line\n", 5);
	klog_say(&k, "engine: third\n");
	assert_string_equal(buf_cstr(&text), "engine: first\n\nengine: second\n"
					     "engine: third\n");
	buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_match_whole_words),
		cmocka_unit_test(id_maps_are_understood),
		cmocka_unit_test(facts_of_this_host_can_be_read),
		cmocka_unit_test(machines_spread_over_allowed_cpus),
		cmocka_unit_test(filter_permits_what_it_should_and_no_more),
		cmocka_unit_test(flood_is_read_at_a_bounded_rate),
		cmocka_unit_test(what_is_left_is_read_at_the_end),
		cmocka_unit_test(closed_output_is_let_go),
		cmocka_unit_test(tail_keeps_the_end),
		cmocka_unit_test(engine_lines_begin_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
