/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that run the guest. */
#include "engine/kvm/vcpu.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/kvm/filter.h"

/* Interrupts a thread inside KVM_RUN; delivery is all that matters. */
#define KICK_SIGNAL (SIGRTMIN + 7)

static void on_kick(int sig)
{
	(void)sig;
}

static int install_kick(void)
{
	struct sigaction sa = { .sa_handler = on_kick };

	sigemptyset(&sa.sa_mask);
	return sigaction(KICK_SIGNAL, &sa, NULL) < 0 ? -errno : 0;
}

void vcpus_end(struct vcpus *g, const struct vm_report *r)
{
	bool first;

	pthread_mutex_lock(&g->lock);
	first = g->report.end == VM_RUNS;
	if (first)
		g->report = *r;
	pthread_mutex_unlock(&g->lock);
	if (first)
		g->on_end(g->ctx);
}

/* A crash comes with the registers; they are read by the thread whose vCPU it
 * is, as any other would wait for it to leave the guest. */
static void end_with(struct vcpu *v, enum vm_end end, const char *detail)
{
	struct vm_report r = { .end = end, .vcpu = v->index };

	(void)snprintf(r.detail, sizeof(r.detail), "%s", detail);
	if (end > VM_PANIC)
		arch_vcpu_registers(v->fd, r.registers, sizeof(r.registers));
	vcpus_end(v->group, &r);
}

static void end_internal(struct vcpu *v)
{
	const struct kvm_run *run = v->run;
	char text[80];

	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
		(void)snprintf(text, sizeof(text),
			       "an instruction that cannot be emulated");
	else
		(void)snprintf(text, sizeof(text), "internal error %u",
			       run->internal.suberror);
	end_with(v, VM_INTERNAL_ERROR, text);
}

static void end_entry(struct vcpu *v)
{
	char text[80];

	(void)snprintf(
		text, sizeof(text), "reason 0x%" PRIx64,
		(uint64_t)v->run->fail_entry.hardware_entry_failure_reason);
	end_with(v, VM_ENTRY_FAILED, text);
}

static void end_system_event(struct vcpu *v)
{
	switch (v->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		end_with(v, VM_POWER_OFF, "");
		break;
	case KVM_SYSTEM_EVENT_RESET:
		end_with(v, VM_RESTART, "");
		break;
	default:
		end_with(v, VM_PANIC, "");
		break;
	}
}

/* False: the machine has ended. */
static bool handle_exit(struct vcpu *v)
{
	struct vcpus *g = v->group;
	enum vm_end end = VM_RUNS;
	char text[40];

	switch (v->run->exit_reason) {
	case KVM_EXIT_MMIO:
		g->on_mmio(g->ctx, v, v->run);
		return true;
	case KVM_EXIT_INTR:
		vcpu_count(v, EXIT_INTERRUPTED);
		return true;
	case KVM_EXIT_SHUTDOWN:
		end_with(v, VM_SHUTDOWN, "");
		return false;
	case KVM_EXIT_FAIL_ENTRY:
		end_entry(v);
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		end_internal(v);
		return false;
	case KVM_EXIT_SYSTEM_EVENT:
		end_system_event(v);
		return false;
	default:
		break;
	}
	if (!arch_exit(g->vm, v->run, &end)) {
		(void)snprintf(text, sizeof(text), "unknown exit %u",
			       v->run->exit_reason);
		end_with(v, VM_RUN_ERROR, text);
		return false;
	}
	vcpu_count(v, EXIT_ARCH);
	if (end != VM_RUNS)
		end_with(v, end, "");
	return end == VM_RUNS;
}

static void end_run_error(struct vcpu *v, int error)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "KVM_RUN: %s",
		       strerrorname_np(error) ? strerrorname_np(error) : "?");
	end_with(v, VM_RUN_ERROR, text);
}

static bool stopping(const struct vcpu *v)
{
	/* set before the thread that is to stop is signalled */
	return __atomic_load_n(&v->run->immediate_exit, __ATOMIC_ACQUIRE);
}

static void run_guest(struct vcpu *v)
{
	while (!stopping(v)) {
		if (ioctl(v->fd, KVM_RUN, 0) == 0) {
			if (!handle_exit(v))
				return;
		} else if (errno == EINTR || errno == EAGAIN) {
			/* EAGAIN: a vCPU was woken that has to wait on */
			vcpu_count(v, EXIT_INTERRUPTED);
		} else {
			end_run_error(v, errno);
			return;
		}
	}
}

/* Wait for vcpus_go() or vcpus_stop(): true to run. */
static bool pass_gate(struct vcpus *g, int filter_rc)
{
	bool run;

	pthread_mutex_lock(&g->lock);
	g->nwaiting++;
	if (filter_rc && !g->filter_rc)
		g->filter_rc = filter_rc;
	pthread_cond_broadcast(&g->cond);
	while (!g->go && !g->stop)
		pthread_cond_wait(&g->cond, &g->lock);
	run = !g->stop;
	pthread_mutex_unlock(&g->lock);
	return run;
}

struct thread_start {
	struct vcpu *v;
	const struct vcpu_filter *filter;
};

