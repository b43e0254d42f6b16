/* SPDX-License-Identifier: Apache-2.0 */
/* States of a sandbox: ready, stop, end. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "runtime/sandbox.h"
#include "store/exit_record.h"
#include "store/paths.h"

#define CLIENT_FLUSH_MS 500
#define MARK_STARTED "--- sandbox started ---\n"
#define MARK_STOPPED "--- sandbox stopped ---\n"

void sandbox_fail_boot(struct sandbox *s, const char *stage, int sys,
		       const char *fmt, ...)
{
	va_list ap;

	if (s->failure.stage) /* the first failure is the cause */
		return;
	va_start(ap, fmt);
	(void)vsnprintf(s->failure_text, sizeof(s->failure_text), fmt, ap);
	va_end(ap);
	s->failure.stage = stage;
	s->failure.sys = sys;
	s->failure.message = s->failure_text;
	log_error("boot", "%s: %s", stage, s->failure_text);
}

/* --- ready --- */

static void start_command(struct sandbox *s)
{
	const struct sandbox_config *c = &s->spec.config;
	struct strv *words = &s->spec.startup;
	struct msg_exec_params p = { .rows = 24, .cols = 80 };
	struct relay_exit failed = { .failed = MSG_FAIL_OTHER };
	int rc;

	if (!words->n)
		return;
	p.cmd = words->v[0];
	p.args = (const char *const *)words->v + 1;
	p.nargs = words->n - 1;
	p.env = (const char *const *)c->env.v;
	p.nenv = c->env.n;
	p.cwd = c->workdir ? c->workdir : "/";
	p.user = c->user;
	rc = relay_exec_start(s->relay, &p);
	if (rc) {
		log_error("startup", "%s: %s", p.cmd, strerror(-rc));
		sandbox_on_startup_exit(s, &failed);
	}
}

/* Of a single file the directory is shared, as it is found by name. */
static enum jail_access share_access(const struct fs_share *f)
{
	if (f->share.kind == SHARE_FILE)
		return f->readonly ? JAIL_READ_FILES : JAIL_WRITE_FILES;
	return f->readonly ? JAIL_READ : JAIL_WRITE;
}

static void apply_jail(struct sandbox *s)
{
	struct jail_dir dirs[2 + 64];
	size_t n = 0, max = sizeof(dirs) / sizeof(dirs[0]);
	autoclose int parent = -1;

	dirs[n++] = (struct jail_dir){ s->dir_fd, JAIL_WRITE };
	if (s->spec.config.ephemeral) { /* it removes its own directory */
		parent = openat(s->dir_fd, "..", O_PATH | O_CLOEXEC);
		if (parent >= 0)
			dirs[n++] = (struct jail_dir){ parent, JAIL_REMOVE };
	}
	for (size_t i = 0; i < s->nshares && n < max; i++)
		dirs[n++] = (struct jail_dir){ s->shares[i].dir_fd,
					       share_access(&s->shares[i]) };
	jail_apply(dirs, n, machine_pid(s->machine), &s->jail);
	log_info("jail",
		 "no_new_privs %s, capabilities %s, landlock %s, seccomp %s",
		 s->jail.no_new_privs, s->jail.capabilities, s->jail.landlock,
		 s->jail.seccomp);
}

