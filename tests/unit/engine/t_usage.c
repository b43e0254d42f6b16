/* SPDX-License-Identifier: Apache-2.0 */
/* CPU time of the processes of a uml machine, with others in their place. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/uml/usage.h"

#define WORK_NS (50 * NSEC_PER_MSEC)

/* A process that stands in for the guest's kernel, and does what it is told:
 * c a child that computes for a while and stays, k kills all of them, w it
 * computes for a while itself. It answers with the same letter. */
struct kernel {
	pid_t pid;
	int to, from;
};

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void work(void)
{
	uint64_t end = cpu_ns() + WORK_NS;

	while (cpu_ns() < end)
		;
}

static void be_child(int out)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	work();
	if (write(out, "c", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

static void be_kernel(int in, int out)
{
	pid_t child[8];
	size_t n = 0;
	char c;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, &c, 1) == 1) {
		if (c == 'c') {
			child[n++] = fork();
			if (!child[n - 1])
				be_child(out);
			continue; /* the child answers */
		}
		if (c == 'w')
			work();
		while (c == 'k' && n) {
			(void)kill(child[--n], SIGKILL);
			(void)waitpid(child[n], NULL, 0);
		}
		if (write(out, &c, 1) != 1)
			break;
	}
	_exit(0);
}

static struct kernel start(void)
{
	struct kernel k;
	int to[2], from[2];

	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	k.pid = fork();
	if (!k.pid) {
		(void)close(to[1]);
		be_kernel(to[0], from[1]);
	}
	assert_true(k.pid > 0);
	assert_int_equal(close(to[0]), 0);
	assert_int_equal(close(from[1]), 0);
	k.to = to[1];
	k.from = from[0];
	return k;
}

static void tell(const struct kernel *k, char what)
{
	char answer;

	assert_int_equal(write(k->to, &what, 1), 1);
	assert_int_equal(read(k->from, &answer, 1), 1);
	assert_int_equal(answer, what);
}

static void end(struct kernel *k)
{
	assert_int_equal(kill(k->pid, SIGKILL), 0);
	assert_int_equal(waitpid(k->pid, NULL, 0), k->pid);
	assert_int_equal(close(k->to), 0);
	assert_int_equal(close(k->from), 0);
}

static void kernel_and_programs(void **state)
{
	struct kernel k = start();
	struct uml_usage u;
	bool missed = true;
	uint64_t before;

	(void)state;
	uml_usage_init(&u, k.pid, 1);
	if (u.children_fd < 0) {
		end(&k);
		skip(); /* a host without CONFIG_PROC_CHILDREN */
	}
	uml_usage_look(&u, &missed);
	assert_false(missed);
	assert_int_equal(u.children_ns, 0);
	tell(&k, 'w');
	uml_usage_look(&u, &missed);
	assert_false(missed);
	assert_true(u.kernel_ns >= WORK_NS);
	assert_int_equal(u.children_ns, 0);
	before = u.kernel_ns;
	tell(&k, 'c');
	tell(&k, 'c');
	uml_usage_look(&u, &missed);
	assert_false(missed);
	assert_true(u.children_ns >= 2 * WORK_NS);
	assert_true(u.kernel_ns - before < WORK_NS);
	assert_int_equal(u.nchildren, 2);
	/* what was counted is not counted again */
	before = u.children_ns;
	uml_usage_look(&u, &missed);
	assert_false(missed);
	assert_true(u.children_ns - before < WORK_NS);
	/* they took with them what they had used since then */
	before = u.children_ns;
	tell(&k, 'k');
	uml_usage_look(&u, &missed);
	assert_true(missed);
	assert_int_equal(u.children_ns, before);
	uml_usage_look(&u, &missed);
	assert_false(missed);
	end(&k);
	before = u.kernel_ns;
	uml_usage_look(&u, &missed);
	assert_int_equal(u.kernel_ns, before);
	uml_usage_fini(&u);
}

static void nobody_uses_more_than_there_is(void **state)
{
	struct kernel k = start();
	struct uml_usage u;
	uint64_t begin;
	bool missed;

	(void)state;
	tell(&k, 'c');
	begin = clock_mono_ns();
	uml_usage_init(&u, k.pid, 1);
	if (u.children_fd < 0) {
		end(&k);
		skip();
	}
	/* as of a process that got the number of another one */
	uml_usage_look(&u, &missed);
	assert_true(u.children_ns <= clock_mono_ns() - begin);
	uml_usage_fini(&u);
	end(&k);
}

/* Programs of other CPUs are children of threads that are not looked at. */
static void several_cpus_are_never_complete(void **state)
{
	struct kernel k = start();
	struct uml_usage u;
	bool missed = false;

	(void)state;
	uml_usage_init(&u, k.pid, 2);
	uml_usage_look(&u, &missed);
	assert_true(missed);
	uml_usage_fini(&u);
	end(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kernel_and_programs),
		cmocka_unit_test(nobody_uses_more_than_there_is),
		cmocka_unit_test(several_cpus_are_never_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
