/* SPDX-License-Identifier: Apache-2.0 */
/* Start and supervision of a User-Mode Linux machine. */
#include "engine/uml/uml.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/machine.h"
#include "engine/uml/cmdline.h"
#include "engine/uml/jail.h"
#include "engine/uml/placement.h"
#include "engine/uml/usage.h"
#include "virtio/transport/vhost_user.h"

#define MAX_VCPUS 32
#define MIN_MEMORY_MIB 32

struct uml_device {
	struct uml_machine *machine;
	struct virtio_device *dev; /* borrowed */
	int fd;			   /* owned; our end until it is served */
	struct vhost_user *server; /* owned; NULL before */
};

struct uml_machine {
	struct machine base;
	struct loop *loop;
	struct machine_events events;
	struct jailed jail;
	bool running; /* the process exists and has not been reaped */
	bool killed;
	bool seccomp;
	int cpu, cpu_claim;
	struct uml_usage usage;
	struct watch exit_watch;
	struct klog log;
	struct vhost_user *memory; /* of device[]; it keeps the memory's file */
	size_t ndevices;
	struct uml_device device[JAIL_MAX_DEVICES];
};

static struct uml_machine *uml_of(struct machine *m)
{
	return container_of(m, struct uml_machine, base);
}

static const struct uml_machine *uml_of_const(const struct machine *m)
{
	return (const struct uml_machine *)(const void *)m;
}

int uml_choose_mode(const struct host_facts *f, enum engine_uml_mode asked,
		    unsigned vcpus, bool *ret_seccomp, struct err *err)
{
	/* from 2 on, tracing a child takes a capability the jail has not */
	bool no_ptrace = f->sysctl[HOST_YAMA_SCOPE] >= 2;

	if (asked == UML_MODE_PTRACE && vcpus > 1)
		return err_set(err, ERR_INVALID, EINVAL,
			       "ptrace mode runs one vCPU; with %u use "
			       "--engine-mode seccomp",
			       vcpus);
	if (asked == UML_MODE_PTRACE && no_ptrace)
		return err_set(err, ERR_UNSUPPORTED, EPERM,
			       "the host forbids ptrace (%s=%ld); use "
			       "--engine-mode seccomp, or sudo sysctl -w %s=1",
			       host_sysctl_name(HOST_YAMA_SCOPE),
			       f->sysctl[HOST_YAMA_SCOPE],
			       host_sysctl_name(HOST_YAMA_SCOPE));
	*ret_seccomp = vcpus > 1 || asked == UML_MODE_SECCOMP || no_ptrace;
	/* the guest kernel's own processes call it before all else */
	if (*ret_seccomp && f->no_close_range)
		return err_set(
			err, ERR_UNSUPPORTED, ENOSYS,
			"seccomp mode%s needs Linux 5.9 or later; this "
			"host runs %u.%u. With one vCPU and --engine-mode "
			"ptrace it works",
			vcpus > 1 ? ", and so more than one vCPU," : "",
			f->linux_major, f->linux_minor);
	return 0;
}

static void explain_status(int status, const struct klog *log,
			   struct machine_exit *e)
{
	char line[120];

	if (klog_last_line(log, "Kernel panic - not syncing: ", line,
			   sizeof(line))) {
		(void)snprintf(e->text, sizeof(e->text),
			       "guest kernel panic: %s", line);
	} else if (klog_contains(log, "Failed to exec kernel")) {
		/* UML restarts by running itself again, which its jail
		 * forbids */
		e->clean = true;
		(void)snprintf(e->text, sizeof(e->text),
			       "the guest asked for a restart and was stopped");
	} else if (status == 0) {
		e->clean = true;
		(void)snprintf(e->text, sizeof(e->text),
			       "the guest powered off");
	} else if (status == 127) {
		/* see SYS_kill in filter.c */
		(void)snprintf(e->text, sizeof(e->text),
			       "the guest kernel panicked (its last words are "
			       "in the kernel log)");
	} else if (klog_last_line(log, "", line, sizeof(line))) {
		(void)snprintf(e->text, sizeof(e->text),
			       "the guest kernel exited with status %d: %s",
			       status, line);
	} else {
		(void)snprintf(e->text, sizeof(e->text),
			       "the guest kernel exited with status %d",
			       status);
	}
}