static void *thread_main(void *arg)
{
	const struct thread_start *start = arg;
	struct vcpu *v = start->v;
	sigset_t kick;
	char name[16];
	int rc;

	(void)snprintf(name, sizeof(name), "vcpu%u", v->index);
	(void)pthread_setname_np(pthread_self(), name);
	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	(void)pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	rc = vcpu_filter_apply(start->filter);
	/* what start points to is gone after this */
	if (pass_gate(v->group, rc))
		run_guest(v);
	return NULL;
}

static int make_vcpu(struct vcpus *g, unsigned index, struct err *err)
{
	struct vcpu *v = &g->vcpu[index];

	v->group = g;
	v->index = index;
	v->fd = ioctl(g->vm->fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (v->fd < 0)
		return err_sys(err, ERR_BOOT, errno, "make vCPU %u", index);
	g->n++;
	v->run = mmap(NULL, g->vm->run_len, PROT_READ | PROT_WRITE, MAP_SHARED,
		      v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return err_sys(err, ERR_BOOT, errno, "map vCPU %u", index);
	}
	return arch_vcpu_init(g->vm, v->fd, index, err);
}

/* Start the threads and wait until they have their filter. */
static int start_threads(struct vcpus *g, const struct vcpu_filter *filter,
			 int *ret_filter)
{
	struct thread_start start[ARCH_MAX_VCPUS];
	unsigned n = 0;
	int rc = 0;

	for (; !rc && n < g->n; n++) {
		start[n] = (struct thread_start){ &g->vcpu[n], filter };
		rc = -pthread_create(&g->vcpu[n].thread, NULL, thread_main,
				     &start[n]);
		g->vcpu[n].started = !rc;
	}
	if (rc)
		n--;
	pthread_mutex_lock(&g->lock);
	while (g->nwaiting < n) /* also of the rest, which use start[] */
		pthread_cond_wait(&g->cond, &g->lock);
	*ret_filter = g->filter_rc;
	pthread_mutex_unlock(&g->lock);
	return rc;
}

int vcpus_start(struct vcpus *g, const struct vm *vm, unsigned n,
		int console_fd, int *ret_filter, struct err *err)
{
	struct vcpu_filter filter;
	int rc = 0;

	g->vm = vm;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->cond, NULL);
	for (unsigned i = 0; !rc && i < n; i++)
		rc = make_vcpu(g, i, err);
	if (rc)
		return rc;
	vcpu_filter_build(&filter, console_fd);
	rc = install_kick();
	if (!rc)
		rc = start_threads(g, &filter, ret_filter);
	return rc ? err_sys(err, ERR_BOOT, -rc, "start the vCPUs' threads") : 0;
}

void vcpus_go(struct vcpus *g)
{
	pthread_mutex_lock(&g->lock);
	g->go = true;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
}

void vcpus_stop(struct vcpus *g)
{
	if (!g->vm)
		return;
	pthread_mutex_lock(&g->lock);
	g->stop = true;
	pthread_cond_broadcast(&g->cond);
	pthread_mutex_unlock(&g->lock);
	for (unsigned i = 0; i < g->n; i++) {
		struct vcpu *v = &g->vcpu[i];

		if (!v->started)
			continue;
		__atomic_store_n(&v->run->immediate_exit, 1, __ATOMIC_RELEASE);
		(void)pthread_kill(v->thread, KICK_SIGNAL);
	}
	for (unsigned i = 0; i < g->n; i++) {
		if (g->vcpu[i].started)
			(void)pthread_join(g->vcpu[i].thread, NULL);
		g->vcpu[i].started = false;
	}
}

void vcpus_fini(struct vcpus *g)
{
	if (!g->vm)
		return;
	for (unsigned i = 0; i < g->n; i++) {
		if (g->vcpu[i].run)
			(void)munmap(g->vcpu[i].run, g->vm->run_len);
		close_fd(&g->vcpu[i].fd);
	}
	g->n = 0;
	pthread_cond_destroy(&g->cond);
	pthread_mutex_destroy(&g->lock);
	g->vm = NULL;
}

void vcpus_describe_exits(const struct vcpus *g, struct buf *json)
{
	static const char *const names[] = {
		[EXIT_MMIO_READ] = "mmio_read",
		[EXIT_MMIO_WRITE] = "mmio_write",
		[EXIT_MMIO_UNKNOWN] = "mmio_unknown",
		[EXIT_CONSOLE] = "early_console",
		[EXIT_ARCH] = arch_exit_name,
		[EXIT_INTERRUPTED] = "interrupted",
	};
	_Static_assert(ARRAY_SIZE(names) == EXIT_KIND_COUNT,
		       "names[] does not match enum exit_kind");

	for (size_t k = 0; k < EXIT_KIND_COUNT; k++) {
		uint64_t sum = 0;

		for (unsigned i = 0; i < g->n; i++)
			sum += __atomic_load_n(&g->vcpu[i].exits[k],
					       __ATOMIC_RELAXED);
		(void)buf_printf(json, "%c\"%s\":%" PRIu64, k ? ',' : '{',
				 names[k], sum);
	}
	(void)buf_str(json, "}");
}
