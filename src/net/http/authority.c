/* SPDX-License-Identifier: Apache-2.0 */
/* The host a request is addressed to (RFC 3986, 3.2). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "net/http/request_int.h"

/* Where the port begins, or len: -EINVAL for what is neither. */
static int split_port(const char *text, size_t len, size_t *host_len)
{
	const char *colon = memchr(text, ':', len);
	size_t digits;

	*host_len = len;
	if (!colon)
		return 0;
	*host_len = (size_t)(colon - text);
	digits = len - *host_len - 1;
	if (digits > 5)
		return -EINVAL;
	for (size_t i = 0; i < digits; i++)
		if (colon[1 + i] < '0' || colon[1 + i] > '9')
			return -EINVAL;
	return 0;
}

static int address_host(const char *text, size_t len,
			char ret[NET_NAME_MAX + 1])
{
	char shown[NET_ADDR_TEXT];
	struct net_addr a;
	int rc = net_addr_parse(text, len, &a);

	if (!rc)
		(void)snprintf(ret, NET_NAME_MAX + 1, "%s",
			       net_addr_text(&a, shown));
	return rc;
}

int authority_host(const char *text, size_t len, char ret[NET_NAME_MAX + 1])
{
	size_t host_len, rest;
	const char *end;

	if (len && *text == '[') {
		end = memchr(text, ']', len);
		if (!end ||
		    split_port(end + 1, len - (size_t)(end + 1 - text),
			       &rest) ||
		    rest)
			return -EINVAL;
		return address_host(text + 1, (size_t)(end - text) - 1, ret);
	}
	if (split_port(text, len, &host_len) || !host_len || *text == '.')
		return -EINVAL;
	if (address_host(text, host_len, ret) == 0)
		return 0;
	return policy_name(text, host_len, ret);
}