void uml_explain_exit(int code, int status, bool killed, const struct klog *log,
		      struct machine_exit *ret)
{
	struct machine_exit e = { .code = -1 };
	char panic[120];

	if (code == CLD_EXITED) {
		e.code = status;
		explain_status(status, log, &e);
		*ret = e;
		return;
	}
	e.signal = status;
	if (killed && status == SIGKILL)
		(void)snprintf(e.text, sizeof(e.text),
			       "the machine was stopped by force");
	else if (status == SIGKILL)
		(void)snprintf(e.text, sizeof(e.text),
			       "the guest kernel was killed from outside "
			       "(signal 9; out of memory?)");
	else if (klog_last_line(log, "Kernel panic - not syncing: ", panic,
				sizeof(panic)))
		(void)snprintf(e.text, sizeof(e.text), "guest kernel panic: %s",
			       panic);
	else
		(void)snprintf(
			e.text, sizeof(e.text),
			"the guest kernel crashed: signal %d (%s)", status,
			sigdescr_np(status) ? sigdescr_np(status) : "unknown");
	*ret = e;
}

static void note(struct uml_machine *m, const char *device, const char *why)
{
	char line[240];

	(void)snprintf(line, sizeof(line), "engine: device %s: %s\n", device,
		       why);
	klog_say(&m->log, line);
}

static void on_fault(void *ctx, const char *why)
{
	struct uml_device *d = ctx;

	note(d->machine, d->dev->ops->name, why);
}

static void on_disconnect(void *ctx, const char *why)
{
	struct uml_device *d = ctx;

	if (*why)
		note(d->machine, d->dev->ops->name, why);
}

static void stop_serving(struct uml_machine *m)
{
	m->memory = NULL;
	for (size_t i = 0; i < m->ndevices; i++) {
		struct uml_device *d = &m->device[i];

		close_fd(&d->fd);
		d->server = vhost_user_free(d->server);
	}
}

static void on_exit_ready(struct watch *w, uint32_t events)
{
	struct uml_machine *m = container_of(w, struct uml_machine, exit_watch);
	struct machine_exit e;
	siginfo_t si;

	(void)events;
	jailed_heard(&m->jail);
	(void)jailed_reap(&m->jail, &si, WNOHANG);
	if (!si.si_pid)
		return;
	m->running = false;
	loop_unwatch(&m->exit_watch);
	klog_drain(&m->log);
	uml_explain_exit(si.si_code, si.si_status, m->killed, &m->log, &e);
	/* nothing may follow: the machine may be freed in there */
	m->events.on_exit(m->events.ctx, &e);
}

static void uml_kill(struct machine *base)
{
	struct uml_machine *m = uml_of(base);

	if (!m->running)
		return;
	m->killed = true;
	jailed_kill(&m->jail);
}

static void uml_free(struct machine *base)
{
	struct uml_machine *m = uml_of(base);
	siginfo_t si;

	loop_unwatch(&m->exit_watch);
	if (m->running) {
		jailed_kill(&m->jail);
		(void)jailed_reap(&m->jail, &si, 0);
	}
	klog_fini(&m->log);
	stop_serving(m);
	uml_usage_fini(&m->usage);
	jailed_close(&m->jail);
	close_fd(&m->cpu_claim);
	free(m);
}

static int uml_pid(const struct machine *base)
{
	const struct uml_machine *m = uml_of_const(base);

	return m->running ? m->jail.pid : -1;
}

static void uml_machine_usage(struct machine *base, struct machine_usage *ret)
{
	struct uml_machine *m = uml_of(base);

	ret->programs_apart = true;
	if (m->running) /* else the process number may be anybody's */
		uml_usage_look(&m->usage, &ret->programs_missed);
	ret->cpu_ns = m->usage.kernel_ns + m->usage.children_ns;
	if (m->memory)
		ret->memory_bytes = vhost_user_memory_bytes(m->memory);
}

static size_t uml_relaxed(const struct machine *base, char *buf, size_t len)
{
	const struct uml_machine *m = uml_of_const(base);
	size_t n = 0, used = 0;

	if (len)
		buf[0] = 0;
	for (int l = 0; l < JAIL_LAYER_COUNT; l++) {
		int w;

		if (!m->jail.state.layer[l].off)
			continue;
		w = used < len ? snprintf(buf + used, len - used, "%s%s",
					  n ? ", " : "",
					  jail_layer_title((enum jail_layer)l))
			       : 0;
		used += w > 0 ? (size_t)w : 0;
		n++;
	}
	return n;
}

