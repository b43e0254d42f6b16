/* SPDX-License-Identifier: Apache-2.0 */
/* Lifecycle lock, runtime liveness, and signals that cannot hit a stranger. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "store/lock.h"
#include "tmpdir.h"

static struct home open_test_home(void **state)
{
	struct tmpdir *t = *state;
	struct home h;

	assert_int_equal(home_open(t->path, &h, NULL), 0);
	return h;
}

static void one_holder_at_a_time(void **state)
{
	struct home h = open_test_home(state);
	struct err err = { 0 };
	int fd = lifecycle_lock(&h, "box", LOCK_WAIT_FOREVER, NULL);
	int other;

	assert_true(fd >= 0);
	assert_int_equal(lifecycle_lock(&h, "box", 0, &err), -ETIMEDOUT);
	assert_int_equal(err.kind, ERR_TIMEOUT);
	assert_non_null(strstr(err.msg, "'box'"));
	other = lifecycle_lock(&h, "other", 0, NULL);
	assert_true(other >= 0);
	(void)close(other);
	(void)close(fd);
	fd = lifecycle_lock(&h, "box", 0, NULL);
	assert_true(fd >= 0);
	(void)close(fd);
	home_fini(&h);
}

/* A waiter that opened the file before it was unlinked must not take its lock
 * for that of the name. */
