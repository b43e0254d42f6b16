/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The jailed process as its parent sees it. A pidfd says that it has ended; a
 * host older than Linux 5.4 has none, or none to wait for, and a SIGCHLD says
 * it there. The number is as safe: it belongs to a child until we reap it.
 */
#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/uml/jail.h"

void jailed_settle(struct jailed *j)
{
	siginfo_t si;

	if (j->pidfd >= 0 &&
	    waitid(P_PIDFD, (id_t)j->pidfd, &si,
		   WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 &&
	    errno == EINVAL)
		close_fd(&j->pidfd);
}

void jailed_kill(const struct jailed *j)
{
	if (j->pidfd >= 0)
		(void)pidfd_send_signal(j->pidfd, SIGKILL, NULL, 0);
	else
		(void)kill(j->pid, SIGKILL);
}

int jailed_reap(const struct jailed *j, siginfo_t *si, int flags)
{
	idtype_t type = j->pidfd >= 0 ? P_PIDFD : P_PID;
	id_t id = (id_t)(j->pidfd >= 0 ? j->pidfd : j->pid);
	int rc;

	*si = (siginfo_t){ 0 };
	do
		rc = waitid(type, id, si, WEXITED | __WALL | flags);
	while (rc < 0 && errno == EINTR);
	return rc < 0 ? -errno : 0;
}

int jailed_watch_fd(struct jailed *j)
{
	sigset_t child;

	if (j->pidfd >= 0)
		return j->pidfd;
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	/* else it is thrown away; threads made from now on inherit this */
	if (pthread_sigmask(SIG_BLOCK, &child, NULL) != 0)
		return -EINVAL;
	j->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	return j->signal_fd < 0 ? -errno : j->signal_fd;
}

void jailed_heard(const struct jailed *j)
{
	struct signalfd_siginfo si;

	while (j->signal_fd >= 0 && io_read(j->signal_fd, &si, sizeof(si)) > 0)
		;
}

void jailed_close(struct jailed *j)
{
	close_fd(&j->pidfd);
	close_fd(&j->signal_fd);
	j->pid = -1;
}
