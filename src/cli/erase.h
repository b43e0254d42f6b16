/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what is in a home, part by part or as a whole. */
#ifndef MSB_CLI_ERASE_H
#define MSB_CLI_ERASE_H

#include <stdbool.h>

#include "cli/cli.h"

enum {
	ERASE_SANDBOXES = 1 << 0,
	ERASE_VOLUMES = 1 << 1,
	ERASE_CACHE = 1 << 2,
	ERASE_INSTALLS = 1 << 3,
	ERASE_DATABASE = 1 << 4, /* not without ERASE_RECORDED */
	ERASE_LOGS = 1 << 5,
	ERASE_SECRETS = 1 << 6,
};
#define ERASE_ALL ((1u << 7) - 1)
#define ERASE_RECORDED (unsigned)(ERASE_SANDBOXES | ERASE_VOLUMES)

/*
 * Remove these parts of the home that cli has open, telling of each. False
 * after error messages; what could be removed is, but the database is kept.
 */
bool erase_parts(struct cli *cli, unsigned parts);
/*
 * Close the home and remove its directory, once ERASE_ALL has succeeded. Files
 * in it that are not msb's stay.
 */
bool erase_home(struct cli *cli, const char *home);

#endif
