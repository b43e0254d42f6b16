/* SPDX-License-Identifier: Apache-2.0 */
/* The options that describe a new sandbox, checked and turned into its
 * configuration. Shared by run and create. */
#ifndef MSB_CLI_NEWBOX_H
#define MSB_CLI_NEWBOX_H

#include <stdbool.h>

#include "cli/cli.h"
#include "cli/progress.h"

struct newbox {
	msb_config_t *config; /* owned */
	const char *name;     /* NULL: made up */
	struct progress progress;
	bool replace;
};

/* An image or a snapshot, not both, and the like: 0, or the exit code of wrong
 * usage. */
int newbox_check_usage(const struct cli *cli);

/*
 * Check every option and fill *ret (cli is open). Nothing is created. False
 * after an error message.
 */
bool newbox_build(struct cli *cli, struct newbox *ret);
void newbox_fini(struct newbox *b);

/*
 * Create and boot it. False after an error message. workdir is looked up in the
 * guest when check_workdir is set; when it is no directory, the sandbox is
 * stopped again.
 */
bool newbox_create(struct cli *cli, struct newbox *b, bool check_workdir,
		   msb_sandbox_t **ret);

/* True when an option that only matters for a new sandbox was given. */
bool newbox_has_creation_options(const struct cli *cli);

/* Each --env, or option of that kind, and each --label; false after a
 * message. */
typedef int (*newbox_add_env_fn)(msb_config_t *c, const char *key,
				 const char *value, msb_error_t **e);
bool newbox_add_env(struct cli *cli, msb_config_t *c, int id,
		    newbox_add_env_fn add);
bool newbox_add_labels(struct cli *cli, msb_config_t *c);

#endif
