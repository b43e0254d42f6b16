/* SPDX-License-Identifier: Apache-2.0 */
/* Nameservers: their texts, the host's files, and names among them. */
#include "net/dns_host.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "net/dns_answer.h"
#include "net/net_int.h"

#define FILE_MAX (1u << 20)
#define SPACE " \t\r\f\v"
#define NAMESERVER_MAX 320 /* as written, with its NUL */

/* The next word of [*p, end), or NULL. */
static const char *next_word(const char **p, const char *end, size_t *ret_len)
{
	const char *word;

	while (*p < end && strchr(SPACE, **p))
		++*p;
	word = *p;
	while (*p < end && !strchr(SPACE, **p))
		++*p;
	*ret_len = (size_t)(*p - word);
	return *ret_len ? word : NULL;
}

/* The next line of [*p, end) up to a comment, or NULL. */
static const char *next_line(const char **p, const char *end,
			     const char *comments, const char **ret_end)
{
	const char *line = *p, *stop;

	if (line >= end)
		return NULL;
	stop = memchr(line, '\n', (size_t)(end - line));
	if (!stop)
		stop = end;
	*p = stop < end ? stop + 1 : end;
	for (*ret_end = line; *ret_end < stop; ++*ret_end)
		if (**ret_end && strchr(comments, **ret_end))
			break;
	return line;
}

/* An address, of IPv6 with its zone. */
static bool scoped_addr(const char *word, size_t len, struct dns_server *ret)
{
	const char *zone = memchr(word, '%', len);
	char name[IF_NAMESIZE] = "";

	ret->scope = 0;
	if (zone) {
		size_t n = len - (size_t)(zone + 1 - word);

		if (!n || n >= sizeof(name))
			return false;
		memcpy(name, zone + 1, n);
		ret->scope = if_nametoindex(name);
		if (!ret->scope)
			return false;
		len = (size_t)(zone - word);
	}
	return !net_addr_parse(word, len, &ret->end.addr);
}

void dns_resolv_parse(const char *text, size_t len, uint16_t port,
		      struct dns_servers *ret)
{
	static const char keyword[] = "nameserver";
	const char *end, *line, *line_end, *word;
	size_t n;

	ret->n = 0;
	if (!len)
		return;
	end = text + len;
	while ((line = next_line(&text, end, "#;", &line_end)) &&
	       ret->n < ARRAY_SIZE(ret->v)) {
		struct dns_server s = { .end.port = port };

		word = next_word(&line, line_end, &n);
		if (!word || n != sizeof(keyword) - 1 ||
		    memcmp(word, keyword, n) != 0)
			continue;
		word = next_word(&line, line_end, &n);
		if (word && scoped_addr(word, n, &s))
			ret->v[ret->n++] = s;
	}
}

size_t dns_hosts_find(const char *text, size_t len, const struct dns_name *name,
		      struct net_addr *ret, size_t max)
{
	const char *end, *line, *line_end, *word;
	size_t n, found = 0;

	if (!len)
		return 0;
	end = text + len;
	while (found < max && (line = next_line(&text, end, "#", &line_end))) {
		struct dns_name other;
		struct net_addr a;

		word = next_word(&line, line_end, &n);
		if (!word || net_addr_parse(word, n, &a))
			continue;
		while ((word = next_word(&line, line_end, &n)))
			if (!dns_name_parse(word, n, &other) &&
			    dns_name_equal(&other, name)) {
				ret[found++] = a;
				break;
			}
	}
	return found;
}

static int parse_port(const char *text, uint16_t *ret)
{
	uint32_t port;

	if (str_to_u32(text, &port) || !port || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t)port;
	return 0;
}

/* Without what is around it; false: nothing, or too much, is left. */
static bool trim(const char *text, char ret[NAMESERVER_MAX])
{
	size_t len;

	text += strspn(text, SPACE);
	len = strlen(text);
	while (len && strchr(SPACE, text[len - 1]))
		len--;
	if (!len || len >= NAMESERVER_MAX)
		return false;
	memcpy(ret, text, len);
	ret[len] = 0;
	return true;
}

