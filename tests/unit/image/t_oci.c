/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests, indexes, configurations: what is read, and what is refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "image/oci.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "\"digest\":\"sha256:" HEX "\""
#define CONFIG                                                                 \
	"\"config\":{\"mediaType\":\"" OCI_MEDIA_CONFIG "\"," DIGEST           \
	",\"size\":7}"

static int parse(const char *text, struct oci_manifest *ret, struct err *err)
{
	err_clear(err);
	return oci_manifest_parse(text, strlen(text), ret, err);
}

static void manifests_are_read(void **state)
{
	static const char text[] =
		"{\"schemaVersion\":2," CONFIG ",\"layers\":["
		"{\"mediaType\":\"a/b+gzip\"," DIGEST ",\"size\":0},"
		"{\"digest\":\"sha512:" HEX HEX "\",\"size\":1099511627776,"
		"\"urls\":[\"http://x\"]}]}";
	struct err err = { 0 };
	struct oci_manifest m;

	(void)state;
	assert_int_equal(parse(text, &m, &err), 0);
	assert_int_equal(m.kind, OCI_MANIFEST);
	assert_string_equal(m.media_type, OCI_MEDIA_MANIFEST);
	assert_int_equal(m.config.size, 7);
	assert_int_equal(m.nlayers, 2);
	assert_string_equal(m.layers[0].media_type, "a/b+gzip");
	assert_string_equal(m.layers[1].media_type, "");
	assert_string_equal(m.layers[1].digest.text, "sha512:" HEX HEX);
	assert_int_equal(m.layers[1].size, 1ll << 40);
	oci_manifest_fini(&m);
}

static void indexes_are_read_and_chosen_from(void **state)
{
	static const char text[] =
		"{\"manifests\":["
		"{" DIGEST ",\"size\":1},"
		"{" DIGEST ",\"size\":2,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"amd64\"},\"annotations\":"
		"{\"vnd.docker.reference.type\":\"attestation-manifest\"}},"
		"{" DIGEST ",\"size\":3,\"platform\":{\"os\":\"unknown\","
		"\"architecture\":\"unknown\"}},"
		"{" DIGEST ",\"size\":4,\"mediaType\":\"x/attestation\","
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"amd64\"}},"
		"{" DIGEST ",\"size\":5,\"platform\":{\"os\":\"windows\","
		"\"architecture\":\"amd64\"}},"
		"{" DIGEST ",\"size\":6,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"arm64\",\"variant\":\"v8\"}},"
		"{" DIGEST ",\"size\":7,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"amd64\",\"os.version\":\"1\"},"
		"\"annotations\":{\"org.opencontainers.image.ref.name\":\"n\","
		"\"io.containerd.image.name\":\"f\"}},"
		"{" DIGEST ",\"size\":8,\"platform\":{\"os\":\"linux\","
		"\"architecture\":\"amd64\"}},"
		"{" DIGEST ",\"size\":9,\"platform\":{\"os\":"
		"\"a-name-that-is-longer-than-any-platform\","
		"\"architecture\":7}}]}";
	struct err err = { 0 };
	struct oci_manifest m;

	(void)state;
	assert_int_equal(parse(text, &m, &err), 0);
	assert_int_equal(m.kind, OCI_INDEX);
	assert_string_equal(m.media_type, OCI_MEDIA_INDEX);
	assert_int_equal(m.nentries, 9);
	assert_true(m.entries[1].attestation && m.entries[2].attestation &&
		    m.entries[3].attestation);
	assert_int_equal(oci_index_choose(&m, "amd64"), 6);
	assert_int_equal(oci_index_choose(&m, "arm64"), 5);
	assert_int_equal(oci_index_choose(&m, "riscv64"), -ENOENT);
	assert_string_equal(m.entries[5].platform.variant, "v8");
	assert_string_equal(m.entries[6].ref_name, "n");
	assert_string_equal(m.entries[6].full_name, "f");
	assert_null(m.entries[0].ref_name);
	assert_string_equal(m.entries[8].platform.os, "");
	oci_manifest_fini(&m);
}

