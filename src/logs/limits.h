/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes on which the writer and the reader of log files agree. */
#ifndef MSB_LOGS_LIMITS_H
#define MSB_LOGS_LIMITS_H

#define RECORD_MAX (256u << 10) /* data in one record */
/*
 * The longest line that a reader takes for one: a record of control characters,
 * each escaped as \u00xx, is 1.5 MiB.
 */
#define LINE_MAX_BYTES (2u << 20)

#endif
