/* SPDX-License-Identifier: Apache-2.0 */
/* Registry settings: login, logout, list, and what a pull takes from them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "image/credentials.h"

struct home {
	char path[64];
	int fd;
};

static int setup(void **state)
{
	struct home *h = calloc(1, sizeof(*h));

	(void)snprintf(h->path, sizeof(h->path), "/tmp/msb-cred-XXXXXX");
	assert_non_null(mkdtemp(h->path));
	h->fd = open(h->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(h->fd >= 0);
	*state = h;
	return 0;
}

static int teardown(void **state)
{
	struct home *h = *state;

	close(h->fd);
	assert_int_equal(io_remove_tree(AT_FDCWD, h->path), 0);
	free(h);
	return 0;
}

static void put(const struct home *h, const char *name, const char *text,
		mode_t mode)
{
	assert_int_equal(
		io_write_file_at(h->fd, name, text, strlen(text), mode), 0);
}

static char *get(const struct home *h, const char *name)
{
	struct buf b;
	char *text;

	buf_init(&b, 1 << 20);
	assert_int_equal(io_read_file_at(h->fd, name, &b), 0);
	text = buf_take_str(&b);
	buf_fini(&b);
	assert_non_null(text);
	return text;
}

static void login_is_what_a_pull_takes(void **state)
{
	struct home *h = *state;
	struct registry_config c;
	struct stat st;
	char *text;

	put(h, "config.json", "{\"log_level\": \"info\"}", 0640);
	assert_int_equal(registry_login(h->fd, "localhost:5000", "ann",
					"s3 cret ", NULL),
			 0);
	assert_int_equal(
		fstatat(h->fd, "secrets/registries/localhost:5000", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(fstatat(h->fd, "secrets", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(fstatat(h->fd, "config.json", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	text = get(h, "config.json");
	assert_non_null(strstr(text, "\"log_level\": \"info\""));
	assert_null(strstr(text, "s3"));
	free(text);
	assert_int_equal(
		registry_config_load(h->fd, "localhost:5000", &c, NULL), 0);
	assert_string_equal(c.auth.username, "ann");
	assert_string_equal(c.auth.password, "s3 cret ");
	registry_config_fini(&c);
	assert_int_equal(registry_config_load(h->fd, "localhost", &c, NULL), 0);
	assert_null(c.auth.username);
	registry_config_fini(&c);
}

static void all_names_of_docker_are_one(void **state)
{
	struct home *h = *state;
	struct registry_config c;
	struct registry_entry *list;
	size_t n;
	bool found;

	put(h, "config.json",
	    "{\"registries\":{\"hosts\":{\"https://index.docker.io/v1/\":"
	    "{\"auth\":{\"username\":\"old\",\"secret_name\":\"x\"}}}}}",
	    0600);
	assert_int_equal(registry_login(h->fd, "https://index.docker.io/v1/",
					"bob", "pw", NULL),
			 0);
	assert_int_equal(registry_config_load(h->fd, "docker.io", &c, NULL), 0);
	assert_string_equal(c.auth.username, "bob");
	registry_config_fini(&c);
	assert_int_equal(registry_list(h->fd, &list, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_string_equal(list[0].host, "docker.io");
	registry_list_free(list, n);
	assert_int_equal(
		registry_logout(h->fd, "registry-1.docker.io", &found, NULL),
		0);
	assert_true(found);
	assert_int_equal(
		faccessat(h->fd, "secrets/registries/docker.io", F_OK, 0), -1);
	assert_int_equal(registry_logout(h->fd, "docker.io", &found, NULL), 0);
	assert_false(found);
}

static void list_is_sorted_and_names_sources(void **state)
{
	static const char *const want[][3] = {
		{ "a.io", "u", "keyring" },	 { "b.io", "u", "secret_name" },
		{ "c.io", "", "unset" },	 { "d.io", "u", "multiple" },
		{ "e.io", "u", "password_env" },
	};
	struct home *h = *state;
	struct registry_entry *list;
	size_t n;

	assert_int_equal(registry_list(h->fd, &list, &n, NULL), 0);
	assert_int_equal(n, 0);
	registry_list_free(list, n);
	put(h, "config.json",
	    "{\"registries\":{\"hosts\":{"
	    "\"d.io\":{\"auth\":{\"username\":\"u\",\"store\":\"keyring\","
	    "\"secret_name\":\"x\"}},"
	    "\"c.io\":{\"auth\":{}},\"z.io\":{\"insecure\":true},"
	    "\"b.io\":{\"auth\":{\"username\":\"u\",\"secret_name\":\"b\"}},"
	    "\"a.io\":{\"auth\":{\"username\":\"u\",\"store\":\"keyring\"}}},"
	    "\"auth\":{\"e.io\":{\"username\":\"u\",\"password_env\":\"E\"},"
	    "\"b.io\":{\"username\":\"other\",\"password_env\":\"E\"}}}}",
	    0600);
	assert_int_equal(registry_list(h->fd, &list, &n, NULL), 0);
	assert_int_equal(n, 5);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(list[i].host, want[i][0]);
		assert_string_equal(list[i].username, want[i][1]);
		assert_string_equal(list[i].source, want[i][2]);
	}
	registry_list_free(list, n);
}

/* The settings of host h.io are refused, with this in the message. */
static void refused(const struct home *h, const char *auth, const char *part)
{
	struct registry_config c;
	struct err err;
	char text[512];

	(void)snprintf(text, sizeof(text),
		       "{\"registries\":{\"hosts\":{\"h.io\":{\"auth\":%s}}}}",
		       auth);
	put(h, "config.json", text, 0600);
	assert_true(registry_config_load(h->fd, "h.io", &c, &err) < 0);
	if (!strstr(err.msg, part))
		fail_msg("'%s' does not say '%s'", err.msg, part);
}