static void wrong_manifests_are_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "not JSON" },
		{ "[]", "not an object" },
		{ "\"x\"", "not JSON" },
		{ "{}", "neither layers nor manifests" },
		{ "{" CONFIG "}", "'layers'" },
		{ "{" CONFIG ",\"layers\":{}}", "'layers'" },
		{ "{" CONFIG ",\"layers\":[],\"manifests\":[]}",
		  "an index as well" },
		{ "{" CONFIG ",\"layers\":[],\"layers\":[]}", "not JSON" },
		{ "{" CONFIG ",\"layers\":[]}x", "not JSON" },
		{ "{\"mediaType\":\"" OCI_MEDIA_INDEX "\"," CONFIG
		  ",\"layers\":[]}",
		  "'mediaType'" },
		{ "{\"mediaType\":7," CONFIG ",\"layers\":[]}", "'mediaType'" },
		{ "{\"mediaType\":\"a/b\"," CONFIG ",\"layers\":[]}",
		  "'a/b' is not a kind of image" },
		{ "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1" },
		{ "{\"schemaVersion\":3," CONFIG ",\"layers\":[]}",
		  "'schemaVersion'" },
		{ "{\"mediaType\":\"application/vnd.docker.distribution."
		  "manifest.v1+prettyjws\"}",
		  "schema 1" },
		{ "{\"layers\":[]}", "'config'" },
		{ "{\"config\":{" DIGEST ",\"size\":5000000},\"layers\":[]}",
		  "too large" },
		{ "{\"config\":{" DIGEST
		  ",\"size\":2,\"mediaType\":\"application/vnd.oci.empty."
		  "v1+json\"},\"layers\":[]}",
		  "not an image" },
		{ "{" CONFIG ",\"layers\":[7]}", "'layers'" },
		{ "{" CONFIG ",\"layers\":[{\"size\":1}]}", "no digest" },
		{ "{" CONFIG ",\"layers\":[{\"digest\":\"sha256:../x\","
		  "\"size\":1}]}",
		  "no digest" },
		{ "{" CONFIG ",\"layers\":[{" DIGEST "}]}", "no size" },
		{ "{" CONFIG ",\"layers\":[{" DIGEST ",\"size\":-1}]}",
		  "no size" },
		{ "{" CONFIG ",\"layers\":[{" DIGEST ",\"size\":1.5}]}",
		  "no size" },
		{ "{" CONFIG ",\"layers\":[{" DIGEST ",\"size\":\"1\"}]}",
		  "no size" },
		{ "{" CONFIG ",\"layers\":[{" DIGEST
		  ",\"size\":9223372036854775807}]}",
		  "no size" },
		{ "{" CONFIG ",\"layers\":[{" DIGEST
		  ",\"size\":99999999999999999999}]}",
		  "not JSON" },
		{ "{" CONFIG
		  ",\"layers\":[{\"mediaType\":\"x+encrypted\"," DIGEST
		  ",\"size\":1}]}",
		  "encrypted" },
		{ "{\"manifests\":[{}]}", "no digest" },
		{ "{\"manifests\":null}", "'manifests'" },
		{ "{\"x\":\"\xff\"}", "not JSON" },
		{ "{\"x\\u0000\":1}", "not JSON" },
	};
	struct oci_manifest m;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_true(parse(cases[i].text, &m, &err) < 0);
		assert_true(err.kind == ERR_IMAGE ||
			    err.kind == ERR_UNSUPPORTED);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("%s: %s", cases[i].text, err.msg);
	}
}

/* before, n times what is in the middle, after */
static char *repeat(const char *before, const char *middle, size_t n,
		    const char *after)
{
	size_t step = strlen(middle), at = strlen(before);
	char *text = malloc(at + n * step + strlen(after) + 1);

	assert_non_null(text);
	memcpy(text, before, at);
	for (size_t i = 0; i < n; i++, at += step)
		memcpy(text + at, middle, step);
	memcpy(text + at, after, strlen(after) + 1);
	return text;
}

static void sizes_are_bounded(void **state)
{
	static const struct {
		const char *before, *middle, *after;
		size_t most; /* that is accepted; 0: none */
		size_t refused;
	} cases[] = {
		{ "{" CONFIG ",\"layers\":[", "{" DIGEST ",\"size\":1},",
		  "{" DIGEST ",\"size\":1}]}", 511, 512 },
		{ "{\"manifests\":[", "{" DIGEST ",\"size\":1},",
		  "{" DIGEST ",\"size\":1}]}", 4095, 4096 },
		{ "{\"x\":", "[", "1", 0, 100000 },
		{ "{\"x\":", "[", "1", 0, 64 },
		{ "{\"manifests\":[],\"x\":[", "1,", "1]}", 199990, 200010 },
		{ "{\"manifests\":[],\"x\":\"", "y", "\"}", 4000000, 4194304 },
	};
	struct oci_manifest m;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err err = { 0 };
		char *text;

		if (cases[i].most) {
			text = repeat(cases[i].before, cases[i].middle,
				      cases[i].most, cases[i].after);
			assert_int_equal(parse(text, &m, &err), 0);
			oci_manifest_fini(&m);
			free(text);
		}
		text = repeat(cases[i].before, cases[i].middle,
			      cases[i].refused, cases[i].after);
		assert_true(parse(text, &m, &err) < 0);
		assert_int_equal(err.kind, ERR_IMAGE);
		free(text);
	}
}

static int parse_config(const char *text, struct oci_config *ret,
			struct err *err)
{
	err_clear(err);
	return oci_config_parse(text, strlen(text), ret, err);
}

