/* SPDX-License-Identifier: Apache-2.0 */
/* The catalogue: rows, migration, strangers' files, many processes at once. */
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/catalogue.h"
#include "tmpdir.h"

static struct catalogue *open_test(void **state)
{
	struct tmpdir *t = *state;
	struct catalogue *c = NULL;
	struct err err = { 0 };
	int rc = catalogue_open(t->path, true, 5000, 5000, &c, &err);

	if (rc)
		print_error("%s\n", err.msg);
	assert_int_equal(rc, 0);
	return c;
}

static struct sandbox_row row_of(const char *name)
{
	struct sandbox_row r = { .name = (char *)(uintptr_t)name,
				 .image = (char *)(uintptr_t) "/img",
				 .config = (char *)(uintptr_t) "{}",
				 .status = ROW_CREATING };

	return r;
}

static void rows_live(void **state)
{
	struct catalogue *c = open_test(state);
	struct sandbox_row r = row_of("box"), got;
	struct err err = { 0 };

	assert_int_equal(catalogue_find(c, "box", &got, NULL), 0);
	assert_int_equal(catalogue_insert(c, &r, NULL), 0);
	assert_true(r.id > 0);
	assert_int_equal(catalogue_insert(c, &r, &err), -EEXIST);
	assert_int_equal(err.kind, ERR_SANDBOX_EXISTS);

	assert_int_equal(catalogue_find(c, "box", &got, NULL), 1);
	assert_int_equal(got.id, r.id);
	assert_string_equal(got.image, "/img");
	assert_string_equal(got.config, "{}");
	assert_int_equal(got.status, ROW_CREATING);
	assert_true(got.created_ms == r.created_ms && got.created_ms > 0);
	assert_null(got.exit_reason);
	sandbox_row_fini(&got);

	assert_int_equal(
		catalogue_set_status(c, r.id, ROW_STOPPED, "Failed", 7, NULL),
		1);
	assert_int_equal(
		catalogue_set_status(c, r.id, ROW_CRASHED, NULL, 0, NULL), 1);
	assert_int_equal(catalogue_find(c, "box", &got, NULL), 1);
	assert_int_equal(got.status, ROW_CRASHED);
	assert_string_equal(got.exit_reason, "Failed");
	assert_int_equal(got.exit_code, 7);
	sandbox_row_fini(&got);

	assert_int_equal(catalogue_set_config(c, r.id, "{\"a\":1}", NULL), 1);
	assert_int_equal(catalogue_find(c, "box", &got, NULL), 1);
	assert_string_equal(got.config, "{\"a\":1}");
	assert_int_equal(got.status, ROW_CRASHED);
	assert_true(got.updated_ms >= got.created_ms);
	sandbox_row_fini(&got);

	/* A new boot forgets how the last one ended. */
	assert_int_equal(
		catalogue_set_status(c, r.id, ROW_RUNNING, NULL, 0, NULL), 1);
	assert_int_equal(catalogue_find(c, "box", &got, NULL), 1);
	assert_null(got.exit_reason);
	sandbox_row_fini(&got);

	assert_int_equal(catalogue_delete(c, r.id, NULL), 0);
	assert_int_equal(catalogue_find(c, "box", &got, NULL), 0);
	assert_int_equal(
		catalogue_set_status(c, r.id, ROW_STOPPED, NULL, 0, NULL), 0);
	assert_int_equal(catalogue_set_config(c, r.id, "{}", NULL), 0);
	catalogue_free(c);
}

