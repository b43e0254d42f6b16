/* SPDX-License-Identifier: Apache-2.0 */
/* The network section: TLS interception, host patterns, secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "net/config.h"

static int try_json(const char *text, struct net_config *c, struct err *err)
{
	json_error_t where;
	json_t *j = json_loads(text, JSON_ALLOW_NUL, &where);
	int rc;

	if (!j)
		fail_msg("%s: %s", text, where.text);
	rc = net_config_from_json(j, c, err);
	json_decref(j);
	return rc;
}

static struct net_config read_json(const char *text)
{
	struct net_config c;
	struct err err = { 0 };

	if (try_json(text, &c, &err))
		fail_msg("%s: %s", text, err.msg);
	return c;
}

/* What is written of one key. */
static void expect_written(const struct net_config *c, const char *key,
			   const char *want)
{
	json_t *j = net_config_to_json(c);
	char *text = json_dumps(json_object_get(j, key), JSON_COMPACT);

	assert_non_null(text);
	assert_string_equal(text, want);
	free(text);
	json_decref(j);
}

#define TLS(members) "{\"tls\":{" members "}}"
#define SECRETS(list) "{\"secrets\":{\"secrets\":[" list "]}}"
#define SECRET(members)                                                        \
	SECRETS("{\"env_var\":\"K\",\"allowed_hosts\":[\"any\"]," members "}")

static const char all_of_tls[] =
	"{\"enabled\":true,\"intercepted_ports\":[8443,443],\"bypass\":["
	"\"bank.example\",\"*.internal.example\"],\"verify_upstream\":false,"
	"\"block_quic_on_intercept\":false,\"upstream_ca_cert\":[\"/a.pem\","
	"\"/b.pem\"],\"intercept_ca\":{\"cert_path\":\"/ca.crt\",\"key_path\":"
	"\"/ca.key\"},\"cache\":{\"capacity\":10,\"validity_hours\":48},"
	"\"scoped_upstream_ca_cert\":[{\"pattern\":\"*.corp.example\",\"path\":"
	"\"/corp.pem\"}],\"scoped_verify_upstream\":[{\"pattern\":"
	"\"old.example\",\"verify\":false}]}";

static void tls_values(void **state)
{
	char text[2048];
	struct net_config c;

	(void)state;
	(void)snprintf(text, sizeof(text), "{\"tls\":%s}", all_of_tls);
	c = read_json(text);
	expect_written(&c, "tls", all_of_tls);
	assert_true(net_port_intercepted(&c, 8443));
	assert_false(net_port_intercepted(&c, 80));
	assert_true(net_config_needs_tls(&c));
	assert_int_equal(c.tls.nscopes, 2);
	net_config_fini(&c);
	/* the other name of the authority, and what counts as the default */
	c = read_json(TLS("\"ca\":{\"cert_path\":\"/c\",\"key_path\":\"/k\"},"
			  "\"cache\":{\"capacity\":0,\"validity_hours\":0},"
			  "\"intercepted_ports\":[443,443]"));
	assert_string_equal(c.tls.ca_key, "/k");
	assert_int_equal(c.tls.cache_capacity, NET_DEFAULT_LEAVES);
	assert_int_equal(c.tls.validity_hours, NET_DEFAULT_LEAF_HOURS);
	assert_int_equal(c.tls.nports, 1);
	assert_false(net_config_needs_tls(&c));
	net_config_fini(&c);
	c = read_json("{\"trust_host_cas\":true}");
	assert_true(c.trust_host_cas && net_config_needs_tls(&c));
	assert_false(net_port_intercepted(&c, 443));
	net_config_fini(&c);
}

