/* SPDX-License-Identifier: Apache-2.0 */
/* Peers of the HTTP/2 filter. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "h2_bench.h"

#define MANY (64u << 20)

static void make_secrets(struct bench *b, unsigned flags)
{
	const unsigned head = PLACE_HEADER | PLACE_BASIC | PLACE_QUERY;
	char *huge = malloc((60u << 10) + 1);
	struct secret_config *c;

	assert_non_null(huge);
	memset(huge, 'h', 60u << 10);
	huge[60u << 10] = 0;
	secret_bench_init(&b->secrets);
	b->secrets.config.on_violation.action = SECRET_BLOCK_LOG;
	if (!(flags & BENCH_NO_SECRETS)) {
		secret_bench_add(&b->secrets, "KEY", NULL, KEY_VALUE, "*",
				 head);
		secret_bench_add(&b->secrets, "OTHER", NULL, "other-value",
				 "elsewhere.example", PLACE_ALL);
		c = secret_bench_add(&b->secrets, "WORSE", NULL, "worse-value",
				     "elsewhere.example", PLACE_ALL);
		c->on_violation.set = true;
		c->on_violation.action = SECRET_BLOCK_TERMINATE;
		secret_bench_add(&b->secrets, "HUGE", NULL, huge, "*", head);
		secret_bench_add(&b->secrets, "BLANK", NULL, " blank", "*",
				 head);
	}
	if (flags & BENCH_BODY)
		secret_bench_add(&b->secrets, "BODY", NULL, BODY_VALUE, "*",
				 PLACE_HEADER | PLACE_BODY);
	secret_bench_start(&b->secrets);
	free(huge);
}

void bench_init(struct bench *b, unsigned flags)
{
	memset(b, 0, sizeof(*b));
	make_secrets(b, flags);
	b->scope = secret_bench_scope(&b->secrets, HOST);
	b->ctx.scope = b->scope;
	b->ctx.room = &b->room;
	b->room = HTTP_MAX_HELD;
	b->ctx.host = flags & BENCH_ANY_HOST ? NULL : HOST;
	assert_int_equal(h2_new(&b->ctx, &b->h), 0);
	buf_init_secret(&b->out, MANY);
	buf_init_secret(&b->wire, MANY);
	assert_int_equal(nghttp2_hd_deflate_new(&b->packer, 4096), 0);
}

void bench_fini(struct bench *b)
{
	nghttp2_session_del(b->client);
	nghttp2_session_del(b->server);
	nghttp2_hd_deflate_del(b->packer);
	for (unsigned i = 0; i < b->nseen; i++) {
		buf_fini(&b->seen[i].head);
		buf_fini(&b->seen[i].body);
		buf_fini(&b->seen[i].trailers);
	}
	buf_fini(&b->out);
	buf_fini(&b->wire);
	assert_null(h2_free(b->h));
	secret_scope_free(b->scope);
	secret_bench_fini(&b->secrets);
}

int bench_push(struct bench *b, const void *data, size_t len)
{
	const uint8_t *p = data;

	while (len && !b->rc) {
		size_t n = b->cut && b->cut < len ? b->cut : len;
		size_t had = buf_len(&b->out);

		b->rc = h2_push(b->h, p, n, false, &b->out);
		if (!b->rc)
			buf_append(&b->wire, buf_data(&b->out) + had,
				   buf_len(&b->out) - had);
		if (!b->rc)
			request_keep(&b->ctx, h2_held(b->h));
		p += n;
		len -= n;
	}
	assert_false(b->wire.failed);
	return b->rc;
}

static struct seen *seen_of(struct bench *b, int32_t stream)
{
	for (unsigned i = 0; i < b->nseen; i++)
		if (b->seen[i].stream == stream)
			return &b->seen[i];
	b->nseen %= ARRAY_SIZE(b->seen);
	buf_fini(&b->seen[b->nseen].head);
	buf_fini(&b->seen[b->nseen].body);
	buf_fini(&b->seen[b->nseen].trailers);
	b->seen[b->nseen] = (struct seen){ .stream = stream };
	buf_init(&b->seen[b->nseen].head, MANY);
	buf_init(&b->seen[b->nseen].body, MANY);
	buf_init(&b->seen[b->nseen].trailers, MANY);
	return &b->seen[b->nseen++];
}

static int on_field(nghttp2_session *s MSB_UNUSED, const nghttp2_frame *frame,
		    const uint8_t *name, size_t name_len, const uint8_t *value,
		    size_t value_len, uint8_t flags, void *ctx)
{
	struct seen *seen = seen_of(ctx, frame->hd.stream_id);
	struct buf *to = frame->headers.cat == NGHTTP2_HCAT_REQUEST
				 ? &seen->head
				 : &seen->trailers;

	buf_append(to, name, name_len);
	buf_str(to, ": ");
	buf_append(to, value, value_len);
	buf_str(to, flags & NGHTTP2_NV_FLAG_NO_INDEX ? " !\n" : "\n");
	return 0;
}

static int on_data(nghttp2_session *s MSB_UNUSED, uint8_t flags MSB_UNUSED,
		   int32_t stream, const uint8_t *data, size_t len, void *ctx)
{
	buf_append(&seen_of(ctx, stream)->body, data, len);
	return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *ctx)
{
	const nghttp2_nv ok = FIELD(":status", "200");

	if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (frame->hd.type != NGHTTP2_DATA &&
	     frame->hd.type != NGHTTP2_HEADERS))
		return 0;
	seen_of(ctx, frame->hd.stream_id)->ended = true;
	return nghttp2_submit_response(s, frame->hd.stream_id, &ok, 1, NULL);
}

static int on_answer(nghttp2_session *s MSB_UNUSED, int32_t stream MSB_UNUSED,
		     uint32_t code, void *ctx)
{
	struct bench *b = ctx;

	b->answered += code == 0;
	return 0;
}

static ssize_t choose_padding(nghttp2_session *s MSB_UNUSED,
			      const nghttp2_frame *frame, size_t max, void *ctx)
{
	const struct bench *b = ctx;
	size_t padded = frame->hd.length + b->pad;

	return (ssize_t)(padded < max ? padded : max);
}

void bench_connect(struct bench *b, const nghttp2_settings_entry *server,
		   size_t nserver, const nghttp2_option *client)
{
	nghttp2_session_callbacks *c;

	assert_int_equal(nghttp2_session_callbacks_new(&c), 0);
	nghttp2_session_callbacks_set_on_stream_close_callback(c, on_answer);
	nghttp2_session_callbacks_set_select_padding_callback(c,
							      choose_padding);
	assert_int_equal(nghttp2_session_client_new2(&b->client, c, b, client),
			 0);
	nghttp2_session_callbacks_del(c);
	assert_int_equal(nghttp2_session_callbacks_new(&c), 0);
	nghttp2_session_callbacks_set_on_header_callback(c, on_field);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
	assert_int_equal(nghttp2_session_server_new(&b->server, c, b), 0);
	nghttp2_session_callbacks_del(c);
	assert_int_equal(nghttp2_submit_settings(b->client, 0, NULL, 0), 0);
	assert_int_equal(nghttp2_submit_settings(b->server, 0, server, nserver),
			 0);
	assert_int_equal(bench_pump(b), 0);
}

/* What one of them has to say. */
static size_t drain(nghttp2_session *s, struct buf *to)
{
	const uint8_t *data;
	ssize_t n;

	while ((n = nghttp2_session_mem_send(s, &data)) > 0)
		buf_append(to, data, (size_t)n);
	assert_int_equal(n, 0);
	return buf_len(to);
}

