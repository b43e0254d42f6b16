/* SPDX-License-Identifier: Apache-2.0 */
/* What happens while an image is pulled, told to JavaScript as it happens. */
#ifndef MSB_NODE_PROGRESS_H
#define MSB_NODE_PROGRESS_H

#include "addon.h"

struct progress_of {
	struct op *op;	   /* tells its events before it ends */
	napi_ref function; /* NULL: nobody is told */
};
/* Of msb_image_options_set_progress(); ctx is a struct progress_of. */
int on_progress(void *ctx, const msb_image_event_t *event);

#endif
