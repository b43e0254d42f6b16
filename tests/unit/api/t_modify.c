/* SPDX-License-Identifier: Apache-2.0 */
/* Changing sandboxes that exist: what differs, when it applies, what is
 * stored, and what cannot be changed. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "world.h"

static struct world *w;
static char told[512]; /* "env A set new, port ... gone next, " */

static int setup(void **state)
{
	*state = w = world_make(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_free(w);
	return 0;
}

static void on_change(void *ctx, const msb_change_t *c)
{
	static const char *const times[] = {
		[MSB_CHANGE_NOW] = "now",
		[MSB_CHANGE_NEW_COMMANDS] = "new",
		[MSB_CHANGE_NEXT_START] = "next",
	};
	size_t len = strlen(told);

	assert_ptr_equal(ctx, &told);
	(void)snprintf(told + len, sizeof(told) - len, "%s %s%s%s %s, ",
		       c->field, c->name ? c->name : "", c->name ? " " : "",
		       c->removed ? "gone" : "set", times[c->when]);
}

static msb_sandbox_t *create(void)
{
	msb_sandbox_t *s = NULL;
	msb_config_t *c;

	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
	assert_int_equal(msb_config_set_image(c, w->rootfs, NULL), 0);
	assert_int_equal(msb_config_set_name(c, "box", NULL), 0);
	assert_int_equal(msb_config_add_env(c, "A", "1", NULL), 0);
	assert_int_equal(msb_config_add_env(c, "B", "1", NULL), 0);
	assert_int_equal(msb_config_add_label(c, "l", "1", NULL), 0);
	assert_int_equal(msb_config_add_port(c, "[::1]:53:5353/udp", NULL), 0);
	assert_int_equal(msb_sandbox_create(w->m, c, &s, NULL), 0);
	msb_config_free(c);
	return s;
}

static msb_config_t *config(msb_sandbox_t *s)
{
	msb_config_t *c = NULL;

	assert_int_equal(msb_sandbox_config(s, &c, NULL), 0);
	return c;
}

/* Takes c; gives what was told. */
static const char *modify(msb_sandbox_t *s, msb_config_t *c, bool dry_run)
{
	msb_error_t *e = NULL;

	told[0] = 0;
	if (msb_sandbox_modify(s, c, dry_run, on_change, &told, &e) < 0)
		fail_msg("%s", msb_error_text(e));
	msb_config_free(c);
	return told;
}

static msb_config_t *everything(msb_sandbox_t *s)
{
	msb_config_t *c = config(s);

	assert_int_equal(msb_config_add_env(c, "A", "2", NULL), 0);
	assert_int_equal(msb_config_remove_env(c, "B"), 1);
	assert_int_equal(msb_config_remove_env(c, "B"), 0);
	assert_int_equal(msb_config_add_label(c, "k", "", NULL), 0);
	assert_int_equal(msb_config_remove_label(c, "l"), 1);
	assert_int_equal(msb_config_set_max_duration_s(c, 60, NULL), 0);
	assert_int_equal(msb_config_set_idle_timeout_s(c, 30, NULL), 0);
	assert_int_equal(msb_config_add_net_rules(c, "allow@10.0.0.0/8", NULL),
			 0);
	assert_int_equal(msb_config_remove_port(c, "[::1]:53/udp", NULL), 1);
	assert_int_equal(msb_config_remove_port(c, "[::1]:53", NULL), 0);
	assert_int_equal(msb_config_add_port(c, "8080:80", NULL), 0);
	return c;
}

static void stopped(void **state)
{
	msb_sandbox_t *s = create();

	(void)state;
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	assert_string_equal(modify(s, everything(s), false),
			    "label l gone now, label k set now, env B gone "
			    "now, env A set now, max_duration set now, "
			    "idle_timeout set now, policy set now, port "
			    "[::1]:53:5353/udp gone now, port "
			    "127.0.0.1:8080:80/tcp set now, ");
	assert_string_equal(msb_sandbox_label(s, 0), "k=");
	assert_null(msb_sandbox_label(s, 1));
	assert_non_null(
		strstr(msb_sandbox_config_json(s), "\"env\":[[\"A\",\"2\"]]"));
	assert_non_null(strstr(msb_sandbox_config_json(s),
			       "\"policy\":{\"idle_timeout_secs\":30,"
			       "\"max_duration_secs\":60}"));
	/* nothing differs any more */
	assert_string_equal(modify(s, config(s), false), "");
	assert_int_equal(msb_sandbox_start(s, false, NULL), 0);
	msb_sandbox_free(s);
}

static void running(void **state)
{
	msb_sandbox_t *s = create();
	autofree char *before = strdup(msb_sandbox_config_json(s));
	msb_config_t *c;

	(void)state;
	assert_string_equal(modify(s, everything(s), true),
			    "label l gone now, label k set now, env B gone "
			    "next, env A set new, max_duration set now, "
			    "idle_timeout set now, policy set now, port "
			    "[::1]:53:5353/udp gone next, port "
			    "127.0.0.1:8080:80/tcp set next, ");
	assert_int_equal(msb_sandbox_refresh(s, NULL), 0);
	assert_string_equal(msb_sandbox_config_json(s), before);
	(void)modify(s, everything(s), false);
	assert_string_not_equal(msb_sandbox_config_json(s), before);
	/* what the runtime does not take is for the next start */
	c = config(s);
	assert_int_equal(msb_config_set_max_duration_s(c, 77, NULL), 0);
	assert_int_equal(msb_config_add_label(c, "m", "1", NULL), 0);
	assert_string_equal(modify(s, c, false),
			    "label m set now, max_duration set next, ");
	msb_sandbox_free(s);
}

static void expect_refusal(msb_sandbox_t *s, msb_config_t *c,
			   msb_error_kind_t kind, int sys)
{
	autofree char *before = strdup(msb_sandbox_config_json(s));
	msb_error_t *e = NULL;

	told[0] = 0;
	assert_true(msb_sandbox_modify(s, c, false, on_change, &told, &e) < 0);
	assert_int_equal(msb_error_kind(e), kind);
	assert_int_equal(msb_error_errno(e), sys);
	assert_string_equal(told, "");
	msb_error_free(e);
	msb_config_free(c);
	assert_int_equal(msb_sandbox_refresh(s, NULL), 0);
	assert_string_equal(msb_sandbox_config_json(s), before);
}

static void the_rest_cannot_be_changed(void **state)
{
	msb_sandbox_t *s = create();
	msb_error_t *e = NULL;
	msb_config_t *c;

	(void)state;
	c = config(s);
	assert_int_equal(msb_config_set_cpus(c, 2, NULL), 0);
	expect_refusal(s, c, MSB_ERR_UNSUPPORTED, EOPNOTSUPP);
	c = config(s);
	assert_int_equal(msb_config_add_tmpfs(c, "/x", NULL, NULL), 0);
	expect_refusal(s, c, MSB_ERR_UNSUPPORTED, EOPNOTSUPP);
	c = config(s);
	assert_int_equal(msb_config_set_max_connections(c, 7, NULL), 0);
	expect_refusal(s, c, MSB_ERR_UNSUPPORTED, EOPNOTSUPP);
	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
	expect_refusal(s, c, MSB_ERR_INVALID, EINVAL);
	/* nor is it what a sandbox can be made of */
	c = config(s);
	assert_true(msb_sandbox_create(w->m, c, &s, &e) < 0);
	assert_non_null(strstr(msb_error_text(e), "for changing that one"));
	msb_error_free(e);
	msb_config_free(c);
	c = config(s);
	assert_int_equal(msb_config_remove_port(c, "x", &e), -EINVAL);
	msb_error_free(e);
	msb_config_free(c);
	msb_sandbox_free(s);
}

static void whoever_is_late_is_told(void **state)
{
	msb_sandbox_t *s = create(), *other;
	msb_config_t *c = config(s), *late;
	msb_error_t *e = NULL;

	(void)state;
	assert_int_equal(msb_sandbox_get(w->m, "box", &other, NULL), 0);
	late = config(other);
	assert_int_equal(msb_config_add_label(late, "late", "1", NULL), 0);
	assert_int_equal(msb_config_add_label(c, "first", "1", NULL), 0);
	assert_string_equal(modify(s, c, false), "label first set now, ");
	assert_int_equal(msb_sandbox_modify(other, late, false, NULL, NULL, &e),
			 -ESTALE);
	assert_int_equal(msb_error_kind(e), MSB_ERR_SANDBOX_STATE);
	assert_int_equal(msb_error_errno(e), ESTALE);
	msb_error_free(e);
	msb_config_free(late);
	/* the handle is up to date now, and a new try succeeds */
	assert_string_equal(msb_sandbox_label(other, 0), "first=1");
	late = config(other);
	assert_int_equal(msb_config_add_label(late, "late", "1", NULL), 0);
	assert_string_equal(modify(other, late, false), "label late set now, ");
	assert_string_equal(msb_sandbox_label(other, 0), "first=1");
	msb_sandbox_free(other);
	assert_int_equal(msb_sandbox_remove(s, true, NULL), 0);
	msb_sandbox_free(s);
}

static void agents_are_asked(void **state)
{
	msb_sandbox_t *s = create();
	msb_error_t *e = NULL;
	uint64_t us = 0;

	(void)state;
	assert_int_equal(msb_sandbox_ping(s, UINT64_MAX, &us, NULL), 0);
	assert_true(us > 0);
	assert_int_equal(msb_sandbox_ping(s, 10000, NULL, NULL), 0);
	assert_int_equal(msb_sandbox_touch(s, 10000, NULL), 0);
	assert_int_equal(msb_sandbox_stop(s, 10000, NULL, NULL), 0);
	assert_int_equal(msb_sandbox_ping(s, 10000, &us, &e), -ENOTCONN);
	assert_non_null(strstr(msb_error_text(e), "is not running"));
	msb_error_free(e);
	assert_int_equal(msb_sandbox_touch(s, 10000, NULL), -ENOTCONN);
	msb_sandbox_free(s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(stopped),
		T(running),
		T(the_rest_cannot_be_changed),
		T(whoever_is_late_is_told),
		T(agents_are_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
