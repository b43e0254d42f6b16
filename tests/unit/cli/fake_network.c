/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stand-in library's network: calls are recorded, answers are fixed. A
 * target with the letter x is denied, and a rule "bad" is refused.
 */
#include <errno.h>
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
		"\"rebind_protection\":true},\"max_connections\":256}",
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
