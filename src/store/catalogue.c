/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The catalogue's connection and statements.
 *
 * Durability: write-ahead log with synchronous=NORMAL, so a commit costs no
 * disk flush and a power cut loses at most the last transactions, never the
 * database. Flushes happen when the log is copied into the database; that is
 * left to catalogue_settle(), which callers place where they wait anyway. The
 * log survives the last close, because copying it then would put two flushes
 * at the end of every command.
 */
#include "store/catalogue.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"
#include "store/catalogue_int.h"
#include "store/paths.h"

/* Log sizes in pages of 4 KiB: worth settling; and no longer to be put off. */
#define WAL_SETTLE_PAGES 48
#define WAL_LIMIT_PAGES 1000

static const char *const status_names[] = {
	[ROW_CREATING] = "Creating", [ROW_RUNNING] = "Running",
	[ROW_DRAINING] = "Draining", [ROW_PAUSED] = "Paused",
	[ROW_STOPPED] = "Stopped",   [ROW_CRASHED] = "Crashed",
};
static_assert(ARRAY_SIZE(status_names) == ROW_STATUS_COUNT,
	      "status_names[] doesn't match enum row_status");

bool row_status_is_active(enum row_status s)
{
	return s == ROW_CREATING || s == ROW_RUNNING || s == ROW_DRAINING ||
	       s == ROW_PAUSED;
}

void sandbox_row_fini(struct sandbox_row *r)
{
	free(r->name);
	free(r->image);
	free(r->config);
	free(r->exit_reason);
	memset(r, 0, sizeof(*r));
}

void sandbox_rows_free(struct sandbox_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sandbox_row_fini(&rows[i]);
	free(rows);
}

/*
 * Why a file beside the database cannot be made. SQLite tries to read what it
 * could not create, and keeps the errno of that.
 */
static int probe_directory(const struct catalogue *c)
{
	autofree char *path = str_fmt("%s.probe", c->path);
	autoclose int fd = -1;

	if (!path)
		return ENOMEM;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno;
	(void)unlink(path); /* a file of no bytes, harmless if it stays */
	return EIO;
}

int catalogue_err(struct catalogue *c, int rc, const char *action,
		  struct err *err)
{
	int sys = c->db ? sqlite3_system_errno(c->db) : 0;

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL:
		return err_set(err, ERR_DATABASE, EBUSY,
			       "cannot %s '%s': another process keeps it busy",
			       action, c->path);
	case SQLITE_FULL:
		return path_err(err, ENOSPC, action, c->path);
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return path_err(err, EACCES, action, c->path);
	case SQLITE_NOMEM:
		return path_err(err, ENOMEM, action, c->path);
	case SQLITE_CANTOPEN:
		return path_err(err, probe_directory(c), action, c->path);
	case SQLITE_IOERR:
		return path_err(err, sys ? sys : EIO, action, c->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, ERR_DATABASE, EIO,
			       "'%s' is damaged; move it away to start with an "
			       "empty catalogue",
			       c->path);
	default:
		return err_set(err, ERR_DATABASE, EIO, "cannot %s '%s': %s",
			       action, c->path, sqlite3_errmsg(c->db));
	}
}

bool catalogue_retry(int rc, unsigned *tries)
{
	struct timespec ts = { 0 };
	unsigned ms;

	rc &= 0xff;
	if (rc != SQLITE_BUSY && rc != SQLITE_LOCKED && rc != SQLITE_PROTOCOL)
		return false;
	if (*tries >= CATALOGUE_TRIES)
		return false;
	ms = 10u << *tries;
	if (ms > 500)
		ms = 500;
	(*tries)++;
	ts.tv_nsec = (long)ms * 1000000;
	(void)nanosleep(&ts, NULL); /* waking early only means one more try */
	return true;
}

static int on_wal(void *ctx, sqlite3 *db, const char *schema, int pages)
{
	struct catalogue *c = ctx;

	(void)db;
	(void)schema;
	c->wal_pages = pages; /* we hold c->lock: this is inside a commit */
	return SQLITE_OK;
}