static const char all_of_secrets[] =
	"{\"on_violation\":{\"passthrough\":[{\"exact\":\"a.example\"}]},"
	"\"secrets\":[{\"env_var\":\"ONE\",\"placeholder\":\"$MSB_ONE\","
	"\"source\":{\"kind\":\"stored\"},\"allowed_hosts\":[{\"exact\":"
	"\"api.example.com\"},{\"wildcard\":\"*.example.com\"},\"any\"],"
	"\"injection\":{\"headers\":true,\"basic_auth\":true,\"query_params\":"
	"false,\"body\":false},\"require_tls_identity\":true},{\"env_var\":"
	"\"TWO\",\"placeholder\":\"<two>\",\"source\":{\"kind\":\"env\","
	"\"var\":\"HOST_TWO\"},\"allowed_hosts\":[\"any\"],\"injection\":{"
	"\"headers\":false,\"basic_auth\":false,\"query_params\":true,"
	"\"body\":true},\"require_tls_identity\":false,\"on_violation\":"
	"\"block-and-terminate\"},{\"env_var\":\"TWO\",\"placeholder\":"
	"\"<two>\",\"source\":{\"kind\":\"file\",\"path\":\"/two\"},"
	"\"allowed_hosts\":[{\"exact\":\"b.example\"}],\"injection\":{"
	"\"headers\":true,\"basic_auth\":true,\"query_params\":false,"
	"\"body\":false},\"require_tls_identity\":true}]}";

static void secret_values(void **state)
{
	char text[4096];
	struct net_config c;

	(void)state;
	(void)snprintf(text, sizeof(text), "{\"secrets\":%s}", all_of_secrets);
	c = read_json(text);
	expect_written(&c, "secrets", all_of_secrets);
	assert_true(c.tls.enabled); /* nothing could be put in without */
	assert_true(net_config_needs_tls(&c));
	net_config_fini(&c);
	/* what is not said, and spellings of old */
	c = read_json("{\"secrets\":{\"on_violation\":\"BlockAndTerminate\","
		      "\"secrets\":[{\"env_var\":\"K\",\"value\":\"v\","
		      "\"allowed_hosts\":[{\"Exact\":\"A.Example.\"},"
		      "{\"Wildcard\":\"*.B.example\"},\"Any\"],"
		      "\"on_violation\":{\"Passthrough\":[\"Any\"]}}]}}");
	assert_string_equal(c.secrets.v[0].placeholder, "$MSB_K");
	assert_int_equal(c.secrets.v[0].source, SECRET_STORED);
	assert_true(c.secrets.v[0].headers && c.secrets.v[0].basic_auth);
	assert_false(c.secrets.v[0].query_params || c.secrets.v[0].body);
	assert_true(c.secrets.v[0].require_tls_identity);
	assert_string_equal(c.secrets.v[0].allowed.v[0].name, "a.example");
	assert_int_equal(c.secrets.v[0].allowed.v[1].kind, HOST_WILDCARD);
	assert_int_equal(c.secrets.on_violation.action, SECRET_BLOCK_TERMINATE);
	assert_int_equal(c.secrets.v[0].on_violation.action,
			 SECRET_PASSTHROUGH);
	assert_int_equal(c.secrets.v[0].on_violation.pass.v[0].kind, HOST_ANY);
	net_config_fini(&c);
	/* without a card there are names, but nothing to look into */
	c = read_json("{\"enabled\":false,\"secrets\":{\"secrets\":[{"
		      "\"env_var\":\"K\",\"allowed_hosts\":[\"any\"]}]}}");
	assert_false(c.tls.enabled || net_config_needs_tls(&c));
	assert_int_equal(c.secrets.n, 1);
	net_config_fini(&c);
}

static void actions(void **state)
{
	static const struct {
		const char *text;
		enum secret_action action;
	} t[] = {
		{ "block", SECRET_BLOCK },
		{ "Block", SECRET_BLOCK },
		{ "block-and-log", SECRET_BLOCK_LOG },
		{ "BlockAndLog", SECRET_BLOCK_LOG },
		{ "block_and_log", SECRET_BLOCK_LOG },
		{ "block-and-terminate", SECRET_BLOCK_TERMINATE },
		{ "block_and_terminate", SECRET_BLOCK_TERMINATE },
		{ "passthrough", SECRET_PASSTHROUGH },
	};
	enum secret_action a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(secret_action_parse(t[i].text, &a), 0);
		assert_int_equal(a, t[i].action);
		assert_int_equal(secret_action_parse(secret_action_name(a), &a),
				 0);
		assert_int_equal(a, t[i].action);
	}
	assert_true(secret_action_parse("BLOCK", &a) < 0);
	assert_true(secret_action_parse("", &a) < 0);
}

