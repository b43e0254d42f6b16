/* SPDX-License-Identifier: Apache-2.0 */
/* Help and command tree from the tables. */
#ifndef MSB_CLI_HELP_H
#define MSB_CLI_HELP_H

#include <stdbool.h>

#include "base/buf.h"
#include "cli/options.h"

/* "msb run [OPTIONS] <IMAGE> [-- COMMAND...]" for the command of a. */
void help_usage(const struct args *a, struct buf *out);
/* Complete help of the command of a. */
void help_print(const struct args *a, bool colors, struct buf *out);

/*
 * The tree of commands and options below the deepest command that the words
 * of argv name.
 */
void help_tree(const struct command *root, int argc, char **argv,
	       struct buf *out);

#endif
