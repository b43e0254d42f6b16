/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 between real peers: what the server gets of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "h2_bench.h"

#define ASK(b, ...)                                                            \
	bench_ask(b, (const nghttp2_nv[]){ __VA_ARGS__ },                      \
		  sizeof((const nghttp2_nv[]){ __VA_ARGS__ }) /                \
			  sizeof(nghttp2_nv),                                  \
		  NULL, 0)
#define ASK_WITH(b, body, len, ...)                                            \
	bench_ask(b, (const nghttp2_nv[]){ __VA_ARGS__ },                      \
		  sizeof((const nghttp2_nv[]){ __VA_ARGS__ }) /                \
			  sizeof(nghttp2_nv),                                  \
		  body, len)

static void test_requests_arrive(void **state MSB_UNUSED)
{
	struct bench b;

	bench_init(&b, 0);
	bench_connect(&b, NULL, 0, NULL);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(ASK(&b, REQUEST("GET", "/a/b?c=d"),
				     FIELD("user-agent", "test"),
				     FIELD("cookie", "a=b"),
				     FIELD("host", HOST ":443")),
				 0);
	assert_int_equal(b.answered, 20);
	assert_int_equal(b.nseen, 20);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(bench_saw(&b.seen[i], ":method: GET"));
		assert_true(bench_saw(&b.seen[i], ":path: /a/b?c=d"));
		assert_true(bench_saw(&b.seen[i], ":authority: " HOST));
		assert_true(bench_saw(&b.seen[i], "user-agent: test"));
		assert_true(b.seen[i].ended);
	}
	bench_fini(&b);
}

/* "user:$MSB_KEY" and "user:s3cret/value+" */
#define BASIC "Basic dXNlcjokTVNCX0tFWQ=="
#define BASIC_VALUE "Basic dXNlcjpzM2NyZXQvdmFsdWUr"

static void test_secrets_get_in(void **state MSB_UNUSED)
{
	static const size_t cuts[] = { 0, 1, 2, 3, 7, 10, 100 };
	struct bench b;

	for (size_t i = 0; i < ARRAY_SIZE(cuts); i++) {
		bench_init(&b, 0);
		b.cut = cuts[i];
		bench_connect(&b, NULL, 0, NULL);
		for (unsigned turn = 0; turn < 3; turn++) {
			const struct seen *s;

			assert_int_equal(
				ASK(&b,
				    REQUEST("GET", "/" KEY "?x=" KEY "&y=1"),
				    FIELD("authorization", BASIC),
				    FIELD("x-key", "a " KEY " b " KEY),
				    FIELD("x-plain", "plain")),
				0);
			s = bench_last(&b);
			assert_true(bench_saw(s, ":path: /" KEY "?x=" KEY_VALUE
						 "&y=1 !"));
			assert_true(bench_saw(s, "authorization: " BASIC_VALUE
						 " !"));
			assert_true(bench_saw(s, "x-key: a " KEY_VALUE
						 " b " KEY_VALUE " !"));
			assert_true(bench_saw(s, "x-plain: plain"));
		}
		assert_int_equal(b.answered, 3);
		bench_fini(&b);
	}
}

static void test_bearer_is_a_header(void **state MSB_UNUSED)
{
	struct bench b;

	bench_init(&b, 0);
	bench_connect(&b, NULL, 0, NULL);
	assert_int_equal(ASK(&b, REQUEST("GET", "/"),
			     FIELD("authorization", "Bearer " KEY)),
			 0);
	assert_true(bench_saw(bench_last(&b),
			      "authorization: Bearer " KEY_VALUE " !"));
	bench_fini(&b);
}

/* A value that a query cannot have as it is. */
static void test_query_is_encoded(void **state MSB_UNUSED)
{
	struct bench b;

	bench_init(&b, 0);
	bench_connect(&b, NULL, 0, NULL);
	assert_int_equal(ASK(&b, REQUEST("GET", "/?k=" BLANK "&l=%20")), 0);
	assert_true(bench_saw(bench_last(&b), ":path: /?k=%20blank&l=%20 !"));
	bench_fini(&b);
}