static void unusable_entries_say_why(void **state)
{
	struct home *h = *state;

	(void)unsetenv("MSB_TEST_NO_SUCH");
	refused(h, "{\"username\":\"u\"}", "needs password_env");
	refused(h, "{\"secret_name\":\"u\"}", "needs a username");
	refused(h, "{\"username\":\"u\",\"store\":\"keyring\"}", "keyring");
	refused(h,
		"{\"username\":\"u\",\"secret_name\":\"a\","
		"\"password_env\":\"B\"}",
		"more than one");
	refused(h, "{\"username\":\"u\",\"password_env\":\"MSB_TEST_NO_SUCH\"}",
		"no MSB_TEST_NO_SUCH");
	refused(h, "{\"username\":\"u\",\"secret_name\":\"../../x\"}",
		"unsafe");
	refused(h, "{\"username\":\"u\",\"secret_name\":\"gone\"}",
		"cannot read the password");
	assert_int_equal(io_mkdir_p(h->fd, "secrets/registries", 0700), 0);
	put(h, "secrets/registries/open", "pw\n", 0644);
	refused(h, "{\"username\":\"u\",\"secret_name\":\"open\"}",
		"chmod 600");
	put(h, "secrets/registries/void", "\r\n", 0600);
	refused(h, "{\"username\":\"u\",\"secret_name\":\"void\"}", "is empty");
}

