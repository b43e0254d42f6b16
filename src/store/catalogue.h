/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue: one SQLite database per home, <home>/db/msb.db, written by the
 * library only. Every function is one transaction and may be called from any
 * thread; a database that another process keeps busy is waited for, then
 * reported as busy, never as "locked".
 */
#ifndef MSB_STORE_CATALOGUE_H
#define MSB_STORE_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct catalogue;

/*
 * What the record says; whether it is still true is for the runtime lock to
 * tell. CREATING rows were inserted by a create that has not ended: when
 * nobody holds their lifecycle lock and nothing runs, they are half-made.
 */
enum row_status {
	ROW_CREATING,
	ROW_RUNNING,
	ROW_DRAINING,
	ROW_PAUSED,
	ROW_STOPPED,
	ROW_CRASHED,
	ROW_STATUS_COUNT
};

struct sandbox_row {
	int64_t id;
	char *name;
	char *image;  /* for people */
	char *config; /* JSON */
	enum row_status status;
	bool ephemeral;
	uint32_t slot; /* no other row has it; free again with the row */
	int64_t created_ms, updated_ms; /* Unix time */
	char *exit_reason;		/* of the last boot, NULL = none */
	int exit_code;
};

void sandbox_row_fini(struct sandbox_row *r);
/* True while a process may belong to the row. */
bool row_status_is_active(enum row_status s);

/*
 * Open <home>/db/msb.db. Without create, a missing database is -ENOENT and
 * nothing is made. The first limit is of the opening, for as long as others
 * keep it busy or change its schema; the second of each transaction.
 */
int catalogue_open(const char *home, bool create, unsigned connect_timeout_ms,
		   unsigned busy_timeout_ms, struct catalogue **ret,
		   struct err *err);
struct catalogue *catalogue_free(struct catalogue *c);

/*
 * Add r; its id, slot and times are set. -EEXIST (ERR_SANDBOX_EXISTS) when the
 * name is taken.
 */
int catalogue_insert(struct catalogue *c, struct sandbox_row *r,
		     struct err *err);
/* 1 and *ret is filled, 0 when there is none. */
int catalogue_find(struct catalogue *c, const char *name,
		   struct sandbox_row *ret, struct err *err);
/* All rows, newest first; free with sandbox_rows_free. */
int catalogue_list(struct catalogue *c, struct sandbox_row **ret, size_t *ret_n,
		   struct err *err);
void sandbox_rows_free(struct sandbox_row *rows, size_t n);
/*
 * Change the state of row id. reason NULL keeps what is known of the last
 * exit; an active status clears it. 1, or 0 when the row is gone.
 */
int catalogue_set_status(struct catalogue *c, int64_t id,
			 enum row_status status, const char *reason,
			 int exit_code, struct err *err);
/* Another configuration for row id. 1, or 0 when the row is gone. */
int catalogue_set_config(struct catalogue *c, int64_t id, const char *config,
			 struct err *err);
int catalogue_delete(struct catalogue *c, int64_t id, struct err *err);

/*
 * Copy what has piled up in the log into the database file, when it is worth
 * it. Costs a disk flush: call it while waiting for something slower.
 */
void catalogue_settle(struct catalogue *c);

#endif
