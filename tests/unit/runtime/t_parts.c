/* SPDX-License-Identifier: Apache-2.0 */
/* Small parts of the runtime: byte queue, boot log, reports, rate limit. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/io.h"
#include "runtime/bootlog.h"
#include "runtime/byteq.h"
#include "runtime/ratelimit.h"
#include "runtime/report.h"
#include "store/exit_record.h"

/* Append and take odd sizes; what comes out is what went in. */
static void test_byteq_keeps_order(void **state)
{
	static const size_t sizes[] = { 1, 100, 4095, 32768, 40000, 3, 300000 };
	struct byteq q = { 0 };
	uint8_t in = 0, out = 0;

	(void)state;
	for (int round = 0; round < 40; round++) {
		size_t n = sizes[round % 7], take;
		uint8_t *p = malloc(n);
		struct iovec iov[8];
		size_t got;

		assert_non_null(p);
		for (size_t i = 0; i < n; i++)
			p[i] = in++;
		assert_int_equal(byteq_append(&q, p, n), 0);
		free(p);
		take = q.len / 2 + 1;
		got = byteq_iov(&q, iov, 8);
		for (size_t i = 0, left = take; i < got && left; i++) {
			size_t m =
				iov[i].iov_len < left ? iov[i].iov_len : left;

			for (size_t k = 0; k < m; k++)
				assert_int_equal(
					((uint8_t *)iov[i].iov_base)[k], out++);
			byteq_consume(&q, m);
			left -= m;
			got = byteq_iov(&q, iov, 8);
			i = (size_t)-1;
		}
	}
	byteq_consume(&q, q.len + 5);
	assert_int_equal(q.len, 0);
	assert_null(q.first);
	assert_null(q.last);
}

static void feed(struct bootlog *b, const char *text)
{
	bootlog_add(b, text, strlen(text));
}

static void test_bootlog_agent_words(void **state)
{
	struct bootlog b = { 0 };
	const char *stage;

	(void)state;
	assert_null(bootlog_agent(&b, &stage));
	feed(&b, "[    0.01] agentd: warming up\n[    0.02] agent");
	assert_null(bootlog_agent(&b, &stage));
	feed(&b,
	     "d: init failed: mount /data: No such device (os error 19)\r\n");
	feed(&b, "[    0.03] reboot: Power down\n");
	assert_string_equal(
		bootlog_agent(&b, &stage),
		"init failed: mount /data: No such device (os error 19)");
	assert_string_equal(stage, "mount");
	feed(&b, "agentd: handoff failed: handoff init binary not found\n");
	assert_non_null(bootlog_agent(&b, &stage));
	assert_string_equal(stage, "config");
	feed(&b, "agentd: init failed: patch: /mount/user: File exists\n");
	assert_string_equal(bootlog_agent(&b, &stage),
			    "/mount/user: File exists");
	assert_string_equal(stage, "patch");
}

static void test_bootlog_tail(void **state)
{
	struct bootlog *b = calloc(1, sizeof(*b));
	char tail[BOOTLOG_TAIL + 1], line[32];

	(void)state;
	assert_non_null(b);
	feed(b, "one\r\n\x1b[0mtwo\xff\n");
	assert_int_equal(bootlog_tail(b, tail), 13);
	assert_string_equal(tail, "one\n?[0mtwo?\n");
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(line, sizeof(line), "line %d\n", i);
		feed(b, line);
	}
	assert_true(bootlog_tail(b, tail) > BOOTLOG_TAIL - 32);
	assert_memory_equal(tail, "line ", 5); /* a whole line */
	assert_string_equal(tail + strlen(tail) - 10, "line 1999\n");
	free(b);
}

