/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets and interception: the builder, where values come from and go, what is
 * told of them. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "api/exec_int.h"
#include "api/network.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/io.h"
#include "world.h"

static struct world *w;
static msb_config_t *c;

static int setup(void **state)
{
	w = world_make(NULL);
	*state = w;
	return msb_config_new(w->m, &c, NULL);
}

static int teardown(void **state)
{
	(void)state;
	msb_config_free(c);
	world_free(w);
	return 0;
}

static void fresh(void)
{
	msb_config_free(c);
	assert_int_equal(msb_config_new(w->m, &c, NULL), 0);
}

static void expect_in(const char *text, const char *want)
{
	if (!text || !strstr(text, want))
		fail_msg("'%s' lacks '%s'", text ? text : "", want);
}

#define REFUSED(call, want)                                                    \
	do {                                                                   \
		msb_error_t *e = NULL;                                         \
		assert_true((call) < 0);                                       \
		assert_int_equal(msb_error_kind(e), MSB_ERR_INVALID);          \
		expect_in(msb_error_message(e), want);                         \
		msb_error_free(e);                                             \
	} while (0)
#define TAKEN(call)                                                            \
	do {                                                                   \
		msb_error_t *e = NULL;                                         \
		int taken_ = (call);                                           \
		if (taken_)                                                    \
			print_error("%s\n", msb_error_text(e));                \
		assert_int_equal(taken_, 0);                                   \
	} while (0)

static const char *const host_a[] = { "a.example" };
static const char *const host_b[] = { "*.b.example", "*" };

/* What is not said is: KEY, for a.example. */
static const msb_secret_t *with_usual(msb_secret_t s)
{
	static msb_secret_t one;

	one = s;
	if (!one.struct_size)
		one.struct_size = sizeof(one);
	if (!one.env)
		one.env = "KEY";
	if (!one.hosts) {
		one.hosts = host_a;
		one.nhosts = 1;
	}
	return &one;
}

#define SECRET(...) with_usual((msb_secret_t){ __VA_ARGS__ })

static struct net_config section(void)
{
	struct net_config n;
	struct err err = { 0 };

	if (network_wish_section(c->net, &n, &err))
		fail_msg("%s", err.msg);
	return n;
}

/* ---- the builder --------------------------------------------------------- */

static void secrets_are_described(void **state)
{
	struct net_config n;
	const struct secret_config *s;

	(void)state;
	TAKEN(msb_config_add_secret(c, SECRET(.value = "v"), &e));
	TAKEN(msb_config_add_secret(
		c,
		SECRET(.env = "TWO", .from_env = "HOST_TWO", .hosts = host_b,
		       .nhosts = 2,
		       .places = MSB_SECRET_IN_QUERY | MSB_SECRET_IN_BODY,
		       .placeholder = "<two>", .plain_http = true,
		       .on_violation = "passthrough", .pass_hosts = host_a,
		       .npass_hosts = 1),
		&e));
	TAKEN(msb_config_set_secret_violation(c, "block-and-terminate", NULL, 0,
					      &e));
	n = section();
	assert_true(n.tls.enabled);
	assert_int_equal(n.secrets.n, 2);
	assert_int_equal(n.secrets.on_violation.action, SECRET_BLOCK_TERMINATE);
	s = &n.secrets.v[0];
	assert_string_equal(s->placeholder, "$MSB_KEY");
	assert_true(s->headers && s->basic_auth && s->require_tls_identity);
	assert_false(s->query_params || s->body || s->on_violation.set);
	assert_int_equal(s->source, SECRET_STORED);
	s = &n.secrets.v[1];
	assert_string_equal(s->placeholder, "<two>");
	assert_false(s->headers || s->basic_auth || s->require_tls_identity);
	assert_true(s->query_params && s->body);
	assert_int_equal(s->source, SECRET_ENV);
	assert_string_equal(s->source_name, "HOST_TWO");
	assert_int_equal(s->allowed.v[0].kind, HOST_WILDCARD);
	assert_int_equal(s->allowed.v[1].kind, HOST_ANY);
	assert_int_equal(s->on_violation.action, SECRET_PASSTHROUGH);
	assert_string_equal(s->on_violation.pass.v[0].name, "a.example");
	net_config_fini(&n);
}

