/* SPDX-License-Identifier: Apache-2.0 */
/* Why a host cannot run the kvm engine, and what its owner can do about it. */
#ifndef MSB_ENGINE_KVM_ADVICE_H
#define MSB_ENGINE_KVM_ADVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/host.h"

struct kvm_advice {
	const char *reason; /* part of a sentence */
	char remedy[240];
};

/*
 * True when something is in the way. The device node alone proves nothing: it
 * also exists over a KVM that emulates every instruction, hence the CPU flags.
 */
bool kvm_advise(const struct host_facts *f, struct kvm_advice *ret);

/* The same for a machine that could not be made, with its errno. */
void kvm_advise_create(int error, struct kvm_advice *ret);

#endif
