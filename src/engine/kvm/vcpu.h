/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vCPUs of a machine, each a thread under a system call filter of its own.
 *
 * A thread runs the guest, serves its exits and reports the machine's end, the
 * first of which counts. It is stopped by immediate_exit and a signal: the
 * former for a thread that is about to enter the guest, the latter for one that
 * is inside.
 */
#ifndef MSB_ENGINE_KVM_VCPU_H
#define MSB_ENGINE_KVM_VCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "engine/kvm/arch.h"
#include "engine/kvm/end.h"
#include "engine/kvm/vm.h"

struct kvm_run;
struct vcpus;

enum exit_kind {
	EXIT_MMIO_READ,	   /* of a device */
	EXIT_MMIO_WRITE,   /* to a device */
	EXIT_MMIO_UNKNOWN, /* where no device is */
	EXIT_CONSOLE,	   /* the early console */
	EXIT_ARCH,	   /* see arch_exit_name */
	EXIT_INTERRUPTED,  /* by a signal of ours, or to look again */
	EXIT_KIND_COUNT
};

struct vcpu {
	struct vcpus *group;
	unsigned index;
	int fd; /* owned */
	struct kvm_run *run;
	pthread_t thread;
	bool started; /* thread is to be joined */
	/* written by the thread alone, read by anyone: atomic, relaxed */
	uint64_t exits[EXIT_KIND_COUNT];
};

struct vcpus {
	const struct vm *vm;
	/* An access to the device window or beyond, on a vCPU's thread; counts
	 * itself. */
	void (*on_mmio)(void *ctx, struct vcpu *v, struct kvm_run *run);
	/* The first end was reported; on a vCPU's thread. */
	void (*on_end)(void *ctx);
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	/* guarded by lock */
	unsigned nwaiting; /* threads that are ready to run the guest */
	int filter_rc;	   /* of the first thread whose filter failed, or 0 */
	bool go, stop;
	struct vm_report report;
	unsigned n;
	struct vcpu vcpu[ARCH_MAX_VCPUS];
};

/*
 * Make n vCPUs and their threads; the guest does not run yet. console_fd is
 * the only descriptor they may write more than a wake-up to. *ret_filter is 0
 * or why the threads have no filter (-errno). vm->arch must be loaded.
 */
int vcpus_start(struct vcpus *g, const struct vm *vm, unsigned n,
		int console_fd, int *ret_filter, struct err *err);
/* Let the guest run. */
void vcpus_go(struct vcpus *g);

/* Report the machine's end; the first report counts. Any thread. */
void vcpus_end(struct vcpus *g, const struct vm_report *r);

/* Stop and join all threads. Nothing of the guest runs afterwards. */
void vcpus_stop(struct vcpus *g);
/* After vcpus_stop(). */
void vcpus_fini(struct vcpus *g);

/* On the vCPU's own thread. */
static inline void vcpu_count(struct vcpu *v, enum exit_kind kind)
{
	/* one writer: no need for an atomic addition */
	__atomic_store_n(&v->exits[kind], v->exits[kind] + 1, __ATOMIC_RELAXED);
}

/* Exits of all vCPUs as {"mmio_read":1,...}. Any thread. */
void vcpus_describe_exits(const struct vcpus *g, struct buf *json);

#endif