/* No host is called 1.2.3: that is an address gone wrong. */
static bool ends_in_number(const char *text, size_t len)
{
	size_t digits = 0;

	if (text[len - 1] == '.')
		len--;
	while (len && text[len - 1] >= '0' && text[len - 1] <= '9') {
		len--;
		digits++;
	}
	return digits && (!len || text[len - 1] == '.');
}

/* [IPv6] and perhaps a port */
static int parse_bracketed(const char *text, struct dns_server *ret)
{
	const char *close = strchr(text, ']');

	if (!close || (close[1] && close[1] != ':') ||
	    (close[1] && parse_port(close + 2, &ret->end.port)) ||
	    net_addr_parse(text + 1, (size_t)(close - text - 1),
			   &ret->end.addr))
		return -EINVAL;
	return ret->end.addr.family == AF_INET6 ? 0 : -EINVAL;
}

int dns_nameserver_parse(const char *written, struct dns_server *ret,
			 struct dns_name *ret_name)
{
	char text[NAMESERVER_MAX];
	const char *colon;
	size_t len;

	*ret = (struct dns_server){ .end.port = DNS_PORT };
	if (!trim(written, text))
		return -EINVAL;
	if (text[0] == '[')
		return parse_bracketed(text, ret);
	len = strlen(text);
	colon = strrchr(text, ':');
	if (colon && strchr(text, ':') == colon) {
		if (parse_port(colon + 1, &ret->end.port))
			return -EINVAL;
		len = (size_t)(colon - text);
	}
	if (!net_addr_parse(text, len, &ret->end.addr))
		return 0;
	ret->end.addr = (struct net_addr){ 0 };
	if (!len || ends_in_number(text, len))
		return -EINVAL;
	return dns_name_parse(text, len, ret_name);
}

/* --- names of servers --- */

struct lookup {
	struct loop *loop;
	const struct dns_host *host;
	struct dns_servers servers; /* the host's */
	struct buf hosts;	    /* its file */
	struct timer limit;
	bool expired;
	uint8_t *scratch; /* DNS_MAX_MSG */
};

/* One family's question. */
struct question {
	struct dns_exchange x;
	uint8_t query[DNS_LOCAL_MAX];
	struct net_addr addrs[DNS_MAX_ADDRS];
	int family;
	size_t n;
	bool done;
};

static void on_limit(struct timer *t)
{
	container_of(t, struct lookup, limit)->expired = true;
}

static void on_answer(struct dns_exchange *x, uint8_t *answer, size_t len)
{
	struct question *q = container_of(x, struct question, x);
	uint32_t ttl;

	if (answer)
		q->n = dns_answer_addresses(answer, len, q->family, q->addrs,
					    &ttl);
	q->done = true;
}

static void ask(struct lookup *l, struct question *q, int family,
		const struct dns_name *name)
{
	*q = (struct question){ .family = family };
	q->x = (struct dns_exchange){
		.loop = l->loop,
		.servers = l->servers.v,
		.nservers = l->servers.n,
		.timeout_ms = l->host->timeout_ms,
		.query = q->query,
		.scratch = l->scratch,
		.done = on_answer,
	};
	q->x.len = dns_query_write(q->query, 0, name,
				   family == AF_INET ? DNS_A : DNS_AAAA);
	dns_exchange_start(&q->x);
}

static size_t take(const struct question *q, struct net_addr *ret, size_t max)
{
	size_t n = q->n < max ? q->n : max;

	memcpy(ret, q->addrs, n * sizeof(*ret));
	return n;
}

/* The addresses of a name, IPv4 first; how many, or -errno. */
static int look_up(struct lookup *l, const struct dns_name *name,
		   struct net_addr *ret, size_t max)
{
	autofree struct question *q = NULL;
	size_t n;
	int rc = 0;

