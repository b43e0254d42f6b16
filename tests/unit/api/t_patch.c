/* SPDX-License-Identifier: Apache-2.0 */
/* Patches as a sandbox's configuration has them, and where they are kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api_int.h"
#include "protocol/patch.h"
#include "world.h"

static struct world *w;
static msb_config_t *c;
static struct cbor at; /* of the patches that have not been looked at */

static int setup(void **state)
{
	msb_error_t *e = NULL;

	w = world_make(NULL);
	*state = w;
	return msb_config_new(w->m, &c, &e);
}

static int teardown(void **state)
{
	(void)state;
	msb_config_free(c);
	world_free(w);
	return 0;
}

static msb_patch_t patch(msb_patch_kind_t kind, const char *path)
{
	return (msb_patch_t){ .struct_size = sizeof(msb_patch_t),
			      .kind = kind,
			      .path = path,
			      .mode = -1 };
}

static void taken(const msb_patch_t *p)
{
	msb_error_t *e = NULL;

	if (msb_config_add_patch(c, p, &e))
		print_error("%s\n", msb_error_text(e));
	assert_null(e);
}

static void refused(const msb_patch_t *p, msb_error_kind_t kind,
		    const char *want)
{
	msb_error_t *e = NULL;

	assert_true(msb_config_add_patch(c, p, &e) < 0);
	assert_int_equal(msb_error_kind(e), kind);
	if (!strstr(msb_error_message(e), want))
		print_error("'%s' lacks '%s'\n", msb_error_message(e), want);
	assert_non_null(strstr(msb_error_message(e), want));
	msb_error_free(e);
}

static void apply(const char *json)
{
	msb_error_t *e = NULL;

	if (msb_config_apply_json(c, json, strlen(json), &e))
		print_error("%s\n", msb_error_text(e));
	assert_null(e);
}

static void next(enum patch_kind kind, const char *path, const char *data,
		 unsigned mode, bool replace)
{
	struct patch p;

	assert_int_equal(patch_next(&at, &p), 1);
	assert_int_equal(p.kind, kind);
	assert_int_equal(p.path.len, strlen(path));
	assert_memory_equal(p.path.p, path, p.path.len);
	assert_int_equal(p.data.len, strlen(data));
	assert_memory_equal(p.data.p, data, p.data.len);
	if (kind != PATCH_APPEND && kind != PATCH_SYMLINK &&
	    kind != PATCH_REMOVE)
		assert_int_equal(p.mode, mode);
	assert_int_equal(p.replace, replace);
}

static void begin(void)
{
	cbor_init(&at, view_buf(&c->patches), NULL);
}

static void from_json(void **state)
{
	(void)state;
	apply("{\"patches\":["
	      "{\"kind\":\"text\",\"path\":\"//a/./b/\",\"content\":\"x\"},"
	      "{\"kind\":\"file\",\"path\":\"/f\",\"content_base64\":\"eXo=\","
	      "\"mode\":384,\"replace\":true},"
	      "{\"kind\":\"append\",\"path\":\"/f\",\"content\":\"\"},"
	      "{\"kind\":\"symlink\",\"path\":\"/l\",\"target\":\"../x\"},"
	      "{\"kind\":\"mkdir\",\"path\":\"/d:;\",\"mode\":448},"
	      "{\"kind\":\"remove\",\"path\":\"/d\"}]}");
	begin();
	next(PATCH_FILE, "/a/b", "x", 0644, false);
	next(PATCH_FILE, "/f", "yz", 0600, true);
	next(PATCH_APPEND, "/f", "", 0, false);
	next(PATCH_SYMLINK, "/l", "../x", 0, false);
	next(PATCH_MKDIR, "/d:;", "", 0700, false);
	next(PATCH_REMOVE, "/d", "", 0, false);
	assert_true(cbor_at_end(&at));
}

