/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets made up for a test. */
#include "secret_bench.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/io.h"
#include "base/str.h"

/* Also used by fuzz targets, which have no test library. */
static void must(bool ok)
{
	if (!ok)
		abort();
}

void secret_bench_init(struct secret_bench *b)
{
	*b = (struct secret_bench){ 0 };
	b->config.on_violation.set = true;
	b->link.gateway4 = secret_bench_addr("100.96.0.1");
	b->link.guest4 = secret_bench_addr("100.96.0.2");
	buf_init(&b->values, 64u << 20);
}

void secret_bench_fini(struct secret_bench *b)
{
	b->secrets = secrets_free(b->secrets);
	secrets_config_fini(&b->config);
	buf_fini(&b->values);
	b->names = names_free(b->names);
}

void secret_bench_hosts(struct host_patterns *p, const char *hosts)
{
	char *copy = strdup(hosts), *rest = copy, *one;

	must(copy != NULL);
	while ((one = strsep(&rest, ","))) {
		p->v = reallocarray(p->v, p->n + 1, sizeof(p->v[0]));
		must(p->v != NULL);
		must(host_pattern_parse(one, &p->v[p->n], NULL) == 0);
		p->n++;
	}
	free(copy);
}

struct secret_config *secret_bench_add(struct secret_bench *b, const char *name,
				       const char *placeholder,
				       const char *value, const char *hosts,
				       unsigned places)
{
	struct secrets_config *c = &b->config;
	uint8_t len[4];

	c->v = reallocarray(c->v, c->n + 1, sizeof(c->v[0]));
	must(c->v != NULL);
	c->v[c->n] = (struct secret_config){
		.env_var = strdup(name),
		.placeholder = placeholder ? strdup(placeholder)
					   : str_fmt("$MSB_%s", name),
		.headers = places & PLACE_HEADER,
		.basic_auth = places & PLACE_BASIC,
		.query_params = places & PLACE_QUERY,
		.body = places & PLACE_BODY,
		.require_tls_identity = true,
	};
	must(c->v[c->n].env_var && c->v[c->n].placeholder);
	secret_bench_hosts(&c->v[c->n].allowed, hosts);
	be32_put(len, (uint32_t)strlen(value));
	must(buf_append(&b->values, len, sizeof(len)) == 0);
	must(buf_str(&b->values, value) == 0);
	return &c->v[c->n++];
}

int secret_bench_fd(const struct secret_bench *b)
{
	int fd = io_memfd("values", buf_data(&b->values), buf_len(&b->values));

	must(fd >= 0);
	return fd;
}

void secret_bench_start(struct secret_bench *b)
{
	int fd = secret_bench_fd(b);

	must(secrets_new(&b->config, fd, &b->secrets, NULL) == 0);
	must(close(fd) == 0);
}

struct net_addr secret_bench_addr(const char *text)
{
	struct net_addr a;

	must(net_addr_parse(text, strlen(text), &a) == 0);
	return a;
}

void secret_bench_bind(struct secret_bench *b, const char *name,
		       const char *addr)
{
	struct net_addr a = secret_bench_addr(addr);

	must(b->names || names_new(&b->names) == 0);
	must(names_bind(b->names, name, a.family, &a, 1, 60, 0) == 0);
}

struct secret_scope *secret_bench_scope(struct secret_bench *b,
					const char *host)
{
	struct net_addr dest = secret_bench_addr("192.0.2.1");
	struct secret_where w = { .host = host, .dest = &dest, .tls = true };
	struct secret_scope *scope;

	secret_bench_bind(b, host, "192.0.2.1");
	must(secret_scope_new(b->secrets, b->names, &b->link, 0, &w, &scope) ==
	     0);
	return scope;
}