/* SQLite itself would create the file with mode 0644. */
static int make_file(int dirfd)
{
	autoclose int fd =
		openat(dirfd, "msb.db",
		       O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? -errno : 0;
}

static int open_dir(const char *path, bool create)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd >= 0 || errno != ENOENT || !create)
		return fd < 0 ? -errno : fd;
	rc = io_mkdir_p(AT_FDCWD, path, 0700);
	if (rc)
		return rc;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int connect_db(struct catalogue *c, unsigned busy_timeout_ms)
{
	int rc = sqlite3_open_v2(c->path, &c->db,
				 SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
					 SQLITE_OPEN_PRIVATECACHE |
					 SQLITE_OPEN_EXRESCODE,
				 NULL);

	if (rc != SQLITE_OK)
		return rc;
	(void)sqlite3_busy_timeout(c->db, (int)busy_timeout_ms);
	(void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1,
				NULL);
	(void)sqlite3_wal_hook(c->db, on_wal, c);
	return sqlite3_exec(c->db, "PRAGMA synchronous=NORMAL", NULL, NULL,
			    NULL);
}

int catalogue_open(const char *home, bool create, unsigned connect_timeout_ms,
		   unsigned busy_timeout_ms, struct catalogue **ret,
		   struct err *err)
{
	autofree char *dir = str_fmt("%s/db", home);
	autoclose int dirfd = -1;
	struct catalogue *c;
	int rc;

	if (!dir)
		return err_sys(err, ERR_NO_MEMORY, ENOMEM,
			       "open the catalogue");
	dirfd = open_dir(dir, create);
	if (dirfd < 0)
		return path_err(err, -dirfd, "open the directory", dir);
	rc = create ? make_file(dirfd) : 0;
	if (!rc && faccessat(dirfd, "msb.db", F_OK, 0) < 0)
		rc = -errno;
	if (rc)
		return path_err(err, -rc, "create msb.db in", dir);
	c = calloc(1, sizeof(*c));
	if (c)
		c->path = str_fmt("%s/msb.db", dir);
	if (!c || !c->path) {
		free(c);
		return err_sys(err, ERR_NO_MEMORY, ENOMEM,
			       "open the catalogue");
	}
	(void)pthread_mutex_init(&c->lock, NULL); /* cannot fail on Linux */
	rc = connect_db(c, connect_timeout_ms);
	rc = rc == SQLITE_OK
		     ? catalogue_migrate(c, dirfd, connect_timeout_ms, err)
		     : catalogue_err(c, rc, "open", err);
	if (rc) {
		catalogue_free(c);
		return rc;
	}
	(void)sqlite3_busy_timeout(c->db, (int)busy_timeout_ms);
	*ret = c;
	return 0;
}

struct catalogue *catalogue_free(struct catalogue *c)
{
	if (!c)
		return NULL;
	(void)sqlite3_close(c->db); /* no statement outlives a function */
	(void)pthread_mutex_destroy(&c->lock);
	free(c->path);
	free(c);
	return NULL;
}

/* Takes c->lock, prepares; finish() undoes both. */
static int begin(struct catalogue *c, const char *sql, sqlite3_stmt **ret)
{
	unsigned tries = 0;
	int rc;

	(void)pthread_mutex_lock(&c->lock);
	do
		rc = sqlite3_prepare_v2(c->db, sql, -1, ret, NULL);
	while (catalogue_retry(rc, &tries));
	return rc;
}

/* Step a statement that returns no rows, or to its first row. */
static int step(sqlite3_stmt *st)
{
	unsigned tries = 0;
	int rc = sqlite3_step(st);

	while (catalogue_retry(rc, &tries)) {
		(void)sqlite3_reset(st); /* repeats the error of the step */
		rc = sqlite3_step(st);
	}
	return rc;
}

