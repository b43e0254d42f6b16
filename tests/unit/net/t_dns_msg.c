/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: names and their compression, requests, what is written here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "net/dns_msg.h"

/* A message: header with these counts, then the bytes of a string literal. */
#define MSG(counts, body)                                                      \
	(const uint8_t *)("\x12\x34\x01\x00" counts body),                     \
		sizeof("\x12\x34\x01\x00" counts body) - 1
#define ONE "\0\1\0\0\0\0\0\0"
#define ONE_EXTRA "\0\1\0\0\0\0\0\1"
#define EXAMPLE "\7example\3com\0"

static int name_at(const uint8_t *msg, size_t len, size_t pos,
		   struct dns_name *ret, size_t *ret_end)
{
	int rc = dns_name_read(msg, len, &pos, ret);

	*ret_end = pos;
	return rc;
}

static void names_are_read_in_lower_case(void **state)
{
	struct dns_name n, m;
	size_t end;
	char text[DNS_NAME_PRINT];

	(void)state;
	assert_int_equal(
		name_at(MSG(ONE, "\7ExAmPLe\3cOm\0rest"), 12, &n, &end), 0);
	assert_int_equal(end, 12 + 13);
	assert_int_equal(n.len, 13);
	assert_true(dns_name_text(&n, text));
	assert_string_equal(text, "example.com");
	assert_int_equal(dns_name_parse("Example.Com.", 12, &m), 0);
	assert_true(dns_name_equal(&n, &m));
	assert_int_equal(dns_name_parse("example.co", 10, &m), 0);
	assert_false(dns_name_equal(&n, &m));
}

static void pointers_lead_backwards_only(void **state)
{
	struct dns_name n;
	size_t end;
	char text[DNS_NAME_PRINT];

	(void)state;
	/* www + pointer to example.com, and a pointer to that */
	assert_int_equal(name_at(MSG(ONE, EXAMPLE "\3www\xc0\x0c\xc0\x19"), 25,
				 &n, &end),
			 0);
	assert_int_equal(end, 31);
	assert_int_equal(name_at(MSG(ONE, EXAMPLE "\3www\xc0\x0c\xc0\x19"), 31,
				 &n, &end),
			 0);
	assert_int_equal(end, 33);
	assert_string_equal(dns_name_print(&n, text), "www.example.com");

	/* to itself, forward, into the header, to its own beginning */
	assert_int_equal(name_at(MSG(ONE, "\xc0\x0c"), 12, &n, &end), -EBADMSG);
	assert_int_equal(name_at(MSG(ONE, "\xc0\x0e\1a\0"), 12, &n, &end),
			 -EBADMSG);
	assert_int_equal(name_at(MSG(ONE, "\1a\0\xc0\x04"), 15, &n, &end),
			 -EBADMSG);
	assert_int_equal(name_at(MSG(ONE, "\1a\xc0\x0c"), 12, &n, &end),
			 -EBADMSG);
	/* two that point at each other */
	assert_int_equal(name_at(MSG(ONE, "\xc0\x0e\xc0\x0c"), 14, &n, &end),
			 -EBADMSG);
	/* half a pointer, and the two reserved kinds of label */
	assert_int_equal(name_at(MSG(ONE, "\1a\xc0"), 12, &n, &end), -EBADMSG);
	assert_int_equal(name_at(MSG(ONE, "\x40"
					  "a\0"),
				 12, &n, &end),
			 -EBADMSG);
	assert_int_equal(name_at(MSG(ONE, "\x80"
					  "a\0"),
				 12, &n, &end),
			 -EBADMSG);
}

static void a_long_chain_of_pointers_ends(void **state)
{
	uint8_t msg[4096] = { 0 };
	struct dns_name n;
	size_t end, at;

	(void)state;
	/* the root, then pointers each to the one before */
	for (at = 13; at + 2 <= sizeof(msg); at += 2)
		be16_put(msg + at,
			 (uint16_t)(0xc000 | (at == 13 ? 12 : at - 2)));
	assert_int_equal(name_at(msg, sizeof(msg), 13 + 2 * 126, &n, &end), 0);
	assert_int_equal(n.len, 1);
	assert_int_equal(name_at(msg, sizeof(msg), 13 + 2 * 127, &n, &end),
			 -EBADMSG);
}

static void names_are_no_longer_than_255(void **state)
{
	uint8_t msg[600] = { 0 };
	struct dns_name n;
	size_t end, at = 12;
	char text[DNS_NAME_PRINT];

	(void)state;
	for (int i = 0; i < 3; i++) { /* 3 * 64 */
		msg[at] = 63;
		memset(msg + at + 1, 'a', 63);
		at += 64;
	}
	msg[at] = 61; /* 192 + 62 + 1 = 255 */
	memset(msg + at + 1, 'b', 61);
	assert_int_equal(name_at(msg, sizeof(msg), 12, &n, &end), 0);
	assert_int_equal(n.len, 255);
	assert_true(dns_name_text(&n, text));
	assert_int_equal(strlen(text), 253);
	msg[at] = 62;
	msg[at + 62] = 'b';
	assert_int_equal(name_at(msg, sizeof(msg), 12, &n, &end), -EBADMSG);
	/* cut off in a label, and before the root */
	assert_int_equal(name_at(msg, at + 5, 12, &n, &end), -EBADMSG);
	assert_int_equal(name_at(msg, 12 + 64, 12, &n, &end), -EBADMSG);
	assert_int_equal(name_at(msg, 12, 12, &n, &end), -EBADMSG);
}