static void configurations_are_read(void **state)
{
	static const char text[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"variant\":null,"
		"\"history\":[{}],\"config\":{\"Env\":[\"PATH=/bin\",\"A=\","
		"\"none\",\"=x\"],\"Entrypoint\":[\"/e\"],\"Cmd\":[\"a\",\"\"],"
		"\"WorkingDir\":\"/w\",\"User\":\"u:g\","
		"\"StopSignal\":\"SIGINT\",\"Labels\":{\"k\":\"v\",\"b\":\"\"},"
		"\"ExposedPorts\":{\"80/tcp\":{}},\"Volumes\":{\"/v\":{}},"
		"\"Healthcheck\":{\"Test\":[]}},\"rootfs\":{\"type\":"
		"\"layers\","
		"\"diff_ids\":[\"sha256:" HEX "\",\"sha256:" HEX "\"]}}";
	struct err err = { 0 };
	struct oci_config c;

	(void)state;
	assert_int_equal(parse_config(text, &c, &err), 0);
	assert_string_equal(c.os, "linux");
	assert_string_equal(c.arch, "amd64");
	assert_string_equal(c.variant, "");
	assert_int_equal(c.env.n, 2);
	assert_string_equal(c.env.v[1], "A=");
	assert_string_equal(c.entrypoint.v[0], "/e");
	assert_int_equal(c.cmd.n, 2);
	assert_string_equal(c.cmd.v[1], "");
	assert_string_equal(c.workdir, "/w");
	assert_string_equal(c.user, "u:g");
	assert_string_equal(c.stop_signal, "SIGINT");
	assert_string_equal(c.labels.v[0], "k=v");
	assert_string_equal(c.labels.v[1], "b=");
	assert_string_equal(c.exposed_ports.v[0], "80/tcp");
	assert_string_equal(c.volumes.v[0], "/v");
	assert_int_equal(c.ndiff_ids, 2);
	oci_config_fini(&c);

	/* Next to nothing, and null for everything. */
	assert_int_equal(
		parse_config("{\"rootfs\":{\"diff_ids\":[]}}", &c, &err), 0);
	assert_int_equal(c.ndiff_ids, 0);
	oci_config_fini(&c);
	assert_int_equal(parse_config("{\"config\":{\"Env\":null,\"Cmd\":null,"
				      "\"Entrypoint\":null,\"Labels\":null,"
				      "\"Volumes\":null,\"WorkingDir\":\"\","
				      "\"User\":null},\"rootfs\":{\"diff_ids\":"
				      "null}}",
				      &c, &err),
			 0);
	assert_null(c.workdir);
	assert_int_equal(c.env.n, 0);
	oci_config_fini(&c);
}

static void wrong_configurations_are_refused(void **state)
{
	static const char *const cases[] = {
		"[]",
		"{}",
		"{\"rootfs\":7}",
		"{\"rootfs\":{\"diff_ids\":7}}",
		"{\"rootfs\":{\"diff_ids\":[7]}}",
		"{\"rootfs\":{\"diff_ids\":[\"sha256:12\"]}}",
		"{\"os\":7,\"rootfs\":{}}",
		"{\"os\":\"an-operating-system-with-a-long-name\",\"rootfs\":{}"
		"}",
		"{\"config\":[],\"rootfs\":{}}",
		"{\"config\":{\"Env\":[7]},\"rootfs\":{}}",
		"{\"config\":{\"Env\":\"A=b\"},\"rootfs\":{}}",
		"{\"config\":{\"Cmd\":\"a b\"},\"rootfs\":{}}",
		"{\"config\":{\"Labels\":[\"a\"]},\"rootfs\":{}}",
		"{\"config\":{\"Labels\":{\"a\":7}},\"rootfs\":{}}",
		"{\"config\":{\"Volumes\":[\"/v\"]},\"rootfs\":{}}",
		"{\"config\":{\"User\":0},\"rootfs\":{}}",
	};
	struct oci_config c;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		if (parse_config(cases[i], &c, &err) >= 0)
			fail_msg("%s", cases[i]);
		assert_int_equal(err.kind, ERR_IMAGE);
	}
}

static void lists_of_a_configuration_are_bounded(void **state)
{
	static const char *const members[] = { "Env", "Cmd", "Entrypoint" };
	struct oci_config c;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
		char before[64], *text;

		(void)snprintf(before, sizeof(before), "{\"config\":{\"%s\":[",
			       members[i]);
		text = repeat(before, "\"a=b\",", 4095,
			      "\"c=d\"]},\"rootfs\":{\"diff_ids\":[]}}");
		assert_int_equal(parse_config(text, &c, &err), 0);
		oci_config_fini(&c);
		free(text);
		text = repeat(before, "\"a=b\",", 4096,
			      "\"c=d\"]},\"rootfs\":{\"diff_ids\":[]}}");
		assert_true(parse_config(text, &c, &err) < 0);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manifests_are_read),
		cmocka_unit_test(indexes_are_read_and_chosen_from),
		cmocka_unit_test(wrong_manifests_are_refused),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(configurations_are_read),
		cmocka_unit_test(wrong_configurations_are_refused),
		cmocka_unit_test(lists_of_a_configuration_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
