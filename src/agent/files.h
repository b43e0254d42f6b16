/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's own limit of open files, raised only when it is reached. */
#ifndef MSB_AGENT_FILES_H
#define MSB_AGENT_FILES_H

#include <stdbool.h>
#include <sys/resource.h>

struct files {
	bool raised;
	struct rlimit before; /* what programs are to inherit */
};

/* After EMFILE: true when it is worth trying once more. */
bool files_raise(struct files *f);
/* True when programs need their limit set back to *ret. */
bool files_child_limit(const struct files *f, struct rlimit *ret);

#endif
