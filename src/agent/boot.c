/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the kernel's first process to a guest that is ready.
 *
 * Each system call here is paid for by every start of every sandbox, and in a
 * guest kernel that is itself a process it is not cheap. So mount points are
 * created when a mount says they are missing, the essentials are mounted once
 * and in their final place, and files are only written when they differ.
 */
#include "agent/boot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "agent/diag.h"
#include "agent/guestfiles.h"
#include "agent/handoff.h"
#include "agent/mount_plan.h"
#include "agent/mounts.h"
#include "agent/net.h"
#include "agent/patch.h"
#include "agent/port.h"
#include "agent/rlimit.h"
#include "agent/root.h"
#include "agent/trust.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"

#define PORT_NAME "agent"
#define PROFILE_DELAY_MS 50
#define CLOCK_STEP_NS (100 * NSEC_PER_MSEC)

/* What programs get unless the sandbox says otherwise: the kernel's own hard
 * limit for init is too low for servers. */
#define NOFILE_SOFT 1024
#define NOFILE_HARD 524288

static int read_spec(struct bootspec *spec, struct err *err)
{
	MSB_CLEANUP(buf_fini) struct buf b = { .max = BOOTSPEC_MAX };
	int rc;

	rc = io_read_file_at(AT_FDCWD, BOOTSPEC_PATH, &b);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "read " BOOTSPEC_PATH);
	rc = bootspec_decode(buf_data(&b), buf_len(&b), spec);
	if (rc)
		return err_sys(err, ERR_INVALID, -rc, "decode " BOOTSPEC_PATH);
	/* it takes memory, and may hold what the guest need not see */
	(void)unlink(BOOTSPEC_PATH);
	return 0;
}

static void set_clock(uint64_t want)
{
	uint64_t now;
	struct timespec ts;

	if (!want)
		return;
	now = clock_wall_ns();
	if ((want > now ? want - now : now - want) <= CLOCK_STEP_NS)
		return;
	ts.tv_sec = (time_t)(want / NSEC_PER_SEC);
	ts.tv_nsec = (long)(want % NSEC_PER_SEC);
	if (clock_settime(CLOCK_REALTIME, &ts) < 0)
		diag("cannot set the clock: %s", strerror(errno));
}

static int set_limits(const struct bootspec *spec, struct err *err)
{
	const struct rlimit nofile = { NOFILE_SOFT, NOFILE_HARD };

	/* a matter of convenience: the kernel's default also works */
	(void)setrlimit(RLIMIT_NOFILE, &nofile);
	return rlimit_apply_boot(spec->rlimits, spec->nrlimits, err);
}

/*
 * The port is wanted last, as the kernel makes it in the background meanwhile.
 * But a root without /sys or /dev leaves no way to it: then both are mounted
 * in the initramfs, while that can be reached.
 */
static int open_port_early(struct boot *b, struct err *err)
{
	if (access("sys/class", F_OK) == 0 && access("dev/null", F_OK) == 0)
		return 0;
	(void)mount("sysfs", "/sys", "sysfs", 0, NULL);
	(void)mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	b->port_fd = port_open(PORT_NAME, err);
	return b->port_fd < 0 ? b->port_fd : 0;
}

static int open_port(struct boot *b, struct err *err)
{
	if (b->port_fd < 0)
		b->port_fd = port_open(PORT_NAME, err);
	return b->port_fd < 0 ? b->port_fd : 0;
}

static int enter_root(struct boot *b, struct err *err)
{
	int rc = root_mount(&b->spec, &b->upper_fd, err);

	/* before anything lies on top of it */
	if (!rc && b->spec.patch_bytes) {
		rc = patch_root(b->spec.patch_bytes, err);
		if (rc)
			err_prefix(err, "patch");
	}
	if (!rc)
		rc = mounts_essential(err);
	if (!rc)
		rc = open_port_early(b, err);
	if (!rc)
		rc = root_enter(err);
	return rc;
}

/* Standard streams on the console, which is missing when there is none. */
static void ensure_stdio(void)
{
	if (fcntl(2, F_GETFD) >= 0)
		return;
	for (int i = 0; i < 3; i++)
		(void)open("/dev/null",
			   O_RDWR | O_NOCTTY); /* the first three */
}

int boot_run(struct boot *b, struct err *err)
{
	int rc;

	memset(b, 0, sizeof(*b));
	b->port_fd = b->upper_fd = -1;
	b->role = AGENT_INIT;
	(void)umask(022);
	ensure_stdio();
	rc = read_spec(&b->spec, err);
	if (rc)
		return rc;
	set_clock(b->spec.unix_time_ns);
	rc = set_limits(&b->spec, err);
	if (!rc)
		rc = mount_plan(b->spec.mounts, b->spec.nmounts, err);
	if (!rc)
		rc = enter_root(b, err);
	if (!rc)
		rc = mounts_user(b->spec.mounts, b->spec.nmounts, err);
	if (!rc)
		rc = guestfiles_scripts(&b->spec, err);
	if (!rc)
		rc = guestfiles_tmp_dirs(err);
	if (!rc)
		rc = net_configure(
			b->spec.has_network ? &b->spec.network : NULL, err);
	if (!rc)
		rc = open_port(b, err);
	if (rc || !b->spec.init)
		return rc;
	/* the init must find all that an agent without one does meanwhile */
	guestfiles_write(&b->spec);
	trust_install("", &b->spec, &b->spec.env);
	guestfiles_profile();
	b->role = AGENT_HANDOFF;
	return handoff(&b->spec, err);
}

static void on_later(struct timer *t)
{
	(void)t;
	guestfiles_profile();
}

void boot_finish(struct boot *b, struct loop *l, struct strv *env)
{
	if (b->role == AGENT_HANDOFF)
		return;
	guestfiles_write(&b->spec);
	trust_install("", &b->spec, env);
	/* without scripts, the directory that it puts on PATH is empty */
	if (b->spec.nscripts)
		guestfiles_profile();
	else
		loop_timer(l, &b->later, PROFILE_DELAY_MS, on_later);
}
