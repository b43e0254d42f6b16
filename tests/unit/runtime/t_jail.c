/* SPDX-License-Identifier: Apache-2.0 */
/* The runtime's own jail, applied for real in a child process. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "runtime/jail.h"

struct place {
	char dir[40];
	char inside[80], readonly[80];
};

/* Checks end the child with the number of the line that failed. */
#define CHECK(cond)                                                            \
	do {                                                                   \
		if (!(cond)) {                                                 \
			dprintf(2, "line %d: %s (errno %d)\n", __LINE__,       \
				#cond, errno);                                 \
			_exit(1);                                              \
		}                                                              \
	} while (0)

static int makes_file(const char *dir, const char *name)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	(void)close(fd);
	return 0;
}

/* What both kinds of thread may and may not do afterwards. */
static void check_files(const struct place *p, const char *name)
{
	CHECK(makes_file(p->inside, name) == 0);
	CHECK(makes_file(p->readonly, name) == -EACCES);
	CHECK(makes_file(p->dir, name) == -EACCES);
	CHECK(open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0);
}

struct other {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int step; /* guarded by lock */
	const struct place *place;
	struct jail_result r; /* from step 2 on */
};

static void wait_step(struct other *o, int step)
{
	pthread_mutex_lock(&o->lock);
	while (o->step < step)
		pthread_cond_wait(&o->cond, &o->lock);
	pthread_mutex_unlock(&o->lock);
}

static void set_step(struct other *o, int step)
{
	pthread_mutex_lock(&o->lock);
	o->step = step;
	pthread_cond_broadcast(&o->cond);
	pthread_mutex_unlock(&o->lock);
}

static void *other_main(void *arg)
{
	struct other *o = arg;

	set_step(o, 1);
	wait_step(o, 2);
	if (!strncmp(o->r.landlock, "on", 2))
		check_files(o->place, "other");
	set_step(o, 3);
	return NULL;
}

static int listen_here(struct sockaddr_in *a)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*a);

	*a = (struct sockaddr_in){ .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CHECK(fd >= 0 && bind(fd, (const void *)a, sizeof(*a)) == 0);
	CHECK(listen(fd, 1) == 0);
	CHECK(getsockname(fd, (void *)a, &len) == 0);
	return fd;
}

/* It reaches the Internet and nothing else: no files, no Unix sockets, and
 * nobody can be made to wait for a connection. */
static void check_network_calls(const struct place *p,
				const struct sockaddr_in *server)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	CHECK(fd >= 0);
	CHECK(connect(fd, (const void *)server, sizeof(*server)) == 0);
	CHECK(send(fd, "x", 1, MSG_NOSIGNAL) == 1);
	CHECK(socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0) >= 0 ||
	      errno == EAFNOSUPPORT);
	CHECK(socket(AF_UNIX, SOCK_STREAM, 0) < 0 && errno == EPERM);
	CHECK(socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EPERM);
	CHECK(bind(fd, (const void *)server, sizeof(*server)) < 0 &&
	      errno == ENOSYS);
	CHECK(listen(fd, 1) < 0 && errno == ENOSYS);
	CHECK(makes_file(p->inside, "network") == -ENOSYS);
	CHECK(fork() < 0);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
}

static void *network_main(void *arg)
{
	struct other *o = arg;
	struct sockaddr_in server;
	int fd = listen_here(&server);

	set_step(o, 1);
	wait_step(o, 2);
	if (!strcmp(o->r.seccomp, "on"))
		check_network_calls(o->place, &server);
	else if (!strncmp(o->r.landlock, "on", 2))
		CHECK(makes_file(o->place->inside, "network") == -EACCES);
	(void)close(fd);
	set_step(o, 3);
	return NULL;
}

static void *idle(void *arg)
{
	return arg;
}

static void check_calls(void)
{
	pthread_t t;
	int rc;

	CHECK(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
	CHECK(syscall(SYS_ptrace, 0, 0, 0, 0) < 0 && errno == ENOSYS);
	CHECK(syscall(SYS_execve, "/bin/true", NULL, NULL) < 0 &&
	      errno == ENOSYS);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
	CHECK(fork() < 0);
	/* and what the runtime goes on doing */
	rc = pthread_create(&t, NULL, idle, NULL);
	CHECK(rc == 0);
	CHECK(pthread_join(t, NULL) == 0);
	CHECK(memfd_create("x", MFD_CLOEXEC) >= 0);
}

static void child(const struct place *p)
{
	struct other o = { .place = p,
			   .lock = PTHREAD_MUTEX_INITIALIZER,
			   .cond = PTHREAD_COND_INITIALIZER };
	struct other net = o;
	struct jail_dir dirs[2] = {
		{ open(p->inside, O_PATH | O_CLOEXEC), JAIL_WRITE },
		{ open(p->readonly, O_PATH | O_CLOEXEC), JAIL_READ },
	};
	struct jail_result r;
	struct buf json;
	pthread_t t;

	CHECK(jail_prepare() == 0);
	CHECK(pthread_create(&t, NULL, other_main, &o) == 0);
	CHECK(pthread_create(&t, NULL, network_main, &net) == 0);
	CHECK(pthread_setname_np(t, JAIL_NETWORK_THREAD) == 0);
	wait_step(&o, 1);
	wait_step(&net, 1);
	jail_apply(dirs, 2, -1, &r);
	buf_init(&json, 4096);
	jail_describe(&r, &json);
	CHECK(strstr(buf_cstr(&json), "\"no_new_privs\":\"on\""));
	o.r = net.r = r;
	set_step(&o, 2);
	set_step(&net, 2);
	wait_step(&o, 3);
	wait_step(&net, 3);
	if (!strncmp(r.landlock, "on", 2))
		check_files(p, "main");
	if (!strcmp(r.seccomp, "on"))
		check_calls();
	_exit(0);
}

static void test_everything_holds_for_all_threads(void **state)
{
	struct place p;
	int status;
	pid_t pid;

	(void)state;
	(void)snprintf(p.dir, sizeof(p.dir), "/tmp/msb-jail-XXXXXX");
	assert_non_null(mkdtemp(p.dir));
	(void)snprintf(p.inside, sizeof(p.inside), "%s/in", p.dir);
	(void)snprintf(p.readonly, sizeof(p.readonly), "%s/ro", p.dir);
	assert_int_equal(mkdir(p.inside, 0700), 0);
	assert_int_equal(mkdir(p.readonly, 0700), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		child(&p);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(io_remove_tree(AT_FDCWD, p.dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_holds_for_all_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