static void finish(struct catalogue *c, sqlite3_stmt *st)
{
	(void)sqlite3_finalize(st); /* repeats the error of the step */
	if (c->wal_pages >= WAL_LIMIT_PAGES)
		(void)sqlite3_wal_checkpoint_v2(
			c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	(void)pthread_mutex_unlock(&c->lock);
}

static int64_t now_ms(void)
{
	return (int64_t)(clock_wall_ns() / NSEC_PER_MSEC);
}

static void bind_text(sqlite3_stmt *st, int n, const char *text)
{
	/* Out of memory shows as SQLITE_NOMEM in the step: NOT NULL columns */
	if (text)
		(void)sqlite3_bind_text(st, n, text, -1, SQLITE_STATIC);
	else
		(void)sqlite3_bind_null(st, n);
}

/* 0, or the first number behind a taken one. */
#define FREE_SLOT                                                              \
	"coalesce((SELECT 0 WHERE NOT EXISTS"                                  \
	"  (SELECT 1 FROM sandbox WHERE slot = 0)),"                           \
	" (SELECT min(a.slot) + 1 FROM sandbox AS a WHERE NOT EXISTS"          \
	"  (SELECT 1 FROM sandbox AS b WHERE b.slot = a.slot + 1)))"

int catalogue_insert(struct catalogue *c, struct sandbox_row *r,
		     struct err *err)
{
	int64_t now = now_ms();
	sqlite3_stmt *st = NULL;
	int rc = begin(c,
		       "INSERT INTO sandbox (name, image, config, status,"
		       " ephemeral, created_at, updated_at, slot)"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, " FREE_SLOT ")"
		       " RETURNING id, slot",
		       &st);

	if (rc == SQLITE_OK) {
		bind_text(st, 1, r->name);
		bind_text(st, 2, r->image);
		bind_text(st, 3, r->config);
		bind_text(st, 4, status_names[r->status]);
		(void)sqlite3_bind_int(st, 5, r->ephemeral);
		(void)sqlite3_bind_int64(st, 6, now);
		rc = step(st);
	}
	if (rc == SQLITE_ROW) {
		r->id = sqlite3_column_int64(st, 0);
		r->slot = (uint32_t)sqlite3_column_int64(st, 1);
		r->created_ms = r->updated_ms = now;
		rc = sqlite3_step(st); /* this is what commits it */
	}
	if (rc == SQLITE_DONE) {
		rc = 0;
	} else if (rc == SQLITE_CONSTRAINT_UNIQUE) {
		rc = err_set(err, ERR_SANDBOX_EXISTS, EEXIST,
			     "sandbox '%s' already exists", r->name);
	} else {
		rc = catalogue_err(c, rc, "write", err);
	}
	finish(c, st);
	return rc;
}

#define ROW_COLUMNS                                                            \
	"id, name, image, config, status, ephemeral, created_at, updated_at, " \
	"exit_reason, exit_code, slot"

static char *column_dup(sqlite3_stmt *st, int column)
{
	const unsigned char *text = sqlite3_column_text(st, column);

	return text ? strdup((const char *)text) : NULL;
}

/* A status this version does not know is not one it may act on. */
static enum row_status status_parse(const char *text)
{
	for (unsigned i = 0; text && i < ROW_STATUS_COUNT; i++)
		if (!strcmp(status_names[i], text))
			return (enum row_status)i;
	return ROW_CRASHED;
}

static int read_row(sqlite3_stmt *st, struct sandbox_row *r)
{
	memset(r, 0, sizeof(*r));
	r->id = sqlite3_column_int64(st, 0);
	r->name = column_dup(st, 1);
	r->image = column_dup(st, 2);
	r->config = column_dup(st, 3);
	r->status = status_parse((const char *)sqlite3_column_text(st, 4));
	r->ephemeral = sqlite3_column_int(st, 5) != 0;
	r->created_ms = sqlite3_column_int64(st, 6);
	r->updated_ms = sqlite3_column_int64(st, 7);
	r->exit_reason = column_dup(st, 8);
	r->exit_code = sqlite3_column_int(st, 9);
	r->slot = (uint32_t)sqlite3_column_int64(st, 10);
	if (r->name && r->image && r->config)
		return 0;
	sandbox_row_fini(r);
	return -ENOMEM;
}

int catalogue_find(struct catalogue *c, const char *name,
		   struct sandbox_row *ret, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = begin(c, "SELECT " ROW_COLUMNS " FROM sandbox WHERE name = ?1",
		       &st);

	if (rc == SQLITE_OK) {
		bind_text(st, 1, name);
		rc = step(st);
	}
	if (rc == SQLITE_DONE) {
		rc = 0;
	} else if (rc == SQLITE_ROW) {
		rc = read_row(st, ret);
		rc = rc ? path_err(err, -rc, "read", c->path) : 1;
	} else {
		rc = catalogue_err(c, rc, "read", err);
	}
	finish(c, st);
	return rc;
}

