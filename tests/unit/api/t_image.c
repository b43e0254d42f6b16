/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images: what the worker is asked, and what it says. The worker is a script
 * that keeps its request and says what the test tells it to.
 */
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

#include "api/image_int.h"
#include "base/buf.h"
#include "base/io.h"

static char base[64];
static msb_t *m;
static msb_error_t *e;

static void put(const char *name, const char *text, mode_t mode)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	assert_int_equal(
		io_write_file_at(AT_FDCWD, path, text, strlen(text), mode), 0);
}

/* malloc'ed contents of a file, NULL when there is none. */
static char *get(const char *name)
{
	char path[128], *text = NULL;
	struct buf b;

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	buf_init(&b, 1 << 20);
	if (!io_read_file_at(AT_FDCWD, path, &b))
		text = buf_take_str(&b);
	buf_fini(&b);
	return text;
}

/* What the worker does, as shell commands; $D is the test's directory. */
static void worker(const char *commands)
{
	char script[4096];

	(void)snprintf(script, sizeof(script),
		       "#!/bin/sh\nD=%s\ncat <&3 >$D/request\n%s\n", base,
		       commands);
	put("msb-image", script, 0700);
}

/* The worker says these lines and ends. */
static void worker_says(const char *lines)
{
	put("lines", lines, 0600);
	worker("cat $D/lines >&4");
}

