/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of volumes and snapshots: KEY=VALUE, each key once. */
#ifndef MSB_API_LABELS_H
#define MSB_API_LABELS_H

#include <jansson.h>

#include "base/err.h"
#include "base/str.h"

/* Checked; replaces the label with the same key. */
int labels_add(struct strv *labels, const char *text, struct err *err);
void labels_sort(struct strv *labels);
/* An object of texts; NULL when out of memory. */
json_t *labels_to_json(const struct strv *labels);
/* From an object, or NULL; sorted. Some may be in *ret after a failure. */
int labels_from_json(const json_t *o, struct strv *ret, struct err *err);

#endif