static void feed(nghttp2_session *s, struct buf *from)
{
	if (!buf_len(from))
		return;
	assert_int_equal(
		nghttp2_session_mem_recv(s, buf_data(from), buf_len(from)),
		(ssize_t)buf_len(from));
	buf_reset(from);
}

int bench_pump(struct bench *b)
{
	struct buf up, down;

	buf_init(&up, MANY);
	buf_init(&down, MANY);
	while (!b->rc && drain(b->client, &up) + drain(b->server, &down)) {
		bench_push(b, buf_data(&up), buf_len(&up));
		buf_reset(&up);
		if (!b->rc)
			feed(b->server, &b->out);
		feed(b->client, &down);
	}
	buf_fini(&up);
	buf_fini(&down);
	return b->rc;
}

static ssize_t read_body(nghttp2_session *s, int32_t stream, uint8_t *data,
			 size_t len, uint32_t *flags,
			 nghttp2_data_source *source MSB_UNUSED, void *ctx)
{
	struct bench *b = ctx;

	if (b->portion && b->portion < len)
		len = b->portion;
	if (b->body_left < len)
		len = b->body_left;
	memcpy(data, b->body, len);
	b->body += len;
	b->body_left -= len;
	if (b->body_left)
		return (ssize_t)len;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (b->ntrailers) {
		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		assert_int_equal(nghttp2_submit_trailer(s, stream, b->trailers,
							b->ntrailers),
				 0);
	}
	return (ssize_t)len;
}

