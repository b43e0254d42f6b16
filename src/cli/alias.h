/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host commands that run a sandbox: small shell scripts in the home's bin
 * directory, made by msb install and known by their second line. Text only; who
 * reads and writes files is cmd_install.c.
 */
#ifndef MSB_CLI_ALIAS_H
#define MSB_CLI_ALIAS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

#define ALIAS_SCRIPT_MAX (1u << 20)

struct alias_option {
	const char *flag;  /* "-m" */
	const char *value; /* as it was typed */
};

struct alias {
	const char *name, *image;
	bool tmp;	  /* a fresh sandbox each time */
	const char *home; /* where $MSB_HOME is not set; NULL: the default */
	const struct alias_option *options;
	size_t noptions;
	const char *const *command; /* NULL: the image's */
	size_t ncommand;
};

/* Append the script; a failure marks b. */
void alias_format(const struct alias *a, struct buf *b);

struct alias_info { /* owned texts; command is NULL when there is none */
	char *image, *mode, *command;
};

/* What the lines of a script say; -EINVAL when msb install has not made it. */
int alias_parse(const char *text, size_t len, struct alias_info *ret);
void alias_info_fini(struct alias_info *i);

/* malloc'ed name of the command for an image: its last part, without registry,
 * tag and digest. */
char *alias_derive_name(const char *image);
/* Can a command have this name? */
int alias_check_name(const char *name, struct err *err);
/* Can a file of this name be one of ours? */
bool alias_name_plain(const char *name);
/* Is an image a place on the host? */
bool alias_image_is_path(const char *image);

/* Append word as the shell reads it. */
void shell_quote(struct buf *b, const char *word);

#endif
