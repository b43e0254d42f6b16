/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: names, questions, records. */
#include "net/dns_msg.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

/* A name has at most 127 labels; more pointers than that are a game. */
#define MAX_POINTERS 127
#define OPT_OWNER_LEN 1

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

int dns_header_read(const uint8_t *msg, size_t len, struct dns_header *ret)
{
	if (len < DNS_HEADER || len > DNS_MAX_MSG)
		return -EBADMSG;
	ret->id = be16_get(msg);
	ret->flags = be16_get(msg + 2);
	ret->questions = be16_get(msg + 4);
	ret->answers = be16_get(msg + 6);
	ret->authorities = be16_get(msg + 8);
	ret->extras = be16_get(msg + 10);
	return 0;
}

/* One label, its length byte included, or the root's. */
static int take_label(const uint8_t *msg, size_t len, size_t at,
		      struct dns_name *name)
{
	size_t n = msg[at];

	if (n > len - at - 1 || name->len + n + 1 > DNS_MAX_NAME)
		return -EBADMSG;
	name->wire[name->len++] = (uint8_t)n;
	for (size_t i = 1; i <= n; i++)
		name->wire[name->len++] = lower(msg[at + i]);
	return 0;
}

int dns_name_read(const uint8_t *msg, size_t len, size_t *pos,
		  struct dns_name *ret)
{
	size_t at = *pos, start = *pos, end = 0;
	unsigned pointers = 0;

	ret->len = 0;
	for (;;) {
		if (at >= len)
			return -EBADMSG;
		if (msg[at] <= DNS_MAX_LABEL) {
			if (take_label(msg, len, at, ret))
				return -EBADMSG;
			if (!msg[at])
				break;
			at += 1u + msg[at];
			continue;
		}
		if ((msg[at] & 0xc0) != 0xc0 || at + 2 > len ||
		    ++pointers > MAX_POINTERS)
			return -EBADMSG;
		if (!end)
			end = at + 2;
		at = be16_get(msg + at) & 0x3fff;
		if (at < DNS_HEADER || at >= start)
			return -EBADMSG;
		start = at;
	}
	*pos = end ? end : at + 1;
	return 0;
}

int dns_question_read(const uint8_t *msg, size_t len, struct dns_question *ret)
{
	size_t pos = DNS_HEADER;

	if (dns_name_read(msg, len, &pos, &ret->name) || len - pos < 4)
		return -EBADMSG;
	ret->type = be16_get(msg + pos);
	ret->class = be16_get(msg + pos + 2);
	ret->end = pos + 4;
	return 0;
}

void dns_reader_init(struct dns_reader *r, const uint8_t *msg, size_t len,
		     size_t pos, const struct dns_header *h)
{
	*r = (struct dns_reader){ .msg = msg, .len = len, .pos = pos };
	r->left[DNS_ANSWER] = h->answers;
	r->left[DNS_AUTHORITY] = h->authorities;
	r->left[DNS_ADDITIONAL] = h->extras;
}

int dns_reader_next(struct dns_reader *r, struct dns_record *ret)
{
	uint32_t ttl;

	while (r->section < DNS_SECTIONS && !r->left[r->section])
		r->section++;
	if (r->section == DNS_SECTIONS)
		return 0;
	if (dns_name_read(r->msg, r->len, &r->pos, &ret->owner) ||
	    r->len - r->pos < 10)
		return -EBADMSG;
	ret->section = r->section;
	ret->type = be16_get(r->msg + r->pos);
	ret->class = be16_get(r->msg + r->pos + 2);
	ret->ttl_off = r->pos + 4;
	ttl = be32_get(r->msg + ret->ttl_off);
	ret->ttl = ttl & 0x80000000u ? 0 : ttl;
	ret->data_len = be16_get(r->msg + r->pos + 8);
	ret->data = r->pos + 10;
	if (ret->data_len > r->len - ret->data)
		return -EBADMSG;
	r->pos = ret->data + ret->data_len;
	r->left[r->section]--;
	return 1;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
	return a->len == b->len && !memcmp(a->wire, b->wire, a->len);
}

static bool plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '_';
}

int dns_name_parse(const char *text, size_t len, struct dns_name *ret)
{
	size_t label = 0; /* where its length byte is */

	if (len && text[len - 1] == '.')
		len--;
	if (!len || len + 2 > DNS_MAX_NAME)
		return -EINVAL;
	ret->len = 1;
	for (size_t i = 0; i <= len; i++) {
		uint8_t c = i < len ? lower((uint8_t)text[i]) : '.';
		size_t n = ret->len - label - 1;

		if (c == '.') {
			if (!n || n > DNS_MAX_LABEL)
				return -EINVAL;
			ret->wire[label] = (uint8_t)n;
			label = ret->len++;
		} else if (plain(c)) {
			ret->wire[ret->len++] = c;
		} else {
			return -EINVAL;
		}
	}
	ret->wire[label] = 0;
	return 0;
}

/* Are all its bytes such as can be shown? The rest is shown as '?'. */
static bool to_text(const struct dns_name *n, char ret[DNS_NAME_PRINT])
{
	bool exact = n->len > 1;
	size_t out = 0;

	for (size_t at = 0; at < n->len && n->wire[at];) {
		size_t end = at + 1 + n->wire[at];

		if (out)
			ret[out++] = '.';
		for (at++; at < end; at++) {
			exact = exact && plain(n->wire[at]);
			ret[out++] =
				plain(n->wire[at]) ? (char)n->wire[at] : '?';
		}
	}
	ret[out] = 0;
	return exact;
}

bool dns_name_text(const struct dns_name *n, char ret[DNS_NAME_PRINT])
{
	if (to_text(n, ret))
		return true;
	ret[0] = 0;
	return false;
}

const char *dns_name_print(const struct dns_name *n, char ret[DNS_NAME_PRINT])
{
	(void)to_text(n, ret);
	if (!ret[0])
		memcpy(ret, ".", 2);
	return ret;
}

/* What the records of a request say about its sender. */
static int read_extras(const uint8_t *msg, size_t len, struct dns_request *r)
{
	struct dns_reader reader;
	struct dns_record rec;
	int rc;

	r->simple = true;
	dns_reader_init(&reader, msg, len, r->question.end, &r->header);
	while ((rc = dns_reader_next(&reader, &rec)) > 0) {
		if (rec.type != DNS_OPT || rec.section != DNS_ADDITIONAL) {
			r->simple = false;
			continue;
		}
		if (r->has_edns || rec.owner.len != OPT_OWNER_LEN)
			return -EBADMSG;
		r->has_edns = true;
		if (rec.data_len)
			r->simple = false;
		if (rec.class > r->udp_size)
			r->udp_size = rec.class;
	}
	return rc || reader.pos != len ? -EBADMSG : 0;
}

int dns_request_read(const uint8_t *msg, size_t len, struct dns_request *ret)
{
	*ret = (struct dns_request){ .udp_size = DNS_MIN_UDP };
	if (dns_header_read(msg, len, &ret->header) ||
	    ret->header.flags & DNS_FLAG_QR)
		return -EBADMSG;
	if (ret->header.questions != 1)
		return -EPROTO;
	if (dns_question_read(msg, len, &ret->question))
		return -EBADMSG;
	return read_extras(msg, len, ret);
}