static void bad_json(void **state)
{
	static const struct {
		const char *patch, *want;
	} bad[] = {
		{ "{}", "patches[0].kind: is required" },
		{ "{\"kind\":\"chmod\"}", "patches[0].kind: 'chmod' is none" },
		{ "{\"kind\":\"mkdir\"}", "patches[0].path: is required" },
		{ "{\"kind\":\"text\",\"path\":\"/a\"}",
		  "patches[0]: needs one of: content" },
		{ "{\"kind\":\"text\",\"path\":\"/a\",\"content_base64\":\"\"}",
		  "patches[0].content_base64: is not for text patches" },
		{ "{\"kind\":\"file\",\"path\":\"/"
		  "a\",\"content_base64\":\"!\"}",
		  "patches[0].content_base64: is no Base64" },
		{ "{\"kind\":\"file\",\"path\":\"/a\",\"content\":\"\","
		  "\"content_base64\":\"\"}",
		  "patches[0]: content and content_base64 exclude" },
		{ "{\"kind\":\"mkdir\",\"path\":\"/a\",\"mode\":4096}",
		  "patches[0].mode: must be from 0 to 4095; got 4096" },
		{ "{\"kind\":\"mkdir\",\"path\":\"/a\",\"replace\":true}",
		  "patches[0]: patches of the kind mkdir do not take replace" },
		{ "{\"kind\":\"symlink\",\"path\":\"/a\",\"source\":\"x\"}",
		  "patches[0].source: is not for symlink patches" },
		{ "{\"kind\":\"mkdir\",\"path\":\"a\"}",
		  "patches[0]: guest path 'a' must be absolute" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *json = str_fmt("{\"patches\":[%s]}", bad[i].patch);
		msb_error_t *e = NULL;

		assert_true(msb_config_apply_json(c, json, strlen(json), &e) <
			    0);
		assert_int_equal(msb_error_kind(e), MSB_ERR_INVALID);
		if (strncmp(msb_error_message(e), bad[i].want,
			    strlen(bad[i].want)))
			print_error("'%s' is not '%s'\n", msb_error_message(e),
				    bad[i].want);
		assert_int_equal(strncmp(msb_error_message(e), bad[i].want,
					 strlen(bad[i].want)),
				 0);
		msb_error_free(e);
		free(json);
		assert_int_equal(buf_len(&c->patches), 0);
	}
}

static void bad_patches(void **state)
{
	static const char *const paths[] = { "/proc/x", "/sys",	   "/dev/null",
					     "/.msb/y", "/a/../b", "/",
					     "relative" };
	msb_patch_t p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		p = patch(MSB_PATCH_MKDIR, paths[i]);
		refused(&p, MSB_ERR_INVALID, paths[i]);
	}
	p = patch(MSB_PATCH_MKDIR, "/a");
	p.struct_size = 8;
	refused(&p, MSB_ERR_INVALID, "without a size");
	p = patch((msb_patch_kind_t)99, "/a");
	refused(&p, MSB_ERR_INVALID, "of a kind");
	p = patch(MSB_PATCH_SYMLINK, "/a");
	refused(&p, MSB_ERR_INVALID, "a symlink patch needs a source");
	p = patch(MSB_PATCH_APPEND, "/a");
	p.mode = 0600;
	refused(&p, MSB_ERR_INVALID, "of the kind append do not take a mode");
	p = patch(MSB_PATCH_FILE, "/a");
	p.len = 1;
	refused(&p, MSB_ERR_INVALID, "has a length");
	p = patch(MSB_PATCH_FILE, "/a");
	p.mode = 010644;
	refused(&p, MSB_ERR_INVALID, "permission bits only");
}

