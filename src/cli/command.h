/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a command in a sandbox and following it; run, exec and attach. */
#ifndef MSB_CLI_COMMAND_H
#define MSB_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/cli.h"
#include "cli/session.h"

/* The options of run and exec that are about the command. */
struct command_options {
	bool tty;
	bool interactive;   /* a shell is a fitting default */
	uint64_t timeout_s; /* 0 = none */
	uint8_t detach_keys[DETACH_MAX_KEYS];
	size_t ndetach_keys;
	msb_exec_options_t *exec; /* owned; without the command's words */
	const char *workdir;	  /* of a new sandbox: may turn out missing */
};

/* Check the options; false after an error message. */
bool command_options_parse(struct cli *cli, struct command_options *ret);
void command_options_fini(struct command_options *o);

/* How following a command ended. */
struct command_end {
	int code; /* exit code of msb */
	bool detached;
};

/*
 * Resolve the words after "--" against the stored entrypoint, start the command
 * and follow it to its end; errors are printed.
 */
struct command_end command_run(struct cli *cli, msb_sandbox_t *s,
			       bool with_entrypoint,
			       const struct command_options *o);
/* Start it and leave it running. False after an error message. */
bool command_run_detached(struct cli *cli, msb_sandbox_t *s,
			  const struct command_options *o);
/* Follow a command that runs; frees x. */
struct command_end command_follow(const char *sandbox, msb_exec_t *x,
				  const struct command_options *o);

#endif
