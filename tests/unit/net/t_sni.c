/* SPDX-License-Identifier: Apache-2.0 */
/* ClientHellos: whole, in parts, in many records, and dishonest ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/compiler.h"
#include "net/sni.h"

static void u8(struct buf *b, unsigned v)
{
	const uint8_t byte = (uint8_t)v;

	buf_append(b, &byte, 1);
}

static void u16(struct buf *b, size_t v)
{
	u8(b, (unsigned)(v >> 8));
	u8(b, (unsigned)(v & 0xff));
}

static void extension(struct buf *b, unsigned type, const void *data,
		      size_t len)
{
	u16(b, type);
	u16(b, len);
	buf_append(b, data, len);
}

static void server_name(struct buf *b, const char *name, size_t len)
{
	u16(b, 0);
	u16(b, len + 5);
	u16(b, len + 3);
	u8(b, 0);
	u16(b, len);
	buf_append(b, name, len);
}

/* The handshake message around these extensions. */
static void hello(struct buf *out, const struct buf *extensions)
{
	const uint8_t zeros[32] = { 0 };
	size_t n = buf_len(extensions);
	size_t len = 2 + 32 + 1 + 32 + 2 + 4 + 1 + 1 + (n ? 2 + n : 0);

	u8(out, 1);
	u8(out, (unsigned)(len >> 16));
	u16(out, len & 0xffff);
	u16(out, 0x0303);
	buf_append(out, zeros, 32);
	u8(out, 32);
	buf_append(out, zeros, 32);
	u16(out, 4);
	buf_append(out, "\x13\x01\x13\x02", 4);
	u8(out, 1);
	u8(out, 0);
	if (!n)
		return;
	u16(out, n);
	buf_append(out, buf_data(extensions), n);
}

/* In records of at most this size. */
static void records(struct buf *out, const struct buf *message, size_t size)
{
	for (size_t at = 0; at < buf_len(message); at += size) {
		size_t n = buf_len(message) - at;

		if (n > size)
			n = size;
		u8(out, 22);
		u16(out, 0x0301);
		u16(out, n);
		buf_append(out, buf_data(message) + at, n);
	}
}

static void make(struct buf *out, const struct buf *extensions, size_t size)
{
	struct buf message;

	buf_init(&message, 65536);
	hello(&message, extensions);
	buf_init(out, 262144);
	records(out, &message, size);
	assert_false(out->failed);
	buf_fini(&message);
}

static void make_named(struct buf *out, const char *name, size_t len,
		       size_t size)
{
	struct buf ext;

	buf_init(&ext, 65536);
	extension(&ext, 43, "\x02\x03\x04", 3);
	server_name(&ext, name, len);
	extension(&ext, 16, "\0\x0c\2h2\x8http/1.1", 14);
	make(out, &ext, size);
	buf_fini(&ext);
}

static enum sni_result find(const struct buf *b, char name[NET_NAME_MAX + 1])
{
	/* a copy of exactly this size, so that a read beyond it is noticed */
	size_t len = buf_len(b);
	uint8_t *copy = malloc(len ? len : 1);
	enum sni_result r;

	assert_non_null(copy);
	memcpy(copy, buf_data(b), len);
	r = sni_find(copy, len, name);
	free(copy);
	return r;
}

static void found(void **state)
{
	static const struct {
		const char *sent, *name;
	} t[] = {
		{ "example.com", "example.com" },
		{ "ExAmPle.COM", "example.com" },
		{ "example.com.", "example.com" },
		{ "a_b.example", "a_b.example" },
		{ "192.168.1.1", "192.168.1.1" },
		{ "2001:db8::1", "" },
	};
	char name[NET_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		static const size_t sizes[] = { 16384, 100, 7, 1 };

		for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
			struct buf b;

			make_named(&b, t[i].sent, strlen(t[i].sent), sizes[j]);
			assert_int_equal(find(&b, name), SNI_FOUND);
			assert_string_equal(name, t[i].name);
			buf_fini(&b);
		}
	}
}

static void every_beginning_wants_more(void **state)
{
	static const size_t sizes[] = { 16384, 3 };
	char name[NET_NAME_MAX + 1];

	(void)state;
	for (size_t j = 0; j < ARRAY_SIZE(sizes); j++) {
		struct buf b;
		size_t len;

		make_named(&b, "example.com", 11, sizes[j]);
		len = b.len;
		for (b.len = 0; b.len < len; b.len++)
			assert_int_equal(find(&b, name), SNI_MORE);
		assert_int_equal(find(&b, name), SNI_FOUND);
		/* what follows the hello is of no interest */
		buf_append(&b, "garbage", 7);
		assert_int_equal(find(&b, name), SNI_FOUND);
		buf_fini(&b);
	}
}

static void without_a_name(void **state)
{
	char name[NET_NAME_MAX + 1] = "x";
	struct buf ext, b;

	(void)state;
	buf_init(&ext, 1024);
	make(&b, &ext, 16384); /* no extensions at all */
	assert_int_equal(find(&b, name), SNI_NONE);
	assert_string_equal(name, "");
	buf_fini(&b);
	extension(&ext, 43, "\x02\x03\x04", 3);
	make(&b, &ext, 16384);
	assert_int_equal(find(&b, name), SNI_NONE);
	buf_fini(&b);
	buf_fini(&ext);
}

