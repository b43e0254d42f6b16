/* SPDX-License-Identifier: Apache-2.0 */
/* URLs, read by the same code that connects to them. */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "image/http.h"

static bool url_part(CURLU *u, CURLUPart part, unsigned flags, char *ret,
		     size_t size)
{
	char *text = NULL;
	bool ok = curl_url_get(u, part, &text, flags) == CURLUE_OK &&
		  strlen(text) < size;

	if (ok)
		(void)snprintf(ret, size, "%s", text);
	curl_free(text);
	return ok;
}

int http_origin(const char *url, struct http_origin *ret)
{
	CURLU *u = strlen(url) <= HTTP_URL_MAX ? curl_url() : NULL;
	struct http_origin o = { .port = 0 };
	char scheme[8], port[8];
	uint32_t number = 0;
	bool ok;

	ok = u &&
	     curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) ==
		     CURLUE_OK &&
	     url_part(u, CURLUPART_SCHEME, 0, scheme, sizeof(scheme)) &&
	     url_part(u, CURLUPART_HOST, 0, o.host, sizeof(o.host)) &&
	     url_part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, port,
		      sizeof(port)) &&
	     str_to_u32(port, &number) == 0;
	curl_url_cleanup(u);
	o.tls = ok && strcasecmp(scheme, "https") == 0;
	if (!o.tls && (!ok || strcasecmp(scheme, "http") != 0))
		return -EINVAL;
	o.port = number;
	*ret = o;
	return 0;
}

bool http_origin_eq(const struct http_origin *a, const struct http_origin *b)
{
	return a->tls == b->tls && a->port == b->port &&
	       strcasecmp(a->host, b->host) == 0;
}

char *http_url_add(const char *url, const char *name, const char *value)
{
	CURLU *u = curl_url();
	char *escaped = curl_easy_escape(NULL, value, 0);
	char *pair = escaped ? str_fmt("%s=%s", name, escaped) : NULL;
	char *text = NULL, *copy = NULL;

	if (u && pair &&
	    curl_url_set(u, CURLUPART_URL, url, CURLU_DISALLOW_USER) ==
		    CURLUE_OK &&
	    curl_url_set(u, CURLUPART_QUERY, pair, CURLU_APPENDQUERY) ==
		    CURLUE_OK &&
	    curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
		copy = strdup(text);
	curl_free(text);
	curl_free(escaped);
	free(pair);
	curl_url_cleanup(u);
	return copy;
}
