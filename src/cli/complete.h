/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What could stand at the end of a command line; the shells' scripts ask msb.
 *
 * The answer: a line "files N", "dirs N" or "none N": whether paths fit, too,
 * where the path begins N characters into the word; then a line per candidate,
 * which replaces the whole word: TEXT, a tab, a description. One that ends
 * with one of "=:@/" is not complete yet.
 */
#ifndef MSB_CLI_COMPLETE_H
#define MSB_CLI_COMPLETE_H

#include <stddef.h>

#include "base/buf.h"
#include "cli/cli.h"

enum paths { PATHS_NONE, PATHS_FILES, PATHS_DIRS };

struct candidates {
	struct buf lines;
	const char *word; /* what is there of it */
	size_t head;	  /* bytes of it in front of the value */
	enum paths paths;
	size_t path_head; /* likewise, in front of the path */
};

/*
 * Add text, a value, if the word can become it. A text that a shell would not
 * take for one plain word is left out.
 */
void candidate_add(struct candidates *c, const char *text, const char *help);

/*
 * The answer for the words behind "msb"; the last is the one that is being
 * typed. Opens the home for names, but does not make one.
 */
void complete_words(struct cli *cli, const char *const *words, size_t n,
		    struct buf *out);

/* --- names.c --- */

/* Add the names of what there is of a kind; nothing after any failure. */
void complete_names(struct cli *cli, enum value_kind what,
		    struct candidates *c);

#endif
