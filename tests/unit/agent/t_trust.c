/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates put where the programs of a guest find them. */
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

#include "agent/trust.h"
#include "base/cleanup.h"
#include "base/io.h"

#define W(text) ((char[]){ text }) /* writable */
#define V(text) view_cstr(text)
#define CERT(body)                                                             \
	"-----BEGIN CERTIFICATE-----\n" body "\n-----END CERTIFICATE-----\n"
#define BEGIN "# >>> microsandbox certificates >>>\n"
#define END "# <<< microsandbox certificates <<<\n"
#define SECTION(text) BEGIN text END

/* --- the text --- */

static void expect(const char *text, const struct trust *t, const char *want)
{
	struct buf once, twice;

	buf_init(&once, 1 << 20);
	buf_init(&twice, 1 << 20);
	assert_int_equal(trust_merge(V(text), t, &once), 0);
	assert_string_equal(buf_cstr(&once), want);
	assert_int_equal(trust_merge(view_buf(&once), t, &twice), 0);
	assert_string_equal(buf_cstr(&twice), want);
	buf_fini(&once);
	buf_fini(&twice);
}

static void what_is_missing_is_added(void **state)
{
	const struct trust ca = { .ca = V(CERT("own")) };
	const struct trust both = { .ca = V(CERT("own")),
				    .host_cas = V(CERT("one") CERT("two")
							  CERT("own")) };
	const struct trust host = { .host_cas = V(CERT("one") CERT("two")) };

	(void)state;
	expect("", &ca, SECTION(CERT("own")));
	expect("x", &ca, "x\n" SECTION(CERT("own")));
	expect("x\n", &ca, "x\n" SECTION(CERT("own")));
	expect(CERT("a"), &ca, CERT("a") SECTION(CERT("own")));
	expect("", &both, SECTION(CERT("own") CERT("one") CERT("two")));
	expect(CERT("one"), &both,
	       CERT("one") SECTION(CERT("own") CERT("two")));
	expect("", &host, SECTION(CERT("one") CERT("two")));
}

static void what_is_there_is_not_added(void **state)
{
	const struct trust ca = { .ca = V(CERT("own")) };
	const struct trust host = { .host_cas = V(CERT("one") CERT("two")) };

	(void)state;
	expect(CERT("own"), &ca, CERT("own"));
	expect(CERT("a") "text\n" CERT("own") CERT("b"), &ca,
	       CERT("a") "text\n" CERT("own") CERT("b"));
	/* by the distribution's tools, and by us before that */
	expect(CERT("own") SECTION(CERT("own")), &ca, CERT("own"));
	expect(CERT("two") CERT("one"), &host, CERT("two") CERT("one"));
	/* no newline at the end: nothing is to be added behind it */
	expect("-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----",
	       &ca,
	       "-----BEGIN CERTIFICATE-----\nown\n-----END CERTIFICATE-----");
	expect("nothing at all", &(struct trust){ .ca = V("") },
	       "nothing at all");
}

static void what_is_stale_goes(void **state)
{
	const struct trust t = { .ca = V(CERT("new")),
				 .last_ca = V(CERT("old")) };
	const struct trust same = { .ca = V(CERT("old")),
				    .last_ca = V(CERT("old")) };

	(void)state;
	expect("a\n" SECTION(CERT("older")) "b\n", &t,
	       "a\nb\n" SECTION(CERT("new")));
	expect("a\n" CERT("old") "b\n", &t, "a\nb\n" SECTION(CERT("new")));
	expect(CERT("old"), &t, SECTION(CERT("new")));
	expect(CERT("old") CERT("old"), &t, SECTION(CERT("new")));
	expect(CERT("old"), &same, CERT("old"));
	/* only what is a line alone */
	expect(">" CERT("old"), &t, ">" CERT("old") SECTION(CERT("new")));
	expect(SECTION("") SECTION(CERT("x")), &t, SECTION(CERT("new")));
}

static void broken_sections_take_nothing_along(void **state)
{
	const struct trust t = { .ca = V(CERT("own")) };

	(void)state;
	expect(BEGIN CERT("a"), &t, CERT("a") SECTION(CERT("own")));
	expect(CERT("a") END, &t, CERT("a") SECTION(CERT("own")));
	expect(BEGIN CERT("a") BEGIN CERT("x") END CERT("b"), &t,
	       CERT("a") CERT("b") SECTION(CERT("own")));
	expect(END CERT("a") BEGIN, &t, CERT("a") SECTION(CERT("own")));
	expect("x" BEGIN CERT("a") END, &t,
	       "x" BEGIN CERT("a") SECTION(CERT("own")));
	expect("-----BEGIN CERTIFICATE-----\nown\n", &t,
	       "-----BEGIN CERTIFICATE-----\nown\n" SECTION(CERT("own")));
}