static void list_is_newest_first_and_ids_are_not_reused(void **state)
{
	static const char *const names[] = { "a", "b", "c" };
	struct catalogue *c = open_test(state);
	struct sandbox_row r, *rows;
	int64_t last = 0;
	size_t n;

	for (size_t i = 0; i < 3; i++) {
		r = row_of(names[i]);
		assert_int_equal(catalogue_insert(c, &r, NULL), 0);
		assert_true(r.id > last);
		last = r.id;
	}
	assert_int_equal(catalogue_list(c, &rows, &n, NULL), 0);
	assert_int_equal(n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(rows[i].name, names[2 - i]);
	sandbox_rows_free(rows, n);
	assert_int_equal(catalogue_delete(c, last, NULL), 0);
	r = row_of("d");
	assert_int_equal(catalogue_insert(c, &r, NULL), 0);
	assert_true(r.id > last);
	catalogue_free(c);
}

static void reading_makes_nothing(void **state)
{
	struct tmpdir *t = *state;
	struct catalogue *c = NULL;
	char path[128];

	assert_int_equal(catalogue_open(t->path, false, 100, 100, &c, NULL),
			 -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/db", t->path);
	assert_int_equal(access(path, F_OK), -1);
	/* A directory alone does not count either. */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(catalogue_open(t->path, false, 100, 100, &c, NULL),
			 -ENOENT);
	(void)snprintf(path, sizeof(path), "%s/db/msb.db", t->path);
	assert_int_equal(access(path, F_OK), -1);
}

static void files_are_private_and_survive(void **state)
{
	static const char *const files[] = { "db/msb.db", "db/msb.db-wal",
					     "db/msb.db-shm" };
	struct tmpdir *t = *state;
	struct catalogue *c = open_test(state);
	struct sandbox_row r = row_of("kept"), got;
	char path[128];
	struct stat st;

	(void)umask(0);
	assert_int_equal(catalogue_insert(c, &r, NULL), 0);
	catalogue_free(c);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", t->path, files[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	c = open_test(state);
	assert_int_equal(catalogue_find(c, "kept", &got, NULL), 1);
	sandbox_row_fini(&got);
	catalogue_free(c);
}

static void run_sql(void **state, const char *sql)
{
	struct tmpdir *t = *state;
	char path[128];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/db", t->path);
	assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
	(void)snprintf(path, sizeof(path), "%s/db/msb.db", t->path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void expect_refused(void **state, const char *want)
{
	struct tmpdir *t = *state;
	struct err err = { 0 };
	struct catalogue *c;

	assert_true(catalogue_open(t->path, true, 100, 100, &c, &err) < 0);
	assert_int_equal(err.kind, ERR_DATABASE);
	assert_non_null(strstr(err.msg, want));
}

static void databases_of_others_are_left_alone(void **state)
{
	struct tmpdir *t = *state;
	char path[128];

	run_sql(state, "CREATE TABLE seaql_migrations (version TEXT)");
	expect_refused(state, "was made by another program");
	run_sql(state, "DROP TABLE seaql_migrations;"
		       "PRAGMA application_id=1835295281;"
		       "PRAGMA user_version=99");
	expect_refused(state, "was made by a later version of msb");
	(void)snprintf(path, sizeof(path), "%s/db/msb.db", t->path);
	assert_int_equal(io_write_file_at(AT_FDCWD, path,
					  "this is not a database at all....",
					  33, 0600),
			 0);
	expect_refused(state, "is damaged");
}

/* What the first version of the schema left is carried over as it is. */
static void earlier_schema_is_kept(void **state)
{
	struct sandbox_row got, next = row_of("next");
	struct catalogue *c;

	run_sql(state,
		"PRAGMA journal_mode=WAL; PRAGMA application_id=1836278321;"
		"PRAGMA user_version=1;"
		"CREATE TABLE sandbox ("
		" id INTEGER PRIMARY KEY AUTOINCREMENT,"
		" name TEXT NOT NULL UNIQUE, image TEXT NOT NULL,"
		" config TEXT NOT NULL, status TEXT NOT NULL,"
		" ephemeral INTEGER NOT NULL, created_at INTEGER NOT NULL,"
		" updated_at INTEGER NOT NULL, exit_reason TEXT,"
		" exit_code INTEGER) STRICT;"
		"INSERT INTO sandbox (name, image, config, status, ephemeral,"
		" created_at, updated_at) VALUES"
		" ('old', '/i', '{}', 'Stopped', 0, 1, 2),"
		" ('odd', '/i', '{}', 'Sleeping', 0, 1, 2)");
	c = open_test(state);
	assert_int_equal(catalogue_find(c, "old", &got, NULL), 1);
	assert_int_equal(got.status, ROW_STOPPED);
	assert_int_equal(got.updated_ms, 2);
	assert_int_equal(got.slot, 0);
	sandbox_row_fini(&got);
	assert_int_equal(catalogue_find(c, "odd", &got, NULL), 1);
	assert_false(row_status_is_active(got.status));
	assert_int_equal(got.slot, 1);
	sandbox_row_fini(&got);
	assert_int_equal(catalogue_insert(c, &next, NULL), 0);
	assert_int_equal(next.slot, 2);
	catalogue_free(c);
}

/* Ids grow for ever, slots do not: the smallest free one is taken. */
static void slots_are_used_again(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	struct catalogue *c = open_test(state);
	struct sandbox_row rows[5], got, *all;
	size_t n;

	for (size_t i = 0; i < 5; i++) {
		rows[i] = row_of(names[i]);
		assert_int_equal(catalogue_insert(c, &rows[i], NULL), 0);
		assert_int_equal(rows[i].slot, i);
	}
	assert_int_equal(catalogue_delete(c, rows[3].id, NULL), 0);
	assert_int_equal(catalogue_delete(c, rows[0].id, NULL), 0);
	assert_int_equal(catalogue_delete(c, rows[1].id, NULL), 0);
	for (size_t i = 0; i < 3; i++) {
		static const uint32_t want[] = { 0, 1, 3 };
		struct sandbox_row r = row_of(names[i == 2 ? 3 : i]);

		assert_int_equal(catalogue_insert(c, &r, NULL), 0);
		assert_int_equal(r.slot, want[i]);
		assert_true(r.id > rows[4].id);
	}
	assert_int_equal(catalogue_find(c, "d", &got, NULL), 1);
	assert_int_equal(got.slot, 3);
	sandbox_row_fini(&got);
	assert_int_equal(catalogue_list(c, &all, &n, NULL), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(all[i].slot, all[i].name[0] - 'a');
	sandbox_rows_free(all, n);
	catalogue_free(c);
}

#define WRITERS 8
#define ROUNDS 25

/* One process of the crowd: opens, writes and reads again and again. */
static int crowd_member(const char *home, int number)
{
	for (int i = 0; i < ROUNDS; i++) {
		struct catalogue *c;
		struct sandbox_row r, *rows;
		struct err err = { 0 };
		char name[32];
		size_t n;
		int rc = catalogue_open(home, true, 5000, 5000, &c, &err);

		(void)snprintf(name, sizeof(name), "w%d-%d", number, i);
		r = row_of(name);
		if (!rc)
			rc = catalogue_insert(c, &r, &err);
		if (!rc)
			rc = catalogue_set_status(c, r.id, ROW_RUNNING, NULL, 0,
						  &err) != 1;
		if (!rc)
			rc = catalogue_list(c, &rows, &n, &err);
		if (!rc) {
			sandbox_rows_free(rows, n);
			if (i % 5)
				rc = catalogue_delete(c, r.id, &err);
			catalogue_settle(c);
			catalogue_free(c);
		}
		if (rc) {
			print_error("%s\n", err.msg);
			return 1;
		}
	}
	return 0;
}

static void many_processes_at_once(void **state)
{
	struct tmpdir *t = *state;
	struct sandbox_row *rows;
	struct catalogue *c;
	size_t n;

	for (int i = 0; i < WRITERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid)
			_exit(crowd_member(t->path, i));
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	c = open_test(state);
	assert_int_equal(catalogue_list(c, &rows, &n, NULL), 0);
	assert_int_equal(n, WRITERS * ROUNDS / 5);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_true(rows[i].slot != rows[k].slot);
	sandbox_rows_free(rows, n);
	catalogue_free(c);
}

static void one_name_has_one_winner(void **state)
{
	struct tmpdir *t = *state;
	int winners = 0;

	for (int i = 0; i < WRITERS; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			struct sandbox_row r = row_of("same");
			struct catalogue *c;
			int rc = catalogue_open(t->path, true, 5000, 5000, &c,
						NULL);

			if (!rc)
				rc = catalogue_insert(c, &r, NULL);
			_exit(!rc ? 0 : rc == -EEXIST ? 1 : 2);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		winners += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(winners, 1);
}

static void busy_database_is_told_as_busy(void **state)
{
	struct tmpdir *t = *state;
	struct sandbox_row r = row_of("x");
	struct catalogue *c;
	struct err err = { 0 };
	char path[128];
	sqlite3 *db;

	catalogue_free(open_test(state));
	(void)snprintf(path, sizeof(path), "%s/db/msb.db", t->path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(catalogue_open(t->path, true, 1, 1, &c, &err), 0);
	assert_int_equal(catalogue_insert(c, &r, &err), -EBUSY);
	assert_non_null(strstr(err.msg, "another process keeps it busy"));
	assert_null(strstr(err.msg, "locked"));
	assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(catalogue_insert(c, &r, &err), 0);
	catalogue_free(c);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, tmpdir_make, tmpdir_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(rows_live),
		TEST(list_is_newest_first_and_ids_are_not_reused),
		TEST(reading_makes_nothing),
		TEST(files_are_private_and_survive),
		TEST(databases_of_others_are_left_alone),
		TEST(earlier_schema_is_kept),
		TEST(slots_are_used_again),
		TEST(many_processes_at_once),
		TEST(one_name_has_one_winner),
		TEST(busy_database_is_told_as_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
