/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in library's network: calls are recorded, answers are fixed. A
 * target with the letter x is denied, and a rule "bad" is refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#define RECORDED_TEXT(name)                                                    \
	int msb_config_##name(msb_config_t *c, const char *text,               \
			      msb_error_t **e)                                 \
	{                                                                      \
		if (!strcmp(text, "bad"))                                      \
			return fake_fail(e, MSB_ERR_INVALID, EINVAL,           \
					 "invalid config: ", "bad " #name);    \
		fake_called(c->m, #name " %s", text);                          \
		return 0;                                                      \
	}
RECORDED_TEXT(add_net_rules)
RECORDED_TEXT(add_net_profiles)
RECORDED_TEXT(add_port)
RECORDED_TEXT(add_dns_nameserver)
RECORDED_TEXT(set_net_ipv4_pool)
RECORDED_TEXT(set_net_ipv6_pool)

RECORDED_TEXT(add_tls_bypass)

#define RECORDED_NUMBER(name)                                                  \
	int msb_config_##name(msb_config_t *c, uint32_t n, msb_error_t **e)    \
	{                                                                      \
		(void)e;                                                       \
		fake_called(c->m, #name " %u", n);                             \
		return 0;                                                      \
	}
RECORDED_NUMBER(set_dns_timeout_ms)
RECORDED_NUMBER(set_max_connections)

int msb_config_set_net_default(msb_config_t *c, unsigned directions, bool allow,
			       msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_net_default %u %s", directions,
		    allow ? "allow" : "deny");
	return 0;
}

void msb_config_set_dns_rebind_protection(msb_config_t *c, bool on)
{
	fake_called(c->m, "set_dns_rebind_protection %d", on);
}

void msb_config_set_tls_intercept(msb_config_t *c)
{
	fake_called(c->m, "set_tls_intercept");
}

int msb_config_add_tls_port(msb_config_t *c, uint16_t port, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "add_tls_port %u", port);
	return 0;
}

void msb_config_set_tls_block_quic(msb_config_t *c, bool on)
{
	fake_called(c->m, "set_tls_block_quic %d", on);
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

int msb_config_set_tls_ca(msb_config_t *c, const char *cert, const char *key,
			  msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_tls_ca %s %s", or_dash(cert), or_dash(key));
	return 0;
}

int msb_config_add_tls_upstream_ca(msb_config_t *c, const char *pattern,
				   const char *cert, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "add_tls_upstream_ca %s %s", or_dash(pattern), cert);
	return 0;
}

int msb_config_set_tls_verify_upstream(msb_config_t *c, const char *pattern,
				       bool verify, msb_error_t **e)
{
	(void)e;
	fake_called(c->m, "set_tls_verify_upstream %s %d", or_dash(pattern),
		    verify);
	return 0;
}

void msb_config_set_trust_host_cas(msb_config_t *c, bool on)
{
	fake_called(c->m, "set_trust_host_cas %d", on);
}

/* "h1,h2" */
static void join(char *text, size_t size, const char *const *list, size_t n)
{
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 i ? "," : "", list[i]);
}

int msb_config_add_secret(msb_config_t *c, const msb_secret_t *s,
			  msb_error_t **e)
{
	char hosts[256];

	join(hosts, sizeof(hosts), s->hosts, s->nhosts);
	if (!strcmp(hosts, "bad"))
		return fake_fail(e, MSB_ERR_INVALID, EINVAL,
				 "invalid config: ", "bad secret");
	fake_called(c->m, "add_secret %s value=%s env=%s file=%s %s places=%u",
		    s->env, or_dash(s->value), or_dash(s->from_env),
		    or_dash(s->from_file), hosts, s->places);
	return 0;
}

int msb_config_set_secret_violation(msb_config_t *c, const char *action,
				    const char *const *pass_hosts, size_t n,
				    msb_error_t **e)
{
	char hosts[256];

	(void)e;
	join(hosts, sizeof(hosts), pass_hosts, n);
	fake_called(c->m, "set_secret_violation %s [%s]", action, hosts);
	return 0;
}

int msb_config_network_hints(const msb_config_t *c,
			     void (*fn)(void *ctx, const char *text), void *ctx,
			     msb_error_t **e)
{
	(void)c;
	(void)e;
	if (getenv("FAKE_HINT"))
		fn(ctx, getenv("FAKE_HINT"));
	return 0;
}

