/* SPDX-License-Identifier: Apache-2.0 */
/* agentd: the guest's PID 1. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/boot.h"
#include "agent/diag.h"
#include "agent/shutdown.h"
#include "base/clock.h"
#include "base/io.h"

static void after_ready(struct agent *a, void *ctx)
{
	struct user_creds creds;

	boot_finish(ctx, a->loop, &a->env);
	/* only to have read the files that the first program needs */
	(void)user_resolve(&a->users, view_cstr(a->user), &creds, NULL);
}

/* The agent keeps what it needs of the specification. */
static void take_defaults(struct agent *a, struct bootspec *spec)
{
	a->env = spec->env;
	a->user = spec->user;
	a->workdir = spec->workdir;
	spec->env = (struct strv){ 0 };
	spec->user = spec->workdir = NULL;
}

static MSB_NORETURN void run_guest(void)
{
	struct agent_times times = { .boot_ns = clock_boot_ns() };
	struct agent a = { .sigfd = -1, .chan.fd = -1 };
	struct err err = { 0 };
	struct boot boot;
	int rc;

	rc = boot_run(&boot, &err);
	if (rc) {
		diag("%s failed: %s",
		     boot.role == AGENT_HANDOFF ? "handoff" : "init", err.msg);
		shutdown_now();
	}
	a.role = boot.role;
	take_defaults(&a, &boot.spec);
	times.init_ns = clock_boot_ns() - times.boot_ns;
	rc = agent_serve(&a, boot.port_fd, &times, after_ready, &boot);
	if (rc)
		diag("agent loop error: %s", strerror(-rc));
	agent_end(&a);
	if (boot.role == AGENT_HANDOFF)
		shutdown_by_init(boot.upper_fd);
	shutdown_machine(boot.upper_fd);
}

/* For tests: the same service on an inherited stream, as anybody. */
static int run_hosted(const char *fd_text)
{
	struct agent_times times = { .boot_ns = clock_boot_ns() };
	struct agent a = { .sigfd = -1, .chan.fd = -1, .role = AGENT_HOSTED };
	uint32_t fd;
	int rc;

	if (str_to_u32(fd_text, &fd) || fd > 65535 ||
	    io_set_nonblock((int)fd, true) || io_set_cloexec((int)fd, true))
		return 2;
	rc = agent_serve(&a, (int)fd, &times, NULL, NULL);
	agent_end(&a);
	return rc ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--serve-fd"))
		return run_hosted(argv[2]);
	if (getpid() != 1) {
		diag("not started as the first process of a guest");
		return 2;
	}
	run_guest();
}