void sandbox_seal(struct sandbox *s)
{
	char without[240];

	machine_describe(s->machine, &s->machine_text);
	if (machine_relaxed(s->machine, without, sizeof(without)))
		log_warn("engine", "the machine runs without: %s", without);
	/* values of secrets and the authority's key: nobody else of this user's
	 * looks into this process, and a core file has none of it */
	if (s->tls && !JAIL_SANITIZER && /* who looks for leaks attaches */
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_warn("jail", "not dumpable: %s", strerror(errno));
	apply_jail(s);
}

static void describe(struct sandbox *s, uint64_t boot_ns)
{
	const char *machine;
	struct buf jail, exits, network;
	int rc;

	buf_init(&jail, 4096);
	buf_init(&exits, 4096);
	buf_init(&network, 4096);
	jail_describe(&s->jail, &jail);
	machine_exits(s->machine, &exits);
	sandbox_describe_network(s, &network);
	machine = buf_cstr(&s->machine_text);
	rc = report_machine(&s->machine_file, machine ? machine : "{}",
			    buf_len(&exits) ? buf_cstr(&exits) : NULL,
			    buf_len(&network) ? buf_cstr(&network) : NULL,
			    buf_cstr(&jail), boot_ns);
	if (rc)
		log_warn("runtime", RUNTIME_MACHINE_JSON ": %s", strerror(-rc));
	buf_fini(&s->machine_text);
	buf_fini(&exits);
	buf_fini(&network);
	buf_fini(&jail);
}

void sandbox_on_ready(struct sandbox *s)
{
	uint64_t boot_ns = clock_mono_ns() - s->started_ns;
	int rc;

	if (s->state != BOOTING)
		return;
	s->state = RUNNING;
	sandbox_settle_disks(s);
	loop_timer_cancel(&s->ready_timer);
	logs_marker(s->logs, MARK_STARTED);
	rc = relay_listen(s->relay, s->listen_fd);
	if (rc) {
		sandbox_fail_boot(s, "other", -rc, "serve agent.sock: %s",
				  strerror(-rc));
		sandbox_kill(s, EXIT_INTERNAL_ERROR);
		return;
	}
	/* they have been made; the next boot is not to make them again */
	(void)unlinkat(s->dir_fd, SANDBOX_PATCHES, 0);
	sampler_start(s);
	describe(s, boot_ns); /* whoever is told "ready" may look at it */
	report_ready(s->report_fd);
	close_fd(&s->report_fd);
	sandbox_watch_ready(s);
	start_command(s);
	free(s->bootlog);
	s->bootlog = NULL;
	log_info("runtime", "ready after %llu ms",
		 (unsigned long long)(boot_ns / NSEC_PER_MSEC));
}

/* --- stop --- */

static void keep_reason(struct sandbox *s, enum exit_reason reason)
{
	if (s->has_reason)
		return;
	s->has_reason = true;
	s->reason = reason;
	log_info("runtime", "stopping: %s", exit_reason_name(reason));
}

static void on_stop_deadline(struct timer *t)
{
	struct sandbox *s = container_of(t, struct sandbox, stop_timer);

	log_warn("runtime", "the guest did not end in time and is stopped by "
			    "force");
	keep_reason(s, EXIT_AGENT_UNRESPONSIVE); /* unless there is another */
	s->killed = true;
	machine_kill(s->machine);
}

/* The agent has been asked to end, by us or by a client. */
static void stop_begun(struct sandbox *s)
{
	s->state = STOPPING;
	loop_timer_cancel(&s->idle_timer);
	loop_timer_cancel(&s->max_timer);
	loop_timer_cancel(&s->clock_timer);
	loop_timer(s->loop, &s->stop_timer, sandbox_flush_window_ms(),
		   on_stop_deadline);
}

/*
 * The agent closed its channel: the guest is powering itself off, or the agent
 * was killed in it, and whoever opens the channel next is not to be believed.
 */
void sandbox_on_agent_closed(struct sandbox *s)
{
	if (s->state == RUNNING)
		stop_begun(s);
}

void sandbox_stop(struct sandbox *s, enum exit_reason reason)
{
	if (s->state == BOOTING) {
		sandbox_fail_boot(s, "other", 0, "stopped before it was ready");
		sandbox_kill(s, reason);
		return;
	}
	if (s->state != RUNNING)
		return;
	keep_reason(s, reason);
	relay_send_shutdown(s->relay);
	stop_begun(s);
}

void sandbox_on_shutdown(struct sandbox *s)
{
	if (s->state != RUNNING)
		return;
	keep_reason(s, EXIT_SHUTDOWN_REQUESTED);
	stop_begun(s);
}

void sandbox_kill(struct sandbox *s, enum exit_reason reason)
{
	if (s->state == DOWN)
		return;
	keep_reason(s, reason);
	s->killed = true;
	if (s->machine) {
		machine_kill(s->machine); /* its exit is reported */
	} else {
		s->state = DOWN;
		loop_stop(s->loop);
	}
}

void sandbox_on_startup_exit(struct sandbox *s, const struct relay_exit *e)
{
	s->has_code = true;
	if (!e->started)
		s->code = e->failed == MSG_FAIL_NOT_FOUND ? 127
			  : e->failed == MSG_FAIL_PERMISSION_DENIED ||
					  e->failed == MSG_FAIL_NOT_EXECUTABLE
				  ? 126
				  : 125;
	else if (e->code >= 0)
		s->code = e->code;
	else
		s->code = e->signal ? 128 + e->signal : 255;
	log_info("startup", "the command has ended with %d", s->code);
	sandbox_stop(s, s->code ? EXIT_FAILED : EXIT_COMPLETED);
}

/* --- end --- */

static void explain_boot_failure(struct sandbox *s,
				 const struct machine_exit *e)
{
	const char *stage, *words = NULL;

	if (s->bootlog)
		words = bootlog_agent(s->bootlog, &stage);
	if (words)
		sandbox_fail_boot(s, stage, 0, "%s", words);
	else
		sandbox_fail_boot(s, "other", 0,
				  "the guest ended before it was ready: %s",
				  e->text);
}

void sandbox_on_machine_exit(struct sandbox *s, const struct machine_exit *e)
{
	s->machine_exit = *e;
	s->machine_gone = true;
	if (e->clean && !s->killed)
		log_info("runtime", "machine: %s", e->text);
	else
		log_warn("runtime", "machine: %s", e->text);
	if (s->state == BOOTING)
		explain_boot_failure(s, e);
	if (!s->has_reason)
		keep_reason(s, s->state != BOOTING && e->clean ? EXIT_COMPLETED
							       : EXIT_FAILED);
	s->state = DOWN;
	loop_stop(s->loop);
}

static void end_failed_boot(struct sandbox *s)
{
	char tail[BOOTLOG_TAIL + 1];

	if (s->bootlog && bootlog_tail(s->bootlog, tail))
		s->failure.kernel_log = tail;
	report_failure(s->report_fd, &s->failure);
	if (s->logs_fd >= 0) {
		int rc = report_boot_error(s->logs_fd, &s->failure);

		if (rc)
			log_warn("runtime", "boot-error.json: %s",
				 strerror(-rc));
	}
	s->failure.kernel_log = NULL;
}

/* The whole state directory, for a sandbox that is not to be kept. */
static void remove_directory(struct sandbox *s)
{
	const char *slash = strrchr(s->spec.sandbox_dir, '/');
	/* not for reading, which the jail would refuse */
	autoclose int parent = openat(s->dir_fd, "..", O_PATH | O_CLOEXEC);

	/* what is left is found and removed by whoever looks next */
	if (parent >= 0)
		(void)io_remove_tree(parent, slash + 1);
}

int sandbox_end(struct sandbox *s)
{
	bool booted = !s->failure.stage;
	bool graceful = booted && s->machine_exit.clean && !s->killed;
	int code = s->has_code			     ? s->code
		   : booted && s->machine_exit.clean ? 0
						     : 1;
	int rc;

	s->state = DOWN;
	if (!booted)
		end_failed_boot(s);
	close_fd(&s->report_fd);
	sandbox_watch_end(s);
	sampler_end(s);
	if (s->relay) {
		relay_guest_gone(s->relay);
		relay_flush(s->relay, CLIENT_FLUSH_MS);
		s->relay = relay_free(s->relay);
	}
	if (!s->machine_gone)
		sandbox_unboot(s); /* before anybody is told that it ended */
	if (s->logs && booted)
		logs_marker(s->logs, MARK_STOPPED);
	if (s->runtime_fd >= 0) {
		report_file_drop(&s->machine_file);
		rc = report_exit(&s->exit_file, s->reason,
				 s->violated && s->reason == EXIT_SIGNAL
					 ? EXIT_CAUSE_VIOLATION
					 : NULL,
				 code, graceful);
		if (rc)
			log_warn("runtime", RUNTIME_EXIT_JSON ": %s",
				 strerror(-rc));
		(void)unlinkat(s->runtime_fd, RUNTIME_AGENT_SOCK, 0);
	}
	log_info("runtime", "ended: %s, code %d, %s",
		 exit_reason_name(s->reason), code,
		 graceful ? "in good order" : "by force");
	buf_fini(&s->machine_text);
	s->logs = logs_free(s->logs); /* its writer may still have a word */
	log_init(log_level(), NULL, NULL);
	if (s->spec.config.ephemeral && s->dir_fd >= 0)
		remove_directory(s);
	/* Who waits for the end need not wait for the guest's memory to be
	 * given back, which takes longer than all the rest. */
	(void)close(LOCK_FD);
	if (s->attached)
		(void)close(WATCHDOG_FD);
	sandbox_unboot(s);
	return booted ? 0 : 1;
}
