/* SPDX-License-Identifier: Apache-2.0 */
/* One line of exec.log: {"t":…,"s":…,"d":…,"id":…} and a newline. */
#ifndef MSB_LOGS_EXEC_ENTRY_H
#define MSB_LOGS_EXEC_ENTRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "logs/logs.h"

/*
 * Append the line. Bytes that are not UTF-8 become U+FFFD, one for each longest
 * prefix of a valid sequence. id 0 is left out (system entries). 0 or -errno,
 * then *out is unusable until reset.
 */
int exec_entry_format(struct buf *out, uint64_t wall_ns, enum log_stream stream,
		      uint64_t id, const void *data, size_t len);

#endif