	n = dns_hosts_find((const char *)buf_data(&l->hosts),
			   buf_len(&l->hosts), name, ret, max);
	if (n || l->expired)
		return (int)n;
	q = calloc(2, sizeof(*q));
	if (!q)
		return -ENOMEM;
	ask(l, &q[0], AF_INET, name);
	ask(l, &q[1], AF_INET6, name);
	while (!rc && !l->expired && !(q[0].done && q[1].done))
		rc = loop_turn(l->loop, -1);
	dns_exchange_cancel(&q[0].x);
	dns_exchange_cancel(&q[1].x);
	if (rc)
		return rc;
	n = take(&q[0], ret, max);
	return (int)(n + take(&q[1], ret + n, max - n));
}

/* /etc/resolv.conf is often a link, and may be missing. */
static int read_file(const char *path, struct buf *out)
{
	autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : io_read_all(fd, out);
}

static int lookup_open(struct lookup *l)
{
	int rc = loop_new(&l->loop);

	if (rc)
		return rc;
	l->scratch = malloc(DNS_MAX_MSG);
	if (!l->scratch)
		return -ENOMEM;
	(void)read_file(l->host->hosts, &l->hosts); /* may be missing */
	loop_timer(l->loop, &l->limit, 2ull * l->host->timeout_ms, on_limit);
	return 0;
}

static void lookup_close(struct lookup *l)
{
	loop_timer_cancel(&l->limit);
	l->loop = loop_free(l->loop);
	buf_fini(&l->hosts);
	free(l->scratch);
}

static int add_named(struct lookup *l, const char *text,
		     const struct dns_server *s, const struct dns_name *name,
		     struct dns_servers *ret, struct buf *problems)
{
	struct net_addr addrs[NET_MAX_NAMESERVERS];
	int n = look_up(l, name, addrs, ARRAY_SIZE(ret->v) - ret->n);

	if (n < 0)
		return n;
	if (!n)
		(void)buf_printf(problems, "%sno address for nameserver '%s'",
				 buf_len(problems) ? "; " : "", text);
	for (int i = 0; i < n; i++) {
		ret->v[ret->n] = *s;
		ret->v[ret->n++].end.addr = addrs[i];
	}
	return 0;
}

static int add_configured(struct lookup *l, const struct strv *texts,
			  struct dns_servers *ret, struct buf *problems)
{
	for (size_t i = 0; i < texts->n && ret->n < ARRAY_SIZE(ret->v); i++) {
		struct dns_server s;
		struct dns_name name;
		int rc = dns_nameserver_parse(texts->v[i], &s, &name);

		if (rc) {
			(void)buf_printf(problems, "%sbad nameserver '%s'",
					 buf_len(problems) ? "; " : "",
					 texts->v[i]);
			continue;
		}
		if (s.end.addr.family != AF_UNSPEC) {
			ret->v[ret->n++] = s;
			continue;
		}
		if (!l->loop) /* the first name */
			rc = lookup_open(l);
		if (!rc)
			rc = add_named(l, texts->v[i], &s, &name, ret,
				       problems);
		if (rc)
			return rc;
	}
	return 0;
}

static int read_host_servers(const struct dns_host *h, struct dns_servers *ret,
			     struct buf *problems)
{
	struct buf text;
	int rc;

	ret->n = 0;
	buf_init(&text, FILE_MAX);
	rc = read_file(h->resolv_conf, &text);
	if (rc == -ENOMEM) {
		buf_fini(&text);
		return rc;
	}
	if (!rc)
		dns_resolv_parse((const char *)buf_data(&text), buf_len(&text),
				 h->port, ret);
	if (!ret->n)
		(void)buf_printf(problems, "no nameserver in %s",
				 h->resolv_conf);
	buf_fini(&text);
	return 0;
}

int dns_servers_find(const struct dns_host *h, const struct strv *configured,
		     struct dns_servers *ret, struct buf *problems)
{
	struct lookup l = { .host = h };
	struct buf unused;
	int rc;

	ret->n = 0;
	if (!configured->n)
		return read_host_servers(h, ret, problems);
	/* that the host has no server matters for names alone, and shows */
	buf_init(&unused, FILE_MAX);
	buf_init(&l.hosts, FILE_MAX);
	rc = read_host_servers(h, &l.servers, &unused);
	if (!rc)
		rc = add_configured(&l, configured, ret, problems);
	lookup_close(&l);
	buf_fini(&unused);
	return rc;
}
