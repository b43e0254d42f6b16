/* SPDX-License-Identifier: Apache-2.0 */
/* Which sandboxes a command is for: those it names, or those with labels. */
#ifndef MSB_CLI_SELECT_H
#define MSB_CLI_SELECT_H

#include <stdbool.h>

#include "cli/cli.h"

static inline bool status_is_up(msb_status_t status)
{
	return status == MSB_STATUS_RUNNING || status == MSB_STATUS_DRAINING;
}

/* All sandboxes, or those with every --label given; false after a message. */
bool select_list(struct cli *cli, msb_list_t **ret);

/*
 * Run fn for each sandbox that the words name; without words for each that has
 * the labels, but for those that wanted (NULL: all are) refuses. Goes on after
 * failures: exit code.
 */
int select_each(struct cli *cli, bool (*wanted)(msb_status_t status),
		int (*fn)(struct cli *cli, const char *name));

/*
 * A sandbox of select_each: 1; 0, when it had the labels and is gone by now; or
 * -1 after a message, quiet: without one.
 */
int select_get(struct cli *cli, const char *name, bool quiet,
	       msb_sandbox_t **ret);

#endif
