/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the catalogue: connection, retries, schema. */
#ifndef MSB_STORE_CATALOGUE_INT_H
#define MSB_STORE_CATALOGUE_INT_H

#include <pthread.h>
#include <sqlite3.h>

#include "store/catalogue.h"

#define CATALOGUE_TRIES 8

struct catalogue {
	sqlite3 *db;
	pthread_mutex_t lock; /* around every use of db */
	char *path;
	int wal_pages; /* guarded by lock */
};

/* Report a failed call; knows busy, full, read-only and broken databases. */
int catalogue_err(struct catalogue *c, int rc, const char *action,
		  struct err *err);
/* Should the whole transaction be tried again? Sleeps before it says yes. */
bool catalogue_retry(int rc, unsigned *tries);

/* Bring the schema to this version, whoever else tries the same. */
int catalogue_migrate(struct catalogue *c, int dirfd, unsigned timeout_ms,
		      struct err *err);

#endif