static void from_the_host(void **state)
{
	char file[160], dir[160], path[200];
	msb_patch_t p;

	(void)state;
	(void)snprintf(file, sizeof(file), "%s/file", w->base);
	(void)snprintf(dir, sizeof(dir), "%s/tree", w->base);
	world_file(file, "contents");
	assert_int_equal(chmod(file, 0751), 0);
	assert_int_equal(mkdir(dir, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/b", dir);
	assert_int_equal(mkdir(path, 0750), 0);
	(void)snprintf(path, sizeof(path), "%s/b/c", dir);
	world_file(path, "c");
	assert_int_equal(chmod(path, 0640), 0);
	(void)snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(symlink("/nowhere", path), 0);
	p = patch(MSB_PATCH_COPY_FILE, "/f");
	p.source = file;
	taken(&p);
	p.mode = 0600;
	p.replace = true;
	taken(&p);
	p = patch(MSB_PATCH_COPY_DIR, "/t");
	p.source = dir;
	p.replace = true;
	taken(&p);
	world_file(file, "changed"); /* too late */
	begin();
	next(PATCH_FILE, "/f", "contents", 0751, false);
	next(PATCH_FILE, "/f", "contents", 0600, true);
	next(PATCH_TREE, "/t", "", 0700, true);
	next(PATCH_SYMLINK, "/t/a", "/nowhere", 0, false);
	next(PATCH_MKDIR, "/t/b", "", 0750, false);
	next(PATCH_FILE, "/t/b/c", "c", 0640, false);
	assert_true(cbor_at_end(&at));
}

static void bad_sources(void **state)
{
	char fifo[160];
	msb_patch_t p = patch(MSB_PATCH_COPY_FILE, "/f");

	(void)state;
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", w->base);
	p.source = fifo;
	refused(&p, MSB_ERR_PATCH, "No such file");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refused(&p, MSB_ERR_PATCH, "/f: '");
	refused(&p, MSB_ERR_PATCH, "is not a regular file");
	p.source = w->base;
	refused(&p, MSB_ERR_PATCH, "is not a regular file");
	p = patch(MSB_PATCH_COPY_DIR, "/d");
	p.source = fifo;
	refused(&p, MSB_ERR_PATCH, "is not a directory");
	p.source = w->base; /* with that FIFO in it */
	refused(&p, MSB_ERR_PATCH, "fifo' is neither a file, a directory");
}

static void limits(void **state)
{
	msb_patch_t p = patch(MSB_PATCH_FILE, "/big");
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;
	char *data = calloc(1, MSB_PATCH_MAX_BYTES);

	(void)state;
	assert_non_null(data);
	p.data = data;
	p.len = MSB_PATCH_MAX_BYTES - 1;
	taken(&p);
	p.len = 2;
	refused(&p, MSB_ERR_INVALID, "more than 64 MiB together");
	p.len = 1;
	taken(&p);
	free(data);
	/* it has to fit into the guest's memory */
	assert_int_equal(msb_config_set_image(c, w->rootfs, &e), 0);
	assert_int_equal(msb_config_set_memory_mib(c, 128, &e), 0);
	assert_true(msb_sandbox_create(w->m, c, &s, &e) < 0);
	assert_non_null(strstr(msb_error_text(e),
			       "64 MiB of patches take a sandbox with 227"));
	msb_error_free(e);
}

static void kept_for_the_boot(void **state)
{
	msb_patch_t p = patch(MSB_PATCH_MKDIR, "/d");
	msb_sandbox_t *s = NULL;
	msb_error_t *e = NULL;
	char path[200];
	struct stat st;

	(void)state;
	taken(&p);
	assert_int_equal(msb_config_set_name(c, "box", &e), 0);
	assert_int_equal(msb_config_set_image(c, w->rootfs, &e), 0);
	assert_int_equal(msb_sandbox_create(w->m, c, &s, &e), 0);
	/* the stand-in for the runtime leaves them where they are */
	(void)snprintf(path, sizeof(path), "%s/sandboxes/box/patches.cbor",
		       w->home);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, buf_len(&c->patches));
	assert_int_equal(msb_sandbox_stop(s, 0, NULL, &e), 0);
	msb_sandbox_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(from_json, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_json, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_patches, setup, teardown),
		cmocka_unit_test_setup_teardown(from_the_host, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_sources, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
		cmocka_unit_test_setup_teardown(kept_for_the_boot, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