static int setup(void **state)
{
	char home[96], settings[256];

	(void)state;
	(void)snprintf(base, sizeof(base), "/tmp/msb-unit-XXXXXX");
	assert_non_null(mkdtemp(base));
	(void)snprintf(home, sizeof(home), "%s/home", base);
	assert_int_equal(mkdir(home, 0700), 0);
	(void)snprintf(settings, sizeof(settings),
		       "{\"paths\":{\"runtime\":\"%s/msb-runtime\"}}", base);
	put("home/config.json", settings, 0600);
	e = NULL;
	assert_int_equal(msb_open(home, &m, &e), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	msb_close(m);
	return io_remove_tree(AT_FDCWD, base);
}

static void expect_error(int rc, msb_error_kind_t kind, const char *text)
{
	assert_true(rc < 0);
	assert_non_null(e);
	if (!strstr(msb_error_text(e), text))
		fail_msg("no '%s' in '%s'", text, msb_error_text(e));
	assert_int_equal(msb_error_kind(e), kind);
	msb_error_free(e);
	e = NULL;
}

static void expect_in_request(const char *part)
{
	char *request = get("request");

	assert_non_null(request);
	if (!strstr(request, part))
		fail_msg("no '%s' in '%s'", part, request);
	free(request);
}

static int pull(const msb_image_options_t *o)
{
	return msb_image_pull(m, "app", o, NULL, &e);
}

static void requests(void **state)
{
	msb_image_options_t *o = msb_image_options_new();
	char path[128];

	(void)state;
	assert_non_null(o);
	worker_says("");
	(void)pull(NULL);
	msb_error_free(e);
	e = NULL;
	expect_in_request("\"op\":\"pull\"");
	expect_in_request("\"reference\":\"docker.io/library/app:latest\"");
	(void)snprintf(path, sizeof(path), "\"home\":\"%s/home\"", base);
	expect_in_request(path);
	put("ca.pem", "", 0600);
	(void)snprintf(path, sizeof(path), "%s/ca.pem", base);
	assert_int_equal(msb_image_options_set_ca_certs(o, path, &e), 0);
	assert_int_equal(msb_image_options_set_login(o, "me", "s3cret", &e), 0);
	msb_image_options_set_policy(o, MSB_PULL_ALWAYS);
	msb_image_options_set_insecure(o, true);
	msb_image_options_set_force(o, true);
	(void)pull(o);
	msb_error_free(e);
	e = NULL;
	expect_in_request("\"policy\":\"always\"");
	expect_in_request("\"insecure\":true");
	expect_in_request("\"force\":true");
	expect_in_request("ca.pem\"");
	expect_in_request("\"s3cret\"");
	expect_error(msb_image_options_set_ca_certs(o, "/no/such", &e),
		     MSB_ERR_INVALID,
		     "failed to read CA certs from `/no/such`");
	expect_error(msb_image_options_set_login(o, "", "x", &e),
		     MSB_ERR_INVALID, "user name is empty");
	msb_image_options_free(o);
}

#define RESOLVED                                                               \
	"{\"resolved\":{\"reference\":\"docker.io/library/app:latest\","       \
	"\"manifest_digest\":\"sha256:"                                        \
	"00000000000000000000000000000000000000000000000000000000000000aa"     \
	"\",\"layers\":[{\"digest\":\"sha256:"                                 \
	"00000000000000000000000000000000000000000000000000000000000000bb"     \
	"\",\"size\":70},{\"digest\":\"sha256:"                                \
	"00000000000000000000000000000000000000000000000000000000000000cc"     \
	"\",\"size\":30}],\"total\":100}}\n"
#define DONE                                                                   \
	"{\"done\":{\"images\":[{\"references\":["                             \
	"\"docker.io/library/app:latest\"],\"manifest_digest\":\"sha256:"      \
	"00000000000000000000000000000000000000000000000000000000000000aa"     \
	"\",\"cached\":false}],\"bytes\":1}}\n"

static void nonsense_is_told(void **state)
{
	static const char *const cases[] = {
		"hello\n",
		"{}\n",
		"{\"done\":1}\n",
		/* a layer before there are any, and one that is not there */
		"{\"download\":{\"layer\":0,\"bytes\":1,\"total\":2}}\n",
		RESOLVED "{\"layer\":{\"layer\":2,\"state\":\"done\"}}\n",
		RESOLVED "{\"unpack\":{\"layer\":4000000000,\"bytes\":1,"
			 "\"total\":2}}\n",
		RESOLVED "{\"download\":{\"layer\":-1,\"bytes\":1,"
			 "\"total\":2}}\n",
		DONE "{\"merging\":{}}\n",
		DONE DONE,
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		worker_says(cases[i]);
		expect_error(pull(NULL), MSB_ERR_IMAGE,
			     "what msb-image says makes no sense");
	}
	worker("head -c 3000000 /dev/zero >&4");
	expect_error(pull(NULL), MSB_ERR_IMAGE, "makes no sense");
	worker("yes '{\"merging\":{}' | tr -d '\\n' | head -c 900000 >&4");
	expect_error(pull(NULL), MSB_ERR_IMAGE, "makes no sense");
}

static void a_worker_that_dies_is_told(void **state)
{
	(void)state;
	worker("exit 3");
	expect_error(pull(NULL), MSB_ERR_IMAGE,
		     "msb-image ended unexpectedly (status 3)");
	worker("cat $D/lines >&4; kill -SEGV $$");
	put("lines", RESOLVED, 0600);
	expect_error(pull(NULL), MSB_ERR_IMAGE, "(signal 11)");
	put("lines", "{\"merging\":{}}", 0600); /* no end of the line */
	worker("cat $D/lines >&4");
	expect_error(pull(NULL), MSB_ERR_IMAGE, "ended unexpectedly");
	worker_says(DONE); /* but nothing is there */
	expect_error(pull(NULL), MSB_ERR_IMAGE, "image not cached: app");
	put("msb-image", "", 0600);
	expect_error(pull(NULL), MSB_ERR_PERMISSION, "msb-image");
}

static void its_errors_are_ours(void **state)
{
	(void)state;
	worker_says("{\"error\":{\"kind\":\"permission\",\"errno\":13,"
		    "\"message\":\"the \\u001b[31mregistry refuses\"}}\n");
	expect_error(pull(NULL), MSB_ERR_PERMISSION,
		     "the ?[31mregistry refuses");
	worker_says(RESOLVED "{\"error\":{\"kind\":\"no_space\",\"errno\":28,"
			     "\"message\":\"full\"}}\n");
	assert_int_equal(pull(NULL), -ENOSPC);
	assert_int_equal(msb_error_errno(e), ENOSPC);
	expect_error(-1, MSB_ERR_NO_SPACE, "full");
}

struct seen {
	char kinds[64];
	size_t n, cancel_at;
};

static int look(void *ctx, const msb_image_event_t *ev)
{
	struct seen *s = ctx;

	assert_int_equal(ev->struct_size, sizeof(*ev));
	if (s->n < sizeof(s->kinds) - 1)
		s->kinds[s->n] = (char)('0' + (int)ev->kind);
	if (ev->kind == MSB_IMAGE_RESOLVED) {
		assert_int_equal(ev->layer_count, 2);
		assert_int_equal(ev->layer_bytes[0], 70);
		assert_int_equal(ev->layer_bytes[1], 30);
		assert_int_equal(ev->total, 100);
	}
	if (ev->kind == MSB_IMAGE_DOWNLOAD) {
		assert_int_equal(ev->layer, 1);
		assert_int_equal(ev->bytes, 15);
		assert_int_equal(ev->total, 30);
	}
	if (ev->kind == MSB_IMAGE_NOTE)
		assert_string_equal(ev->message, "again");
	s->n++;
	return s->n == s->cancel_at;
}

static void progress(void **state)
{
	msb_image_options_t *o = msb_image_options_new();
	struct seen s = { .n = 0 };

	(void)state;
	assert_non_null(o);
	msb_image_options_set_progress(o, look, &s);
	worker_says("{\"resolving\":{\"reference\":\"docker.io/library/"
		    "app:latest\"}}\n" RESOLVED
		    "{\"layer\":{\"layer\":0,\"state\":\"cached\"}}\n"
		    "{\"layer\":{\"layer\":1,\"state\":\"waiting\"}}\n"
		    "{\"download\":{\"layer\":1,\"bytes\":15,\"total\":30}}\n"
		    "{\"unpack\":{\"layer\":1,\"bytes\":15,\"total\":30}}\n"
		    "{\"note\":{\"message\":\"again\"}}\n"
		    "{\"layer\":{\"layer\":1,\"state\":\"done\"}}\n"
		    "{\"merging\":{}}\n"
		    "{\"error\":{\"kind\":\"image\",\"errno\":5,"
		    "\"message\":\"end\"}}\n");
	expect_error(pull(o), MSB_ERR_IMAGE, "end");
	assert_string_equal(s.kinds, "015423867");
	msb_image_options_free(o);
}

/* Whoever cancels does not wait for a worker that goes on for ever. */
static void cancelling(void **state)
{
	msb_image_options_t *o = msb_image_options_new();
	struct seen s = { .cancel_at = 2 };

	(void)state;
	assert_non_null(o);
	msb_image_options_set_progress(o, look, &s);
	put("lines", "{\"merging\":{}}\n{\"merging\":{}}\n{\"merging\":{}}\n",
	    0600);
	worker("cat $D/lines >&4; exec sleep 1000");
	assert_int_equal(pull(o), -ECANCELED);
	expect_error(-1, MSB_ERR_IMAGE, "cancelled");
	assert_int_equal(s.n, 2);
	msb_image_options_free(o);
}

static void files_are_handed_over(void **state)
{
	const char *names[] = { "one", "ghcr.io/two:v3" };
	char path[128], *text;
	int fd;

	(void)state;
	put("archive", "bytes", 0600);
	(void)snprintf(path, sizeof(path), "%s/archive", base);
	fd = open(path, O_RDWR | O_CLOEXEC);
	put("lines",
	    "{\"error\":{\"kind\":\"image\",\"errno\":5,"
	    "\"message\":\"end\"}}\n",
	    0600);
	worker("cat <&5 >$D/seen; cat $D/lines >&4");
	expect_error(msb_image_load(m, fd, "archive", names, 2, NULL, NULL, &e),
		     MSB_ERR_IMAGE, "end");
	text = get("seen");
	assert_string_equal(text, "bytes");
	free(text);
	expect_in_request("\"op\":\"load\"");
	expect_in_request("[\"docker.io/library/one:latest\","
			  "\"ghcr.io/two:v3\"]");
	expect_error(msb_image_save(m, names, 1, MSB_ARCHIVE_OCI, fd, NULL, &e),
		     MSB_ERR_IMAGE, "image not cached: one");
	expect_error(msb_image_save(m, names, 0, MSB_ARCHIVE_OCI, fd, NULL, &e),
		     MSB_ERR_INVALID, "no image to save");
	(void)close(fd);
}

static void an_empty_cache(void **state)
{
	msb_image_freed_t freed = { .struct_size = sizeof(freed) };
	msb_image_options_t *o = msb_image_options_new();
	msb_image_list_t *l;
	msb_image_t *img;

	(void)state;
	assert_non_null(o);
	worker("touch $D/started");
	assert_int_equal(msb_image_list(m, &l, &e), 0);
	assert_int_equal(msb_image_list_count(l), 0);
	assert_null(msb_image_list_item(l, 0));
	msb_image_list_free(l);
	expect_error(msb_image_get(m, "app", &img, &e), MSB_ERR_IMAGE_NOT_FOUND,
		     "image not found: app");
	expect_error(msb_image_remove(m, "app", true, &e),
		     MSB_ERR_IMAGE_NOT_FOUND, "image not found: app");
	expect_error(msb_image_remove(m, "App", true, &e), MSB_ERR_INVALID,
		     "invalid image reference");
	assert_int_equal(msb_image_prune(m, &freed, &e), 0);
	assert_int_equal(freed.references + freed.layers + freed.bytes, 0);
	msb_image_options_set_policy(o, MSB_PULL_NEVER);
	expect_error(pull(o), MSB_ERR_IMAGE, "image not cached: app");
	assert_null(get("started"));
	msb_image_options_free(o);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(requests),
		TEST(nonsense_is_told),
		TEST(a_worker_that_dies_is_told),
		TEST(its_errors_are_ours),
		TEST(progress),
		TEST(cancelling),
		TEST(files_are_handed_over),
		TEST(an_empty_cache),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
