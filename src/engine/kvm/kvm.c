/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start and supervision of a KVM machine. vCPU threads only report an end and
 * write to an eventfd; everything else, the owner's callbacks included, happens
 * on the loop.
 */
#include "engine/kvm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "engine/kvm/devices.h"
#include "engine/kvm/vcpu.h"
#include "engine/machine.h"

#define EXITS_TEXT_MAX 1024

struct kvm_machine {
	struct machine base;
	struct loop *loop;
	struct machine_events events;
	struct vm vm;
	struct devices devices;
	struct vcpus vcpus;
	struct klog log;
	int kernel_fd;	/* open while it is loaded; owned */
	int console_fd; /* write end of the log's pipe; owned */
	int event_fd;	/* owned */
	struct watch event_watch;
	bool running;  /* on_exit is still to come */
	int filter_rc; /* why the vCPU threads have no filter, or 0 */
};

static struct kvm_machine *kvm_of(struct machine *m)
{
	return container_of(m, struct kvm_machine, base);
}

static const struct kvm_machine *kvm_of_const(const struct machine *m)
{
	return (const struct kvm_machine *)(const void *)m;
}

/* --- from vCPU threads --- */

static void on_end(void *ctx)
{
	const struct kvm_machine *m = ctx;
	const uint64_t one = 1;

	(void)io_write(m->event_fd, &one, sizeof(one)); /* cannot be full */
}

static void on_mmio(void *ctx, struct vcpu *v, struct kvm_run *run)
{
	devices_mmio(&((struct kvm_machine *)ctx)->devices, v, run);
}

/* --- on the loop --- */

static void on_fault(void *ctx, const char *device, const char *why)
{
	struct kvm_machine *m = ctx;
	char line[240];

	(void)snprintf(line, sizeof(line), "engine: device %s: %s\n", device,
		       why);
	klog_say(&m->log, line);
}

static void stop_guest(struct kvm_machine *m)
{
	devices_release(&m->devices);
	vcpus_stop(&m->vcpus);
}

static void log_exits(const struct kvm_machine *m)
{
	const char *text;
	struct buf b;

	if (log_level() < LOG_DEBUG)
		return;
	buf_init(&b, EXITS_TEXT_MAX);
	vcpus_describe_exits(&m->vcpus, &b);
	text = buf_cstr(&b);
	log_debug("engine", "exits: %s", text ? text : "?");
	buf_fini(&b);
}

static void finish(struct kvm_machine *m)
{
	const struct vm_report *r = &m->vcpus.report;
	struct machine_exit e;

	stop_guest(m);
	m->running = false;
	loop_unwatch(&m->event_watch);
	klog_drain(&m->log);
	vm_explain_end(r, &m->log, &e);
	if (r->registers[0]) {
		char line[240];

		(void)snprintf(line, sizeof(line), "engine: %s\n", e.text);
		klog_say(&m->log, line);
		klog_say(&m->log, r->registers);
	}
	log_exits(m);
	/* nothing may follow: the machine may be freed in there */
	m->events.on_exit(m->events.ctx, &e);
}

static void on_event(struct watch *w, uint32_t events)
{
	struct kvm_machine *m =
		container_of(w, struct kvm_machine, event_watch);
	uint64_t count;
	bool ended;

	(void)events;
	(void)io_read(m->event_fd, &count, sizeof(count));
	pthread_mutex_lock(&m->vcpus.lock);
	ended = m->vcpus.report.end != VM_RUNS;
	pthread_mutex_unlock(&m->vcpus.lock);
	if (ended)
		finish(m);
}

/* --- operations --- */

static void kvm_kill(struct machine *base)
{
	const struct vm_report r = { .end = VM_STOPPED };
	struct kvm_machine *m = kvm_of(base);

	if (m->running)
		vcpus_end(&m->vcpus, &r);
}

static void kvm_free(struct machine *base)
{
	struct kvm_machine *m = kvm_of(base);

	loop_unwatch(&m->event_watch);
	stop_guest(m);
	devices_fini(&m->devices);
	vcpus_fini(&m->vcpus);
	vm_fini(&m->vm);
	close_fd(&m->kernel_fd);
	klog_fini(&m->log);
	close_fd(&m->console_fd);
	close_fd(&m->event_fd);
	free(m);
}

/* The guest is this process. */
static int kvm_pid(const struct machine *base)
{
	return kvm_of_const(base)->running ? (int)getpid() : -1;
}

static size_t kvm_relaxed(const struct machine *base, char *buf, size_t len)
{
	bool off = kvm_of_const(base)->filter_rc != 0;

	if (len)
		(void)snprintf(buf, len, "%s",
			       off ? "vCPU seccomp filter" : "");
	return off;
}

static void kvm_describe(const struct machine *base, struct buf *json)
{
	const struct kvm_machine *m = kvm_of_const(base);

	(void)buf_printf(json,
			 "{\"engine\":\"kvm\",\"vcpus\":%u,"
			 "\"jail\":{\"vcpu_seccomp\":",
			 m->vcpus.n);
	if (m->filter_rc)
		(void)buf_printf(json, "\"off: %s\"",
				 strerrordesc_np(-m->filter_rc));
	else
		(void)buf_str(json, "\"on\"");
	(void)buf_str(json, "}}");
}

