/* SPDX-License-Identifier: Apache-2.0 */
/* The image worker's requests and events, there and back, and refused. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "image/worker.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

static int parse(const char *text, struct worker_request *r, struct err *err)
{
	return worker_request_parse(text, strlen(text), r, err);
}

static void requests_survive(void **state)
{
	static const struct worker_request pull = {
		.op = WORKER_PULL,
		.home = (char *)"/h",
		.config_home = (char *)"/c",
		.reference = (char *)"docker.io/library/a:b",
		.arch = (char *)"arm64",
		.always = true,
		.force = true,
		.insecure = true,
		.ca_certs = (char *)"/ca",
		.username = (char *)"ann",
		.password = (char *)"p\"w",
	};
	char *list[] = { (char *)"x/y:z", (char *)"q", NULL };
	const struct worker_request save = {
		.op = WORKER_SAVE,
		.home = (char *)"/h",
		.docker = true,
		.references = { .v = list, .n = 2 },
	};
	const struct worker_request fetch = {
		.op = WORKER_FETCH,
		.home = (char *)"/h",
		.url = (char *)"https://h/x",
		.document = true,
		.ca_certs = (char *)"/ca",
	};
	struct worker_request r;
	char *text = worker_request_format(&pull);

	(void)state;
	assert_int_equal(parse(text, &r, NULL), 0);
	assert_string_equal(r.reference, pull.reference);
	assert_string_equal(r.config_home, "/c");
	assert_string_equal(r.password, "p\"w");
	assert_string_equal(r.ca_certs, "/ca");
	assert_true(r.always && r.force && r.insecure);
	worker_request_fini(&r);
	free(text);
	text = worker_request_format(&save);
	assert_int_equal(parse(text, &r, NULL), 0);
	assert_int_equal(r.op, WORKER_SAVE);
	assert_true(r.docker);
	assert_int_equal(r.references.n, 2);
	assert_string_equal(r.references.v[1], "q");
	worker_request_fini(&r);
	free(text);
	text = worker_request_format(&fetch);
	assert_int_equal(parse(text, &r, NULL), 0);
	assert_int_equal(r.op, WORKER_FETCH);
	assert_string_equal(r.url, "https://h/x");
	assert_string_equal(r.ca_certs, "/ca");
	assert_true(r.document);
	worker_request_fini(&r);
	free(text);
	list[0] = (char *)"\xff";
	assert_null(worker_request_format(&save));
}

static void odd_requests_are_refused(void **state)
{
	static const char *const odd[] = {
		"",
		"[]",
		"{}",
		"{\"op\":\"push\",\"home\":\"/h\"}",
		"{\"op\":\"pull\",\"home\":\"/h\"}",
		"{\"op\":\"pull\",\"reference\":\"a\"}",
		"{\"op\":\"pull\",\"home\":\"h\",\"reference\":\"a\"}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"reference\":5}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"reference\":\"\"}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"reference\":\"a\",\"x\":1}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"reference\":\"a\","
		"\"format\":\"oci\"}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"reference\":\"a\","
		"\"force\":1}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"reference\":\"a\","
		"\"policy\":\"never\"}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"reference\":\"a\","
		"\"auth\":{\"username\":\"u\"}}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"home\":\"/h\","
		"\"reference\":\"a\"}",
		"{\"op\":\"save\",\"home\":\"/h\",\"references\":[\"a\"]}",
		"{\"op\":\"save\",\"home\":\"/h\",\"format\":\"tar\","
		"\"references\":[\"a\"]}",
		"{\"op\":\"save\",\"home\":\"/h\",\"format\":\"oci\","
		"\"references\":[1]}",
		"{\"op\":\"save\",\"home\":\"/h\",\"format\":\"oci\","
		"\"references\":[]}",
		"{\"op\":\"load\",\"home\":\"/h\",\"references\":\"a\"}",
		"{\"op\":\"fetch\",\"home\":\"/h\"}",
		"{\"op\":\"fetch\",\"home\":\"/h\",\"url\":\"\"}",
		"{\"op\":\"fetch\",\"home\":\"/h\",\"url\":\"x\","
		"\"document\":1}",
		"{\"op\":\"pull\",\"home\":\"/h\",\"reference\":\"a\","
		"\"url\":\"x\"}",
		"{\"op\":\"extract\",\"home\":\"/h\",\"url\":\"x\"}",
	};
	struct worker_request r;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		struct err err = { .kind = ERR_NONE };

		assert_int_equal(parse(odd[i], &r, &err), -EINVAL);
		assert_int_equal(err.kind, ERR_INVALID);
	}
}

static void check_event(const char *line)
{
	struct worker_event e;
	char *again;

	assert_int_equal(worker_event_parse(line, strlen(line), &e), 0);
	again = worker_event_format(&e);
	assert_string_equal(again, line);
	free(again);
	worker_event_fini(&e);
}

static void events_survive(void **state)
{
	(void)state;
	check_event("{\"resolving\":{\"reference\":\"a/b:c\"}}\n");
	check_event("{\"resolved\":{\"reference\":\"a\",\"manifest_digest\":"
		    "\"" DIGEST "\",\"layers\":[{\"digest\":\"" DIGEST "\","
		    "\"size\":5}],\"total\":5}}\n");
	check_event("{\"download\":{\"layer\":3,\"bytes\":1,\"total\":2}}\n");
	check_event("{\"unpack\":{\"layer\":0,\"bytes\":0,\"total\":2}}\n");
	check_event("{\"layer\":{\"layer\":1,\"state\":\"cached\"}}\n");
	check_event("{\"merging\":{}}\n");
	check_event("{\"note\":{\"message\":\"x\\ny\"}}\n");
	check_event("{\"done\":{\"images\":[{\"references\":[\"a\",\"b\"],"
		    "\"manifest_digest\":\"" DIGEST "\",\"cached\":true}],"
		    "\"bytes\":7}}\n");
	check_event("{\"error\":{\"kind\":\"image\",\"errno\":71,"
		    "\"message\":\"no\"}}\n");
}

static void odd_events_are_refused(void **state)
{
	static const char *const odd[] = {
		"",
		"{}",
		"{\"merging\":{},\"note\":{\"message\":\"\"}}",
		"{\"merging\":5}",
		"{\"else\":{}}",
		"{\"download\":{\"layer\":-1,\"bytes\":1,\"total\":2}}",
		"{\"download\":{\"layer\":512,\"bytes\":1,\"total\":2}}",
		"{\"download\":{\"layer\":1,\"total\":2}}",
		"{\"layer\":{\"layer\":1,\"state\":\"lost\"}}",
		"{\"resolved\":{\"reference\":\"a\",\"manifest_digest\":"
		"\"sha256:1\",\"layers\":[],\"total\":5}}",
		"{\"resolved\":{\"reference\":\"a\",\"manifest_digest\":"
		"\"" DIGEST "\",\"layers\":[{\"size\":1}],\"total\":5}}",
		"{\"done\":{\"images\":[{}],\"bytes\":1}}",
		"{\"done\":{\"images\":[{\"references\":[1]}],\"bytes\":1}}",
		"{\"error\":{\"kind\":\"none\",\"errno\":1,\"message\":\"\"}}",
		"{\"error\":{\"kind\":\"io\",\"errno\":-1,\"message\":\"\"}}",
	};
	struct worker_event e;

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++)
		assert_int_equal(worker_event_parse(odd[i], strlen(odd[i]), &e),
				 -EPROTO);
}

/* What a stranger sent is quoted, whatever its bytes are. */
static void any_message_can_be_told(void **state)
{
	struct worker_event e = { .type = WORKER_ERROR };
	char *line;

	(void)state;
	(void)err_set(&e.err, ERR_IMAGE, EPROTO, "bad \xff name");
	line = worker_event_format(&e);
	assert_non_null(line);
	worker_event_fini(&e);
	assert_int_equal(worker_event_parse(line, strlen(line), &e), 0);
	assert_int_equal(e.err.kind, ERR_IMAGE);
	assert_int_equal(e.err.sys, EPROTO);
	worker_event_fini(&e);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_survive),
		cmocka_unit_test(odd_requests_are_refused),
		cmocka_unit_test(events_survive),
		cmocka_unit_test(odd_events_are_refused),
		cmocka_unit_test(any_message_can_be_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
