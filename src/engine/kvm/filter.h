/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filter of vCPU threads, which are where a guest that has found a
 * hole in KVM's or our handling of an exit would arrive first. It is put on
 * before the guest runs. Calls that can only take rights away stay allowed, so
 * that the process's own jail reaches these threads as well; a further filter
 * is answered with EALREADY.
 */
#ifndef MSB_ENGINE_KVM_FILTER_H
#define MSB_ENGINE_KVM_FILTER_H

#include <linux/filter.h>
#include <stddef.h>

#define VCPU_FILTER_MAX 128

struct vcpu_filter {
	struct sock_filter code[VCPU_FILTER_MAX];
	size_t len;
};

/* console_fd: written to with any length; other descriptors take the eight
 * bytes of an eventfd. */
void vcpu_filter_build(struct vcpu_filter *f, int console_fd);

/* On the calling thread, with no_new_privs. -ENOTSUP in a program built with a
 * sanitizer, which needs calls of its own; or -errno. */
int vcpu_filter_apply(const struct vcpu_filter *f);

#endif