static int tmp_dir(char path[32])
{
	int fd;

	(void)snprintf(path, 32, "/tmp/msb-report-XXXXXX");
	assert_non_null(mkdtemp(path));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static char *file_text(int dirfd, const char *name)
{
	struct buf b;

	buf_init(&b, 65536);
	assert_int_equal(io_read_file_at(dirfd, name, &b), 0);
	return buf_take_str(&b);
}

static void test_exit_and_machine_reports(void **state)
{
	char dir[32], *text;
	int fd = tmp_dir(dir);
	struct report_file e = REPORT_FILE_INIT(fd, "exit.json");
	struct report_file m = REPORT_FILE_INIT(fd, "machine.json");
	struct exit_record record;
	json_t *o;

	(void)state;
	assert_int_equal(report_file_prepare(&e), 0);
	assert_int_equal(faccessat(fd, "exit.json", F_OK, 0), -1);
	assert_int_equal(report_exit(&e, EXIT_IDLE_TIMEOUT, NULL, 3, true), 0);
	text = file_text(fd, "exit.json");
	assert_non_null(strstr(text, "\"reason\":\"IdleTimeout\",\"code\":3,"
				     "\"graceful\":true}\n"));
	assert_memory_equal(text, "{\"t\":\"", 6);
	free(text);
	assert_int_equal(
		report_exit(&e, EXIT_SIGNAL, EXIT_CAUSE_VIOLATION, 1, true), 0);
	assert_int_equal(exit_record_load(fd, &record), 0);
	assert_string_equal(record.reason, "Signal");
	assert_string_equal(record.cause, "secret-violation");
	/* also without having been made before */
	assert_int_equal(report_machine(&m, "{\"engine\":\"uml\"}",
					"{\"mmio_write\":70}", "{\"mtu\":1500}",
					"{\"seccomp\":\"on\"}", 33561234),
			 0);
	text = file_text(fd, "machine.json");
	o = json_loads(text, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(o, "engine")),
			    "uml");
	assert_string_equal(
		json_string_value(json_object_get(
			json_object_get(o, "runtime_jail"), "seccomp")),
		"on");
	assert_non_null(strstr(text, "\"boot_ms\": 33.561"));
	assert_non_null(strstr(text, "\"mmio_write\": 70"));
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(o, "network"), "mtu")),
			 1500);
	json_decref(o);
	free(text);
	assert_int_equal(report_machine(&m, "{}", NULL, NULL, "{}", 0), 0);
	text = file_text(fd, "machine.json");
	assert_null(strstr(text, "exits"));
	assert_null(strstr(text, "network"));
	free(text);
	/* what was prepared and not used leaves nothing */
	assert_int_equal(report_file_prepare(&m), 0);
	report_file_drop(&m);
	assert_int_equal(faccessat(fd, "machine.json.tmp", F_OK, 0), -1);
	assert_int_equal(faccessat(fd, "exit.json.tmp", F_OK, 0), -1);
	(void)close(fd);
	assert_int_equal(io_remove_tree(AT_FDCWD, dir), 0);
}

static void test_boot_error_record(void **state)
{
	const struct boot_failure f = { "mount", 2, "/x: \"gone\" \xff", NULL };
	char dir[32], *text;
	int fd = tmp_dir(dir);

	(void)state;
	assert_int_equal(report_boot_error(fd, &f), 0);
	text = file_text(fd, "boot-error.json");
	assert_memory_equal(text, "{\n  \"t\": \"", 10);
	assert_non_null(strstr(text,
			       ",\n  \"stage\": \"mount\",\n  \"errno\": 2,"
			       "\n  \"message\": \"/x: \\\"gone\\\" ?\"\n}\n"));
	free(text);
	(void)close(fd);
	assert_int_equal(io_remove_tree(AT_FDCWD, dir), 0);
}

static void expect_line(int fd, const char *want)
{
	char got[512];
	ssize_t n = read(fd, got, sizeof(got) - 1);

	assert_true(n > 0);
	got[n] = 0;
	assert_string_equal(got, want);
}

static void test_startup_reports(void **state)
{
	struct boot_failure f = { "build_vm", 0, "no engine", "last words\n" };
	char want[64];
	int p[2];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	report_ready(p[1]);
	(void)snprintf(want, sizeof(want), "{\"ready\":{\"pid\":%d}}\n",
		       (int)getpid());
	expect_line(p[0], want);
	report_failure(p[1], &f);
	expect_line(p[0],
		    "{\"error\":{\"stage\":\"build_vm\",\"errno\":null,"
		    "\"message\":\"no engine\",\"kernel_log\":\"last words\\n"
		    "\"}}\n");
	(void)close(p[0]);
	(void)close(p[1]);
	report_ready(-1); /* nobody asked */
}

static void test_rate_limit(void **state)
{
	struct ratelimit r = { 0 };
	unsigned said = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		said += ratelimit_ok(&r, 5);
	assert_int_equal(said, RATELIMIT_BURST);
	assert_true(ratelimit_ok(&r, 5 + RATELIMIT_WINDOW_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_byteq_keeps_order),
		cmocka_unit_test(test_bootlog_agent_words),
		cmocka_unit_test(test_bootlog_tail),
		cmocka_unit_test(test_exit_and_machine_reports),
		cmocka_unit_test(test_boot_error_record),
		cmocka_unit_test(test_startup_reports),
		cmocka_unit_test(test_rate_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
