/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an HTTP/2 client sends. However it is cut, the same goes on; and what
 * goes on is valid, is for the one host, and has no placeholder where a secret
 * belongs or where it may not be.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "net/http/h2_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOST "a.example"
#define MANY (16u << 20)

struct state {
	struct host_pattern any, other;
	struct secret_config secret[3];
	struct secrets_config config;
	struct secrets *secrets;
	struct secret_scope *scope;
};

static void check(bool good)
{
	if (!good)
		abort();
}

static const struct state *prepare(void)
{
	static const uint8_t values[] = "\0\0\0\3val\0\0\0\5other\0\0\0\4body";
	static struct state s;
	const struct net_addr dest = { 0 };
	const struct secret_where where = {
		.host = HOST, .dest = &dest, .tls = true, .tunnel = true
	};
	struct err err;
	int fd;

	if (s.scope)
		return &s;
	s.any.kind = HOST_ANY;
	s.other.kind = HOST_EXACT;
	s.other.name = (char *)"b.example";
	s.secret[0] = (struct secret_config){ .env_var = (char *)"K",
					      .placeholder = (char *)"$K",
					      .allowed = { &s.any, 1 },
					      .headers = true,
					      .basic_auth = true,
					      .query_params = true };
	s.secret[1] = (struct secret_config){ .env_var = (char *)"O",
					      .placeholder = (char *)"$Other",
					      .allowed = { &s.other, 1 } };
	s.secret[2] = (struct secret_config){ .env_var = (char *)"B",
					      .placeholder = (char *)"$Body",
					      .allowed = { &s.any, 1 },
					      .body = true };
	s.config.v = s.secret;
	s.config.n = ARRAY_SIZE(s.secret);
	fd = memfd_create("values", MFD_CLOEXEC);
	check(write(fd, values, sizeof(values) - 1) == sizeof(values) - 1);
	check(lseek(fd, 0, SEEK_SET) == 0);
	check(!secrets_new(&s.config, fd, &s.secrets, &err));
	close(fd);
	check(!secret_scope_new(s.secrets, NULL, NULL, 0, &where, &s.scope));
	return &s;
}

/* In portions of cut; 0: in one. */
static int filter(const uint8_t *data, size_t size, size_t cut, struct buf *out)
{
	size_t room = SIZE_MAX;
	struct request_ctx ctx = { .scope = prepare()->scope,
				   .host = HOST,
				   .room = &room };
	struct h2 *h;
	int rc = 0;

	check(!h2_new(&ctx, &h));
	do {
		size_t n = cut && cut < size ? cut : size;
		/* of exactly this size, so that a read beyond is noticed */
		uint8_t *copy = malloc(n ? n : 1);

		check(copy != NULL);
		if (n)
			memcpy(copy, data, n);
		rc = h2_push(h, copy, n, n == size, out);
		free(copy);
		data += n;
		size -= n;
	} while (size && !rc);
	check(!rc || (rc == -EPERM && ctx.found.env_var) ||
	      (rc == -EPROTO && ctx.why));
	h2_free(h);
	return rc;
}

static bool has(const nghttp2_nv *nv, const char *text)
{
	return memmem(nv->value, nv->valuelen, text, strlen(text)) ||
	       memmem(nv->name, nv->namelen, text, strlen(text));
}

static void check_field(const nghttp2_nv *nv, bool request)
{
	char host[NET_NAME_MAX + 1];

	check(!has(nv, "$Other"));
	if (nv->namelen == 10 && !memcmp(nv->name, ":authority", 10))
		check(!authority_host((const char *)nv->value, nv->valuelen,
				      host) &&
		      !strcmp(host, HOST));
	if (request && nv->name[0] != ':' &&
	    !(nv->namelen == 4 && !memcmp(nv->name, "host", 4)))
		check(!has(nv, "$K"));
	check(!memchr(nv->value, '\n', nv->valuelen) &&
	      !memchr(nv->value, '\r', nv->valuelen) &&
	      !memchr(nv->value, 0, nv->valuelen));
}

static void check_block(nghttp2_hd_inflater *inflater, const uint8_t *data,
			size_t len)
{
	bool request = false;
	int flags = 0;
	nghttp2_nv nv;
	ssize_t n;

	while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
		n = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, data, len, 1);
		check(n >= 0);
		data += n;
		len -= (size_t)n;
		if (!(flags & NGHTTP2_HD_INFLATE_EMIT))
			continue;
		request = request || nv.name[0] == ':';
		check_field(&nv, request);
	}
	nghttp2_hd_inflate_end_headers(inflater);
}

/* What goes on, as a server reads it; the last frame may be cut. */
static void check_output(const struct buf *out)
{
	const uint8_t *p = buf_data(out);
	size_t left = buf_len(out), len;
	nghttp2_hd_inflater *inflater;
	struct buf block;

	check(!nghttp2_hd_inflate_new(&inflater));
	buf_init(&block, MANY);
	check(!left || left >= 24);
	p += left ? 24 : 0;
	left -= left ? 24 : 0;
	while (left >= H2_FRAME_HEAD) {
		len = be32_get(p) >> 8;
		if (len > left - H2_FRAME_HEAD)
			break;
		if (p[3] == NGHTTP2_HEADERS || p[3] == NGHTTP2_CONTINUATION) {
			size_t skip =
				p[3] == NGHTTP2_HEADERS &&
						p[4] & NGHTTP2_FLAG_PRIORITY
					? H2_PRIORITY
					: 0;

			check(len <= H2_FRAME_MAX && len >= skip);
			buf_append(&block, p + H2_FRAME_HEAD + skip,
				   len - skip);
			if (p[4] & NGHTTP2_FLAG_END_HEADERS) {
				check_block(inflater, buf_data(&block),
					    buf_len(&block));
				buf_reset(&block);
			}
		} else {
			check(!buf_len(&block));
			check(p[3] != NGHTTP2_PUSH_PROMISE);
		}
		p += H2_FRAME_HEAD + len;
		left -= H2_FRAME_HEAD + len;
	}
	buf_fini(&block);
	nghttp2_hd_inflate_del(inflater);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole, parts;
	size_t cut;
	int rc;

	if (size < 1)
		return 0;
	cut = 1 + data[0] % 64u;
	data++;
	size--;
	buf_init_secret(&whole, MANY);
	buf_init_secret(&parts, MANY);
	rc = filter(data, size, 0, &whole);
	check(filter(data, size, cut, &parts) == rc);
	if (!rc) {
		check(buf_len(&whole) == buf_len(&parts) &&
		      (!buf_len(&whole) ||
		       !memcmp(buf_data(&whole), buf_data(&parts),
			       buf_len(&whole))));
		check_output(&whole);
	}
	buf_fini(&whole);
	buf_fini(&parts);
	return 0;
}