static void describe_jail(const struct jail_state *s, struct buf *json)
{
	struct host_facts f = { 0 };
	bool known = false;

	for (int l = 0; l < JAIL_LAYER_COUNT; l++) {
		enum jail_layer layer = (enum jail_layer)l;
		char reason[160], remedy[240];

		(void)buf_printf(json, "%s\"%s\":", l ? "," : "",
				 jail_layer_name(layer));
		if (!s->layer[l].off) {
			(void)buf_str(json, "\"on\"");
			continue;
		}
		if (!known)
			host_facts_read(&f);
		known = true;
		jail_refusal_in(&f, s, layer, reason, sizeof(reason), remedy,
				sizeof(remedy));
		/* our own words: nothing in them needs escaping */
		(void)buf_printf(json, "\"off: %s\"", reason);
	}
}

static void uml_describe(const struct machine *base, struct buf *json)
{
	const struct uml_machine *m = uml_of_const(base);

	(void)buf_printf(json, "{\"engine\":\"uml\",\"mode\":\"%s\",\"cpu\":",
			 m->seccomp ? "seccomp" : "ptrace");
	if (m->cpu >= 0)
		(void)buf_printf(json, "%d", m->cpu);
	else
		(void)buf_str(json, "null");
	(void)buf_str(json, ",\"jail\":{");
	describe_jail(&m->jail.state, json);
	(void)buf_str(json, "}}");
}

static const struct machine_ops uml_ops = {
	.kill = uml_kill,
	.free = uml_free,
	.pid = uml_pid,
	.usage = uml_machine_usage,
	.describe = uml_describe,
	.relaxed = uml_relaxed,
};

/* One vCPU stays on one CPU; several are left to the host's scheduler. */
static void choose_cpu(struct uml_machine *m, unsigned vcpus)
{
	cpu_set_t allowed;

	m->cpu = m->cpu_claim = -1;
	if (vcpus > 1 || sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return;
	if (placement_claim(&allowed, (unsigned)getpid(), &m->cpu,
			    &m->cpu_claim) < 0)
		m->cpu = -1;
}

static int check_desc(const struct machine_desc *d, struct err *err)
{
	if (d->vcpus < 1 || d->vcpus > MAX_VCPUS)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%u vCPUs; the uml engine runs 1 to %d",
			       d->vcpus, MAX_VCPUS);
	if (d->memory_mib < MIN_MEMORY_MIB)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%u MiB of memory; a guest needs %d",
			       d->memory_mib, MIN_MEMORY_MIB);
	if (d->ndevices > JAIL_MAX_DEVICES)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%zu devices; a uml machine has at most %d",
			       d->ndevices, JAIL_MAX_DEVICES);
	return 0;
}

static int build_argv(const struct uml_machine *m,
		      const struct machine_desc *desc, struct strv *argv,
		      struct err *err)
{
	uint32_t ids[JAIL_MAX_DEVICES];
	struct uml_cmdline c = {
		.memory_mib = desc->memory_mib,
		.vcpus = desc->vcpus,
		.seccomp = m->seccomp,
		.virtio_ids = ids,
		.ndevices = desc->ndevices,
		.extra = desc->extra_cmdline,
	};

	for (size_t i = 0; i < desc->ndevices; i++)
		ids[i] = desc->devices[i]->ops->id;
	return uml_cmdline_build(&c, argv, err);
}

/* A channel per device; the kernel's ends go to peers[]. */
static int make_channels(struct uml_machine *m, const struct machine_desc *desc,
			 int *peers, struct err *err)
{
	for (size_t i = 0; i < desc->ndevices; i++) {
		struct uml_device *d = &m->device[i];
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) <
		    0)
			return err_sys(err, ERR_IO, errno,
				       "make a device channel");
		d->machine = m;
		d->dev = desc->devices[i];
		d->fd = pair[0];
		peers[i] = pair[1];
		m->ndevices++;
	}
	return 0;
}

