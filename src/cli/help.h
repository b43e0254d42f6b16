/* SPDX-License-Identifier: Apache-2.0 */
/* Help, command tree and manual pages from the tables. */
#ifndef MSB_CLI_HELP_H
#define MSB_CLI_HELP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "cli/options.h"

/* "msb run [OPTIONS] [IMAGE] [-- COMMAND...]" for the command of a. */
void help_usage(const struct args *a, struct buf *out);
/* Complete help of the command of a; width 0: no terminal, lines stay whole. */
void help_print(const struct args *a, bool colors, size_t width,
		struct buf *out);

/* "<NAME>..."; its length. */
size_t help_word(const struct positional *p, char *buf, size_t size);
/*
 * The n-th command to show below a heading of cmd, or with s NULL of those that
 * are below none; NULL past the end.
 */
const struct command *help_nth(const struct command *cmd,
			       const struct section *s, size_t n);

/* --- tree.c --- */

/*
 * The tree of commands and options below the deepest command that the words
 * of argv name.
 */
void help_tree(const struct command *root, int argc, char **argv,
	       struct buf *out);

/* --- man.c --- */

/* The manual page of the command of a, in roff. */
void man_page(const struct args *a, const char *date, struct buf *out);
/* "msb-volume-create" */
void man_name(const struct args *a, char *buf, size_t size);

#endif