struct row_list {
	struct sandbox_row *rows;
	size_t n, cap;
};

static int list_add(struct row_list *l, sqlite3_stmt *st)
{
	struct sandbox_row *rows;
	int rc;

	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;

		rows = reallocarray(l->rows, cap, sizeof(*rows));
		if (!rows)
			return -ENOMEM;
		l->rows = rows;
		l->cap = cap;
	}
	rc = read_row(st, &l->rows[l->n]);
	if (!rc)
		l->n++;
	return rc;
}

int catalogue_list(struct catalogue *c, struct sandbox_row **ret, size_t *ret_n,
		   struct err *err)
{
	struct row_list list = { 0 };
	sqlite3_stmt *st = NULL;
	int rc = begin(c,
		       "SELECT " ROW_COLUMNS " FROM sandbox"
		       " ORDER BY created_at DESC, id DESC",
		       &st);
	int add = 0;

	if (rc == SQLITE_OK)
		rc = step(st);
	while (rc == SQLITE_ROW) {
		add = list_add(&list, st);
		if (add)
			break;
		rc = sqlite3_step(st);
	}
	if (add)
		rc = path_err(err, -add, "read", c->path);
	else
		rc = rc == SQLITE_DONE ? 0 : catalogue_err(c, rc, "read", err);
	finish(c, st);
	if (rc) {
		sandbox_rows_free(list.rows, list.n);
		return rc;
	}
	*ret = list.rows;
	*ret_n = list.n;
	return 0;
}

int catalogue_set_status(struct catalogue *c, int64_t id,
			 enum row_status status, const char *reason,
			 int exit_code, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = begin(c,
		       "UPDATE sandbox SET status = ?2, updated_at = ?3,"
		       " exit_reason = CASE WHEN ?6 THEN NULL"
		       "  ELSE coalesce(?4, exit_reason) END,"
		       " exit_code = CASE WHEN ?6 THEN NULL"
		       "  WHEN ?4 IS NULL THEN exit_code ELSE ?5 END"
		       " WHERE id = ?1",
		       &st);

	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_int64(st, 1, id);
		bind_text(st, 2, status_names[status]);
		(void)sqlite3_bind_int64(st, 3, now_ms());
		bind_text(st, 4, reason);
		(void)sqlite3_bind_int(st, 5, exit_code);
		(void)sqlite3_bind_int(st, 6, row_status_is_active(status));
		rc = step(st);
	}
	if (rc == SQLITE_DONE)
		rc = sqlite3_changes(c->db) > 0;
	else
		rc = catalogue_err(c, rc, "write", err);
	finish(c, st);
	return rc;
}

int catalogue_set_config(struct catalogue *c, int64_t id, const char *config,
			 struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = begin(c,
		       "UPDATE sandbox SET config = ?2, updated_at = ?3"
		       " WHERE id = ?1",
		       &st);

	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_int64(st, 1, id);
		bind_text(st, 2, config);
		(void)sqlite3_bind_int64(st, 3, now_ms());
		rc = step(st);
	}
	if (rc == SQLITE_DONE)
		rc = sqlite3_changes(c->db) > 0;
	else
		rc = catalogue_err(c, rc, "write", err);
	finish(c, st);
	return rc;
}

int catalogue_delete(struct catalogue *c, int64_t id, struct err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = begin(c, "DELETE FROM sandbox WHERE id = ?1", &st);

	if (rc == SQLITE_OK) {
		(void)sqlite3_bind_int64(st, 1, id);
		rc = step(st);
	}
	rc = rc == SQLITE_DONE ? 0 : catalogue_err(c, rc, "write", err);
	finish(c, st);
	return rc;
}

void catalogue_settle(struct catalogue *c)
{
	(void)pthread_mutex_lock(&c->lock);
	/* Best effort: it is tried again when the log is a little longer. */
	if (c->wal_pages >= WAL_SETTLE_PAGES &&
	    sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE,
				      NULL, NULL) == SQLITE_OK)
		c->wal_pages = 0;
	(void)pthread_mutex_unlock(&c->lock);
}