static int serve_devices(struct uml_machine *m, struct err *err)
{
	for (size_t i = 0; i < m->ndevices; i++) {
		struct uml_device *d = &m->device[i];
		const struct vhost_user_events ev = { d, on_fault,
						      on_disconnect };
		/* one will do, on this thread */
		bool keep = !m->memory && !d->dev->ops->wants_thread;
		unsigned flags = VHOST_USER_NO_ACKS |
				 (keep ? VHOST_USER_KEEP_MEMORY : 0);
		int rc = vhost_user_serve(m->loop, d->dev, take_fd(&d->fd),
					  flags, &ev, &d->server);

		if (rc)
			return err_sys(err, ERR_IO, -rc, "serve device %s",
				       d->dev->ops->name);
		if (keep)
			m->memory = d->server;
	}
	return 0;
}

static int spawn(struct uml_machine *m, const struct machine_desc *desc,
		 const struct host_facts *f, int log_fd, char **argv,
		 struct err *err)
{
	struct uml_filter *filter = malloc(sizeof(*filter));
	autoclose int kernel = -1;
	int peers[JAIL_MAX_DEVICES] = { 0 }, rc;
	struct jail_plan plan = {
		.relaxed = desc->jail_relaxed,
		.initramfs_fd = desc->initramfs_fd,
		.log_fd = log_fd,
		.socks = peers,
		.nsocks = desc->ndevices,
		.memory_mib = desc->memory_mib,
		.cpu = m->cpu,
		.argv = argv,
		.filter = filter,
	};

	if (!filter)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	uml_filter_build(filter);
	kernel = open(desc->kernel_path, O_RDONLY | O_CLOEXEC);
	if (kernel < 0) {
		rc = err_sys(err, ERR_BOOT, errno, "open guest kernel '%s'",
			     desc->kernel_path);
	} else {
		plan.kernel_fd = kernel;
		rc = make_channels(m, desc, peers, err);
		if (!rc)
			rc = jail_spawn(&plan, f, &m->jail, err);
		for (size_t i = 0; i < m->ndevices; i++)
			(void)close(peers[i]);
	}
	free(filter);
	return rc;
}

static int start(struct uml_machine *m, const struct machine_desc *desc,
		 struct err *err)
{
	struct strv argv = { 0 };
	struct host_facts f;
	int rc, log[2];

	rc = check_desc(desc, err);
	if (rc)
		return rc;
	host_facts_read_boot(&f);
	rc = uml_choose_mode(&f, desc->uml_mode, desc->vcpus, &m->seccomp, err);
	if (rc)
		return rc;
	choose_cpu(m, desc->vcpus);
	if (pipe2(log, O_CLOEXEC) < 0)
		return err_sys(err, ERR_IO, errno, "make a pipe");
	rc = io_set_nonblock(log[0], true);
	if (rc)
		(void)close(log[0]);
	else
		rc = klog_init(&m->log, m->loop, log[0],
			       desc->events.on_kernel_log, desc->events.ctx);
	if (rc)
		(void)err_sys(err, ERR_IO, -rc, "watch the kernel log");
	if (!rc)
		rc = build_argv(m, desc, &argv, err);
	if (!rc)
		rc = spawn(m, desc, &f, log[1], argv.v, err);
	(void)close(log[1]);
	strv_fini(&argv);
	if (rc)
		return rc;
	m->running = true;
	uml_usage_init(&m->usage, m->jail.pid, desc->vcpus);
	rc = jailed_watch_fd(&m->jail);
	if (rc >= 0)
		rc = loop_watch(m->loop, &m->exit_watch, rc, EPOLLIN,
				on_exit_ready);
	if (rc)
		return err_sys(err, ERR_IO, -rc, "watch the machine");
	return serve_devices(m, err);
}

int uml_start(struct loop *loop, const struct machine_desc *desc,
	      struct machine **ret, struct err *err)
{
	struct uml_machine *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	m->base.ops = &uml_ops;
	m->loop = loop;
	m->events = desc->events;
	m->jail.pid = m->jail.pidfd = m->jail.signal_fd = -1;
	m->cpu = m->cpu_claim = m->log.fd = m->usage.children_fd = -1;
	rc = start(m, desc, err);
	if (rc)
		uml_free(&m->base);
	else
		*ret = &m->base;
	return rc;
}
