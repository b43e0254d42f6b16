/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What happens to an image, for whoever waits: bars on a terminal, a line per
 * step otherwise.
 */
#ifndef MSB_CLI_PROGRESS_H
#define MSB_CLI_PROGRESS_H

#include <stdbool.h>

#include "microsandbox/microsandbox.h"

struct progress {
	bool quiet;
	const char *verb;  /* "Pulling" */
	const char *after; /* what the spinner says when it is done, or NULL */
	const char *after_target;
};

/* For msb_image_options_set_progress, with a struct progress. */
int progress_event(void *ctx, const msb_image_event_t *event);

#endif