/* The server asks for another table; the client's next block says so. */
static void test_header_table(void **state MSB_UNUSED)
{
	static const uint32_t sizes[] = { 0, 100, 4096, 65536 };
	nghttp2_option *option;
	struct bench b;
	char value[300];

	assert_int_equal(nghttp2_option_new(&option), 0);
	nghttp2_option_set_max_deflate_dynamic_table_size(option, 65536);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		nghttp2_settings_entry e = { NGHTTP2_SETTINGS_HEADER_TABLE_SIZE,
					     sizes[i] };

		bench_init(&b, 0);
		bench_connect(&b, &e, 1, option);
		for (unsigned turn = 0; turn < 60; turn++) {
			if (turn == 30) {
				e.value = sizes[ARRAY_SIZE(sizes) - 1 - i];
				nghttp2_submit_settings(b.server, 0, &e, 1);
				assert_int_equal(bench_pump(&b), 0);
			}
			memset(value, 'a' + (int)(turn % 26), sizeof(value));
			value[sizeof(value) - 1] = 0;
			assert_int_equal(ASK(&b, REQUEST("GET", "/"),
					     FIELD("x-long", value),
					     FIELD("x-key", KEY)),
					 0);
			assert_true(bench_saw(bench_last(&b),
					      "x-key: " KEY_VALUE " !"));
		}
		assert_int_equal(b.answered, 60);
		bench_fini(&b);
	}
	nghttp2_option_del(option);
}

/* Lists that take several frames, before or after the secrets are in. */
static void test_long_lists(void **state MSB_UNUSED)
{
	char *value = calloc(1, 20000);
	struct bench b;

	assert_non_null(value);
	memset(value, '~', 19999); /* longer by Huffman's code */
	for (unsigned pad = 0; pad <= 200; pad += 200) {
		bench_init(&b, 0);
		b.pad = pad;
		bench_connect(&b, NULL, 0, NULL);
		assert_int_equal(ASK(&b, REQUEST("GET", "/"),
				     FIELD("x-a", value), FIELD("x-b", value),
				     FIELD("x-key", KEY)),
				 0);
		assert_true(
			bench_saw(bench_last(&b), "x-key: " KEY_VALUE " !"));
		assert_true(buf_len(&bench_last(&b)->head) > 40000);
		/* nghttp2 has its own limit of what it takes */
		assert_int_equal(
			ASK(&b, REQUEST("GET", "/"), FIELD("x-key", "plain")),
			0);
		assert_int_equal(b.answered, 2);
		bench_fini(&b);
	}
	free(value);
}

static void test_bodies(void **state MSB_UNUSED)
{
	static const size_t portions[] = { 0, 1, 1000 };
	const size_t len = 200000;
	char *body = malloc(len);
	struct bench b;

	assert_non_null(body);
	for (size_t i = 0; i < len; i++)
		body[i] = (char)(i * 7 % 251);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(portions); i++) {
		const size_t n = portions[i / 2] == 1 ? 3000 : len;
		char announced[16];

		bench_init(&b, BENCH_BODY);
		b.portion = portions[i / 2];
		b.pad = i % 2 ? 100 : 0;
		b.cut = 777;
		bench_connect(&b, NULL, 0, NULL);
		snprintf(announced, sizeof(announced), "%zu", n);
		assert_int_equal(ASK_WITH(&b, body, n, REQUEST("POST", "/"),
					  FIELD("content-length", announced)),
				 0);
		assert_int_equal(buf_len(&bench_last(&b)->body), n);
		assert_memory_equal(buf_data(&bench_last(&b)->body), body, n);
		assert_true(bench_last(&b)->ended);
		assert_int_equal(b.answered, 1);
		bench_fini(&b);
	}
	free(body);
}

/* What is only for headers stays what it is in a body and behind it. */
static void test_header_secret_in_body(void **state MSB_UNUSED)
{
	const nghttp2_nv trailer = FIELD("x-sum", KEY);
	const char body[] = "key=" KEY;
	struct bench b;

	bench_init(&b, BENCH_BODY);
	b.trailers = &trailer;
	b.ntrailers = 1;
	bench_connect(&b, NULL, 0, NULL);
	assert_int_equal(ASK_WITH(&b, body, strlen(body), REQUEST("POST", "/"),
				  FIELD("x-key", KEY)),
			 0);
	assert_true(bench_saw(bench_last(&b), "x-key: " KEY_VALUE " !"));
	assert_true(bench_saw(bench_last(&b), "x-sum: " KEY));
	assert_int_equal(buf_len(&bench_last(&b)->body), strlen(body));
	assert_memory_equal(buf_data(&bench_last(&b)->body), body,
			    strlen(body));
	assert_int_equal(b.answered, 1);
	bench_fini(&b);
}