static void something_else(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} t[] = {
		{ "GET / HTTP/1.1\r\n", 16 },
		{ "SSH-2.0-x\r\n", 11 },
		{ "\0", 1 },
		{ "\x80\x2e\x01\x03\x01", 5 }, /* SSL 2 */
		{ "\x16\x02", 2 },
		{ "\x16\x03\x01\0\x05\x02", 6 }, /* a ServerHello */
		{ "\x15\x02", 2 },
		{ "\x17\x03\x03\x40\0", 5 },
	};
	char name[NET_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(
			sni_find((const uint8_t *)t[i].data, t[i].len, name),
			SNI_NOT_TLS);
	assert_int_equal(sni_find((const uint8_t *)"", 0, name), SNI_MORE);
}

static void expect_bad(struct buf *ext)
{
	char name[NET_NAME_MAX + 1];
	struct buf b;

	make(&b, ext, 16384);
	assert_int_equal(find(&b, name), SNI_BAD);
	buf_fini(&b);
	buf_reset(ext);
}

/* What one server takes for this name and another for that. */
static void ambiguous(void **state)
{
	struct buf ext;

	(void)state;
	buf_init(&ext, 65536);
	server_name(&ext, "a.com", 5);
	server_name(&ext, "b.com", 5);
	expect_bad(&ext);
	/* two names in one list */
	extension(&ext, 0, "\0\x10\0\0\5a.com\0\0\5b.com", 18);
	expect_bad(&ext);
	/* another kind of name */
	extension(&ext, 0, "\0\x8\1\0\5a.com", 10);
	expect_bad(&ext);
	/* lengths that do not agree */
	extension(&ext, 0, "\0\x9\0\0\5a.com", 10);
	expect_bad(&ext);
	extension(&ext, 0, "\0\x8\0\0\4a.com", 10);
	expect_bad(&ext);
	extension(&ext, 0, "", 0);
	expect_bad(&ext);
	/* an extension longer than the hello */
	u16(&ext, 0);
	u16(&ext, 300);
	expect_bad(&ext);
	u16(&ext, 43);
	u16(&ext, 1);
	expect_bad(&ext);
	u8(&ext, 0);
	expect_bad(&ext);
	/* names that are none */
	server_name(&ext, "a.com\0b.com", 11);
	expect_bad(&ext);
	server_name(&ext, "", 0);
	expect_bad(&ext);
	server_name(&ext, ".b.com", 6);
	expect_bad(&ext);
	server_name(&ext, "b.com..", 7);
	expect_bad(&ext);
	server_name(&ext, "b.com ", 6);
	expect_bad(&ext);
	server_name(&ext, "h\xc3\xa9.com", 7);
	expect_bad(&ext);
	char endless[1000];
	memset(endless, 'a', sizeof(endless));
	server_name(&ext, endless, sizeof(endless));
	expect_bad(&ext);
	buf_fini(&ext);
}

static void endless_hello(void **state)
{
	char name[NET_NAME_MAX + 1];
	uint8_t *pad = calloc(1, 40000);
	struct buf ext, b;

	(void)state;
	assert_non_null(pad);
	buf_init(&ext, 65536);
	extension(&ext, 21, pad, 20000);
	server_name(&ext, "a.com", 5);
	make(&b, &ext, 16384);
	assert_int_equal(find(&b, name), SNI_BAD); /* its length says so */
	buf_fini(&b);
	/* small by itself, but in so many records that it is not */
	buf_reset(&ext);
	extension(&ext, 21, pad, 10000);
	make(&b, &ext, 1);
	b.len = SNI_MAX_HELLO - 1;
	assert_int_equal(find(&b, name), SNI_MORE);
	b.len = SNI_MAX_HELLO;
	assert_int_equal(find(&b, name), SNI_BAD);
	buf_fini(&b);
	buf_fini(&ext);
	free(pad);
}

static void dishonest_records(void **state)
{
	static const uint8_t nothing[] = { 22, 3, 1, 0, 0 };
	char name[NET_NAME_MAX + 1];
	struct buf b, c;

	(void)state;
	/* an empty record in front of the hello: some servers skip it */
	make_named(&b, "a.com", 5, 100);
	buf_init(&c, 65536);
	buf_append(&c, nothing, sizeof(nothing));
	buf_append(&c, buf_data(&b), buf_len(&b));
	assert_int_equal(find(&c, name), SNI_BAD);
	/* or another type of record, such as a warning */
	c.data[0] = 21;
	assert_int_equal(find(&c, name), SNI_BAD);
	c.len = 1;
	assert_int_equal(find(&c, name), SNI_MORE);
	buf_fini(&b);
	buf_fini(&c);
	/* an empty record; another type in between; another version */
	static const struct {
		size_t at;
		uint8_t value;
	} t[] = { { 4, 0 }, { 15, 21 }, { 16, 2 }, { 18, 0xff } };
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		make_named(&b, "a.com", 5, 10);
		b.data[t[i].at] = t[i].value;
		assert_int_equal(find(&b, name), SNI_BAD);
		buf_fini(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(found),
		cmocka_unit_test(every_beginning_wants_more),
		cmocka_unit_test(without_a_name),
		cmocka_unit_test(something_else),
		cmocka_unit_test(ambiguous),
		cmocka_unit_test(endless_hello),
		cmocka_unit_test(dishonest_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
