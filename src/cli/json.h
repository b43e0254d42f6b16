/* SPDX-License-Identifier: Apache-2.0 */
/* JSON of moderate size: a tree to read, build and print with sorted keys. */
#ifndef MSB_CLI_JSON_H
#define MSB_CLI_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_MAX_DEPTH 32

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

struct json {
	enum json_type type;
	bool truth;
	char *text; /* owned: string contents, or a number as written */
	size_t len; /* of text; a string may hold NUL */
	char *key;  /* owned: name in the parent object */
	struct json *first, *last, *next; /* members (owned), sibling */
};

/* NULL when the text is not one JSON value or memory is short. */
struct json *jval_parse(const char *text, size_t len);
struct json *jval_free(struct json *j); /* NULL */

/* Member of an object, or NULL; also when j is NULL or no object. */
const struct json *jval_get(const struct json *j, const char *key);
/* Contents of a string, or NULL. */
const char *jval_str(const struct json *j);
bool jval_is_true(const struct json *j);

/*
 * Building. Each returns NULL when memory is short; jval_add takes ownership
 * of value also then, and fails (-ENOMEM) when value is NULL, so that calls can
 * be nested and checked once by jval_print.
 */
struct json *jval_object(void);
struct json *jval_array(void);
struct json *jval_string(const char *text); /* NULL gives null */
struct json *jval_bool(bool v);
struct json *jval_number(uint64_t v);
/* With so many digits behind the point; v is finite. */
struct json *jval_decimal(double v, int digits);
int jval_add(struct json *object, const char *key, struct json *value);
int jval_append(struct json *array, struct json *value);

/* text as a string, in quotes */
void jval_put_string(struct buf *b, const char *text, size_t len);
/* Sorted keys, two spaces per level, a newline at the end. 0 or -ENOMEM. */
int jval_print(const struct json *j, struct buf *out);
/* The same without white space, in one line. */
int jval_print_line(const struct json *j, struct buf *out);

#endif
