/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses of a host, without the guest's name service. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "agent/tcp.h"

#define HOST_MAX 255

static bool literal(const char *text, uint16_t port, struct tcp_addr *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->sa;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		ret->len = sizeof(*v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		ret->len = sizeof(*v6);
		return true;
	}
	return false;
}

/* Next word of a line of the hosts file; a comment ends it. */
static bool next_word(struct view *line, struct view *ret)
{
	while (line->len &&
	       (*line->p == ' ' || *line->p == '\t' || *line->p == '\r')) {
		line->p++;
		line->len--;
	}
	ret->p = line->p;
	ret->len = 0;
	while (line->len && *line->p != ' ' && *line->p != '\t' &&
	       *line->p != '\r' && *line->p != '#') {
		line->p++;
		line->len--;
		ret->len++;
	}
	return ret->len > 0;
}

static bool names(struct view line, const char *host)
{
	struct view word;

	while (next_word(&line, &word))
		if (word.len == strlen(host) &&
		    !strncasecmp((const char *)word.p, host, word.len))
			return true;
	return false;
}

static size_t from_hosts(struct view text, const char *host, uint16_t port,
			 struct tcp_addr *ret, size_t max)
{
	size_t n = 0;

	while (text.len && n < max) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		size_t len = end ? (size_t)(end - text.p) : text.len;
		struct view line = { text.p, len }, word;
		char addr[INET6_ADDRSTRLEN];

		text.p += end ? len + 1 : len;
		text.len -= end ? len + 1 : len;
		if (!next_word(&line, &word) || word.len >= sizeof(addr) ||
		    !names(line, host))
			continue;
		memcpy(addr, word.p, word.len);
		addr[word.len] = 0;
		n += literal(addr, port, &ret[n]);
	}
	return n;
}

size_t tcp_resolve(struct view host, uint16_t port, struct view hosts_file,
		   struct tcp_addr *ret, size_t max)
{
	char text[HOST_MAX + 1];
	size_t n;

	if (host.len > 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
		host.p++;
		host.len -= 2;
	}
	if (!host.len || host.len > HOST_MAX || !max ||
	    memchr(host.p, 0, host.len))
		return 0;
	memcpy(text, host.p, host.len);
	text[host.len] = 0;
	if (literal(text, port, &ret[0]))
		return 1;
	n = from_hosts(hosts_file, text, port, ret, max);
	if (n || strcasecmp(text, "localhost") != 0 || max < 2)
		return n;
	(void)literal("127.0.0.1", port, &ret[0]); /* both are well-formed */
	(void)literal("::1", port, &ret[1]);
	return 2;
}
