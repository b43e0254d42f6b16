/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs in place of the guest kernel, inside the jail, as a guest that has
 * taken its kernel over would: looks for anything of the host, then attacks
 * the device sockets with garbage. What it finds goes to standard output (the
 * sandbox's kernel.log), one "escape: ..." line for each thing it should not
 * have been able to do, and "jailed: done" at the end.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define ROUNDS 40
#define MESSAGES 60
#define MEM_SIZE (1u << 20)

static void escape(const char *what)
{
	printf("escape: %s\n", what);
}

static void try_files(void)
{
	static const char *const paths[] = {
		"/etc/passwd", "/proc/self/status", "/proc/1/root", "/sys",
		"/dev/kvm",    "/dev/mem",	    "/home",	    "/root",
		"/usr",	       "/var/run",	    "/dev/null",    "..",
	};
	struct dirent *e;
	struct stat root, up;
	DIR *d;

	for (size_t i = 0; i + 1 < sizeof(paths) / sizeof(paths[0]); i++) {
		if (access(paths[i], F_OK) == 0 &&
		    strcmp(paths[i], "/dev/null"))
			escape(paths[i]);
	}
	if (stat("/", &root) == 0 && stat("/../..", &up) == 0 &&
	    (root.st_ino != up.st_ino || root.st_dev != up.st_dev))
		escape("a parent of the root directory");
	d = opendir("/");
	while (d && (e = readdir(d)))
		printf("root entry: %s\n", e->d_name);
	if (d)
		(void)closedir(d);
	for (int fd = 3; fd < 1024; fd++) {
		struct stat st;

		if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
			escape("an inherited directory descriptor");
	}
}

static void try_privileges(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons(22) };
	int fd;

	if (mount("none", "/", "tmpfs", 0, NULL) == 0)
		escape("mount");
	if (chroot("/") == 0)
		escape("chroot");
	if (setuid(0) == 0 && getuid() == 0 && geteuid() == 0)
		printf("uid 0 of its own namespace\n");
	if (syscall(SYS_unshare, 0x10000000) == 0)
		escape("a new user namespace");
	if (getppid() && kill(getppid(), SIGKILL) == 0)
		escape("kill of the parent");
	if (ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0)
		escape("ptrace of the parent");
	if (syscall(SYS_bpf, 5, NULL, 0) >= 0)
		escape("bpf");
	if (syscall(SYS_init_module, NULL, 0, "") == 0)
		escape("init_module");
	if (syscall(SYS_keyctl, 0, -3, 0) >= 0)
		escape("keyctl");
	if (syscall(SYS_io_uring_setup, 4, NULL) >= 0 || errno == EFAULT)
		escape("io_uring_setup");
	if (syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0) >= 0 ||
	    errno == EFAULT)
		escape("perf_event_open");
	fd = socket(AF_INET, SOCK_STREAM, 0);
	sa.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		escape("a connection to the host");
	if (socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ||
	    socket(AF_PACKET, SOCK_RAW, 0) >= 0)
		escape("a raw socket");
}

static uint32_t next_random(void)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* One vhost-user message, sometimes true to the standard, mostly not. */
static void send_message(int sock, int memfd)
{
	struct {
		uint32_t request, flags, size;
		uint8_t payload[512];
	} m;
	char ctl[CMSG_SPACE(8 * sizeof(int))];
	struct iovec iov = { &m, 0 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[8], nfds = (int)(next_random() % 9);
	struct cmsghdr *c;

	for (size_t i = 0; i < sizeof(m.payload); i++)
		m.payload[i] = (uint8_t)next_random();
	m.request = next_random() % 45;
	m.flags = 1 | (next_random() & 0x8);
	m.size = next_random() % 3 ? next_random() % 300 : next_random();
	if (m.request == 5) { /* SET_MEM_TABLE with plausible regions */
		uint64_t *r = (uint64_t *)(void *)m.payload;

		memset(m.payload, 0, 8);
		m.payload[0] = (uint8_t)(next_random() % 10);
		r[1] = 0;
		r[2] = next_random() % 4 ? MEM_SIZE : UINT64_MAX;
		r[3] = 0x10000000;
		r[4] = next_random() % 4 ? 0 : UINT64_MAX - 4096;
		m.size = 8 + m.payload[0] * 32u;
	}
	iov.iov_len = 12 + (m.size < sizeof(m.payload) ? m.size
						       : next_random() % 512);
	for (int i = 0; i < nfds; i++)
		fds[i] = i % 2 ? memfd : eventfd(1, EFD_CLOEXEC);
	if (nfds) {
		memset(ctl, 0, sizeof(ctl));
		h.msg_control = ctl;
		h.msg_controllen = CMSG_SPACE((unsigned)nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((unsigned)nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (unsigned)nfds * sizeof(int));
	}
	(void)sendmsg(sock, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
	for (int i = 0; i < nfds; i++)
		if (fds[i] != memfd && fds[i] >= 0)
			(void)close(fds[i]);
}

static void attack_device(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char drain[1024];

	if (strlen(path) >= sizeof(sa.sun_path))
		return;
	memcpy(sa.sun_path, path, strlen(path) + 1);
	for (int round = 0; round < ROUNDS; round++) {
		int memfd = (int)syscall(SYS_memfd_create, "m", 0);
		int sock = socket(AF_UNIX, SOCK_STREAM, 0);

		if (sock < 0 || memfd < 0 || ftruncate(memfd, MEM_SIZE) < 0 ||
		    connect(sock, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
			printf("%s: %s in round %d\n", path, strerror(errno),
			       round);
			(void)close(sock);
			(void)close(memfd);
			return;
		}
		for (int i = 0; i < MESSAGES; i++) {
			struct pollfd p = { sock, POLLIN, 0 };

			send_message(sock, memfd);
			if (poll(&p, 1, 0) > 0 &&
			    recv(sock, drain, sizeof(drain), MSG_DONTWAIT) == 0)
				break;
		}
		(void)close(sock);
		(void)close(memfd);
	}
	printf("%s: attacked\n", path);
}

int main(int argc, char **argv)
{
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	try_files();
	try_privileges();
	for (int i = 1; i < argc; i++) {
		static const char key[] = "virtio_uml.device=";
		char *colon;

		if (strncmp(argv[i], key, sizeof(key) - 1) != 0)
			continue;
		colon = strchr(argv[i], ':');
		if (!colon)
			continue;
		*colon = 0;
		attack_device(argv[i] + sizeof(key) - 1);
	}
	printf("jailed: done\n");
	(void)kill(0, SIGKILL); /* the runtime must not be of our group */
	return 0;
}
