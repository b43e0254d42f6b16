/* SPDX-License-Identifier: Apache-2.0 */
/* Catalogue schema: recognised, created and migrated in one place. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/str.h"
#include "store/catalogue_int.h"
#include "store/paths.h"

/* "msb1", so that a database of another program is not taken for ours. */
#define CATALOGUE_APPLICATION_ID 0x6d736231

/* migrations[n] leads from version n to n + 1. Only ever append. */
static const char *const migrations[] = {
	"CREATE TABLE sandbox ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE,"
	"  image TEXT NOT NULL,"
	"  config TEXT NOT NULL,"
	"  status TEXT NOT NULL,"
	"  ephemeral INTEGER NOT NULL,"
	"  created_at INTEGER NOT NULL,"
	"  updated_at INTEGER NOT NULL,"
	"  exit_reason TEXT,"
	"  exit_code INTEGER"
	") STRICT;",
	/* The smallest number no other sandbox has: its place in the pools of
	 * addresses. */
	"ALTER TABLE sandbox ADD COLUMN slot INTEGER;"
	"UPDATE sandbox SET slot ="
	"  (SELECT count(*) FROM sandbox AS older"
	"   WHERE older.id < sandbox.id);"
	"CREATE UNIQUE INDEX sandbox_slot ON sandbox (slot);",
};
#define SCHEMA_VERSION ((int)ARRAY_SIZE(migrations))

static int query_int(struct catalogue *c, const char *sql, int *ret)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(c->db, sql, -1, &st, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW) {
			*ret = sqlite3_column_int(st, 0);
			rc = SQLITE_OK;
		}
	}
	(void)sqlite3_finalize(st); /* repeats the error of the step */
	return rc;
}

static int query_int_patiently(struct catalogue *c, const char *sql, int *ret)
{
	unsigned tries = 0;
	int rc;

	do
		rc = query_int(c, sql, ret);
	while (catalogue_retry(rc, &tries));
	return rc;
}

static int check_owner(struct catalogue *c, int version, struct err *err)
{
	int app = 0, tables = 0;
	int rc = query_int_patiently(c, "PRAGMA application_id", &app);

	if (rc == SQLITE_OK)
		rc = query_int_patiently(
			c, "SELECT count(*) FROM sqlite_schema", &tables);
	if (rc != SQLITE_OK)
		return catalogue_err(c, rc, "read", err);
	if (app != CATALOGUE_APPLICATION_ID && tables)
		return err_set(err, ERR_DATABASE, EINVAL,
			       "'%s' was made by another program; move it away "
			       "or set MSB_HOME to another directory",
			       c->path);
	if (version > SCHEMA_VERSION)
		return err_set(err, ERR_DATABASE, EINVAL,
			       "'%s' was made by a later version of msb",
			       c->path);
	return 0;
}

static int run_migrations(struct catalogue *c, int version)
{
	char tail[96];
	int rc = sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return rc;
	for (int v = version; rc == SQLITE_OK && v < SCHEMA_VERSION; v++)
		rc = sqlite3_exec(c->db, migrations[v], NULL, NULL, NULL);
	(void)sqlite3_snprintf(sizeof(tail), tail,
			       "PRAGMA application_id=%d;"
			       "PRAGMA user_version=%d;"
			       "COMMIT",
			       CATALOGUE_APPLICATION_ID, SCHEMA_VERSION);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(c->db, tail, NULL, NULL, NULL);
	if (rc != SQLITE_OK) /* the first error is the one to tell */
		(void)sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* One process at a time: switching to WAL does not wait by itself. */
static int lock_schema(int dirfd, unsigned timeout_ms)
{
	const struct timespec pause = { .tv_nsec = 5000000 };
	uint64_t start = clock_mono_ms();
	autoclose int fd =
		openat(dirfd, "schema.lock",
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (clock_mono_ms() - start >= timeout_ms)
			return -ETIMEDOUT;
		(void)nanosleep(&pause, NULL); /* early is one more try */
	}
	return take_fd(&fd);
}

int catalogue_migrate(struct catalogue *c, int dirfd, unsigned timeout_ms,
		      struct err *err)
{
	autoclose int lock = -1;
	unsigned tries = 0;
	int version = 0;
	int rc = query_int_patiently(c, "PRAGMA user_version", &version);

	if (rc != SQLITE_OK)
		return catalogue_err(c, rc, "open", err);
	if (version == SCHEMA_VERSION)
		return check_owner(c, version, err);
	lock = lock_schema(dirfd, timeout_ms);
	if (lock < 0)
		return path_err(err, -lock, "lock the schema of", c->path);
	rc = query_int_patiently(c, "PRAGMA user_version", &version);
	if (rc != SQLITE_OK)
		return catalogue_err(c, rc, "open", err);
	rc = check_owner(c, version, err);
	if (rc || version == SCHEMA_VERSION)
		return rc;
	do {
		rc = sqlite3_exec(c->db, "PRAGMA journal_mode=WAL", NULL, NULL,
				  NULL);
		if (rc == SQLITE_OK)
			rc = run_migrations(c, version);
	} while (catalogue_retry(rc, &tries));
	return rc == SQLITE_OK ? 0 : catalogue_err(c, rc, "prepare", err);
}