/* Repeating one with another host, as the command line does. */
static void repetitions_are_grouped(void **state)
{
	struct net_config n;

	(void)state;
	TAKEN(msb_config_add_secret(c, SECRET(.value = "v"), &e));
	TAKEN(msb_config_add_secret(
		c, SECRET(.value = "v", .hosts = host_b, .nhosts = 2), &e));
	TAKEN(msb_config_add_secret(
		c, SECRET(.value = "w", .hosts = host_b, .nhosts = 1), &e));
	TAKEN(msb_config_add_secret(
		c, SECRET(.value = "w", .places = MSB_SECRET_IN_BODY), &e));
	n = section();
	assert_int_equal(n.secrets.n, 3);
	assert_int_equal(n.secrets.v[0].allowed.n, 3);
	assert_int_equal(n.secrets.v[1].allowed.n, 1);
	assert_int_equal(c->net->values.n, 3);
	assert_memory_equal(c->net->values.v[1].data, "w", 1);
	net_config_fini(&n);
}

static void bad_secrets(void **state)
{
	static const char *const no_host[] = { "a b" };
	char *large = calloc(1, SECRET_MAX_VALUE + 2);

	(void)state;
	assert_non_null(large);
	memset(large, 'x', SECRET_MAX_VALUE + 1);
	REFUSED(msb_config_add_secret(c, SECRET(.struct_size = 8), &e), "size");
	REFUSED(msb_config_add_secret(
			c,
			(&(msb_secret_t){ .struct_size = sizeof(msb_secret_t),
					  .value = "v" }),
			&e),
		"name");
	REFUSED(msb_config_add_secret(c, SECRET(.value = NULL), &e), "source");
	REFUSED(msb_config_add_secret(c, SECRET(.value = "v", .from_env = "K"),
				      &e),
		"one source");
	REFUSED(msb_config_add_secret(c, SECRET(.value = ""), &e), "is empty");
	REFUSED(msb_config_add_secret(c, SECRET(.value = large), &e),
		"longer than 64 KiB");
	REFUSED(msb_config_add_secret(c, SECRET(.value = "a\r\nX: y"), &e),
		"line break");
	REFUSED(msb_config_add_secret(c, SECRET(.value = "v", .hosts = no_host),
				      &e),
		"no host");
	REFUSED(msb_config_add_secret(
			c, SECRET(.value = "v", .hosts = no_host, .nhosts = 1),
			&e),
		"is no host");
	REFUSED(msb_config_add_secret(c, SECRET(.env = "A=", .value = "v"), &e),
		"'='");
	REFUSED(msb_config_add_secret(c, SECRET(.env = "", .value = "v"), &e),
		"empty");
	REFUSED(msb_config_add_secret(c, SECRET(.env = "MSB_X", .value = "v"),
				      &e),
		"reserved");
	REFUSED(msb_config_add_secret(c, SECRET(.env = "\xff", .value = "v"),
				      &e),
		"UTF-8");
	REFUSED(msb_config_add_secret(
			c, SECRET(.value = "v", .placeholder = ""), &e),
		"placeholder");
	REFUSED(msb_config_add_secret(c, SECRET(.value = "v", .places = 16),
				      &e),
		"place");
	REFUSED(msb_config_add_secret(c, SECRET(.from_file = ""), &e),
		"path is empty");
	REFUSED(msb_config_add_secret(
			c, SECRET(.value = "v", .on_violation = "shout"), &e),
		"invalid violation action: shout (expected: block, "
		"block-and-log, block-and-terminate, passthrough)");
	REFUSED(msb_config_set_secret_violation(c, "block", host_a, 1, &e),
		"some hosts");
	/* none of them left anything behind */
	assert_int_equal(c->net->c.secrets.n, 0);
	assert_int_equal(c->net->values.n, 0);
	large[SECRET_MAX_VALUE] = 0;
	TAKEN(msb_config_add_secret(c, SECRET(.value = large), &e));
	free(large);
}

