/* SPDX-License-Identifier: Apache-2.0 */
/* What the runtime tells others: the launcher's pipe and small JSON files. */
#ifndef MSB_RUNTIME_REPORT_H
#define MSB_RUNTIME_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* Why a boot failed. stage: mount, build_vm, config, network, image, other. */
struct boot_failure {
	const char *stage;
	int sys; /* errno, 0 = none */
	const char *message;
	const char *kernel_log; /* or NULL */
};

enum exit_reason {
	EXIT_COMPLETED,
	EXIT_FAILED,
	EXIT_IDLE_TIMEOUT,
	EXIT_MAX_DURATION,
	EXIT_SIGNAL,
	EXIT_SHUTDOWN_REQUESTED,
	EXIT_AGENT_UNRESPONSIVE,
	EXIT_INTERNAL_ERROR,
	EXIT_CREATOR_DIED,
	EXIT_REASON_COUNT
};

const char *exit_reason_name(enum exit_reason r);

/* One line to the launcher. A launcher that is gone is no failure of ours. */
void report_ready(int fd);
void report_failure(int fd, const struct boot_failure *f);

/* logs/boot-error.json, runtime/exit.json, runtime/machine.json; replaced
 * atomically. 0 or -errno. */
int report_boot_error(int logs_fd, const struct boot_failure *f);
int report_exit(int runtime_fd, enum exit_reason r, int code, bool graceful);
/* machine: the engine's own description, a JSON object; its members come
 * first. jail: JSON object for "runtime_jail", or NULL. */
int report_machine(int runtime_fd, const char *machine, const char *jail,
		   uint64_t boot_ns);

#endif
