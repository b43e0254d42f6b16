/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of installed commands, and what is on PATH. */
#ifndef MSB_CLI_ALIAS_DIR_H
#define MSB_CLI_ALIAS_DIR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "cli/alias.h"

/* Descriptor of the directory, made if wanted; -ENOENT (with *err) else. */
int alias_dir_open(const char *path, bool make, struct err *err);
/* Names in it, sorted; those of hidden files left out. */
int alias_dir_names(int dir, struct strv *ret, struct err *err);
/*
 * What the script says: -ENOENT, -EINVAL when it is none of ours (a link, a
 * directory and a program are none), or why it could not be read.
 */
int alias_dir_read(int dir, const char *name, struct alias_info *ret);
/* There is nothing of that name, or with force an alias that may go. */
int alias_dir_check_free(int dir, const char *name, bool force,
			 struct err *err);
/*
 * Make the script in one step. Without force it is made only where nothing is,
 * also when somebody else is just doing the same.
 */
int alias_dir_write(int dir, const char *name, const void *data, size_t len,
		    bool force, struct err *err);

/* Is the directory one of those that PATH names? */
bool alias_dir_on_path(const char *dir);
/* Does PATH lead to a program of this name? */
bool alias_dir_finds(const char *program);
/* ... and first to the one in dir? */
bool alias_dir_leads_to(const char *program, const char *dir);

#endif
