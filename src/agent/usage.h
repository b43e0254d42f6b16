/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest's kernel says about the guest's memory and CPU time. */
#ifndef MSB_AGENT_USAGE_H
#define MSB_AGENT_USAGE_H

#include "base/str.h"
#include "protocol/msg.h"

/* Files of /proc that stay open once they were asked for, or -1. */
struct usage {
	int meminfo_fd, stat_fd;
};
#define USAGE_INIT                                                             \
	{                                                                      \
		.meminfo_fd = -1, .stat_fd = -1                                \
	}

/* What cannot be found out is 0. */
void usage_read(struct usage *u, struct msg_usage *ret);
void usage_fini(struct usage *u);

/* The texts of /proc/meminfo and /proc/stat, NUL-terminated; hz: ticks in a
 * second. What is missing or makes no sense is left as it is. */
void usage_parse_meminfo(const char *text, struct msg_usage *ret);
void usage_parse_stat(const char *text, uint64_t hz, struct msg_usage *ret);

#endif