static void odd_labels_are_no_names_of_rules(void **state)
{
	struct dns_name n;
	size_t end;
	char text[DNS_NAME_PRINT];

	(void)state;
	assert_int_equal(name_at(MSG(ONE, "\13example.com\0"), 12, &n, &end),
			 0);
	assert_false(dns_name_text(&n, text));
	assert_string_equal(text, "");
	assert_string_equal(dns_name_print(&n, text), "example?com");
	assert_int_equal(name_at(MSG(ONE, "\3a\n\0\3com\0"), 12, &n, &end), 0);
	assert_false(dns_name_text(&n, text));
	assert_string_equal(dns_name_print(&n, text), "a??.com");
	assert_int_equal(name_at(MSG(ONE, "\0"), 12, &n, &end), 0);
	assert_false(dns_name_text(&n, text));
	assert_string_equal(dns_name_print(&n, text), ".");
	for (size_t i = 0; i < 6; i++) {
		static const char *const bad[] = { "",	"..",	 "a..b",
						   ".", "a b.c", "a/b" };

		assert_int_equal(dns_name_parse(bad[i], strlen(bad[i]), &n),
				 -EINVAL);
	}
}

static void requests_are_checked(void **state)
{
	struct dns_request r;

	(void)state;
	assert_int_equal(dns_request_read(MSG(ONE, EXAMPLE "\0\34\0\1"), &r),
			 0);
	assert_int_equal(r.header.id, 0x1234);
	assert_int_equal(r.question.type, DNS_AAAA);
	assert_int_equal(r.question.class, DNS_CLASS_IN);
	assert_int_equal(r.question.end, 12 + 13 + 4);
	assert_false(r.has_edns);
	assert_true(r.simple);
	assert_int_equal(r.udp_size, 512);

	/* none, two */
	assert_int_equal(dns_request_read(MSG("\0\0\0\0\0\0\0\0", ""), &r),
			 -EPROTO);
	assert_int_equal(
		dns_request_read(MSG("\0\2\0\0\0\0\0\0", EXAMPLE "\0\1\0\1"),
				 &r),
		-EPROTO);
	/* an answer, too short, junk behind, a record that is missing */
	assert_int_equal(
		dns_request_read((const uint8_t *)"\1\1\x81\0\0\1\0\0\0\0\0\0"
						  "\1a\0\0\1\0\1",
				 19, &r),
		-EBADMSG);
	assert_int_equal(dns_request_read((const uint8_t *)"\1\1\1", 3, &r),
			 -EBADMSG);
	assert_int_equal(dns_request_read(MSG(ONE, EXAMPLE "\0\1\0"), &r),
			 -EBADMSG);
	assert_int_equal(dns_request_read(MSG(ONE, EXAMPLE "\0\1\0\1x"), &r),
			 -EBADMSG);
	assert_int_equal(
		dns_request_read(MSG(ONE_EXTRA, EXAMPLE "\0\1\0\1"), &r),
		-EBADMSG);
}

static void edns_tells_what_its_sender_takes(void **state)
{
	struct dns_request r;

	(void)state;
	assert_int_equal(dns_request_read(MSG(ONE_EXTRA,
					      EXAMPLE "\0\1\0\1"
						      "\0\0\x29\x04\xd0\0\0\x80"
						      "\0\0\0"),
					  &r),
			 0);
	assert_true(r.has_edns);
	assert_true(r.simple);
	assert_int_equal(r.udp_size, 1232);
	/* less than everybody takes */
	assert_int_equal(
		dns_request_read(MSG(ONE_EXTRA, EXAMPLE "\0\1\0\1"
							"\0\0\x29\0\x40\0\0\0"
							"\0\0\0"),
				 &r),
		0);
	assert_int_equal(r.udp_size, 512);
	/* with an option: never from the cache */
	assert_int_equal(
		dns_request_read(MSG(ONE_EXTRA, EXAMPLE "\0\1\0\1"
							"\0\0\x29\x04\xd0\0\0\0"
							"\0\0\4\0\12\0\0"),
				 &r),
		0);
	assert_false(r.simple);
	/* twice; below a name */
	assert_int_equal(dns_request_read(MSG("\0\1\0\0\0\0\0\2", EXAMPLE
					      "\0\1\0\1"
					      "\0\0\x29\x04\xd0\0\0\0\0\0\0"
					      "\0\0\x29\x04\xd0\0\0\0\0\0\0"),
					  &r),
			 -EBADMSG);
	assert_int_equal(dns_request_read(MSG(ONE_EXTRA,
					      EXAMPLE "\0\1\0\1"
						      "\1a\0\0\x29\x04\xd0\0\0"
						      "\0\0\0\0"),
					  &r),
			 -EBADMSG);
}