static void bytes_that_are_no_text(void **state)
{
	static const char bytes[] = "\xff\xfe\0\x80 latin1 \xe4\n\0";
	const struct trust t = { .ca = V(CERT("own")) };
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_int_equal(trust_merge((struct view){ (const uint8_t *)bytes,
						    sizeof(bytes) - 1 },
				     &t, &out),
			 0);
	assert_memory_equal(buf_data(&out), bytes, sizeof(bytes) - 1);
	assert_int_equal(buf_len(&out),
			 sizeof(bytes) - 1 + 1 + strlen(SECTION(CERT("own"))));
	buf_fini(&out);
	buf_init(&out, sizeof(bytes));
	assert_int_equal(trust_merge(V(bytes), &t, &out), -ENOSPC);
	buf_fini(&out);
}

/* --- files --- */

static char root[64];

static int make_root(void **state)
{
	(void)state;
	(void)umask(022);
	(void)snprintf(root, sizeof(root), "/tmp/msb-trust-XXXXXX");
	return mkdtemp(root) && chmod(root, 0755) == 0 ? 0 : -1;
}

static int remove_root(void **state)
{
	(void)state;
	return io_remove_tree(AT_FDCWD, root);
}

static const char *at(const char *path)
{
	static char text[4][256];
	static unsigned turn;
	char *p = text[turn++ % 4];

	(void)snprintf(p, sizeof(text[0]), "%s%s", root, path);
	return p;
}

static void put(const char *path, const char *text)
{
	char dir[256];

	(void)snprintf(dir, sizeof(dir), "%s", at(path));
	*strrchr(dir, '/') = 0;
	assert_int_equal(io_mkdir_p(AT_FDCWD, dir, 0755), 0);
	assert_int_equal(
		io_write_file_at(AT_FDCWD, at(path), text, strlen(text), 0644),
		0);
}

