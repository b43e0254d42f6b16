/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of a sandbox as JSON (docs/sdk.md): how they are read. Nothing is
 * checked here but shapes; whether a value will do is for the setter that gets
 * it.
 */
#ifndef MSB_API_CONFIG_JSON_H
#define MSB_API_CONFIG_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/api_int.h"

#define OPTIONS_PATH 256
#define OPTIONS_KEYS 48 /* of one object */
#define OPTIONS_LIST 65536u

/*
 * What is being read, and where. The first failure is the one that is told:
 * from then on every function here does nothing, and a getter finds nothing.
 */
struct options {
	msb_config_t *c;
	struct err *err;
	int rc;
	bool no_intercept;	 /* network.tls.intercept is false */
	char path[OPTIONS_PATH]; /* "network.dns"; empty at the top */
	size_t len;
};

/* Go into a member; the result is for options_leave(). */
size_t options_enter(struct options *o, const char *key);
size_t options_enter_item(struct options *o, size_t index);
void options_leave(struct options *o, size_t len);

/* ERR_INVALID about a member of where we are (NULL: about that itself). */
void options_bad(struct options *o, const char *key, const char *fmt, ...)
	MSB_PRINTF(3, 4);
/* What a setter that got this member's value said; takes *e. */
void options_done(struct options *o, const char *key, int rc, msb_error_t **e);
/* The same of an internal one. */
void options_done_err(struct options *o, const char *key, int rc,
		      const struct err *err);
void options_no_memory(struct options *o);

/* j must be an object and have no other keys than these; NULL-terminated. */
void options_only(struct options *o, const json_t *j, const char *const keys[]);
/* Of these keys, which exclude each other, the one that is there; with none or
 * several the object is refused. */
const char *options_one_of(struct options *o, const json_t *j,
			   const char *const keys[]);

/* The value at key, or NULL: it is not there, or null. Others are refused. */
const json_t *options_get(const struct options *o, const json_t *j,
			  const char *key);
const char *options_text(struct options *o, const json_t *j, const char *key);
const json_t *options_object(struct options *o, const json_t *j,
			     const char *key);
const json_t *options_list(struct options *o, const json_t *j, const char *key);
/* Was it there? If not, *ret stays as it is. */
bool options_bool(struct options *o, const json_t *j, const char *key,
		  bool *ret);
bool options_number(struct options *o, const json_t *j, const char *key,
		    uint64_t max, uint64_t *ret);
bool options_word(struct options *o, const json_t *j, const char *key,
		  const char *const words[], unsigned *ret);
/* A list of texts, appended to *ret. */
bool options_texts(struct options *o, const json_t *j, const char *key,
		   struct strv *ret);
/* An object of texts as KEY=VALUE, likewise. */
bool options_pairs(struct options *o, const json_t *j, const char *key,
		   struct strv *ret);

enum option_type {
	OPTION_TEXT,
	OPTION_U32,
	OPTION_U64,
	OPTION_BOOL,
	OPTION_EACH, /* a list, its texts one after the other */
	OPTION_MAP,  /* an object, its members likewise */
	OPTION_ARGV, /* a list of texts, as a whole */
	OPTION_OWN,  /* a function that reads it; we are in it */
	OPTION_LATER /* read together with another one */
};

/* One row of the table of an object. */
struct option {
	const char *key;
	enum option_type type;
	union {
		int (*text)(msb_config_t *c, const char *v, msb_error_t **e);
		int (*u32)(msb_config_t *c, uint32_t v, msb_error_t **e);
		int (*u64)(msb_config_t *c, uint64_t v, msb_error_t **e);
		void (*flag)(msb_config_t *c, bool v);
		int (*pair)(msb_config_t *c, const char *k, const char *v,
			    msb_error_t **e);
		int (*argv)(msb_config_t *c, const char *const *v, size_t n,
			    msb_error_t **e);
		void (*own)(struct options *o, const json_t *v);
	} set;
};

/* Give everything in j to its setter, in the order of the table. */
void options_apply(struct options *o, const json_t *j,
		   const struct option *table, size_t n);

/* The larger members; each is called in the member. */
void options_mounts(struct options *o, const json_t *v);
void options_patches(struct options *o, const json_t *v);
void options_ports(struct options *o, const json_t *v);
void options_network(struct options *o, const json_t *v);
void options_secrets(struct options *o, const json_t *v);
void options_violation(struct options *o, const json_t *v);
/* What the network cannot have when it, or interception, is off; at the very
 * end. */
void options_network_check(struct options *o);

#endif