/* Bodies keep their length, so what would go into one is not sent. */
static void test_body_secret(void **state MSB_UNUSED)
{
	static const char secret[] = { '$', 'M', 'S', 'B', '_',
				       'B', 'O', 'D', 'Y' };
	char body[3000];
	struct bench b;

	for (size_t portion = 0; portion < 12; portion++) {
		memset(body, '$', sizeof(body));
		memcpy(body + 1500, secret, sizeof(secret));
		bench_init(&b, BENCH_BODY | BENCH_NO_SECRETS);
		b.portion = portion;
		bench_connect(&b, NULL, 0, NULL);
		assert_int_equal(
			ASK(&b, REQUEST("GET", "/"), FIELD("x-key", BODY)), 0);
		assert_true(
			bench_saw(bench_last(&b), "x-key: " BODY_VALUE " !"));
		assert_int_equal(
			ASK_WITH(&b, body, sizeof(body), REQUEST("POST", "/")),
			-EPROTO);
		assert_non_null(b.ctx.why);
		assert_false(bench_sent(&b, BODY));
		bench_fini(&b);
	}
}

struct leak {
	const char *path, *name, *value, *body, *trailer;
	const char *location;
	enum secret_form form;
	const char *env_var;
};

/* "user:$MSB_OTHER" */
#define BASIC_OTHER "Basic dXNlcjokTVNCX09USEVS"

static const struct leak leaks[] = {
	{ "/", "x-a", OTHER, NULL, NULL, "header", SECRET_RAW, "OTHER" },
	{ "/", "x-a", "b" OTHER "c", NULL, NULL, "header", SECRET_RAW,
	  "OTHER" },
	{ "/", "x-a", "%24MSB_OTHER", NULL, NULL, "header", SECRET_PERCENT,
	  "OTHER" },
	{ "/", "x-a", "\\u0024MSB_OTHER", NULL, NULL, "header", SECRET_JSON,
	  "OTHER" },
	{ "/", "authorization", BASIC_OTHER, NULL, NULL, "authorization_basic",
	  SECRET_BASIC, "OTHER" },
	{ "/", "authorization", "Bearer " OTHER, NULL, NULL, "header",
	  SECRET_RAW, "OTHER" },
	{ "/?a=" OTHER, "x-a", "b", NULL, NULL, "query", SECRET_RAW, "OTHER" },
	{ "/?a=%24MSB%5fOTHER", "x-a", "b", NULL, NULL, "query", SECRET_PERCENT,
	  "OTHER" },
	{ "/" OTHER "/c", "x-a", "b", NULL, NULL, "unknown", SECRET_RAW,
	  "OTHER" },
	{ "/", "x-a", "b", "c=" OTHER, NULL, "body", SECRET_RAW, "OTHER" },
	{ "/", "x-a", "b", "c=%24MSB_OTHER", NULL, "body", SECRET_PERCENT,
	  "OTHER" },
	{ "/", "x-a", "b", "\"\\u0024MSB_OTHER\"", NULL, "body", SECRET_JSON,
	  "OTHER" },
	{ "/", "x-a", "b", "c", OTHER, "header", SECRET_RAW, "OTHER" },
	/* the strictest counts */
	{ "/?a=" OTHER, "x-a", WORSE, NULL, NULL, "header", SECRET_RAW,
	  "WORSE" },
	{ "/?a=" WORSE, "x-a", OTHER, NULL, NULL, "query", SECRET_RAW,
	  "WORSE" },
	{ "/?a=" WORSE, "authorization", BASIC_OTHER, NULL, NULL, "query",
	  SECRET_RAW, "WORSE" },
};

static void leak_one(const struct leak *l, size_t portion, size_t cut)
{
	const bool worse = !strcmp(l->env_var, "WORSE");
	nghttp2_nv trailer = FIELD("x-t", "");
	const struct secret_found *f;
	struct bench b;

	bench_init(&b, 0);
	f = &b.ctx.found;
	b.portion = portion;
	b.cut = cut;
	bench_connect(&b, NULL, 0, NULL);
	assert_int_equal(ASK(&b, REQUEST("GET", "/"), FIELD("x-key", KEY)), 0);
	if (l->trailer) {
		trailer.value = (uint8_t *)l->trailer;
		trailer.valuelen = strlen(l->trailer);
		b.trailers = &trailer;
		b.ntrailers = 1;
	}
	assert_int_equal(ASK_WITH(&b, l->body, l->body ? strlen(l->body) : 0,
				  REQUEST("PUT", l->path),
				  FIELD(l->name, l->value)),
			 -EPERM);
	assert_string_equal(f->location, l->location);
	assert_string_equal(f->protocol, "http/2");
	assert_string_equal(f->env_var, l->env_var);
	assert_int_equal(f->form, l->form);
	assert_int_equal(f->action,
			 worse ? SECRET_BLOCK_TERMINATE : SECRET_BLOCK_LOG);
	assert_string_equal(f->host, HOST);
	assert_string_equal(f->method, "PUT");
	assert_null(strchr(f->path, '?'));
	assert_int_equal(f->path[0], '/');
	assert_int_equal(f->stream, 3);
	bench_fini(&b);
}