static void retired_lock_is_not_taken_for_a_new_one(void **state)
{
	struct home h = open_test_home(state);
	int fd = lifecycle_lock(&h, "box", 0, NULL);
	int ready[2], status;
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		int mine;

		(void)close(fd);
		(void)!write(ready[1], "x", 1);
		mine = lifecycle_lock(&h, "box", LOCK_WAIT_FOREVER, NULL);
		_exit(mine >= 0 && faccessat(h.fd, "run/locks/box.lock", F_OK,
					     0) == 0
			      ? 0
			      : 1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	lifecycle_lock_retire(&h, "box", &fd);
	assert_int_equal(fd, -1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
	home_fini(&h);
}

/* Stands in for a runtime: holds the lock, says who it is, waits. */
static pid_t fake_runtime(int dirfd, const char *identity)
{
	int lock = runtime_lock_create(dirfd), ready[2];
	char text[64], byte;
	uint64_t start;
	pid_t pid;

	assert_true(lock >= 0);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		if (!identity && process_start_time(getpid(), &start) == 0)
			(void)snprintf(text, sizeof(text), "%d %llu\n",
				       (int)getpid(),
				       (unsigned long long)start);
		else
			(void)snprintf(text, sizeof(text), "%s",
				       identity ? identity : "");
		(void)!write(lock, text, strlen(text));
		(void)!write(ready[1], "x", 1);
		for (;;)
			(void)pause();
	}
	(void)close(lock);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static int open_test_dir(void **state)
{
	struct tmpdir *t = *state;

	return open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void liveness_is_the_lock(void **state)
{
	int dirfd = open_test_dir(state);
	struct runtime_process p;
	pid_t pid;

	assert_int_equal(runtime_alive(dirfd), 0);
	assert_int_equal(runtime_process_open(dirfd, &p), -ESRCH);
	pid = fake_runtime(dirfd, NULL);
	assert_int_equal(runtime_alive(dirfd), 1);
	assert_int_equal(runtime_alive(dirfd), 1); /* asking takes nothing */
	assert_int_equal(runtime_process_open(dirfd, &p), 0);
	assert_int_equal(p.pid, pid);
	assert_int_equal(runtime_process_wait(&p, -1, 0), -ETIMEDOUT);
	assert_int_equal(runtime_process_signal(&p, SIGKILL), 0);
	/* A zombie is dead: nobody has reaped it yet. */
	assert_int_equal(runtime_process_wait(&p, -1, 10000), 0);
	assert_int_equal(runtime_process_signal(&p, SIGKILL), -ESRCH);
	runtime_process_close(&p);
	assert_int_equal(runtime_alive(dirfd), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* The next one takes over from the dead one's file. */
	pid = fake_runtime(dirfd, NULL);
	assert_int_equal(runtime_alive(dirfd), 1);
	end(pid);
	(void)close(dirfd);
}

static void identity_must_fit(void **state)
{
	char text[64];
	int dirfd = open_test_dir(state);
	struct runtime_process p;
	pid_t pid;

	pid = fake_runtime(dirfd, "");
	assert_int_equal(runtime_process_open(dirfd, &p), -EAGAIN);
	end(pid);
	pid = fake_runtime(dirfd, "12 34");
	assert_int_equal(runtime_process_open(dirfd, &p), -EAGAIN);
	end(pid);
	pid = fake_runtime(dirfd, "0 1\n");
	assert_int_equal(runtime_process_open(dirfd, &p), -EBADMSG);
	end(pid);
	pid = fake_runtime(dirfd, "99999999999 1\n");
	assert_int_equal(runtime_process_open(dirfd, &p), -EBADMSG);
	end(pid);
	pid = fake_runtime(dirfd, "nonsense\n");
	assert_int_equal(runtime_process_open(dirfd, &p), -EBADMSG);
	end(pid);
	/* This very process, with another start time: a reused number. */
	(void)snprintf(text, sizeof(text), "%d 1\n", (int)getpid());
	pid = fake_runtime(dirfd, text);
	assert_int_equal(runtime_process_open(dirfd, &p), -ENXIO);
	end(pid);
	(void)close(dirfd);
}

/* The number may belong to somebody else once the runtime is dead. */
static void dead_runtime_is_never_signalled(void **state)
{
	int dirfd = open_test_dir(state);
	struct runtime_process p;
	pid_t pid = fake_runtime(dirfd, NULL);
	pid_t bystander = fork();

	if (!bystander)
		for (;;)
			(void)pause();
	assert_int_equal(runtime_process_open(dirfd, &p), 0);
	end(pid);
	p.pid = bystander;  /* what a reused pid would look like ... */
	close_fd(&p.pidfd); /* ... on a host without pidfds */
	assert_int_equal(runtime_process_signal(&p, SIGKILL), -ESRCH);
	assert_int_equal(runtime_process_wait(&p, -1, 1000), 0);
	assert_int_equal(waitpid(bystander, NULL, WNOHANG), 0);
	runtime_process_close(&p);
	end(bystander);
	(void)close(dirfd);
}

/* Holds the lock a little longer than it has something to say. */
static void one_on_its_way_out_is_waited_for(void **state)
{
	int dirfd = open_test_dir(state);
	pid_t pid = fake_runtime(dirfd, NULL);
	pid_t killer;

	assert_int_equal(runtime_alive_settled(dirfd, 20000), 1);
	assert_int_equal(
		io_write_file_at(dirfd, RUNTIME_EXIT_JSON, "{}", 2, 0600), 0);
	assert_int_equal(runtime_alive_settled(dirfd, 1), 1); /* it does not */
	killer = fork();
	if (!killer)
		_exit(kill(pid, SIGKILL));
	assert_int_equal(runtime_alive_settled(dirfd, 20000), 0);
	assert_int_equal(waitpid(killer, NULL, 0), killer);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(runtime_alive_settled(dirfd, 20000), 0);
	(void)close(dirfd);
}

static void start_time_of_odd_names(void **state)
{
	uint64_t a, b;

	(void)state;
	assert_int_equal(process_start_time(getpid(), &a), 0);
	assert_int_equal(process_start_time(getpid(), &b), 0);
	assert_true(a == b && a > 0);
	assert_int_equal(process_start_time(0x3fffffff, &a), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_holder_at_a_time,
						tmpdir_make, tmpdir_remove),
		cmocka_unit_test_setup_teardown(
			retired_lock_is_not_taken_for_a_new_one, tmpdir_make,
			tmpdir_remove),
		cmocka_unit_test_setup_teardown(liveness_is_the_lock,
						tmpdir_make, tmpdir_remove),
		cmocka_unit_test_setup_teardown(identity_must_fit, tmpdir_make,
						tmpdir_remove),
		cmocka_unit_test_setup_teardown(dead_runtime_is_never_signalled,
						tmpdir_make, tmpdir_remove),
		cmocka_unit_test_setup_teardown(
			one_on_its_way_out_is_waited_for, tmpdir_make,
			tmpdir_remove),
		cmocka_unit_test(start_time_of_odd_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
