/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages (RFC 1035, 6891): read from hostile bytes, and the few that are
 * written here. Pure functions; nothing is allocated.
 */
#ifndef MSB_NET_DNS_MSG_H
#define MSB_NET_DNS_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/addr.h"

#define DNS_HEADER 12u
#define DNS_MAX_NAME 255u /* on the wire, with the root's empty label */
#define DNS_MAX_LABEL 63u
#define DNS_MAX_MSG 65535u
#define DNS_MIN_UDP 512u /* what every client takes */
#define DNS_NAME_PRINT 256u

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_AAAA = 28,
	DNS_OPT = 41,
	DNS_SVCB = 64,
	DNS_HTTPS = 65,
	DNS_IXFR = 251,
	DNS_AXFR = 252,
	DNS_ANY = 255,
};

#define DNS_CLASS_IN 1

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
};

#define DNS_FLAG_QR 0x8000
#define DNS_FLAG_OPCODE 0x7800
#define DNS_FLAG_AA 0x0400
#define DNS_FLAG_TC 0x0200
#define DNS_FLAG_RD 0x0100
#define DNS_FLAG_RA 0x0080
#define DNS_FLAG_RCODE 0x000f

/* As on the wire, without compression and in lower case: equal names have
 * equal bytes. */
struct dns_name {
	uint8_t len; /* at least 1 */
	uint8_t wire[DNS_MAX_NAME];
};

struct dns_header {
	uint16_t id, flags;
	uint16_t questions, answers, authorities, extras;
};

struct dns_question {
	struct dns_name name;
	uint16_t type, class;
	size_t end; /* it lies in [DNS_HEADER, end) */
};

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_SECTIONS };

struct dns_record {
	enum dns_section section;
	struct dns_name owner;
	uint16_t type, class;
	uint32_t ttl;	/* 0 when the top bit is set (RFC 2181, 8) */
	size_t ttl_off; /* in the message */
	size_t data, data_len;
};

/* Walks the records of a message. */
struct dns_reader {
	const uint8_t *msg;
	size_t len, pos;
	unsigned left[DNS_SECTIONS];
	enum dns_section section;
};

/* 0 or -EBADMSG. */
int dns_header_read(const uint8_t *msg, size_t len, struct dns_header *ret);
/*
 * The name at *pos, which moves behind it. A compression pointer leads to what
 * was before the name it ends, never forward, so that every name ends. 0 or
 * -EBADMSG.
 */
int dns_name_read(const uint8_t *msg, size_t len, size_t *pos,
		  struct dns_name *ret);
/* The first question. 0 or -EBADMSG. */
int dns_question_read(const uint8_t *msg, size_t len, struct dns_question *ret);
/* pos: behind the questions. */
void dns_reader_init(struct dns_reader *r, const uint8_t *msg, size_t len,
		     size_t pos, const struct dns_header *h);
/* 1 and a record; 0 after the last, then pos is the message's end; -EBADMSG. */
int dns_reader_next(struct dns_reader *r, struct dns_record *ret);

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
/* From text of letters, digits, '-', '_' and dots. 0 or -EINVAL. */
int dns_name_parse(const char *text, size_t len, struct dns_name *ret);
/*
 * As text, if that text means the same name: labels of letters, digits, '-'
 * and '_' only, no root. A label with a dot in it could pass for two. false and
 * an empty text otherwise.
 */
bool dns_name_text(const struct dns_name *n, char ret[DNS_NAME_PRINT]);
/* For people: as above with '?' for every other byte, "." for the root. */
const char *dns_name_print(const struct dns_name *n, char ret[DNS_NAME_PRINT]);

/* --- requests --- */

struct dns_request {
	struct dns_header header;
	struct dns_question question;
	bool has_edns;
	bool simple;	   /* nothing beyond a question and a bare OPT */
	uint16_t udp_size; /* the longest answer its sender takes by UDP */
};

/*
 * A message that asks. 0; -EPROTO: the header is set, and the number of
 * questions is not one; -EBADMSG: anything else that is wrong with it.
 */
int dns_request_read(const uint8_t *msg, size_t len, struct dns_request *ret);

/* Messages written here fit into this. */
#define DNS_LOCAL_MAX (DNS_HEADER + DNS_MAX_NAME + 4 + 2 + 10 + 16)

/* A query for the addresses of a name; the length. */
size_t dns_query_write(uint8_t ret[DNS_LOCAL_MAX], uint16_t id,
		       const struct dns_name *name, uint16_t type);
/* An answer to msg without records; with_question: it has one. The length. */
size_t dns_status_write(uint8_t ret[DNS_LOCAL_MAX], const uint8_t *msg,
			const struct dns_request *r, bool with_question,
			enum dns_rcode rcode);
/* An authoritative answer: one address of the question's type, or none. */
size_t dns_address_write(uint8_t ret[DNS_LOCAL_MAX], const uint8_t *msg,
			 const struct dns_request *r, const struct net_addr *a,
			 uint32_t ttl_s);
/* Cut an answer down to its question, and say so (TC). The new length. */
size_t dns_truncate(uint8_t *msg, size_t len);

#endif
