/* SPDX-License-Identifier: Apache-2.0 */
/* The network section as JSON, and the text forms of ports, nameservers and
 * hosts. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/config.h"

#define INPUT_MAX 65536
#define TEXT_MAX 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read is written such that it reads the same. */
static void same_again(const struct net_config *c)
{
	json_t *first = net_config_to_json(c), *second;
	struct net_config again;
	struct net_addresses a;
	struct err err = { 0 };

	if (!first || net_config_from_json(first, &again, &err))
		abort();
	second = net_config_to_json(&again);
	if (!second || !json_equal(first, second))
		abort();
	if (!net_addresses_assign(&again, UINT32_MAX, true, true, &a, &err) &&
	    a.guest4.family != AF_INET)
		abort();
	/* nothing is put in where nothing is looked into */
	if (again.enabled && again.secrets.n && !net_config_needs_tls(&again))
		abort();
	json_decref(first);
	json_decref(second);
	net_config_fini(&again);
}

static void read_json(const uint8_t *data, size_t size)
{
	json_t *j = json_loadb((const char *)data, size,
			       JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	struct net_config c;
	struct err err = { 0 };

	if (!j)
		return;
	if (!net_config_from_json(j, &c, &err)) {
		same_again(&c);
		net_config_fini(&c);
	}
	json_decref(j);
}

/* What is shown of a pattern is the same pattern. */
static void read_pattern(const char *text)
{
	char shown[HOST_PATTERN_TEXT], again[HOST_PATTERN_TEXT];
	struct host_pattern p, q;
	struct err err = { 0 };

	if (host_pattern_parse(text, &p, &err))
		return;
	if (host_pattern_parse(host_pattern_text(&p, shown), &q, &err) ||
	    q.kind != p.kind || strcmp(host_pattern_text(&q, again), shown) ||
	    (p.kind != HOST_ANY && !host_pattern_match(&p, q.name)))
		abort();
	free(p.name);
	free(q.name);
}

static void read_text(const uint8_t *data, size_t size)
{
	char text[TEXT_MAX + 1];
	struct net_port p;
	struct err err = { 0 };

	if (size > TEXT_MAX)
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	read_pattern(text);
	(void)net_nameserver_check(text, &err);
	if (!net_port_parse(text, &p, &err) &&
	    (!p.bind.port || !p.guest_port || p.bind.addr.family == AF_UNSPEC))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > INPUT_MAX)
		return 0;
	read_json(data, size);
	read_text(data, size);
	return 0;
}
