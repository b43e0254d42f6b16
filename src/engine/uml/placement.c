/* SPDX-License-Identifier: Apache-2.0 */
/* Choice of a CPU by claiming abstract socket addresses. */
#include "engine/uml/placement.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Bounds the search: 0.5 ms at worst, and only beyond this many machines. */
#define MAX_CLAIMS 512

/* 1: claimed, 0: taken, -errno. */
static int try_claim(int sock, int cpu, unsigned level)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int n = snprintf(sa.sun_path + 1, sizeof(sa.sun_path) - 1,
			 "microsandbox-cpu/%d/%u", cpu, level);
	socklen_t len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1) +
		(socklen_t)n;

	if (bind(sock, (struct sockaddr *)&sa, len) == 0)
		return 1;
	return errno == EADDRINUSE ? 0 : -errno;
}

int placement_claim(const cpu_set_t *allowed, unsigned start, int *ret_cpu,
		    int *ret_claim)
{
	autoclose int sock = -1;
	int cpus[CPU_SETSIZE];
	unsigned n = 0;

	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, allowed))
			cpus[n++] = i;
	if (!n)
		return -ENOENT;
	*ret_cpu = cpus[start % n];
	*ret_claim = -1;
	/* never listens and is never read: only its address matters */
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return 0;
	for (unsigned i = 0; i < MAX_CLAIMS; i++) {
		int cpu = cpus[(start + i) % n];
		int rc = try_claim(sock, cpu, i / n);

		if (rc < 0)
			break;
		if (rc) {
			*ret_cpu = cpu;
			*ret_claim = take_fd(&sock);
			break;
		}
	}
	return 0;
}
