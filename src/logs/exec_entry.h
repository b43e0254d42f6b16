/* SPDX-License-Identifier: Apache-2.0 */
/* One line of exec.log: {"t":…,"s":…,"d":…,"id":…,"e":…} and a newline. */
#ifndef MSB_LOGS_EXEC_ENTRY_H
#define MSB_LOGS_EXEC_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "logs/logs.h"
#include "logs/stamp.h"

/*
 * Append the line. Data that is not UTF-8 as a whole is written in base64, and
 * the line says so: e is "b64", else it is left out, as is id 0 (system
 * entries). 0 or -errno, then *out is unusable until reset.
 */
int exec_entry_format(struct buf *out, struct stamp_cache *cache,
		      uint64_t wall_ns, enum log_stream stream, uint64_t id,
		      const void *data, size_t len);

#endif
