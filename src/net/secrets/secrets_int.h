/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of secrets share. */
#ifndef MSB_NET_SECRETS_SECRETS_INT_H
#define MSB_NET_SECRETS_SECRETS_INT_H

#include "net/secrets/secrets.h"

#define SECRET_PLACES (SECRET_IN_BODY + 1)

/* --- placeholder.c: finding them --- */

struct placeholder {
	const char *text; /* borrowed */
	size_t len;
};

/*
 * All of a sandbox, those that do not count at hand too: where one is the
 * beginning of another ($MSB_KEY, $MSB_KEY2), the longer one is what is meant.
 */
struct placeholders {
	struct placeholder *v; /* owned; by their bytes, no two alike */
	unsigned n;
	size_t longest;
	int only;	 /* all begin with this byte; -1: several do */
	bool first[256]; /* some begins with this byte */
};

/* 0 or -ENOMEM. */
int placeholders_init(struct placeholders *p, const struct secrets_config *c);
void placeholders_fini(struct placeholders *p);
unsigned placeholder_index(const struct placeholders *p, const char *text);
/* The first place of [from, end) where one might begin, or end. */
size_t placeholder_next(const struct placeholders *p, const uint8_t *data,
			size_t from, size_t end);
/* The longest one that data begins with, or -1. *more: a longer one, or one at
 * all, if certain bytes follow. */
int placeholder_at(const struct placeholders *p, const uint8_t *data,
		   size_t len, bool *more);

/* --- secrets.c --- */

struct secret {
	const struct secret_config *c;
	const uint8_t *value; /* in the mapping */
	size_t value_len;
	unsigned placeholder; /* index */
};

struct secrets {
	const struct secrets_config *c;
	struct placeholders placeholders;
	void *mapping; /* the values, as they were read; NULL: none */
	size_t mapping_len;
	struct secret v[]; /* allocated with it, as many as in c */
};

/* --- scope.c --- */

/* What a placeholder is on one connection. */
struct standing {
	const struct secret *in[SECRET_PLACES]; /* its value; NULL: as it is */
	const struct secret *blocked; /* whose it is; NULL: it may pass */
	enum secret_action action;    /* if blocked */
};

struct secret_scope {
	const struct placeholders *placeholders;
	bool has[SECRET_PLACES];
	bool blocks;
	struct standing v[]; /* by placeholder; allocated with it */
};

/* --- decode.c: what a server might decode, as a stream --- */

/*
 * %XX, or a JSON string's \uXXXX and \c. What is no escape comes out as it is.
 * \\u0024 is a backslash and u0024 to JSON and a dollar sign to whoever decodes
 * twice: here it is both, a backslash and a dollar sign.
 */
struct unescape {
	bool json;
	bool half_out; /* the backslash in held was sent on already */
	uint8_t nheld; /* of an escape that has not ended */
	uint8_t held[6];
	uint16_t high;	  /* first half of a surrogate pair; 0: none */
	size_t unchanged; /* bytes that came out since the latest escape */
};

void unescape_init(struct unescape *u, bool json);
/* Nothing is held: what has no escape comes out as it is. */
static inline bool unescape_idle(const struct unescape *u)
{
	return !u->nheld && !u->high;
}
/* Decode from the front of *data until it is empty or the output full. The
 * number of bytes that came out. */
#define UNESCAPE_MIN 32 /* cap is larger */
size_t unescape(struct unescape *u, const uint8_t **data, size_t *len,
		uint8_t *out, size_t cap);

/* The credentials behind each word "Basic", whatever stands around it. */
struct credentials {
	uint8_t word;  /* letters of it, 5: white space has to follow */
	bool open;     /* in credentials */
	bool begun;    /* not in the white space before them */
	uint8_t nbits; /* of bits that are no whole byte yet */
	uint32_t bits;
};

/*
 * As unescape(); stops where credentials end, too: *ended, what came out since
 * the last such end is one piece.
 */
size_t credentials_decode(struct credentials *d, const uint8_t **data,
			  size_t *len, uint8_t *out, size_t cap, bool *ended);

#endif
