/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an installer has put into the start-up files of shells: a block between
 * "# >>> microsandbox >>>" and "# <<< microsandbox <<<", and a file of fish.
 */
#ifndef MSB_CLI_SHELL_RC_H
#define MSB_CLI_SHELL_RC_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Append the text without its blocks. How many there were, or -EINVAL with the
 * number of the line (from 1) where one begins that does not end.
 */
int shell_rc_strip(const char *text, size_t len, struct buf *out,
		   size_t *ret_line);

/* Look at the files below the user's home directory: can all be cleaned? */
int shell_rc_check(const char *user_home, struct err *err);
/*
 * Clean them; each is replaced in one step and keeps its owner and mode, and
 * where one is a link, what it leads to. fn is told of each that changed.
 */
int shell_rc_clean(const char *user_home, void (*fn)(const char *path),
		   struct err *err);

#endif
