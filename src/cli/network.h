/* SPDX-License-Identifier: Apache-2.0 */
/* From the network's options to the configuration of a sandbox, and from its
 * JSON to what people read. */
#ifndef MSB_CLI_NETWORK_H
#define MSB_CLI_NETWORK_H

#include <stdbool.h>

#include "cli/cli.h"
#include "cli/show.h"

/* Options that exclude each other: 0, or the exit code of wrong usage. */
int network_check_usage(const struct cli *cli);
bool network_has_policy_options(const struct cli *cli);
/* --net and --net-rule and their like; false after an error message. */
bool network_set_policy(struct cli *cli, msb_config_t *c);
/* These and all other options of the network. */
bool network_set(struct cli *cli, msb_config_t *c);
/* Warn of what is allowed but perhaps not meant. */
bool network_warn(const msb_config_t *c);

/* The network of a sandbox as JSON; NULL after a warning. */
struct json *network_of(const msb_sandbox_t *s);
void network_page(struct page *p, const struct json *network);
/*
 * "127.0.0.1:8080->80/tcp" for each published port of a stored configuration.
 * NULL when out of memory.
 */
struct json *network_ports(const struct json *config);

#endif