static void interception_is_described(void **state)
{
	char pem[128];
	struct net_config n;

	(void)state;
	(void)snprintf(pem, sizeof(pem), "%s/a.pem", w->base);
	world_file(pem, "x");
	n = section();
	assert_false(n.tls.enabled || n.trust_host_cas);
	net_config_fini(&n);
	msb_config_set_trust_host_cas(c, true);
	n = section();
	assert_true(n.trust_host_cas && !n.tls.enabled);
	net_config_fini(&n);
	TAKEN(msb_config_add_tls_port(c, 8443, &e));
	TAKEN(msb_config_add_tls_bypass(c, "*.bank.example", &e));
	msb_config_set_tls_block_quic(c, false);
	TAKEN(msb_config_set_tls_ca(c, pem, pem, &e));
	TAKEN(msb_config_add_tls_upstream_ca(c, NULL, pem, &e));
	TAKEN(msb_config_add_tls_upstream_ca(c, "*.corp", pem, &e));
	TAKEN(msb_config_set_tls_verify_upstream(c, "old.example", false, &e));
	n = section();
	assert_true(n.tls.enabled && n.tls.verify_upstream);
	assert_false(n.tls.block_quic);
	assert_true(net_port_intercepted(&n, 8443));
	assert_false(net_port_intercepted(&n, 443));
	assert_string_equal(n.tls.ca_key, pem);
	assert_string_equal(n.tls.upstream_cas.v[0], pem);
	assert_int_equal(n.tls.nscopes, 2);
	net_config_fini(&n);
	TAKEN(msb_config_set_tls_ca(c, NULL, NULL, &e));
	n = section();
	assert_null(n.tls.ca_cert);
	net_config_fini(&n);
	fresh();
	msb_config_set_tls_intercept(c);
	n = section();
	assert_true(net_port_intercepted(&n, 443));
	net_config_fini(&n);
	REFUSED(msb_config_add_tls_port(c, 0, &e), "port 0");
	REFUSED(msb_config_add_tls_bypass(c, "*", &e), "nothing to intercept");
	REFUSED(msb_config_set_tls_ca(c, pem, NULL, &e),
		"IncompleteInterceptCaConfig");
	REFUSED(msb_config_set_tls_ca(c, "/none", pem, &e),
		"ReadInterceptCaCert");
	REFUSED(msb_config_set_tls_ca(c, pem, "/none", &e),
		"ReadInterceptCaKey");
	REFUSED(msb_config_add_tls_upstream_ca(c, NULL, "/none", &e),
		"cannot read '/none'");
}

static void values_are_taken_out_of_json(void **state)
{
	struct net_config n;
	json_t *written;
	char *text;

	(void)state;
	TAKEN(msb_config_set_network_json(
		c,
		"{\"secrets\":{\"secrets\":[{\"env_var\":\"A\",\"value\":"
		"\"hunter2\",\"allowed_hosts\":[\"any\"]},{\"env_var\":\"B\","
		"\"value\":\"\",\"source\":{\"kind\":\"env\",\"var\":\"X\"},"
		"\"allowed_hosts\":[\"any\"]}]}}",
		&e));
	n = section();
	assert_int_equal(n.secrets.n, 2);
	assert_int_equal(c->net->values.v[0].len, 7);
	assert_memory_equal(c->net->values.v[0].data, "hunter2", 7);
	assert_null(c->net->values.v[1].data);
	written = net_config_to_json(&n);
	text = json_dumps(written, 0);
	assert_null(strstr(text, "hunter2"));
	free(text);
	json_decref(written);
	net_config_fini(&n);
	REFUSED(msb_config_set_network_json(
			c,
			"{\"secrets\":{\"secrets\":[{\"env_var\":\"A\","
			"\"allowed_hosts\":[\"any\"]}]}}",
			&e),
		"it has no value");
	REFUSED(msb_config_set_network_json(
			c,
			"{\"secrets\":{\"secrets\":[{\"env_var\":\"A\","
			"\"value\":\"v\",\"source\":{\"kind\":\"env\",\"var\":"
			"\"X\"},\"allowed_hosts\":[\"any\"]}]}}",
			&e),
		"a value and a source");
	REFUSED(msb_config_set_network_json(
			c,
			"{\"secrets\":{\"secrets\":[{\"env_var\":\"A\","
			"\"value\":\"a\\nb\",\"allowed_hosts\":[\"any\"]}]}}",
			&e),
		"line break");
	/* what was there before is still there */
	assert_int_equal(c->net->c.secrets.n, 2);
	assert_int_equal(c->net->values.n, 2);
	TAKEN(msb_config_set_network_json(c, "{}", &e));
	assert_int_equal(c->net->values.n, 0);
}

