/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON from strangers: size, nesting and number of values are bounded before a
 * tree is built, and duplicate keys are refused. Getters give NULL or fail when
 * a member has another type than asked for; null counts as absent.
 */
#ifndef MSB_IMAGE_OCI_JSON_H
#define MSB_IMAGE_OCI_JSON_H

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/err.h"
#include "base/str.h"

#define JSON_MAX_DEPTH 64u
#define JSON_MAX_VALUES 200000u

static inline void cleanup_json(json_t *const *j)
{
	json_decref(*j);
}
#define autojson MSB_CLEANUP(cleanup_json)

/* What messages call the document, and where in it something is wrong. */
static inline int oci_json_bad(struct err *err, const char *what,
			       const char *member, const char *fault)
{
	(void)err_set(err, ERR_IMAGE, EINVAL, "%s: '%s' %s", what, member,
		      fault);
	return -EINVAL; /* which analysers see */
}

/* A document of at most max bytes; ERR_IMAGE. json_decref() the result. */
int oci_json_load(const char *text, size_t len, size_t max, const char *what,
		  json_t **ret, struct err *err);

/* 0 and NULL when absent; -EINVAL when it is of another type. */
int oci_json_object(const json_t *o, const char *member, json_t **ret);
int oci_json_array(const json_t *o, const char *member, json_t **ret);
int oci_json_text(const json_t *o, const char *member, const char **ret);
/* 0 to max; -EINVAL also when it is absent. */
int oci_json_u64(const json_t *o, const char *member, uint64_t max,
		 uint64_t *ret);
/* Append an array of strings; absent is an empty one. -EINVAL, -ENOMEM. */
int oci_json_strv(const json_t *o, const char *member, size_t max,
		  struct strv *ret);

#endif
