/* SPDX-License-Identifier: Apache-2.0 */
/* The values: what is read, what is refused, and where they are kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/io.h"
#include "net/secrets/secrets_int.h"
#include "secret_bench.h"

static struct secret_bench bench;

static int start(void **state)
{
	(void)state;
	secret_bench_init(&bench);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	secret_bench_fini(&bench);
	return 0;
}

static void add(const char *name, const char *value)
{
	secret_bench_add(&bench, name, NULL, value, "*", PLACE_ALL);
}

static void none(void **state)
{
	(void)state;
	assert_int_equal(secrets_new(&bench.config, -1, &bench.secrets, NULL),
			 0);
	secrets_free(NULL);
}

static void in_order(void **state)
{
	static const char *values[] = { "b", "a longer one", "\x01\xff" };

	(void)state;
	add("B", values[0]);
	add("A", values[1]);
	add("C", values[2]);
	secret_bench_start(&bench);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		const struct secret *t = &bench.secrets->v[i];

		assert_ptr_equal(t->c, &bench.config.v[i]);
		assert_int_equal(t->value_len, strlen(values[i]));
		assert_memory_equal(t->value, values[i], t->value_len);
		assert_string_equal(
			bench.secrets->placeholders.v[t->placeholder].text,
			bench.config.v[i].placeholder);
	}
}

/* Wherever the file's position is. */
static void read_from_the_start(void **state)
{
	int fd;

	(void)state;
	add("A", "value");
	fd = secret_bench_fd(&bench);
	assert_int_equal(lseek(fd, 0, SEEK_END), 9);
	assert_int_equal(secrets_new(&bench.config, fd, &bench.secrets, NULL),
			 0);
	assert_int_equal(bench.secrets->v[0].value_len, 5);
	close(fd);
}

static void refused(const void *data, size_t len, const char *why)
{
	int fd = io_memfd("values", data, len);
	struct secrets *s = NULL;
	struct err err = { 0 };

	assert_true(fd >= 0);
	assert_true(secrets_new(&bench.config, fd, &s, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID);
	assert_non_null(strstr(err.msg, why));
	assert_null(strstr(err.msg, "HUSH"));
	assert_null(s);
	close(fd);
}

#define REFUSED(bytes, why) refused("" bytes, sizeof(bytes) - 1, why)

static void not_such_a_file(void **state)
{
	(void)state;
	add("ONE", "x");
	add("TWO", "x");
	REFUSED("", "2 secrets");
	REFUSED("\0\0\0\1HU", "2 secrets");
	REFUSED("\0\0\0\1H\0\0\0", "'TWO' is not complete");
	REFUSED("\0\0\0\1H\0\0\0\5HUSH", "'TWO' is not complete");
	REFUSED("\0\0\0\1H\xff\xff\xff\xffHUSH", "'TWO' is not complete");
	REFUSED("\0\0\0\1H\0\0\0\4HUSH!", "more values");
	REFUSED("\0\0\0\0\0\0\0\4HUSH", "'ONE' is empty");
	REFUSED("\0\0\0\5HUSH\n\0\0\0\4HUSH", "'ONE' has a line break");
	REFUSED("\0\0\0\4HUSH\0\0\0\5HUSH\r", "'TWO' has a line break");
	REFUSED("\0\0\0\5HUSH\0\0\0\0\4HUSH", "'ONE' has a line break");
}

static void lengths(void **state)
{
	const size_t most = SECRET_MAX_VALUE;
	uint8_t *data = calloc(1, 4 + most + 1);

	(void)state;
	assert_non_null(data);
	memset(data + 4, 'v', most + 1);
	add("ONE", "x");
	add("TWO", "x");
	data[1] = 1; /* 65536 */
	data[3] = 1;
	refused(data, 4 + most + 1, "'ONE' is longer than 65536 bytes");
	free(data);
	data = malloc(most + 1);
	assert_non_null(data);
	memset(data, 'v', most);
	data[most] = 0;
	secret_bench_fini(&bench);
	secret_bench_init(&bench);
	add("ONE", (char *)data);
	free(data);
	secret_bench_start(&bench);
	assert_int_equal(bench.secrets->v[0].value_len, most);
}

static void not_a_file(void **state)
{
	struct secrets *s;
	struct err err = { 0 };
	int fds[2];

	(void)state;
	add("ONE", "x");
	assert_int_equal(pipe(fds), 0);
	assert_true(secrets_new(&bench.config, fds[0], &s, &err) < 0);
	assert_int_equal(err.kind, ERR_INVALID);
	close(fds[0]);
	close(fds[1]);
	err_clear(&err);
	assert_int_equal(secrets_new(&bench.config, -1, &s, &err), -EBADF);
}

static void placeholders_are_checked(void **state)
{
	char longest[SECRET_MAX_PLACEHOLDER + 2];
	const char *bad[] = { "", "a\nb", "a\rb", longest };

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		secret_bench_fini(&bench);
		secret_bench_init(&bench);
		secret_bench_add(&bench, "ONE", bad[i], "HUSH", "*", PLACE_ALL);
		refused(buf_data(&bench.values), buf_len(&bench.values),
			"placeholder of secret 'ONE'");
	}
}

static void most_there_may_be(void **state)
{
	struct secrets *s;
	struct err err = { 0 };
	char name[16];

	(void)state;
	for (unsigned i = 0; i < SECRETS_MAX; i++) {
		(void)snprintf(name, sizeof(name), "S%u", i);
		add(name, name);
	}
	secret_bench_start(&bench);
	for (unsigned i = 0; i < SECRETS_MAX; i++) {
		const struct secret *t = &bench.secrets->v[i];

		assert_memory_equal(t->value, t->c->env_var, t->value_len);
	}
	add("MORE", "x");
	assert_true(secrets_new(&bench.config, -1, &s, &err) < 0);
	assert_non_null(strstr(err.msg, "256"));
}

/* The flags of the mapping that has this address. */
static void mapping_flags(const void *at, char flags[256])
{
	unsigned long first, last, want = (unsigned long)at;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool here = false;
	char line[512];

	assert_non_null(f);
	flags[0] = 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &first, &last) == 2)
			here = first <= want && want < last;
		else if (here && strncmp(line, "VmFlags:", 8) == 0)
			(void)snprintf(flags, 256, "%.240s", line + 8);
	}
	fclose(f);
}

/* In no core dump, in no child. */
static void kept_to_the_process(void **state)
{
	char flags[256];

	(void)state;
	add("A", "value");
	secret_bench_start(&bench);
	mapping_flags(bench.secrets->v[0].value, flags);
	assert_non_null(strstr(flags, " dd"));
	assert_non_null(strstr(flags, " dc"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(none),
		T(in_order),
		T(read_from_the_start),
		T(not_such_a_file),
		T(lengths),
		T(not_a_file),
		T(placeholders_are_checked),
		T(most_there_may_be),
		T(kept_to_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