static void bad_values(void **state)
{
	static const struct {
		const char *json, *in_message;
	} t[] = {
		{ "{\"tls\":[]}", "tls" },
		{ TLS("\"enabled\":1"), "enabled" },
		{ TLS("\"intercepted_ports\":[0]"), "intercepted_ports" },
		{ TLS("\"intercepted_ports\":[65536]"), "intercepted_ports" },
		{ TLS("\"intercepted_ports\":443"), "intercepted_ports" },
		{ TLS("\"bypass\":[\"*\"]"), "nothing to intercept" },
		{ TLS("\"bypass\":[\"a b\"]"), "'a b' is no host" },
		{ TLS("\"bypass\":[\"*.*.a\"]"), "is no host" },
		{ TLS("\"bypass\":[1]"), "bypass" },
		{ TLS("\"upstream_ca_cert\":[\"a.pem\"]"), "not absolute" },
		{ TLS("\"upstream_ca_cert\":\"/a.pem\""), "upstream_ca_cert" },
		{ TLS("\"intercept_ca\":{\"cert_path\":\"/c\"}"),
		  "IncompleteInterceptCaConfig" },
		{ TLS("\"intercept_ca\":{\"key_path\":\"/c\"}"),
		  "IncompleteInterceptCaConfig" },
		{ TLS("\"intercept_ca\":{\"key_path\":\"k\",\"cert_path\":"
		      "\"/c\"}"),
		  "not absolute" },
		{ TLS("\"intercept_ca\":{\"key_path\":\"/k\\u0000\"}"),
		  "key_path" },
		{ TLS("\"cache\":{\"capacity\":65537}"), "capacity" },
		{ TLS("\"cache\":{\"validity_hours\":-1}"), "validity_hours" },
		{ TLS("\"scoped_upstream_ca_cert\":[{\"pattern\":\"a.b\"}]"),
		  "scoped_upstream_ca_cert" },
		{ TLS("\"scoped_verify_upstream\":[{\"verify\":true}]"),
		  "scoped_verify_upstream" },
		{ TLS("\"scoped_verify_upstream\":[{\"pattern\":\"a..b\"}]"),
		  "is no host" },
		{ "{\"secrets\":{\"secrets\":{}}}", "secrets" },
		{ "{\"secrets\":{\"on_violation\":\"shout\"}}",
		  "on_violation" },
		{ "{\"secrets\":{\"on_violation\":\"passthrough\"}}",
		  "on_violation" },
		{ "{\"secrets\":{\"on_violation\":{}}}", "on_violation" },
		{ "{\"secrets\":{\"on_violation\":{\"passthrough\":\"any\"}}}",
		  "hosts" },
		{ SECRETS("1"), "secrets[0]" },
		{ SECRETS("{\"allowed_hosts\":[\"any\"]}"), "env_var" },
		{ SECRETS("{\"env_var\":\"K\"}"), "no host" },
		{ SECRETS("{\"env_var\":\"K\",\"allowed_hosts\":[]}"),
		  "no host" },
		{ SECRETS("{\"env_var\":\"\",\"allowed_hosts\":[\"any\"]}"),
		  "empty" },
		{ SECRETS("{\"env_var\":\"A=B\",\"allowed_hosts\":[\"any\"]}"),
		  "'='" },
		{ SECRETS("{\"env_var\":\"A\\u0000\",\"allowed_hosts\":["
			  "\"any\"]}"),
		  "env_var" },
		{ SECRETS("{\"env_var\":\"MSB_K\",\"allowed_hosts\":["
			  "\"any\"]}"),
		  "reserved" },
		{ SECRETS("{\"env_var\":\"K\",\"allowed_hosts\":[\"*\"]}"),
		  "a host" },
		{ SECRETS("{\"env_var\":\"K\",\"allowed_hosts\":[{\"exact\":"
			  "\"*\"}]}"),
		  "kind" },
		{ SECRETS("{\"env_var\":\"K\",\"allowed_hosts\":[{\"exact\":"
			  "\"*.a.b\"}]}"),
		  "kind" },
		{ SECRETS("{\"env_var\":\"K\",\"allowed_hosts\":[{\"wildcard\":"
			  "\"a.b\"}]}"),
		  "kind" },
		{ SECRET("\"placeholder\":\"\""), "placeholder" },
		{ SECRET("\"placeholder\":\"a\\nb\""), "placeholder" },
		{ SECRET("\"placeholder\":\"a\\u0000b\""), "placeholder" },
		{ SECRET("\"injection\":{\"body\":1}"), "body" },
		{ SECRET("\"require_tls_identity\":\"no\""),
		  "require_tls_identity" },
		{ SECRET("\"source\":{\"kind\":\"vault\"}"), "source.kind" },
		{ SECRET("\"source\":{}"), "source.kind" },
		{ SECRET("\"source\":{\"kind\":\"env\"}"), "source" },
		{ SECRET("\"source\":{\"kind\":\"env\",\"var\":\"\"}"),
		  "environment variable" },
		{ SECRET("\"source\":{\"kind\":\"file\",\"path\":\"a\"}"),
		  "absolute" },
		{ SECRETS("{\"env_var\":\"K\",\"allowed_hosts\":[\"any\"]},"
			  "{\"env_var\":\"K\",\"allowed_hosts\":[\"any\"],"
			  "\"placeholder\":\"x\"}"),
		  "two placeholders" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct net_config c;
		struct err err = { 0 };

		if (!try_json(t[i].json, &c, &err))
			fail_msg("%s was accepted", t[i].json);
		if (strncmp(err.msg, "network: ", 9) != 0 ||
		    !strstr(err.msg, t[i].in_message))
			fail_msg("%s: %s", t[i].json, err.msg);
	}
}

/* A placeholder may not be longer than what is looked for. */
static void long_placeholders(void **state)
{
	char text[SECRET_MAX_PLACEHOLDER + 256], name[1100];
	struct net_config c;
	struct err err = { 0 };

	(void)state;
	for (size_t extra = 0; extra < 2; extra++) {
		size_t len = SECRET_MAX_PLACEHOLDER + extra -
			     strlen(SECRET_PLACEHOLDER_PREFIX);

		memset(name, 'N', len);
		name[len] = '\0';
		(void)snprintf(text, sizeof(text),
			       SECRETS("{\"env_var\":\"%s\","
				       "\"allowed_hosts\":[\"any\"]}"),
			       name);
		if (!extra) {
			c = read_json(text);
			net_config_fini(&c);
		} else {
			assert_true(try_json(text, &c, &err) < 0);
		}
	}
}

static void too_many(void **state)
{
	struct net_config c;
	struct err err = { 0 };
	json_t *j = json_object(), *list = json_array();

	(void)state;
	for (size_t i = 0; i < SECRETS_MAX + 1; i++)
		json_array_append_new(list,
				      json_pack("{s:s,s:[s]}", "env_var", "K",
						"allowed_hosts", "any"));
	json_object_set_new(j, "secrets", json_pack("{s:o}", "secrets", list));
	assert_true(net_config_from_json(j, &c, &err) < 0);
	json_array_remove(list, 0);
	assert_int_equal(net_config_from_json(j, &c, &err), 0);
	net_config_fini(&c);
	json_decref(j);
}

static void pattern_texts(void **state)
{
	static const struct {
		const char *text, *shown, *yes, *no;
	} t[] = {
		{ "*", "*", "anything", NULL },
		{ "A.Example.", "a.example", "a.example", "b.a.example" },
		{ "*.Example.com", "*.example.com", "example.com",
		  "notexample.com" },
		{ "*.a.example", "*.a.example", "x.y.a.example", "example" },
		{ "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.10" },
		{ "2001:DB8::0:1", "2001:db8::1", "2001:db8::1", "::1" },
	};
	char text[HOST_PATTERN_TEXT];
	struct host_pattern p;
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(host_pattern_parse(t[i].text, &p, &err), 0);
		assert_string_equal(host_pattern_text(&p, text), t[i].shown);
		assert_true(host_pattern_match(&p, t[i].yes));
		if (t[i].no)
			assert_false(host_pattern_match(&p, t[i].no));
		free(p.name);
	}
	assert_true(host_pattern_parse("", &p, &err) < 0);
	assert_true(host_pattern_parse("*.", &p, &err) < 0);
	assert_true(host_pattern_parse("a.*.b", &p, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_values),
		cmocka_unit_test(secret_values),
		cmocka_unit_test(actions),
		cmocka_unit_test(bad_values),
		cmocka_unit_test(long_placeholders),
		cmocka_unit_test(too_many),
		cmocka_unit_test(pattern_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
