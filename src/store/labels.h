/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of sandboxes, volumes and snapshots: KEY=VALUE, each key once. */
#ifndef MSB_STORE_LABELS_H
#define MSB_STORE_LABELS_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

struct json_t; /* of jansson */

/* Checked; replaces the label with the same key. */
int labels_add(struct strv *labels, const char *text, struct err *err);
/* Of keys, a "=" and what is behind it does not count. */
bool labels_have(const struct strv *labels, const char *key);
void labels_sort(struct strv *labels);
/* An object of texts; NULL when out of memory. */
struct json_t *labels_to_json(const struct strv *labels);
/* From an object, or NULL; sorted. Some may be in *ret after a failure. */
int labels_from_json(const struct json_t *o, struct strv *ret, struct err *err);

/* What one label has to be: "KEY", whatever its value is, or "KEY=VALUE". */
int label_selector_check(const char *selector, struct err *err);
bool label_selected(const struct strv *labels, const char *selector);

#endif
