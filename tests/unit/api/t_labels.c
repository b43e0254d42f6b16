/* SPDX-License-Identifier: Apache-2.0 */
/* Labels of sandboxes: stored, told, and selected by. */
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

/* labels: pairs of key and value, ended by NULL. */
static void create(const char *name, const char *const *labels)
{
	msb_sandbox_t *s = NULL;
	msb_config_t *c;

	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
	assert_int_equal(msb_config_set_image(c, w->rootfs, NULL), 0);
	assert_int_equal(msb_config_set_name(c, name, NULL), 0);
	for (; *labels; labels += 2)
		assert_int_equal(
			msb_config_add_label(c, labels[0], labels[1], NULL), 0);
	assert_int_equal(msb_sandbox_create(w->m, c, &s, NULL), 0);
	msb_sandbox_free(s);
	msb_config_free(c);
}

/* The names that n selectors give, newest first, each with a space behind. */
static const char *selected(const char *const *labels, size_t n)
{
	static char text[256];
	msb_list_t *l = NULL;
	size_t len = 0;

	text[0] = 0;
	assert_int_equal(msb_sandbox_list_labelled(w->m, labels, n, &l, NULL),
			 0);
	for (size_t i = 0; i < msb_list_count(l); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ",
					msb_sandbox_name(msb_list_item(l, i)));
	msb_list_free(l);
	return text;
}

static void selected_by_all_of_them(void **state)
{
	static const char *const web[] = { "app", "web", "env", "prod", NULL };
	static const char *const db[] = { "app", "db",	 "env", "test",
					  "env", "prod", NULL };
	static const char *const none[] = { NULL };
	static const char *const asked[] = { "app", "env=prod", "app=web" };

	(void)state;
	create("web", web);
	create("db", db);
	create("plain", none);
	assert_string_equal(selected(asked, 0), "plain db web ");
	assert_string_equal(selected(asked, 1), "db web ");
	assert_string_equal(selected(asked, 2), "db web ");
	assert_string_equal(selected(asked, 3), "web ");
	assert_string_equal(selected(asked + 2, 1), "web ");
	assert_string_equal(selected((const char *[]){ "none" }, 1), "");
}

static void told_in_order(void **state)
{
	static const char *const labels[] = { "b", "2", "a", "1", NULL };
	msb_sandbox_t *s;

	(void)state;
	create("box", labels);
	assert_int_equal(msb_sandbox_get(w->m, "box", &s, NULL), 0);
	assert_string_equal(msb_sandbox_label(s, 1), "b=2");
	assert_string_equal(msb_sandbox_label(s, 0), "a=1");
	assert_null(msb_sandbox_label(s, 2));
	assert_non_null(strstr(msb_sandbox_config_json(s),
			       "\"labels\":{\"a\":\"1\",\"b\":\"2\"}"));
	assert_int_equal(msb_sandbox_refresh(s, NULL), 0);
	assert_string_equal(msb_sandbox_label(s, 0), "a=1");
	msb_sandbox_free(s);
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad = "=x";
	msb_error_t *e = NULL;
	msb_list_t *l = NULL;
	msb_config_t *c;

	(void)state;
	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
	assert_int_equal(msb_config_add_label(c, "", "v", &e), -EINVAL);
	assert_string_equal(msb_error_text(e),
			    "invalid config: invalid label '=v': expected K=V");
	msb_error_free(e);
	assert_int_equal(msb_config_add_label(c, "a=b", "v", &e), -EINVAL);
	assert_non_null(strstr(msb_error_text(e), "holds '='"));
	msb_error_free(e);
	msb_config_free(c);
	assert_int_equal(msb_sandbox_list_labelled(w->m, &bad, 1, &l, &e),
			 -EINVAL);
	assert_non_null(strstr(msb_error_text(e), "expected K or K=V"));
	msb_error_free(e);
	assert_null(l);
}

/* A record that makes no sense has no labels, and is in nobody's way. */
static void broken_records_have_none(void **state)
{
	static const char *const labels[] = { "a", "1", NULL };
	struct sandbox_row r = { .name = (char *)(uintptr_t) "broken",
				 .image = (char *)(uintptr_t) "x",
				 .config = (char *)(uintptr_t) "{",
				 .status = ROW_STOPPED };
	struct catalogue *cat;
	msb_sandbox_t *s;

	(void)state;
	create("box", labels);
	assert_int_equal(api_catalogue(w->m, false, &cat, NULL), 0);
	assert_int_equal(catalogue_insert(cat, &r, NULL), 0);
	assert_string_equal(selected(NULL, 0), "broken box ");
	assert_string_equal(selected((const char *[]){ "a" }, 1), "box ");
	assert_int_equal(msb_sandbox_get(w->m, "broken", &s, NULL), 0);
	assert_null(msb_sandbox_label(s, 0));
	assert_int_equal(msb_sandbox_remove(s, false, NULL), 0);
	msb_sandbox_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(selected_by_all_of_them, setup,
						teardown),
		cmocka_unit_test_setup_teardown(told_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_none_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(broken_records_have_none, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
