/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPU a one-vCPU machine is pinned to.
 *
 * A guest's system call costs twice as much when the guest kernel and the
 * guest process run on different CPUs, so a machine stays on one. Machines
 * spread by claims: a claim is an abstract Unix socket address that names a
 * CPU and a level, and binding it is atomic. The first free address counting
 * levels upward is on a CPU with the fewest machines. The host kernel drops a
 * claim with the last descriptor of its holder, however that dies; nothing is
 * left behind and nothing has to be counted. Another user's program can take
 * names and so spoil the spread, but no more than that.
 */
#ifndef MSB_ENGINE_UML_PLACEMENT_H
#define MSB_ENGINE_UML_PLACEMENT_H

#include <sched.h>

/*
 * Claim one of the allowed CPUs. start shifts where the search begins, so that
 * machines of equal claims do not all crowd the low numbers. The claim lasts
 * as long as *ret_claim is open; it is -1 when every address was taken, and
 * the CPU then is start modulo the allowed ones. -ENOENT: none allowed.
 */
int placement_claim(const cpu_set_t *allowed, unsigned start, int *ret_cpu,
		    int *ret_claim);

#endif
