/* SPDX-License-Identifier: Apache-2.0 */
/* Docker's config.json, and credential helpers that behave and that do not. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/io.h"
#include "base/str.h"
#include "image/docker_config.h"

/* What the text says of a host: "helper@server ..." then "user:password". */
static void check(const char *text, const char *host, const char *helpers,
		  const char *auth)
{
	struct docker_entry e;
	char got[1024] = "";

	assert_int_equal(
		docker_config_parse(text, strlen(text), host, &e, NULL), 0);
	for (size_t i = 0; i < e.nhelpers; i++)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got),
			       "%s%s@%s", i ? " " : "", e.helpers[i].name,
			       e.helpers[i].server);
	assert_string_equal(got, helpers);
	if (e.auth.username)
		(void)snprintf(got, sizeof(got), "%s:%s", e.auth.username,
			       e.auth.password);
	else
		*got = 0;
	assert_string_equal(got, auth);
	docker_entry_fini(&e);
}

static void entries_are_found(void **state)
{
	(void)state;
	check("{}", "h.io", "", "");
	check("{\"auths\":{\"h.io\":{\"auth\":\"dTpw\"}}}", "h.io", "", "u:p");
	check("{\"auths\":{\"https://h.io\":{\"auth\":\"dTpw\"}}}", "h.io", "",
	      "u:p");
	check("{\"auths\":{\"h.io:5000\":{\"auth\":\"dTpw\"}}}", "h.io", "",
	      "");
	check("{\"auths\":{\"h.io\":{\"username\":\"a\",\"password\":\"b\"}}}",
	      "h.io", "", "a:b");
	check("{\"auths\":{\"https://index.docker.io/v1/\":"
	      "{\"auth\":\"dTpw\"}}}",
	      "docker.io", "", "u:p");
	check("{\"auths\":{\"registry-1.docker.io\":{\"auth\":\"dTpw\"}}}",
	      "docker.io", "", "u:p");
	check("{\"auths\":{\"https://index.docker.io/v1/\":"
	      "{\"auth\":\"dTpw\"}}}",
	      "index.docker.com", "", "");
}

static void helpers_are_found(void **state)
{
	(void)state;
	check("{\"credHelpers\":{\"h.io\":\"one\"},\"credsStore\":\"all\","
	      "\"auths\":{\"h.io\":{\"auth\":\"dTpw\"},\"https://h.io\":{}}}",
	      "h.io", "one@h.io all@h.io all@https://h.io", "u:p");
	check("{\"credsStore\":\"all\"}", "h.io", "all@h.io", "");
	check("{\"credsStore\":\"all\"}", "docker.io",
	      "all@https://index.docker.io/v1/", "");
	check("{\"credsStore\":\"all\",\"auths\":{\"docker.io\":{}}}",
	      "docker.io", "all@docker.io", "");
	check("{\"credsStore\":\"../../bin/sh\"}", "h.io", "", "");
	check("{\"credHelpers\":{\"h.io\":\"a b\",\"https://h.io\":\"\"}}",
	      "h.io", "", "");
}

static void nonsense_is_passed_over(void **state)
{
	static const char *const bad[] = { "", "[]", "{", "5" };
	struct docker_entry e;

	(void)state;
	check("{\"auths\":5,\"credsStore\":{},\"credHelpers\":[]}", "h.io", "",
	      "");
	check("{\"auths\":{\"h.io\":{\"auth\":\"!!\"}}}", "h.io", "", "");
	check("{\"auths\":{\"h.io\":{\"auth\":\"dTpw\","
	      "\"identitytoken\":\"t\"}}}",
	      "h.io", "", "");
	check("{\"auths\":{\"h.io\":{\"username\":\"a:b\","
	      "\"password\":\"c\"}}}",
	      "h.io", "", "");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(docker_config_parse(bad[i], strlen(bad[i]),
						     "h.io", &e, NULL),
				 -EINVAL);
}

/* ---- helpers ------------------------------------------------------------- */

