/* SPDX-License-Identifier: Apache-2.0 */
/* From the options about TLS and secrets to the configuration of a sandbox. */
#ifndef MSB_CLI_SECRET_H
#define MSB_CLI_SECRET_H

#include <stdbool.h>

#include "cli/cli.h"

/* All options of both; false after an error message. */
bool tls_set(struct cli *cli, msb_config_t *c);
bool secrets_set(struct cli *cli, msb_config_t *c);
/* Take values off our command line that nobody is going to need. */
void secrets_hide(const struct cli *cli);

#endif
