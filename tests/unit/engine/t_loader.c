/* SPDX-License-Identifier: Apache-2.0 */
/* Files read into memory by two threads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/kvm/loader.h"

#define MIB (1ull << 20)
#define MEMORY (16 * MIB)

static uint8_t *memory(void)
{
	uint8_t *p = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* len bytes that differ from those a megabyte further on. */
static int file_of(uint64_t len, uint8_t **ret)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	uint32_t *word = malloc(len);

	assert_true(fd >= 0);
	assert_non_null(word);
	for (uint64_t i = 0; i < len / sizeof(*word); i++)
		word[i] = (uint32_t)(i * 2654435761u);
	assert_int_equal(write(fd, word, len), len);
	*ret = (uint8_t *)word;
	return fd;
}

static void read_two_files(bool with_thread)
{
	uint8_t *a, *b, *to = memory();
	int fd_a = file_of(9 * MIB, &a), fd_b = file_of(MIB, &b);
	struct loader l;

	loader_init(&l);
	assert_int_equal(
		loader_add_file(&l, to + 12, fd_a, 4096, 9 * MIB - 4096), 0);
	assert_int_equal(loader_add_file(&l, to + 11 * MIB, fd_b, 0, MIB), 0);
	if (with_thread)
		loader_start(&l);
	assert_int_equal(loader_finish(&l), 0);
	loader_fini(&l);
	assert_memory_equal(to + 12, a + 4096, 9 * MIB - 4096);
	assert_memory_equal(to + 11 * MIB, b, MIB);
	assert_int_equal(to[11], 0);
	assert_int_equal(to[9 * MIB - 4096 + 12], 0);
	assert_int_equal(to[12 * MIB], 0);
	(void)close(fd_a);
	(void)close(fd_b);
	free(a);
	free(b);
	(void)munmap(to, MEMORY);
}

static void two_threads_read_files(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++)
		read_two_files(true);
}

static void one_thread_reads_files(void **state)
{
	(void)state;
	read_two_files(false);
}

static void failures_are_told(void **state)
{
	uint8_t *a, *to = memory();
	int fd = file_of(3 * MIB, &a);
	struct loader l;

	(void)state;
	loader_init(&l);
	assert_int_equal(loader_add_file(&l, to, fd, 0, 3 * MIB + 1), 0);
	loader_start(&l);
	assert_int_equal(loader_finish(&l), -ENODATA);
	loader_fini(&l);
	loader_init(&l);
	assert_int_equal(loader_add_file(&l, to, fd, 0, MIB), 0);
	assert_int_equal(loader_add_file(&l, to + 4 * MIB, 1 << 20, 0, MIB), 0);
	loader_start(&l);
	assert_int_equal(loader_finish(&l), -EBADF);
	loader_fini(&l);
	(void)close(fd);
	free(a);
	(void)munmap(to, MEMORY);
}

static void jobs_are_few(void **state)
{
	uint8_t byte;
	struct loader l;

	(void)state;
	loader_init(&l);
	for (int i = 0; i < 2 * LOADER_JOBS; i++) /* nothing to be done */
		assert_int_equal(loader_add_file(&l, &byte, -1, 0, 0), 0);
	for (int i = 0; i < LOADER_JOBS; i++)
		assert_int_equal(loader_add_file(&l, &byte, 0, 0, 1), 0);
	assert_int_equal(loader_add_file(&l, &byte, 0, 0, 1), -E2BIG);
	loader_fini(&l);
}

static void the_end_breaks_off(void **state)
{
	uint8_t *a, *none = calloc(MEMORY, 1);
	int fd = file_of(9 * MIB, &a);

	(void)state;
	assert_non_null(none);
	for (int i = 0; i < 20; i++) {
		uint8_t *to = memory();
		struct loader l;

		loader_init(&l);
		assert_int_equal(loader_add_file(&l, to, fd, 0, 9 * MIB), 0);
		loader_start(&l);
		loader_fini(&l);
		memset(to, 0, MEMORY); /* ours alone now */
		assert_memory_equal(to, none, MEMORY);
		(void)munmap(to, MEMORY);
	}
	(void)close(fd);
	free(a);
	free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_threads_read_files),
		cmocka_unit_test(one_thread_reads_files),
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(jobs_are_few),
		cmocka_unit_test(the_end_breaks_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
