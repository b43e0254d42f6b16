/* SPDX-License-Identifier: Apache-2.0 */
/* The orderly end of the machine. */
#ifndef MSB_AGENT_SHUTDOWN_H
#define MSB_AGENT_SHUTDOWN_H

#include "base/compiler.h"

/*
 * For PID 1: flush, kill everything, unmount or make read-only every file
 * system, power off. upper_fd is the writable layer of an overlay root, or -1.
 * Bounded in time, whatever state the file systems are in.
 */
MSB_NORETURN void shutdown_machine(int upper_fd);

/*
 * For a child of the guest's own init: ask that init to power off, and do it in
 * its place when it does not within its time.
 */
MSB_NORETURN void shutdown_by_init(int upper_fd);

/* No clean-up at all: for a boot that failed. */
MSB_NORETURN void shutdown_now(void);

#endif
