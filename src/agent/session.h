/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that is going on under a correlation id, found by that id. */
#ifndef MSB_AGENT_SESSION_H
#define MSB_AGENT_SESSION_H

#include <stddef.h>
#include <stdint.h>

enum session_kind { SESSION_EXEC, SESSION_FS, SESSION_TCP };

/* Embedded in its owner. */
struct session {
	uint32_t id;
	enum session_kind kind;
	struct session *next; /* private to the table */
};

#define SESSION_BUCKETS 256

struct session_table {
	struct session *bucket[SESSION_BUCKETS];
	size_t count;
};

/* The id must not be in the table. */
void session_add(struct session_table *t, struct session *s, uint32_t id,
		 enum session_kind kind);
void session_del(struct session_table *t, struct session *s);
/* NULL when nothing goes on under that id. */
struct session *session_find(const struct session_table *t, uint32_t id);

/* Call fn for each session of that kind, which may delete just that one. */
void session_each(struct session_table *t, enum session_kind kind,
		  void (*fn)(struct session *s, void *ctx), void *ctx);

#endif