static void environment_and_flags_are_read(void **state)
{
	struct home *h = *state;
	struct registry_config c;

	assert_int_equal(setenv("MSB_TEST_PASSWORD", "from env", 1), 0);
	put(h, "config.json",
	    "{\"registries\":{\"ca_certs\":\"/x/ca.pem\",\"hosts\":{\"h.io\":"
	    "{\"insecure\":true,\"auth\":{\"username\":\"u\","
	    "\"password_env\":\"MSB_TEST_PASSWORD\"}}}}}",
	    0600);
	assert_int_equal(registry_config_load(h->fd, "h.io", &c, NULL), 0);
	assert_true(c.insecure);
	assert_string_equal(c.ca_certs, "/x/ca.pem");
	assert_string_equal(c.auth.password, "from env");
	registry_config_fini(&c);
	assert_int_equal(registry_config_load(h->fd, "other.io", &c, NULL), 0);
	assert_false(c.insecure);
	registry_config_fini(&c);
	put(h, "config.json", "{\"registries\":{\"ca_certs\":\"ca.pem\"}}",
	    0600);
	assert_true(registry_config_load(h->fd, "h.io", &c, NULL) < 0);
	put(h, "config.json",
	    "{\"registries\":{\"hosts\":{\"h.io\":{\"insecure\":1}}}}", 0600);
	assert_true(registry_config_load(h->fd, "h.io", &c, NULL) < 0);
	put(h, "config.json", "{", 0600);
	assert_true(registry_config_load(h->fd, "h.io", &c, NULL) < 0);
}

static void bad_logins_leave_nothing(void **state)
{
	static const char *const hosts[] = { "",     "../x", "a b",
					     ".h",   "h/x/", "-h",
					     "h\nx", "h/v1", "https://" };
	struct home *h = *state;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++)
		assert_int_equal(
			registry_login(h->fd, hosts[i], "u", "p", NULL),
			-EINVAL);
	assert_int_equal(registry_login(h->fd, "h", "", "p", NULL), -EINVAL);
	assert_int_equal(registry_login(h->fd, "h", "a:b", "p", NULL), -EINVAL);
	assert_int_equal(registry_login(h->fd, "h", "u", "", NULL), -EINVAL);
	assert_int_equal(registry_login(h->fd, "h", "u", "a\nb", NULL),
			 -EINVAL);
	assert_int_equal(faccessat(h->fd, "secrets", F_OK, 0), -1);
	put(h, "config.json", "{\"registries\": 5}", 0600);
	assert_int_equal(registry_login(h->fd, "h", "u", "p", NULL), -EINVAL);
	assert_int_equal(faccessat(h->fd, "secrets/registries/h", F_OK, 0), -1);
}

/* The settings cannot be written: the earlier password is there again. */
static void failed_login_restores_the_password(void **state)
{
	struct home *h = *state;
	struct registry_config c;

	assert_int_equal(registry_login(h->fd, "h", "u", "first", NULL), 0);
	assert_int_equal(mkdirat(h->fd, "config.json.tmp", 0700), 0);
	assert_true(registry_login(h->fd, "h", "u", "second", NULL) < 0);
	assert_int_equal(registry_config_load(h->fd, "h", &c, NULL), 0);
	assert_string_equal(c.auth.password, "first");
	registry_config_fini(&c);
	assert_true(registry_login(h->fd, "new", "u", "p", NULL) < 0);
	assert_int_equal(faccessat(h->fd, "secrets/registries/new", F_OK, 0),
			 -1);
}

static void a_linked_settings_file_stays_a_link(void **state)
{
	struct home *h = *state;
	struct stat st;

	put(h, "real.json", "{}", 0600);
	assert_int_equal(symlinkat("real.json", h->fd, "config.json"), 0);
	assert_int_equal(registry_login(h->fd, "h", "u", "p", NULL), 0);
	assert_int_equal(
		fstatat(h->fd, "config.json", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	free(get(h, "real.json"));
	assert_int_equal(fstatat(h->fd, "real.json", &st, 0), 0);
	assert_true(st.st_size > 10);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(login_is_what_a_pull_takes),
		TEST(all_names_of_docker_are_one),
		TEST(list_is_sorted_and_names_sources),
		TEST(unusable_entries_say_why),
		TEST(environment_and_flags_are_read),
		TEST(bad_logins_leave_nothing),
		TEST(failed_login_restores_the_password),
		TEST(a_linked_settings_file_stays_a_link),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
