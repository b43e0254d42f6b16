/* SPDX-License-Identifier: Apache-2.0 */
/* The kvm engine: our own virtual machine monitor on /dev/kvm. */
#ifndef MSB_ENGINE_KVM_KVM_H
#define MSB_ENGINE_KVM_KVM_H

#include "engine/engine.h"

/* See machine_start(). It does not ask whether the processor has hardware
 * virtualisation, so it also runs what a purely emulating KVM can bear. */
int kvm_start(struct loop *loop, const struct machine_desc *desc,
	      struct machine **ret, struct err *err);

/*
 * Name of something that the KVM behind kvm_fd (of /dev/kvm) lacks and this
 * engine needs, or NULL.
 */
const char *kvm_missing_capability(int kvm_fd);

#endif