/* ---- on the way to a runtime --------------------------------------------- */

/* A file of the sandbox's: the values as they are written one after another. */
static void expect_file(const char *name, const char *file,
			const char *const *values, size_t n)
{
	struct buf got, want;
	char path[512];

	buf_init(&got, 1u << 20);
	buf_init(&want, 1u << 20);
	for (size_t i = 0; i < n; i++) {
		uint8_t len[4];

		be32_put(len, (uint32_t)strlen(values[i]));
		assert_int_equal(buf_append(&want, len, sizeof(len)), 0);
		assert_int_equal(buf_str(&want, values[i]), 0);
	}
	(void)snprintf(path, sizeof(path), "%s/sandboxes/%s/%s", w->home, name,
		       file);
	assert_int_equal(io_read_file_at(AT_FDCWD, path, &got), 0);
	assert_int_equal(buf_len(&got), buf_len(&want));
	assert_memory_equal(buf_data(&got), buf_data(&want), buf_len(&want));
	buf_fini(&got);
	buf_fini(&want);
}

static void expect_program(const char *name, const char *end)
{
	struct buf b;
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/sandboxes/%s/runtime/program",
		       w->home, name);
	buf_init(&b, 4096);
	assert_int_equal(io_read_file_at(AT_FDCWD, path, &b), 0);
	assert_true(str_ends(buf_cstr(&b), end));
	buf_fini(&b);
}

static msb_sandbox_t *create(const char *name, bool ephemeral)
{
	msb_sandbox_t *s = NULL;

	TAKEN(msb_config_set_image(c, w->rootfs, &e));
	TAKEN(msb_config_set_name(c, name, &e));
	msb_config_set_ephemeral(c, ephemeral);
	TAKEN(msb_sandbox_create(w->m, c, &s, &e));
	return s;
}

static void add_one_of_each(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/file", w->base);
	world_file(path, "from file\n");
	assert_int_equal(setenv("UNIT_SECRET", "from env", 1), 0);
	TAKEN(msb_config_add_secret(c, SECRET(.value = "given"), &e));
	TAKEN(msb_config_add_secret(
		c, SECRET(.env = "E", .from_env = "UNIT_SECRET"), &e));
	TAKEN(msb_config_add_secret(c, SECRET(.env = "F", .from_file = path),
				    &e));
	TAKEN(msb_config_add_secret(c, SECRET(.env = "G", .value = "too"), &e));
}

