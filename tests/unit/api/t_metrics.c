/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics over the public interface, from a runtime that is a stand-in. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "metrics/metrics.h"
#include "world.h"

static struct world *w;

static int setup(void **state)
{
	*state = w = world_make(NULL);
	return 0;
}

static int setup_small(void **state)
{
	*state = w = world_make("\"metrics\":{\"capacity\":1},");
	return 0;
}

static int setup_off(void **state)
{
	*state = w = world_make("\"sandbox_defaults\":{"
				"\"disable_metrics_sample\":true},");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_free(w);
	return 0;
}

static msb_sandbox_t *create(const char *name)
{
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;

	if (world_create(w, name, false, &s, &e))
		print_error("%s\n", msb_error_text(e));
	assert_non_null(s);
	return s;
}

static void stop(msb_sandbox_t *s)
{
	assert_int_equal(msb_sandbox_stop(s, 20000, NULL, NULL), 0);
}

static void refused(msb_sandbox_t *s, msb_error_kind_t kind, const char *text)
{
	msb_metrics_t m = { .struct_size = sizeof(m) };
	msb_error_t *e = NULL;

	assert_true(msb_sandbox_metrics(s, &m, &e) < 0);
	assert_string_equal(msb_error_text(e), text);
	assert_int_equal(msb_error_kind(e), kind);
	msb_error_free(e);
}

static msb_metrics_t sample_of(msb_sandbox_t *s)
{
	msb_metrics_t m = { .struct_size = sizeof(m) };
	msb_error_t *e = NULL;

	if (msb_sandbox_metrics(s, &m, &e))
		print_error("%s\n", msb_error_text(e));
	assert_null(e);
	return m;
}

/* What msb_metrics_all() tells: "name:state " for each. */
static int add_name(void *ctx, const msb_metrics_t *m)
{
	char *text = ctx;

	(void)snprintf(text + strlen(text), 400 - strlen(text), "%s:%d ",
		       m->name, (int)m->state);
	return 0;
}

static const char *all_of(unsigned flags)
{
	static char text[400];

	text[0] = 0;
	assert_int_equal(msb_metrics_all(w->m, flags, add_name, text, NULL), 0);
	return text;
}

static void the_latest_sample(void **state)
{
	msb_sandbox_t *s = create("box");
	msb_metrics_t m = sample_of(s);

	(void)state;
	assert_string_equal(m.name, "box");
	assert_int_equal(m.state, MSB_METRICS_RUNNING);
	assert_int_equal(m.cpus, 1);
	assert_int_equal(m.started_unix_ms, 1000);
	assert_int_equal(m.sampled_unix_ms, 4000);
	assert_int_equal(m.uptime_ms, 3000);
	assert_int_equal(m.cpu_time_us, 5);
	assert_true(m.cpu_percent == 6.5);
	assert_int_equal(m.memory_bytes, 7);
	assert_int_equal(m.memory_limit_bytes, 512 << 20);
	assert_int_equal(m.guest_memory_bytes, 8);
	assert_int_equal(m.guest_memory_total_bytes, 9);
	assert_int_equal(m.disk_read_bytes, 10);
	assert_int_equal(m.disk_write_bytes, 11);
	assert_int_equal(m.net_rx_bytes, 12);
	assert_int_equal(m.net_tx_bytes, 13);
	assert_int_equal(m.interval_ms, 1000);
	m.struct_size = 8;
	assert_true(msb_sandbox_metrics(s, &m, NULL) < 0);
	stop(s);
	refused(s, MSB_ERR_METRICS_UNAVAILABLE,
		"sandbox box is not running; metrics are unavailable");
	msb_sandbox_free(s);
}

static int stop_at_first(void *ctx, const msb_metrics_t *m)
{
	(void)m;
	++*(int *)ctx;
	return 1;
}