static void expect_file(const char *path, const char *want)
{
	autofree char *got = NULL;
	struct buf b;
	int fd = open(at(path), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		fail_msg("%s: %s", path, strerror(errno));
	buf_init(&b, 1 << 20);
	assert_int_equal(io_read_all(fd, &b), 0);
	(void)close(fd);
	got = buf_take_str(&b);
	assert_string_equal(got, want);
}

static void expect_mode(const char *path, mode_t mode)
{
	struct stat st;

	assert_int_equal(stat(at(path), &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void expect_env(struct strv *env, const char *bundle)
{
	assert_string_equal(strv_env_get(env, "SSL_CERT_FILE"), bundle);
	assert_string_equal(strv_env_get(env, "REQUESTS_CA_BUNDLE"), bundle);
	assert_string_equal(strv_env_get(env, "CURL_CA_BUNDLE"), bundle);
	assert_string_equal(strv_env_get(env, "NODE_EXTRA_CA_CERTS"),
			    "/.msb/tls/ca.pem");
	strv_fini(env);
}

static void a_root_without_anything(void **state)
{
	const struct bootspec spec = { .ca_pem = W(CERT("own")),
				       .host_cas_pem = W(CERT("one")) };
	struct strv env = { 0 };

	(void)state;
	trust_install(root, &spec, &env);
	expect_env(&env, "/etc/ssl/certs/ca-certificates.crt");
	expect_file("/etc/ssl/certs/ca-certificates.crt",
		    SECTION(CERT("own") CERT("one")));
	for (int i = 0; i < 2; i++) {
		const char *dir = i ? "/etc/pki/ca-trust/source/anchors"
				    : "/usr/local/share/ca-certificates";
		char path[128];

		expect_mode(dir, 0755);
		(void)snprintf(path, sizeof(path), "%s/microsandbox-ca.%s", dir,
			       i ? "pem" : "crt");
		expect_file(path, CERT("own"));
		expect_mode(path, 0644);
		(void)snprintf(path, sizeof(path), "%s/microsandbox-ca.%s", dir,
			       i ? "crt" : "pem");
		expect_file(path, CERT("own"));
		(void)snprintf(path, sizeof(path),
			       "%s/microsandbox-host-cas.%s", dir,
			       i ? "pem" : "crt");
		expect_file(path, CERT("one"));
	}
	expect_mode("/etc", 0755);
	expect_mode("/etc/pki", 0755);
	expect_mode("/etc/ssl/certs", 0755);
	expect_mode("/usr/local/share", 0755);
	expect_file("/.msb/tls/ca.pem", CERT("own"));
	expect_file("/.msb/tls/host-cas.pem", CERT("one"));
	assert_int_equal(access(at("/etc/pki/trust"), F_OK), -1);
	assert_int_equal(access(at("/etc/ca-certificates"), F_OK), -1);
}

static void distributions(void **state)
{
	/* the bundle, where a link at its well-known place leads, sources */
	static const struct {
		const char *file, *link, *target, *sources;
	} all[] = {
		{ "/etc/ssl/certs/ca-certificates.crt", NULL, NULL,
		  "/usr/local/share/ca-certificates" },
		{ "/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem",
		  "certs/ca-certificates.crt",
		  "/usr/local/share/ca-certificates" },
		{ "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
		  "/etc/pki/tls/certs/ca-bundle.crt",
		  "../../ca-trust/extracted/pem/tls-ca-bundle.pem",
		  "/etc/pki/ca-trust/source/anchors" },
		{ "/var/lib/ca-certificates/ca-bundle.pem",
		  "/etc/ssl/ca-bundle.pem",
		  "../../var/lib/ca-certificates/ca-bundle.pem",
		  "/etc/pki/trust/anchors" },
		{ "/etc/ca-certificates/extracted/tls-ca-bundle.pem",
		  "/etc/ssl/certs/ca-certificates.crt",
		  "../../ca-certificates/extracted/tls-ca-bundle.pem",
		  "/etc/ca-certificates/trust-source/anchors" },
		{ "/etc/ssl/cert.pem", NULL, NULL,
		  "/usr/local/share/ca-certificates" },
	};
	const struct bootspec spec = { .ca_pem = W(CERT("own")) };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct strv env = { 0 };
		struct stat st;

		assert_int_equal(remove_root(state), 0);
		assert_int_equal(make_root(state), 0);
		put(all[i].file, CERT("a"));
		assert_int_equal(chmod(at(all[i].file), 0444), 0);
		(void)snprintf(path, sizeof(path), "%s/x", all[i].sources);
		put(path, "");
		if (all[i].link) {
			put(all[i].link, "");
			assert_int_equal(unlink(at(all[i].link)), 0);
			assert_int_equal(
				symlink(all[i].target, at(all[i].link)), 0);
		}
		trust_install(root, &spec, &env);
		expect_env(&env, i == 2 || i == 3 || i == 4 ? all[i].link
							    : all[i].file);
		expect_file(all[i].file, CERT("a") SECTION(CERT("own")));
		expect_mode(all[i].file, 0444);
		if (all[i].link)
			assert_true(lstat(at(all[i].link), &st) == 0 &&
				    S_ISLNK(st.st_mode));
		(void)snprintf(path, sizeof(path), "%s/microsandbox-ca.crt",
			       all[i].sources);
		expect_file(path, CERT("own"));
	}
}

static void again_and_with_another_authority(void **state)
{
	struct bootspec spec = { .ca_pem = W(CERT("own")) };
	struct strv env = { 0 };
	struct stat before, after;

	(void)state;
	put("/etc/ssl/certs/ca-certificates.crt", CERT("a"));
	trust_install(root, &spec, &env);
	assert_int_equal(
		stat(at("/etc/ssl/certs/ca-certificates.crt"), &before), 0);
	trust_install(root, &spec, &env);
	assert_int_equal(stat(at("/etc/ssl/certs/ca-certificates.crt"), &after),
			 0);
	assert_true(before.st_ino == after.st_ino &&
		    before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
	/* as update-ca-certificates leaves it */
	put("/etc/ssl/certs/ca-certificates.crt", CERT("a") CERT("own"));
	trust_install(root, &spec, &env);
	expect_file("/etc/ssl/certs/ca-certificates.crt",
		    CERT("a") CERT("own"));
	spec.ca_pem = W(CERT("new"));
	trust_install(root, &spec, &env);
	expect_file("/etc/ssl/certs/ca-certificates.crt",
		    CERT("a") SECTION(CERT("new")));
	expect_file("/usr/local/share/ca-certificates/microsandbox-ca.crt",
		    CERT("new"));
	strv_fini(&env);
}

static void the_host_alone_sets_no_variables(void **state)
{
	const struct bootspec spec = { .host_cas_pem = W(CERT("one")) };
	struct strv env = { 0 };

	(void)state;
	put("/etc/ssl/cert.pem", CERT("a"));
	trust_install(root, &spec, &env);
	assert_int_equal(env.n, 0);
	expect_file("/etc/ssl/cert.pem", CERT("a") SECTION(CERT("one")));
	assert_int_equal(access(at("/.msb/tls/ca.pem"), F_OK), -1);
}

static void variables_of_the_user_stay(void **state)
{
	const struct bootspec spec = { .ca_pem = W(CERT("own")) };
	struct strv env = { 0 };

	(void)state;
	assert_int_equal(strv_add(&env, "SSL_CERT_FILE=/mine"), 0);
	assert_int_equal(strv_add(&env, "NODE_EXTRA_CA_CERTS="), 0);
	trust_install(root, &spec, &env);
	assert_string_equal(strv_env_get(&env, "SSL_CERT_FILE"), "/mine");
	assert_string_equal(strv_env_get(&env, "NODE_EXTRA_CA_CERTS"), "");
	assert_string_equal(strv_env_get(&env, "CURL_CA_BUNDLE"),
			    "/etc/ssl/certs/ca-certificates.crt");
	assert_int_equal(env.n, 4);
	strv_fini(&env);
}

static void nothing_to_trust_touches_nothing(void **state)
{
	const struct bootspec spec = { 0 };
	struct strv env = { 0 };

	(void)state;
	trust_install(root, &spec, &env);
	assert_int_equal(env.n, 0);
	assert_int_equal(rmdir(root), 0);
	assert_int_equal(mkdir(root, 0755), 0);
}

/* What is in the way: a directory, a FIFO, links to nowhere and in a ring. */
static void strange_roots(void **state)
{
	const struct bootspec spec = { .ca_pem = W(CERT("own")) };
	struct strv env = { 0 };

	(void)state;
	put("/etc/pki/ca-trust", "a file");
	put("/etc/ssl/certs/x", "");
	assert_int_equal(symlink("nowhere/at/all",
				 at("/etc/ssl/certs/ca-certificates.crt")),
			 0);
	put("/usr/local/share/ca-certificates/x", "");
	assert_int_equal(mkdir(at("/usr/local/share/ca-certificates/"
				  "microsandbox-ca.pem"),
			       0755),
			 0);
	assert_int_equal(mkfifo(at("/usr/local/share/ca-certificates/"
				   "microsandbox-ca.crt"),
				0644),
			 0);
	trust_install(root, &spec, &env);
	expect_env(&env, "/etc/ssl/certs/ca-certificates.crt");
	expect_file("/etc/ssl/certs/ca-certificates.crt", SECTION(CERT("own")));

	assert_int_equal(unlink(at("/etc/ssl/certs/ca-certificates.crt")), 0);
	assert_int_equal(symlink("ca-certificates.crt",
				 at("/etc/ssl/certs/ca-certificates.crt")),
			 0);
	trust_install(root, &spec, &env);
	expect_env(&env, "/etc/ssl/certs/ca-certificates.crt");
	expect_file("/etc/ssl/certs/ca-certificates.crt", SECTION(CERT("own")));

	assert_int_equal(unlink(at("/etc/ssl/certs/ca-certificates.crt")), 0);
	assert_int_equal(mkdir(at("/etc/ssl/certs/ca-certificates.crt"), 0755),
			 0);
	trust_install(root, &spec, &env);
	expect_env(&env, "/.msb/tls/ca-bundle.pem");
	expect_file("/.msb/tls/ca-bundle.pem", SECTION(CERT("own")));
}

int main(void)
{
#define IN_ROOT(f) cmocka_unit_test_setup_teardown(f, make_root, remove_root)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_missing_is_added),
		cmocka_unit_test(what_is_there_is_not_added),
		cmocka_unit_test(what_is_stale_goes),
		cmocka_unit_test(broken_sections_take_nothing_along),
		cmocka_unit_test(bytes_that_are_no_text),
		IN_ROOT(a_root_without_anything),
		IN_ROOT(distributions),
		IN_ROOT(again_and_with_another_authority),
		IN_ROOT(the_host_alone_sets_no_variables),
		IN_ROOT(variables_of_the_user_stay),
		IN_ROOT(nothing_to_trust_touches_nothing),
		IN_ROOT(strange_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
