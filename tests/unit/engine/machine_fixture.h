/* SPDX-License-Identifier: Apache-2.0 */
/* Booting machines in tests, and looking at their processes from the host. */
#ifndef MSB_TESTS_ENGINE_MACHINE_FIXTURE_H
#define MSB_TESTS_ENGINE_MACHINE_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "engine/engine.h"

#define TEST_DEADLINE_MS 30000

struct box {
	struct loop *loop;
	struct machine *machine;
	struct machine_desc desc;
	struct machine_exit exit;
	bool exited;
	struct buf log;
	uint64_t deadline_ms;
};

/* Where the guest kernel and the guest program are; set by main. */
extern const char *test_kernel, *test_guest;

/* A description that boots the guest program with the given task. */
void box_init(struct box *b, const char *task);
int box_start(struct box *b, struct err *err);
void box_run(struct box *b);  /* start, and turn until exited */
void box_turn(struct box *b); /* fails when too much time has passed */
/* Until the guest runs that many processes; its log is of no help here: the
 * early console reaches the host only when the kernel ends. */
void box_until_processes(struct box *b, size_t n);
void box_until_exit(struct box *b);
bool box_logged(struct box *b, const char *text);
void box_fini(struct box *b);

/* The guest's processes: children of the kernel on the host. */
size_t guest_processes(const struct box *b, pid_t *pids, size_t max);

/* Text of a small file below /proc/<pid>; "" when it cannot be read. */
void proc_read(pid_t pid, const char *file, char *buf, size_t len);
bool proc_line(pid_t pid, const char *file, const char *key, char *buf,
	       size_t len);
/* Names in a directory below /proc/<pid>, sorted, separated by spaces. */
void proc_list(pid_t pid, const char *dir, char *buf, size_t len);
/* Living processes on the host that are in that process namespace. */
unsigned proc_count_in_ns(const char *pid_ns);

#endif
