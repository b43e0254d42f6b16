/* SPDX-License-Identifier: Apache-2.0 */
/* Heads of requests and answers outside of TLS. What was decided from a part
 * stays as it is when more comes; what is accepted says one thing only. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/addr.h"
#include "net/tls/head.h"

#define SIZE_MAX_LINE 8000u /* longer lines are decided by their length */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_host(const char *host)
{
	char again[NET_NAME_MAX + 1];
	struct net_addr a;

	must(net_addr_parse(host, strlen(host), &a) == 0 ||
	     (policy_name(host, strlen(host), again) == 0 &&
	      strcmp(host, again) == 0));
}

static void check_first(const char *text, size_t len)
{
	enum http_first last = HTTP_UNSURE, now;

	for (size_t n = 0; n <= len; n += len / 64 + 1) {
		now = http_first(text, n);
		must(last == HTTP_UNSURE || now == last);
		last = now;
	}
	now = http_first(text, len);
	must(last == HTTP_UNSURE || now == last);
}

static size_t check_end(const char *text, size_t len)
{
	const size_t end = head_end(text, len, 0), step = len / 64 + 1;
	size_t looked = 0;

	must(end <= len && (!end || text[end - 1] == '\n'));
	for (size_t n = step; n <= len; n += step) {
		const size_t part = head_end(text, n, looked);

		must(part == (end && end <= n ? end : 0));
		if (part)
			break;
		looked = n;
	}
	return end;
}

static void check_connect(const char *head, size_t len)
{
	struct connect_head c;
	char line[NET_NAME_MAX + 32];
	size_t pos = 0;
	struct head_field f;
	struct net_addr a;

	if (connect_parse(head, len, &c))
		return;
	must(c.port != 0);
	check_host(c.host);
	must(http_first(head, len) == HTTP_CONNECT);
	must(head_end(head, len, 0) == len);
	while (head_next(head, len, &pos, &f))
		must(f.name_len && !head_is(&f, "transfer-encoding"));
	/* names are sent as they are judged, but for their case and dots */
	if (net_addr_parse(c.host, strlen(c.host), &a) == 0)
		return;
	(void)snprintf(line, sizeof(line), "%s", c.host);
	for (pos = sizeof("CONNECT ") - 1; head[pos] == '.';)
		pos++;
	must(strncasecmp(head + pos, line, strlen(line)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request_target target;
	struct reply_head reply;
	size_t blank, end;
	char *text;

	if (size > SIZE_MAX_LINE)
		size = SIZE_MAX_LINE;
	/* of exactly this size, so that a read beyond it is noticed */
	text = malloc(size ? size : 1);
	must(text != NULL);
	if (size)
		memcpy(text, data, size);
	check_first(text, size);
	blank = head_blank(text, size);
	must(blank <= size);
	end = check_end(text + blank, size - blank);
	request_target(text + blank, size - blank, &target);
	if (target.host[0])
		check_host(target.host);
	if (end) {
		check_connect(text + blank, end);
		if (reply_parse(text + blank, end, &reply) == 0)
			must(reply.status >= 100 && reply.status <= 999);
	}
	free(text);
	return 0;
}
