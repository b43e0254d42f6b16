/* SPDX-License-Identifier: Apache-2.0 */
/* Error objects: categories, details, and text that is safe to print. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "api/api_int.h"

static msb_error_t *make(enum err_kind kind, int sys, const char *message)
{
	struct api_err e = { 0 };
	msb_error_t *error = NULL;
	int rc = err_set(&e.err, kind, sys, "%s", message);

	assert_int_equal(api_fail(&e, rc, &error), sys ? -sys : -EINVAL);
	assert_non_null(error);
	return error;
}

static void text_has_the_category_in_front(void **state)
{
	static const struct {
		enum err_kind kind;
		const char *want, *name;
	} cases[] = {
		{ ERR_IO, "io error: m", "io" },
		{ ERR_INVALID, "invalid config: m", "invalid_config" },
		{ ERR_SANDBOX_NOT_FOUND, "sandbox not found: m",
		  "sandbox_not_found" },
		{ ERR_SANDBOX_EXISTS, "sandbox already exists: m",
		  "sandbox_already_exists" },
		{ ERR_SANDBOX_RUNNING, "sandbox still running: m",
		  "sandbox_still_running" },
		{ ERR_DATABASE, "database error: m", "database" },
		{ ERR_RUNTIME, "runtime error: m", "runtime" },
		{ ERR_AGENT, "agent client error: m", "agent_client" },
		{ ERR_FS, "sandbox fs error: m", "sandbox_fs" },
		{ ERR_NO_SPACE, "m", "no_space" },
		{ ERR_UNSUPPORTED, "m", "unsupported" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		msb_error_t *e = make(cases[i].kind, 5, "m");

		assert_string_equal(msb_error_text(e), cases[i].want);
		assert_string_equal(msb_error_message(e), "m");
		assert_string_equal(msb_error_kind_name(msb_error_kind(e)),
				    cases[i].name);
		assert_int_equal(msb_error_errno(e), 5);
		assert_null(msb_error_detail(e, "stage"));
		msb_error_free(e);
	}
}

static void what_a_guest_says_cannot_drive_a_terminal(void **state)
{
	msb_error_t *e = make(ERR_AGENT, 0,
			      "a\033[2Jb\nc\r\x7f\xc2\x9b"
			      "d\xc3\xa4");
	struct api_err with = { 0 };

	(void)state;
	assert_string_equal(msb_error_message(e), "a?[2Jb?c????d\xc3\xa4");
	assert_string_equal(msb_error_text(e),
			    "agent client error: a?[2Jb?c????d\xc3\xa4");
	assert_int_equal(msb_error_errno(e), 0);
	msb_error_free(e);

	(void)err_set(&with.err, ERR_BOOT, 0, "gone");
	api_detail(&with, "sandbox", "box");
	api_detail(&with, "kernel_log", "one\n\033two\tthree");
	api_detail_n(&with, "stage", "mountain", 5);
	api_detail(&with, "absent", NULL);
	assert_int_equal(api_fail(&with, -EINVAL, &e), -EINVAL);
	assert_string_equal(msb_error_detail(e, "kernel_log"),
			    "one\n?two\tthree");
	assert_string_equal(msb_error_detail(e, "stage"), "mount");
	assert_null(msb_error_detail(e, "absent"));
	assert_string_equal(msb_error_text(e), "failed to start \"box\": gone");
	msb_error_free(e);
}

static void cut_text_stays_well_formed(void **state)
{
	char text[600];
	msb_error_t *e;

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 3);
	text[0] = 'x'; /* shifts the pairs so that the cut splits one */
	text[1] = 'x';
	text[2] = 'x';
	memmove(text + 3, text + 4, sizeof(text) - 5);
	text[sizeof(text) - 1] = 0;
	e = make(ERR_FS, 5, text);
	assert_true(
		utf8_valid(msb_error_message(e), strlen(msb_error_message(e))));
	assert_true(strlen(msb_error_message(e)) > 400);
	msb_error_free(e);
}

static void nobody_has_to_ask(void **state)
{
	struct api_err e = { 0 };

	(void)state;
	api_detail(&e, "stage", "mount");
	assert_int_equal(api_fail(&e, -EIO, NULL), -EIO);
	assert_int_equal(e.details.n, 0);
	assert_int_equal(msb_error_kind(NULL), MSB_ERR_NONE);
	assert_string_equal(msb_error_message(NULL), "");
	assert_string_equal(msb_error_text(NULL), "");
	assert_null(msb_error_detail(NULL, "stage"));
	msb_error_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_the_category_in_front),
		cmocka_unit_test(what_a_guest_says_cannot_drive_a_terminal),
		cmocka_unit_test(cut_text_stays_well_formed),
		cmocka_unit_test(nobody_has_to_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