struct place {
	char path[64];
	int fd;
	char *old_path;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	char *path;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(p->path, sizeof(p->path), "/tmp/msb-docker-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	p->old_path = strdup(getenv("PATH"));
	path = str_fmt("%s:%s", p->path, p->old_path);
	assert_int_equal(setenv("PATH", path, 1), 0);
	assert_int_equal(setenv("DOCKER_CONFIG", p->path, 1), 0);
	free(path);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;

	assert_int_equal(setenv("PATH", p->old_path, 1), 0);
	assert_int_equal(io_remove_tree(AT_FDCWD, p->path), 0);
	close(p->fd);
	free(p->old_path);
	free(p);
	return 0;
}

static void helper(const struct place *p, const char *name, const char *script)
{
	char *text = str_fmt("#!/bin/sh\n%s\n", script);
	char *file = str_fmt("docker-credential-%s", name);

	assert_int_equal(
		io_write_file_at(p->fd, file, text, strlen(text), 0700), 0);
	free(file);
	free(text);
}

static void config(const struct place *p, const char *text)
{
	assert_int_equal(io_write_file_at(p->fd, "config.json", text,
					  strlen(text), 0600),
			 0);
}

/* It is asked as Docker would, and sees none of our descriptors. */
static void a_helper_is_asked(void **state)
{
	const struct place *p = *state;
	struct credential c;
	struct err note;

	helper(p, "ok",
	       "read -r server\n"
	       "[ \"$1\" = get ] && [ \"$server\" = h.io ] || exit 1\n"
	       "set -- /proc/self/fd/[3-9]*\n"
	       "[ -e \"$1\" ] && [ $# -gt 1 ] && exit 1\n"
	       "echo '{\"ServerURL\":\"h.io\",\"Username\":\"u\","
	       "\"Secret\":\"s\"}'");
	config(p, "{\"credsStore\":\"ok\"}");
	assert_int_equal(docker_config_find("h.io", &c, &note), 1);
	assert_string_equal(c.username, "u");
	assert_string_equal(c.password, "s");
	credential_fini(&c);
	assert_int_equal(docker_config_find("other.io", &c, &note), 0);
	assert_int_equal(note.kind, ERR_NONE);
}

/* What does not work is passed over, and told. */
static void odd_helpers_are_passed_over(void **state)
{
	static const struct {
		const char *script;
		int rc;
	} cases[] = {
		{ "exit 1", 0 },
		{ "echo '{\"Username\":\"<token>\",\"Secret\":\"x\"}'", 0 },
		{ "echo '{\"Username\":\"\",\"Secret\":\"\"}'", 0 },
		{ "echo garbage", -EPROTO },
		{ "exec 0<&-; echo '[]'", -EPROTO },
		{ "yes", -EFBIG },
		{ "kill -9 $$", 0 },
	};
	const struct place *p = *state;
	struct credential c;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		helper(p, "odd", cases[i].script);
		assert_int_equal(docker_helper_get("odd", "h.io", &c, &err),
				 cases[i].rc);
	}
	assert_int_equal(docker_helper_get("missing", "h.io", &c, &err),
			 -ENOENT);
	config(p, "{\"credHelpers\":{\"h.io\":\"missing\"},"
		  "\"auths\":{\"h.io\":{\"auth\":\"dTpw\"}}}");
	assert_int_equal(docker_config_find("h.io", &c, &err), 1);
	assert_string_equal(c.username, "u");
	credential_fini(&c);
	assert_int_equal(err.kind, ERR_IO);
}

static void files_of_docker_need_not_be_sound(void **state)
{
	const struct place *p = *state;
	struct credential c;
	struct err note;

	assert_int_equal(docker_config_find("h.io", &c, &note), 0);
	assert_int_equal(note.kind, ERR_NONE);
	config(p, "{");
	assert_int_equal(docker_config_find("h.io", &c, &note), 0);
	assert_int_equal(note.kind, ERR_INVALID);
	assert_int_equal(unlinkat(p->fd, "config.json", 0), 0);
	assert_int_equal(mkfifoat(p->fd, "config.json", 0600), 0);
	assert_int_equal(docker_config_find("h.io", &c, &note), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_found),
		cmocka_unit_test(helpers_are_found),
		cmocka_unit_test(nonsense_is_passed_over),
		cmocka_unit_test_setup_teardown(a_helper_is_asked, setup,
						teardown),
		cmocka_unit_test_setup_teardown(odd_helpers_are_passed_over,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			files_of_docker_need_not_be_sound, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