static void statuses_echo_the_question(void **state)
{
	static const uint8_t q[] =
		"\xab\xcd\x01\x20" ONE "\7eXample\3com\0\0\1\0\1";
	uint8_t out[DNS_LOCAL_MAX];
	struct dns_request r;
	size_t n = sizeof(q) - 1;

	(void)state;
	assert_int_equal(dns_request_read(q, n, &r), 0);
	assert_int_equal(dns_status_write(out, q, &r, true, DNS_NXDOMAIN), n);
	assert_memory_equal(out, "\xab\xcd\x81\x83" ONE, 12);
	assert_memory_equal(out + 12, q + 12, n - 12);
	assert_int_equal(dns_status_write(out, q, &r, false, DNS_FORMERR), 12);
	assert_memory_equal(out, "\xab\xcd\x81\x81\0\0\0\0\0\0\0\0", 12);
}

static void addresses_are_answered(void **state)
{
	static const uint8_t q[] = "\xab\xcd\x01\0" ONE "\1a\0\0\34\0\1";
	struct net_addr a;
	uint8_t out[DNS_LOCAL_MAX];
	struct dns_request r;
	struct dns_reader reader;
	struct dns_record rec;
	struct dns_header h;
	size_t n;

	(void)state;
	assert_int_equal(net_addr_parse("fd00::1", 7, &a), 0);
	assert_int_equal(dns_request_read(q, sizeof(q) - 1, &r), 0);
	n = dns_address_write(out, q, &r, &a, 60);
	assert_int_equal(dns_header_read(out, n, &h), 0);
	assert_int_equal(h.flags,
			 DNS_FLAG_QR | DNS_FLAG_AA | DNS_FLAG_RD | DNS_FLAG_RA);
	dns_reader_init(&reader, out, n, r.question.end, &h);
	assert_int_equal(dns_reader_next(&reader, &rec), 1);
	assert_true(dns_name_equal(&rec.owner, &r.question.name));
	assert_int_equal(rec.type, DNS_AAAA);
	assert_int_equal(rec.ttl, 60);
	assert_memory_equal(out + rec.data, a.b, 16);
	assert_int_equal(dns_reader_next(&reader, &rec), 0);
	assert_int_equal(reader.pos, n);

	n = dns_address_write(out, q, &r, NULL, 60);
	assert_int_equal(n, sizeof(q) - 1);
	assert_int_equal(be16_get(out + 6), 0);
}

static void truncation_leaves_the_question(void **state)
{
	uint8_t m[] = "\xab\xcd\x81\x80\0\1\0\1\0\0\0\0"
		      "\1a\0\0\1\0\1\xc0\x0c\0\1\0\1\0\0\0\1\0\4\1\2\3\4";

	(void)state;
	assert_int_equal(dns_truncate(m, sizeof(m) - 1), 19);
	assert_memory_equal(m, "\xab\xcd\x83\x80" ONE, 12);
}

static void records_stay_inside_the_message(void **state)
{
	/* its data is said to be five bytes, and is four */
	static const uint8_t m[] =
		"\xab\xcd\x81\x80\0\1\0\1\0\0\0\0"
		"\1a\0\0\1\0\1\xc0\x0c\0\1\0\1\x80\0\0\1\0\5\1\2\3\4";
	struct dns_question q;
	struct dns_header h;
	struct dns_reader r;
	struct dns_record rec;

	(void)state;
	for (size_t n = 12; n < sizeof(m); n++) {
		uint8_t copy[sizeof(m)];
		int want = n == sizeof(m) - 1 ? 1 : -EBADMSG;

		memcpy(copy, m, sizeof(m));
		copy[30] = n == sizeof(m) - 1 ? 4 : 5;
		assert_int_equal(dns_header_read(copy, n, &h), 0);
		if (dns_question_read(copy, n, &q))
			continue;
		dns_reader_init(&r, copy, n, q.end, &h);
		assert_int_equal(dns_reader_next(&r, &rec), want);
		if (want == 1)
			assert_int_equal(rec.ttl, 0); /* the top bit */
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_in_lower_case),
		cmocka_unit_test(pointers_lead_backwards_only),
		cmocka_unit_test(a_long_chain_of_pointers_ends),
		cmocka_unit_test(names_are_no_longer_than_255),
		cmocka_unit_test(odd_labels_are_no_names_of_rules),
		cmocka_unit_test(requests_are_checked),
		cmocka_unit_test(edns_tells_what_its_sender_takes),
		cmocka_unit_test(statuses_echo_the_question),
		cmocka_unit_test(addresses_are_answered),
		cmocka_unit_test(truncation_leaves_the_question),
		cmocka_unit_test(records_stay_inside_the_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
