/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader that walks through the handshake bytes of consecutive TLS records.
 * Whoever splits the hello into many records, repeats the extension or lists
 * two names may hope that the server sees another name than we do: the first is
 * put together here, the others no server may accept, and neither do we.
 */
#include "net/sni.h"

#include <stdbool.h>
#include <string.h>

#define RECORD_HEADER 5u
#define RECORD_CIPHER 20
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define RECORD_HEARTBEAT 24
#define RECORD_MAX 16384u
#define HANDSHAKE_HEADER 4u
#define CLIENT_HELLO 1
#define TLS_MAJOR 3
#define RANDOM_LEN 32u
#define SESSION_ID_MAX 32u
#define EXT_SERVER_NAME 0
#define NAME_TYPE_HOST 0

struct hello {
	const uint8_t *data;
	size_t len;
	size_t pos;	     /* in data */
	size_t record;	     /* bytes left in this record */
	size_t left;	     /* bytes left of the ClientHello */
	enum sni_result end; /* why reading stopped */
	bool ended;
};

static bool stop(struct hello *h, enum sni_result why)
{
	h->end = why;
	h->ended = true;
	return false;
}

/* The next record, which must be another part of the handshake. */
static bool next_record(struct hello *h)
{
	const uint8_t *p = h->data + h->pos;
	size_t have = h->len - h->pos;

	if ((have > 0 && p[0] != RECORD_HANDSHAKE) ||
	    (have > 1 && p[1] != TLS_MAJOR))
		return stop(h, SNI_BAD);
	if (have < RECORD_HEADER)
		return stop(h, SNI_MORE);
	h->record = (size_t)p[3] << 8 | p[4];
	if (!h->record || h->record > RECORD_MAX)
		return stop(h, SNI_BAD);
	h->pos += RECORD_HEADER;
	return true;
}

/* n bytes on, copied to dst unless that is NULL. */
static bool take(struct hello *h, uint8_t *dst, size_t n)
{
	if (h->ended)
		return false;
	if (n > h->left)
		return stop(h, SNI_BAD);
	h->left -= n;
	while (n) {
		if (!h->record && !next_record(h))
			return false;
		size_t part = n < h->record ? n : h->record;
		if (part > h->len - h->pos)
			return stop(h, SNI_MORE);
		if (dst) {
			memcpy(dst, h->data + h->pos, part);
			dst += part;
		}
		h->pos += part;
		h->record -= part;
		n -= part;
	}
	return true;
}

static bool take_u8(struct hello *h, size_t *ret)
{
	uint8_t b;
	if (!take(h, &b, 1))
		return false;
	*ret = b;
	return true;
}

static bool take_u16(struct hello *h, size_t *ret)
{
	uint8_t b[2];
	if (!take(h, b, sizeof(b)))
		return false;
	*ret = (size_t)b[0] << 8 | b[1];
	return true;
}

static bool skip(struct hello *h, size_t n)
{
	return take(h, NULL, n);
}

/* Of what is allowed to be no name of a rule: digits, colons. */
static bool harmless(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f') &&
		    !(c >= 'A' && c <= 'F') && c != ':' && c != '.')
			return false;
	}
	return true;
}

static bool read_name(struct hello *h, size_t len, char name[NET_NAME_MAX + 1])
{
	char text[NET_NAME_MAX + 2]; /* with a dot at its end */

	if (!len || len > sizeof(text))
		return stop(h, SNI_BAD);
	if (!take(h, (uint8_t *)text, len))
		return false;
	if (text[0] == '.')
		return stop(h, SNI_BAD);
	if (policy_name(text, len, name) < 0) {
		if (!harmless(text, len))
			return stop(h, SNI_BAD);
		name[0] = '\0';
	}
	return true;
}

/* The body of the extension: a list of which exactly one entry may be there. */
static bool read_server_name(struct hello *h, size_t len,
			     char name[NET_NAME_MAX + 1])
{
	size_t list, type, name_len;

	if (len < 5)
		return stop(h, SNI_BAD);
	if (!take_u16(h, &list) || !take_u8(h, &type) ||
	    !take_u16(h, &name_len))
		return false;
	if (list != len - 2 || type != NAME_TYPE_HOST || name_len != len - 5)
		return stop(h, SNI_BAD);
	return read_name(h, name_len, name);
}

/* Everything before the extensions; false also when there are none. */
static bool skip_head(struct hello *h, size_t *extensions)
{
	uint8_t head[HANDSHAKE_HEADER];
	size_t n;

	h->left = sizeof(head);
	if (!take(h, head, 1))
		return false;
	if (head[0] != CLIENT_HELLO)
		return stop(h, SNI_NOT_TLS);
	if (!take(h, head + 1, sizeof(head) - 1))
		return false;
	h->left = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	if (h->left > SNI_MAX_HELLO)
		return stop(h, SNI_BAD);
	if (!skip(h, 2 + RANDOM_LEN) || !take_u8(h, &n))
		return false;
	if (n > SESSION_ID_MAX)
		return stop(h, SNI_BAD);
	if (!skip(h, n) || !take_u16(h, &n) || !skip(h, n) || !take_u8(h, &n) ||
	    !skip(h, n))
		return false;
	*extensions = 0;
	if (!h->left) /* allowed before TLS 1.3 */
		return true;
	if (!take_u16(h, extensions))
		return false;
	return *extensions == h->left || stop(h, SNI_BAD);
}

/* Records that some servers pass over on the way to the hello. */
static bool may_precede(uint8_t type)
{
	return type == RECORD_CIPHER || type == RECORD_ALERT ||
	       type == RECORD_HEARTBEAT;
}

enum sni_result sni_find(const uint8_t *data, size_t len,
			 char name[NET_NAME_MAX + 1])
{
	struct hello h = { .data = data, .len = len };
	size_t extensions, type, n;
	bool found = false;

	name[0] = '\0';
	if (!len)
		return SNI_MORE;
	if (!may_precede(data[0]) && data[0] != RECORD_HANDSHAKE)
		return SNI_NOT_TLS;
	if (len > 1 && data[1] != TLS_MAJOR)
		return SNI_NOT_TLS;
	if (may_precede(data[0]))
		return len > 1 ? SNI_BAD : SNI_MORE;
	if (!skip_head(&h, &extensions))
		goto out;
	while (h.left) {
		if (!take_u16(&h, &type) || !take_u16(&h, &n))
			goto out;
		if (type != EXT_SERVER_NAME) {
			if (!skip(&h, n))
				goto out;
			continue;
		}
		if (n > h.left || found) {
			stop(&h, SNI_BAD);
			goto out;
		}
		if (!read_server_name(&h, n, name))
			goto out;
		found = true;
	}
	return found ? SNI_FOUND : SNI_NONE;
out:
	if (h.end == SNI_MORE && len >= SNI_MAX_HELLO)
		return SNI_BAD;
	return h.end;
}