static void a_runtime_gets_the_values(void **state)
{
	static const char *const first[] = { "given", "from env", "from file",
					     "too" };
	static const char *const kept[] = { "given", "too" };
	static const char *const second[] = { "given", "changed", "again",
					      "too" };
	msb_sandbox_t *s;
	char path[512];
	struct stat st;

	(void)state;
	add_one_of_each();
	s = create("box", false);
	expect_file("box", "runtime/values", first, 4);
	expect_program("box", "/fake-runtime-tls");
	expect_file("box", "secrets", kept, 2);
	(void)snprintf(path, sizeof(path), "%s/sandboxes/box/secrets", w->home);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_null(strstr(msb_sandbox_config_json(s), "given"));
	assert_null(strstr(msb_sandbox_config_json(s), "from env"));

	/* the next start asks the sources again */
	assert_int_equal(unsetenv("UNIT_SECRET"), 0);
	REFUSED(msb_sandbox_check_start(s, &e), "'UNIT_SECRET' not set");
	TAKEN(msb_sandbox_stop(s, 5000, NULL, &e));
	assert_int_equal(setenv("UNIT_SECRET", "changed", 1), 0);
	(void)snprintf(path, sizeof(path), "%s/file", w->base);
	world_file(path, "again");
	TAKEN(msb_sandbox_check_start(s, &e));
	TAKEN(msb_sandbox_start(s, false, &e));
	expect_file("box", "runtime/values", second, 4);
	TAKEN(msb_sandbox_stop(s, 5000, NULL, &e));

	/* and what is missing is told, before anything is started */
	assert_int_equal(unsetenv("UNIT_SECRET"), 0);
	REFUSED(msb_sandbox_start(s, false, &e),
		"secret 'E': environment variable 'UNIT_SECRET' not set");
	assert_int_equal(setenv("UNIT_SECRET", "", 1), 0);
	REFUSED(msb_sandbox_start(s, false, &e), "secret 'E': its value is");
	assert_int_equal(setenv("UNIT_SECRET", "x", 1), 0);
	world_file(path, "\n");
	REFUSED(msb_sandbox_start(s, false, &e), "secret 'F': its value is");
	world_file(path, "a\nb\n");
	REFUSED(msb_sandbox_start(s, false, &e), "line break");
	assert_int_equal(remove(path), 0);
	REFUSED(msb_sandbox_start(s, false, &e), "secret 'F': cannot read");
	assert_int_equal(mkdir(path, 0700), 0);
	REFUSED(msb_sandbox_start(s, false, &e), "secret 'F': cannot read");
	assert_int_equal(remove(path), 0);
	world_file(path, "f");
	(void)snprintf(path, sizeof(path), "%s/sandboxes/box/secrets", w->home);
	world_file(path, "\0\0\0");
	REFUSED(msb_sandbox_start(s, false, &e), "was not kept");
	assert_int_equal(remove(path), 0);
	REFUSED(msb_sandbox_start(s, false, &e), "was not kept");
	msb_sandbox_free(s);
}

/* A file of whatever length is a value, or an error. */
static void stored_values_are_checked(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} t[] = {
		{ "\0\0\0\0", 4 },     { "\xff\xff\xff\xff", 4 },
		{ "\0\0\0\3ab", 6 },   { "\0\0\0\1\n", 5 },
		{ "\0\0\0\2a\0x", 7 },
	};
	msb_sandbox_t *s;
	char path[512];

	(void)state;
	TAKEN(msb_config_add_secret(c, SECRET(.value = "v"), &e));
	s = create("box", false);
	TAKEN(msb_sandbox_stop(s, 5000, NULL, &e));
	(void)snprintf(path, sizeof(path), "%s/sandboxes/box/secrets", w->home);
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(io_write_file_at(AT_FDCWD, path, t[i].bytes,
						  t[i].len, 0600),
				 0);
		REFUSED(msb_sandbox_start(s, false, &e), "secret 'KEY'");
	}
	msb_sandbox_free(s);
}

static void nothing_is_kept_without_need(void **state)
{
	msb_sandbox_t *s;

	(void)state;
	TAKEN(msb_config_add_secret(c, SECRET(.value = "v"), &e));
	s = create("once", true);
	assert_false(world_has(w, "once", "secrets"));
	TAKEN(msb_sandbox_stop(s, 5000, NULL, &e));
	msb_sandbox_free(s);
	fresh();
	assert_int_equal(setenv("UNIT_SECRET", "x", 1), 0);
	TAKEN(msb_config_add_secret(c, SECRET(.from_env = "UNIT_SECRET"), &e));
	s = create("box", false);
	assert_false(world_has(w, "box", "secrets"));
	msb_sandbox_free(s);
}

/* Nothing is made when a value is missing. */
static void a_missing_value_is_told_first(void **state)
{
	msb_sandbox_t *s = NULL;

	(void)state;
	assert_int_equal(unsetenv("UNIT_SECRET"), 0);
	TAKEN(msb_config_add_secret(c, SECRET(.from_env = "UNIT_SECRET"), &e));
	TAKEN(msb_config_set_image(c, w->rootfs, &e));
	TAKEN(msb_config_set_name(c, "box", &e));
	REFUSED(msb_sandbox_create(w->m, c, &s, &e), "'UNIT_SECRET' not set");
	assert_string_equal(world_status(w, "box"), "none");
	assert_false(world_has(w, "box", ""));
}