static void all_by_name(void **state)
{
	msb_sandbox_t *b = create("b"), *a, *c;
	int calls = 0;

	(void)state;
	a = create("a");
	c = create("unsampled");
	assert_string_equal(all_of(0), "a:0 b:0 ");
	assert_int_equal(msb_metrics_all(w->m, 0, stop_at_first, &calls, NULL),
			 0);
	assert_int_equal(calls, 1);
	refused(c, MSB_ERR_METRICS_UNAVAILABLE,
		"sandbox unsampled has no live metrics slot");
	stop(b);
	assert_string_equal(all_of(0), "a:0 ");
	assert_string_equal(all_of(MSB_METRICS_WITH_EXITED), "a:0 b:2 ");
	assert_int_equal(msb_sandbox_remove(a, true, NULL), 0);
	assert_string_equal(all_of(MSB_METRICS_WITH_EXITED), "b:2 ");
	assert_int_equal(msb_sandbox_start(b, false, NULL), 0);
	assert_string_equal(all_of(MSB_METRICS_WITH_EXITED), "b:0 ");
	msb_sandbox_free(a);
	msb_sandbox_free(b);
	msb_sandbox_free(c);
}

static void nothing_was_ever_started(void **state)
{
	(void)state;
	assert_string_equal(all_of(MSB_METRICS_WITH_EXITED), "");
}

/* No sample is shown as that of a sandbox that runs when it does not. */
static void killed_runtimes_are_gone_at_once(void **state)
{
	msb_sandbox_t *s = create("box");

	(void)state;
	assert_string_equal(all_of(0), "box:0 ");
	assert_int_equal(kill(msb_sandbox_pid(s), SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)msb_sandbox_pid(s),
				&(siginfo_t){ 0 }, WEXITED | WNOWAIT),
			 0);
	assert_string_equal(all_of(0), "");
	assert_string_equal(all_of(MSB_METRICS_WITH_EXITED), "box:2 ");
	refused(s, MSB_ERR_METRICS_UNAVAILABLE,
		"sandbox box is not running; metrics are unavailable");
	msb_reconcile(w->m);
	assert_string_equal(world_status(w, "box"), "Crashed");
	assert_string_equal(all_of(MSB_METRICS_WITH_EXITED), "box:2 ");
	msb_sandbox_free(s);
}

static void old_samples_are_stalled_and_lies_do_not_matter(void **state)
{
	msb_sandbox_t *s = create("stalled"), *l = create("lying");
	msb_metrics_t m = sample_of(l);

	(void)state;
	assert_string_equal(all_of(0), "lying:1 stalled:1 ");
	assert_int_equal(m.started_unix_ms, 0);
	assert_int_equal(m.uptime_ms, 0);
	assert_true(m.cpu_percent == 0);
	assert_int_equal(sample_of(s).state, MSB_METRICS_STALLED);
	stop(s);
	stop(l);
	assert_string_equal(all_of(0), "");
	msb_sandbox_free(s);
	msb_sandbox_free(l);
}

static void a_full_registry_costs_metrics_only(void **state)
{
	msb_sandbox_t *a = create("a"), *b = create("b");

	(void)state;
	assert_string_equal(all_of(0), "a:0 ");
	refused(b, MSB_ERR_METRICS_UNAVAILABLE,
		"sandbox b has no live metrics slot");
	stop(b);
	assert_int_equal(msb_sandbox_remove(a, true, NULL), 0);
	assert_int_equal(msb_sandbox_start(b, false, NULL), 0);
	assert_string_equal(all_of(0), "b:0 ");
	msb_sandbox_free(a);
	msb_sandbox_free(b);
}

static void failed_boots_leave_their_slot(void **state)
{
	msb_sandbox_t *s = NULL;

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_true(world_create(w, "silent", false, &s, NULL) < 0);
		assert_true(world_create(w, "booterr", true, &s, NULL) < 0);
	}
	s = create("box");
	assert_string_equal(all_of(MSB_METRICS_WITH_EXITED), "box:0 ");
	msb_sandbox_free(s);
}

