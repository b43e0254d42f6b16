/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: defaults, canonical and short form, refusals. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "image/reference.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void references_have_one_canonical_form(void **state)
{
	static const struct {
		const char *text, *canonical, *shortened;
	} cases[] = {
		{ "alpine", "docker.io/library/alpine:latest", "alpine" },
		{ "alpine:3.19", "docker.io/library/alpine:3.19",
		  "alpine:3.19" },
		{ "docker.io/alpine", "docker.io/library/alpine:latest",
		  "alpine" },
		{ "index.docker.io/library/alpine",
		  "docker.io/library/alpine:latest", "alpine" },
		{ "library/alpine", "docker.io/library/alpine:latest",
		  "alpine" },
		{ "org/app", "docker.io/org/app:latest", "org/app" },
		{ "localhost/app", "localhost/app:latest", "localhost/app" },
		{ "localhost:5000/a/b:v1", "localhost:5000/a/b:v1",
		  "localhost:5000/a/b:v1" },
		{ "localhost:5000", "docker.io/library/localhost:5000",
		  "localhost:5000" },
		{ "GHCR.io/org/app:V1", "ghcr.io/org/app:V1",
		  "ghcr.io/org/app:V1" },
		{ "[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a" },
		{ "alpine@sha256:" HEX64,
		  "docker.io/library/alpine@sha256:" HEX64,
		  "alpine@sha256:" HEX64 },
		{ "alpine:3@sha256:" HEX64,
		  "docker.io/library/alpine:3@sha256:" HEX64,
		  "alpine:3@sha256:" HEX64 },
		{ "alpine:latest@sha256:" HEX64,
		  "docker.io/library/alpine:latest@sha256:" HEX64,
		  "alpine:latest@sha256:" HEX64 },
		{ "docker.io/foo.bar/x", "docker.io/foo.bar/x:latest",
		  "docker.io/foo.bar/x" },
		{ "docker.io/library/a/b", "docker.io/library/a/b:latest",
		  "library/a/b" },
		{ "a__b/c-d--e.f_g", "docker.io/a__b/c-d--e.f_g:latest",
		  "a__b/c-d--e.f_g" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct image_ref r, again;
		char *canonical, *shortened, *text;

		assert_int_equal(image_ref_parse(cases[i].text, &r, NULL), 0);
		canonical = image_ref_canonical(&r);
		shortened = image_ref_short(&r);
		assert_string_equal(canonical, cases[i].canonical);
		assert_string_equal(shortened, cases[i].shortened);
		assert_int_equal(image_ref_parse(shortened, &again, NULL), 0);
		text = image_ref_canonical(&again);
		assert_string_equal(text, canonical);
		free(text);
		free(canonical);
		free(shortened);
		image_ref_fini(&again);
		image_ref_fini(&r);
	}
}

static void parts_are_told_apart(void **state)
{
	struct image_ref r;

	(void)state;
	assert_int_equal(image_ref_parse("h.x:1/a/b:t@sha256:" HEX64, &r, NULL),
			 0);
	assert_string_equal(r.registry, "h.x:1");
	assert_string_equal(r.repository, "a/b");
	assert_string_equal(r.tag, "t");
	assert_true(r.has_digest);
	assert_string_equal(r.digest.text, "sha256:" HEX64);
	assert_string_equal(image_ref_api_host(&r), "h.x:1");
	image_ref_fini(&r);
	assert_int_equal(image_ref_parse("a@sha256:" HEX64, &r, NULL), 0);
	assert_null(r.tag);
	assert_string_equal(image_ref_api_host(&r), "registry-1.docker.io");
	image_ref_fini(&r);
}

static void other_texts_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"Alpine",
		"a b",
		"a\n",
		"\xc3\xa4",
		"/a",
		"a/",
		"a//b",
		"a:",
		"a:b:c",
		":t",
		"@sha256:" HEX64,
		"a@sha256:12",
		"a@",
		"a@b@sha256:" HEX64,
		"a..b",
		"a___b",
		"-a",
		"a-",
		".a/b",
		"../b",
		"x.y/../../b",
		"a/.",
		"a:-t",
		"a:.t",
		"a:t/x",
		"x.y:0/a",
		"x.y:65536/a",
		"x.y:/a",
		"x.y:1a/a",
		"-x.y/a",
		"x..y/a",
		"x.y-/a",
		"x.-y/a",
		"[::1/a",
		"[x]:1/a",
		"a:t@sha256:x",
		"localhost/",
		"./a",
		"~a",
		"http://x.y/a",
		"a\\b",
		"x.y:00000001/a",
		"a:t@sha256:" HEX64 "0",
	};
	struct image_ref r;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct err err = { 0 };

		assert_int_equal(image_ref_parse(bad[i], &r, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_INVALID);
	}
	/* It has no slash, so it is a repository. */
	assert_int_equal(image_ref_parse("docker.io", &r, NULL), 0);
	assert_string_equal(r.repository, "library/docker.io");
	image_ref_fini(&r);
}

static void lengths_are_bounded(void **state)
{
	struct image_ref r;
	char text[4096];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = 0;
	assert_int_equal(image_ref_parse(text, &r, NULL), -EINVAL);
	text[256] = 0; /* a repository, too long */
	assert_int_equal(image_ref_parse(text, &r, NULL), -EINVAL);
	text[255] = 0; /* and one that "library/" makes too long */
	assert_int_equal(image_ref_parse(text, &r, NULL), -EINVAL);
	text[247] = 0;
	assert_int_equal(image_ref_parse(text, &r, NULL), 0);
	image_ref_fini(&r);
	text[247] = 'a';
	text[1] = ':';
	text[2 + 129] = 0;
	assert_int_equal(image_ref_parse(text, &r, NULL), -EINVAL);
	text[2 + 128] = 0;
	assert_int_equal(image_ref_parse(text, &r, NULL), 0);
	assert_int_equal(strlen(r.tag), 128);
	image_ref_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_have_one_canonical_form),
		cmocka_unit_test(parts_are_told_apart),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(lengths_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