static void test_leaks(void **state MSB_UNUSED)
{
	for (size_t i = 0; i < ARRAY_SIZE(leaks); i++) {
		leak_one(&leaks[i], 0, 0);
		leak_one(&leaks[i], 0, 1);
		for (size_t portion = 1; portion < 10; portion++)
			if (leaks[i].body)
				leak_one(&leaks[i], portion, 0);
	}
}

/* Two streams are two texts, whatever lies between their parts. */
static void test_streams_do_not_mix(void **state MSB_UNUSED)
{
	struct buf in;
	struct bench b;

	bench_init(&b, 0);
	buf_init(&in, 1 << 20);
	put_preface(&in);
	put_headers(&b, &in, 0, 1, POST);
	put_headers(&b, &in, 0, 3, POST);
	put_frame(&in, NGHTTP2_DATA, 0, 1, "$MSB_", 5);
	put_frame(&in, NGHTTP2_DATA, 0, 3, "OTHER", 5);
	assert_int_equal(bench_push(&b, buf_data(&in), buf_len(&in)), 0);
	buf_reset(&in);
	put_frame(&in, NGHTTP2_DATA, 0, 3, "$MSB_", 5);
	put_frame(&in, NGHTTP2_PING, 0, 0, "12345678", 8);
	put_frame(&in, NGHTTP2_DATA, 0, 1, "OTHER", 5);
	assert_int_equal(bench_push(&b, buf_data(&in), buf_len(&in)), -EPERM);
	assert_int_equal(b.ctx.found.stream, 1);
	buf_fini(&in);
	bench_fini(&b);
}

/* As many streams as there may be, one behind the other. */
static void test_streams_are_freed(void **state MSB_UNUSED)
{
	struct bench b;

	bench_init(&b, BENCH_BODY);
	bench_connect(&b, NULL, 0, NULL);
	for (unsigned i = 0; i < 2 * HTTP_MAX_STREAMS; i++)
		assert_int_equal(ASK_WITH(&b, "body", 4, REQUEST("POST", "/")),
				 0);
	assert_int_equal(b.answered, 2 * HTTP_MAX_STREAMS);
	bench_fini(&b);
}

static void test_websocket(void **state MSB_UNUSED)
{
	const nghttp2_settings_entry e = {
		NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1
	};
	struct bench b;

	bench_init(&b, 0);
	bench_connect(&b, &e, 1, NULL);
	assert_int_equal(ASK_WITH(&b, "frames", 6, REQUEST("CONNECT", "/ws"),
				  FIELD(":protocol", "websocket"),
				  FIELD("x-key", KEY)),
			 0);
	assert_true(bench_saw(bench_last(&b), "x-key: " KEY_VALUE " !"));
	assert_int_equal(buf_len(&bench_last(&b)->body), 6);
	bench_fini(&b);
}

/* Only hosts are looked at; nothing else changes. */
static void test_no_secrets(void **state MSB_UNUSED)
{
	const char body[] = "body " KEY;
	struct bench b;

	bench_init(&b, BENCH_NO_SECRETS);
	assert_true(secret_scope_idle(b.scope));
	bench_connect(&b, NULL, 0, NULL);
	assert_int_equal(ASK_WITH(&b, body, strlen(body),
				  REQUEST("POST", "/?" KEY),
				  FIELD("x-key", KEY)),
			 0);
	assert_true(bench_saw(bench_last(&b), "x-key: " KEY));
	assert_true(bench_saw(bench_last(&b), ":path: /?" KEY));
	assert_int_equal(buf_len(&bench_last(&b)->body), strlen(body));
	assert_int_equal(
		ASK(&b, FIELD(":method", "GET"), FIELD(":scheme", "https"),
		    FIELD(":authority", "other.example"), FIELD(":path", "/")),
		-EPROTO);
	bench_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_arrive),
		cmocka_unit_test(test_secrets_get_in),
		cmocka_unit_test(test_bearer_is_a_header),
		cmocka_unit_test(test_query_is_encoded),
		cmocka_unit_test(test_header_table),
		cmocka_unit_test(test_long_lists),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_header_secret_in_body),
		cmocka_unit_test(test_body_secret),
		cmocka_unit_test(test_leaks),
		cmocka_unit_test(test_streams_do_not_mix),
		cmocka_unit_test(test_streams_are_freed),
		cmocka_unit_test(test_websocket),
		cmocka_unit_test(test_no_secrets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