int msb_sandbox_network_json(const msb_sandbox_t *s, char **ret,
			     msb_error_t **ret_err)
{
	static const char *const kinds[] = {
		"{\"enabled\":true,\"interface\":\"eth0\",\"mac\":"
		"\"02:6d:73:00:01:02\",\"mtu\":1500,\"ipv4\":{\"address\":"
		"\"172.16.0.6\",\"gateway\":\"172.16.0.5\",\"prefix\":30},"
		"\"ipv6\":null,\"problem\":null,\"ports\":["
		"\"127.0.0.1:8080->80/tcp\",\"[::1]:53->53/udp\"],\"policy\":{"
		"\"default_egress\":\"deny\",\"default_ingress\":\"allow\","
		"\"rules\":[\"allow@dns\",\"allow@public\"]},\"dns\":{"
		"\"nameservers\":[\"9.9.9.9\"],\"query_timeout_ms\":5000,"
		"\"rebind_protection\":true},\"max_connections\":256,\"tls\":"
		"{\"enabled\":true,\"ports\":[443,8443],\"bypass\":["
		"\"*.bank.example\"],\"block_quic\":true,\"verify_upstream\":"
		"true,\"ca\":null,\"trust_host_cas\":false},\"secrets\":[{"
		"\"env\":\"KEY\",\"placeholder\":\"$MSB_KEY\",\"source\":"
		"\"environment variable KEY\",\"hosts\":[\"api.example.com\","
		"\"*.example.org\"],\"places\":[\"headers\",\"basic\"],"
		"\"on_violation\":\"block-and-log\",\"pass_hosts\":[],"
		"\"plain_http\":false}]}",
		"{\"enabled\":false}",
	};
	const char *kind = getenv("FAKE_NETWORK");

	if (kind && *kind == '-')
		return fake_fail(ret_err, MSB_ERR_INVALID, EINVAL,
				 "invalid config: ", "no sense");
	fake_called(fake_home(s), "network_json");
	*ret = strdup(kinds[kind ? 1 : 0]);
	return 0;
}

static int explain(const msb_t *m, const char *whose,
		   const msb_net_question_t *q, char **ret, msb_error_t **e)
{
	bool denied = strchr(q->target, 'x') != NULL;

	fake_called(m, "explain %s %s %s %s %d", whose, q->target,
		    q->proto ? q->proto : "-", q->address ? q->address : "-",
		    q->ingress);
	if (!strcmp(q->target, "bad"))
		return fake_fail(e, MSB_ERR_INVALID, EINVAL,
				 "invalid config: ", "bad target");
	*ret = str_fmt(
		"{\"allowed\":%s,\"answers\":[{\"action\":\"allow\","
		"\"protocol\":\"dns\",\"name\":\"a.b\",\"address\":null,"
		"\"ports\":null,\"rule\":0,\"decided_by\":\"rule 1 (r)\","
		"\"note\":null},{\"action\":\"%s\",\"protocol\":\"tcp\","
		"\"name\":null,\"address\":\"::1\",\"ports\":{\"start\":1,"
		"\"end\":79},\"rule\":null,\"decided_by\":\"default egress\","
		"\"note\":\"mind this\"},{\"action\":\"allow\",\"protocol\":"
		"\"udp\",\"name\":null,\"address\":\"1.2.3.4\",\"ports\":{"
		"\"start\":0,\"end\":65535},\"rule\":null,\"decided_by\":"
		"\"default egress\",\"note\":null},{\"action\":\"allow\","
		"\"protocol\":\"tcp\",\"name\":\"a.b\",\"address\":"
		"\"1.2.3.4\",\"ports\":{\"start\":80,\"end\":80},\"rule\":1,"
		"\"decided_by\":\"rule 2 (s)\",\"note\":null}]}",
		denied ? "false" : "true", denied ? "deny" : "allow");
	return !denied;
}

int msb_config_net_explain(const msb_config_t *c, const msb_net_question_t *q,
			   char **ret_json, msb_error_t **e)
{
	return explain(c->m, "config", q, ret_json, e);
}

int msb_sandbox_net_explain(const msb_sandbox_t *s, const msb_net_question_t *q,
			    char **ret_json, msb_error_t **ret_err)
{
	return explain(fake_home(s), msb_sandbox_name(s), q, ret_json, ret_err);
}