/* ---- afterwards ---------------------------------------------------------- */

static void inspect_tells_no_values(void **state)
{
	msb_sandbox_t *s;
	char *text = NULL;

	(void)state;
	add_one_of_each();
	s = create("box", false);
	TAKEN(msb_sandbox_network_json(s, &text, &e));
	expect_in(text, "\"env\":\"KEY\"");
	expect_in(text, "\"placeholder\":\"$MSB_KEY\"");
	expect_in(text, "\"source\":\"kept with the sandbox\"");
	expect_in(text, "\"source\":\"environment variable UNIT_SECRET\"");
	expect_in(text, "\"hosts\":[\"a.example\"]");
	expect_in(text, "\"places\":[\"headers\",\"basic\"]");
	expect_in(text, "\"ports\":[443]");
	assert_null(strstr(text, "given"));
	assert_null(strstr(text, "from env"));
	msb_free(text);
	msb_sandbox_free(s);
}

/* A placeholder counts more than a variable of the same name, unless a command
 * sets its own. */
static void commands_have_placeholders(void **state)
{
	struct strv env = { 0 };

	(void)state;
	TAKEN(msb_config_add_secret(c, SECRET(.value = "v"), &e));
	TAKEN(msb_config_add_env(c, "KEY", "mine", &e));
	assert_int_equal(network_wish_apply(c->net, &c->c, NULL), 0);
	assert_int_equal(strv_copy(&env, &c->c.env), 0);
	assert_int_equal(network_placeholders(&c->c, &env), 0);
	assert_string_equal(strv_env_get(&env, "KEY"), "$MSB_KEY");
	assert_int_equal(env.n, 1);
	strv_fini(&env);
}

static void note(void *ctx, const char *text)
{
	struct buf *b = ctx;

	(void)buf_str(b, text);
	(void)buf_str(b, "\n");
}

static void expect_hint(const char *want)
{
	struct buf b;

	buf_init(&b, 65536);
	TAKEN(msb_config_network_hints(c, note, &b, &e));
	if (want)
		expect_in(buf_cstr(&b), want);
	else
		assert_int_equal(buf_len(&b), 0);
	buf_fini(&b);
	fresh();
}

static void hints(void **state)
{
	(void)state;
	TAKEN(msb_config_add_secret(c, SECRET(.value = "v"), &e));
	expect_hint(NULL);
	TAKEN(msb_config_add_secret(
		c, SECRET(.value = "v", .hosts = host_b, .nhosts = 2), &e));
	expect_hint("secret 'KEY' goes to every host");
	TAKEN(msb_config_add_secret(c, SECRET(.value = "v"), &e));
	TAKEN(msb_config_add_tls_bypass(c, "*.example", &e));
	expect_hint("secret 'KEY' never reaches a.example: --tls-bypass");
	TAKEN(msb_config_add_secret(c, SECRET(.value = "v"), &e));
	TAKEN(msb_config_set_tls_verify_upstream(c, NULL, false, &e));
	expect_hint("servers are not verified");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(secrets_are_described, setup,
						teardown),
		cmocka_unit_test_setup_teardown(repetitions_are_grouped, setup,
						teardown),
		cmocka_unit_test_setup_teardown(bad_secrets, setup, teardown),
		cmocka_unit_test_setup_teardown(interception_is_described,
						setup, teardown),
		cmocka_unit_test_setup_teardown(values_are_taken_out_of_json,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_runtime_gets_the_values,
						setup, teardown),
		cmocka_unit_test_setup_teardown(stored_values_are_checked,
						setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_kept_without_need,
						setup, teardown),
		cmocka_unit_test_setup_teardown(a_missing_value_is_told_first,
						setup, teardown),
		cmocka_unit_test_setup_teardown(inspect_tells_no_values, setup,
						teardown),
		cmocka_unit_test_setup_teardown(commands_have_placeholders,
						setup, teardown),
		cmocka_unit_test_setup_teardown(hints, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
