/* SPDX-License-Identifier: Apache-2.0 */
/* From the options about TLS and secrets to the configuration of a sandbox. */
#ifndef MSB_CLI_SECRET_H
#define MSB_CLI_SECRET_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/cli.h"

/* One secret as it is written. */
struct secret_arg {
	char *env;
	char *value; /* of --secret ENV=VALUE@HOST, else NULL; wiped */
	char *path;  /* of --secret-file, else NULL */
	char *text;  /* what hosts point into */
	const char **hosts;
	size_t nhosts;
};

/* ENV=VALUE@HOST[,HOST...], ENV@HOST[,HOST...]; with file,
 * ENV=PATH@HOST[,HOST...]. Messages never tell what is in the middle. */
int secret_arg_parse(const char *text, bool file, struct secret_arg *ret,
		     struct err *err);
void secret_arg_fini(struct secret_arg *a);
/* ENV=PLACE[,PLACE...]: *ret_env is the length of ENV, *places gets bits of
 * MSB_SECRET_IN_*. */
int secret_places_parse(const char *text, size_t *ret_env, unsigned *places,
			struct err *err);
/* Take the value out of a word of our command line, which others can see. */
void secret_hide(char *text);

/* All options of both; false after an error message. */
bool tls_set(struct cli *cli, msb_config_t *c);
bool secrets_set(struct cli *cli, msb_config_t *c);

#endif
