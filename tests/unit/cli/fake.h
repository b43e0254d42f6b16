/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the stand-in library share. */
#ifndef MSB_TEST_CLI_FAKE_H
#define MSB_TEST_CLI_FAKE_H

#include <stdbool.h>

#include "base/compiler.h"
#include "base/str.h"
#include "microsandbox/microsandbox.h"

struct msb {
	char *home;
};

struct msb_error {
	msb_error_kind_t kind;
	int sys;
	char message[512], text[600];
	char stage[32], sandbox[160], exec_kind[32], command[256];
};

struct msb_sandbox {
	msb_t *m;
	char *name, *config;
	msb_status_t status;
	bool held;
};

struct msb_config {
	msb_t *m;
	char *name, *image, *shell, *workdir, *entrypoint;
	bool named, ephemeral, replace;
	unsigned cpus, memory_mib;
	struct strv env, labels;
};

/* Append a line to $MSB_HOME/calls. */
void fake_called(const msb_t *m, const char *fmt, ...) MSB_PRINTF(2, 3);
/* Make an error; its text is prefix and message. */
int fake_fail(msb_error_t **e, msb_error_kind_t kind, int sys,
	      const char *prefix, const char *message);

/* Replace a text; 0. */
int fake_keep(char **field, const char *text);

msb_t *fake_home(const msb_sandbox_t *s);

/* Labels, by the names of sandboxes. */
void fake_keep_labels(const msb_t *m, const char *name,
		      const struct strv *labels);
bool fake_has_labels(const msb_t *m, const char *name,
		     const char *const *labels, size_t n);

#endif