static void kvm_exits(const struct machine *base, struct buf *json)
{
	vcpus_describe_exits(&kvm_of_const(base)->vcpus, json);
}

static const struct machine_ops kvm_ops = {
	.kill = kvm_kill,
	.free = kvm_free,
	.pid = kvm_pid,
	.describe = kvm_describe,
	.exits = kvm_exits,
	.relaxed = kvm_relaxed,
};

/* --- start --- */

/* The pipe lets the log be read at its own pace, on the loop. */
static int make_log(struct kvm_machine *m, struct err *err)
{
	int fd[2], rc;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, ERR_IO, errno, "make a pipe");
	m->console_fd = fd[1];
	rc = klog_init(&m->log, m->loop, fd[0], m->events.on_kernel_log,
		       m->events.ctx);
	return rc ? err_sys(err, ERR_IO, -rc, "watch the kernel log") : 0;
}

static int make_events(struct kvm_machine *m, struct err *err)
{
	int rc;

	m->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = m->event_fd < 0 ? -errno
			     : loop_watch(m->loop, &m->event_watch, m->event_fd,
					  EPOLLIN, on_event);
	return rc ? err_sys(err, ERR_IO, -rc, "watch the machine") : 0;
}

static int load(struct kvm_machine *m, const struct machine_desc *desc,
		struct err *err)
{
	struct arch_boot boot = {
		.kernel_path = desc->kernel_path,
		.initramfs_fd = desc->initramfs_fd,
		.vcpus = desc->vcpus,
		.ndevices = desc->ndevices,
		.extra_cmdline = desc->extra_cmdline,
	};
	int rc = vm_reserve(&m->vm, desc->memory_mib, err);

	if (rc)
		return rc;
	boot.kernel_fd = m->kernel_fd =
		open(desc->kernel_path, O_RDONLY | O_CLOEXEC);
	if (m->kernel_fd < 0)
		return err_sys(err, ERR_BOOT, errno, "open guest kernel '%s'",
			       desc->kernel_path);
	rc = arch_vm_load(&m->vm, &boot, err);
	if (!rc)
		loader_start(&m->vm.loader);
	return rc;
}

static int finish_load(struct kvm_machine *m, const struct machine_desc *desc,
		       struct err *err)
{
	int rc = loader_finish(&m->vm.loader);

	close_fd(&m->kernel_fd);
	return rc ? err_sys(err, ERR_BOOT, -rc,
			    "read guest kernel '%s' and its initramfs",
			    desc->kernel_path)
		  : 0;
}

static int start_vcpus(struct kvm_machine *m, const struct machine_desc *desc,
		       struct err *err)
{
	int rc;

	m->vcpus.on_mmio = on_mmio;
	m->vcpus.on_end = on_end;
	m->vcpus.ctx = m;
	rc = vcpus_start(&m->vcpus, &m->vm, desc->vcpus, m->console_fd,
			 &m->filter_rc, err);
	/* a sanitized build has no filter and nobody is surprised */
	if (rc || !m->filter_rc || m->filter_rc == -ENOTSUP ||
	    desc->jail_relaxed)
		return rc;
	return err_set(err, ERR_UNSUPPORTED, -m->filter_rc,
		       "the host forbids seccomp filters (%s), which vCPU "
		       "threads need; --engine-jail relaxed goes on without",
		       strerrordesc_np(-m->filter_rc));
}

static int start(struct kvm_machine *m, const struct machine_desc *desc,
		 struct err *err)
{
	int rc;

	if (desc->vcpus < 1 || desc->vcpus > ARCH_MAX_VCPUS)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%u vCPUs; the kvm engine runs 1 to %d",
			       desc->vcpus, ARCH_MAX_VCPUS);
	if (desc->ndevices > DEVICES_MAX)
		return err_set(err, ERR_INVALID, EINVAL,
			       "%zu devices; a machine has at most %d",
			       desc->ndevices, DEVICES_MAX);
	rc = make_log(m, err);
	if (!rc)
		rc = make_events(m, err);
	if (!rc)
		rc = load(m, desc, err);
	if (!rc)
		rc = vm_create(&m->vm, DEVICES_PAGES(desc->ndevices),
			       desc->vcpus, err);
	if (rc)
		return rc;
	m->devices.on_fault = on_fault;
	m->devices.ctx = m;
	m->devices.console_fd = m->console_fd;
	rc = devices_init(&m->devices, &m->vm, m->loop, desc->devices,
			  desc->ndevices, err);
	if (!rc)
		rc = start_vcpus(m, desc, err);
	if (!rc)
		rc = finish_load(m, desc, err);
	if (rc)
		return rc;
	m->running = true;
	vcpus_go(&m->vcpus);
	return 0;
}

int kvm_start(struct loop *loop, const struct machine_desc *desc,
	      struct machine **ret, struct err *err)
{
	struct kvm_machine *m = calloc(1, sizeof(*m));
	int rc;

	if (!m)
		return err_set(err, ERR_NO_MEMORY, ENOMEM, "out of memory");
	m->base.ops = &kvm_ops;
	m->loop = loop;
	m->events = desc->events;
	vm_init(&m->vm);
	m->kernel_fd = m->console_fd = m->event_fd = m->log.fd = -1;
	rc = start(m, desc, err);
	if (rc)
		kvm_free(&m->base);
	else
		*ret = &m->base;
	return rc;
}