int bench_ask(struct bench *b, const nghttp2_nv *nv, size_t n, const char *body,
	      size_t len)
{
	const nghttp2_data_provider provider = { .read_callback = read_body };

	b->body = body;
	b->body_left = len;
	assert_true(nghttp2_submit_request(b->client, NULL, nv, n,
					   body ? &provider : NULL, NULL) > 0);
	return bench_pump(b);
}

const struct seen *bench_last(const struct bench *b)
{
	assert_true(b->nseen);
	return &b->seen[b->nseen - 1];
}

static bool has_line(const struct buf *b, const char *line)
{
	const size_t len = strlen(line);
	const uint8_t *p = buf_data(b), *end = p + buf_len(b), *eol;

	for (; p < end; p = eol + 1) {
		eol = memchr(p, '\n', (size_t)(end - p));
		if ((size_t)(eol - p) == len && !memcmp(p, line, len))
			return true;
	}
	return false;
}

bool bench_saw(const struct seen *s, const char *line)
{
	return has_line(&s->head, line) || has_line(&s->trailers, line);
}

bool bench_sent(const struct bench *b, const char *text)
{
	return memmem(buf_data(&b->wire), buf_len(&b->wire), text,
		      strlen(text)) != NULL;
}

void put_frame(struct buf *b, unsigned type, unsigned flags, uint32_t stream,
	       const void *data, size_t len)
{
	uint8_t head[H2_FRAME_HEAD];

	be32_put(head, (uint32_t)len << 8);
	head[3] = (uint8_t)type;
	head[4] = (uint8_t)flags;
	be32_put(head + 5, stream);
	buf_append(b, head, sizeof(head));
	buf_append(b, data, len);
}

void put_preface(struct buf *b)
{
	buf_str(b, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	put_frame(b, NGHTTP2_SETTINGS, 0, 0, NULL, 0);
}

void pack(struct bench *b, struct buf *to, const char *fields)
{
	while (*fields) {
		const char *end = strchr(fields, '\n');
		const char *colon = strstr(fields + 1, ": ");
		nghttp2_nv nv = { .name = (uint8_t *)fields,
				  .namelen = (size_t)(colon - fields),
				  .value = (uint8_t *)colon + 2,
				  .valuelen = (size_t)(end - colon - 2) };
		size_t bound = nghttp2_hd_deflate_bound(b->packer, &nv, 1);
		uint8_t *p = buf_reserve(to, bound);
		ssize_t n;

		assert_non_null(p);
		n = nghttp2_hd_deflate_hd(b->packer, p, bound, &nv, 1);
		assert_true(n > 0);
		buf_commit(to, (size_t)n);
		fields = end + 1;
	}
}

void put_headers(struct bench *b, struct buf *to, unsigned flags,
		 uint32_t stream, const char *fields)
{
	struct buf block;

	buf_init(&block, MANY);
	pack(b, &block, fields);
	put_frame(to, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, stream,
		  buf_data(&block), buf_len(&block));
	buf_fini(&block);
}
