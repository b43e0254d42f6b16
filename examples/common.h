/* SPDX-License-Identifier: Apache-2.0 */
/* What these examples share: a sandbox to work with, and a way out. */
#ifndef EXAMPLES_COMMON_H
#define EXAMPLES_COMMON_H

#include <microsandbox/microsandbox.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Give up when rc tells of a failure. What is attached ends with the program.
 */
static inline void check(int64_t rc, msb_error_t *e)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "error: %s\n", msb_error_text(e));
	exit(1);
}

/* A sandbox that is gone when the program has ended, however it ends. */
static inline msb_sandbox_t *new_sandbox(msb_t *m)
{
	static const char options[] =
		"{\"image\": \"busybox\", \"memory_mib\": 128,"
		" \"ephemeral\": true, \"attached\": true}";
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	msb_config_t *c;

	check(msb_config_new(m, &c, &e), e);
	check(msb_config_apply_json(c, options, strlen(options), &e), e);
	check(msb_sandbox_create(m, c, &s, &e), e);
	msb_config_free(c);
	return s;
}

/* Start a shell script. */
static inline msb_exec_t *start_script(msb_sandbox_t *s, const char *script)
{
	msb_exec_options_t *o = msb_exec_options_new();
	msb_error_t *e = NULL;
	msb_exec_t *x;

	check(o ? msb_exec_options_set_shell(o, s, script, &e) : -1, e);
	check(msb_exec_start(s, o, &x, &e), e);
	msb_exec_options_free(o);
	return x;
}

#endif
