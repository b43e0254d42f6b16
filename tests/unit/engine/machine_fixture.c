/* SPDX-License-Identifier: Apache-2.0 */
/* Booting machines in tests. */
#include "machine_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/str.h"

const char *test_kernel, *test_guest;

static void cpio_entry(struct buf *out, const char *name, unsigned mode,
		       const void *data, size_t len)
{
	size_t name_len = strlen(name) + 1;

	assert_int_equal(
		buf_printf(out,
			   "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X"
			   "%08X%08zX%08X",
			   1, mode, 0, 0, 1, 0, len, 0, 0, 0, 0, name_len, 0),
		0);
	assert_int_equal(buf_append(out, name, name_len), 0);
	while (buf_len(out) % 4)
		assert_int_equal(buf_append(out, "", 1), 0);
	assert_int_equal(buf_append(out, data, len), 0);
	while (buf_len(out) % 4)
		assert_int_equal(buf_append(out, "", 1), 0);
}

static int make_initramfs(void)
{
	struct buf guest, out;
	int fd;

	buf_init(&guest, 16 << 20);
	buf_init(&out, 17 << 20);
	assert_int_equal(io_read_file_at(AT_FDCWD, test_guest, &guest), 0);
	cpio_entry(&out, "init", S_IFREG | 0755, buf_data(&guest),
		   buf_len(&guest));
	cpio_entry(&out, "TRAILER!!!", 0, "", 0);
	fd = io_memfd("initramfs", buf_data(&out), buf_len(&out));
	assert_true(fd >= 0);
	buf_fini(&guest);
	buf_fini(&out);
	return fd;
}

static void on_kernel_log(void *ctx, const void *data, size_t len)
{
	struct box *b = ctx;

	assert_int_equal(buf_append(&b->log, data, len), 0);
}

static void on_exit_event(void *ctx, const struct machine_exit *e)
{
	struct box *b = ctx;

	assert_false(b->exited);
	b->exited = true;
	b->exit = *e;
}

void box_init(struct box *b, const char *task)
{
	memset(b, 0, sizeof(*b));
	assert_int_equal(loop_new(&b->loop), 0);
	buf_init(&b->log, 1 << 20);
	b->deadline_ms = clock_mono_ms() + TEST_DEADLINE_MS;
	b->desc = (struct machine_desc){
		.vcpus = 1,
		.memory_mib = 128,
		.kernel_path = test_kernel,
		.initramfs_fd = make_initramfs(),
		.extra_cmdline = str_fmt("msbtest=%s", task),
		.events = { b, on_kernel_log, on_exit_event },
	};
	assert_non_null(b->desc.extra_cmdline);
}

int box_start(struct box *b, struct err *err)
{
	return machine_start(b->loop, ENGINE_UML, &b->desc, &b->machine, err);
}

void box_turn(struct box *b)
{
	if (clock_mono_ms() > b->deadline_ms) {
		print_message("log so far: %s\n", buf_cstr(&b->log));
		fail_msg("nothing happened in time");
	}
	assert_int_equal(loop_turn(b->loop, 1), 0);
}

bool box_logged(struct box *b, const char *text)
{
	const char *log = buf_cstr(&b->log);

	return log && strstr(log, text);
}

size_t guest_processes(const struct box *b, pid_t *pids, size_t max)
{
	int kernel = machine_pid(b->machine);
	char path[64], text[4096];
	const char *p = text;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "task/%d/children", kernel);
	proc_read(kernel, path, text, sizeof(text));
	while (n < max) {
		char *end;
		long pid = strtol(p, &end, 10);

		if (end == p)
			break;
		pids[n++] = (pid_t)pid;
		p = end;
	}
	return n;
}

void box_until_processes(struct box *b, size_t n)
{
	pid_t pids[16];

	while (guest_processes(b, pids, ARRAY_SIZE(pids)) < n) {
		if (b->exited)
			fail_msg("exited: %s", b->exit.text);
		box_turn(b);
	}
}

void box_until_exit(struct box *b)
{
	while (!b->exited)
		box_turn(b);
}

void box_run(struct box *b)
{
	struct err err = { 0 };

	if (box_start(b, &err))
		fail_msg("%s", err.msg);
	box_until_exit(b);
}

void box_fini(struct box *b)
{
	b->machine = machine_free(b->machine);
	b->loop = loop_free(b->loop);
	(void)close(b->desc.initramfs_fd);
	free((void *)(uintptr_t)b->desc.extra_cmdline);
	buf_fini(&b->log);
}

void proc_read(pid_t pid, const char *file, char *buf, size_t len)
{
	char path[128];
	size_t have = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && have + 1 < len) {
		ssize_t n = io_read(fd, buf + have, len - 1 - have);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	buf[have] = 0;
	if (fd >= 0)
		(void)close(fd);
}

bool proc_line(pid_t pid, const char *file, const char *key, char *buf,
	       size_t len)
{
	char text[16384];
	const char *line;

	proc_read(pid, file, text, sizeof(text));
	line = strstr(text, key);
	if (!line)
		return false;
	line += strlen(key);
	line += strspn(line, " \t");
	(void)snprintf(buf, len, "%.*s", (int)strcspn(line, "\n"), line);
	return true;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void proc_list(pid_t pid, const char *dir, char *buf, size_t len)
{
	struct strv names = { 0 };
	struct dirent *e;
	char path[128];
	size_t used = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, dir);
	d = opendir(path);
	if (!d)
		fail_msg("%s: %s", path, strerror(errno));
	while ((e = readdir(d)))
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			assert_int_equal(strv_add(&names, e->d_name), 0);
	(void)closedir(d);
	if (names.n)
		qsort(names.v, names.n, sizeof(*names.v), by_name);
	buf[0] = 0;
	for (size_t i = 0; i < names.n && used < len; i++)
		used += (size_t)snprintf(buf + used, len - used, "%s%s",
					 i ? " " : "", names.v[i]);
	strv_fini(&names);
}

unsigned proc_count_in_ns(const char *pid_ns)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	unsigned n = 0;

	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[300], link[64], state[64];
		ssize_t len;

		(void)snprintf(path, sizeof(path), "/proc/%s/ns/pid",
			       e->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len <= 0)
			continue;
		link[len] = 0;
		/* orphans that ended may wait for whoever reaps them */
		n += !strcmp(link, pid_ns) &&
		     proc_line((pid_t)strtol(e->d_name, NULL, 10), "status",
			       "State:", state, sizeof(state)) &&
		     state[0] != 'Z';
	}
	(void)closedir(d);
	return n;
}
