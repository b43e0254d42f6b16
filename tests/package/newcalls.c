/* SPDX-License-Identifier: Apache-2.0 */
/* Tells which system calls and flags newer than Linux 4.18 work here. */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static int missing;

static void tell(const char *what, long result)
{
	printf("%s: %s\n", what, result < 0 ? "not there" : "there");
	missing |= result < 0;
}

int main(void)
{
	char how[24] = { 0 };
	long pidfd = syscall(SYS_pidfd_open, getpid(), 0);

	tell("pidfd_open", pidfd);
	tell("close_range", syscall(SYS_close_range, ~0U, ~0U, 0));
	tell("faccessat2", syscall(SYS_faccessat2, -100, "/", 0, 0));
	tell("openat2", syscall(SYS_openat2, -100, "/", how, sizeof(how)));
	tell("memfd_create with MFD_EXEC", syscall(SYS_memfd_create, "", 0x10));
	tell("pidfd_send_signal",
	     syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0));
	return missing;
}