static void sampling_can_be_turned_off(void **state)
{
	msb_sandbox_t *s = create("box"), *on = NULL;
	char name[METRICS_SHM_NAME_MAX];
	msb_config_t *c = NULL;

	(void)state;
	refused(s, MSB_ERR_METRICS_DISABLED,
		"metrics disabled for sandbox: box");
	metrics_registry_name(w->home, name);
	assert_true(shm_open(name, O_RDONLY | O_CLOEXEC, 0) < 0);
	/* one that asks for it has them all the same */
	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
	assert_int_equal(msb_config_set_image(c, w->rootfs, NULL), 0);
	assert_int_equal(msb_config_set_name(c, "on", NULL), 0);
	assert_true(msb_config_set_metrics_interval_ms(c, 3600001, NULL) < 0);
	assert_int_equal(msb_config_set_metrics_interval_ms(c, 50, NULL), 0);
	assert_int_equal(msb_sandbox_create(w->m, c, &on, NULL), 0);
	assert_int_equal(sample_of(on).interval_ms, 50);
	assert_string_equal(all_of(0), "on:0 ");
	msb_config_free(c);
	msb_sandbox_free(s);
	msb_sandbox_free(on);
}

/* Whatever lies where the registry should: sandboxes start. */
static void a_foreign_object_is_in_the_way(void **state)
{
	char name[METRICS_SHM_NAME_MAX];
	msb_metrics_t m = { .struct_size = sizeof(m) };
	msb_error_t *e = NULL;
	msb_sandbox_t *s;
	int fd;

	(void)state;
	metrics_registry_name(w->home, name);
	fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 8192), 0);
	assert_int_equal(pwrite(fd, "\x01\x01\x01\x01", 4, 0x1c), 4);
	s = create("box");
	assert_true(msb_sandbox_metrics(s, &m, &e) < 0);
	assert_non_null(strstr(msb_error_text(e),
			       "sandbox box has no live metrics slot (metrics "
			       "registry /dev/shm/msb-met-"));
	msb_error_free(e);
	e = NULL;
	assert_true(msb_metrics_all(w->m, 0, stop_at_first, NULL, &e) < 0);
	assert_non_null(strstr(msb_error_text(e), "not one of this version"));
	msb_error_free(e);
	stop(s);
	assert_int_equal(close(fd), 0);
	msb_sandbox_free(s);
}

/* However the home is spelled that is given up. */
static void nothing_is_left_when_asked_for(void **state)
{
	char name[METRICS_SHM_NAME_MAX], path[200];
	msb_sandbox_t *s = create("box");
	msb_t *m = NULL;

	(void)state;
	metrics_registry_name(w->home, name);
	(void)snprintf(path, sizeof(path), "%s/../home", w->home);
	assert_int_equal(msb_open(path, &m, NULL), 0);
	msb_home_forget(m);
	assert_true(shm_open(name, O_RDONLY | O_CLOEXEC, 0) < 0);
	msb_home_forget(m);
	msb_close(m);
	stop(s); /* as if nothing had happened */
	msb_sandbox_free(s);
}

/* Two spellings of a home are one home. */
static void a_home_has_one_registry(void **state)
{
	char path[200], text[400] = "";
	msb_sandbox_t *s = create("box");
	msb_t *m = NULL;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/../home", w->home);
	assert_int_equal(msb_open(path, &m, NULL), 0);
	assert_int_equal(msb_metrics_all(m, 0, add_name, text, NULL), 0);
	assert_string_equal(text, "box:0 ");
	msb_close(m);
	msb_sandbox_free(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define TEST_IN(f, where) cmocka_unit_test_setup_teardown(f, where, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_latest_sample),
		TEST(all_by_name),
		TEST(nothing_was_ever_started),
		TEST(killed_runtimes_are_gone_at_once),
		TEST(old_samples_are_stalled_and_lies_do_not_matter),
		TEST_IN(a_full_registry_costs_metrics_only, setup_small),
		TEST_IN(failed_boots_leave_their_slot, setup_small),
		TEST_IN(sampling_can_be_turned_off, setup_off),
		TEST(a_foreign_object_is_in_the_way),
		TEST(nothing_is_left_when_asked_for),
		TEST(a_home_has_one_registry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
